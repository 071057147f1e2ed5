/**
 * The typed audit event: what processes hand to the audit log, before it gets its sequence number and time.
 * One shape per `kind`; a consumer that knows no kind can still read `kind`, `at` and `origin`.
 *
 * No patient data: events name users, devices, resources, protocol units and reasons. Object identifiers
 * (SOP instance, message control id) are left out on purpose; the device's own log holds them.
 */
import * as z from 'zod';
import { action, kexMode } from './action.ts';
import { endpoint } from './address.ts';
import { fact } from './facts.ts';
import { findingId, findingKind, severity } from './finding.ts';
import { grant, refusal, subject, target } from './grant.ts';
import { accessRequest, attestation, emergency, exceptionRow, glass, offlineStatus, review } from './life.ts';
import { provisionCode } from './provision-code.ts';
import { simulation } from './simulation.ts';
import { peerId, processName, publicKeyText, sessionId, tunnelSessionId } from './ids.ts';

/** How packets of a tunnel session travel: from end to end, or by way of a relay. */
const tunnelPath = z.enum(['direct', 'relay']);

/** A tunnel session at key confirmation: what happened, not what was configured. */
export const confirmedSession = z.strictObject({
  peer: peerId,
  tunnelSession: tunnelSessionId,
  role: z.enum(['initiator', 'responder']),
  kex: kexMode,
  rekeyOf: tunnelSessionId.optional(),
  endpoint,
  path: tunnelPath.optional(),
});

const kinds = {
  /** A process began or ended its work. */
  'process.start': z.strictObject({ process: processName, version: z.string() }),
  'process.stop': z.strictObject({ process: processName, reason: z.string() }),
  /** A policy set became the one that decides. `digest`: SHA-256 of its bytes, hexadecimal. */
  'policy.activated': z.strictObject({
    revision: z.string(),
    digest: z.string(),
    policies: z.number().int(),
    /** Of a signed bundle: whose signatures verified, until when it may be activated, what else came with it. */
    bundle: z
      .strictObject({
        revision: z.number().int(),
        /** Signers' ids, sorted. */
        signers: z.array(z.string()),
        notAfter: z.number().int(),
        destructive: z.boolean(),
        /** Signers from now on, where it changes them. */
        keys: z.array(z.string()).optional(),
        /** Resources published from now on, where it brings a directory. */
        resources: z.number().int().optional(),
      })
      .optional(),
  }),
  /** A bundle was offered and not taken; what was in force stays. `code`: of the error table. */
  'policy.refused': z.strictObject({
    code: z.string(),
    detail: z.string(),
    /** SHA-256 of the bytes offered, hexadecimal. */
    digest: z.string(),
    from: z.string(),
  }),
  /** A candidate policy set is compared with the one that decides from now on, or no longer. */
  'simulation.changed': simulation
    .omit({ differences: true })
    .extend({ what: z.enum(['started', 'stopped']), kinds: z.number().int().nonnegative() }),
  /** A tunnel session was confirmed: equal identity on both ends. */
  'tunnel.session': confirmedSession,
  /** A handshake was refused for a reason worth a record; floods are counted, not recorded one by one. */
  'tunnel.refused': z.strictObject({
    endpoint,
    peer: peerId.optional(),
    publicKey: publicKeyText.optional(),
    reason: z.string(),
    count: z.number().int().positive(),
  }),
  /** Written and durable before the first byte goes to the device. */
  'session.start': z.strictObject({ grant }),
  'session.refused': z.strictObject({ refusal }),
  /** A live session was decided again and may do something else now. `before`: what it was permitted until then. */
  'session.regranted': z.strictObject({ grant, before: z.array(action) }),
  /** A protocol unit that the session was permitted: the first of its kind one by one, the rest counted in session.end. */
  'session.unit': z.strictObject({
    session: sessionId,
    unit: z.string(),
    action,
    /** Ids of the policies that made the grant. */
    rules: z.array(z.string()),
    subject,
    target,
  }),
  /** A protocol unit that was refused in the protocol's own way. */
  'session.unit.refused': z.strictObject({
    session: sessionId,
    unit: z.string(),
    action: action.optional(),
    /** Ids of the policies that took the action away; empty where none permits it. */
    rules: z.array(z.string()),
    reason: z.string(),
    subject,
    target,
  }),
  /** A session whose units are all recorded did more of them than are: from here on they are counted. */
  'session.recording.full': z.strictObject({
    session: sessionId,
    units: z.number().int().positive(),
    subject,
    target,
  }),
  'session.end': z.strictObject({
    session: sessionId,
    subject,
    target,
    reason: z.string(),
    durationMs: z.number().int().nonnegative(),
    /** Bytes towards the device and towards the user. */
    bytesToDevice: z.number().int().nonnegative(),
    bytesToUser: z.number().int().nonnegative(),
    units: z.record(z.string(), z.number().int().positive()),
  }),
  /** The sensor saw a device for the first time, or learnt something new of what it is. */
  'device.observed': z.strictObject({
    mac: z.string(),
    addresses: z.array(z.string()),
    vendor: z.string().optional(),
    what: z.array(z.string()),
  }),
  /** The sensor holds something against a device; again when it got worse or came back. */
  'finding.raised': z.strictObject({
    finding: findingId,
    what: findingKind,
    severity,
    technique: z.string(),
    device: z.string(),
    mac: z.string().optional(),
    evidence: z.array(z.string()),
    first: z.number().int(),
  }),
  /** A finding is over: acknowledged, suppressed for a while, or not seen any more. */
  'finding.closed': z.strictObject({
    finding: findingId,
    what: findingKind,
    device: z.string(),
    why: z.enum(['acknowledged', 'suppressed', 'over']),
    /** What it is about is part of the baseline from then on. */
    learned: z.literal(true).optional(),
    by: z.string().optional(),
    note: z.string().optional(),
    until: z.number().int().optional(),
  }),
  /** Somebody broke the glass, in vain or not, and when it was over. */
  'breakGlass.opened': z.strictObject({ glass }),
  'breakGlass.refused': z.strictObject({
    user: z.string(),
    peer: z.string(),
    scenario: z.string(),
    resource: z.string().optional(),
    reason: z.string(),
    why: z.string(),
  }),
  'breakGlass.ended': z.strictObject({ glass }),
  /** Emergency mode of the site; refused starts and ends too. */
  'emergency.started': z.strictObject({ emergency }),
  'emergency.ended': z.strictObject({ emergency }),
  'emergency.refused': z.strictObject({ verb: z.enum(['start', 'end']), by: z.string(), why: z.string() }),
  /** A request for access was made, approved, denied, withdrawn, or is over. */
  'request.changed': z.strictObject({ request: accessRequest }),
  /** A review is due from now on; it was closed. */
  'review.opened': z.strictObject({ review }),
  'review.closed': z.strictObject({ review }),
  /** Somebody answers for an exception or an entitlement going on, or for its end. */
  'access.attested': z.strictObject({ attestation }),
  /** An exception came into force, came near its end, or stopped. */
  'exception.changed': z.strictObject({ exception: exceptionRow }),
  /** The coordinator came or went, or the grace without it ended. */
  'offline.changed': z.strictObject({ offline: offlineStatus }),
  /** Records that follow were kept in the emergency journal of `process` while the log could not be written. */
  'journal.replayed': z.strictObject({ process: processName, records: z.number().int().positive() }),
  /** Something was reported of a user or a user's device that hadn't been known so. `by`: who said it. */
  'fact.reported': z.strictObject({ fact, by: z.string() }),
  /** A stick was plugged in and not taken. Nothing of its content: `digest` is SHA-256 of the enrolment's head. */
  'provision.refused': z.strictObject({
    code: provisionCode,
    digest: z.string().optional(),
    /** More than one when there was no room to keep them one by one. */
    count: z.number().int().positive(),
  }),
  /** An operator did something on the local page or the command line. */
  'operator.action': z.strictObject({
    operator: z.string(),
    verb: z.string(),
    object: z.string(),
    outcome: z.enum(['done', 'refused']),
  }),
  /** A health item changed its level. */
  'health.changed': z.strictObject({
    item: z.string(),
    level: z.enum(['ok', 'warning', 'critical']),
    text: z.string(),
  }),
} as const;

export type AuditKind = keyof typeof kinds;

const eventSchemas = Object.entries(kinds).map(([kind, body]) =>
  z.strictObject({ kind: z.literal(kind), at: z.number().int().nonnegative(), origin: processName, body }),
);
export const auditEvent = z.discriminatedUnion(
  'kind',
  eventSchemas as unknown as [z.ZodObject, ...z.ZodObject[]],
) as unknown as z.ZodType<AuditEvent>;

/** `at`: epoch ms at the origin. `origin`: the process that says so (checked against the socket's credentials). */
export type AuditEvent = {
  [K in AuditKind]: {
    kind: K;
    at: number;
    origin: z.infer<typeof processName>;
    body: z.infer<(typeof kinds)[K]>;
  };
}[AuditKind];

export type AuditBody<K extends AuditKind> = z.infer<(typeof kinds)[K]>;

/** A record as the log holds it. `seq` counts from 0; `time` is the log's own clock, epoch ms. */
export const auditRecord = z.strictObject({
  seq: z.number().int().nonnegative(),
  time: z.number().int().nonnegative(),
  event: auditEvent,
  /** RFC 6962 leaf hash of the canonical record, hexadecimal. */
  leaf: z.string(),
});
export type AuditRecord = z.infer<typeof auditRecord>;

/** Head of the tree: size and RFC 6962 root (hexadecimal) at a time. */
export const treeHead = z.strictObject({
  size: z.number().int().nonnegative(),
  root: z.string(),
  time: z.number().int().nonnegative(),
});
export type TreeHead = z.infer<typeof treeHead>;
