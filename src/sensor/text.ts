/** Text of the network made fit to keep and print: printable, single-spaced, short. */

/** Longest value of an evidence field (`wire/observation.ts`). */
export const VALUE_LIMIT = 128;

/**
 * `value` up to its first control character, blanks trimmed, at most `VALUE_LIMIT` UTF-16 units and never
 * half a surrogate pair. Cutting at a control character keeps a field from carrying what follows it when a
 * sender ends its lines differently than the standard says.
 */
export function sanitize(value: string): string {
  const end = value.search(/\p{C}|\p{Zl}|\p{Zp}/u);
  const line = end < 0 ? value : value.slice(0, end);
  return line.replaceAll(/\s+/g, ' ').trim().slice(0, VALUE_LIMIT).toWellFormed().trimEnd();
}
