/**
 * Puts a new version into the slot that isn't running, so that at every moment the machine starts something whole.
 *
 *   1  manifest and signature are read once, into memory, and verified; then nothing older than what has ever been
 *      confirmed here, and nothing while the running version is itself on trial
 *   2  each file is copied to the data partition and the copy is verified: a stick may answer a second read otherwise.
 *      A file that is there from an earlier attempt, whole, isn't copied again
 *   3  the slot's old kernel leaves the ESP and its partitions are named `_empty`
 *   4  root and hash tree are written, synced, read back and compared
 *   5  the partitions get their identities, then the kernel comes to the ESP under another name, is synced, read back,
 *      compared and renamed to `anteroom_VERSION+3.efi`: only now the boot loader sees it
 *
 * Cut off before 5, the running version starts and the same update can be installed again.
 */
import { createHash, randomUUID } from 'node:crypto';
import {
  closeSync,
  constants,
  createReadStream,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { createZstdDecompress } from 'node:zlib';
import { Fault } from '../../wire/errors.ts';
import { readEntries } from './entries.ts';
import type { Entry } from './entries.ts';
import { readPartitions, renamePartitions } from './gpt.ts';
import type { Partition } from './gpt.ts';
import { MANIFEST_MAX, openManifest, slotIds } from './manifest.ts';
import type { Manifest, Part } from './manifest.ts';

const CHUNK = 1024 * 1024;
const TRIES = 3;
const EMPTY = '_empty';

/** The machine, as far as updating is concerned. */
export interface Installed {
  /** The system disk: a block device, in tests a file. */
  readonly disk: string;
  /** EFI/Linux on the ESP. */
  readonly kernels: string;
  /** Folder for staging and the floor, on the data partition. */
  readonly state: string;
  readonly publicKey: string;
  readonly arch: Manifest['arch'];
  readonly version: number;
  /** Root hash of the running version. */
  readonly rootHash: string;
}

/** The highest version that was ever confirmed here; nothing below comes back. */
export function versionFloor(on: Installed): number {
  const file = join(on.state, 'floor');
  const kept = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
  if (!Number.isSafeInteger(kept) || kept < 0)
    throw new Fault('UPDATE_REFUSED', `${file} can't be understood.`);
  const confirmed = readEntries(on.kernels).filter(({ left }) => left === undefined);
  return Math.max(kept, ...confirmed.map(({ version }) => version));
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, constants.O_RDONLY);
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Replace a small file so that it is the old one or the new one. */
function keep(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { flush: true });
  renameSync(`${file}.new`, file);
  syncFolder(dirname(file));
}

function digest(handle: number, start: number, length: number): string {
  const hash = createHash('sha256');
  const chunk = Buffer.alloc(CHUNK);
  for (let at = 0; at < length;) {
    const got = readSync(handle, chunk, 0, Math.min(CHUNK, length - at), start + at);
    if (got === 0) break;
    hash.update(chunk.subarray(0, got));
    at += got;
  }
  return hash.digest('hex');
}

function fileDigest(file: string): string {
  const handle = openSync(file, constants.O_RDONLY);
  try {
    return digest(handle, 0, statSync(file).size);
  } finally {
    closeSync(handle);
  }
}

/** At most `limit` bytes of a file that isn't ours. */
function readSmall(file: string, limit: number): Buffer {
  let handle: number;
  try {
    handle = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (cause) {
    throw new Fault('UPDATE_UNREADABLE', file, { cause });
  }
  try {
    const bytes = Buffer.alloc(limit + 1);
    const length = readSync(handle, bytes, 0, bytes.length, 0);
    if (length > limit) throw new Fault('UPDATE_MALFORMED', `${file} is too long.`);
    return bytes.subarray(0, length);
  } finally {
    closeSync(handle);
  }
}

/** Copy exactly `size` bytes and verify the copy. */
function stage(from: string, to: string, size: number, sha256: string): void {
  if (existsSync(to) && statSync(to).size === size && fileDigest(to) === sha256) return;
  const source = openSync(from, constants.O_RDONLY | constants.O_NOFOLLOW);
  const target = openSync(`${to}.partial`, 'w', 0o600);
  try {
    const chunk = Buffer.alloc(CHUNK);
    for (let at = 0; at < size;) {
      const got = readSync(source, chunk, 0, Math.min(CHUNK, size - at), at);
      if (got === 0) throw new Fault('UPDATE_CONTENT', `${from} is too short.`);
      writeSync(target, chunk, 0, got, at);
      at += got;
    }
    fsyncSync(target);
  } finally {
    closeSync(source);
    closeSync(target);
  }
  if (fileDigest(`${to}.partial`) !== sha256) {
    rmSync(`${to}.partial`);
    throw new Fault('UPDATE_CONTENT', `${from} isn't what was signed.`);
  }
  renameSync(`${to}.partial`, to);
}

async function writeSlot(disk: number, at: Partition, file: string, part: Part): Promise<void> {
  if (part.expanded.size > at.length)
    throw new Fault('UPDATE_REFUSED', 'The slot on this disk is too small.');
  let written = 0;
  for await (const piece of createReadStream(file).pipe(createZstdDecompress())) {
    const bytes = piece as Buffer;
    if (written + bytes.length > part.expanded.size)
      throw new Fault('UPDATE_CONTENT', `${part.name} expands too far.`);
    writeSync(disk, bytes, 0, bytes.length, at.start + written);
    written += bytes.length;
  }
  fsyncSync(disk);
  if (written !== part.expanded.size || digest(disk, at.start, written) !== part.expanded.sha256)
    throw new Fault(
      'UPDATE_DISK',
      `What was written to partition ${at.index + 1} isn't what is read from it.`,
    );
}

/** The two partitions that the running version doesn't use. */
export function otherSlot(
  partitions: readonly Partition[],
  rootHash: string,
): { root: Partition; verity: Partition } {
  const running = slotIds(rootHash);
  const ours = partitions.find(({ id }) => id === running.root);
  const oursVerity = partitions.find(({ id }) => id === running.verity);
  const root = partitions.find(({ type, id }) => type === ours?.type && id !== running.root);
  const verity = partitions.find(({ type, id }) => type === oursVerity?.type && id !== running.verity);
  if (!root || !verity) throw new Fault('UPDATE_DISK', 'The disk has no second slot.');
  return { root, verity };
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

/** Steps 1 to 5. Faults UPDATE_*; `progress` gets a sentence a step. */
export async function install(
  folder: string,
  on: Installed,
  progress: (text: string) => void,
): Promise<Manifest> {
  const manifest = openManifest(
    readSmall(join(folder, 'manifest.json'), MANIFEST_MAX),
    readSmall(join(folder, 'manifest.sig'), 64),
    on.publicKey,
  );
  admit(manifest, on);
  progress(`version ${manifest.version} is signed by the pinned key`);
  keepFloor(on);

  const staging = join(on.state, 'staging');
  mkdirSync(staging, { recursive: true, mode: 0o700 });
  const files = [manifest.kernel, manifest.root, manifest.verity];
  const names = new Set(files.map(({ name }) => name));
  for (const name of readdirSync(staging))
    if (!names.has(name)) rmSync(join(staging, name), { recursive: true });
  for (const { name, size, sha256 } of files) stage(join(folder, name), join(staging, name), size, sha256);
  syncFolder(staging);
  progress('its files are copied and are what was signed');

  for (const { file, version } of readEntries(on.kernels))
    if (version !== on.version) rmSync(join(on.kernels, file));
  syncFolder(on.kernels);
  const disk = openSync(on.disk, 'r+');
  try {
    const slot = otherSlot(readPartitions(disk), on.rootHash);
    renamePartitions(disk, [
      { index: slot.root.index, name: EMPTY, id: randomUUID() },
      { index: slot.verity.index, name: EMPTY, id: randomUUID() },
    ]);
    await writeSlot(disk, slot.root, join(staging, manifest.root.name), manifest.root);
    await writeSlot(disk, slot.verity, join(staging, manifest.verity.name), manifest.verity);
    progress('the other slot is written and reads back right');
    const ids = slotIds(manifest.rootHash);
    renamePartitions(disk, [
      { index: slot.root.index, name: `anteroom_${manifest.version}`, id: ids.root },
      { index: slot.verity.index, name: `anteroom_${manifest.version}_verity`, id: ids.verity },
    ]);
  } finally {
    closeSync(disk);
  }
  const hidden = join(on.kernels, 'anteroom.new');
  stage(join(staging, manifest.kernel.name), hidden, manifest.kernel.size, manifest.kernel.sha256);
  renameSync(hidden, join(on.kernels, `anteroom_${manifest.version}+${TRIES}.efi`));
  syncFolder(on.kernels);
  rmSync(staging, { recursive: true });
  progress(`version ${manifest.version} starts next, on trial for ${TRIES} starts`);
  return manifest;
}

/** Remember what has been confirmed, before its kernel may leave the ESP. */
function keepFloor(on: Installed): void {
  mkdirSync(on.state, { recursive: true, mode: 0o700 });
  keep(join(on.state, 'floor'), `${versionFloor(on)}\n`);
}

/** Make the version in the other slot the next to start: the running one counts as failed from now on. */
export function rollBack(on: Installed): Entry {
  const back = readEntries(on.kernels).find(({ version, left }) => version !== on.version && left !== 0);
  if (!back) throw new Fault('UPDATE_REFUSED', 'The other slot holds no version that could start.');
  const running = runningEntry(on);
  if (!running) throw new Fault('UPDATE_DISK', 'The kernel that runs is not on the ESP.');
  keepFloor(on);
  renameSync(join(on.kernels, running.file), join(on.kernels, `anteroom_${on.version}+0-1.efi`));
  syncFolder(on.kernels);
  return back;
}
