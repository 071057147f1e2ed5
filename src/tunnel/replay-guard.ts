/**
 * What keeps an old initiation of one peer from being answered: the greatest timestamp seen (whitepaper section 5.1),
 * and what of it has to be on disk before the answer goes out, so that it holds across a restart too.
 *
 * Stored is the timestamp itself, for a peer that keeps to REKEY_TIMEOUT. A peer that comes back sooner has one a
 * little ahead of it stored, so that its next ones need no write; after a restart in that moment it waits for its
 * clock to pass what is stored, TIMESTAMP_STORE_AHEAD at most. A peer whose timestamps jump and make each
 * initiation a write is refused when its tokens are used up: no peer wears out the disk.
 */
import { after, between } from '../wire/units.ts';
import type { MonotonicMillis } from '../wire/units.ts';
import {
  TIMESTAMP_STORE_AHEAD,
  TIMESTAMP_STORE_BURST,
  TIMESTAMP_STORE_HURRY,
  TIMESTAMP_STORE_REFILL,
} from './constants.ts';
import { compareTai64n, laterTai64n } from './tai64n.ts';

export type Verdict =
  | { readonly kind: 'accepted'; readonly store?: Uint8Array }
  | { readonly kind: 'replayed' | 'too frequent' };

export class ReplayGuard {
  #greatest: Uint8Array | undefined;
  #stored: Uint8Array | undefined;
  #storedAt: MonotonicMillis | undefined;
  /** When the tokens are all there again; each store takes one. */
  #fullAt: MonotonicMillis | undefined;

  /** `stored`: what an earlier process left. */
  constructor(stored?: Uint8Array) {
    this.#greatest = stored;
    this.#stored = stored;
  }

  /** The timestamp isn't later than the greatest. */
  has(label: Uint8Array): boolean {
    return this.#greatest !== undefined && compareTai64n(label, this.#greatest) <= 0;
  }

  /** Judge an authentic timestamp and, when it is accepted, remember it. */
  judge(label: Uint8Array, now: MonotonicMillis): Verdict {
    if (this.has(label)) return { kind: 'replayed' };
    if (this.#stored && compareTai64n(label, this.#stored) <= 0) {
      this.#greatest = label;
      return { kind: 'accepted' };
    }
    if (!this.#takeToken(now)) return { kind: 'too frequent' };
    const soon = this.#storedAt !== undefined && between(this.#storedAt, now) < TIMESTAMP_STORE_HURRY;
    this.#greatest = label;
    this.#stored = soon ? laterTai64n(label, TIMESTAMP_STORE_AHEAD) : label;
    this.#storedAt = now;
    return { kind: 'accepted', store: this.#stored };
  }

  /** Accept whatever comes next: an operator says that the peer's clock went back. */
  reset(): void {
    this.#greatest = undefined;
    this.#stored = undefined;
  }

  #takeToken(now: MonotonicMillis): boolean {
    const full = this.#fullAt !== undefined && this.#fullAt > now ? this.#fullAt : now;
    if (between(now, full) > (TIMESTAMP_STORE_BURST - 1) * TIMESTAMP_STORE_REFILL) return false;
    this.#fullAt = after(full, TIMESTAMP_STORE_REFILL);
    return true;
  }
}
