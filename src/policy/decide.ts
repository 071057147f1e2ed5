/**
 * From an evaluation to the immutable answer: a Grant, or a refusal where nothing is permitted.
 *
 * `expiresAt` is the earliest instant at which the clock alone may change the answer, at most the session's end.
 * Posture, roles and the policy set change by events; whoever holds the session decides again then.
 */
import type { Decision } from '../wire/grant.ts';
import type { SessionId } from '../wire/ids.ts';
import type { EpochMillis } from '../wire/units.ts';
import { evaluate } from './evaluate.ts';
import type { Evaluation } from './evaluate.ts';
import type { PolicySet } from './policy-set.ts';
import type { AccessRequest } from './request.ts';
import { nextMark } from './time-marks.ts';

export interface DecisionLimits {
  /** Ms without traffic after which the session ends. */
  readonly idle: number;
  /** When the session ends whatever happens. A later decision on the same session keeps the first one's. */
  readonly end: EpochMillis;
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
  const change = nextMark(set.times, now, request.time) ?? limits.end;
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
        limits: { idle: limits.idle, end: limits.end },
        expiresAt: Math.min(change, limits.end),
        rules: [...evaluation.rules],
        denials: [...evaluation.denials],
        revision: set.revision,
      },
    },
  };
}
