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
import type { ErrorCode } from '../wire/errors.ts';
import type { Decision } from '../wire/grant.ts';
import type { SessionId } from '../wire/ids.ts';
import { after, epochMillis, millis } from '../wire/units.ts';
import type { EpochMillis } from '../wire/units.ts';
import { evaluate } from './evaluate.ts';
import type { Evaluation } from './evaluate.ts';
import type { PolicySet } from './policy-set.ts';
import type { AccessRequest } from './request.ts';
import { nextAge, nextMark } from './time-marks.ts';

export interface DecisionLimits {
  /** Clocks of permits that have none of their own, ms. */
  readonly idle: number;
  readonly session: number;
  /** When an open session began: what its absolute clock counts from. */
  readonly start?: EpochMillis;
  /** Where users authenticate again, for people. */
  readonly where?: string;
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

/** The earliest instant at which the clock alone may change the answer. */
function changeOf(set: PolicySet, request: AccessRequest, now: EpochMillis): EpochMillis | undefined {
  const { authentication, changesAt, time } = request;
  const known = authentication?.at ?? (authentication && now - authentication.age * 60_000);
  const instants = [
    nextMark(set.times, now, time),
    known === undefined ? undefined : nextAge(set.ages, epochMillis(known), now),
    changesAt === undefined || changesAt <= now ? undefined : changesAt,
  ].filter((each) => each !== undefined);
  return instants.length > 0 ? epochMillis(Math.floor(Math.min(...instants))) : undefined;
}

function refusalCode({ obligations, stepUps }: Evaluation): ErrorCode {
  if (obligations.some(({ kind }) => kind === 'quarantine')) return 'DEVICE_QUARANTINED';
  return stepUps.length > 0 ? 'STEP_UP_REQUIRED' : 'POLICY_DENIED';
}

export function decide(
  set: PolicySet,
  request: AccessRequest,
  session: SessionId,
  now: EpochMillis,
  limits: DecisionLimits,
): { readonly decision: Decision; readonly evaluation: Evaluation } {
  const evaluation = evaluate(set, request, limits.where);
  const { subject, target, ...facts } = request;
  const change = changeOf(set, request, now);
  if (evaluation.permitted.length === 0) {
    const { stepUps } = evaluation;
    return {
      evaluation,
      decision: {
        decision: 'deny',
        refusal: {
          session,
          subject,
          target,
          code: refusalCode(evaluation),
          rules: [...evaluation.refusedBy],
          reasons: [...new Set(evaluation.denials.map((each) => each.reason))],
          revision: set.revision,
          ...(stepUps.length > 0 ? { stepUp: [...stepUps] } : {}),
          ...(change === undefined ? {} : { changesAt: change }),
          facts,
        },
      },
    };
  }
  const idle = clock(set, evaluation, 'idle', limits.idle);
  const start = limits.start ?? now;
  const whole = after(start, millis(clock(set, evaluation, 'session', limits.session)));
  const end = Math.min(whole, limits.end ?? whole);
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
        expiresAt: Math.min(change ?? end, end),
        rules: [...evaluation.rules],
        denials: [...evaluation.denials],
        revision: set.revision,
        start,
        rung: evaluation.rung,
        facts,
      },
    },
  };
}
