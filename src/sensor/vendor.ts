/**
 * Who made a network card: the first 24, 28 or 36 bits of its address, as the IEEE registry assigns them
 * (IEEE 802 clause 8; MA-L, MA-M, MA-S). The longest assignment that matches wins. A locally administered
 * address has no vendor: nobody assigned it.
 *
 * The registry (npm `oui-data`) is 5 MB of JSON, of which 54,000 assignments and 35,000 names are kept, packed so that
 * nothing has to be read before the first question. The image has it packed already. It is packed from the bytes of the
 * JSON, since as an object it would take ten times the room. Numbers are little-endian:
 *
 * ```text
 * 0        8 bytes    OUITABLE
 * 8        4 × u32    how many assignments of 36, 28 and 24 bits; how many names
 * 24       n × f64    assignments of each length, sorted: the assignment × 65536 + the number of its name
 * then     m+1 × u32  where each name begins in the text, and where the last one ends
 * then     text       the names, UTF-8; an empty one is an assignee who asked not to be named
 * ```
 */
import { isLocalMac } from './frame.ts';

/** The maker's name, or undefined when the address tells none. */
export type VendorOf = (mac: number) => string | undefined;

/** Hexadecimal digits of the assignments, longest first. */
const PREFIX_DIGITS = [9, 7, 6] as const;
const NAME_LIMIT = 64;
/** Names are numbered in 16 bits; 36 bits of an assignment and these fit a double. */
const NAMES = 65_536;
/** The registry's word for an assignee who asked not to be named. */
const UNNAMED = 'Private';
const MAGIC = Buffer.from('OUITABLE');

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** What follows a backslash where a line ends. */
const LINE_FEED = 0x6e;

/** Where the string that begins at `start` ends: its closing quote, or -1. */
function endOfString(json: Buffer, start: number): number {
  let end = json.indexOf(QUOTE, start);
  while (end > start && json[end - 1] === BACKSLASH) {
    let escapes = 0;
    while (json[end - 1 - escapes] === BACKSLASH) escapes++;
    if (escapes % 2 === 0) break;
    end = json.indexOf(QUOTE, end + 1);
  }
  return end;
}

/** The name in a value: its first line, which ends where the first escape is a line feed. */
function nameIn(json: Buffer, start: number, end: number): string {
  const escape = json.indexOf(BACKSLASH, start);
  if (escape < 0 || escape >= end) return json.toString('utf8', start, end).trim().slice(0, NAME_LIMIT);
  if (json[escape + 1] === LINE_FEED) return json.toString('utf8', start, escape).trim().slice(0, NAME_LIMIT);
  const text = JSON.parse(json.toString('utf8', start - 1, end + 1)) as string;
  return (text.split('\n', 1)[0] ?? '').trim().slice(0, NAME_LIMIT);
}

/** The number that hexadecimal digits say, -1 where one isn't. */
function hexadecimal(json: Buffer, start: number, end: number): number {
  let number = 0;
  for (let at = start; at < end; at++) {
    const byte = json[at] as number;
    const digit = byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : byte >= 0x41 && byte <= 0x46 ? byte - 55 : -1;
    if (digit < 0) return -1;
    number = number * 16 + digit;
  }
  return number;
}

/** Pack a registry in JSON: an object of prefix in upper-case hexadecimal → name and address, one a line. */
export function packVendors(registry: Uint8Array): Uint8Array {
  const json = Buffer.from(registry.buffer, registry.byteOffset, registry.byteLength);
  const names: Buffer[] = [];
  const numbers = new Map<string, number>();
  const rows: number[][] = PREFIX_DIGITS.map(() => []);
  for (let at = json.indexOf(QUOTE); at >= 0;) {
    const keyEnd = endOfString(json, at + 1);
    const value = json.indexOf(QUOTE, keyEnd + 1) + 1;
    const end = keyEnd < 0 || value === 0 ? -1 : endOfString(json, value);
    if (end < 0) break;
    const list = rows[PREFIX_DIGITS.findIndex((digits) => digits === keyEnd - at - 1)];
    const prefix = hexadecimal(json, at + 1, keyEnd);
    const name = nameIn(json, value, end);
    let number = numbers.get(name);
    if (number === undefined && names.length < NAMES) {
      number = names.push(Buffer.from(name === UNNAMED ? '' : name)) - 1;
      numbers.set(name, number);
    }
    if (number !== undefined && prefix >= 0) list?.push(prefix * NAMES + number);
    at = json.indexOf(QUOTE, end + 1);
  }
  const starts = new Uint32Array(names.length + 1);
  names.forEach((name, i) => (starts[i + 1] = (starts[i] as number) + name.length));
  const parts = [
    Uint32Array.from([...rows.map((list) => list.length), names.length]),
    ...rows.map((list) => Float64Array.from(list).sort()),
    starts,
  ];
  return Buffer.concat([MAGIC, ...parts.map((part) => Buffer.from(part.buffer)), ...names]);
}

const scales = PREFIX_DIGITS.map((digits) => 16 ** (12 - digits));

/** A lookup over a packed registry. */
function packedVendors(packed: Uint8Array): VendorOf {
  // The numbers are looked at where they lie, which takes a buffer of their own.
  const { buffer } = packed.byteOffset === 0 ? packed : Uint8Array.from(packed);
  const counts = new Uint32Array(buffer, MAGIC.length, PREFIX_DIGITS.length + 1);
  let at = MAGIC.length + counts.byteLength;
  const tables = PREFIX_DIGITS.map((_, i) => {
    const table = new Float64Array(buffer, at, counts[i]);
    at += table.byteLength;
    return table;
  });
  const starts = new Uint32Array(buffer, at, (counts[PREFIX_DIGITS.length] as number) + 1);
  const text = Buffer.from(buffer, at + starts.byteLength);
  /** Names that were asked for: one string each, however many cards. */
  const known = new Map<number, string>();
  const named = (number: number): string | undefined => {
    let name = known.get(number);
    if (name === undefined) {
      name = text.toString('utf8', starts[number], starts[number + 1]);
      known.set(number, name);
    }
    return name === '' ? undefined : name;
  };
  return (mac) => {
    if (mac < 0 || isLocalMac(mac)) return undefined;
    for (let i = 0; i < tables.length; i++) {
      const number = find(tables[i] as Float64Array, Math.floor(mac / (scales[i] as number)));
      if (number !== undefined) return named(number);
    }
    return undefined;
  };
}

/** A lookup over a registry, packed or in JSON. */
export const vendorTable = (registry: Uint8Array): VendorOf =>
  packedVendors(MAGIC.equals(registry.subarray(0, MAGIC.length)) ? registry : packVendors(registry));

/** The number of the name of an assignment. */
function find(table: Float64Array, prefix: number): number | undefined {
  let low = 0;
  let high = table.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((table[middle] as number) < prefix * NAMES) low = middle + 1;
    else high = middle;
  }
  const found = table[low];
  return found !== undefined && Math.floor(found / NAMES) === prefix ? found % NAMES : undefined;
}
