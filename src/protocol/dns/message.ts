/**
 * DNS messages, also of multicast DNS, LLMNR and the NetBIOS name service, which share the layout
 * (RFC 1035 section 4, RFC 1002 section 4.2).
 *
 *   id 2 · flags 2 · questions 2 · answers 2 · authorities 2 · additionals 2
 *   question  name · type 2 · class 2
 *   record    name · type 2 · class 2 · TTL 4 · length 2 · data
 *
 * A pointer must lead backwards, so names can't loop. An address is given packed, two bytes a UTF-16 unit.
 */
import { malformed, message, text, u8, u16 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { word } from '../word.ts';
import { headerBytes, limits, nameBytes, pointer, responseBit, types } from './constants.ts';

/** A question. What it says is read when it is asked for: of many records few tell something. Valid as long as the datagram. */
export class DnsQuestion {
  protected readonly bytes: Buffer;
  readonly #start: number;
  readonly type: number;

  constructor(bytes: Buffer, start: number, type: number) {
    this.bytes = bytes;
    this.#start = start;
    this.type = type;
  }

  get name(): string {
    return nameAt(this.bytes, this.#start);
  }
}

export class DnsRecord extends DnsQuestion {
  readonly #data: number;
  readonly #end: number;

  constructor(bytes: Buffer, start: number, type: number, data: number, end: number) {
    super(bytes, start, type);
    this.#data = data;
    this.#end = end;
  }

  /** PTR and SRV: the target. TXT: the strings. HINFO: CPU and OS. A and AAAA: the address. */
  get values(): readonly string[] {
    return values(this.bytes, this.type, this.#data, this.#end);
  }
}

export interface DnsMessage {
  readonly response: boolean;
  readonly questions: readonly DnsQuestion[];
  readonly records: readonly DnsRecord[];
}

/** Where what follows the name begins; -1 when it is none. Its labels are put into `labels`, where that is given. */
function readName(bytes: Buffer, start: number, labels?: string[]): number {
  let next = -1;
  let at = start;
  let total = 0;
  let lowest = start;
  for (let jumps = 0; jumps <= limits.pointers;) {
    if (at >= bytes.length) return -1;
    const length = u8(bytes, at);
    if (length === 0) return next < 0 ? at + 1 : next;
    if ((length & pointer) === pointer) {
      if (at + 1 >= bytes.length) return -1;
      const target = u16(bytes, at) & 0x3fff;
      if (target >= lowest) return -1;
      if (next < 0) next = at + 2;
      lowest = target;
      at = target;
      jumps++;
      continue;
    }
    total += length + 1;
    if ((length & pointer) !== 0 || total > nameBytes || at + 1 + length > bytes.length) return -1;
    labels?.push(word(bytes, at + 1, at + 1 + length) ?? bytes.toString('utf8', at + 1, at + 1 + length));
    at += length + 1;
  }
  return -1;
}

/** The name, '' when it is none. */
function nameAt(bytes: Buffer, start: number): string {
  const labels: string[] = [];
  return readName(bytes, start, labels) < 0 ? '' : labels.join('.');
}

function strings(bytes: Uint8Array, start: number, end: number): string[] {
  const list: string[] = [];
  for (let at = start; at < end && list.length < limits.texts;) {
    const stop = Math.min(end, at + 1 + u8(bytes, at));
    list.push(word(bytes, at + 1, stop) ?? text(bytes, at + 1, stop));
    at = stop;
  }
  return list;
}

function values(bytes: Buffer, type: number, start: number, end: number): readonly string[] {
  if (type === types.ptr) return [nameAt(bytes, start)];
  if (type === types.srv && start + 6 < end) return [nameAt(bytes, start + 6)];
  if (type === types.txt || type === types.hinfo) return strings(bytes, start, end);
  const address = (type === types.a && end - start === 4) || (type === types.aaaa && end - start === 16);
  if (!address) return [];
  return [
    String.fromCharCode(...Array.from({ length: (end - start) / 2 }, (_, i) => u16(bytes, start + 2 * i))),
  ];
}

export function decodeDns(datagram: Uint8Array): Parsed<DnsMessage> {
  const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.length);
  if (bytes.length < headerBytes) return malformed('dns_truncated', bytes.length);
  const flags = u16(bytes, 2);
  const questions: DnsQuestion[] = [];
  const records: DnsRecord[] = [];
  let at: number = headerBytes;
  for (let n = Math.min(u16(bytes, 4), limits.entries); n > 0; n--) {
    const next = readName(bytes, at);
    if (next < 0 || next + 4 > bytes.length) return malformed('dns_bad_question', at);
    questions.push(new DnsQuestion(bytes, at, u16(bytes, next)));
    at = next + 4;
  }
  const count = u16(bytes, 6) + u16(bytes, 8) + u16(bytes, 10);
  for (let n = Math.min(count, limits.entries); n > 0; n--) {
    const next = readName(bytes, at);
    if (next < 0 || next + 10 > bytes.length) return malformed('dns_bad_record', at);
    const data = next + 10;
    const end = data + u16(bytes, next + 8);
    if (end > bytes.length) return malformed('dns_record_truncated', at);
    records.push(new DnsRecord(bytes, at, u16(bytes, next), data, end));
    at = end;
  }
  return message({ response: (flags & responseBit) !== 0, questions, records });
}

/** RFC 1001 section 14.1: a NetBIOS name as DNS carries it, its last byte the kind of service. */
export function netbiosName(name: string): { readonly name: string; readonly suffix: number } | undefined {
  const half = name.split('.')[0] ?? '';
  if (!/^[A-P]{32}$/.test(half)) return undefined;
  const bytes = Uint8Array.from(
    { length: 16 },
    (_, i) => ((half.charCodeAt(2 * i) - 65) << 4) | (half.charCodeAt(2 * i + 1) - 65),
  );
  return { name: text(bytes, 0, 15).trim(), suffix: bytes[15] ?? 0 };
}
