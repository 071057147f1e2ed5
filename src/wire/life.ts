/**
 * What people open and close at a gateway besides sessions: the broken glass, the emergency, the request for access,
 * the review that follows, the attestation that something is still needed. Shapes as they are kept, listed and audited.
 *
 * What surprises: `until` is for people. What ends by itself ends by the machine's own time (`ends`, ms of
 * `control/machine-time.ts`), which nobody can set.
 */
import * as z from 'zod';
import { action } from './action.ts';
import { sentence, word } from './facts.ts';
import { peerId, resourceId, userId } from './ids.ts';
import { anyText, count, filledText, integer, text } from './scalar.ts';

const instant = count;

/** `glass-`, `emergency-`, `request-` or `review-`, and 64 random bits. */
const idOf = (kind: string): z.ZodString =>
  z
    .string()
    .regex(
      new RegExp(`^${kind}-[0-9a-f]{16}$`),
      `must be a ${kind} id: ${kind}-, then 16 hexadecimal digits`,
    );
export const glassId = idOf('glass');
export const emergencyId = idOf('emergency');
export const requestId = idOf('request');
export const reviewId = idOf('review');

/** Who did something by hand: a user by the portal, a local account by the command line, a signed order. */
export const actor = z.strictObject({
  by: filledText(100),
  via: z.enum(['portal', 'command line', 'signed order', 'offline credential', 'gateway']),
});
export type Actor = z.infer<typeof actor>;

const ended = z.strictObject({ at: instant, why: text(300), actor: actor.optional() });

/** Break-glass by one user on one device, for one scenario. */
export const glass = z.strictObject({
  id: glassId,
  scenario: word,
  user: userId,
  peer: peerId,
  resources: z.array(resourceId).min(1).max(4096),
  reason: sentence,
  from: instant,
  until: instant,
  ends: z.number().nonnegative(),
  ended: ended.optional(),
});
export type Glass = z.infer<typeof glass>;

/** Emergency mode of the site. */
export const emergency = z.strictObject({
  id: emergencyId,
  reason: sentence,
  started: actor,
  from: instant,
  until: instant,
  ends: z.number().nonnegative(),
  ended: ended.optional(),
});
export type Emergency = z.infer<typeof emergency>;

export const requestStates = ['waiting', 'approved', 'denied', 'withdrawn', 'expired', 'ended'] as const;

/** Somebody asks for access for a while. */
export const accessRequest = z.strictObject({
  id: requestId,
  /** The rule of the site's data that lets it be asked. */
  rule: word,
  user: userId,
  peer: peerId,
  resource: resourceId,
  actions: z.array(action).min(1),
  reason: sentence,
  ticket: word.optional(),
  hours: integer.min(1).max(720),
  state: z.enum(requestStates),
  at: instant,
  /** How many different people have to approve, and who did. */
  needs: integer.min(1).max(4),
  approvals: z.array(z.strictObject({ actor, at: instant, note: text(300) })).max(4),
  /** Of an approved one. */
  until: instant.optional(),
  /** When it stops waiting, or stops holding. */
  ends: z.number().nonnegative(),
  ended: ended.optional(),
});
export type LifeRequest = z.infer<typeof accessRequest>;

/** A duty that stays open until somebody says what came of it. */
export const review = z.strictObject({
  id: reviewId,
  of: z.enum(['break-glass', 'emergency', 'session']),
  /** The glass, the emergency or the session. */
  about: anyText,
  /** What happened, in a sentence. */
  summary: text(600),
  /** Whose own doing it was: somebody else has to close it. */
  user: text(100).optional(),
  opened: instant,
  due: instant,
  /** Sessions that were opened under it, the first of them. */
  sessions: z.array(anyText).max(256),
  closed: z
    .strictObject({
      at: instant,
      actor,
      finding: z.enum(['justified', 'not-justified', 'unclear']),
      note: sentence,
    })
    .optional(),
});
export type Review = z.infer<typeof review>;

/** Somebody answers for something going on, or being over: an entitlement, an exception. */
export const attestation = z.strictObject({
  /** `exception:NAME`, or what an access review lists. */
  object: filledText(200),
  outcome: z.enum(['keep', 'remove']),
  actor,
  at: instant,
  note: text(300),
});
export type Attestation = z.infer<typeof attestation>;

/** One exception as it stands. */
export const exceptionRow = z.strictObject({
  name: word,
  owner: userId,
  reason: sentence,
  from: instant.optional(),
  end: instant,
  /** By when its owner has to say again that it is needed; later than configured after they did. */
  certifyBy: instant.optional(),
  state: z.enum(['coming', 'in force', 'near its end', 'to certify', 'lapsed', 'over']),
});
export type ExceptionRow = z.infer<typeof exceptionRow>;

/** The coordinator's absence: `wire/facts.ts` says what each means to policy. */
export const offlineStatus = z.strictObject({
  state: z.enum(['standalone', 'online', 'grace', 'expired']),
  usedMs: z.number().nonnegative(),
  leftMs: z.number().nonnegative().optional(),
});

/** All of it at once. */
export const lifeStatus = z.strictObject({
  now: instant,
  offline: offlineStatus,
  emergency: emergency.optional(),
  glasses: z.array(glass),
  requests: z.array(accessRequest),
  reviews: z.array(review),
  exceptions: z.array(exceptionRow),
  attestations: z.array(attestation),
});
export type LifeStatus = z.infer<typeof lifeStatus>;
