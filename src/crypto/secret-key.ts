/**
 * A 32-byte secret as an opaque object. The bytes are in a private field: printing, inspecting, cloning or
 * serialising the object shows nothing of them, and `===` compares objects, never keys (`equals` does, in
 * constant time).
 *
 * `wipe` overwrites the one copy that this object holds. JavaScript can't promise that the engine or a
 * library made no other copy; it does promise that none stays reachable through this object.
 */
import { Fault } from '../wire/errors.ts';
import { equalBytes } from './constant-time.ts';

export const SECRET_KEY_BYTES = 32;
const SHOWN = '[secret]';

export class SecretKey {
  readonly #bytes: Uint8Array;
  #wiped = false;
  /** The same key as a library wants it, made once. */
  #form: unknown;

  /** Copies `bytes`, which must be 32 long; the caller wipes its own. */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== SECRET_KEY_BYTES) throw new Fault('INTERNAL', 'a secret key of the wrong length');
    this.#bytes = Uint8Array.from(bytes);
  }

  /** As the constructor, and wipes `bytes`. */
  static take(bytes: Uint8Array): SecretKey {
    const key = new SecretKey(bytes);
    bytes.fill(0);
    return key;
  }

  /** 32 zero bytes: what IKpsk2 uses where no pre-shared key is set. */
  static zero(): SecretKey {
    return new SecretKey(new Uint8Array(SECRET_KEY_BYTES));
  }

  /** Lend the bytes to `f`, which must not keep them. */
  use<T>(f: (bytes: Uint8Array) => T): T {
    if (this.#wiped) throw new Fault('INTERNAL', 'a wiped key was used');
    return f(this.#bytes);
  }

  /**
   * The key in the form that a library wants, `make` of its bytes, made at the first call and let go by `wipe`. Every
   * caller of one key has to want the same form.
   */
  form<T>(make: (bytes: Uint8Array) => T): T {
    return this.use((bytes) => {
      this.#form ??= make(bytes);
      return this.#form as T;
    });
  }

  equals(other: SecretKey): boolean {
    return this.use((a) => other.use((b) => equalBytes(a, b)));
  }

  get isZero(): boolean {
    return this.equals(SecretKey.zero());
  }

  wipe(): void {
    this.#bytes.fill(0);
    this.#form = undefined;
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
