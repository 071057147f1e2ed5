/**
 * X25519, RFC 7748 section 5. About 1 ms an operation in JavaScript: for handshakes, never for packets.
 *
 * A shared secret of all zeros means that the other side sent a point of small order; such an exchange is
 * refused (RFC 7748 section 6.1), as every WireGuard implementation does.
 */
import { x25519 } from '@noble/curves/ed25519.js';
import { PublicKey } from './public-key.ts';
import { SecretKey } from './secret-key.ts';

export interface KeyPair {
  readonly secret: SecretKey;
  readonly public: PublicKey;
}

/** The public key that belongs to `secret`. */
export function publicKeyOf(secret: SecretKey): PublicKey {
  return PublicKey.fromBytes(secret.use((k) => x25519.getPublicKey(k))) as PublicKey;
}

/** A key pair whose secret is `randomness`, 32 bytes of it, which is wiped. Clamping is part of X25519. */
export function generateKeyPair(randomness: Uint8Array): KeyPair {
  const secret = SecretKey.take(randomness);
  return { secret, public: publicKeyOf(secret) };
}

/** Noise's DH(). Undefined when the result is all zeros. */
export function dh(secret: SecretKey, remote: PublicKey): SecretKey | undefined {
  return secret.use((k) => {
    try {
      return SecretKey.take(x25519.getSharedSecret(k, remote.bytes));
    } catch {
      // Lengths are right by construction: the library throws for one reason, the all-zero result.
      return undefined;
    }
  });
}
