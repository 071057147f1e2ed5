/**
 * Reads a zip archive in memory (PKWARE APPNOTE 6.3: end of central directory 4.3.16, central directory 4.3.12, local
 * header 4.3.7), as far as an office document needs it: stored and deflated entries, no ZIP64, no encryption, one disk.
 *
 *   end of central directory   50 4b 05 06 | disk u16 | disk u16 | entries here u16 | entries u16 | size u32 | offset u32 | comment u16
 *   central directory          50 4b 01 02 … flags u16@8 | method u16@10 | crc u32@16 | packed u32@20 | size u32@24 | name u16@28
 *                              | extra u16@30 | comment u16@32 | local header u32@42 | name@46
 *   local header               50 4b 03 04 … name u16@26 | extra u16@28 | data@30+name+extra
 *
 * Nothing is unpacked before it is asked for, nothing beyond the size that the directory announces, nothing beyond the
 * limits here; names are keys, never paths. Archives are little-endian.
 */
import { crc32, inflateRawSync } from 'node:zlib';
import { MAX_ENTRY_BYTES, MAX_UNPACKED_BYTES, MAX_ZIP_ENTRIES } from './constants.ts';
import { malformed } from './json-document.ts';
import type { Malformed } from './json-document.ts';

const END = 0x06054b50;
const END_BYTES = 22;
const MAX_COMMENT = 0xffff;
const CENTRAL = 0x02014b50;
const CENTRAL_BYTES = 46;
const LOCAL = 0x04034b50;
const LOCAL_BYTES = 30;
const STORED = 0;
const DEFLATED = 8;
const ENCRYPTED = 0x0001;

interface Entry {
  readonly method: number;
  readonly flags: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly local: number;
}

export const isZip = (bytes: Uint8Array): boolean =>
  bytes.length >= 4 && bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 0x03 && bytes[3] === 0x04;

export class ZipArchive {
  readonly #bytes: Buffer;
  readonly #entries: ReadonlyMap<string, Entry>;
  #unpacked = 0;

  private constructor(bytes: Buffer, entries: ReadonlyMap<string, Entry>) {
    this.#bytes = bytes;
    this.#entries = entries;
  }

  static open(input: Uint8Array): { readonly kind: 'message'; readonly archive: ZipArchive } | Malformed {
    const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
    let end = bytes.length - END_BYTES;
    const lowest = Math.max(0, end - MAX_COMMENT);
    while (end >= lowest && bytes.readUInt32LE(end) !== END) end--;
    if (end < lowest || end < 0) return malformed('(archive)', 'no end of a central directory');
    const count = bytes.readUInt16LE(end + 10);
    let at = bytes.readUInt32LE(end + 16);
    if (count > MAX_ZIP_ENTRIES) return malformed(`byte ${end}`, `more than ${MAX_ZIP_ENTRIES} entries`);
    const entries = new Map<string, Entry>();
    for (let i = 0; i < count; i++) {
      if (at + CENTRAL_BYTES > end || bytes.readUInt32LE(at) !== CENTRAL)
        return malformed(`byte ${at}`, 'no entry of the central directory');
      const nameBytes = bytes.readUInt16LE(at + 28);
      const next = at + CENTRAL_BYTES + nameBytes + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
      if (next > end) return malformed(`byte ${at}`, 'an entry beyond the central directory');
      const name = bytes.toString('utf8', at + CENTRAL_BYTES, at + CENTRAL_BYTES + nameBytes);
      if (entries.has(name)) return malformed(`byte ${at}`, 'a name twice');
      entries.set(name, {
        flags: bytes.readUInt16LE(at + 8),
        method: bytes.readUInt16LE(at + 10),
        crc: bytes.readUInt32LE(at + 16),
        packed: bytes.readUInt32LE(at + 20),
        size: bytes.readUInt32LE(at + 24),
        local: bytes.readUInt32LE(at + 42),
      });
      at = next;
    }
    return { kind: 'message', archive: new ZipArchive(bytes, entries) };
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** An entry's bytes, whole and of the announced size and checksum. */
  read(name: string): { readonly kind: 'message'; readonly bytes: Buffer } | Malformed {
    const entry = this.#entries.get(name);
    if (!entry) return malformed(name, 'is not in the archive');
    if ((entry.flags & ENCRYPTED) !== 0) return malformed(name, 'is encrypted');
    if (entry.size > MAX_ENTRY_BYTES) return malformed(name, `unpacks to more than ${MAX_ENTRY_BYTES} bytes`);
    this.#unpacked += entry.size;
    if (this.#unpacked > MAX_UNPACKED_BYTES)
      return malformed(name, `the archive unpacks to more than ${MAX_UNPACKED_BYTES} bytes`);
    const { local, packed, size } = entry;
    if (local + LOCAL_BYTES > this.#bytes.length || this.#bytes.readUInt32LE(local) !== LOCAL)
      return malformed(name, 'no local header where the directory says');
    const start =
      local + LOCAL_BYTES + this.#bytes.readUInt16LE(local + 26) + this.#bytes.readUInt16LE(local + 28);
    if (start + packed > this.#bytes.length) return malformed(name, 'ends beyond the archive');
    const data = this.#bytes.subarray(start, start + packed);
    let bytes: Buffer;
    if (entry.method === STORED) bytes = data;
    else if (entry.method === DEFLATED) {
      try {
        // One byte more than announced is enough to know that it lies; zlib stops there.
        bytes = inflateRawSync(data, { maxOutputLength: size + 1 });
      } catch {
        return malformed(name, 'does not unpack to the size it announces');
      }
    } else return malformed(name, `is packed by method ${entry.method}`);
    if (bytes.length !== size) return malformed(name, 'does not unpack to the size it announces');
    if (crc32(bytes) !== entry.crc) return malformed(name, 'has another checksum');
    return { kind: 'message', bytes };
  }
}
