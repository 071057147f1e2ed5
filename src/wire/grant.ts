/**
 * The Grant: the immutable answer of policy for one session, and the refusal that stands in its place.
 * Everything an audit record or a status row says of a session comes from here.
 */
import * as z from 'zod';
import { action, kexMode, protocol } from './action.ts';
import type { Action } from './action.ts';
import { endpoint } from './address.ts';
import { finding, instant, requestFacts } from './facts.ts';
import { deviceId, peerId, resourceId, sessionId, tunnelSessionId, userId } from './ids.ts';
import { anyText, integer } from './scalar.ts';

/** Posture of the user's own device, as last reported. */
export const posture = z.strictObject({
  /** The ladder: allow, warn, step down, quarantine; `unknown` without a report that counts. */
  level: z.enum(['good', 'minor', 'major', 'critical', 'unknown']),
  /** 0 (worst) to 100. */
  score: integer.min(0).max(100),
  /** What isn't as it should be, the gravest first. */
  findings: z.array(finding).optional(),
});
export type Posture = z.infer<typeof posture>;

/** Who is asking, from where, over what: facts of the running session. */
export const subject = z.strictObject({
  user: userId,
  roles: z.array(anyText),
  peer: peerId,
  /** The user's device (laptop, workstation). */
  userDevice: anyText,
  posture,
  kex: kexMode,
  /** The tunnel session that carried the first packet; absent on a local path. */
  tunnelSession: tunnelSessionId.optional(),
  source: endpoint,
});
export type Subject = z.infer<typeof subject>;

/** What is asked for. */
export const target = z.strictObject({
  resource: resourceId,
  device: deviceId,
  protocol,
  /** The virtual address that was dialled. */
  virtual: endpoint,
  /** The device's own address: the only place a session's broker may dial. */
  dial: endpoint,
});
export type Target = z.infer<typeof target>;

/** Advice and duties that come with a grant. */
export const obligation = z.strictObject({
  /** `quarantine`: nothing but what is marked for remediation. */
  kind: z.enum(['warn', 'record', 'watch', 'step-up', 'review', 'watermark', 'quarantine']),
  text: anyText,
});
export type Obligation = z.infer<typeof obligation>;

/** An authentication that would permit what is refused without it. */
export const stepUp = z.strictObject({
  method: z.enum(['any', 'phishing-resistant']),
  /** How old it may be, ms. */
  maxAge: integer.positive().optional(),
  /** Where to do it, for people; empty where the site doesn't say. */
  where: anyText,
});
export type StepUp = z.infer<typeof stepUp>;

/** For machines, inside a refusal's words: `STEP_UP_REQUIRED method=any max-age=3600 where=https://…`, seconds. */
export function stepUpText({ method, maxAge, where }: StepUp): string {
  const age = maxAge === undefined ? '' : ` max-age=${Math.floor(maxAge / 1000)}`;
  return `STEP_UP_REQUIRED method=${method}${age}${where === '' ? '' : ` where=${where}`}`;
}

/** Whether a grant asks for it. */
export const obliges = (grant: Grant, kind: Obligation['kind']): boolean =>
  grant.obligations.some((each) => each.kind === kind);

/** How far up the ladder: what a grant leaves out because of a condition that may pass. */
export const rungs = ['allow', 'warn', 'step-down', 'quarantine'] as const;

/** Actions that a grant leaves out for one reason. */
export const denial = z.strictObject({
  actions: z.array(action).min(1),
  /** Ids of the policies that took them away, sorted; empty where no policy permits them. */
  rules: z.array(anyText),
  /** In words for the user. */
  reason: anyText,
  stepUp: stepUp.optional(),
});
export type Denial = z.infer<typeof denial>;

export const grant = z.strictObject({
  session: sessionId,
  subject,
  target,
  /** The permitted set, never empty: a session that may do nothing is refused. */
  actions: z.array(action).min(1),
  obligations: z.array(obligation),
  limits: z.strictObject({
    /** Session ends when nothing passed for this long, ms. */
    idle: integer.positive(),
    /** Session ends at this instant whatever happens, epoch ms. */
    end: integer.positive(),
  }),
  /** The earliest instant at which the answer may change, epoch ms. At most `limits.end`. */
  expiresAt: integer.positive(),
  /** Ids of the policies that determined the permitted actions, sorted. */
  rules: z.array(anyText).min(1),
  /** Every action that is *not* permitted, by reason; sorted by reason. */
  denials: z.array(denial),
  /** Revision of the policy set that decided. */
  revision: anyText,
  /** When the session began, epoch ms: what its absolute end counts from. */
  start: integer.positive().optional(),
  rung: z.enum(rungs).optional(),
  /** What was decided on, besides `subject` and `target`. */
  facts: requestFacts.optional(),
});
export type Grant = z.infer<typeof grant>;

/** Why `action` isn't permitted; an empty list when it is, or when nobody said. */
export const denialsOf = (grant: Grant, action: Action): Denial[] =>
  grant.denials.filter((each) => each.actions.includes(action));

/** A decision that permits nothing. `rules` is empty for the default deny. */
export const refusal = z.strictObject({
  session: sessionId,
  subject: subject.optional(),
  target: target.optional(),
  /** A code of the error table. */
  code: anyText,
  rules: z.array(anyText),
  reasons: z.array(anyText).min(1),
  revision: anyText,
  /** Authentications of which each would permit something. */
  stepUp: z.array(stepUp).optional(),
  /** The earliest instant at which the clock alone may change it, epoch ms. */
  changesAt: instant.optional(),
  facts: requestFacts.optional(),
});
export type Refusal = z.infer<typeof refusal>;

export const decision = z.discriminatedUnion('decision', [
  z.strictObject({ decision: z.literal('permit'), grant }),
  z.strictObject({ decision: z.literal('deny'), refusal }),
]);
export type Decision = z.infer<typeof decision>;
