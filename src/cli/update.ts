/**
 * `anteroom update …`: what runs, what the other slot holds and how that did; put a new version there, from a stick or
 * from the coordinator; go back. On the appliance only: it needs the image's disk, its boot loader's files and root.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { loadConfig } from '../platform/config.ts';
import { Fault } from '../wire/errors.ts';
import { printJson, table } from './console.ts';
import { httpsSource } from './update/download.ts';
import { entryState, parseEntry, readEntries } from './update/entries.ts';
import { readFloor } from './update/floor.ts';
import { confirm, install, rollBack, versionFloor } from './update/install.ts';
import type { Installed } from './update/install.ts';
import type { Source } from './update/source.ts';
import { failureReason, readTrials } from './update/trials.ts';

const KERNELS = '/efi/EFI/Linux';
const VARIABLES = '/sys/firmware/efi/efivars';
const FLOOR = '/usr/lib/anteroom/floor';
const STATE = '/var/lib/anteroom/update';
const STICK = '/run/anteroom/stick';
const KEY = '/usr/lib/anteroom/update.pub';

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

function output(command: string, args: readonly string[]): string {
  const run = spawnSync(command, args, { encoding: 'utf8' });
  if (run.status !== 0) throw new Fault('UPDATE_DISK', `${command}: ${run.stderr.trim()}`);
  return run.stdout.trim();
}

/** This machine. Fault UPDATE_REFUSED where the system doesn't come from an image. */
function thisMachine(): Installed {
  const version = /^IMAGE_VERSION="?(\d+)"?$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  const rootHash = /(?:^|\s)roothash=([0-9a-f]{64})(?:\s|$)/.exec(readFileSync('/proc/cmdline', 'utf8'))?.[1];
  if (version === undefined || rootHash === undefined || !existsSync(KEY))
    throw new Fault('UPDATE_REFUSED', 'This system does not run from an image of Anteroom.');
  const above = output('lsblk', ['-nrso', 'NAME,TYPE', output('findmnt', ['-no', 'SOURCE', '/'])]);
  const disk = /^(\S+) disk$/m.exec(above)?.[1];
  if (disk === undefined) throw new Fault('UPDATE_DISK', 'The system disk was not found.');
  return {
    disk: `/dev/${disk}`,
    kernels: KERNELS,
    state: STATE,
    publicKey: readFileSync(KEY, 'utf8'),
    arch: process.arch === 'arm64' ? 'arm64' : 'amd64',
    version: Number(version),
    rootHash,
    ...(existsSync(VARIABLES) ? { variables: VARIABLES } : {}),
    raise: (runs, installs) => {
      const run = spawnSync(FLOOR, ['raise', '/var', String(runs), String(installs)], { encoding: 'utf8' });
      if (run.status !== 0)
        throw new Fault('UPDATE_DISK', `floor: ${run.stdout.trim() || `exit ${run.status}`}`);
    },
    forgetCaches: () => writeFileSync('/proc/sys/vm/drop_caches', '1'),
  };
}

/** The version that would run if it were well: newer than the one that does, and why that isn't so. */
function setBack(on: Installed): { version: number; starts?: number; reason: string } | undefined {
  const newer = readEntries(on.kernels).find(({ version }) => version > on.version);
  if (!newer) return undefined;
  const { version, left } = newer;
  const notes = readTrials(on.state);
  if (left === 0)
    return {
      version,
      starts: Math.max(1, notes.filter((note) => note.version === version && note.word === 'started').length),
      reason: failureReason(version, notes),
    };
  // The loader took that one, and yet another runs: the firmware's own second entry (update/firmware.ts).
  if (on.variables === undefined || chosenByLoader(on.variables) !== version) return undefined;
  return { version, reason: 'the firmware refuses its kernel: it is damaged or was changed' };
}

function chosenByLoader(variables: string): number | undefined {
  const file = join(variables, 'LoaderEntrySelected-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f');
  if (!existsSync(file)) return undefined;
  const name = readFileSync(file).subarray(4).toString('utf16le').replaceAll('\0', '');
  return parseEntry(name)?.version;
}

function status(on: Installed, json: boolean): void {
  const entries = readEntries(on.kernels);
  const floor = readFloor(on.state);
  const back = setBack(on);
  if (json) {
    printJson({
      version: on.version,
      floor: versionFloor(on),
      runs: floor.runs,
      kept: floor.kept,
      entries,
      setBack: back,
    });
    return;
  }
  process.stdout.write(
    table(
      ['VERSION', 'STATE', 'FILE'],
      entries.map((e) => [`${e.version}${e.version === on.version ? ' (runs)' : ''}`, entryState(e), e.file]),
    ),
  );
  say(
    `no version below ${versionFloor(on) + 1} will be installed, none below ${floor.runs} runs with this data`,
  );
  if (floor.kept === 'disk')
    say(
      'this is kept on the disk alone: without a TPM, who puts back an older copy of the disk puts it back too',
    );
  if (back) say(`rolled back from ${back.version} to ${on.version}: ${back.reason}`);
}

/** Where the configuration says that updates come from. */
function configured(): { url: string; ca: string } {
  const { update } = loadConfig();
  if (!update) throw new Fault('UPDATE_UNREADABLE', 'Configuration names no place that updates come from.');
  return update;
}

/** Use an https address, a folder, or the folder `anteroom` on the stick that is the block device. */
async function withSource(
  from: string | undefined,
  ca: string | undefined,
  use: (source: string | Source) => Promise<void>,
): Promise<void> {
  if (from === undefined || from.startsWith('https://')) {
    const authority = ca ?? configured().ca;
    if (!existsSync(authority)) throw new Fault('UPDATE_UNREADABLE', authority);
    return use(httpsSource(from ?? configured().url, readFileSync(authority, 'utf8')));
  }
  if (!existsSync(from)) throw new Fault('UPDATE_UNREADABLE', from);
  if (!statSync(from).isBlockDevice()) return use(from);
  mkdirSync(STICK, { recursive: true });
  output('mount', ['-t', 'vfat', '-o', 'ro,nosuid,nodev,noexec', from, STICK]);
  try {
    await use(join(STICK, 'anteroom'));
  } finally {
    output('umount', [STICK]);
  }
}

const restart = (): void => {
  output('systemctl', ['reboot', '--no-block']);
};

export function register(program: Command): void {
  const update = program.command('update').description('the version that runs and the one in the other slot');
  update
    .command('status')
    .description('versions on this disk and how they did')
    .option('--json', 'as JSON')
    .action(({ json }: { json?: boolean }) => status(thisMachine(), json === true));
  update
    .command('install')
    .description('verify a signed update and put it into the other slot')
    .argument(
      '[from]',
      'https address or folder of manifest.json, or a USB stick (its block device) with the folder anteroom; ' +
        'without it, the address that configuration names',
    )
    .option('--ca <file>', 'certificate authority of the https address, instead of the configured one')
    .option('--restart', 'and start it')
    .action(async (from: string | undefined, options: { ca?: string; restart?: boolean }) => {
      const on = thisMachine();
      await withSource(from, options.ca, async (source) => {
        await install(source, on, say);
      });
      if (options.restart === true) restart();
    });
  update
    .command('confirmed', { hidden: true })
    .description('raise the floor after a version was confirmed (anteroom-confirmed.service)')
    .action(() => {
      const on = thisMachine();
      say(confirm(on) ? `version ${on.version} is confirmed` : `version ${on.version} is on trial`);
    });
  update
    .command('rollback')
    .description('start the version in the other slot from now on')
    .option('--restart', 'and start it')
    .action((options: { restart?: boolean }) => {
      const back = rollBack(thisMachine());
      say(`version ${back.version} starts next`);
      if (options.restart === true) restart();
    });
}
