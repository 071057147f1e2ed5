/**
 * Words as protocols say them over and over: UIDs, labels of names, keys and values of announcements. One that was met
 * lately is given again, which takes a tenth of making it. Printable ASCII, no longer than `LONGEST`; nothing else is kept.
 */

const LONGEST = 64;
/** By a hash, the last of each. */
const WORDS = 1024;
const words: string[] = Array.from({ length: WORDS }, () => '');

/** The word that stands there; undefined when it is long, or isn't one. */
export function word(bytes: Uint8Array, start: number, stop: number): string | undefined {
  if (stop - start > LONGEST || stop > bytes.length) return undefined;
  let hash = 0;
  for (let at = start; at < stop; at++) {
    const byte = bytes[at] as number;
    if (byte < 0x20 || byte > 0x7e) return undefined;
    hash = (Math.imul(hash, 31) + byte) | 0;
  }
  const place = (hash ^ (hash >>> 15)) & (WORDS - 1);
  const known = words[place] as string;
  if (isAt(known, bytes, start, stop)) return known;
  const made = Buffer.from(bytes.buffer, bytes.byteOffset + start, stop - start).toString('latin1');
  words[place] = made;
  return made;
}

function isAt(known: string, bytes: Uint8Array, start: number, stop: number): boolean {
  if (known.length !== stop - start) return false;
  for (let i = 0; i < known.length; i++) if (known.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}
