/**
 * Capture files read as a stream: pcap (both byte orders, micro- and nanoseconds) and pcapng (section header,
 * interface description with if_tsresol and if_tsoffset, enhanced and simple packets; other blocks are passed
 * over). draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng.
 *
 *   pcap    magic 4 · version 2+2 · reserved 8 · snap length 4 · link type 4
 *           record: seconds 4 · fraction 4 · captured 4 · on the wire 4 · bytes
 *   pcapng  block: type 4 · length 4 · body, padded to 4 · length 4
 *           SHB body: magic 4 · version 2+2 · section length 8 · options
 *           IDB body: link type 2 · reserved 2 · snap length 4 · options
 *           EPB body: interface 4 · time high 4 · time low 4 · captured 4 · on the wire 4 · bytes · options
 *           SPB body: on the wire 4 · bytes
 *
 * Nothing is thrown: what can't be read is a `weird` with its file offset. After a bad length there is no way
 * to find the next record, so the reader stops there; packets before it stand. Holds one record at a time:
 * longer ones than `limits.PACKET` are passed over unread, and a skipped block is never buffered.
 */
import { limits } from './constants.ts';

const PCAP_MICROS = 0xa1b2c3d4;
const PCAP_NANOS = 0xa1b23c4d;
const SECTION_HEADER = 0x0a0d0d0a;
const BYTE_ORDER = 0x1a2b3c4d;
const block = { INTERFACE: 1, SIMPLE: 3, ENHANCED: 6 } as const;
const option = { END: 0, RESOLUTION: 9, OFFSET: 14 } as const;

const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const BLOCK_OVERHEAD = 12;
/** A block that is read whole: the longest packet, its header and room for options. */
const BLOCK_LIMIT = limits.PACKET + 65_536;

/** The last instant ECMAScript has (ECMA-262 section 21.4.1.1), epoch ms; a stamp beyond it is no time. */
const LAST_INSTANT = 8.64e15;

export interface PcapListener {
  /** `bytes` is valid only during the call. `at`: epoch ms, with a fraction. */
  packet(link: number, bytes: Uint8Array, wireLength: number, at: number): void;
  weird(name: string, offset: number): void;
}

interface CaptureInterface {
  readonly link: number;
  readonly snapLength: number;
  /** Time stamp units a millisecond. */
  readonly unitsPerMilli: number;
  readonly offsetMillis: number;
}

type Format = 'unknown' | 'pcap' | 'pcapng' | 'stopped';

export class PcapReader {
  readonly #listener: PcapListener;
  #format: Format = 'unknown';
  #little = true;
  /** Byte order of the section, while `#little` is that of the field being read. */
  #sectionLittle = true;
  #buffer: Uint8Array = new Uint8Array(0);
  /** File offset of `#buffer`'s first byte. */
  #offset = 0;
  /** Bytes still to be passed over. */
  #skip = 0;
  #link = 0;
  #unitsPerMilli = 1000;
  #interfaces: CaptureInterface[] = [];
  packets = 0;

  constructor(listener: PcapListener) {
    this.#listener = listener;
  }

  /** Take the next piece of the file, of any size. */
  push(chunk: Uint8Array): void {
    if (this.#format === 'stopped') return;
    const skipped = Math.min(this.#skip, chunk.length);
    this.#skip -= skipped;
    this.#offset += skipped;
    const rest = chunk.subarray(skipped);
    if (rest.length === 0) return;
    this.#buffer = this.#buffer.length === 0 ? rest : concat(this.#buffer, rest);
    let used = 0;
    while (used < this.#buffer.length) {
      const n = this.#one(used);
      if (n === 0) break;
      used += n;
    }
    const kept = Math.min(used, this.#buffer.length);
    this.#offset += kept;
    this.#skip = used - kept;
    // A copy (a Buffer's own slice is none): the caller may use its chunk again.
    this.#buffer = this.#isStopped() ? new Uint8Array(0) : new Uint8Array(this.#buffer.subarray(kept));
  }

  /** The file is over: a record that isn't whole is a weird. */
  end(): void {
    if (this.#format === 'stopped') return;
    if (this.#buffer.length > 0 || this.#skip > 0) this.#stop('capture_truncated', this.#offset);
    else if (this.#format === 'unknown') this.#stop('capture_empty', 0);
    this.#format = 'stopped';
  }

  #isStopped(): boolean {
    return this.#format === 'stopped';
  }

  #stop(name: string, offset: number): 0 {
    this.#listener.weird(name, offset);
    this.#format = 'stopped';
    return 0;
  }

  #u16(at: number): number {
    const a = this.#buffer[at] as number;
    const b = this.#buffer[at + 1] as number;
    return this.#little ? a | (b << 8) : (a << 8) | b;
  }

  #u32(at: number): number {
    return this.#little
      ? this.#u16(at) + this.#u16(at + 2) * 65536
      : this.#u16(at) * 65536 + this.#u16(at + 2);
  }

  /** Bytes used from `at` on, past the buffer's end when the rest is to be skipped; 0 when more are needed. */
  #one(at: number): number {
    const have = this.#buffer.length - at;
    if (this.#format === 'pcap') return this.#record(at, have);
    if (this.#format === 'pcapng') return this.#block(at, have);
    if (have < 4) return 0;
    if (this.#peek(at) === SECTION_HEADER) {
      this.#format = 'pcapng';
      return this.#block(at, have);
    }
    return this.#fileHeader(at, have);
  }

  /** Little-endian, whatever the file's order: a section header's type reads the same both ways. */
  #peek(at: number): number {
    this.#little = true;
    return this.#u32(at);
  }

  #fileHeader(at: number, have: number): number {
    for (const little of [true, false]) {
      this.#little = little;
      const magic = this.#u32(at);
      if (magic !== PCAP_MICROS && magic !== PCAP_NANOS) continue;
      if (have < FILE_HEADER) return 0;
      this.#unitsPerMilli = magic === PCAP_NANOS ? 1_000_000 : 1000;
      // The upper bits tell about a frame check sequence.
      this.#link = this.#u32(at + 20) & 0xfffffff;
      this.#format = 'pcap';
      return FILE_HEADER;
    }
    return this.#stop('capture_format_unknown', this.#offset + at);
  }

  #record(at: number, have: number): number {
    if (have < RECORD_HEADER) return 0;
    const captured = this.#u32(at + 8);
    if (captured > limits.PACKET) return this.#stop('packet_length_bad', this.#offset + at);
    if (have < RECORD_HEADER + captured) return 0;
    const when = this.#u32(at) * 1000 + this.#u32(at + 4) / this.#unitsPerMilli;
    this.#packet(this.#link, at + RECORD_HEADER, captured, this.#u32(at + 12), when);
    return RECORD_HEADER + captured;
  }

  #packet(link: number, start: number, length: number, wireLength: number, at: number): void {
    this.packets++;
    const known = at >= 0 && at <= LAST_INSTANT;
    this.#listener.packet(
      link,
      this.#buffer.subarray(start, start + length),
      Math.max(wireLength, length),
      known ? at : 0,
    );
  }

  #block(at: number, have: number): number {
    if (have < BLOCK_OVERHEAD) return 0;
    if (this.#peek(at) === SECTION_HEADER) return this.#section(at, have);
    this.#little = this.#sectionLittle;
    const type = this.#u32(at);
    const length = this.#u32(at + 4);
    if (length < BLOCK_OVERHEAD || length % 4 !== 0) return this.#stop('block_length_bad', this.#offset + at);
    const read = type === block.INTERFACE || type === block.ENHANCED || type === block.SIMPLE;
    if (!read || length > BLOCK_LIMIT) {
      if (read) this.#listener.weird('block_too_long', this.#offset + at);
      return length;
    }
    if (have < length) return 0;
    if (this.#u32(at + length - 4) !== length) return this.#stop('block_length_differs', this.#offset + at);
    const body = at + 8;
    const end = at + length - 4;
    if (type === block.INTERFACE) this.#interface(body, end);
    else if (type === block.ENHANCED) this.#enhanced(body, end);
    else this.#simple(body, end);
    return length;
  }

  #section(at: number, have: number): number {
    if (have < 28) return 0;
    this.#little = true;
    if (this.#u32(at + 8) !== BYTE_ORDER) {
      this.#little = false;
      if (this.#u32(at + 8) !== BYTE_ORDER) return this.#stop('section_magic_bad', this.#offset + at + 8);
    }
    this.#sectionLittle = this.#little;
    this.#interfaces = [];
    const length = this.#u32(at + 4);
    if (length < 28 || length % 4 !== 0) return this.#stop('block_length_bad', this.#offset + at);
    return length;
  }

  #interface(at: number, end: number): void {
    if (end - at < 8) return this.#listener.weird('interface_truncated', this.#offset + at);
    if (this.#interfaces.length >= limits.INTERFACES) {
      return this.#listener.weird('interfaces_many', this.#offset + at);
    }
    let unitsPerMilli = 1000;
    let offsetMillis = 0;
    for (let here = at + 8; here + 4 <= end;) {
      const code = this.#u16(here);
      const length = this.#u16(here + 2);
      if (code === option.END) break;
      if (here + 4 + length > end) {
        this.#listener.weird('option_truncated', this.#offset + here);
        break;
      }
      if (code === option.RESOLUTION && length === 1) {
        const value = this.#buffer[here + 4] as number;
        const units = value >= 128 ? 2 ** (value & 127) : 10 ** value;
        unitsPerMilli = units / 1000;
      } else if (code === option.OFFSET && length === 8) {
        const high = this.#u32(here + (this.#little ? 8 : 4)) | 0;
        offsetMillis = (high * 4294967296 + this.#u32(here + (this.#little ? 4 : 8))) * 1000;
      }
      here += 4 + ((length + 3) & ~3);
    }
    this.#interfaces.push({
      link: this.#u16(at),
      snapLength: this.#u32(at + 4),
      unitsPerMilli,
      offsetMillis,
    });
  }

  #enhanced(at: number, end: number): void {
    if (end - at < 20) return this.#listener.weird('packet_truncated', this.#offset + at);
    const from = this.#interfaces[this.#u32(at)];
    if (from === undefined) return this.#listener.weird('interface_unknown', this.#offset + at);
    const captured = this.#u32(at + 12);
    if (captured > end - at - 20) return this.#listener.weird('packet_length_bad', this.#offset + at);
    const time = this.#u32(at + 4) * 4294967296 + this.#u32(at + 8);
    const when = time / from.unitsPerMilli + from.offsetMillis;
    this.#packet(from.link, at + 20, captured, this.#u32(at + 16), when);
  }

  /** A simple packet is of the first interface, has no time, and was cut at that interface's snap length. */
  #simple(at: number, end: number): void {
    const from = this.#interfaces[0];
    if (end - at < 4) return this.#listener.weird('packet_truncated', this.#offset + at);
    if (from === undefined) return this.#listener.weird('interface_unknown', this.#offset + at);
    const wireLength = this.#u32(at);
    const snap = from.snapLength === 0 ? wireLength : Math.min(wireLength, from.snapLength);
    const captured = Math.min(snap, end - at - 4);
    this.#packet(from.link, at + 4, captured, wireLength, 0);
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}
