/**
 * Reviews: what broken glass, emergencies and sessions that policy wants reviewed leave behind. Each stays open until somebody says what came of it, and
 * that is somebody else than whose doing it was. An overdue one stands on the health list until then; nothing else
 * closes it, not a restart and not the end of what it is about.
 */
import { review } from '../wire/life.ts';
import type { Actor, Review } from '../wire/life.ts';
import { Fault } from '../wire/errors.ts';
import { hours } from '../wire/units.ts';
import type { Finding } from './own-health.ts';
import { Shelf } from './shelf.ts';
import { newId } from './surroundings.ts';
import type { Surroundings } from './surroundings.ts';

/** Sessions named in one review. */
const MAX_SESSIONS = 256;

export class Reviews {
  readonly #around: Surroundings;
  readonly #shelf: Shelf<Review>;

  constructor(around: Surroundings) {
    this.#around = around;
    this.#shelf = new Shelf({
      kind: 'review',
      schema: review,
      store: around.store,
      id: (item) => item.id,
      at: (item) => item.opened,
      isOpen: (item) => !item.closed,
    });
  }

  open(what: Pick<Review, 'of' | 'about' | 'summary' | 'user'>, withinHours: number): Review {
    const { clock, journal } = this.#around;
    const opened = clock.now();
    const made: Review = {
      id: newId('review', this.#around),
      ...what,
      summary: what.summary.slice(0, 600),
      opened,
      due: opened + hours(withinHours),
      sessions: [],
    };
    this.#shelf.put(made);
    journal.write('review.opened', { review: made });
    return made;
  }

  /** A session was opened under what is (or was) reviewed. */
  session(about: string, session: string): void {
    for (const item of this.#shelf.open()) {
      if (item.about !== about || item.sessions.length >= MAX_SESSIONS) continue;
      if (!item.sessions.includes(session))
        this.#shelf.put({ ...item, sessions: [...item.sessions, session] });
    }
  }

  /** Policy wants a session reviewed; it is opened once, however often that is said. */
  ofSession(session: string, { user, summary }: Pick<Review, 'summary' | 'user'>, withinHours: number): void {
    if (this.#shelf.all().some((item) => item.about === session)) return;
    const made = this.open(
      { of: 'session', about: session, summary, ...(user === undefined ? {} : { user }) },
      withinHours,
    );
    this.session(made.about, session);
  }

  /** Faults REVIEW_UNKNOWN and REVIEW_REFUSED. `user`: who `actor` is, where that is known. */
  close(
    id: string,
    actor: Actor,
    user: string | undefined,
    said: { readonly finding: 'justified' | 'not-justified' | 'unclear'; readonly note: string },
  ): Review {
    const item = this.#shelf.get(id);
    if (!item || item.closed) throw new Fault('REVIEW_UNKNOWN', id);
    if (item.user !== undefined && (user === item.user || actor.by === item.user))
      throw new Fault('REVIEW_REFUSED', `it is about ${item.user}`);
    const closed: Review = { ...item, closed: { at: this.#around.clock.now(), actor, ...said } };
    this.#shelf.put(closed);
    this.#around.journal.write('review.closed', { review: closed });
    return closed;
  }

  /** Open ones first by their due date, then the closed, the latest first. */
  list(): Review[] {
    const open = this.#shelf.open().sort((a, b) => a.due - b.due);
    const closed = this.#shelf.all().filter((item) => item.closed);
    return [...open, ...closed.sort((a, b) => (b.closed?.at ?? 0) - (a.closed?.at ?? 0))];
  }

  flush(): void {
    this.#shelf.flush();
  }

  finding(): Finding {
    const open = this.#shelf.open();
    const now = this.#around.clock.now();
    const overdue = open.filter((item) => item.due < now);
    if (overdue.length > 0)
      return {
        level: 'critical',
        text: `${overdue.length} of ${open.length} open reviews are overdue, the oldest for ${Math.ceil((now - Math.min(...overdue.map((item) => item.due))) / 3_600_000)} h: ${overdue[0]?.summary ?? ''} List them with "anteroom review list".`,
      };
    if (open.length > 0) return { level: 'warning', text: `${open.length} reviews are open.` };
    return { level: 'ok', text: 'No review is open.' };
  }
}
