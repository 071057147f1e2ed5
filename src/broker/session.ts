/**
 * One brokered session as a state machine: inputs are method calls, effects go out through `SessionEffects`. It
 * owns no socket, no clock and no timer, so a test can drive every order of events.
 *
 *   authorising ──permit──▶ recording ──durable──▶ dialling ──dialled──▶ open ──▶ closing ──▶ ended
 *        └───────deny, no room──────┴──not durable─────┴──failed──▶ refusing ────────▲
 *
 * - authorising: control decides. Nothing is known of the user but an address.
 * - recording:   `session.start` is on its way to the audit log; dialling waits for its acknowledgement.
 * - dialling:    `grant.target.dial`, exactly that address and no other.
 * - open:        bytes pass through the gate. Until here the user's bytes are held, at most HOLD_BYTES and one
 *                read, then its socket is paused; not one of them went to the device.
 * - refusing:    the user hears why, in the words of the protocol, once it has said its first message.
 * - closing:     last words are flushed, what still arrives is discarded; what is stuck is reset at the deadline.
 *
 * What surprises: a session whose `session.start` may be in the log always gets a `session.end` or a
 * `session.refused` after it. Re-authorising never moves the absolute end outwards. When control can't be asked
 * at `expiresAt` the session goes on under the grant it has and asks again: care goes on, and the absolute end
 * still holds.
 */
import type { AuditBody, AuditEvent, AuditKind } from '../wire/audit-event.ts';
import type { Endpoint } from '../wire/address.ts';
import { formatEndpoint } from '../wire/address.ts';
import { errorTable } from '../wire/errors.ts';
import type { ErrorCode } from '../wire/errors.ts';
import type { Decision, Grant, Refusal, Target } from '../wire/grant.ts';
import type { SessionId } from '../wire/ids.ts';
import type { SessionProgress } from '../wire/messages.ts';
import type { Clock } from '../wire/units.ts';
import type { Effect, Gate, GateSources, openGate, openRefusal } from './gate/gate.ts';
import type { StartAnswer } from './recorder.ts';
import { otherSide } from './surroundings.ts';
import type { Side } from './surroundings.ts';

/** Bytes held of a user who speaks before the session is open; its socket is paused above. */
const HOLD_BYTES = 16 * 1024;
/** Control and the log have limits of their own, a little shorter; this is the last resort. */
const ANSWER_LIMIT = 6_000;
/** How long a refused user has to say the message that is refused. */
const REFUSAL_LIMIT = 5_000;
/** How long last words may take to leave, and how long when the session was cut. */
const CLOSE_LIMIT = 2_000;
const CUT_LIMIT = 60;
/** A session with one half closed and nothing passing ends after this. */
const HALF_CLOSED_LIMIT = 60_000;
/** Between two requests for a new decision at least this, and this when control can't be asked. */
const RENEW_LEAST = 1_000;
/** Refused units recorded one by one; the rest is counted. */
const REFUSED_RECORDS = 32;
/** Names of units counted apart; the rest is counted as OTHER_UNITS. */
const UNIT_NAMES = 64;
const OTHER_UNITS = 'other';

const NOTHING = new Uint8Array(0);
const SIDES: readonly Side[] = ['user', 'device'];

export type SessionState =
  | 'authorising'
  | 'recording'
  | 'dialling'
  | 'open'
  | 'refusing'
  | 'closing'
  | 'ended';

/** What a session does to the world. */
export interface SessionEffects {
  /** Ask control; answered by `decided` or `undecided`. */
  authorise(): void;
  /** Write the start; answered by `recorded`. */
  record(event: AuditEvent): void;
  /** Keep an event for the log, in order; false when it can't be kept. */
  append(event: AuditEvent): boolean;
  /** Connect to the device; answered by `dialled` or `dialFailed`. */
  dial(to: Endpoint): void;
  /** Hand bytes to a socket; false when it is full, `drained` follows. */
  send(to: Side, bytes: Uint8Array): boolean;
  /** Several sends follow, until `uncork`. */
  cork(): void;
  uncork(): void;
  /** Close the sending half once everything sent has left. */
  finish(side: Side): void;
  /** Close at once. */
  reset(side: Side): void;
  pause(side: Side): void;
  resume(side: Side): void;
  /** Call `timer` after so many milliseconds; replaces the last request. */
  wake(afterMs: number): void;
  /** The grant is in use; the session is worth a row. */
  started(grant: Grant, progress: SessionProgress): void;
  /** The row is finished. */
  finished(progress: SessionProgress, reason: string): void;
  /** A peer or device departed from its protocol. */
  weird(name: string, from: Side, offset: number, detail: string | undefined): void;
  /** Nothing more will come: both sockets are closed. */
  over(reason: string): void;
}

export interface SessionSetting {
  readonly id: SessionId;
  readonly source: Endpoint;
  /** What the listener publishes; control names the same in its grant. */
  readonly target: Target;
  readonly limits: { readonly connectMs: number; readonly firstByteMs: number };
  readonly clock: Clock;
  readonly sources: GateSources;
  /** What opens gates: the protocols' own, or a test's. */
  readonly gates: { readonly open: typeof openGate; readonly refuse: typeof openRefusal };
}

export class Session {
  readonly id: SessionId;
  readonly #setting: SessionSetting;
  readonly #effects: SessionEffects;
  readonly #startedAt: number;
  readonly #startedMono: number;

  #state: SessionState = 'authorising';
  /** When the present state ends by itself; the open state has limits of its own. */
  #stateEnds = Infinity;
  #armedFor = Infinity;
  #grant: Grant | undefined;
  #gate: Gate | undefined;
  /** The start is, or may be, in the log. */
  #mayBeRecorded = false;
  #reason = '';

  #held: Uint8Array[] = [];
  #heldBytes = 0;
  readonly #closedHalf = { user: false, device: false };
  /** The socket is closed, or was never opened. */
  readonly #gone = { user: false, device: true };
  readonly #full = { user: false, device: false };
  readonly #paused = { user: false, device: false };

  #lastActivity: number;
  #lastToDevice = Infinity;
  #deviceSpoke = false;
  #idle = Infinity;
  #end = Infinity;
  #renewAt = Infinity;
  #renewing = false;

  #bytesToDevice = 0;
  #bytesToUser = 0;
  readonly #units = new Map<string, number>();
  #refusedUnits = 0;
  /** Grows with everything that a progress report would show. */
  #changes = 0;

  constructor(setting: SessionSetting, effects: SessionEffects) {
    this.id = setting.id;
    this.#setting = setting;
    this.#effects = effects;
    this.#startedAt = setting.clock.now();
    this.#startedMono = this.#now();
    this.#lastActivity = this.#startedMono;
  }

  get state(): SessionState {
    return this.#state;
  }

  /** The grant in use, once there is one. */
  get grant(): Grant | undefined {
    return this.#grant;
  }

  get changes(): number {
    return this.#changes;
  }

  get progress(): SessionProgress {
    return {
      session: this.id,
      startedAt: this.#startedAt,
      lastActivity: Math.round(this.#startedAt + this.#lastActivity - this.#startedMono),
      bytesToDevice: this.#bytesToDevice,
      bytesToUser: this.#bytesToUser,
      units: Object.fromEntries(this.#units),
      refused: this.#refusedUnits,
    };
  }

  // ── inputs ────────────────────────────────────────────────────────────────────────────────────────────────

  /** The user's connection was accepted and has a place. */
  begin(): void {
    this.#enter('authorising', ANSWER_LIMIT);
    this.#effects.authorise();
  }

  /** The user's connection was accepted and has no place: nobody is asked. */
  turnAway(code: ErrorCode, record: boolean): void {
    this.#refuse(
      code,
      errorTable[code].text,
      record ? this.#ownRefusal(code, errorTable[code].text) : undefined,
    );
  }

  /** Control's answer, to the first question or to a later one. */
  decided(decision: Decision): void {
    if (this.#state === 'authorising') {
      if (decision.decision === 'deny') this.#denied(decision.refusal);
      else this.#granted(decision.grant);
      return;
    }
    if (!this.#renewing) return;
    this.#renewing = false;
    if (decision.decision === 'permit') this.regrant(decision.grant);
    else this.revoke(decision.refusal.reasons.join(' '));
  }

  /** Control couldn't be asked. */
  undecided(code: ErrorCode): void {
    if (this.#state === 'authorising') {
      const text = `No decision could be made: ${errorTable[code].text} Try again.`;
      this.#refuse(code, text, this.#ownRefusal(code, text));
    } else if (this.#renewing) {
      this.#renewing = false;
      this.#renewAt = this.#now() + RENEW_LEAST;
      this.#arm();
    }
  }

  /** The log's answer to the start. */
  recorded(answer: StartAnswer): void {
    if (this.#state !== 'recording') return;
    if (answer.kind === 'not-durable') {
      this.#mayBeRecorded = false;
      const { text } = errorTable[answer.code];
      this.#refuse(answer.code, text, this.#ownRefusal(answer.code, text));
      return;
    }
    const grant = this.#grant as Grant;
    this.#enter('dialling', this.#setting.limits.connectMs);
    this.#effects.started(grant, this.progress);
    this.#effects.dial(grant.target.dial);
  }

  dialled(): void {
    if (this.#state !== 'dialling') return;
    this.#gone.device = false;
    this.#enter('open', Infinity);
    this.#lastActivity = this.#now();
    const { gates, sources } = this.#setting;
    this.#gate = gates.open({ ...sources, grant: this.#grant as Grant });
    this.#releaseHeld();
    this.#arm();
  }

  dialFailed(why: string): void {
    if (this.#state !== 'dialling') return;
    const code = 'DEVICE_UNREACHABLE';
    this.#finishRow(`${code}: ${why}`);
    this.#refuse(code, errorTable[code].text, undefined);
  }

  bytes(from: Side, bytes: Uint8Array): void {
    if (this.#state === 'open') {
      this.#lastActivity = this.#now();
      this.#changes++;
      if (from === 'device') this.#deviceSpoke = true;
      const couldBeSilent = this.#lastToDevice !== Infinity;
      this.#apply((this.#gate as Gate).receive(from, bytes), from);
      if (!couldBeSilent && this.#lastToDevice !== Infinity) this.#arm();
    } else if (this.#state === 'refusing') {
      if (from === 'user') this.#apply((this.#gate as Gate).receive('user', bytes), 'user');
    } else if (this.#state !== 'closing' && this.#state !== 'ended' && from === 'user') {
      this.#held.push(bytes);
      this.#heldBytes += bytes.length;
      if (this.#heldBytes >= HOLD_BYTES) this.#pause('user');
    }
  }

  /** One side closed its sending half. */
  closedHalf(from: Side): void {
    if (this.#closedHalf[from]) return;
    this.#closedHalf[from] = true;
    switch (this.#state) {
      case 'authorising':
      case 'recording':
      case 'dialling':
        // Someone who sent a whole message and closed its half still waits for the answer.
        if (from === 'user' && this.#heldBytes === 0)
          this.#abandon('user closed before the session was open');
        return;
      case 'refusing':
        if (from === 'user') this.#userDone();
        return;
      case 'open':
        this.#lastActivity = this.#now();
        this.#passHalfClose(from);
        this.#arm();
        return;
      case 'closing':
      case 'ended':
        return;
    }
  }

  /** A socket is closed for good. */
  gone(side: Side): void {
    if (this.#gone[side]) return;
    this.#gone[side] = true;
    switch (this.#state) {
      case 'authorising':
      case 'recording':
      case 'dialling':
        if (side === 'user') this.#abandon('user closed before the session was open');
        return;
      case 'refusing':
        this.#close('user closed', CLOSE_LIMIT);
        return;
      case 'open':
        this.#cut(`${side} broke the connection`, `The ${side} broke the connection.`, CLOSE_LIMIT);
        return;
      case 'closing':
        this.#overWhenGone();
        return;
      case 'ended':
        return;
    }
  }

  /** A socket that was full has room again. */
  drained(side: Side): void {
    this.#full[side] = false;
    if (this.#state !== 'open' && this.#state !== 'refusing') return;
    for (const each of SIDES) this.#resume(each);
  }

  /** End now, both sides, in the protocol's own way. */
  revoke(reason: string): void {
    const code = 'SESSION_REVOKED';
    switch (this.#state) {
      case 'authorising':
        this.#refuse(code, reason, this.#ownRefusal(code, reason));
        return;
      case 'recording':
      case 'dialling':
        if (this.#state === 'dialling') this.#effects.reset('device');
        this.#finishRow(`${code}: ${reason}`);
        this.#refuse(code, reason, undefined);
        return;
      case 'open':
        this.#cut(`${code}: ${reason}`, reason, CUT_LIMIT);
        return;
      case 'refusing':
        this.#close(code, CUT_LIMIT);
        return;
      case 'closing':
      case 'ended':
        return;
    }
  }

  /** Another grant for the same session: takes effect at the next protocol unit. */
  regrant(grant: Grant): void {
    if (this.#state !== 'recording' && this.#state !== 'dialling' && this.#state !== 'open') return;
    const { target } = this.#grant as Grant;
    if (grant.session !== this.id || formatEndpoint(grant.target.dial) !== formatEndpoint(target.dial)) {
      this.revoke('The device of this session has another address now.');
      return;
    }
    this.#hold(grant);
    this.#changes++;
    this.#gate?.regrant(grant);
    this.#arm();
  }

  /** The time asked for with `wake` has come. */
  timer(): void {
    this.#armedFor = Infinity;
    const now = this.#now();
    if (this.#state === 'open') this.#checkOpen(now);
    else if (now >= this.#stateEnds) this.#stateEnded();
    this.#arm();
  }

  /** The process is ending: everything closes. */
  stop(): void {
    const reason = 'the gateway is stopping';
    if (this.#state === 'open') this.#cut(reason, 'The gateway is stopping.', CUT_LIMIT);
    else this.#abandon(reason);
  }

  // ── deciding ──────────────────────────────────────────────────────────────────────────────────────────────

  #granted(grant: Grant): void {
    const { source, target } = this.#setting;
    const asked =
      grant.session === this.id &&
      grant.target.resource === target.resource &&
      formatEndpoint(grant.subject.source) === formatEndpoint(source);
    if (!asked) {
      const text = 'The decision was for another session.';
      this.#refuse('INTERNAL', text, this.#ownRefusal('INTERNAL', text));
      return;
    }
    this.#hold(grant);
    this.#mayBeRecorded = true;
    this.#enter('recording', ANSWER_LIMIT);
    this.#effects.record(this.#event('session.start', { grant }));
  }

  #denied(refusal: Refusal): void {
    const code = refusal.code in errorTable ? (refusal.code as ErrorCode) : 'POLICY_DENIED';
    this.#refuse(code, refusal.reasons.join(' '), refusal);
  }

  /** Take over a grant's limits. The wall clock's instants become instants of the clock that never goes back. */
  #hold(grant: Grant): void {
    const { clock } = this.#setting;
    const offset = this.#now() - clock.now();
    this.#grant = grant;
    this.#idle = grant.limits.idle;
    this.#end = Math.min(this.#end, grant.limits.end + offset);
    this.#renewAt = Math.max(grant.expiresAt + offset, this.#now() + RENEW_LEAST);
  }

  #ownRefusal(code: ErrorCode, reason: string): Refusal {
    const { id, source, target } = this.#setting;
    const subject = this.#grant?.subject;
    return {
      session: id,
      ...(subject ? { subject } : {}),
      target: this.#grant?.target ?? target,
      code,
      rules: this.#grant?.rules ?? [],
      reasons: subject ? [reason] : [reason, `source ${formatEndpoint(source)}`],
      revision: this.#grant?.revision ?? '',
    };
  }

  #refuse(code: ErrorCode, text: string, refusal: Refusal | undefined): void {
    if (refusal) this.#effects.append(this.#event('session.refused', { refusal }));
    this.#reason = `${code}: ${text}`;
    this.#enter('refusing', REFUSAL_LIMIT);
    const { gates, sources, target } = this.#setting;
    this.#gate = gates.refuse(target.protocol, text, code, sources);
    this.#apply(this.#gate.receive('user', NOTHING), 'user');
    this.#releaseHeld();
  }

  /** Give the gate what the user said so far. */
  #releaseHeld(): void {
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    for (const bytes of held) {
      if (this.#state === 'open' || this.#state === 'refusing') this.bytes('user', bytes);
    }
    if (this.#closedHalf.user && this.#state === 'open') this.#passHalfClose('user');
    else if (this.#closedHalf.user && this.#state === 'refusing') this.#userDone();
    else this.#resume('user');
  }

  // ── passing ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Carry out what the gate says. `from`: the side whose bytes led to it; paused while what it fills is full. */
  #apply(effects: readonly Effect[], from: Side): void {
    const state = this.#state;
    let ended: string | undefined;
    let unrecorded = false;
    if (effects.length > 1) this.#effects.cork();
    for (const effect of effects) {
      switch (effect.kind) {
        case 'send':
          this.#send(effect.to, effect.bytes, from);
          break;
        case 'unit':
          if (state === 'open' && !this.#unit(effect)) unrecorded = true;
          break;
        case 'refused':
          if (state === 'open' && !this.#unitRefused(effect)) unrecorded = true;
          break;
        case 'weird':
          this.#effects.weird(effect.name, effect.from, effect.offset, effect.detail);
          break;
        case 'end':
          ended = effect.reason;
          break;
      }
    }
    if (effects.length > 1) this.#effects.uncork();
    if (ended !== undefined) this.#close(state === 'refusing' ? this.#reason : ended, CLOSE_LIMIT);
    else if (unrecorded && state === 'open') {
      const code = 'AUDIT_UNAVAILABLE';
      this.#cut(`${code}: too many records wait`, errorTable[code].text, CUT_LIMIT);
    }
  }

  #send(to: Side, bytes: Uint8Array, from: Side): void {
    if (bytes.length === 0 || this.#gone[to]) return;
    // A refused session has no device; a gate that named one would be wrong, and this line makes it harmless.
    if (to === 'device' && this.#state !== 'open') return;
    if (to === 'device') {
      this.#bytesToDevice += bytes.length;
      this.#lastToDevice = this.#lastActivity;
    } else this.#bytesToUser += bytes.length;
    if (this.#effects.send(to, bytes)) return;
    this.#full[to] = true;
    this.#pause(from);
  }

  #unit(effect: Extract<Effect, { kind: 'unit' }>): boolean {
    if (this.#count(effect.unit) > 1) return true;
    const { subject, target } = this.#grant as Grant;
    const { unit, action } = effect;
    return this.#effects.append(
      this.#event('session.unit', { session: this.id, unit, action, subject, target }),
    );
  }

  #unitRefused(effect: Extract<Effect, { kind: 'refused' }>): boolean {
    this.#count(`refused ${effect.unit}`);
    this.#refusedUnits++;
    if (this.#refusedUnits > REFUSED_RECORDS) return true;
    const { subject, target } = this.#grant as Grant;
    const { unit, action, reason } = effect;
    return this.#effects.append(
      this.#event('session.unit.refused', {
        session: this.id,
        unit,
        ...(action ? { action } : {}),
        reason,
        subject,
        target,
      }),
    );
  }

  /** Count one unit; the count so far. Names come from the stream, so their number is bounded. */
  #count(name: string): number {
    const key = this.#units.has(name) || this.#units.size < UNIT_NAMES ? name : OTHER_UNITS;
    const count = (this.#units.get(key) ?? 0) + 1;
    this.#units.set(key, count);
    return count;
  }

  #passHalfClose(from: Side): void {
    this.#apply((this.#gate as Gate).closed(from), from);
    if (this.#state !== 'open') return;
    const other = otherSide(from);
    this.#effects.finish(other);
    if (this.#closedHalf[other]) this.#close(`${other} closed`, CLOSE_LIMIT);
  }

  #userDone(): void {
    if (this.#state !== 'refusing') return;
    this.#apply((this.#gate as Gate).closed('user'), 'user');
    if (this.#state === 'refusing') this.#close(this.#reason, CLOSE_LIMIT);
  }

  #pause(side: Side): void {
    if (this.#paused[side]) return;
    this.#paused[side] = true;
    this.#effects.pause(side);
  }

  #resume(side: Side): void {
    if (!this.#paused[side]) return;
    this.#paused[side] = false;
    this.#effects.resume(side);
  }

  // ── time ──────────────────────────────────────────────────────────────────────────────────────────────────

  #now(): number {
    return this.#setting.clock.monotonic();
  }

  #enter(state: SessionState, limit: number): void {
    this.#state = state;
    this.#stateEnds = this.#now() + limit;
    this.#changes++;
    this.#arm();
  }

  /** When something is due at the earliest. */
  #due(): number {
    if (this.#state === 'ended') return Infinity;
    if (this.#state !== 'open') return this.#stateEnds;
    return Math.min(
      this.#end,
      this.#renewing ? Infinity : this.#renewAt,
      this.#idleUntil(),
      this.#silentUntil(),
    );
  }

  #idleUntil(): number {
    const half = this.#closedHalf.user || this.#closedHalf.device;
    return this.#lastActivity + (half ? Math.min(this.#idle, HALF_CLOSED_LIMIT) : this.#idle);
  }

  /** Counted from the last byte that went to the device, so that a long one-way transfer isn't cut in its middle. */
  #silentUntil(): number {
    return this.#deviceSpoke ? Infinity : this.#lastToDevice + this.#setting.limits.firstByteMs;
  }

  #arm(): void {
    const due = this.#due();
    if (due >= this.#armedFor) return;
    this.#armedFor = due;
    this.#effects.wake(Math.max(1, Math.ceil(due - this.#now())));
  }

  #checkOpen(now: number): void {
    if (now >= this.#end) this.#cut('absolute limit', 'The session reached its time limit.', CLOSE_LIMIT);
    else if (now >= this.#silentUntil()) {
      const { text } = errorTable.DEVICE_SILENT;
      this.#cut(`DEVICE_SILENT: ${text}`, text, CLOSE_LIMIT);
    } else if (now >= this.#idleUntil()) {
      this.#cut('idle limit', 'Nothing passed for too long.', CLOSE_LIMIT);
    } else if (now >= this.#renewAt && !this.#renewing) {
      this.#renewing = true;
      this.#effects.authorise();
    }
  }

  #stateEnded(): void {
    switch (this.#state) {
      case 'authorising':
        this.undecided('IPC_TIMEOUT');
        return;
      case 'recording':
        this.recorded({ kind: 'not-durable', code: 'AUDIT_UNAVAILABLE' });
        return;
      case 'dialling':
        this.#effects.reset('device');
        this.dialFailed('no answer in time');
        return;
      case 'refusing':
        this.#close(this.#reason, CLOSE_LIMIT);
        return;
      case 'closing':
        for (const side of SIDES) if (!this.#gone[side]) this.#effects.reset(side);
        this.#over();
        return;
      case 'open':
      case 'ended':
        return;
    }
  }

  // ── ending ────────────────────────────────────────────────────────────────────────────────────────────────

  /** End an open session with the gate's last words to both sides. `said` is what the user may hear. */
  #cut(reason: string, said: string, limit: number): void {
    const gate = this.#gate as Gate;
    // The gate's own `end` must not decide the reason or the limit.
    this.#effects.cork();
    for (const effect of gate.revoke(said))
      if (effect.kind === 'send') this.#send(effect.to, effect.bytes, 'user');
    this.#effects.uncork();
    this.#close(reason, limit);
  }

  /** End a session that isn't open: no words, nothing was said yet. */
  #abandon(reason: string): void {
    if (this.#state === 'dialling') this.#effects.reset('device');
    this.#close(reason, CUT_LIMIT);
  }

  #close(reason: string, limit: number): void {
    if (this.#state === 'closing' || this.#state === 'ended') return;
    this.#reason = reason;
    this.#finishRow(reason);
    this.#held = [];
    this.#gate = undefined;
    this.#enter('closing', limit);
    for (const side of SIDES) {
      if (this.#gone[side]) continue;
      this.#effects.finish(side);
      this.#resume(side);
    }
    this.#overWhenGone();
  }

  /** Write the end of a session whose start is, or may be, in the log. */
  #finishRow(reason: string): void {
    if (!this.#mayBeRecorded) return;
    this.#mayBeRecorded = false;
    const { subject, target } = this.#grant as Grant;
    const { bytesToDevice, bytesToUser, units } = this.progress;
    const durationMs = Math.max(0, Math.round(this.#now() - this.#startedMono));
    const body = { session: this.id, subject, target, reason, durationMs, bytesToDevice, bytesToUser, units };
    this.#effects.append(this.#event('session.end', body));
    this.#effects.finished(this.progress, reason);
  }

  #overWhenGone(): void {
    if (this.#gone.user && this.#gone.device) this.#over();
  }

  #over(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#effects.over(this.#reason);
  }

  #event<K extends AuditKind>(kind: K, body: AuditBody<K>): AuditEvent {
    return { kind, at: this.#setting.clock.now(), origin: 'broker', body } as AuditEvent;
  }
}
