/**
 * HL7 version 2 messages in ER7 encoding, chapter 2: the MSH segment with the message's own delimiters, and the
 * other segments one by one, unread until asked for.
 *
 *   MSH | ^~\& | MSH-3 | … CR  segment CR …        MSH-1 is the separator itself, MSH-2 the encoding characters
 *
 * What surprises: text is read byte for byte (Latin-1), so that what is echoed goes back in the sender's own
 * character set whatever MSH-18 says. Patient segments are never tokenized.
 */
import { headerSegments, limits, msh, segmentEnds } from './constants.ts';

export interface Delimiters {
  readonly field: string;
  readonly component: string;
  readonly repetition: string;
  readonly escape: string;
  readonly subcomponent: string;
}

/** MSH as sent, with the parts of it that decide. */
export interface Header {
  readonly delimiters: Delimiters;
  /** MSH-2 as sent. */
  readonly encodingCharacters: string;
  /** MSH-n by n, raw; fields that weren't sent are missing. */
  readonly fields: readonly string[];
  /** MSH-9.1, MSH-9.2. */
  readonly type: string;
  readonly event: string;
}

export interface Segment {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

export type Parsed<T> = { kind: 'message'; message: T } | { kind: 'malformed'; name: string; offset: number };

const isEnd = (byte: number | undefined): boolean => byte === segmentEnds.cr || byte === segmentEnds.lf;

const latin1 = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');

/** Segments in order; empty lines are left out. */
export function* segmentsOf(bytes: Uint8Array): Generator<Segment> {
  let start = 0;
  while (start < bytes.length) {
    let end = start;
    while (end < bytes.length && !isEnd(bytes[end])) end++;
    if (end > start) yield { name: latin1(bytes, start, Math.min(start + 3, end)), start, end };
    start = end + 1;
  }
}

/** Field `n` of a segment other than MSH, raw; empty when it wasn't sent. */
export function fieldOf(bytes: Uint8Array, segment: Segment, separator: string, n: number): string {
  const code = separator.charCodeAt(0);
  let start = segment.start;
  for (let i = 0; i < n; i++) {
    const next = bytes.indexOf(code, start);
    if (next < 0 || next >= segment.end) return '';
    start = next + 1;
  }
  const next = bytes.indexOf(code, start);
  return latin1(bytes, start, next < 0 ? segment.end : Math.min(next, segment.end));
}

/** MSH-n as sent, empty when it wasn't. */
export const headerField = (header: Header, n: number): string => header.fields[n] ?? '';

/** The first component of the first repetition of MSH-n. */
export function headerCode(header: Header, n: number): string {
  const { component, repetition } = header.delimiters;
  return (headerField(header, n).split(repetition)[0] ?? '').split(component)[0]?.trim() ?? '';
}

export function parseHeader(bytes: Uint8Array): Parsed<Header> {
  const malformed = (name: string, offset: number): Parsed<Header> => ({ kind: 'malformed', name, offset });
  if (latin1(bytes, 0, Math.min(3, bytes.length)) !== 'MSH') return malformed('hl7_no_header', 0);
  let end = 3;
  while (end < bytes.length && end <= limits.headerBytes && !isEnd(bytes[end])) end++;
  if (end > limits.headerBytes) return malformed('hl7_header_too_long', limits.headerBytes);
  const text = latin1(bytes, 3, end);
  const field = text[0] ?? '';
  const parts = text.split(field);
  // parts[0] is empty: MSH-1 stands before the first separator it defines.
  const encodingCharacters = parts[1] ?? '';
  const all = field + encodingCharacters;
  if (!/^[!-/:-@[-`{-~]{5,6}$/.test(all) || new Set(all).size !== all.length)
    return malformed('hl7_bad_delimiters', 3);
  const [component = '', repetition = '', escape = '', subcomponent = ''] = encodingCharacters;
  for (const segment of segmentsOf(bytes.subarray(end)))
    if (headerSegments.includes(segment.name)) return malformed('hl7_several_headers', end + segment.start);
  const fields = ['', field, ...parts.slice(1)];
  const [type = '', event = ''] = (fields[msh.messageType] ?? '').split(component);
  return {
    kind: 'message',
    message: {
      delimiters: { field, component, repetition, escape, subcomponent },
      encodingCharacters,
      fields,
      type: type.trim(),
      event: event.trim(),
    },
  };
}

const code = /^[A-Z0-9_]{1,12}$/;

/** `ORU^R01`, for records: names only, `?` for what isn't a code. */
export function unitOf(header: Header): string {
  const name = (text: string): string => (code.test(text) ? text : '?');
  return header.event === '' ? name(header.type) : `${name(header.type)}^${name(header.event)}`;
}

/** MSH-12 as major and minor, `[2, 1]` when it can't be read: the oldest answer is understood by everyone. */
export function versionOf(header: Header): readonly [number, number] {
  const match = /^(\d)\.(\d{1,2})/.exec(headerCode(header, msh.version));
  return match ? [Number(match[1]), Number(match[2])] : [2, 1];
}

/** Text with this message's delimiters escaped (section 2.7); anything but printable ASCII becomes `?`. */
export function escapeText(text: string, delimiters: Delimiters): string {
  const { escape } = delimiters;
  const names = new Map([
    [delimiters.field, 'F'],
    [delimiters.component, 'S'],
    [delimiters.repetition, 'R'],
    [escape, 'E'],
    [delimiters.subcomponent, 'T'],
  ]);
  let out = '';
  for (const char of text) {
    const name = names.get(char);
    if (name !== undefined) out += escape + name + escape;
    else out += char >= ' ' && char <= '~' ? char : '?';
  }
  return out;
}
