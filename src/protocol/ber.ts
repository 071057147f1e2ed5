/**
 * One element of ASN.1's basic encoding (X.690 section 8.1), as SNMP and certificates use it.
 *
 *   tag 1 · length 1, or 0x80 + n and n bytes · contents
 *
 * Tags of one byte, lengths up to three; the indefinite form is refused.
 */
import { u8 } from './parsed.ts';

export interface Tlv {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

/** The element at `at`; undefined where it doesn't end before `limit`. */
export function tlv(bytes: Uint8Array, at: number, limit: number): Tlv | undefined {
  if (at + 2 > limit) return undefined;
  let length = u8(bytes, at + 1);
  let start = at + 2;
  if (length >= 0x80) {
    const count = length & 0x7f;
    if (count === 0 || count > 3 || start + count > limit) return undefined;
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + u8(bytes, start + i);
    start += count;
  }
  return start + length > limit ? undefined : { tag: u8(bytes, at), start, end: start + length };
}
