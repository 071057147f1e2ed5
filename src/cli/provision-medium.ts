/**
 * A whole USB stick, made by us from its first sector: nothing of what was on it stays. An image file is made the same
 * way, for a machine without a stick.
 *
 *   sector 0      master boot record: one partition, type 0x0c (FAT32, LBA), from sector 2048
 *   from 2048     FAT32 (mkfs.vfat(8)), label GWENROL
 *   last 33       zeros: a GPT's second header would bring the old partitions back
 *
 * The files are written and read back by mtools(1), so neither a mount nor the kernel's vfat is needed. When the last
 * program closes a block device the kernel writes out and forgets what it kept of it, so reading back is reading the
 * stick.
 *
 * Surprise: FAT32 needs 65525 clusters; with less it would be taken for FAT16 by its size, whatever it says. So what is
 * smaller than 64 MiB is refused.
 */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  fsyncSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import type { Stats } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Fault } from '../wire/errors.ts';
import { HEAD_FILE, STICK_FOLDER, STICK_LABEL } from '../wire/provision.ts';

const SECTOR = 512;
const FIRST = 2048;
/** A GPT's second table and header. */
const LAST = 33;
const TYPE_FAT32_LBA = 0x0c;
const MIN_BYTES = 64 * 2 ** 20;
/** More than this of a stick is left empty: it holds three short files, and is written in seconds. */
const MAX_BYTES = 4 * 2 ** 30;
export const IMAGE_BYTES = MIN_BYTES;

export interface Medium {
  readonly file: string;
  readonly bytes: number;
  /** For the person who is asked whether it may be erased. */
  readonly what: string;
  readonly device: boolean;
}

/** Where the kernel tells of block devices; tests have their own. */
export interface Kernel {
  readonly sys: string;
  readonly mounts: string;
  readonly stat: (file: string) => Stats | undefined;
}

const thisKernel: Kernel = {
  sys: '/sys',
  mounts: '/proc/self/mounts',
  stat: (file) => statSync(file, { throwIfNoEntry: false }),
};

const refuse = (why: string, cause?: unknown): Fault =>
  new Fault('PROVISION_INVALID', why, cause === undefined ? undefined : { cause });

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);

/** One line of `/sys`; empty where there is none. */
function attribute(folder: string, name: string): string {
  try {
    return readFileSync(join(folder, name), 'latin1').trim();
  } catch {
    return '';
  }
}

export const size = (count: number): string =>
  count >= 1e9 ? `${(count / 1e9).toFixed(1)} GB` : `${Math.round(count / 1e6)} MB`;

/**
 * The stick that `file` is. Fault PROVISION_INVALID for everything else: a partition, a disk of the machine, a stick
 * that is mounted, write-protected or empty.
 */
export function stickAt(file: string, kernel: Kernel = thisKernel): Medium {
  const stat = kernel.stat(file);
  if (!stat) throw refuse(`${file}: there is no such device`);
  if (!stat.isBlockDevice()) throw refuse(`${file}: neither a folder nor a USB stick`);
  const [major, minor] = [(stat.rdev >> 8) & 0xfff, (stat.rdev & 0xff) | ((stat.rdev >> 12) & 0xfff00)];
  let folder: string;
  try {
    folder = realpathSync(join(kernel.sys, 'dev/block', `${major}:${minor}`));
  } catch (cause) {
    throw refuse(`${file}: the kernel does not know this device`, cause);
  }
  if (attribute(folder, 'partition') !== '')
    throw refuse(`${file}: a partition; name the whole stick, such as /dev/sdb`);
  if (!/\/usb\d+\//.test(folder)) throw refuse(`${file}: not on USB; only a USB stick is written`);
  if (attribute(folder, 'removable') !== '1')
    throw refuse(`${file}: not removable; it may be a disk of this machine`);
  if (attribute(folder, 'ro') === '1')
    throw refuse(`${file}: write-protected; look for a switch on the stick`);
  const block = attribute(folder, 'queue/logical_block_size');
  if (block !== '' && block !== String(SECTOR))
    throw refuse(`${file}: its sectors are ${block} bytes; use another stick`);
  const bytes = Number(attribute(folder, 'size')) * SECTOR;
  if (bytes < MIN_BYTES) throw refuse(`${file}: ${size(bytes)} is too small, or nothing is in the reader`);
  const name = basename(folder);
  const own = new RegExp(`^/dev/${name}(?:p?\\d+)?$`);
  const mounted = readFileSync(kernel.mounts, 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .find(([from = '']) => own.test(from));
  if (mounted) throw refuse(`${file}: in use at ${mounted[1] ?? '?'}; unmount it first`);
  const label = [attribute(folder, 'device/vendor'), attribute(folder, 'device/model')].join(' ').trim();
  return { file, bytes, what: `${label === '' ? 'USB stick' : label}, ${size(bytes)}`, device: true };
}

/** Not opened by anybody else, a mount included: the kernel gives O_EXCL on a block device to one alone. */
function claim({ file, device }: Medium): number {
  try {
    return openSync(file, constants.O_RDWR | (device ? constants.O_EXCL : constants.O_CREAT), 0o600);
  } catch (cause) {
    const code = codeOf(cause);
    if (code === 'EBUSY') throw refuse(`${file}: in use; unmount it first`, cause);
    if (code === 'EACCES' || code === 'EPERM') throw refuse(`${file}: you may not write to it`, cause);
    if (code === 'EROFS') throw refuse(`${file}: write-protected`, cause);
    throw refuse(`${file}: ${code}`, cause);
  }
}

/** An image file in place of a stick. Fault PROVISION_INVALID for what is there and isn't a regular file. */
export function imageAt(file: string, bytes = IMAGE_BYTES): Medium {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat && !stat.isFile()) throw refuse(`${file}: not a file`);
  return { file, bytes, what: `image file, ${size(bytes)}`, device: false };
}

/** Of the one partition: sectors from FIRST. */
function sectorsOf({ bytes }: Medium): number {
  const usable = Math.floor(Math.min(bytes, MAX_BYTES) / SECTOR) - FIRST - LAST;
  return usable - (usable % 2);
}

/** UEFI specification 2.10, section 5.2.1, table 5.1. */
function bootRecord(sectors: number): Buffer {
  const record = Buffer.alloc(SECTOR);
  const entry = 446;
  // Cylinder, head and sector that say "beyond what these can count".
  record.set([0x00, 0xfe, 0xff, 0xff, TYPE_FAT32_LBA, 0xfe, 0xff, 0xff], entry);
  record.writeUInt32LE(FIRST, entry + 8);
  record.writeUInt32LE(sectors, entry + 12);
  record.writeUInt16LE(0xaa55, 510);
  return record;
}

function writeAll(fd: number, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done, at + done);
}

/** Run a tool; what it says goes into the fault. */
function tool(name: string, from: string, args: readonly string[]): void {
  const { PATH = '/usr/bin:/bin' } = process.env;
  const run = spawnSync(name, args, {
    encoding: 'utf8',
    // Sizes that no floppy disk had are no reason to refuse; nor is a configuration file of this user.
    env: {
      PATH: `${PATH}:/usr/sbin:/sbin`,
      LC_ALL: 'C.UTF-8',
      MTOOLS_SKIP_CHECK: '1',
      MTOOLSRC: '/dev/null',
    },
  });
  if (run.error) {
    if (codeOf(run.error) === 'ENOENT') throw refuse(`${name} is missing: install ${from}`, run.error);
    throw refuse(`${name}: ${codeOf(run.error)}`, run.error);
  }
  if (run.status !== 0) {
    const said = run.stderr.trim().split('\n').at(-1) ?? '';
    throw refuse(`${name}: ${said === '' ? `ended with ${run.status ?? run.signal}` : said}`);
  }
}

const partition = ({ file }: Medium): string => `${file}@@${FIRST * SECTOR}`;

function flush({ file }: Medium): void {
  const fd = openSync(file, 'r+');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** The partition and an empty file system. */
function format(medium: Medium): void {
  const sectors = sectorsOf(medium);
  const fd = claim(medium);
  try {
    if (!medium.device) ftruncateSync(fd, medium.bytes);
    writeAll(fd, Buffer.alloc(FIRST * SECTOR), 0);
    writeAll(fd, Buffer.alloc(LAST * SECTOR), Math.floor(medium.bytes / SECTOR) * SECTOR - LAST * SECTOR);
    writeAll(fd, bootRecord(sectors), 0);
    fsyncSync(fd);
  } catch (cause) {
    throw refuse(`${medium.file}: ${codeOf(cause)}`, cause);
  } finally {
    closeSync(fd);
  }
  const start = String(FIRST);
  const shape = ['-F', '32', '-n', STICK_LABEL, '-h', start, '--offset', start];
  tool('mkfs.vfat', 'dosfstools', ['-I', ...shape, medium.file, String(sectors / 2)]);
  flush(medium);
}

/** Every file below `folder`, by its path there. */
function filesOf(folder: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) files.set(path.slice(folder.length + 1), readFileSync(path));
  }
  return files;
}

/** Read all of it, and say what is not as in `folder`. Fault PROVISION_INVALID. */
export function verifyMedium(medium: Medium, folder: string): void {
  const record = Buffer.alloc(SECTOR);
  const fd = openSync(medium.file, 'r');
  try {
    readSync(fd, record, 0, SECTOR, 0);
  } finally {
    closeSync(fd);
  }
  const bad = `${medium.file}: what was read back is not what was written; use another stick`;
  if (!record.equals(bootRecord(sectorsOf(medium)))) throw refuse(bad);
  const back = mkdtempSync(join(tmpdir(), 'anteroom-stick-'));
  try {
    tool('mcopy', 'mtools', ['-s', '-n', '-i', partition(medium), '::/', back]);
    const [written, read] = [filesOf(folder), filesOf(back)];
    for (const [name, bytes] of written) if (read.get(name)?.equals(bytes) !== true) throw refuse(bad);
    if (read.size !== written.size) throw refuse(bad);
  } finally {
    rmSync(back, { recursive: true, force: true });
  }
}

/** Erase the medium and put everything of `folder` there, the head last; then read it back. Fault PROVISION_INVALID. */
export function writeMedium(medium: Medium, folder: string): void {
  format(medium);
  const at = partition(medium);
  const copy = (name: string): void => tool('mcopy', 'mtools', ['-i', at, join(folder, name), `::/${name}`]);
  const head = join(STICK_FOLDER, HEAD_FILE);
  tool('mmd', 'mtools', ['-i', at, `::/${STICK_FOLDER}`]);
  for (const name of filesOf(folder).keys()) if (name !== head) copy(name);
  flush(medium);
  copy(head);
  flush(medium);
  verifyMedium(medium, folder);
}
