/** Text of the network made fit to keep and print: printable, single-spaced, short. */

/** Longest value of an evidence field (`wire/observation.ts`). */
export const VALUE_LIMIT = 128;

/** Printable ASCII as it is to be: most of what is said. */
function isPlain(value: string): boolean {
  if (value.length > VALUE_LIMIT) return false;
  let before = 0x20;
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i);
    if (unit < 0x20 || unit > 0x7e || (unit === 0x20 && before === 0x20)) return false;
    before = unit;
  }
  return before !== 0x20;
}

/**
 * `value` up to its first control character, blanks trimmed, at most `VALUE_LIMIT` UTF-16 units and never
 * half a surrogate pair. Cutting at a control character keeps a field from carrying what follows it when a
 * sender ends its lines differently than the standard says.
 */
export function sanitize(value: string): string {
  if (isPlain(value)) return value;
  const end = value.search(/\p{C}|\p{Zl}|\p{Zp}/u);
  const line = end < 0 ? value : value.slice(0, end);
  return line.replaceAll(/\s+/g, ' ').trim().slice(0, VALUE_LIMIT).toWellFormed().trimEnd();
}
