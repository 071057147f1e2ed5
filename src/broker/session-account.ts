/**
 * What one session did: bytes, units, refusals; and which of it is worth a record of its own. The first unit of a
 * kind is recorded one by one, refused units up to a bound, everything is counted.
 *
 * Where the grant obliges to `record`, the recorder is on: every unit is recorded one by one, what passed and what was
 * refused, up to RECORDED_UNITS; then the log says that the recording is full, and counting goes on. It holds what was
 * done and never what was in it: no content of a device or a patient.
 *
 * What surprises: names of units come from the stream, so the number of names is bounded too.
 */
import type { AuditBody, AuditKind } from '../wire/audit-event.ts';
import { denialsOf, obliges } from '../wire/grant.ts';
import type { Grant } from '../wire/grant.ts';
import type { SessionId } from '../wire/ids.ts';
import type { SessionProgress } from '../wire/messages.ts';
import type { Effect } from './gate/gate.ts';
import type { Side } from './surroundings.ts';

/** Refused units recorded one by one; the rest is counted. */
const REFUSED_RECORDS = 32;
/** Units that the recorder of one session takes. */
export const RECORDED_UNITS = 4096;
/** Names of units counted apart; the rest is counted as OTHER_UNITS. */
const UNIT_NAMES = 64;
const OTHER_UNITS = 'other';

type UnitEffect = Extract<Effect, { kind: 'unit' }>;
type RefusedEffect = Extract<Effect, { kind: 'refused' }>;

/** Kind and body of a record to be written. */
export type Note = {
  [K in AuditKind]: { readonly kind: K; readonly body: AuditBody<K> };
}['session.unit' | 'session.unit.refused' | 'session.recording.full' | 'session.end'];

export class SessionAccount {
  readonly #session: SessionId;
  /** Epoch ms, and the same instant of the monotonic clock. */
  readonly #startedAt: number;
  readonly #startedMono: number;
  readonly #bytes = { user: 0, device: 0 };
  readonly #units = new Map<string, number>();
  #refused = 0;
  #recorded = 0;
  #fullTold = false;
  /** Grows with everything that a progress report would show. */
  changes = 0;

  constructor(session: SessionId, startedAt: number, startedMono: number) {
    this.#session = session;
    this.#startedAt = startedAt;
    this.#startedMono = startedMono;
  }

  /** Bytes went to one side. */
  sent(to: Side, count: number): void {
    this.#bytes[to] += count;
    this.changes++;
  }

  /** A unit passed; the record of it, if it is the first of its kind or the recorder is on. */
  unit({ unit, action }: UnitEffect, grant: Grant): Note | undefined {
    const first = this.#count(unit) === 1;
    const recorded = this.#recorder(grant, first);
    if (recorded !== 'on') return recorded;
    const { rules, subject, target } = grant;
    return { kind: 'session.unit', body: { session: this.#session, unit, action, rules, subject, target } };
  }

  /** A unit was refused; the record of it, while there aren't too many. */
  unitRefused({ unit, action, reason }: RefusedEffect, grant: Grant): Note | undefined {
    this.#count(`refused ${unit}`);
    this.#refused++;
    const recorded = this.#recorder(grant, this.#refused <= REFUSED_RECORDS);
    if (recorded !== 'on') return recorded;
    const what = { session: this.#session, unit, ...(action ? { action } : {}) };
    const { subject, target } = grant;
    const took = action ? denialsOf(grant, action).flatMap((denial) => denial.rules) : [];
    const rules = [...new Set(took)].sort();
    return { kind: 'session.unit.refused', body: { ...what, rules, reason, subject, target } };
  }

  progress(lastActivity: number): SessionProgress {
    return {
      session: this.#session,
      startedAt: this.#startedAt,
      lastActivity: Math.round(this.#startedAt + lastActivity - this.#startedMono),
      bytesToDevice: this.#bytes.device,
      bytesToUser: this.#bytes.user,
      units: Object.fromEntries(this.#units),
      refused: this.#refused,
    };
  }

  /** The record of the end. */
  end({ subject, target }: Grant, reason: string, now: number): Note {
    const { bytesToDevice, bytesToUser, units } = this.progress(now);
    const durationMs = Math.max(0, Math.round(now - this.#startedMono));
    const session = this.#session;
    return {
      kind: 'session.end',
      body: { session, subject, target, reason, durationMs, bytesToDevice, bytesToUser, units },
    };
  }

  /** Whether this unit is recorded; once, the record that no more are. `anyway`: it is worth one by itself. */
  #recorder(grant: Grant, anyway: boolean): 'on' | Note | undefined {
    const full = this.#recorded >= RECORDED_UNITS;
    if (!obliges(grant, 'record') || full) {
      if (anyway || !full || this.#fullTold) return anyway ? 'on' : undefined;
      this.#fullTold = true;
      const { subject, target } = grant;
      return {
        kind: 'session.recording.full',
        body: { session: this.#session, units: RECORDED_UNITS, subject, target },
      };
    }
    this.#recorded++;
    return 'on';
  }

  /** Count one unit; the count so far. */
  #count(name: string): number {
    this.changes++;
    const key = this.#units.has(name) || this.#units.size < UNIT_NAMES ? name : OTHER_UNITS;
    const count = (this.#units.get(key) ?? 0) + 1;
    this.#units.set(key, count);
    return count;
  }
}
