/**
 * The gateway of a run: its configuration, its keys, and the supervisor with the five processes in the gateway's
 * namespace. The program under test is the product as it is; everything here only gives it a place to run.
 */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, createWriteStream, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { z } from 'zod';
import { connect } from '../../../src/ipc/client.ts';
import type { Client } from '../../../src/ipc/client.ts';
import { parseConfig, socketPath } from '../../../src/platform/config.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { barredFolder } from '../../../src/platform/supervise/privilege.ts';
import type { AuditRecord } from '../../../src/wire/audit-event.ts';
import type { Config, configSchema } from '../../../src/wire/config.ts';
import type { Fact } from '../../../src/wire/facts.ts';
import { processNames } from '../../../src/wire/ids.ts';
import type { ProcessName } from '../../../src/wire/ids.ts';
import { auditPushes, auditVerbs, controlPushes, controlVerbs } from '../../../src/wire/messages.ts';
import type { Overview } from '../../../src/wire/messages.ts';
import { ports } from './devices.ts';
import { makeKeyPair, makePresharedKey } from './keys.ts';
import type { KeyPair } from './keys.ts';
import type { Lease } from './lease.ts';
import type { Outcome } from './namespace.ts';
import { launch } from './namespace.ts';
import { until } from '../until.ts';
import { addresses, devicePlan, userNames } from './network.ts';
import type { Network, UserName } from './network.ts';

export type ConfigInput = z.input<typeof configSchema>;

/** Virtual addresses of the resources inside the tunnel, on the devices' well-known ports. */
export const virtual = {
  pacs: { address: '100.96.128.11', port: 104 },
  archive: { address: '100.96.128.12', port: 104 },
  pump: { address: '100.96.128.21', port: 2575 },
} as const;
export const overlayPrefix = '100.96.0.0/16';
export const tunnelAddress = '100.96.0.1';
export const tunnelPort = 51820;
export const statusPort = 8420;

/** What each user is to the clinic: roles, units, device, posture, address inside the tunnel. */
export const people = {
  radiologist: {
    name: 'Rana Okafor',
    roles: ['radiologist'],
    units: ['imaging'],
    device: 'reading-room-workstation',
    posture: { level: 'good', score: 96 },
    address: '100.96.0.10',
  },
  nurse: {
    name: 'Noor Jansen',
    roles: ['nurse'],
    units: ['icu'],
    device: 'ward-tablet',
    posture: { level: 'minor', score: 71 },
    address: '100.96.0.11',
  },
  vendor: {
    name: 'Field service of the maker',
    roles: ['vendor'],
    units: [],
    device: 'service-laptop',
    posture: { level: 'unknown', score: 50 },
    address: '100.96.0.12',
  },
} as const;

const root = fileURLToPath(new URL('../../../', import.meta.url));

export interface UserKeys {
  readonly pair: KeyPair;
  readonly presharedKey: string;
}

export interface GatewayFiles {
  readonly config: Config;
  readonly configFile: string;
  readonly publicKey: string;
  readonly users: Readonly<Record<UserName, UserKeys>>;
}

/** Make keys and configuration in the run's folder. `adjust` may change the configuration before it is written. */
export function prepareGateway(lease: Lease, adjust?: (config: ConfigInput) => void): GatewayFiles {
  const folder = join(lease.folder, 'gateway');
  mkdirSync(join(folder, 'keys'), { recursive: true });
  const own = makeKeyPair();
  const users = Object.fromEntries(
    userNames.map((name) => [name, { pair: makeKeyPair(), presharedKey: makePresharedKey() }]),
  ) as unknown as Record<UserName, UserKeys>;
  const keyFile = (name: string): string => join(folder, 'keys', name);
  const policyFile = join(folder, 'clinic.cedar');
  copyFileSync(join(root, 'rootfs-overlay/etc/anteroom/policy/clinic.cedar'), policyFile);

  const input: ConfigInput = {
    site: { id: 'sample-clinic', name: 'Sample Clinic' },
    runtimeDir: join(folder, 'run'),
    stateDir: join(folder, 'state'),
    tunnel: {
      listen: { port: tunnelPort },
      privateKeyFile: keyFile('gateway'),
      addresses: [`${tunnelAddress}/17`],
    },
    peers: userNames.map((name) => ({
      id: `${name}-${people[name].device}`,
      publicKey: users[name].pair.publicKey,
      presharedKeyFile: keyFile(`${name}.psk`),
      allowedIps: [`${people[name].address}/32`],
      user: name,
      userDevice: people[name].device,
      posture: people[name].posture,
    })),
    users: userNames.map((name) => ({
      id: name,
      name: people[name].name,
      roles: [...people[name].roles],
      units: [...people[name].units],
    })),
    devices: [
      { id: 'pacs', name: 'PACS', class: 'pacs', unit: 'imaging', address: devicePlan.pacs.address },
      {
        id: 'archive',
        name: 'CT archive',
        class: 'modality',
        unit: 'imaging',
        address: devicePlan.archive.address,
      },
      {
        id: 'pump-3',
        name: 'Infusion pump 3',
        class: 'infusion-pump',
        unit: 'icu',
        address: devicePlan.pump.address,
      },
    ],
    resources: [
      { id: 'pacs-dicom', device: 'pacs', protocol: 'dicom', virtual: virtual.pacs, port: ports.orthanc },
      {
        id: 'archive-dicom',
        device: 'archive',
        protocol: 'dicom',
        virtual: virtual.archive,
        port: ports.archive,
      },
      { id: 'pump-3-hl7', device: 'pump-3', protocol: 'hl7', virtual: virtual.pump, port: ports.pump },
    ],
    policy: { file: policyFile },
    status: { listen: { address: addresses.management, port: statusPort } },
  };
  adjust?.(input);
  const text = JSON.stringify(input, undefined, 2);
  const configFile = join(folder, 'config.json');
  writeFileSync(configFile, text, { mode: 0o644 });
  const config = parseConfig(text, configFile);

  // Keys are the tunnel process's alone.
  const secret = (file: string, value: string): void => {
    writeFileSync(file, `${value}\n`, { mode: 0o400 });
    chownSync(file, config.uids.tunnel, config.uids.tunnel);
  };
  secret(keyFile('gateway'), own.privateKey);
  for (const name of userNames) secret(keyFile(`${name}.psk`), users[name].presharedKey);
  chownSync(join(folder, 'keys'), config.uids.tunnel, config.uids.tunnel);
  chmodSync(join(folder, 'keys'), 0o700);
  return { config, configFile, publicKey: own.publicKey, users };
}

/** A repository that other users can't enter is shown to the processes at a place where they can, in a mount namespace of their own. */
function reachable(command: string[]): string[] {
  if (barredFolder(join(root, 'package.json')) === undefined) return command;
  const place = '/mnt/anteroom';
  const moved = command.map((word) => (word.startsWith(root) ? join(place, word.slice(root.length)) : word));
  const script = `mount -t tmpfs -o mode=755 none /mnt && mkdir ${place} && mount --bind "$0" ${place} && exec "$@"`;
  return ['unshare', '--mount', '--propagation=private', 'sh', '-c', script, root, ...moved];
}

export class Gateway {
  readonly files: GatewayFiles;
  readonly #network: Network;
  readonly #child: ChildProcess;
  readonly #control: Client<typeof controlVerbs>;
  readonly #audit: Client<typeof auditVerbs>;
  /** Every line of the supervisor and the processes, as it came. */
  readonly lines: string[] = [];
  readonly #pids = new Map<ProcessName, number>();
  readonly #ready = new Map<ProcessName, number>();

  constructor(
    lease: Lease,
    network: Network,
    files: GatewayFiles,
    onState: (text: string) => void = () => undefined,
  ) {
    this.files = files;
    this.#network = network;
    const supervisor = [process.execPath, join(root, 'src/main/supervisor.ts')];
    this.#child = spawn(
      'setpriv',
      [...launch, 'nsenter', `--net=/run/netns/${network.gateway.name}`, ...reachable(supervisor)],
      {
        env: { ...process.env, ANTEROOM_CONFIG: files.configFile },
        stdio: ['ignore', 'pipe', 'pipe'],
        detached: true,
      },
    );
    const log = createWriteStream(join(lease.folder, 'gateway', 'log'));
    this.#child.once('close', () => log.end());
    const take = (line: string): void => {
      this.lines.push(line);
      log.write(`${line}\n`);
      const state = /^anteroom: (\w+) (started|ready), pid (\d+)$/.exec(line);
      const name = processNames.find((n) => n === state?.[1]);
      if (name) (state?.[2] === 'ready' ? this.#ready : this.#pids).set(name, Number(state?.[3]));
      if (line.startsWith('anteroom')) onState(line);
    };
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', take);
    createInterface({ input: this.#child.stderr as NodeJS.ReadableStream }).on('line', take);
    const at = (server: 'control' | 'audit'): string => socketPath(files.config, server);
    this.#control = connect({
      path: at('control'),
      verbs: controlVerbs,
      pushes: controlPushes,
      log: silentLog,
    });
    this.#audit = connect({ path: at('audit'), verbs: auditVerbs, pushes: auditPushes, log: silentLog });
  }

  /** Until each of `names` has said that it is ready, under the pid that it has now. */
  async ready(names: readonly ProcessName[] = processNames, deadlineMs = 30_000): Promise<void> {
    await until(
      `${names.join(', ')} ready`,
      () => {
        if (this.#child.exitCode !== null)
          throw new Error(
            `the gateway ended with ${this.#child.exitCode}:\n${this.lines.slice(-20).join('\n')}`,
          );
        return names.every(
          (name) => this.#ready.get(name) !== undefined && this.#ready.get(name) === this.#pids.get(name),
        );
      },
      deadlineMs,
    ).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}\n${this.lines.slice(-20).join('\n')}`, { cause: error });
    });
  }

  pid(name: ProcessName): number {
    const pid = this.#pids.get(name);
    if (pid === undefined) throw new Error(`${name} was never started`);
    return pid;
  }

  /** SIGKILL, as a crash would be. */
  kill(name: ProcessName): void {
    const pid = this.pid(name);
    this.#ready.delete(name);
    process.kill(pid, 'SIGKILL');
  }

  overview(): Promise<Overview> {
    return this.#control.call('operator.overview', {});
  }

  revoke(session: Overview['sessions'][number]['grant']['session'], reason: string): Promise<unknown> {
    return this.#control.call('operator.revoke', { session, reason });
  }

  /** Report facts, as an agent or an operator would. */
  facts(facts: readonly Fact[]): Promise<unknown> {
    return this.#control.call('operator.facts', { facts: [...facts] });
  }

  auditHead(): Promise<{ size: number; root: string }> {
    return this.#audit.call('audit.head', {});
  }

  /** Every record of the log from `from` on. */
  async records(from = 0): Promise<AuditRecord[]> {
    const all: AuditRecord[] = [];
    for (;;) {
      const { records } = await this.#audit.call('audit.read', { from: from + all.length, limit: 1000 });
      if (records.length === 0) return all;
      all.push(...records);
    }
  }

  /** The product's command line, as an operator on the gateway would use it. */
  cli(...args: string[]): Promise<Outcome> {
    return this.#network.gateway.run(process.execPath, [join(root, 'src/cli/anteroom.ts'), ...args], {
      environment: { ANTEROOM_CONFIG: this.files.configFile },
    });
  }

  /** Counters of the packet filter, by name. */
  drops(): Record<string, number> {
    const text = execFileSync(
      'nsenter',
      [
        `--net=/run/netns/${this.#network.gateway.name}`,
        'nft',
        '-j',
        'list',
        'counters',
        'table',
        'inet',
        'anteroom',
      ],
      { encoding: 'utf8' },
    );
    const parsed = JSON.parse(text) as { nftables: { counter?: { name: string; packets: number } }[] };
    return Object.fromEntries(
      parsed.nftables.flatMap(({ counter }) => (counter ? [[counter.name, counter.packets]] : [])),
    );
  }

  /** SIGTERM to the supervisor; its exit code. */
  async stop(): Promise<number> {
    this.#control.close();
    this.#audit.close();
    const child = this.#child;
    if (child.exitCode !== null) return child.exitCode;
    const ended = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 137)));
    child.kill('SIGTERM');
    const limit = setTimeout(() => child.kill('SIGKILL'), 30_000);
    const code = await ended;
    clearTimeout(limit);
    return code;
  }
}
