/**
 * Reports of facts come in here: from an operator or an agent by `operator.facts`, from the portal for the peer itself.
 * A report that says something new goes on record, and live sessions of whom it is about are decided again before the
 * caller has its answer.
 */
import type { Fact } from '../wire/facts.ts';
import type { Grant } from '../wire/grant.ts';
import type { About, FactStore } from './facts.ts';
import { operatorName } from './handlers.ts';
import type { Journal } from './journal.ts';
import type { ControlHandlers } from './ports.ts';

export interface ReportsOptions {
  readonly facts: FactStore;
  readonly journal: Pick<Journal, 'write'>;
  readonly reconsider: (concerns: (grant: Grant) => boolean) => void;
}

const isAbout =
  (about: About) =>
  ({ subject }: Grant): boolean =>
    'peer' in about ? subject.peer === about.peer : subject.user === about.user;

/** What a fact says, without when it was said. */
const content = (fact: Fact): string => JSON.stringify({ ...fact, at: undefined });

export class Reports {
  readonly #options: ReportsOptions;

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  /** All of them in order, up to the first that is refused (Fault FACT_INVALID). `by`: who says so. */
  take(reported: readonly Fact[], by: string): void {
    const { facts, journal, reconsider } = this.#options;
    for (const fact of reported) {
      const held = facts.of(fact.kind, 'peer' in fact ? fact.peer : fact.user)?.fact;
      const about = facts.report(fact);
      if (!held || content(held) !== content(fact)) journal.write('fact.reported', { fact, by });
      reconsider(isAbout(about));
    }
  }
}

export const reportHandlers = (reports: Reports): Pick<ControlHandlers, 'operator.facts'> => ({
  'operator.facts': ({ facts }, caller) => {
    reports.take(facts, operatorName(caller));
    return {};
  },
});
