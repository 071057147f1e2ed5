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
import { anyText, count, integer } from './scalar.ts';

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
  'process.start': z.strictObject({ process: processName, version: anyText }),
  'process.stop': z.strictObject({ process: processName, reason: anyText }),
  /** A policy set became the one that decides. `digest`: SHA-256 of its bytes, hexadecimal. */
  'policy.activated': z.strictObject({
    revision: anyText,
    digest: anyText,
    policies: integer,
    /** Of a signed bundle: whose signatures verified, until when it may be activated, what else came with it. */
    bundle: z
      .strictObject({
        revision: integer,
        /** Signers' ids, sorted. */
        signers: z.array(anyText),
        notAfter: integer,
        destructive: z.boolean(),
        /** Signers from now on, where it changes them. */
        keys: z.array(anyText).optional(),
        /** Resources published from now on, where it brings a directory. */
        resources: integer.optional(),
      })
      .optional(),
  }),
  /** A bundle was offered and not taken; what was in force stays. `code`: of the error table. */
  'policy.refused': z.strictObject({
    code: anyText,
    detail: anyText,
    /** SHA-256 of the bytes offered, hexadecimal. */
    digest: anyText,
    from: anyText,
  }),
  /** A candidate policy set is compared with the one that decides from now on, or no longer. */
  'simulation.changed': simulation
    .omit({ differences: true })
    .extend({ what: z.enum(['started', 'stopped']), kinds: count }),
  /** A tunnel session was confirmed: equal identity on both ends. */
  'tunnel.session': confirmedSession,
  /** A handshake was refused for a reason worth a record; floods are counted, not recorded one by one. */
  'tunnel.refused': z.strictObject({
    endpoint,
    peer: peerId.optional(),
    publicKey: publicKeyText.optional(),
    reason: anyText,
    count: integer.positive(),
  }),
  /** Written and durable before the first byte goes to the device. */
  'session.start': z.strictObject({ grant }),
  'session.refused': z.strictObject({ refusal }),
  /** A live session was decided again and may do something else now. `before`: what it was permitted until then. */
  'session.regranted': z.strictObject({ grant, before: z.array(action) }),
  /** A protocol unit that the session was permitted: the first of its kind one by one, the rest counted in session.end. */
  'session.unit': z.strictObject({
    session: sessionId,
    unit: anyText,
    action,
    /** Ids of the policies that made the grant. */
    rules: z.array(anyText),
    subject,
    target,
  }),
  /** A protocol unit that was refused in the protocol's own way. */
  'session.unit.refused': z.strictObject({
    session: sessionId,
    unit: anyText,
    action: action.optional(),
    /** Ids of the policies that took the action away; empty where none permits it. */
    rules: z.array(anyText),
    reason: anyText,
    subject,
    target,
  }),
  /** A session whose units are all recorded did more of them than are: from here on they are counted. */
  'session.recording.full': z.strictObject({
    session: sessionId,
    units: integer.positive(),
    subject,
    target,
  }),
  'session.end': z.strictObject({
    session: sessionId,
    subject,
    target,
    reason: anyText,
    durationMs: count,
    /** Bytes towards the device and towards the user. */
    bytesToDevice: count,
    bytesToUser: count,
    units: z.record(anyText, integer.positive()),
  }),
  /** The sensor saw a device for the first time, or learnt something new of what it is. */
  'device.observed': z.strictObject({
    mac: anyText,
    addresses: z.array(anyText),
    vendor: z.string().optional(),
    what: z.array(anyText),
  }),
  /** The sensor holds something against a device; again when it got worse or came back. */
  'finding.raised': z.strictObject({
    finding: findingId,
    what: findingKind,
    severity,
    technique: anyText,
    device: anyText,
    mac: z.string().optional(),
    evidence: z.array(anyText),
    first: integer,
  }),
  /** A finding is over: acknowledged, suppressed for a while, or not seen any more. */
  'finding.closed': z.strictObject({
    finding: findingId,
    what: findingKind,
    device: anyText,
    why: z.enum(['acknowledged', 'suppressed', 'over']),
    /** What it is about is part of the baseline from then on. */
    learned: z.literal(true).optional(),
    by: z.string().optional(),
    note: z.string().optional(),
    until: integer.optional(),
  }),
  /** Somebody broke the glass, in vain or not, and when it was over. */
  'breakGlass.opened': z.strictObject({ glass }),
  'breakGlass.refused': z.strictObject({
    user: anyText,
    peer: anyText,
    scenario: anyText,
    resource: z.string().optional(),
    reason: anyText,
    why: anyText,
  }),
  'breakGlass.ended': z.strictObject({ glass }),
  /** Emergency mode of the site; refused starts and ends too. */
  'emergency.started': z.strictObject({ emergency }),
  'emergency.ended': z.strictObject({ emergency }),
  'emergency.refused': z.strictObject({ verb: z.enum(['start', 'end']), by: anyText, why: anyText }),
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
  'journal.replayed': z.strictObject({ process: processName, records: integer.positive() }),
  /** Something was reported of a user or a user's device that hadn't been known so. `by`: who said it. */
  'fact.reported': z.strictObject({ fact, by: anyText }),
  /** A stick was plugged in and not taken. Nothing of its content: `digest` is SHA-256 of the enrolment's head. */
  'provision.refused': z.strictObject({
    code: provisionCode,
    digest: z.string().optional(),
    /** More than one when there was no room to keep them one by one. */
    count: integer.positive(),
  }),
  /** An operator did something on the local page or the command line. */
  'operator.action': z.strictObject({
    operator: anyText,
    verb: anyText,
    object: anyText,
    outcome: z.enum(['done', 'refused']),
  }),
  /** A health item changed its level. */
  'health.changed': z.strictObject({
    item: anyText,
    level: z.enum(['ok', 'warning', 'critical']),
    text: anyText,
  }),
} as const;

export type AuditKind = keyof typeof kinds;

const eventSchemas = Object.entries(kinds).map(([kind, body]) =>
  z.strictObject({ kind: z.literal(kind), at: count, origin: processName, body }),
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
  seq: count,
  time: count,
  event: auditEvent,
  /** RFC 6962 leaf hash of the canonical record, hexadecimal. */
  leaf: anyText,
});
export type AuditRecord = z.infer<typeof auditRecord>;

/** Head of the tree: size and RFC 6962 root (hexadecimal) at a time. */
export const treeHead = z.strictObject({
  size: count,
  root: anyText,
  time: count,
});
export type TreeHead = z.infer<typeof treeHead>;
