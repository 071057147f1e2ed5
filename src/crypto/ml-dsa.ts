/**
 * ML-DSA-65, FIPS 204: public key 1952 bytes, signature 3309, and a seed (ξ) of 32 from which a key pair is made
 * (section 6.1). Signatures are the hedged ones with an empty context (section 5.2).
 *
 * OpenSSL 3.5 in the Node binary does it, two milliseconds to verify a megabyte; @noble/post-quantum does where the
 * two don't understand each other. Keys go to OpenSSL as DER, a private one by its seed alone (RFC 9881 section 6).
 */
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js';

export const ML_DSA_PUBLIC_KEY_BYTES = 1952;
export const ML_DSA_SIGNATURE_BYTES = 3309;
export const ML_DSA_SEED_BYTES = 32;

/** RFC 9881: a SubjectPublicKeyInfo up to the key, a PKCS #8 private key up to its seed. */
const SPKI = Buffer.from('308207b2300b0609608648016503040312038207a100', 'hex');
const PKCS8 = Buffer.from('3034020100300b060960864801650304031204228020', 'hex');

export interface MlDsa {
  readonly name: 'openssl' | 'noble';
  publicKey(seed: Uint8Array): Uint8Array;
  sign(seed: Uint8Array, message: Uint8Array): Uint8Array;
  /** False for anything that isn't a signature of `message`, whatever its length. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

function privateKey(seed: Uint8Array): KeyObject {
  const der = Buffer.concat([PKCS8, seed]);
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } finally {
    der.fill(0);
  }
}

export const openssl: MlDsa = {
  name: 'openssl',
  publicKey: (seed) => {
    const der = createPublicKey(privateKey(seed)).export({ format: 'der', type: 'spki' });
    return Uint8Array.from(der.subarray(SPKI.length));
  },
  sign: (seed, message) => Uint8Array.from(sign(null, message, privateKey(seed))),
  verify: (publicKey, message, signature) => {
    if (publicKey.length !== ML_DSA_PUBLIC_KEY_BYTES || signature.length !== ML_DSA_SIGNATURE_BYTES)
      return false;
    const key = createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' });
    return verify(null, message, key, signature);
  },
};

export const noble: MlDsa = {
  name: 'noble',
  publicKey: (seed) => ml_dsa65.keygen(seed).publicKey,
  sign: (seed, message) => {
    const { secretKey } = ml_dsa65.keygen(seed);
    try {
      return ml_dsa65.sign(message, secretKey);
    } finally {
      secretKey.fill(0);
    }
  },
  verify: (publicKey, message, signature) => {
    if (publicKey.length !== ML_DSA_PUBLIC_KEY_BYTES || signature.length !== ML_DSA_SIGNATURE_BYTES)
      return false;
    return ml_dsa65.verify(signature, message, publicKey);
  },
};

/** True when `candidate` makes noble's key of a seed, and each verifies what the other signed and nothing else. */
export function isUnderstood(candidate: MlDsa): boolean {
  const seed = new Uint8Array(ML_DSA_SEED_BYTES).fill(1);
  const [message, other] = [Uint8Array.of(1, 2, 3), Uint8Array.of(1, 2, 4)];
  try {
    const key = noble.publicKey(seed);
    if (!Buffer.from(candidate.publicKey(seed)).equals(key)) return false;
    const [theirs, ours] = [candidate.sign(seed, message), noble.sign(seed, message)];
    return (
      noble.verify(key, message, theirs) &&
      candidate.verify(key, message, ours) &&
      !candidate.verify(key, other, ours)
    );
  } catch {
    return false;
  }
}

let chosen: MlDsa | undefined;

/** What does the work in this process, found out when it is first needed: most processes never sign or verify. */
export function engine(): MlDsa {
  chosen ??= isUnderstood(openssl) ? openssl : noble;
  return chosen;
}
