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
 * - open:        bytes pass through the gate. Until here the user's bytes are held, a little and one
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
import { formatEndpoint } from '../wire/address.ts';
import { errorTable, isErrorCode } from '../wire/errors.ts';
import type { ErrorCode } from '../wire/errors.ts';
import { stepUpText } from '../wire/grant.ts';
import type { Decision, Grant, Refusal } from '../wire/grant.ts';
import type { SessionId } from '../wire/ids.ts';
import type { SessionProgress } from '../wire/messages.ts';
import type { Effect, Gate } from './gate/gate.ts';
import type { StartAnswer } from './recorder.ts';
import { SessionAccount } from './session-account.ts';
import type { Note } from './session-account.ts';
import type { SessionEffects, SessionSetting, SessionState } from './session-effects.ts';
import { SessionLimits } from './session-limits.ts';
import { SessionPassage } from './session-passage.ts';
import { refusalOf } from './session-refusal.ts';
import { otherSide } from './surroundings.ts';
import type { Side } from './surroundings.ts';

/** Control and the log have limits of their own, a little shorter; this is the last resort. */
const ANSWER_LIMIT = 6_000;
/** How long a refused user has to say the message that is refused. */
const REFUSAL_LIMIT = 5_000;
/** How long last words may take to leave, and how long when the session was cut. */
const CLOSE_LIMIT = 2_000;
const CUT_LIMIT = 60;
const NOTHING = new Uint8Array(0);
const SIDES: readonly Side[] = ['user', 'device'];

export class Session {
  readonly id: SessionId;
  readonly #setting: SessionSetting;
  readonly #effects: SessionEffects;
  readonly #limits: SessionLimits;
  readonly #account: SessionAccount;
  readonly #passage: SessionPassage;

  #state: SessionState = 'authorising';
  /** When the present state ends by itself; the open state has limits of its own. */
  #stateEnds = Infinity;
  #armedFor = Infinity;
  #grant: Grant | undefined;
  #gate: Gate | undefined;
  /** The start is, or may be, in the log. */
  #mayBeRecorded = false;
  #reason = '';

  constructor(setting: SessionSetting, effects: SessionEffects) {
    this.id = setting.id;
    this.#setting = setting;
    this.#effects = effects;
    const { clock, limits } = setting;
    this.#limits = new SessionLimits(clock, limits.firstByteMs);
    this.#account = new SessionAccount(setting.id, clock.now(), clock.monotonic());
    const keep = (note: Note): boolean => effects.append(this.#event(note.kind, note.body));
    this.#passage = new SessionPassage(effects, this.#account, this.#limits, keep);
  }

  get state(): SessionState {
    return this.#state;
  }

  /** The grant in use, once there is one. */
  get grant(): Grant | undefined {
    return this.#grant;
  }

  get changes(): number {
    return this.#account.changes;
  }

  get progress(): SessionProgress {
    return this.#account.progress(this.#limits.lastActivity);
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
      record ? refusalOf(this.#setting, this.#grant, code, errorTable[code].text) : undefined,
    );
  }

  /** Control's answer, to the first question or to a later one. */
  decided(decision: Decision): void {
    if (this.#state === 'authorising') {
      if (decision.decision === 'deny') this.#denied(decision.refusal);
      else this.#granted(decision.grant);
      return;
    }
    if (!this.#limits.renewing) return;
    this.#limits.renewing = false;
    if (decision.decision === 'permit') this.regrant(decision.grant);
    else this.revoke(decision.refusal.reasons.join(' '));
  }

  /** Control couldn't be asked. */
  undecided(code: ErrorCode): void {
    if (this.#state === 'authorising') {
      const text = `No decision could be made: ${errorTable[code].text} Try again.`;
      this.#refuse(code, text, refusalOf(this.#setting, this.#grant, code, text));
    } else if (this.#limits.renewing) {
      this.#limits.postponeRenewal();
      this.#arm();
    }
  }

  /** The log's answer to the start. */
  recorded(answer: StartAnswer): void {
    if (this.#state !== 'recording') return;
    if (answer.kind === 'not-durable') {
      this.#mayBeRecorded = false;
      const { text } = errorTable[answer.code];
      this.#refuse(answer.code, text, refusalOf(this.#setting, this.#grant, answer.code, text));
      return;
    }
    const grant = this.#grant as Grant;
    this.#enter('dialling', this.#setting.limits.connectMs);
    this.#effects.started(grant, this.progress);
    this.#effects.dial(grant.target.dial);
  }

  dialled(): void {
    if (this.#state !== 'dialling') return;
    this.#passage.gone.device = false;
    this.#enter('open', Infinity);
    this.#limits.touch();
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
      this.#limits.touch();
      if (from === 'device') this.#limits.deviceSpoke();
      this.#apply((this.#gate as Gate).receive(from, bytes), from);
      this.#arm();
    } else if (this.#state === 'refusing') {
      if (from === 'user') this.#apply((this.#gate as Gate).receive('user', bytes), 'user');
    } else if (this.#state !== 'closing' && this.#state !== 'ended' && from === 'user') {
      this.#passage.hold(bytes);
    }
  }

  /** One side closed its sending half. */
  closedHalf(from: Side): void {
    if (this.#passage.closedHalf[from]) return;
    this.#passage.closedHalf[from] = true;
    switch (this.#state) {
      case 'authorising':
      case 'recording':
      case 'dialling':
        // Someone who sent a whole message and closed its half still waits for the answer.
        if (from === 'user' && this.#passage.heldBytes === 0)
          this.#abandon('user closed before the session was open');
        return;
      case 'refusing':
        if (from === 'user') this.#userDone();
        return;
      case 'open':
        this.#limits.halfClosed();
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
    if (this.#passage.gone[side]) return;
    this.#passage.gone[side] = true;
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
  drained(): void {
    if (this.#state !== 'open' && this.#state !== 'refusing') return;
    for (const each of SIDES) this.#passage.resume(each);
  }

  /** End now, both sides, in the protocol's own way. */
  revoke(reason: string): void {
    const code = 'SESSION_REVOKED';
    switch (this.#state) {
      case 'authorising':
        this.#refuse(code, reason, refusalOf(this.#setting, this.#grant, code, reason));
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
    this.#account.changes++;
    this.#gate?.regrant(grant);
    this.#arm();
  }

  /** The time asked for with `wake` has come. */
  timer(): void {
    this.#armedFor = Infinity;
    if (this.#state === 'open') this.#checkOpen();
    else if (this.#now() >= this.#stateEnds) this.#stateEnded();
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
      this.#refuse('INTERNAL', text, refusalOf(this.#setting, this.#grant, 'INTERNAL', text));
      return;
    }
    this.#hold(grant);
    this.#mayBeRecorded = true;
    this.#enter('recording', ANSWER_LIMIT);
    this.#effects.record(this.#event('session.start', { grant }));
  }

  #denied(refusal: Refusal): void {
    const code = isErrorCode(refusal.code) ? refusal.code : 'POLICY_DENIED';
    const words = refusal.reasons.join(' ');
    const [stepUp] = refusal.stepUp ?? [];
    this.#refuse(code, stepUp ? `${stepUpText(stepUp)}; ${words}` : words, refusal);
  }

  #hold(grant: Grant): void {
    this.#grant = grant;
    this.#limits.hold(grant);
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
    for (const bytes of this.#passage.takeHeld()) {
      if (this.#state === 'open' || this.#state === 'refusing') this.bytes('user', bytes);
    }
    if (this.#passage.closedHalf.user && this.#state === 'open') this.#passHalfClose('user');
    else if (this.#passage.closedHalf.user && this.#state === 'refusing') this.#userDone();
    else this.#passage.resume('user');
  }

  // ── passing ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Carry out what the gate says; `from` is the side whose bytes led to it. */
  #apply(effects: readonly Effect[], from: Side): void {
    const open = this.#state === 'open';
    const { ended, unrecorded } = this.#passage.carry(effects, from, open ? this.#grant : undefined);
    if (ended !== undefined) this.#close(open ? ended : this.#reason, CLOSE_LIMIT);
    else if (unrecorded) {
      const code = 'AUDIT_UNAVAILABLE';
      this.#cut(`${code}: too many records wait`, errorTable[code].text, CUT_LIMIT);
    }
  }

  #passHalfClose(from: Side): void {
    this.#apply((this.#gate as Gate).closed(from), from);
    if (this.#state !== 'open') return;
    const other = otherSide(from);
    this.#effects.finish(other);
    if (this.#passage.closedHalf[other]) this.#close(`${other} closed`, CLOSE_LIMIT);
  }

  #userDone(): void {
    if (this.#state !== 'refusing') return;
    this.#apply((this.#gate as Gate).closed('user'), 'user');
    if (this.#state === 'refusing') this.#close(this.#reason, CLOSE_LIMIT);
  }

  // ── time ──────────────────────────────────────────────────────────────────────────────────────────────────

  #now(): number {
    return this.#setting.clock.monotonic();
  }

  #enter(state: SessionState, limit: number): void {
    this.#state = state;
    this.#stateEnds = this.#now() + limit;
    this.#account.changes++;
    this.#arm();
  }

  /** When something is due at the earliest. */
  #due(): number {
    if (this.#state === 'ended') return Infinity;
    return this.#state === 'open' ? this.#limits.next : this.#stateEnds;
  }

  #arm(): void {
    const due = this.#due();
    if (due >= this.#armedFor) return;
    this.#armedFor = due;
    this.#effects.wake(Math.max(1, Math.ceil(due - this.#now())));
  }

  #checkOpen(): void {
    switch (this.#limits.due()) {
      case 'absolute':
        return this.#cut('absolute limit', 'The session reached its time limit.', CLOSE_LIMIT);
      case 'silent': {
        const { text } = errorTable.DEVICE_SILENT;
        return this.#cut(`DEVICE_SILENT: ${text}`, text, CLOSE_LIMIT);
      }
      case 'idle':
        return this.#cut('idle limit', 'Nothing passed for too long.', CLOSE_LIMIT);
      case 'renew':
        this.#limits.renewing = true;
        return this.#effects.authorise();
      case undefined:
        return undefined;
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
        for (const side of SIDES) if (!this.#passage.gone[side]) this.#effects.reset(side);
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
    // The gate's own `end` decides neither the reason nor the limit.
    this.#passage.carry(gate.revoke(said), 'user', this.#grant);
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
    this.#passage.takeHeld();
    this.#gate = undefined;
    this.#enter('closing', limit);
    for (const side of SIDES) {
      if (this.#passage.gone[side]) continue;
      this.#effects.finish(side);
      this.#passage.resume(side);
    }
    this.#overWhenGone();
  }

  /** Write the end of a session whose start is, or may be, in the log. */
  #finishRow(reason: string): void {
    if (!this.#mayBeRecorded) return;
    this.#mayBeRecorded = false;
    const note = this.#account.end(this.#grant as Grant, reason, this.#now());
    this.#effects.append(this.#event(note.kind, note.body));
    this.#effects.finished(this.progress, reason);
  }

  #overWhenGone(): void {
    if (this.#passage.gone.user && this.#passage.gone.device) this.#over();
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
