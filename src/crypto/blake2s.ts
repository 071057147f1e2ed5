/**
 * BLAKE2s (RFC 7693) in the three uses of WireGuard: HASH(), the keyed 16-byte MAC() of mac1, mac2 and the
 * cookie, and HMAC-BLAKE2s (RFC 2104) under the Noise HKDF (Noise Protocol Framework, revision 34, section 4.3).
 *
 * Surprising: the keyed MAC is BLAKE2s' own key mode with a 16-byte output; the KDF is HMAC around the plain
 * hash. The whitepaper's KDFn and Noise's HKDF are the same function.
 *
 * HASH and HMAC are OpenSSL's plain hash (in the Node binary), which a handshake needs some hundred times; when it
 * doesn't give the RFC's value at the start, and for the keyed mode that Node doesn't offer, it is @noble/hashes.
 */
import { createHash, hash as hashOnce } from 'node:crypto';
import { blake2s } from '@noble/hashes/blake2.js';

export const HASH_BYTES = 32;
export const MAC_BYTES = 16;
const BLOCK_BYTES = 64;

export type Hash = (...parts: readonly Uint8Array[]) => Uint8Array;

/** Short inputs, which are nearly all, are put together here and hashed in one call, in half the time. */
const together = new Uint8Array(512);

export const opensslHash: Hash = (...parts) => {
  let length = 0;
  for (const part of parts) length += part.length;
  if (length > together.length) {
    const state = createHash('blake2s256');
    for (const part of parts) state.update(part);
    return state.digest();
  }
  let at = 0;
  for (const part of parts) {
    together.set(part, at);
    at += part.length;
  }
  const digest = hashOnce('blake2s256', together.subarray(0, length), 'buffer');
  together.fill(0, 0, length);
  return digest;
};

export const nobleHash: Hash = (...parts) => {
  const state = blake2s.create();
  for (const part of parts) state.update(part);
  return state.digest();
};

/** RFC 7693 appendix B: BLAKE2s of "abc", here in two parts. */
export function knowsAnswer(candidate: Hash): boolean {
  const expected = '508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982';
  try {
    return Buffer.from(candidate(Buffer.from('a'), Buffer.from('bc'))).toString('hex') === expected;
  } catch {
    return false;
  }
}

/** HASH(a || b || …). */
export const hash: Hash = knowsAnswer(opensslHash) ? opensslHash : nobleHash;

/** MAC(key, data): keyed BLAKE2s with 16 bytes of output. Keys are 16 or 32 bytes. */
export function mac(key: Uint8Array, data: Uint8Array): Uint8Array {
  return blake2s(data, { key, dkLen: MAC_BYTES });
}

export function hmacBlake2s(key: Uint8Array, data: Uint8Array): Uint8Array {
  const inner = new Uint8Array(BLOCK_BYTES);
  const outer = new Uint8Array(BLOCK_BYTES);
  inner.set(key.length > BLOCK_BYTES ? hash(key) : key);
  for (let i = 0; i < BLOCK_BYTES; i++) {
    const byte = inner[i] ?? 0;
    inner[i] = byte ^ 0x36;
    outer[i] = byte ^ 0x5c;
  }
  const result = hash(outer, hash(inner, data));
  inner.fill(0);
  outer.fill(0);
  return result;
}

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
