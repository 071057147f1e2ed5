/**
 * The canonical form of a record: JSON Canonicalization Scheme, RFC 8785. What is hashed, signed and stored is
 * these bytes and nothing else, so that anyone can compute them again from the record's content.
 *
 *   {"event":{"at":…,"body":{…},"kind":"…","origin":"…"},"seq":…,"time":…}
 *
 * Members are sorted by UTF-16 code units (RFC 8785 section 3.2.3, JavaScript's own order); numbers and strings
 * are written as ECMAScript writes them (sections 3.2.2.2 and 3.2.2.3), which `JSON.stringify` does.
 *
 * Surprise: a JavaScript string can hold half a surrogate pair, which has no UTF-8. RFC 8785 section 3.2.2.2 makes
 * that an error, and so do we; `JSON.stringify` alone would quietly write an escape.
 */
import { Fault } from '../wire/errors.ts';

/** Deeper than any event is, far from the end of the stack. */
const MAX_DEPTH = 32;

/** `value` as canonical JSON. Fault IPC_MALFORMED for what JSON can't say. */
export function canonicalJson(value: unknown, depth = 0): string {
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) throw new Fault('IPC_MALFORMED', 'a string holds half a surrogate pair');
      return JSON.stringify(value);
    case 'number':
      if (!Number.isFinite(value)) throw new Fault('IPC_MALFORMED', `${value} is not a JSON number`);
      return JSON.stringify(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      break;
    default:
      throw new Fault('IPC_MALFORMED', `${typeof value} is not a JSON type`);
  }
  if (value === null) return 'null';
  if (depth >= MAX_DEPTH) throw new Fault('IPC_MALFORMED', `nested deeper than ${MAX_DEPTH}`);
  if (Array.isArray(value)) {
    return `[${value.map((item: unknown) => canonicalJson(item, depth + 1)).join(',')}]`;
  }
  const members = Object.keys(value)
    .sort()
    .map((key) => {
      const member = (value as Readonly<Record<string, unknown>>)[key];
      return `${canonicalJson(key)}:${canonicalJson(member, depth + 1)}`;
    });
  return `{${members.join(',')}}`;
}

/** The canonical record around an event that is canonical already: its members sort as event, seq, time. */
export const canonicalRecord = (canonicalEvent: string, seq: number, time: number): string =>
  `{"event":${canonicalEvent},"seq":${seq},"time":${time}}`;

/** What a stored record says, or why it isn't one: not JSON, another shape, or not in canonical form. */
export type ParsedRecord =
  | { readonly kind: 'record'; readonly seq: number; readonly time: number; readonly event: unknown }
  | { readonly kind: 'malformed'; readonly detail: string };

/** The event isn't checked against its schema here: an older or newer version may have appended it. */
export function parseRecord(text: string): ParsedRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
    if (canonicalJson(value) !== text) return { kind: 'malformed', detail: 'not in canonical form' };
  } catch (e) {
    return { kind: 'malformed', detail: e instanceof Error ? e.message : String(e) };
  }
  const { seq, time, event } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (!isCount(seq) || !isCount(time) || typeof event !== 'object' || event === null) {
    return { kind: 'malformed', detail: 'no seq, no time or no event' };
  }
  return { kind: 'record', seq, time, event };
}

const isCount = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;
