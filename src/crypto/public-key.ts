/**
 * An X25519 public key: 32 bytes, and the base64 text that `wg` prints. Public keys may be printed, compared
 * and used as the key of a map (by `text`).
 */
import { publicKeyText } from '../wire/ids.ts';
import type { PublicKeyText } from '../wire/ids.ts';

export const PUBLIC_KEY_BYTES = 32;

export class PublicKey {
  readonly bytes: Uint8Array;
  readonly text: PublicKeyText;

  private constructor(bytes: Uint8Array, text: PublicKeyText) {
    this.bytes = bytes;
    this.text = text;
  }

  /** Undefined when `bytes` isn't 32 long. */
  static fromBytes(bytes: Uint8Array): PublicKey | undefined {
    if (bytes.length !== PUBLIC_KEY_BYTES) return undefined;
    const copy = Uint8Array.from(bytes);
    return new PublicKey(copy, publicKeyText.parse(Buffer.from(copy).toString('base64')));
  }

  static fromText(text: PublicKeyText): PublicKey {
    return new PublicKey(Uint8Array.from(Buffer.from(text, 'base64')), text);
  }

  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }
}
