/**
 * ML-KEM-768, FIPS 203: encapsulation key 1184 bytes, ciphertext 1088, shared secret 32. Randomness is an argument:
 * 64 bytes (d || z) make a key pair, 32 bytes make an encapsulation.
 *
 * Decapsulating never fails on a ciphertext of the right length: one that was changed gives another secret
 * (implicit rejection, section 6.3), and the AEAD after it is what notices. An encapsulation key with a coefficient
 * past the modulus is refused (section 7.2).
 *
 * About half a millisecond an operation in JavaScript: for handshakes, never for packets.
 */
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

/** ML-KEM.Encaps_internal(ek, m); wipes `randomness`. Undefined when the key isn't one (section 7.2). */
export function encapsulate(encapsulationKey: Uint8Array, randomness: Uint8Array): Encapsulation | undefined {
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
