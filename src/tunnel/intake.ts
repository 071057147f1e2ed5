/**
 * The gate before the handshake: what may cost us an X25519. Datagrams wait in a bounded queue, are looked at
 * a few at a time, and those that pass wait in a second, short one:
 *
 *   arrival → length and type → mac1 → (under load: mac2, or a cookie goes back; rate limit) → admitted
 *
 * Everything on that line costs microseconds and remembers nothing of the sender except how much of it waits, and a
 * token bucket, that only behind a mac2, which proves the source address. Whitepaper section 5.3.
 *
 * Load is of a source before it is of the gateway: a flood from one address is asked for cookies while others are
 * answered at once. Addresses that aren't proved can be anybody's, so a flood with many of them is load for all.
 */
import { after } from '../wire/units.ts';
import type { MonotonicMillis } from '../wire/units.ts';
import {
  ARRIVALS_PER_TURN,
  LOAD_ADMITTED,
  LOAD_ARRIVALS,
  LOAD_HOLD,
  LOAD_SOURCE_ADMITTED,
  MAX_ADMITTED,
  MAX_ARRIVALS,
  MAX_SOURCE_ARRIVALS,
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
  readonly bytes: Uint8Array;
}

/** How many of each source wait in a queue; only sources of which some do are in it. */
class Shares {
  readonly #waiting = new Map<string, number>();

  of(source: string): number {
    return this.#waiting.get(source) ?? 0;
  }

  add(source: string): void {
    this.#waiting.set(source, this.of(source) + 1);
  }

  remove(source: string): void {
    const left = this.of(source) - 1;
    if (left > 0) this.#waiting.set(source, left);
    else this.#waiting.delete(source);
  }
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
  readonly #checkMac1: (message: Uint8Array) => boolean;
  readonly #limiter = new RateLimiter();
  readonly #arrivals: Datagram[] = [];
  readonly #admitted: Admitted[] = [];
  readonly #arrivalShares = new Shares();
  readonly #admittedShares = new Shares();
  #loadUntil: MonotonicMillis | undefined;
  /** Sources that are under load by themselves, in the order in which that ends. */
  readonly #sourceLoadUntil = new Map<string, MonotonicMillis>();
  readonly counters: IntakeCounters = {
    arrived: 0,
    overflow: 0,
    malformed: 0,
    badMac1: 0,
    cookiesSent: 0,
    rateLimited: 0,
  };

  constructor(checker: CookieChecker, checkMac1 = (message: Uint8Array) => checker.checkMac1(message)) {
    this.#checker = checker;
    this.#checkMac1 = checkMac1;
  }

  /** Queue what arrived, or drop it where the queue, or its source's share of it, is full. */
  arrive(datagrams: readonly Datagram[]): void {
    this.counters.arrived += datagrams.length;
    for (const datagram of datagrams) {
      const source = sourceBlock(datagram.from);
      if (this.#arrivals.length >= MAX_ARRIVALS || this.#arrivalShares.of(source) >= MAX_SOURCE_ARRIVALS) {
        this.counters.overflow++;
        continue;
      }
      this.#arrivalShares.add(source);
      this.#arrivals.push(datagram);
    }
  }

  get hasArrivals(): boolean {
    return this.#arrivals.length > 0;
  }

  get hasAdmitted(): boolean {
    return this.#admitted.length > 0;
  }

  /** Somebody is asked for cookies: a source, or everybody. */
  underLoad(now: MonotonicMillis): boolean {
    this.#endSourceLoads(now);
    return this.#sourceLoadUntil.size > 0 || this.#allUnderLoad(now);
  }

  /** Section 5.3's "under load": a queue grows, or did within the last second. */
  #allUnderLoad(now: MonotonicMillis): boolean {
    if (this.#admitted.length >= LOAD_ADMITTED || this.#arrivals.length >= LOAD_ARRIVALS)
      this.#loadUntil = after(now, LOAD_HOLD);
    return this.#loadUntil !== undefined && now < this.#loadUntil;
  }

  #sourceUnderLoad(source: string, now: MonotonicMillis): boolean {
    this.#endSourceLoads(now);
    if (this.#admittedShares.of(source) >= LOAD_SOURCE_ADMITTED) {
      this.#sourceLoadUntil.delete(source);
      this.#sourceLoadUntil.set(source, after(now, LOAD_HOLD));
    }
    return this.#sourceLoadUntil.has(source);
  }

  /** Few at a time: each has had LOAD_SOURCE_ADMITTED messages waiting within the last second. */
  #endSourceLoads(now: MonotonicMillis): void {
    for (const [source, until] of this.#sourceLoadUntil) {
      if (until > now) return;
      this.#sourceLoadUntil.delete(source);
    }
  }

  /**
   * Look at the next few arrivals. `known` says whether an index is one of ours: a response or a cookie reply
   * to nothing is dropped here.
   */
  sift(now: MonotonicMillis, known: (message: HandshakeMessage) => boolean): Effect[] {
    const effects: Effect[] = [];
    for (const datagram of this.#arrivals.splice(0, ARRIVALS_PER_TURN)) {
      this.#arrivalShares.remove(sourceBlock(datagram.from));
      const answer = this.#sift(datagram, now, known);
      if (answer) effects.push(answer);
    }
    return effects;
  }

  /** The next message that is worth an X25519. */
  take(): Admitted | undefined {
    const admitted = this.#admitted.shift();
    if (admitted) this.#admittedShares.remove(sourceBlock(admitted.from));
    return admitted;
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
    const source = sourceBlock(from);
    if (message.type !== TYPE_COOKIE_REPLY) {
      if (!this.#checkMac1(bytes)) {
        this.counters.badMac1++;
        return undefined;
      }
      if (this.#allUnderLoad(now) || this.#sourceUnderLoad(source, now)) {
        if (!this.#checker.checkMac2(bytes, from, now)) {
          this.counters.cookiesSent++;
          const reply = this.#checker.reply(bytes, message.sender, from, now);
          return { kind: 'sendHandshake', to: from, bytes: reply };
        }
        if (!this.#limiter.allow(source, now)) {
          this.counters.rateLimited++;
          return undefined;
        }
      }
    }
    if (!known(message)) return undefined;
    if (this.#admitted.length >= MAX_ADMITTED) this.counters.overflow++;
    else {
      this.#admittedShares.add(source);
      this.#admitted.push({ from, message, bytes });
    }
    return undefined;
  }
}
