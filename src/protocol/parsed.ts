/**
 * What the decoders of announcements return: a message, or the name of what is wrong and where. None throws, none
 * allocates by a length that it read.
 */
export type Parsed<T> =
  | { readonly kind: 'message'; readonly message: T }
  | { readonly kind: 'malformed'; readonly name: string; readonly offset: number };

export const message = <T>(value: T): Parsed<T> => ({ kind: 'message', message: value });

export const malformed = <T>(name: string, offset: number): Parsed<T> => ({
  kind: 'malformed',
  name,
  offset,
});

/** Big-endian numbers; bytes past the end read as zero, so check lengths first. */
export const u8 = (bytes: Uint8Array, at: number): number => bytes[at] ?? 0;
export const u16 = (bytes: Uint8Array, at: number): number => (u8(bytes, at) << 8) | u8(bytes, at + 1);
export const u32 = (bytes: Uint8Array, at: number): number => u16(bytes, at) * 0x10000 + u16(bytes, at + 2);

/** The same, little-endian. */
export const u16le = (bytes: Uint8Array, at: number): number => u8(bytes, at) | (u8(bytes, at + 1) << 8);
export const u32le = (bytes: Uint8Array, at: number): number =>
  u16le(bytes, at) + u16le(bytes, at + 2) * 0x10000;

/** Bytes as Latin-1, up to the first NUL, at most `limit` of them. */
export function text(bytes: Uint8Array, start: number, end: number, limit = 256): string {
  const stop = Math.min(end, bytes.length, start + limit);
  const nul = bytes.indexOf(0, start);
  const last = nul >= 0 && nul < stop ? nul : stop;
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, Math.max(0, last - start)).toString('latin1');
}

/** UTF-16 in little-endian order, up to the first NUL or `end`, at most `limit` units. */
export function wideText(bytes: Uint8Array, start: number, end: number, limit = 256): string {
  const stop = Math.min(end, bytes.length, start + 2 * limit);
  let out = '';
  for (let at = start; at + 1 < stop; at += 2) {
    const unit = u16le(bytes, at);
    if (unit === 0) break;
    out += String.fromCharCode(unit);
  }
  return out;
}
