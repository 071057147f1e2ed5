/**
 * The graded decision: the set is asked once for every action, and what it allows is the permitted set.
 *
 * Default deny. A forbid outweighs every permit (Cedar's own rule). An action whose evaluation fails in any policy
 * is refused, also when other policies would permit it: Cedar alone would skip a forbid that fails. In the same way an
 * obligation whose evaluation fails is required.
 *
 * The obligation `quarantine` is carried out here: nothing is permitted but on resources marked for remediation.
 */
import { actions } from '../wire/action.ts';
import type { Action } from '../wire/action.ts';
import type { Denial, Grant, Obligation, StepUp } from '../wire/grant.ts';
import { FINDINGS, obligationKinds } from './lint.ts';
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
  /** Authentications of which each would permit an action that is refused without it. */
  readonly stepUps: readonly StepUp[];
  readonly rung: NonNullable<Grant['rung']>;
  /** What went wrong while evaluating, for the log and the health list; empty in good order. */
  readonly failures: readonly string[];
}

const sorted = (set: ReadonlySet<string>): readonly string[] => [...set].sort();

/** Gathers the actions that are denied by the same policies for the same reason. */
class Denials {
  readonly #groups = new Map<string, Denial>();

  add(action: Action, rules: readonly string[], reason: string, stepUp?: StepUp): void {
    const key = `${reason}\0${rules.join('\0')}${stepUp ? '\0' : ''}`;
    const group = this.#groups.get(key);
    if (group) group.actions.push(action);
    else
      this.#groups.set(key, {
        actions: [action],
        rules: [...rules].sort(),
        reason,
        ...(stepUp ? { stepUp } : {}),
      });
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

/** A policy's @reason, with what the user's device has to put right where it says so. */
function reasonOf(set: PolicySet, id: string, { subject }: AccessRequest): string {
  const reason = set.policies.get(id)?.reason ?? id;
  if (!reason.includes(FINDINGS)) return reason;
  const texts = (subject.posture.findings ?? []).map(({ text, by }) =>
    by === undefined ? text : `${text} Until ${by}.`,
  );
  return reason.replaceAll(FINDINGS, texts.join(' ')).trim();
}

/**
 * What is required; also where a policy about it fails, for it might have required it. `stepUps`: reasons for refusals
 * that another authentication would lift.
 */
function obligationsOf(
  set: PolicySet,
  request: AccessRequest,
  ask: Asker,
  stepUps: ReadonlySet<string>,
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
    } else {
      const texts = new Set(kind === 'step-up' ? stepUps : []);
      if (verdict.allow)
        for (const id of verdict.determining) {
          obligedBy.add(id);
          texts.add(reasonOf(set, id, request));
        }
      for (const text of sorted(texts)) found.push({ kind, text });
    }
  }
  return found;
}

/** The demands of several policies in one, or undefined where one of them is none. */
function together(set: PolicySet, ids: readonly string[], where: string): StepUp | undefined {
  let method: StepUp['method'] = 'any';
  let maxAge = Infinity;
  for (const id of ids) {
    const stepUp = set.policies.get(id)?.stepUp;
    if (!stepUp) return undefined;
    if (stepUp.method !== 'any') method = stepUp.method;
    maxAge = Math.min(maxAge, stepUp.maxAge ?? Infinity);
  }
  return { method, ...(maxAge === Infinity ? {} : { maxAge }), where };
}

/** One session in quarantine: what isn't for remediation is taken away. */
function quarantine(
  permits: Map<Action, unknown>,
  denials: Denials,
  obligations: readonly Obligation[],
): void {
  const text = obligations.find(({ kind }) => kind === 'quarantine')?.text ?? '';
  for (const action of permits.keys()) denials.add(action, [], text);
  permits.clear();
}

/** `where`: where users authenticate again, for refusals. */
export function evaluate(set: PolicySet, request: AccessRequest, where = ''): Evaluation {
  const ask = asker(set, request);
  const permits = new Map<Action, readonly string[]>();
  const refusedBy = new Set<string>();
  const denials = new Denials();
  const obligedBy = new Set<string>();
  const failures = new Set<string>();
  const stepUps = new Map<string, StepUp>();
  const stepUpReasons = new Set<string>();
  let steppedDown = false;

  for (const action of actions) {
    const verdict = ask.action(action);
    if (verdict.kind === 'failed') {
      const which = named(verdict.policies);
      for (const id of verdict.policies) refusedBy.add(id);
      denials.add(action, verdict.policies, `A policy could not be evaluated${which}, so it is refused.`);
      failures.add(`${action}${which}: ${verdict.detail}`);
    } else if (verdict.allow) {
      permits.set(action, verdict.determining);
    } else {
      const { determining, overridden } = verdict;
      for (const id of determining) {
        refusedBy.add(id);
        const lifts = overridden ? together(set, [id], where) : undefined;
        denials.add(action, [id], reasonOf(set, id, request), lifts);
      }
      if (determining.length === 0) denials.add(action, [], 'No policy permits it.');
      const stepUp = overridden ? together(set, determining, where) : undefined;
      if (stepUp) {
        stepUps.set(JSON.stringify(stepUp), stepUp);
        for (const id of determining) stepUpReasons.add(reasonOf(set, id, request));
      }
      if (overridden && determining.every((id) => set.policies.get(id)?.tier === 'soft')) steppedDown = true;
    }
  }
  // Nothing is asked of a session that may do nothing.
  const obligations =
    permits.size > 0 ? obligationsOf(set, request, ask, stepUpReasons, obligedBy, failures) : [];
  const kinds = new Set(obligations.map((each) => each.kind));
  const quarantined = kinds.has('quarantine');
  if (quarantined && request.resource?.remediation !== true) quarantine(permits, denials, obligations);
  const rules = new Set([...permits.values()].flat());
  return {
    permitted: [...permits.keys()],
    permits,
    rules: sorted(rules),
    refusedBy: sorted(refusedBy),
    denials: denials.list(),
    obligations,
    obligedBy: sorted(obligedBy),
    stepUps: [...stepUps.values()],
    rung: quarantined ? 'quarantine' : steppedDown ? 'step-down' : kinds.has('warn') ? 'warn' : 'allow',
    failures: sorted(failures),
  };
}

/** Whether the user may open a session by break-glass; a policy that fails over it refuses. */
export interface BreakGlassAnswer {
  readonly allowed: boolean;
  /** Ids of the policies that decided, sorted, and what they say. */
  readonly rules: readonly string[];
  readonly reasons: readonly string[];
}

export function evaluateBreakGlass(set: PolicySet, request: AccessRequest): BreakGlassAnswer {
  const refused = (rules: readonly string[], reason: string): BreakGlassAnswer => ({
    allowed: false,
    rules,
    reasons: [reason],
  });
  let verdict: Verdict;
  try {
    verdict = set.mayBreakGlass(readQuestion(request));
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    return refused([], 'A policy could not be evaluated, so it is refused.');
  }
  if (verdict.kind === 'failed')
    return refused(
      verdict.policies,
      `A policy could not be evaluated${named(verdict.policies)}, so it is refused.`,
    );
  const { allow, determining } = verdict;
  if (determining.length === 0) return refused([], 'No policy lets you break the glass here.');
  const reasons = new Set(determining.map((id) => reasonOf(set, id, request)));
  return { allowed: allow, rules: determining, reasons: sorted(reasons) };
}
