/**
 * Puts a new version into the slot that isn't running, so that at every moment the machine starts something whole.
 *
 *   1  manifest and signature are read once, into memory, and verified; then nothing older than what has ever been
 *      confirmed here, and nothing while the running version is itself on trial
 *   2  each file is copied to the data partition and the copy is verified (staging.ts): a stick or a server may answer a
 *      second time otherwise. The kernel must be one that this machine's firmware will start
 *   3  the firmware gets an entry for the running version, the slot's old kernel leaves the ESP, its partitions are named
 *      `_empty`
 *   4  root and hash tree are written, synced, read back and compared
 *   5  the partitions get their identities, then the kernel comes to the ESP under another name, is synced, read back,
 *      compared and renamed to `anteroom_VERSION+3.efi`: only now the boot loader sees it
 *
 * Cut off before 5, the running version starts and the same update can be installed again; what was copied is kept.
 */
import { randomUUID } from 'node:crypto';
import type { X509Certificate } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '../../wire/errors.ts';
import { replaceFile, syncFolder } from '../durable-file.ts';
import { firmwareStarts } from './authenticode.ts';
import { readEntries } from './entries.ts';
import type { Entry } from './entries.ts';
import { ESP_TYPE, setFallback, trustedByFirmware } from './firmware.ts';
import { readFloor } from './floor.ts';
import { readPartitions, renamePartitions } from './gpt.ts';
import type { Partition } from './gpt.ts';
import { MANIFEST_MAX, openManifest, slotIds } from './manifest.ts';
import type { Manifest } from './manifest.ts';
import { otherSlot, writeSlot } from './slot.ts';
import { folderSource } from './source.ts';
import type { Source } from './source.ts';
import { openStaging, stage } from './staging.ts';

const TRIES = 3;
const EMPTY = '_empty';

/** The machine, as far as updating is concerned. */
export interface Installed {
  /** The system disk: a block device, in tests a file. */
  readonly disk: string;
  /** EFI/Linux on the ESP. */
  readonly kernels: string;
  /** Folder for staging, the floor and what trials left, on the data partition. */
  readonly state: string;
  /** Variables of the firmware (efivarfs); absent where it keeps none. */
  readonly variables?: string;
  readonly publicKey: string;
  readonly arch: Manifest['arch'];
  readonly version: number;
  /** Root hash of the running version. */
  readonly rootHash: string;
  /** Raise the floor; a floor is never lowered. */
  readonly raise: (runs: number, installs: number) => void;
  /** Make what is read next come from the disk. */
  readonly forgetCaches: () => void;
}

/** The highest version that was ever confirmed here; nothing up to it is installed. */
export function versionFloor(on: Installed): number {
  const confirmed = readEntries(on.kernels).filter(({ left }) => left === undefined);
  return Math.max(readFloor(on.state).installs, ...confirmed.map(({ version }) => version));
}

/** The kernel that runs. */
export function runningEntry(on: Installed): Entry | undefined {
  return readEntries(on.kernels).find(({ version }) => version === on.version);
}

function admit(manifest: Manifest, on: Installed): void {
  if (manifest.arch !== on.arch)
    throw new Fault('UPDATE_REFUSED', `It is for ${manifest.arch}, this is ${on.arch}.`);
  const floor = Math.max(versionFloor(on), on.version);
  if (manifest.version <= floor)
    throw new Fault('UPDATE_OLDER', `It is version ${manifest.version}; ${floor} has run here.`);
  const failed = readEntries(on.kernels).find((e) => e.version === manifest.version && e.left === 0);
  if (failed)
    throw new Fault(
      'UPDATE_REFUSED',
      `Version ${manifest.version} was tried here and failed; a repair has a new number.`,
    );
  if (runningEntry(on)?.left !== undefined)
    throw new Fault(
      'UPDATE_REFUSED',
      `Version ${on.version} is on trial itself: the other slot is the way back.`,
    );
}

/** Fault UPDATE_CONTENT when this machine's firmware wouldn't start the kernel. */
function verifyKernel(file: string, trusted: readonly X509Certificate[] | undefined): void {
  if (trusted && !firmwareStarts(readFileSync(file), trusted))
    throw new Fault(
      'UPDATE_CONTENT',
      'Its kernel is not signed by a key that this machine’s firmware knows.',
    );
}

/** The firmware may have no room or no such thing: that is said, and no reason not to update. */
function keepWayBack(variables: string, esp: Partition, running: Entry): string {
  try {
    setFallback(variables, esp, running.file);
    return `the firmware starts version ${running.version} should the new kernel not be genuine any more`;
  } catch (error) {
    return `the firmware took no second entry: ${error instanceof Error ? error.message : String(error)}`;
  }
}

const minimumFile = (on: Installed): string => join(on.state, 'minimum');

/** Steps 1 to 5. Faults UPDATE_*; `progress` gets a sentence a step. */
export async function install(
  from: string | Source,
  on: Installed,
  progress: (text: string) => void,
): Promise<Manifest> {
  const source = typeof from === 'string' ? folderSource(from) : from;
  const text = await source.small('manifest.json', MANIFEST_MAX);
  const manifest = openManifest(text, await source.small('manifest.sig', 64), on.publicKey);
  admit(manifest, on);
  progress(`version ${manifest.version} is signed by the pinned key`);
  // What has been confirmed, before its kernel may leave the ESP.
  on.raise(0, versionFloor(on));

  mkdirSync(on.state, { recursive: true, mode: 0o700 });
  const files = [manifest.kernel, manifest.root, manifest.verity];
  const staging = openStaging(on.state, text, files);
  const copy = (part: Manifest['kernel']): Promise<string> => stage(source, part, staging, on.forgetCaches);
  const kernel = await copy(manifest.kernel);
  verifyKernel(kernel, on.variables === undefined ? undefined : trustedByFirmware(on.variables));
  const [root, verity] = [await copy(manifest.root), await copy(manifest.verity)];
  progress('its files are copied and are what was signed');

  replaceFile(minimumFile(on), `${manifest.version} ${manifest.minimum ?? 0}\n`, 0o600);
  const disk = openSync(on.disk, 'r+');
  try {
    const partitions = readPartitions(disk);
    const slot = otherSlot(partitions, on.rootHash);
    const esp = partitions.find(({ type }) => type === ESP_TYPE);
    const running = runningEntry(on);
    if (on.variables !== undefined && esp && running) progress(keepWayBack(on.variables, esp, running));
    for (const { file, version } of readEntries(on.kernels))
      if (version !== on.version) rmSync(join(on.kernels, file));
    syncFolder(on.kernels);
    renamePartitions(disk, [
      { index: slot.root.index, name: EMPTY, id: randomUUID() },
      { index: slot.verity.index, name: EMPTY, id: randomUUID() },
    ]);
    await writeSlot(disk, slot.root, root, manifest.root, on.forgetCaches);
    await writeSlot(disk, slot.verity, verity, manifest.verity, on.forgetCaches);
    progress('the other slot is written and reads back right');
    const ids = slotIds(manifest.rootHash);
    renamePartitions(disk, [
      { index: slot.root.index, name: `anteroom_${manifest.version}`, id: ids.root },
      { index: slot.verity.index, name: `anteroom_${manifest.version}_verity`, id: ids.verity },
    ]);
  } finally {
    closeSync(disk);
  }
  const hidden = { ...manifest.kernel, name: 'anteroom.new' };
  rmSync(join(on.kernels, hidden.name), { force: true });
  const staged: Source = {
    ...source,
    read: (_, at, size) => folderSource(staging).read(manifest.kernel.name, at, size),
  };
  const arrived = await stage(staged, hidden, on.kernels, on.forgetCaches);
  renameSync(arrived, join(on.kernels, `anteroom_${manifest.version}+${TRIES}.efi`));
  syncFolder(on.kernels);
  rmSync(join(on.state, 'staging'), { recursive: true });
  progress(`version ${manifest.version} starts next, on trial for ${TRIES} starts`);
  return manifest;
}

/**
 * After the running version was confirmed: from now on nothing older than the version in the other slot runs, or than
 * what the update called its minimum. Kernels that may not run any more leave the ESP. False while it is on trial.
 */
export function confirm(on: Installed): boolean {
  const running = runningEntry(on);
  if (!running || running.left !== undefined) return false;
  const file = minimumFile(on);
  const [, version, minimum] =
    (existsSync(file) ? /^(\d+) (\d+)\n$/.exec(readFileSync(file, 'latin1')) : null) ?? [];
  const wayBack = readEntries(on.kernels)
    .filter((entry) => entry.left !== 0 && entry.version < on.version)
    .map((entry) => entry.version);
  const runs = Math.max(
    readFloor(on.state).runs,
    Math.min(on.version, ...wayBack),
    Number(version) === on.version ? Math.min(Number(minimum), on.version) : 0,
  );
  on.raise(runs, versionFloor(on));
  for (const entry of readEntries(on.kernels)) if (entry.version < runs) rmSync(join(on.kernels, entry.file));
  syncFolder(on.kernels);
  return true;
}

/** Make the version in the other slot the next to start: the running one counts as failed from now on. */
export function rollBack(on: Installed): Entry {
  const back = readEntries(on.kernels).find(({ version, left }) => version !== on.version && left !== 0);
  if (!back) throw new Fault('UPDATE_REFUSED', 'The other slot holds no version that could start.');
  if (back.version < readFloor(on.state).runs)
    throw new Fault('UPDATE_OLDER', `Version ${back.version} may not run here any more.`);
  const running = runningEntry(on);
  if (!running) throw new Fault('UPDATE_DISK', 'The kernel that runs is not on the ESP.');
  on.raise(0, versionFloor(on));
  renameSync(join(on.kernels, running.file), join(on.kernels, `anteroom_${on.version}+0-1.efi`));
  syncFolder(on.kernels);
  return back;
}
