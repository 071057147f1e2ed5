/**
 * Plays systemd's part where there is none: in development, and for `make start`. Makes the folders, puts the
 * network settings in force, starts the five processes each as its own user with its own capability only,
 * starts again what ended, and stops everything in order.
 *
 *   ANTEROOM_CONFIG=/path node src/main/supervisor.ts [--check] [--no-network]
 *
 * --check: say whether configuration and rules are valid, change nothing. --no-network: leave nftables and
 * sysctl alone. Standard output: one line `anteroom: …` a change of state, and the processes' own log lines.
 */
import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { systemClock } from '../platform/clock.ts';
import { configFile, loadConfig } from '../platform/config.ts';
import { nodeFlags } from '../platform/engine.ts';
import { announceReady } from '../platform/supervise/announce.ts';
import { SupervisedChild } from '../platform/supervise/child.ts';
import { applyNetwork, checkNetwork, missingInterfaces } from '../platform/supervise/network.ts';
import { barredFolder, startCommand, startOrder, stopStages } from '../platform/supervise/privilege.ts';
import type { Config } from '../wire/config.ts';
import { Fault, exitCodeOf, exitCodes, isFault } from '../wire/errors.ts';
import type { ProcessName } from '../wire/ids.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const overlay = join(root, 'rootfs-overlay');

const say = (text: string): void => void process.stdout.write(`anteroom: ${text}\n`);
const complain = (error: unknown): void => {
  const text = isFault(error) ? `${error.code}: ${error.message}` : String(error);
  process.stderr.write(`anteroom: ${text}\n`);
};

/** Sockets: a folder a process that others may enter. Stores: the process's own. As tmpfiles.d has it. */
function makeFolders(config: Config): void {
  for (const [base, mode] of [
    [config.runtimeDir, 0o755],
    [config.stateDir, 0o700],
  ] as const) {
    mkdirSync(base, { recursive: true });
    chmodSync(base, 0o755);
    for (const name of startOrder) {
      const folder = join(base, name);
      mkdirSync(folder, { recursive: true });
      chownSync(folder, config.uids[name], config.uids[name]);
      chmodSync(folder, mode);
    }
  }
}

/** Only what the processes need: nothing of the caller's environment gets to them by accident. */
function environmentOf(): NodeJS.ProcessEnv {
  const passed = Object.entries(process.env).filter(
    ([name]) => name === 'PATH' || name === 'LANG' || name.startsWith('ANTEROOM_'),
  );
  return { ...Object.fromEntries(passed), ANTEROOM_CONFIG: configFile() };
}

function requireMachine(): void {
  if (process.getuid?.() !== 0)
    throw new Fault(
      'CAPABILITY_MISSING',
      'the supervisor must be run by root, to start processes as their own users',
    );
  for (const file of [process.execPath, join(root, 'src/main/supervisor.ts')]) {
    const folder = barredFolder(file);
    if (folder !== undefined)
      throw new Fault(
        'CAPABILITY_MISSING',
        `the processes' users cannot enter ${folder}, on the way to ${file}`,
      );
  }
}

async function supervise(config: Config, network: boolean): Promise<void> {
  requireMachine();
  makeFolders(config);
  const undoNetwork = network ? applyNetwork(overlay, config) : undefined;
  if (network) {
    say('packet filter and kernel settings are in force');
    for (const name of missingInterfaces(config)) say(`there is no interface ${name} (yet)`);
  }

  let ending: Promise<void> | undefined;
  const children = new Map<ProcessName, SupervisedChild>();
  const end = (code: number, why: string): void => {
    ending ??= (async () => {
      say(`stopping: ${why}`);
      for (const stage of stopStages)
        await Promise.all(stage.map(async (name) => children.get(name)?.stop()));
      let exit = code;
      try {
        undoNetwork?.();
      } catch (error) {
        complain(error);
        exit = exitCodeOf(error);
      }
      say('stopped');
      process.exit(exit);
    })();
  };
  process.on('SIGTERM', () => end(exitCodes.ok, 'SIGTERM'));
  process.on('SIGINT', () => end(exitCodes.ok, 'SIGINT'));
  process.on('SIGHUP', () => end(exitCodes.ok, 'SIGHUP'));

  for (const name of startOrder) {
    const program = [process.execPath, ...nodeFlags(name), join(root, `src/main/${name}.ts`)];
    const [command = '', ...args] = startCommand(name, config.uids, program);
    const child = new SupervisedChild({
      name,
      command,
      args,
      environment: environmentOf(),
      clock: systemClock,
      say,
      log: (line) => void process.stdout.write(`${line}\n`),
      onLastingFault: (code) => end(code, `${name} cannot work with this configuration or on this machine`),
    });
    children.set(name, child);
    child.start();
  }
  await announceReady('the five processes are started');
}

try {
  const { values } = parseArgs({
    options: {
      check: { type: 'boolean', default: false },
      'no-network': { type: 'boolean', default: false },
    },
  });
  const config = loadConfig();
  if (values.check) {
    if (!values['no-network']) checkNetwork(overlay, config);
    say(`${configFile()} is valid`);
  } else await supervise(config, !values['no-network']);
} catch (error) {
  const usage = (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS') === true;
  if (usage) process.stderr.write(`anteroom: ${(error as Error).message}\n`);
  else complain(error);
  process.exit(usage ? exitCodes.usage : exitCodeOf(error));
}
