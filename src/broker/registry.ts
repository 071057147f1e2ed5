/**
 * The live sessions, by id, and the counters of the process. What control is told each second is read from here.
 */
import type { Grant } from '../wire/grant.ts';
import type { SessionId } from '../wire/ids.ts';
import type { SessionProgress } from '../wire/messages.ts';
import type { Session } from './session.ts';

/** Totals since the process started. */
export interface BrokerCounters {
  /** Connections that reached a listener. */
  accepted: number;
  /** Closed at once: a source outside the overlay, or past every bound. */
  dropped: number;
  /** Refused for want of a place. */
  turnedAway: number;
  /** Sessions whose grant came into use. */
  started: number;
  ended: number;
  /** Departures from a protocol. */
  weird: number;
}

/** A live session whose grant is in use. */
export interface LiveSession {
  readonly grant: Grant;
  readonly progress: SessionProgress;
}

export class Registry {
  readonly counters: BrokerCounters = {
    accepted: 0,
    dropped: 0,
    turnedAway: 0,
    started: 0,
    ended: 0,
    weird: 0,
  };
  readonly #sessions = new Map<SessionId, Session>();
  /** The session's `changes` at its last report; sessions that control knows of are in here. */
  readonly #reported = new Map<SessionId, number>();

  get size(): number {
    return this.#sessions.size;
  }

  add(session: Session): void {
    this.#sessions.set(session.id, session);
  }

  remove(id: SessionId): void {
    this.#sessions.delete(id);
    this.#reported.delete(id);
  }

  get(id: SessionId): Session | undefined {
    return this.#sessions.get(id);
  }

  all(): Session[] {
    return [...this.#sessions.values()];
  }

  /** From now on the session has a row at control's. */
  announced(session: Session): void {
    this.#reported.set(session.id, session.changes);
  }

  /** The row is finished; nothing more is reported. */
  finished(id: SessionId): void {
    this.#reported.delete(id);
  }

  /** Every session that has a row. */
  live(): LiveSession[] {
    const rows: LiveSession[] = [];
    for (const id of this.#reported.keys()) {
      const session = this.#sessions.get(id);
      if (session?.grant) rows.push({ grant: session.grant, progress: session.progress });
    }
    return rows;
  }

  /** Progress of the sessions that changed since they were last asked for. */
  changed(): SessionProgress[] {
    const list: SessionProgress[] = [];
    for (const [id, changes] of this.#reported) {
      const session = this.#sessions.get(id);
      if (!session || session.changes === changes) continue;
      this.#reported.set(id, session.changes);
      list.push(session.progress);
    }
    return list;
  }
}
