/**
 * A signer of policy: Ed25519 (RFC 8032) and ML-DSA-65 (FIPS 204) together, so that what is signed holds while either
 * of them does. The text form of the public pair is `wire/signer.ts`.
 *
 * The secret half is two seeds, 64 bytes in one: an opaque object, as other secrets here. As text, for a file that its
 * owner alone can read:
 *
 *   anteroom-signer-secret:<base64 of Ed25519 seed (32 bytes) || ML-DSA-65 seed (32 bytes)>
 */
import { createPrivateKey, createPublicKey, hash, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { Fault } from '../wire/errors.ts';
import { signerId, signerText } from '../wire/signer.ts';
import type { SignerId, SignerText } from '../wire/signer.ts';
import {
  ML_DSA_PUBLIC_KEY_BYTES,
  ML_DSA_SEED_BYTES,
  ML_DSA_SIGNATURE_BYTES,
  engine as mlDsa,
} from './ml-dsa.ts';
import { SecretKey } from './secret-key.ts';

export const ED25519_SIGNATURE_BYTES = 64;
const ED25519_BYTES = 32;
const PUBLIC_BYTES = ED25519_BYTES + ML_DSA_PUBLIC_KEY_BYTES;
export const SIGNER_SEED_BYTES = ED25519_BYTES + ML_DSA_SEED_BYTES;
const ID_BYTES = 8;

/** RFC 8410: a PKCS #8 private key and a SubjectPublicKeyInfo, up to the 32 bytes of the key. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

const SECRET_PREFIX = 'anteroom-signer-secret:';
const SECRET_TEXT = /^anteroom-signer-secret:[A-Za-z0-9+/]{85}[AQgw]==$/;

/** What a signer makes of a message. */
export interface SignaturePair {
  readonly ed25519: Uint8Array;
  readonly mlDsa65: Uint8Array;
}

/** The public half. */
export class Signer {
  readonly id: SignerId;
  readonly text: SignerText;
  readonly #ed25519: KeyObject;
  readonly #mlDsa65: Uint8Array;

  private constructor(bytes: Buffer) {
    this.id = signerId.parse(hash('sha256', bytes, 'buffer').subarray(0, ID_BYTES).toString('hex'));
    this.text = signerText.parse(`anteroom-signer:${this.id}:${bytes.toString('base64')}`);
    const key = Buffer.concat([SPKI, bytes.subarray(0, ED25519_BYTES)]);
    this.#ed25519 = createPublicKey({ key, format: 'der', type: 'spki' });
    this.#mlDsa65 = Uint8Array.from(bytes.subarray(ED25519_BYTES));
  }

  /** Of the two public keys, one after the other. */
  static fromBytes(bytes: Uint8Array): Signer | undefined {
    return bytes.length === PUBLIC_BYTES ? new Signer(Buffer.from(bytes)) : undefined;
  }

  /** Undefined for text that is no signer, or whose id isn't that of its keys. */
  static fromText(text: string): Signer | undefined {
    if (!signerText.safeParse(text).success) return undefined;
    const signer = Signer.fromBytes(Buffer.from(text.slice(text.lastIndexOf(':') + 1), 'base64'));
    return signer?.text === text ? signer : undefined;
  }

  /** True when both signatures are of `message`. */
  verify(message: Uint8Array, { ed25519, mlDsa65 }: SignaturePair): boolean {
    return (
      ed25519.length === ED25519_SIGNATURE_BYTES &&
      mlDsa65.length === ML_DSA_SIGNATURE_BYTES &&
      verify(null, message, this.#ed25519, ed25519) &&
      mlDsa().verify(this.#mlDsa65, message, mlDsa65)
    );
  }
}

function ed25519Key(seed: Uint8Array): KeyObject {
  const der = Buffer.concat([PKCS8, seed]);
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } finally {
    der.fill(0);
  }
}

/** The secret half, which only signs. */
export class SigningKey {
  readonly #ed25519: SecretKey;
  readonly #mlDsa65: SecretKey;
  readonly signer: Signer;

  /** `seed`: 64 random bytes, which are wiped. */
  constructor(seed: Uint8Array) {
    if (seed.length !== SIGNER_SEED_BYTES) throw new Fault('INTERNAL', 'a signing seed of the wrong length');
    this.#ed25519 = SecretKey.take(seed.subarray(0, ED25519_BYTES));
    this.#mlDsa65 = SecretKey.take(seed.subarray(ED25519_BYTES));
    const edPublic = createPublicKey(this.#ed25519.form(ed25519Key)).export({ format: 'der', type: 'spki' });
    const dsaPublic = this.#mlDsa65.use((bytes) => mlDsa().publicKey(bytes));
    const signer = Signer.fromBytes(Buffer.concat([edPublic.subarray(SPKI.length), dsaPublic]));
    if (!signer) throw new Fault('INTERNAL', 'a public key of the wrong length');
    this.signer = signer;
  }

  /** Of what `secretText` wrote. Fault SIGNER_INVALID, which says nothing of the content. */
  static fromText(text: string): SigningKey {
    if (!SECRET_TEXT.test(text)) throw new Fault('SIGNER_INVALID', 'not a signing key');
    return new SigningKey(Buffer.from(text.slice(SECRET_PREFIX.length), 'base64'));
  }

  sign(message: Uint8Array): SignaturePair {
    return {
      ed25519: Uint8Array.from(sign(null, message, this.#ed25519.form(ed25519Key))),
      mlDsa65: this.#mlDsa65.use((seed) => mlDsa().sign(seed, message)),
    };
  }

  wipe(): void {
    this.#ed25519.wipe();
    this.#mlDsa65.wipe();
  }
}

/** For the file of a new signing key. The seed is the caller's to wipe. */
export const secretText = (seed: Uint8Array): string =>
  `${SECRET_PREFIX}${Buffer.from(seed).toString('base64')}`;
