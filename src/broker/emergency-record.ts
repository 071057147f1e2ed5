/**
 * Break-glass while the audit log can't be written: the one exception to "durable in the log, then dial". The start of
 * such a session is made durable in the emergency journal instead, and so is what the session does, as far as the journal
 * has room; all of it goes to the log when the log is back. Nobody else's session is opened so.
 *
 * What surprises: the recorder's queue holds the same events and is what brings them to the log. The journal is read
 * only by a process that was started anew; then its records come first, behind one that says where they are from.
 */
import { auditEvent } from '../wire/audit-event.ts';
import type { AuditEvent } from '../wire/audit-event.ts';
import type { SessionId } from '../wire/ids.ts';
import type { EpochMillis } from '../wire/units.ts';

/** The journal, as `platform/emergency-journal.ts` has it. */
export interface EmergencyStore {
  /** What an earlier process left. */
  readonly left: readonly unknown[];
  readonly held: number;
  /** Of those, how many would not outlive a power cut. */
  readonly volatile: number;
  /** Make a record durable; false when that isn't possible. */
  append(record: unknown): boolean;
  clear(): void;
}

/** For the health list. */
export interface EmergencyState {
  readonly held: number;
  readonly volatile: number;
}

function sessionOf({ kind, body }: AuditEvent): SessionId | undefined {
  if (kind === 'session.start') return body.grant.session;
  return 'session' in body ? body.session : undefined;
}

export class EmergencyRecord {
  readonly #store: EmergencyStore;
  readonly #sessions = new Set<SessionId>();

  constructor(store: EmergencyStore) {
    this.#store = store;
  }

  get state(): EmergencyState {
    return { held: this.#store.held, volatile: this.#store.volatile };
  }

  /** What is left of an earlier process, for the log, after a word on it. */
  left(now: EpochMillis): AuditEvent[] {
    const events = this.#store.left.flatMap((record) => {
      const parsed = auditEvent.safeParse(record);
      return parsed.success ? [parsed.data] : [];
    });
    if (events.length === 0) return [];
    const body = { process: 'broker', records: events.length } as const;
    return [{ kind: 'journal.replayed', at: now, origin: 'broker', body }, ...events];
  }

  /** Is this a start that care depends on? */
  isBreakGlass(event: AuditEvent): boolean {
    return event.kind === 'session.start' && event.body.grant.facts?.breakGlass === true;
  }

  /** Keep a start. True when it is durable: its session may go on. */
  start(event: AuditEvent): boolean {
    const session = sessionOf(event);
    if (session === undefined || !this.#store.append(event)) return false;
    this.#sessions.add(session);
    return true;
  }

  /** Keep an event of a session that was started so. True when it is durable. */
  keep(event: AuditEvent): boolean {
    const session = sessionOf(event);
    return session !== undefined && this.#sessions.has(session) && this.#store.append(event);
  }

  /** The log has everything. */
  settled(): void {
    this.#store.clear();
    this.#sessions.clear();
  }
}
