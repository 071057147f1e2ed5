/**
 * A token bucket for each source of handshakes, used under load and behind mac2 (whitepaper section 5.3): an
 * IPv4 address or an IPv6 /64. Memory is bounded: a bucket that has filled up again is forgotten, and while
 * the table is full of buckets that haven't, a source that isn't in it is refused.
 */
import { between } from '../wire/units.ts';
import type { MonotonicMillis } from '../wire/units.ts';
import { HANDSHAKES_PER_SECOND, HANDSHAKE_BURST, MAX_LIMITED_SOURCES } from './constants.ts';

interface Bucket {
  tokens: number;
  at: MonotonicMillis;
}

export class RateLimiter {
  /** In order of last use: the first is the one that has been quiet longest. */
  readonly #buckets = new Map<string, Bucket>();

  allow(source: string, now: MonotonicMillis): boolean {
    let bucket = this.#buckets.get(source);
    if (bucket) {
      bucket.tokens = filled(bucket, now);
      this.#buckets.delete(source);
    } else {
      this.#forget(now);
      if (this.#buckets.size >= MAX_LIMITED_SOURCES) return false;
      bucket = { tokens: HANDSHAKE_BURST, at: now };
    }
    bucket.at = now;
    this.#buckets.set(source, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  get size(): number {
    return this.#buckets.size;
  }

  #forget(now: MonotonicMillis): void {
    for (const [source, bucket] of this.#buckets) {
      if (filled(bucket, now) < HANDSHAKE_BURST) return;
      this.#buckets.delete(source);
    }
  }
}

const filled = (bucket: Bucket, now: MonotonicMillis): number =>
  Math.min(HANDSHAKE_BURST, bucket.tokens + (between(bucket.at, now) * HANDSHAKES_PER_SECOND) / 1000);
