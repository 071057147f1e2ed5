/**
 * From an evaluation to the immutable answer: a Grant, or a refusal where nothing is permitted.
 *
 * `expiresAt` is the earliest instant at which the clock alone may change the answer, at most the session's end.
 * Posture, roles and the policy set change by events; whoever holds the session decides again then.
 *
 * A session has two clocks, absolute and idle. Each permit has its own, by `@session` and `@idle`, or else the
 * configured ones. Of the permits of one action the longest counts, since any of them would do; of the actions
 * permitted the shortest, since the session ends for all of them. So a session lives on with what remains when a
 * permit goes.
 */
import type { Decision } from '../wire/grant.ts';
import type { SessionId } from '../wire/ids.ts';
import { after, millis } from '../wire/units.ts';
import type { EpochMillis } from '../wire/units.ts';
import { evaluate } from './evaluate.ts';
import type { Evaluation } from './evaluate.ts';
import type { PolicySet } from './policy-set.ts';
import type { AccessRequest } from './request.ts';
import { nextMark } from './time-marks.ts';

export interface DecisionLimits {
  /** Clocks of permits that have none of their own, ms. */
  readonly idle: number;
  readonly session: number;
  /** When an open session ends. A later decision may bring that nearer and never puts it off. */
  readonly end?: EpochMillis;
}

function clock(
  set: PolicySet,
  evaluation: Evaluation,
  which: 'session' | 'idle',
  configured: number,
): number {
  let shortest = Infinity;
  for (const ids of evaluation.permits.values())
    shortest = Math.min(shortest, Math.max(...ids.map((id) => set.policies.get(id)?.[which] ?? configured)));
  return shortest;
}

export function decide(
  set: PolicySet,
  request: AccessRequest,
  session: SessionId,
  now: EpochMillis,
  limits: DecisionLimits,
): { readonly decision: Decision; readonly evaluation: Evaluation } {
  const evaluation = evaluate(set, request);
  const { subject, target } = request;
  if (evaluation.permitted.length === 0) {
    return {
      evaluation,
      decision: {
        decision: 'deny',
        refusal: {
          session,
          subject,
          target,
          code: 'POLICY_DENIED',
          rules: [...evaluation.refusedBy],
          reasons: [...new Set(evaluation.denials.map((each) => each.reason))],
          revision: set.revision,
        },
      },
    };
  }
  const idle = clock(set, evaluation, 'idle', limits.idle);
  const whole = after(now, millis(clock(set, evaluation, 'session', limits.session)));
  const end = Math.min(whole, limits.end ?? whole);
  const change = nextMark(set.times, now, request.time) ?? end;
  return {
    evaluation,
    decision: {
      decision: 'permit',
      grant: {
        session,
        subject,
        target,
        actions: [...evaluation.permitted],
        obligations: [...evaluation.obligations],
        limits: { idle, end },
        expiresAt: Math.min(change, end),
        rules: [...evaluation.rules],
        denials: [...evaluation.denials],
        revision: set.revision,
      },
    },
  };
}
