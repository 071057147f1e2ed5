/**
 * The timers of one peer: whitepaper sections 6.2 to 6.5, told as wireguard-go's `device/timers.go` tells them.
 * Pure: what happened and when goes in, which deadlines have passed comes out. Nothing here sends or sleeps.
 *
 *   retransmit    a handshake was begun and not completed: again after REKEY_TIMEOUT and a jitter, until
 *                 REKEY_ATTEMPT_TIME has passed, then `giveUp`
 *   newHandshake  data was sent and nothing came back for KEEPALIVE_TIMEOUT + REKEY_TIMEOUT: the session is
 *                 dead at the other end
 *   keepalive     data was received and nothing sent for KEEPALIVE_TIMEOUT: say that we are here
 *   persistent    nothing went either way for the configured time
 *   zeroKeys      no new session for ZERO_KEYS_TIME
 */
import { after, between, millis } from '../wire/units.ts';
import type { Millis, MonotonicMillis } from '../wire/units.ts';
import {
  KEEPALIVE_TIMEOUT,
  MAX_JITTER,
  REKEY_ATTEMPT_TIME,
  REKEY_TIMEOUT,
  ZERO_KEYS_TIME,
} from './constants.ts';

export type TimerAction = 'retransmit' | 'giveUp' | 'newHandshake' | 'keepalive' | 'persistent' | 'zeroKeys';

type TimerName = Exclude<TimerAction, 'giveUp'>;
const names: readonly TimerName[] = ['retransmit', 'newHandshake', 'keepalive', 'persistent', 'zeroKeys'];

export class PeerTimers {
  /** All names from the beginning, and none ever deleted: a gateway asks a thousand of these for their earliest. */
  readonly #deadlines: Record<TimerName, MonotonicMillis | undefined> = {
    retransmit: undefined,
    newHandshake: undefined,
    keepalive: undefined,
    persistent: undefined,
    zeroKeys: undefined,
  };
  readonly #persistentInterval: Millis;
  readonly #random: () => number;
  #keepaliveAgain = false;
  /** When the handshake that is being attempted was first wanted. */
  #attemptSince: MonotonicMillis | undefined;

  /** `persistentInterval` 0: none. `random`: 0 to 1. */
  constructor(persistentInterval: Millis, random: () => number) {
    this.#persistentInterval = persistentInterval;
    this.#random = random;
  }

  /** Data, not a keepalive, was sent. */
  dataSent(now: MonotonicMillis): void {
    this.#deadlines.newHandshake ??= after(now, millis(KEEPALIVE_TIMEOUT + REKEY_TIMEOUT + this.#jitter()));
  }

  /** Data, not a keepalive, was received. */
  dataReceived(now: MonotonicMillis): void {
    if (this.#deadlines.keepalive === undefined) this.#deadlines.keepalive = after(now, KEEPALIVE_TIMEOUT);
    else this.#keepaliveAgain = true;
  }

  /** Any authenticated packet was sent: data, keepalive or handshake. */
  anySent(now: MonotonicMillis): void {
    this.#deadlines.keepalive = undefined;
    this.#armPersistent(now);
  }

  /** Any authenticated packet was received. */
  anyReceived(now: MonotonicMillis): void {
    this.#deadlines.newHandshake = undefined;
    this.#armPersistent(now);
  }

  /** A handshake is wanted for a reason of its own: the time for attempts begins anew. */
  handshakeWanted(now: MonotonicMillis): void {
    this.#attemptSince = now;
  }

  /** An initiation was sent. */
  handshakeInitiated(now: MonotonicMillis): void {
    this.#attemptSince ??= now;
    this.#deadlines.retransmit = after(now, millis(REKEY_TIMEOUT + this.#jitter()));
  }

  /** An initiation was wanted but the last handshake message is too young: try at `at`, or when already due. */
  handshakePutOff(at: MonotonicMillis): void {
    this.#attemptSince ??= at;
    this.#deadlines.retransmit ??= at;
  }

  /** Keys are confirmed. */
  handshakeComplete(): void {
    this.#deadlines.retransmit = undefined;
    this.#attemptSince = undefined;
  }

  /** Keys were derived, confirmed or not. */
  sessionDerived(now: MonotonicMillis): void {
    this.#deadlines.zeroKeys = after(now, ZERO_KEYS_TIME);
  }

  /** Begin persistent keepalives, which start the first handshake by themselves. */
  start(now: MonotonicMillis): void {
    if (this.#persistentInterval > 0) this.#deadlines.persistent = now;
  }

  /** The earliest deadline. */
  get deadline(): MonotonicMillis | undefined {
    const { retransmit, newHandshake, keepalive, persistent, zeroKeys } = this.#deadlines;
    let earliest = retransmit;
    if (newHandshake !== undefined && newHandshake < (earliest ?? Infinity)) earliest = newHandshake;
    if (keepalive !== undefined && keepalive < (earliest ?? Infinity)) earliest = keepalive;
    if (persistent !== undefined && persistent < (earliest ?? Infinity)) earliest = persistent;
    if (zeroKeys !== undefined && zeroKeys < (earliest ?? Infinity)) earliest = zeroKeys;
    return earliest;
  }

  /** What is due at `now`. Each deadline is returned once. */
  due(now: MonotonicMillis): TimerAction[] {
    const actions: TimerAction[] = [];
    for (const name of names) {
      const at = this.#deadlines[name];
      if (at === undefined || at > now) continue;
      this.#deadlines[name] = undefined;
      actions.push(name === 'retransmit' ? this.#retransmit(now) : name);
      if (name === 'keepalive' && this.#keepaliveAgain) {
        this.#keepaliveAgain = false;
        this.#deadlines.keepalive = after(now, KEEPALIVE_TIMEOUT);
      }
      if (name === 'persistent') this.#armPersistent(now);
    }
    return actions;
  }

  #retransmit(now: MonotonicMillis): TimerAction {
    if (this.#attemptSince === undefined || between(this.#attemptSince, now) < REKEY_ATTEMPT_TIME)
      return 'retransmit';
    this.#attemptSince = undefined;
    this.#deadlines.keepalive = undefined;
    this.#deadlines.zeroKeys ??= after(now, ZERO_KEYS_TIME);
    return 'giveUp';
  }

  #armPersistent(now: MonotonicMillis): void {
    if (this.#persistentInterval > 0) this.#deadlines.persistent = after(now, this.#persistentInterval);
  }

  #jitter(): number {
    return Math.floor(this.#random() * MAX_JITTER);
  }
}
