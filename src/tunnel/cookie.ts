/**
 * mac1, mac2 and the cookie that lies between them: whitepaper sections 5.3, 5.4.4 and 5.4.7.
 *
 * mac1 proves that the sender knows our public key, so a scan gets no answer. Under load we answer a message
 * that has no good mac2 with a cookie, sealed so that only the one who sent that message can open it; mac2
 * made with the cookie proves that the sender receives at its address. Then a rate limit by address means
 * something.
 *
 * A cookie is MAC(secret, address and port); the secret is new every two minutes, and cookies with it.
 */
import { XNONCE_BYTES, xopen, xseal } from '../crypto/aead.ts';
import { MAC_BYTES, hash, mac } from '../crypto/blake2s.ts';
import { equalBytes } from '../crypto/constant-time.ts';
import type { PublicKey } from '../crypto/public-key.ts';
import { SecretKey } from '../crypto/secret-key.ts';
import { after } from '../wire/units.ts';
import type { MonotonicMillis } from '../wire/units.ts';
import { COOKIE_LIFETIME, LABEL_COOKIE, LABEL_MAC1 } from './constants.ts';
import { endpointIdentity } from './endpoint.ts';
import type { OuterEndpoint } from './endpoint.ts';
import { MACS_BYTES, encodeCookieReply } from './message.ts';
import type { CookieReply } from './message.ts';

export type RandomBytes = (length: number) => Uint8Array;

const mac1At = (bytes: Uint8Array): number => bytes.length - MACS_BYTES;
const mac2At = (bytes: Uint8Array): number => bytes.length - MAC_BYTES;

/** The receiving end's: checks messages that were sent to the holder of `local`. */
export class CookieChecker {
  readonly #mac1Key: Uint8Array;
  readonly #cookieKey: Uint8Array;
  readonly #randomBytes: RandomBytes;
  #secret: { readonly key: SecretKey; readonly expires: MonotonicMillis } | undefined;

  constructor(local: PublicKey, randomBytes: RandomBytes) {
    this.#mac1Key = hash(LABEL_MAC1, local.bytes);
    this.#cookieKey = hash(LABEL_COOKIE, local.bytes);
    this.#randomBytes = randomBytes;
  }

  /** `message`: an initiation or a response, whole. */
  checkMac1(message: Uint8Array): boolean {
    const at = mac1At(message);
    return equalBytes(mac(this.#mac1Key, message.subarray(0, at)), message.subarray(at, at + MAC_BYTES));
  }

  /** False too when no cookie has been given out in the last two minutes. */
  checkMac2(message: Uint8Array, from: OuterEndpoint, now: MonotonicMillis): boolean {
    const secret = this.#secret;
    if (!secret || now >= secret.expires) return false;
    const cookie = secret.key.use((key) => mac(key, endpointIdentity(from)));
    const at = mac2At(message);
    return equalBytes(mac(cookie, message.subarray(0, at)), message.subarray(at));
  }

  /** The answer to `message`, 64 bytes. `sender`: the index in the message, which names it to its sender. */
  reply(message: Uint8Array, sender: number, from: OuterEndpoint, now: MonotonicMillis): Uint8Array {
    if (!this.#secret || now >= this.#secret.expires) {
      this.#secret?.key.wipe();
      this.#secret = {
        key: SecretKey.take(this.#randomBytes(32)),
        expires: after(now, COOKIE_LIFETIME),
      };
    }
    const cookie = this.#secret.key.use((key) => mac(key, endpointIdentity(from)));
    const nonce = this.#randomBytes(XNONCE_BYTES);
    const at = mac1At(message);
    const mac1 = message.subarray(at, at + MAC_BYTES);
    return encodeCookieReply({
      receiver: sender,
      nonce,
      sealedCookie: xseal(this.#cookieKey, nonce, mac1, cookie),
    });
  }
}

/** The sending end's, one for each peer: puts the MACs on messages to the holder of `remote`. */
export class CookieGenerator {
  readonly #mac1Key: Uint8Array;
  readonly #cookieKey: Uint8Array;
  #cookie: { readonly bytes: Uint8Array; readonly expires: MonotonicMillis } | undefined;
  /** mac1 of the last message sent, until a cookie has answered it. */
  #lastMac1: Uint8Array | undefined;

  constructor(remote: PublicKey) {
    this.#mac1Key = hash(LABEL_MAC1, remote.bytes);
    this.#cookieKey = hash(LABEL_COOKIE, remote.bytes);
  }

  /** Writes mac1, and mac2 when there is a cookie, into `message`. */
  addMacs(message: Uint8Array, now: MonotonicMillis): void {
    const mac1 = mac(this.#mac1Key, message.subarray(0, mac1At(message)));
    message.set(mac1, mac1At(message));
    this.addMac2(message, now);
  }

  /** The same for a message that has its mac1. */
  addMac2(message: Uint8Array, now: MonotonicMillis): void {
    this.#lastMac1 = message.slice(mac1At(message), mac2At(message));
    if (this.#cookie && now < this.#cookie.expires)
      message.set(mac(this.#cookie.bytes, message.subarray(0, mac2At(message))), mac2At(message));
  }

  /** True when the reply answers the last message sent; each is answered once. */
  consume(reply: CookieReply, now: MonotonicMillis): boolean {
    if (!this.#lastMac1) return false;
    const cookie = xopen(this.#cookieKey, reply.nonce, this.#lastMac1, reply.sealedCookie);
    if (!cookie) return false;
    this.#lastMac1 = undefined;
    this.#cookie = { bytes: cookie, expires: after(now, COOKIE_LIFETIME) };
    return true;
  }
}
