/**
 * The canonical form of a record: JSON Canonicalization Scheme, RFC 8785. What is hashed, signed and stored is
 * these bytes and nothing else, so that anyone can compute them again from the record's content.
 *
 *   {"event":{"at":…,"body":{…},"kind":"…","origin":"…"},"seq":…,"time":…}
 */
import { canonicalJson } from '../wire/canonical-json.ts';

export { canonicalJson };

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
