/**
 * Names and identities of the partitions of a disk with a GUID partition table: read, and changed in place.
 * UEFI Specification 2.10, section 5.3: header at block 1 (92 bytes and more, CRC-32 over itself with the field as
 * zero), array of entries of 128 bytes or more, and a copy of both at the end of the disk.
 *
 * What surprises: a GUID's first three fields are little-endian, the rest isn't. The copy at the end is written first,
 * then the main one, each synced: firmware and kernel take whichever is whole. The running kernel goes on with the
 * names it read at its start; that is wanted.
 */
import { fsyncSync, readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { Fault } from '../../wire/errors.ts';

const BLOCK = 512;
const SIGNATURE = 'EFI PART';
const MAX_ENTRIES = 1024;
const NAME_BYTES = 72;

export interface Partition {
  /** From 0. */
  readonly index: number;
  /** GUIDs in lower case with hyphens. */
  readonly type: string;
  readonly id: string;
  readonly name: string;
  /** Where it is on the disk, bytes. */
  readonly start: number;
  readonly length: number;
}

interface Table {
  readonly header: Buffer;
  readonly entries: Buffer;
  readonly entrySize: number;
  readonly count: number;
}

const fault = (text: string): Fault => new Fault('UPDATE_DISK', text);

function guidText(bytes: Buffer): string {
  const swapped = Buffer.from(bytes);
  swapped.subarray(0, 4).reverse();
  swapped.subarray(4, 6).reverse();
  swapped.subarray(6, 8).reverse();
  return swapped.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

export function guidBytes(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex');
  if (bytes.length !== 16) throw fault(`not a GUID: ${text}`);
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}

function read(disk: number, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  if (readSync(disk, bytes, 0, length, at) !== length)
    throw fault('the disk ends before its partition table');
  return bytes;
}

function readTable(disk: number, block: number): Table {
  const header = read(disk, block * BLOCK, BLOCK);
  const size = header.readUInt32LE(12);
  if (header.toString('latin1', 0, 8) !== SIGNATURE || size < 92 || size > BLOCK)
    throw fault('there is no GUID partition table');
  const summed = Buffer.from(header.subarray(0, size));
  summed.writeUInt32LE(0, 16);
  if (crc32(summed) !== header.readUInt32LE(16)) throw fault('the partition table is damaged');
  const count = header.readUInt32LE(80);
  const entrySize = header.readUInt32LE(84);
  if (count > MAX_ENTRIES || entrySize < 128 || entrySize > 4096)
    throw fault('the partition table is malformed');
  const entries = read(disk, Number(header.readBigUInt64LE(72)) * BLOCK, count * entrySize);
  if (crc32(entries) !== header.readUInt32LE(88)) throw fault('the partition table is damaged');
  return { header, entries, entrySize, count };
}

/** Partitions in use, in the table's order. Fault UPDATE_DISK when the table can't be read. */
export function readPartitions(disk: number): Partition[] {
  const { entries, entrySize, count } = readTable(disk, 1);
  const partitions: Partition[] = [];
  for (let index = 0; index < count; index += 1) {
    const entry = entries.subarray(index * entrySize, (index + 1) * entrySize);
    if (entry.subarray(0, 16).every((byte) => byte === 0)) continue;
    const first = Number(entry.readBigUInt64LE(32));
    const last = Number(entry.readBigUInt64LE(40));
    partitions.push({
      index,
      type: guidText(entry.subarray(0, 16)),
      id: guidText(entry.subarray(16, 32)),
      name: entry.toString('utf16le', 56, 56 + NAME_BYTES).replace(/\0.*$/s, ''),
      start: first * BLOCK,
      length: (last - first + 1) * BLOCK,
    });
  }
  return partitions;
}

export interface Rename {
  readonly index: number;
  readonly name: string;
  readonly id: string;
}

function write(disk: number, table: Table): void {
  const { header, entries } = table;
  header.writeUInt32LE(crc32(entries), 88);
  header.writeUInt32LE(0, 16);
  header.writeUInt32LE(crc32(header.subarray(0, header.readUInt32LE(12))), 16);
  writeSync(disk, entries, 0, entries.length, Number(header.readBigUInt64LE(72)) * BLOCK);
  writeSync(disk, header, 0, header.length, Number(header.readBigUInt64LE(24)) * BLOCK);
  fsyncSync(disk);
}

/** Give partitions other names and identities, all at once: the disk has the old ones or the new ones. */
export function renamePartitions(disk: number, renames: readonly Rename[]): void {
  const main = readTable(disk, 1);
  for (const { index, name, id } of renames) {
    const at = index * main.entrySize;
    if (index < 0 || index >= main.count) throw fault(`there is no partition ${index + 1}`);
    const text = Buffer.alloc(NAME_BYTES);
    text.write(name, 'utf16le');
    guidBytes(id).copy(main.entries, at + 16);
    text.copy(main.entries, at + 56);
  }
  // The copy's header says where it is and where its entries are: as it stands at the end of the disk, or worked out.
  const end = Number(main.header.readBigUInt64LE(32));
  const copy = Buffer.from(main.header);
  copy.writeBigUInt64LE(BigInt(end), 24);
  copy.writeBigUInt64LE(1n, 32);
  copy.writeBigUInt64LE(BigInt(end - Math.ceil(main.entries.length / BLOCK)), 72);
  write(disk, { ...main, header: copy });
  write(disk, main);
}
