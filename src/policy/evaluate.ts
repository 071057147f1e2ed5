/**
 * The graded decision: the set is asked once for every action, and what it allows is the permitted set.
 *
 * Default deny. A forbid outweighs every permit (Cedar's own rule). An action whose evaluation fails in any policy
 * is refused, also when other policies would permit it: Cedar alone would skip a forbid that fails. In the same way an
 * obligation whose evaluation fails is required.
 */
import { actions } from '../wire/action.ts';
import type { Action } from '../wire/action.ts';
import type { Denial, Obligation } from '../wire/grant.ts';
import { obligationKinds } from './lint.ts';
import type { ObligationKind } from './lint.ts';
import type { PolicySet, Verdict } from './policy-set.ts';
import { readQuestion } from './request.ts';
import type { AccessRequest } from './request.ts';
import { EvaluationError } from './values.ts';

export interface Evaluation {
  /** In the order of the action table. */
  readonly permitted: readonly Action[];
  /** For each of them, ids of the policies that permitted it. */
  readonly permits: ReadonlyMap<Action, readonly string[]>;
  /** The same ids together, sorted. */
  readonly rules: readonly string[];
  /** Ids of the policies that took an action away or failed over it, sorted; empty for the default deny. */
  readonly refusedBy: readonly string[];
  /** Every action that isn't permitted, once for each reason; sorted by reason. */
  readonly denials: readonly Denial[];
  /** Advice and duties, in the order of the wire's table; the texts of one are sorted. */
  readonly obligations: readonly Obligation[];
  /** Ids of the policies that required them, sorted. */
  readonly obligedBy: readonly string[];
  /** What went wrong while evaluating, for the log and the health list; empty in good order. */
  readonly failures: readonly string[];
}

const sorted = (set: ReadonlySet<string>): readonly string[] => [...set].sort();

/** Gathers the actions that are denied by the same policies for the same reason. */
class Denials {
  readonly #groups = new Map<string, Denial>();

  add(action: Action, rules: readonly string[], reason: string): void {
    const key = `${reason}\0${rules.join('\0')}`;
    const group = this.#groups.get(key);
    if (group) group.actions.push(action);
    else this.#groups.set(key, { actions: [action], rules: [...rules].sort(), reason });
  }

  list(): readonly Denial[] {
    return [...this.#groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
  }
}

interface Asker {
  readonly action: (action: Action) => Verdict;
  readonly obligation: (kind: ObligationKind) => Verdict;
}

/** A question that doesn't fit the schema is answered by a failure, action by action. */
function asker(set: PolicySet, request: AccessRequest): Asker {
  try {
    const question = readQuestion(request);
    return {
      action: (action) => set.authorize(question, action),
      obligation: (kind) => set.obliges(question, kind),
    };
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    const failed = { kind: 'failed', policies: [], detail: error.message } as const;
    return { action: () => failed, obligation: () => failed };
  }
}

const named = (policies: readonly string[]): string =>
  policies.length > 0 ? ` (${policies.join(', ')})` : '';

/** What is required; also where a policy about it fails, for it might have required it. */
function obligationsOf(
  set: PolicySet,
  ask: Asker,
  obligedBy: Set<string>,
  failures: Set<string>,
): Obligation[] {
  const found: Obligation[] = [];
  for (const kind of obligationKinds) {
    const verdict = ask.obligation(kind);
    if (verdict.kind === 'failed') {
      for (const id of verdict.policies) obligedBy.add(id);
      const which = named(verdict.policies);
      found.push({ kind, text: `A policy could not be evaluated${which}, so it is required.` });
      failures.add(`${kind}${which}: ${verdict.detail}`);
    } else if (verdict.allow) {
      for (const id of verdict.determining) obligedBy.add(id);
      const texts = new Set(verdict.determining.map((id) => set.policies.get(id)?.reason ?? id));
      for (const text of sorted(texts)) found.push({ kind, text });
    }
  }
  return found;
}

export function evaluate(set: PolicySet, request: AccessRequest): Evaluation {
  const ask = asker(set, request);
  const permits = new Map<Action, readonly string[]>();
  const rules = new Set<string>();
  const refusedBy = new Set<string>();
  const denials = new Denials();
  const obligedBy = new Set<string>();
  const failures = new Set<string>();

  for (const action of actions) {
    const verdict = ask.action(action);
    if (verdict.kind === 'failed') {
      const which = named(verdict.policies);
      for (const id of verdict.policies) refusedBy.add(id);
      denials.add(action, verdict.policies, `A policy could not be evaluated${which}, so it is refused.`);
      failures.add(`${action}${which}: ${verdict.detail}`);
    } else if (verdict.allow) {
      permits.set(action, verdict.determining);
      for (const id of verdict.determining) rules.add(id);
    } else {
      for (const id of verdict.determining) {
        refusedBy.add(id);
        denials.add(action, [id], set.policies.get(id)?.reason ?? id);
      }
      if (verdict.determining.length === 0) denials.add(action, [], 'No policy permits it.');
    }
  }
  // Nothing is asked of a session that may do nothing.
  const obligations = permits.size > 0 ? obligationsOf(set, ask, obligedBy, failures) : [];
  return {
    permitted: [...permits.keys()],
    permits,
    rules: sorted(rules),
    refusedBy: sorted(refusedBy),
    denials: denials.list(),
    obligations,
    obligedBy: sorted(obligedBy),
    failures: sorted(failures),
  };
}
