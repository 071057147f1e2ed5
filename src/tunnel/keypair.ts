/**
 * The transport keypairs of one peer, as the native worker holds them (whitepaper section 6.1 and 6.2): the
 * keys are there, what is here is which exist, how old they are and what their session is.
 *
 *   next       derived as responder and not confirmed: receives, never sends
 *   current    sends and receives
 *   previous   receives what was under way when current changed
 *
 * The worker rotates by the same rules at the same events, and drops by itself what rotation pushes out. Only
 * what ends by age is removed there on our word: a removal for any other reason could hit a keypair that the
 * worker has promoted and not yet told us of.
 */
import type { TunnelSession } from '../wire/messages.ts';
import { after, between } from '../wire/units.ts';
import type { MonotonicMillis } from '../wire/units.ts';
import { REJECT_AFTER_TIME } from './constants.ts';

export interface Keypair {
  readonly localIndex: number;
  readonly initiator: boolean;
  readonly created: MonotonicMillis;
  /** As it will be, or was, announced: a responder's is announced when it is confirmed. */
  readonly session: TunnelSession;
}

export class Keypairs {
  #next: Keypair | undefined;
  #current: Keypair | undefined;
  #previous: Keypair | undefined;

  /** The one to send with, unless it is too old. */
  current(now: MonotonicMillis): Keypair | undefined {
    return this.#current && between(this.#current.created, now) < REJECT_AFTER_TIME
      ? this.#current
      : undefined;
  }

  /** Install as wireguard-go's BeginSymmetricSession does. Returns the ones that are gone. */
  install(keypair: Keypair): Keypair[] {
    const gone: (Keypair | undefined)[] = [this.#previous];
    if (keypair.initiator) {
      if (this.#next) {
        gone.push(this.#current);
        this.#previous = this.#next;
        this.#next = undefined;
      } else this.#previous = this.#current;
      this.#current = keypair;
    } else {
      gone.push(this.#next);
      this.#previous = undefined;
      this.#next = keypair;
    }
    return gone.filter((k) => k !== undefined);
  }

  /**
   * The transport has promoted the unconfirmed keypair. `receivedOn` is the keypair that received last, which
   * may already be an older one of ours again; one that we don't know any more belongs to a promotion that a
   * newer handshake has overtaken, and undefined is the answer.
   */
  confirm(receivedOn: number): { readonly confirmed: Keypair; readonly gone: Keypair[] } | undefined {
    const confirmed = this.#next;
    const known = [this.#next, this.#current, this.#previous].some((k) => k?.localIndex === receivedOn);
    if (!confirmed || !known) return undefined;
    const gone = this.#previous ? [this.#previous] : [];
    this.#previous = this.#current;
    this.#current = confirmed;
    this.#next = undefined;
    return { confirmed, gone };
  }

  /** Take out those that are too old to be used, or all of them. */
  expire(now: MonotonicMillis | 'all'): Keypair[] {
    const old = (k: Keypair | undefined): k is Keypair =>
      k !== undefined && (now === 'all' || between(k.created, now) >= REJECT_AFTER_TIME);
    const gone = [this.#next, this.#current, this.#previous].filter(old);
    if (old(this.#next)) this.#next = undefined;
    if (old(this.#current)) this.#current = undefined;
    if (old(this.#previous)) this.#previous = undefined;
    return gone;
  }

  get deadline(): MonotonicMillis | undefined {
    let oldest = this.#next?.created;
    for (const created of [this.#current?.created, this.#previous?.created])
      if (created !== undefined && created < (oldest ?? Infinity)) oldest = created;
    return oldest === undefined ? undefined : after(oldest, REJECT_AFTER_TIME);
  }
}
