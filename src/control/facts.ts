/**
 * What was reported of peers and users: posture, authentication, location, risk, shift, assignment; of each kind the
 * latest. Kept in the state store, so that a restart of control doesn't turn every device into one without posture.
 *
 * What surprises: a report's age grows by whichever clock has moved farther, the wall clock or the one that never goes
 * back. So a clock that was set back keeps nothing young, and one that was set forward makes reports old, which is
 * the safe side. A report from the future or older than the one held is refused, and so is one without its time.
 */
import type { Since } from '../policy/posture.ts';
import { sinceAfter } from '../policy/posture.ts';
import { Fault } from '../wire/errors.ts';
import { fact as factSchema } from '../wire/facts.ts';
import type { Fact, FactKind, FactOf } from '../wire/facts.ts';
import type { PeerId, UserId } from '../wire/ids.ts';
import type { PostureRules } from '../wire/site-data.ts';
import { after, between, epochMillis, minutes } from '../wire/units.ts';
import type { Clock, EpochMillis, MonotonicMillis } from '../wire/units.ts';
import type { StateStore } from './state-store.ts';

/** How far the clock of whoever reports may be ahead. */
export const AHEAD = minutes(5);

export type FactRow = {
  readonly key: string;
  /** `Held` as JSON. */
  readonly held: string;
};

interface Held {
  readonly fact: Fact;
  /** Of a posture report. */
  readonly since?: Since;
}

interface Entry extends Held {
  /** The report's age when it came, and when that was. */
  readonly ageThen: number;
  readonly monotonic: MonotonicMillis;
}

/** A fact, and the present by its own clock: `at` and its age. */
export interface Known<K extends FactKind> {
  readonly fact: FactOf<K>;
  readonly now: EpochMillis;
  readonly since: Since;
}

/** Whom a fact is about. */
export type About = { readonly peer: PeerId } | { readonly user: UserId };
export const aboutOf = (fact: Fact): About => ('peer' in fact ? { peer: fact.peer } : { user: fact.user });
const keyOf = (fact: Fact): string => `${fact.kind} ${'peer' in fact ? fact.peer : fact.user}`;

export interface FactStoreOptions {
  readonly clock: Clock;
  readonly store: Pick<StateStore, 'facts' | 'saveFacts'>;
  readonly known: (about: About) => boolean;
  readonly rules: () => PostureRules;
}

export class FactStore {
  readonly #options: FactStoreOptions;
  readonly #facts = new Map<string, Entry>();
  readonly #unwritten = new Map<string, string>();

  constructor(options: FactStoreOptions) {
    this.#options = options;
    for (const { key, held } of options.store.facts()) {
      const { fact, since } = JSON.parse(held) as Held;
      const parsed = factSchema.safeParse(fact);
      // From the future: the clock went back while nobody counted, and its age can't be known.
      if (parsed.success && parsed.data.at <= after(options.clock.now(), AHEAD))
        this.#facts.set(key, this.#entry({ fact: parsed.data, ...(since ? { since } : {}) }));
    }
  }

  /** Take a report. Fault FACT_INVALID, and then nothing has changed. */
  report(fact: Fact): About {
    const { clock, known, rules } = this.#options;
    const about = aboutOf(fact);
    const key = keyOf(fact);
    const now = clock.now();
    if (!known(about)) throw new Fault('FACT_INVALID', `${key}: not enrolled here`);
    if (fact.at > after(now, AHEAD)) throw new Fault('FACT_INVALID', `${key}: its time is in the future`);
    const held = this.#facts.get(key);
    if (held && fact.at < held.fact.at)
      throw new Fault('FACT_INVALID', `${key}: a later report is here already`);
    const since = fact.kind === 'posture' ? { since: sinceAfter(held?.since ?? {}, fact, rules(), now) } : {};
    this.#facts.set(key, this.#entry({ fact, ...since }));
    this.#unwritten.set(key, JSON.stringify({ fact, ...since }));
    this.flush();
    return about;
  }

  /** Write what isn't written yet; what can't be is kept for the next time. */
  flush(): void {
    const rows = [...this.#unwritten].map(([key, held]) => ({ key, held }));
    if (rows.length > 0 && this.#options.store.saveFacts(rows)) this.#unwritten.clear();
  }

  of<K extends FactKind>(kind: K, about: string): Known<K> | undefined {
    const entry = this.#facts.get(`${kind} ${about}`);
    if (!entry) return undefined;
    const { clock } = this.#options;
    const passed = between(entry.monotonic, clock.monotonic());
    const age = Math.round(Math.max(0, clock.now() - entry.fact.at, entry.ageThen + passed));
    return {
      fact: entry.fact as FactOf<K>,
      now: epochMillis(entry.fact.at + age),
      since: entry.since ?? {},
    };
  }

  all(): Fact[] {
    return [...this.#facts.values()].map(({ fact }) => fact);
  }

  #entry(held: Held): Entry {
    const { clock } = this.#options;
    const ageThen = Math.max(0, clock.now() - held.fact.at);
    return { ...held, ageThen, monotonic: clock.monotonic() };
  }
}
