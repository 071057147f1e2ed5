/**
 * BLAKE2s (RFC 7693) in the three uses of WireGuard: HASH(), the keyed 16-byte MAC() of mac1, mac2 and the
 * cookie, and HMAC-BLAKE2s (RFC 2104) under the Noise HKDF (Noise Protocol Framework, revision 34, section 4.3).
 *
 * Surprising: the keyed MAC is BLAKE2s' own key mode with a 16-byte output; the KDF is HMAC around the plain
 * hash. The whitepaper's KDFn and Noise's HKDF are the same function.
 */
import { blake2s } from '@noble/hashes/blake2.js';
import { hmac } from '@noble/hashes/hmac.js';

export const HASH_BYTES = 32;
export const MAC_BYTES = 16;

/** HASH(a || b || …). */
export function hash(...parts: readonly Uint8Array[]): Uint8Array {
  const state = blake2s.create();
  for (const part of parts) state.update(part);
  return state.digest();
}

/** MAC(key, data): keyed BLAKE2s with 16 bytes of output. Keys are 16 or 32 bytes. */
export function mac(key: Uint8Array, data: Uint8Array): Uint8Array {
  return blake2s(data, { key, dkLen: MAC_BYTES });
}

export const hmacBlake2s = (key: Uint8Array, data: Uint8Array): Uint8Array => hmac(blake2s, key, data);

/** HKDF(chaining_key, input_key_material, 2): the two outputs. */
export function hkdf2(chainingKey: Uint8Array, material: Uint8Array): [Uint8Array, Uint8Array] {
  const temporary = hmacBlake2s(chainingKey, material);
  const first = hmacBlake2s(temporary, Uint8Array.of(1));
  const second = hmacBlake2s(temporary, Uint8Array.of(...first, 2));
  temporary.fill(0);
  return [first, second];
}

/** HKDF(chaining_key, input_key_material, 3): the three outputs. */
export function hkdf3(chainingKey: Uint8Array, material: Uint8Array): [Uint8Array, Uint8Array, Uint8Array] {
  const temporary = hmacBlake2s(chainingKey, material);
  const first = hmacBlake2s(temporary, Uint8Array.of(1));
  const second = hmacBlake2s(temporary, Uint8Array.of(...first, 2));
  const third = hmacBlake2s(temporary, Uint8Array.of(...second, 3));
  temporary.fill(0);
  return [first, second, third];
}
