/**
 * The gate before the handshake: what may cost us an X25519. Datagrams wait in a bounded queue, are looked at
 * a few at a time, and those that pass wait in a second, short one:
 *
 *   arrival → length and type → mac1 → (under load: mac2, or a cookie goes back; rate limit) → admitted
 *
 * Everything on that line costs microseconds and remembers nothing of the sender except a token bucket, and
 * that only behind a mac2, which proves the source address. Whitepaper section 5.3.
 */
import { after } from '../wire/units.ts';
import type { MonotonicMillis } from '../wire/units.ts';
import {
  ARRIVALS_PER_TURN,
  LOAD_ADMITTED,
  LOAD_ARRIVALS,
  LOAD_HOLD,
  MAX_ADMITTED,
  MAX_ARRIVALS,
  TYPE_COOKIE_REPLY,
} from './constants.ts';
import type { CookieChecker } from './cookie.ts';
import type { Datagram, Effect } from './effect.ts';
import { sourceBlock } from './endpoint.ts';
import type { OuterEndpoint } from './endpoint.ts';
import { decodeHandshake } from './message.ts';
import type { HandshakeMessage } from './message.ts';
import { RateLimiter } from './rate-limiter.ts';

export interface Admitted {
  readonly from: OuterEndpoint;
  readonly message: HandshakeMessage;
}

/** What was turned away and why, since the device was made. */
export interface IntakeCounters {
  arrived: number;
  overflow: number;
  malformed: number;
  badMac1: number;
  cookiesSent: number;
  rateLimited: number;
}

export class Intake {
  readonly #checker: CookieChecker;
  readonly #limiter = new RateLimiter();
  readonly #arrivals: Datagram[] = [];
  readonly #admitted: Admitted[] = [];
  #loadUntil: MonotonicMillis | undefined;
  readonly counters: IntakeCounters = {
    arrived: 0,
    overflow: 0,
    malformed: 0,
    badMac1: 0,
    cookiesSent: 0,
    rateLimited: 0,
  };

  constructor(checker: CookieChecker) {
    this.#checker = checker;
  }

  /** Queue what arrived, or drop it where the queue is full. */
  arrive(datagrams: readonly Datagram[]): void {
    this.counters.arrived += datagrams.length;
    const room = MAX_ARRIVALS - this.#arrivals.length;
    if (datagrams.length > room) this.counters.overflow += datagrams.length - room;
    this.#arrivals.push(...datagrams.slice(0, room));
  }

  get hasWork(): boolean {
    return this.#arrivals.length > 0 || this.#admitted.length > 0;
  }

  /** Section 5.3's "under load": a queue grows, or did within the last second. */
  underLoad(now: MonotonicMillis): boolean {
    if (this.#admitted.length >= LOAD_ADMITTED || this.#arrivals.length >= LOAD_ARRIVALS)
      this.#loadUntil = after(now, LOAD_HOLD);
    return this.#loadUntil !== undefined && now < this.#loadUntil;
  }

  /**
   * Look at the next few arrivals. `known` says whether an index is one of ours: a response or a cookie reply
   * to nothing is dropped here.
   */
  sift(now: MonotonicMillis, known: (message: HandshakeMessage) => boolean): Effect[] {
    const effects: Effect[] = [];
    for (const datagram of this.#arrivals.splice(0, ARRIVALS_PER_TURN)) {
      const answer = this.#sift(datagram, now, known);
      if (answer) effects.push(answer);
    }
    return effects;
  }

  /** The next message that is worth an X25519. */
  take(): Admitted | undefined {
    return this.#admitted.shift();
  }

  #sift(
    { from, bytes }: Datagram,
    now: MonotonicMillis,
    known: (message: HandshakeMessage) => boolean,
  ): Effect | undefined {
    const decoded = decodeHandshake(bytes);
    if (decoded.kind === 'malformed') {
      this.counters.malformed++;
      return undefined;
    }
    const { message } = decoded;
    if (message.type !== TYPE_COOKIE_REPLY) {
      if (!this.#checker.checkMac1(bytes)) {
        this.counters.badMac1++;
        return undefined;
      }
      if (this.underLoad(now)) {
        if (!this.#checker.checkMac2(bytes, from, now)) {
          this.counters.cookiesSent++;
          const reply = this.#checker.reply(bytes, message.sender, from, now);
          return { kind: 'sendHandshake', to: from, bytes: reply };
        }
        if (!this.#limiter.allow(sourceBlock(from), now)) {
          this.counters.rateLimited++;
          return undefined;
        }
      }
    }
    if (!known(message)) return undefined;
    if (this.#admitted.length >= MAX_ADMITTED) this.counters.overflow++;
    else this.#admitted.push({ from, message });
    return undefined;
  }
}
