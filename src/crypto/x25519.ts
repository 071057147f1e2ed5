/**
 * X25519, RFC 7748 section 5. For handshakes, never for packets: but a flood of initiations makes it run as often as
 * strangers like, so OpenSSL (in the Node binary) does it, in about a tenth of the millisecond that the same takes in
 * JavaScript. @noble/curves checks it with the RFC's own values when this file is loaded, and does the work itself
 * where they don't come out.
 *
 * A shared secret of all zeros means that the other side sent a point of small order; such an exchange is
 * refused (RFC 7748 section 6.1), as every WireGuard implementation does.
 *
 * Surprising: OpenSSL takes a key as DER. That copy is wiped here; OpenSSL clears its own when the key object is
 * collected.
 */
import { createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { x25519 } from '@noble/curves/ed25519.js';
import { PublicKey } from './public-key.ts';
import { SecretKey } from './secret-key.ts';

export interface KeyPair {
  readonly secret: SecretKey;
  readonly public: PublicKey;
}

export interface X25519 {
  readonly name: 'openssl' | 'noble';
  publicKey(secret: SecretKey): Uint8Array;
  /** Undefined for all zeros. */
  shared(secret: SecretKey, remote: Uint8Array): Uint8Array | undefined;
}

/** RFC 8410: a PKCS #8 private key and a SubjectPublicKeyInfo, up to the 32 bytes of the key. */
const PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex');
const SPKI = Buffer.from('302a300506032b656e032100', 'hex');

function privateKey(secret: Uint8Array): KeyObject {
  const der = Buffer.concat([PKCS8, secret]);
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } finally {
    der.fill(0);
  }
}

export const openssl: X25519 = {
  name: 'openssl',
  publicKey: (secret) => {
    // As JWK, whose `x` is the key (RFC 8037 section 2): thirty times faster to write than DER.
    const { x = '' } = createPublicKey(secret.form(privateKey)).export({ format: 'jwk' });
    return Uint8Array.from(Buffer.from(x, 'base64url'));
  },
  shared: (secret, remote) => {
    const publicKey = createPublicKey({ key: Buffer.concat([SPKI, remote]), format: 'der', type: 'spki' });
    try {
      return diffieHellman({ privateKey: secret.form(privateKey), publicKey });
    } catch {
      // Keys are right by construction: it fails for one reason, the all-zero result.
      return undefined;
    }
  },
};

export const noble: X25519 = {
  name: 'noble',
  publicKey: (secret) => secret.use((k) => x25519.getPublicKey(k)),
  shared: (secret, remote) => {
    try {
      return secret.use((k) => x25519.getSharedSecret(k, remote));
    } catch {
      // Lengths are right by construction: the library throws for one reason, the all-zero result.
      return undefined;
    }
  },
};

/** RFC 7748 section 6.1: Alice's secret and public key, Bob's public key, what they share. */
const ALICE = (): SecretKey =>
  SecretKey.take(Buffer.from('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a', 'hex'));
const ALICE_PUBLIC = Buffer.from('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a', 'hex');
const BOB_PUBLIC = Buffer.from('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f', 'hex');
const SHARED = Buffer.from('4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742', 'hex');

/** True when `engine` gives the RFC's values, and refuses a point of small order. */
export function knowsAnswers(engine: X25519): boolean {
  const alice = ALICE();
  try {
    return (
      ALICE_PUBLIC.equals(engine.publicKey(alice)) &&
      SHARED.equals(engine.shared(alice, BOB_PUBLIC) ?? BOB_PUBLIC) &&
      engine.shared(alice, new Uint8Array(32)) === undefined
    );
  } catch {
    return false;
  }
}

/** What does the work in this process. */
export const engine: X25519 = knowsAnswers(openssl) ? openssl : noble;

/** The public key that belongs to `secret`. */
export function publicKeyOf(secret: SecretKey): PublicKey {
  return PublicKey.fromBytes(engine.publicKey(secret)) as PublicKey;
}

/** A key pair whose secret is `randomness`, 32 bytes of it, which is wiped. Clamping is part of X25519. */
export function generateKeyPair(randomness: Uint8Array): KeyPair {
  const secret = SecretKey.take(randomness);
  return { secret, public: publicKeyOf(secret) };
}

/** Noise's DH(). Undefined when the result is all zeros. */
export function dh(secret: SecretKey, remote: PublicKey): SecretKey | undefined {
  const shared = engine.shared(secret, remote.bytes);
  return shared && SecretKey.take(shared);
}
