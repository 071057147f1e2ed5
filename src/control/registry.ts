/**
 * The session table: live sessions as the broker announces them, and a bounded tail of those that ended.
 *
 * Control keeps nothing of it on disk: after a restart the broker announces all its sessions again. The other way
 * round, a session that a returned broker doesn't announce within SETTLE went down with it.
 */
import type { Grant } from '../wire/grant.ts';
import type { SessionId } from '../wire/ids.ts';
import type { SessionProgress, SessionRow } from '../wire/messages.ts';
import { between, seconds } from '../wire/units.ts';
import type { EpochMillis, MonotonicMillis } from '../wire/units.ts';

/** Sessions that ended and are still listed. */
export const ENDED_TAIL = 256;
/** How long a broker has to announce its sessions, or to come back. */
export const SETTLE = seconds(10);

interface Live {
  grant: Grant;
  progress: SessionProgress;
  /** Wall clock minus monotonic clock when the grant was decided: the grant's instants are of that wall clock. */
  skew: number;
  /** The broker's connection that announced it. */
  connection: number;
  /** Set when it was revoked: said again until the broker reports its end. */
  revoked?: string;
}

/** A session that went down with its broker: its counters are those of the last report. */
export interface Lost {
  readonly grant: Grant;
  readonly progress: SessionProgress;
  readonly reason: string;
}

export class Registry {
  readonly #limit: number;
  readonly #live = new Map<SessionId, Live>();
  #ended: SessionRow[] = [];
  #connection = 0;
  /** When the broker's connection last changed, while sessions of an earlier one are left. */
  #changedAt: MonotonicMillis | undefined;

  /** `limit`: live sessions held at most. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#live.size;
  }

  grant(session: SessionId): Grant | undefined {
    return this.#live.get(session)?.grant;
  }

  grants(): Grant[] {
    return [...this.#live.values()].map((row) => row.grant);
  }

  /** Why a session was revoked, when it was and hasn't ended yet. */
  revoked(session: SessionId): string | undefined {
    return this.#live.get(session)?.revoked;
  }

  /** False when the table is full. */
  started(grant: Grant, progress: SessionProgress, connection: number, skew = 0): boolean {
    const row = this.#live.get(grant.session);
    if (row) {
      row.grant = grant;
      row.progress = progress;
      row.connection = connection;
      return true;
    }
    if (this.#live.size >= this.#limit) return false;
    this.#live.set(grant.session, { grant, progress, connection, skew });
    return true;
  }

  progress(progress: SessionProgress): void {
    const row = this.#live.get(progress.session);
    if (row) row.progress = progress;
  }

  regranted(grant: Grant, skew = 0): void {
    const row = this.#live.get(grant.session);
    if (!row) return;
    row.grant = grant;
    row.skew = skew;
  }

  skew(session: SessionId): number | undefined {
    return this.#live.get(session)?.skew;
  }

  /** False when there is no such session. */
  revoke(session: SessionId, reason: string): boolean {
    const row = this.#live.get(session);
    if (!row) return false;
    row.revoked = reason;
    return true;
  }

  ended(progress: SessionProgress, reason: string, at: EpochMillis): void {
    const row = this.#live.get(progress.session);
    if (!row) return;
    this.#live.delete(progress.session);
    this.#ended.push({ grant: row.grant, progress, ended: { at, reason } });
    if (this.#ended.length > ENDED_TAIL) this.#ended = this.#ended.slice(-ENDED_TAIL);
  }

  /** The broker speaks over `connection`, or (undefined) is gone. */
  brokerOver(connection: number | undefined, now: MonotonicMillis): void {
    this.#connection = connection ?? 0;
    this.#changedAt = now;
  }

  /** End sessions whose broker is gone for good, and say what was last known of them. */
  sweep(now: EpochMillis, monotonic: MonotonicMillis): Lost[] {
    if (this.#changedAt === undefined || between(this.#changedAt, monotonic) < SETTLE) return [];
    this.#changedAt = undefined;
    const lost: Lost[] = [];
    for (const row of this.#live.values()) {
      if (row.connection === this.#connection) continue;
      const reason = 'the broker process ended';
      lost.push({ grant: row.grant, progress: row.progress, reason });
      this.ended(row.progress, reason, now);
    }
    return lost;
  }

  /** Live sessions, newest first, then the ended, latest first. */
  rows(): SessionRow[] {
    const live = [...this.#live.values()].map(({ grant, progress }): SessionRow => ({ grant, progress }));
    live.sort((a, b) => b.progress.startedAt - a.progress.startedAt);
    return [...live, ...this.#ended.toReversed()];
  }
}
