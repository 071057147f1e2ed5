/**
 * `anteroom update …`: what runs, what the other slot holds; put a new version there; go back. On the appliance
 * only: it needs the image's disk, its boot loader's files and root.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { Fault } from '../wire/errors.ts';
import { printJson, table } from './console.ts';
import { entryState, readEntries } from './update/entries.ts';
import { install, rollBack, versionFloor } from './update/install.ts';
import type { Installed } from './update/install.ts';

const KERNELS = '/efi/EFI/Linux';
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
  };
}

function status(on: Installed, json: boolean): void {
  const entries = readEntries(on.kernels);
  const failed = entries.find(({ version, left }) => left === 0 && version !== on.version);
  if (json) {
    printJson({ version: on.version, floor: versionFloor(on), entries });
    return;
  }
  process.stdout.write(
    table(
      ['VERSION', 'STATE', 'FILE'],
      entries.map((e) => [`${e.version}${e.version === on.version ? ' (runs)' : ''}`, entryState(e), e.file]),
    ),
  );
  say(`no version below ${versionFloor(on) + 1} will be installed`);
  if (failed)
    say(`rolled back from ${failed.version} to ${on.version}: version ${failed.version} did not become well`);
}

/** Use the folder, or the folder `anteroom` on the stick that is the block device. */
async function withFolder(from: string, use: (folder: string) => Promise<void>): Promise<void> {
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
      '<from>',
      'folder with manifest.json, or a USB stick (its block device) with the folder anteroom',
    )
    .option('--restart', 'and start it')
    .action(async (from: string, options: { restart?: boolean }) => {
      const on = thisMachine();
      await withFolder(from, async (folder) => {
        await install(folder, on, say);
      });
      if (options.restart === true) restart();
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
