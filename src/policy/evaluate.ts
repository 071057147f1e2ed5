/**
 * The graded decision: the set is asked once for every action, and what it allows is the permitted set.
 *
 * Default deny. A forbid outweighs every permit (Cedar's own rule). An action whose evaluation fails in any policy
 * is refused, also when other policies would permit it: Cedar alone would skip a forbid that fails.
 */
import { actions } from '../wire/action.ts';
import type { Action } from '../wire/action.ts';
import type { Denial, Obligation } from '../wire/grant.ts';
import type { PolicySet, Verdict } from './policy-set.ts';
import { readQuestion } from './request.ts';
import type { AccessRequest } from './request.ts';
import { EvaluationError } from './values.ts';

export interface Evaluation {
  /** In the order of the action table. */
  readonly permitted: readonly Action[];
  /** Ids of the policies that permitted them, sorted. */
  readonly rules: readonly string[];
  /** Ids of the policies that took an action away or failed over it, sorted; empty for the default deny. */
  readonly refusedBy: readonly string[];
  /** Every action that isn't permitted, once for each reason; sorted by reason. */
  readonly denials: readonly Denial[];
  /** Advice and duties. The schema has no words for them yet, so there are none. */
  readonly obligations: readonly Obligation[];
  /** What went wrong while evaluating, for the log and the health list; empty in good order. */
  readonly failures: readonly string[];
}

const sorted = (set: ReadonlySet<string>): readonly string[] => [...set].sort();

/** Gathers the actions that are denied by the same policies for the same reason. */
class Denials {
  readonly #groups = new Map<string, Denial>();

  add(action: Action, rules: readonly string[], reason: string): void {
    const key = JSON.stringify([reason, rules]);
    const group = this.#groups.get(key);
    if (group) group.actions.push(action);
    else this.#groups.set(key, { actions: [action], rules: [...rules].sort(), reason });
  }

  list(): readonly Denial[] {
    return [...this.#groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
  }
}

/** A question that doesn't fit the schema is answered by a failure, action by action. */
function asker(set: PolicySet, request: AccessRequest): (action: Action) => Verdict {
  try {
    const question = readQuestion(request);
    return (action) => set.authorize(question, action);
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    const { message: detail } = error;
    return () => ({ kind: 'failed', policies: [], detail });
  }
}

export function evaluate(set: PolicySet, request: AccessRequest): Evaluation {
  const ask = asker(set, request);
  const permitted: Action[] = [];
  const rules = new Set<string>();
  const refusedBy = new Set<string>();
  const denials = new Denials();
  const failures = new Set<string>();

  for (const action of actions) {
    const verdict = ask(action);
    if (verdict.kind === 'failed') {
      const which = verdict.policies.length > 0 ? ` (${verdict.policies.join(', ')})` : '';
      for (const id of verdict.policies) refusedBy.add(id);
      denials.add(action, verdict.policies, `A policy could not be evaluated${which}, so it is refused.`);
      failures.add(`${action}${which}: ${verdict.detail}`);
    } else if (verdict.allow) {
      permitted.push(action);
      for (const id of verdict.determining) rules.add(id);
    } else {
      for (const id of verdict.determining) {
        refusedBy.add(id);
        denials.add(action, [id], set.policies.get(id)?.reason ?? id);
      }
      if (verdict.determining.length === 0) denials.add(action, [], 'No policy permits it.');
    }
  }
  return {
    permitted,
    rules: sorted(rules),
    refusedBy: sorted(refusedBy),
    denials: denials.list(),
    obligations: [],
    failures: sorted(failures),
  };
}
