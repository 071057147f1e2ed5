/**
 * The transport keypairs of one peer, as the native worker holds them (whitepaper section 6.1 and 6.2): the
 * keys are there, what is here is which exist, how old they are and what their session is.
 *
 *   next       derived as responder and not confirmed: receives, never sends
 *   current    sends and receives
 *   older      receive what was under way when they were replaced; the last that were installed, OLDER_KEYPAIRS at most
 *
 * WireGuard keeps one older keypair, and none when both ends begin a handshake at once: then two new ones come within
 * a round trip, of which the first would push out the one that the far end still sends with.
 *
 * The worker rotates by the same rules at the same events, and drops by itself what rotation pushes out. It may be
 * ahead of what it has told: so the last `next` that was replaced is remembered, for it may be the current one by
 * now, and one older keypair more. Only what ends by age is removed there on our word.
 */
import type { TunnelSession } from '../wire/messages.ts';
import { after, between } from '../wire/units.ts';
import type { MonotonicMillis } from '../wire/units.ts';
import { OLDER_KEYPAIRS, REJECT_AFTER_TIME } from './constants.ts';

export interface Keypair {
  readonly localIndex: number;
  readonly initiator: boolean;
  readonly created: MonotonicMillis;
  /** As it will be, or was, announced: a responder's is announced when it is confirmed. */
  readonly session: TunnelSession;
  /** Both ends began at once, and the next time it is the other's turn. */
  readonly yields?: boolean;
}

export class Keypairs {
  #next: Keypair | undefined;
  #current: Keypair | undefined;
  /** Was `next` when another one came: dropped by the worker, unless it promoted it before. */
  #replaced: Keypair | undefined;
  /** In the order of installation, the newest first; `next`, `current` and `replaced` are among them. */
  #all: Keypair[] = [];
  /** Not confirmed, as far as we know; `next` is one of them. */
  readonly #unconfirmed = new Set<Keypair>();

  /** The one to send with, unless it is too old. */
  current(now: MonotonicMillis): Keypair | undefined {
    return this.#current && between(this.#current.created, now) < REJECT_AFTER_TIME
      ? this.#current
      : undefined;
  }

  /** There is a keypair that we derived as responder at `since` or later. */
  respondedSince(since: MonotonicMillis): boolean {
    return this.#all.some((k) => !k.initiator && k.created >= since);
  }

  /** Returns the ones that are gone. */
  install(keypair: Keypair): Keypair[] {
    const gone = this.#all.filter((k) => k === this.#replaced);
    this.#all = [keypair, ...this.#all.filter((k) => k !== this.#replaced)];
    this.#replaced = undefined;
    if (keypair.initiator) {
      this.#current = keypair;
      this.#next = undefined;
    } else {
      this.#replaced = this.#next;
      this.#next = keypair;
      this.#unconfirmed.add(keypair);
    }
    return [...gone, ...this.#overflow()];
  }

  /**
   * The transport says which keypairs were confirmed and which one sends now. An index that isn't known any more is
   * passed over. `confirmed`: those that weren't known to be.
   */
  confirm(
    indices: readonly number[],
    sending: number | undefined,
  ): { readonly confirmed: Keypair[]; readonly gone: Keypair[] } {
    const confirmed = [...this.#unconfirmed].filter((k) => indices.includes(k.localIndex));
    for (const keypair of confirmed) this.#unconfirmed.delete(keypair);
    const sends = this.#all.find((k) => k.localIndex === sending);
    if (sends) this.#current = sends;
    if (sends === this.#next) this.#next = undefined;
    if (this.#replaced && (sends === this.#replaced || confirmed.includes(this.#replaced)))
      this.#replaced = undefined;
    return { confirmed, gone: this.#overflow() };
  }

  /** Take out those that are too old to be used, or all of them. */
  expire(now: MonotonicMillis | 'all'): Keypair[] {
    const old = (k: Keypair | undefined): k is Keypair =>
      k !== undefined && (now === 'all' || between(k.created, now) >= REJECT_AFTER_TIME);
    const gone = this.#all.filter(old);
    if (gone.length === 0) return gone;
    if (old(this.#next)) this.#next = undefined;
    if (old(this.#current)) this.#current = undefined;
    if (old(this.#replaced)) this.#replaced = undefined;
    this.#all = this.#all.filter((k) => !old(k));
    for (const keypair of gone) this.#unconfirmed.delete(keypair);
    return gone;
  }

  get deadline(): MonotonicMillis | undefined {
    const oldest = this.#all.at(-1);
    return oldest && after(oldest.created, REJECT_AFTER_TIME);
  }

  #overflow(): Keypair[] {
    const kept = [this.#next, this.#current, this.#replaced];
    const older = this.#all.filter((k) => !kept.includes(k));
    const gone = older.slice(OLDER_KEYPAIRS + 1);
    if (gone.length > 0) this.#all = this.#all.filter((k) => !gone.includes(k));
    for (const keypair of gone) this.#unconfirmed.delete(keypair);
    return gone;
  }
}
