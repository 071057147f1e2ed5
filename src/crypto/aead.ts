/**
 * The two AEADs of the tunnel: ChaCha20-Poly1305 (RFC 8439) for handshake fields, and XChaCha20-Poly1305
 * (draft-irtf-cfrg-xchacha-03) for the cookie reply, whose nonce is random.
 *
 * Opening never throws: undefined is the answer for anything that isn't authentic, whatever the reason.
 */
import { chacha20poly1305, xchacha20poly1305 } from '@noble/ciphers/chacha.js';

export const TAG_BYTES = 16;
export const XNONCE_BYTES = 24;

/** Nonce n of ChaChaPoly, Noise revision 34 section 12.3: 32 zero bits, then the counter as 64 bits, little-endian. */
export function counterNonce(counter: number): Uint8Array {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setBigUint64(4, BigInt(counter), true);
  return nonce;
}

export function seal(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  return chacha20poly1305(key, nonce, ad).encrypt(plaintext);
}

export function open(
  key: Uint8Array,
  nonce: Uint8Array,
  ad: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array | undefined {
  return openWith(() => chacha20poly1305(key, nonce, ad), ciphertext);
}

export function xseal(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  return xchacha20poly1305(key, nonce, ad).encrypt(plaintext);
}

export function xopen(
  key: Uint8Array,
  nonce: Uint8Array,
  ad: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array | undefined {
  return openWith(() => xchacha20poly1305(key, nonce, ad), ciphertext);
}

function openWith(
  cipher: () => { decrypt(ciphertext: Uint8Array): Uint8Array },
  ciphertext: Uint8Array,
): Uint8Array | undefined {
  if (ciphertext.length < TAG_BYTES) return undefined;
  try {
    return cipher().decrypt(ciphertext);
  } catch {
    return undefined;
  }
}
