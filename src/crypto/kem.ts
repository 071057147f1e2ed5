/**
 * ML-KEM-768, FIPS 203: encapsulation key 1184 bytes, ciphertext 1088, shared secret 32. 64 bytes of randomness
 * (d || z) make a key pair, 32 (m) an encapsulation.
 *
 * Decapsulating never fails on a ciphertext of the right length: one that was changed gives another secret
 * (implicit rejection, section 6.3), and the AEAD after it is what notices. An encapsulation key with a coefficient
 * past the modulus is refused (section 7.2).
 *
 * Half a millisecond an operation in JavaScript. The initiator's part is done there, because a key in OpenSSL couldn't be
 * wiped when we say so; encapsulating, which others can ask us for, is OpenSSL's (in the Node binary).
 */
import { createPublicKey, encapsulate as opensslEncapsulate, randomBytes } from 'node:crypto';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { Fault } from '../wire/errors.ts';
import { SecretKey } from './secret-key.ts';

export const ENCAPSULATION_KEY_BYTES = 1184;
export const CIPHERTEXT_BYTES = 1088;
export const KEM_SEED_BYTES = 64;
export const KEM_RANDOMNESS_BYTES = 32;

const SHOWN = '[secret]';

/** The secret half, opaque as `SecretKey` is: nothing prints it, `wipe` overwrites it and ends its use. */
export class DecapsulationKey {
  readonly #bytes: Uint8Array;
  /** The public half. */
  readonly encapsulationKey: Uint8Array;
  #wiped = false;

  private constructor(bytes: Uint8Array, encapsulationKey: Uint8Array) {
    this.#bytes = bytes;
    this.encapsulationKey = encapsulationKey;
  }

  /** ML-KEM.KeyGen_internal(d, z); wipes `seed`. */
  static generate(seed: Uint8Array): DecapsulationKey {
    if (seed.length !== KEM_SEED_BYTES) throw new Fault('INTERNAL', 'a KEM seed of the wrong length');
    const { secretKey, publicKey } = ml_kem768.keygen(seed);
    seed.fill(0);
    return new DecapsulationKey(secretKey, publicKey);
  }

  /** ML-KEM.Decaps. Undefined only for a ciphertext of the wrong length. */
  decapsulate(ciphertext: Uint8Array): SecretKey | undefined {
    if (this.#wiped) throw new Fault('INTERNAL', 'a wiped key was used');
    if (ciphertext.length !== CIPHERTEXT_BYTES) return undefined;
    return SecretKey.take(ml_kem768.decapsulate(ciphertext, this.#bytes));
  }

  get wiped(): boolean {
    return this.#wiped && this.#bytes.every((byte) => byte === 0);
  }

  wipe(): void {
    this.#bytes.fill(0);
    this.#wiped = true;
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return SHOWN;
  }
}

export interface Encapsulation {
  readonly ciphertext: Uint8Array;
  readonly secret: SecretKey;
}

export interface Encapsulator {
  readonly name: 'openssl' | 'noble';
  /** ML-KEM.Encaps of `encapsulationKey`, 1184 bytes. Undefined when the key isn't one (section 7.2). */
  encapsulate(encapsulationKey: Uint8Array): Encapsulation | undefined;
}

/** RFC 9935: a SubjectPublicKeyInfo up to the 1184 bytes of the key. */
const SPKI = Buffer.from('308204b2300b0609608648016503040402038204a100', 'hex');

export const openssl: Encapsulator = {
  name: 'openssl',
  encapsulate: (encapsulationKey) => {
    try {
      const key = createPublicKey({
        key: Buffer.concat([SPKI, encapsulationKey]),
        format: 'der',
        type: 'spki',
      });
      const { ciphertext, sharedKey } = opensslEncapsulate(key);
      return { ciphertext, secret: SecretKey.take(sharedKey) };
    } catch {
      // Lengths are right: it fails for one reason, the modulus check.
      return undefined;
    }
  },
};

export const noble: Encapsulator = {
  name: 'noble',
  encapsulate: (encapsulationKey) => encapsulateWith(encapsulationKey, randomBytes(KEM_RANDOMNESS_BYTES)),
};

/** True when what `candidate` encapsulates comes out at the other end, and a key that is none is refused. */
export function isUnderstood(candidate: Encapsulator): boolean {
  try {
    const key = DecapsulationKey.generate(new Uint8Array(KEM_SEED_BYTES).fill(1));
    const made = candidate.encapsulate(key.encapsulationKey);
    const same = made && key.decapsulate(made.ciphertext)?.equals(made.secret);
    const bad = new Uint8Array(ENCAPSULATION_KEY_BYTES).fill(0xff);
    return same === true && candidate.encapsulate(bad) === undefined;
  } catch {
    return false;
  }
}

let chosen: Encapsulator | undefined;
/**
 * What does the work in this process: OpenSSL, ten times as fast, when it and @noble/post-quantum understand each other.
 * Asked at the first encapsulation, since who has native handshakes comes to none.
 */
export function engine(): Encapsulator {
  chosen ??= isUnderstood(openssl) ? openssl : noble;
  return chosen;
}

/** Undefined when the key isn't one. */
export function encapsulate(encapsulationKey: Uint8Array): Encapsulation | undefined {
  return encapsulationKey.length === ENCAPSULATION_KEY_BYTES
    ? engine().encapsulate(encapsulationKey)
    : undefined;
}

/** The same with chosen randomness, m of FIPS 203, which is wiped: for vectors. */
export function encapsulateWith(
  encapsulationKey: Uint8Array,
  randomness: Uint8Array,
): Encapsulation | undefined {
  if (randomness.length !== KEM_RANDOMNESS_BYTES)
    throw new Fault('INTERNAL', 'KEM randomness of the wrong length');
  try {
    if (encapsulationKey.length !== ENCAPSULATION_KEY_BYTES) return undefined;
    const { cipherText, sharedSecret } = ml_kem768.encapsulate(encapsulationKey, randomness);
    return { ciphertext: cipherText, secret: SecretKey.take(sharedSecret) };
  } catch {
    // Lengths are right: the library throws for one reason, the modulus check.
    return undefined;
  } finally {
    randomness.fill(0);
  }
}
