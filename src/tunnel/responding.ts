/**
 * Who reads initiations and answers them: the computation behind `Device`'s decisions, apart from it so that it can be
 * done in native threads. Here is what the device asks for, and the way in JavaScript: what native code is checked
 * against, and what takes its place where there is none.
 *
 * `done` is called at once or later, in the same thread. Nothing is remembered of an initiation that isn't answered, and
 * nothing is encapsulated before `answer`.
 */
import { hash, mac } from '../crypto/blake2s.ts';
import type { PublicKey } from '../crypto/public-key.ts';
import type { SecretKey } from '../crypto/secret-key.ts';
import { generateKeyPair } from '../crypto/x25519.ts';
import type { KeyPair } from '../crypto/x25519.ts';
import { LABEL_MAC1 } from './constants.ts';
import type { CookieChecker, RandomBytes } from './cookie.ts';
import { Responder } from './handshake.ts';
import type { Outcome, RemoteStatic } from './handshake.ts';
import { MACS_BYTES, encodeResponse } from './message.ts';
import type { Initiation } from './message.ts';

/** What a response says and gives. `bytes` has its mac1; mac2 is zero. */
export interface Answer {
  readonly bytes: Uint8Array;
  readonly outcome: Outcome;
}

/** An initiation of a peer that holds its key. Ends with `answer` or `discard`. */
export interface Authentic {
  readonly kind: 'authentic';
  /** The peer's number. */
  readonly peer: number;
  readonly hybrid: boolean;
  readonly timestamp: Uint8Array;
  /** Undefined when a key in the initiation isn't one. */
  answer(localIndex: number, done: (answer: Answer | undefined) => void): void;
  discard(): void;
}

export type Reading =
  /** The sender doesn't know our key, or the message was changed. */
  | { readonly kind: 'unreadable' }
  /** From a key that no peer has; or that one has, and the sender doesn't. */
  | { readonly kind: 'stranger' | 'false'; readonly publicKey: PublicKey }
  | Authentic;

export interface Responding {
  readonly name: 'native' | 'javascript';
  /** There is room for one more `read`. */
  readonly ready: boolean;
  checkMac1(message: Uint8Array): boolean;
  /** `bytes`: the message, whole. */
  read(message: Initiation, bytes: Uint8Array, done: (reading: Reading) => void): void;
  /** From the next answer on. Copies the key. */
  changePresharedKey(peer: PublicKey, key: SecretKey): void;
  /** No `done` is called afterwards. */
  close(): void;
}

/** A peer as the computation knows it. */
export interface RespondingPeer {
  readonly number: number;
  readonly remote: RemoteStatic;
}

export class PlainResponding implements Responding {
  readonly name = 'javascript';
  readonly ready = true;
  readonly #local: KeyPair;
  readonly #find: (key: PublicKey) => RespondingPeer | undefined;
  readonly #checker: CookieChecker;
  readonly #randomBytes: RandomBytes;

  constructor(
    local: KeyPair,
    find: (key: PublicKey) => RespondingPeer | undefined,
    checker: CookieChecker,
    randomBytes: RandomBytes,
  ) {
    this.#local = local;
    this.#find = find;
    this.#checker = checker;
    this.#randomBytes = randomBytes;
  }

  checkMac1(message: Uint8Array): boolean {
    return this.#checker.checkMac1(message);
  }

  read(message: Initiation, _bytes: Uint8Array, done: (reading: Reading) => void): void {
    const responder = Responder.read(this.#local, message);
    if (!responder) return done({ kind: 'unreadable' });
    const publicKey = responder.claimed;
    const found = this.#find(publicKey);
    const timestamp = found && responder.readTimestamp(found.remote, message.sealedTimestamp);
    if (!timestamp) {
      responder.wipe();
      return done({ kind: found ? 'false' : 'stranger', publicKey });
    }
    done({
      kind: 'authentic',
      peer: found.number,
      hybrid: responder.hybrid,
      timestamp,
      answer: (localIndex, answered) => {
        const { remote } = found;
        const written = responder.write(remote, { e: generateKeyPair(this.#randomBytes(32)) });
        if (!written) return answered(undefined);
        const bytes = encodeResponse({ sender: localIndex, receiver: message.sender, ...written.fields });
        const at = bytes.length - MACS_BYTES;
        bytes.set(mac(hash(LABEL_MAC1, remote.public.bytes), bytes.subarray(0, at)), at);
        answered({ bytes, outcome: written.outcome });
      },
      discard: () => responder.wipe(),
    });
  }

  /** The peers' own are used. */
  changePresharedKey(): void {}

  close(): void {}
}
