/**
 * The limits in time of one open session: idle, absolute, the moment to decide again, a silent device. A grant names
 * instants of the wall clock; here they become instants of the clock that never goes back, so that setting the time
 * neither ends a session nor prolongs it.
 *
 * What surprises: the absolute end only ever moves inwards, whatever a later grant says. A device counts as silent
 * from the last byte that went to it and not from the first, so a long one-way transfer isn't cut in its middle.
 */
import type { Grant } from '../wire/grant.ts';
import type { Clock } from '../wire/units.ts';

/** A session with one half closed and nothing passing ends after this. */
const HALF_CLOSED_LIMIT = 60_000;
/** How long until the next request for a new decision, when control can't be asked and after RENEW_BURST hasty ones. */
const RENEW_LEAST = 1_000;
/** Grants that end within RENEW_LEAST and are renewed on the instant all the same; one more each RENEW_LEAST. */
const RENEW_BURST = 8;

/** What time asks of an open session, the gravest first. */
export type Due = 'absolute' | 'silent' | 'idle' | 'renew';

export class SessionLimits {
  readonly #clock: Clock;
  readonly #firstByteMs: number;
  #idle = Infinity;
  #end = Infinity;
  #renewAt = Infinity;
  /** Hasty renewals of late, as of `#hastyAt`. */
  #hasty = 0;
  #hastyAt = 0;
  #lastActivity: number;
  #lastToDevice = Infinity;
  #deviceSpoke = false;
  #half = false;
  /** A new decision has been asked for. */
  renewing = false;

  constructor(clock: Clock, firstByteMs: number) {
    this.#clock = clock;
    this.#firstByteMs = firstByteMs;
    this.#lastActivity = clock.monotonic();
  }

  get lastActivity(): number {
    return this.#lastActivity;
  }

  /** Take over a grant's limits. */
  hold(grant: Grant): void {
    const now = this.#clock.monotonic();
    const offset = now - this.#clock.now();
    this.#idle = grant.limits.idle;
    this.#end = Math.min(this.#end, grant.limits.end + offset);
    this.#renewAt = this.#paced(grant.expiresAt + offset, now);
  }

  /** When to renew what ends at `end`: then and no later, unless grants keep ending as soon as they are given. */
  #paced(end: number, now: number): number {
    if (end >= now + RENEW_LEAST) return end;
    this.#hasty = Math.max(0, this.#hasty - (now - this.#hastyAt) / RENEW_LEAST) + 1;
    this.#hastyAt = now;
    if (this.#hasty <= RENEW_BURST) return end;
    // What is planned already isn't put off by yet another grant.
    return Math.min(this.#renewAt > now ? this.#renewAt : Infinity, now + RENEW_LEAST);
  }

  /** Ask again a little later. */
  postponeRenewal(): void {
    this.renewing = false;
    this.#renewAt = this.#clock.monotonic() + RENEW_LEAST;
  }

  /** Something happened. */
  touch(): void {
    this.#lastActivity = this.#clock.monotonic();
  }

  deviceSpoke(): void {
    this.#deviceSpoke = true;
  }

  /** Bytes went to the device. */
  sentToDevice(): void {
    this.#lastToDevice = this.#lastActivity;
  }

  /** One side closed its half. */
  halfClosed(): void {
    this.#half = true;
    this.touch();
  }

  /** When something is due at the earliest. */
  get next(): number {
    const renewAt = this.renewing ? Infinity : this.#renewAt;
    return Math.min(this.#end, renewAt, this.#idleUntil(), this.#silentUntil());
  }

  /** What is due now. */
  due(): Due | undefined {
    const now = this.#clock.monotonic();
    if (now >= this.#end) return 'absolute';
    if (now >= this.#silentUntil()) return 'silent';
    if (now >= this.#idleUntil()) return 'idle';
    return now >= this.#renewAt && !this.renewing ? 'renew' : undefined;
  }

  #idleUntil(): number {
    return this.#lastActivity + (this.#half ? Math.min(this.#idle, HALF_CLOSED_LIMIT) : this.#idle);
  }

  #silentUntil(): number {
    return this.#deviceSpoke ? Infinity : this.#lastToDevice + this.#firstByteMs;
  }
}
