/**
 * Refusals, coalesced: the first of a reason is reported at once, the next ones of that reason in one report
 * when REFUSAL_INTERVAL has passed. A flood costs a handful of audit records a minute, and every refusal is
 * in a count. Where the peer is known, each peer has its own: what one does hides nothing of another.
 */
import { after } from '../wire/units.ts';
import type { MonotonicMillis } from '../wire/units.ts';
import { REFUSAL_INTERVAL } from './constants.ts';
import type { Refusal } from './effect.ts';

interface Held {
  next: MonotonicMillis;
  refusal: Refusal | undefined;
}

export class RefusalLog {
  readonly #held = new Map<string, Held>();

  /** The refusal to report now, if any. */
  add(refusal: Omit<Refusal, 'count'>, now: MonotonicMillis): Refusal | undefined {
    const kind = `${refusal.reason} ${refusal.peer ?? ''}`;
    const held = this.#held.get(kind);
    if (!held) {
      this.#held.set(kind, { next: after(now, REFUSAL_INTERVAL), refusal: undefined });
      return { ...refusal, count: 1 };
    }
    held.refusal = { ...refusal, count: (held.refusal?.count ?? 0) + 1 };
    return undefined;
  }

  get deadline(): MonotonicMillis | undefined {
    let earliest: MonotonicMillis | undefined;
    for (const { next } of this.#held.values())
      if (earliest === undefined || next < earliest) earliest = next;
    return earliest;
  }

  /** Reports that are due. A reason that stayed quiet for the interval begins anew. */
  due(now: MonotonicMillis): Refusal[] {
    const reports: Refusal[] = [];
    for (const [kind, held] of this.#held) {
      if (held.next > now) continue;
      if (held.refusal) {
        reports.push(held.refusal);
        held.refusal = undefined;
        held.next = after(now, REFUSAL_INTERVAL);
      } else this.#held.delete(kind);
    }
    return reports;
  }

  /** Everything that is held, due or not: the last words before the end. */
  flush(): Refusal[] {
    const reports = [...this.#held.values()].map((held) => held.refusal).filter((r) => r !== undefined);
    this.#held.clear();
    return reports;
  }
}
