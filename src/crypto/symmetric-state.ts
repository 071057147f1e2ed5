/**
 * SymmetricState of the Noise Protocol Framework, revision 34, section 5.2, with CipherState (section 5.1)
 * folded in, for ChaChaPoly and BLAKE2s. Method names are the specification's.
 *
 * A state that has failed to decrypt is spoilt: work on a `Clone` and keep it only if everything succeeded,
 * which is how a forged message leaves a handshake untouched.
 *
 * An exchange that mixes in more than Diffie-Hellman results (a KEM's shared secret, with its public key
 * and ciphertext hashed) needs nothing new here: MixHash and MixKey take bytes.
 */
import { Fault } from '../wire/errors.ts';
import { counterNonce, open, seal } from './aead.ts';
import { HASH_BYTES, hash, hkdf2, hkdf3 } from './blake2s.ts';
import { SecretKey } from './secret-key.ts';

const EMPTY = new Uint8Array(0);

export class SymmetricState {
  #ck: Uint8Array;
  #h: Uint8Array;
  #k: Uint8Array | undefined;
  #n = 0;

  private constructor(ck: Uint8Array, h: Uint8Array, k: Uint8Array | undefined, n: number) {
    this.#ck = ck;
    this.#h = h;
    this.#k = k;
    this.#n = n;
  }

  static InitializeSymmetric(protocolName: string): SymmetricState {
    const name = new TextEncoder().encode(protocolName);
    let h: Uint8Array;
    if (name.length <= HASH_BYTES) {
      h = new Uint8Array(HASH_BYTES);
      h.set(name);
    } else h = hash(name);
    return new SymmetricState(Uint8Array.from(h), h, undefined, 0);
  }

  MixKey(material: SecretKey | Uint8Array): void {
    const [ck, k] = lend(material, (bytes) => hkdf2(this.#ck, bytes));
    this.#replace(ck, k);
  }

  MixHash(data: Uint8Array): void {
    this.#h = hash(this.#h, data);
  }

  MixKeyAndHash(material: SecretKey | Uint8Array): void {
    const [ck, temporary, k] = lend(material, (bytes) => hkdf3(this.#ck, bytes));
    this.MixHash(temporary);
    temporary.fill(0);
    this.#replace(ck, k);
  }

  /** Binds to everything said so far; safe to publish. */
  GetHandshakeHash(): Uint8Array {
    return Uint8Array.from(this.#h);
  }

  EncryptAndHash(plaintext: Uint8Array): Uint8Array {
    const ciphertext = seal(this.#key(), counterNonce(this.#n++), this.#h, plaintext);
    this.MixHash(ciphertext);
    return ciphertext;
  }

  /** Undefined when `ciphertext` isn't authentic. */
  DecryptAndHash(ciphertext: Uint8Array): Uint8Array | undefined {
    const plaintext = open(this.#key(), counterNonce(this.#n++), this.#h, ciphertext);
    if (plaintext) this.MixHash(ciphertext);
    return plaintext;
  }

  /** The two transport keys: the initiator sends with the first and receives with the second. */
  Split(): [SecretKey, SecretKey] {
    const [first, second] = hkdf2(this.#ck, EMPTY);
    return [SecretKey.take(first), SecretKey.take(second)];
  }

  Clone(): SymmetricState {
    return new SymmetricState(
      Uint8Array.from(this.#ck),
      Uint8Array.from(this.#h),
      this.#k && Uint8Array.from(this.#k),
      this.#n,
    );
  }

  Wipe(): void {
    this.#ck.fill(0);
    this.#k?.fill(0);
    this.#k = undefined;
  }

  #key(): Uint8Array {
    if (!this.#k) throw new Fault('INTERNAL', 'a Noise state without a key');
    return this.#k;
  }

  #replace(ck: Uint8Array, k: Uint8Array): void {
    this.#ck.fill(0);
    this.#k?.fill(0);
    this.#ck = ck;
    this.#k = k;
    this.#n = 0;
  }
}

const lend = <T>(material: SecretKey | Uint8Array, f: (bytes: Uint8Array) => T): T =>
  material instanceof SecretKey ? material.use(f) : f(material);
