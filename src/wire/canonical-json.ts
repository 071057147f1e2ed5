/**
 * JSON Canonicalization Scheme, RFC 8785: the one text of a value, for what is hashed or signed.
 *
 * Members are sorted by UTF-16 code units (RFC 8785 section 3.2.3, JavaScript's own order); numbers and strings
 * are written as ECMAScript writes them (sections 3.2.2.2 and 3.2.2.3), which `JSON.stringify` does.
 *
 * Surprise: a JavaScript string can hold half a surrogate pair, which has no UTF-8. RFC 8785 section 3.2.2.2 makes
 * that an error, and so do we; `JSON.stringify` alone would quietly write an escape.
 */
import { Fault } from './errors.ts';

/** Deeper than anything is that is written so, far from the end of the stack. */
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
