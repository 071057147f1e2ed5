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
import { headerBytes, limits, nameBytes, pointer, responseBit, types } from './constants.ts';

export interface DnsRecord {
  readonly name: string;
  readonly type: number;
  /** PTR and SRV: the target. TXT: the strings. HINFO: CPU and OS. A and AAAA: the address. */
  readonly values: readonly string[];
}

export interface DnsMessage {
  readonly response: boolean;
  readonly questions: readonly { readonly name: string; readonly type: number }[];
  readonly records: readonly DnsRecord[];
}

interface Name {
  readonly name: string;
  readonly next: number;
}

function readName(bytes: Buffer, start: number): Name | undefined {
  const labels: string[] = [];
  let next: number | undefined;
  let at = start;
  let total = 0;
  let lowest = start;
  for (let jumps = 0; jumps <= limits.pointers;) {
    if (at >= bytes.length) return undefined;
    const length = u8(bytes, at);
    if (length === 0) return { name: labels.join('.'), next: next ?? at + 1 };
    if ((length & pointer) === pointer) {
      if (at + 1 >= bytes.length) return undefined;
      const target = u16(bytes, at) & 0x3fff;
      if (target >= lowest) return undefined;
      next ??= at + 2;
      lowest = target;
      at = target;
      jumps++;
      continue;
    }
    total += length + 1;
    if ((length & pointer) !== 0 || total > nameBytes || at + 1 + length > bytes.length) return undefined;
    labels.push(bytes.toString('utf8', at + 1, at + 1 + length));
    at += length + 1;
  }
  return undefined;
}

function strings(bytes: Uint8Array, start: number, end: number): string[] {
  const list: string[] = [];
  for (let at = start; at < end && list.length < limits.texts;) {
    const stop = Math.min(end, at + 1 + u8(bytes, at));
    list.push(text(bytes, at + 1, stop));
    at = stop;
  }
  return list;
}

function values(bytes: Buffer, type: number, start: number, end: number): readonly string[] {
  if (type === types.ptr) return [readName(bytes, start)?.name ?? ''];
  if (type === types.srv && start + 6 < end) return [readName(bytes, start + 6)?.name ?? ''];
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
  const questions: { name: string; type: number }[] = [];
  const records: DnsRecord[] = [];
  let at: number = headerBytes;
  for (let n = Math.min(u16(bytes, 4), limits.entries); n > 0; n--) {
    const name = readName(bytes, at);
    if (name === undefined || name.next + 4 > bytes.length) return malformed('dns_bad_question', at);
    questions.push({ name: name.name, type: u16(bytes, name.next) });
    at = name.next + 4;
  }
  const count = u16(bytes, 6) + u16(bytes, 8) + u16(bytes, 10);
  for (let n = Math.min(count, limits.entries); n > 0; n--) {
    const name = readName(bytes, at);
    if (name === undefined || name.next + 10 > bytes.length) return malformed('dns_bad_record', at);
    const type = u16(bytes, name.next);
    const start = name.next + 10;
    const end = start + u16(bytes, name.next + 8);
    if (end > bytes.length) return malformed('dns_record_truncated', at);
    records.push({ name: name.name, type, values: values(bytes, type, start, end) });
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
