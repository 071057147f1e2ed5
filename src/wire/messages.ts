/**
 * The local messages, one table an edge: every verb with the schema of its request and of its answer, and the
 * events that the serving side pushes. Framing is `ipc/frame.ts`; who may call is in `ipc/access.ts`.
 *
 *   control, operator → tunnel · broker → control · sensor → control · any → audit · operator → control, audit (read)
 */
import * as z from 'zod';
import { kexPolicy } from './action.ts';
import { endpoint, port } from './address.ts';
import {
  advisory,
  deviceAdvisory,
  deviceDocument,
  documentKinds,
  exploitedCatalogue,
  keptDocument,
} from './advisory.ts';
import { auditEvent, auditRecord, confirmedSession, treeHead } from './audit-event.ts';
import { MAX_BUNDLE_BYTES, bundleDirectory } from './bundle.ts';
import { devicesSchema, resourcesSchema } from './config.ts';
import { deviceFields, deviceStanding, lifecycles } from './device-record.ts';
import { fact } from './facts.ts';
import { acceptedConduct, baselineFlow, findingId, findingReport, keptFinding } from './finding.ts';
import { decision, grant } from './grant.ts';
import { healthItem } from './health.ts';
import { peerId, resourceId, sessionId } from './ids.ts';
import { sentence } from './facts.ts';
import {
  accessRequest,
  attestation,
  emergency,
  glass,
  glassId,
  lifeStatus,
  requestId,
  review,
  reviewId,
} from './life.ts';
import { hostObservation } from './observation.ts';
import { portalAccess, portalRequests } from './portal.ts';
import { simulationAnswer, simulationRequests } from './simulation.ts';
import { siteData } from './site-data.ts';
import { anyText, count, filledText, integer, text } from './scalar.ts';

const nothing = z.strictObject({});

/** A confirmed tunnel session and when it was, epoch ms. */
export const tunnelSession = confirmedSession.extend({ at: integer });
export type TunnelSession = z.infer<typeof tunnelSession>;

/** One peer as the tunnel sees it now. */
export const peerStatus = z.strictObject({
  peer: peerId,
  endpoint: endpoint.optional(),
  session: tunnelSession.optional(),
  /** How keys have to be agreed with it; what was agreed is in `session`. */
  policy: kexPolicy.optional(),
  /** Epoch ms of the last handshake that was confirmed, its session may be over. */
  lastHandshake: integer.optional(),
  /** Epoch ms of the last authenticated packet from the peer. */
  lastReceived: integer.optional(),
  receivedBytes: count,
  sentBytes: count,
});
export type PeerStatus = z.infer<typeof peerStatus>;

/** A live session as the broker reports it. */
export const sessionProgress = z.strictObject({
  session: sessionId,
  startedAt: integer,
  lastActivity: integer,
  bytesToDevice: count,
  bytesToUser: count,
  /** Protocol units seen so far, by name. */
  units: z.record(anyText, integer),
  refused: count,
});
export type SessionProgress = z.infer<typeof sessionProgress>;

/** One row of the session table: the grant and how it went. `ended` is set once it is over. */
export const sessionRow = z.strictObject({
  grant,
  progress: sessionProgress,
  ended: z.strictObject({ at: integer, reason: anyText }).optional(),
});
export type SessionRow = z.infer<typeof sessionRow>;

/** One row of the inventory: what was configured, what was seen. */
export const deviceRow = z.strictObject({
  device: z.strictObject({ id: anyText, name: anyText, class: anyText, unit: anyText }).optional(),
  observation: hostObservation.optional(),
  /** What lasts of it, and its risk; of hosts that were seen. */
  standing: deviceStanding.optional(),
});
export type DeviceRow = z.infer<typeof deviceRow>;

/** Everything the status page shows, in one answer. */
export const overview = z.strictObject({
  site: z.strictObject({ id: anyText, name: anyText }),
  version: anyText,
  startedAt: integer,
  now: integer,
  policy: z.strictObject({ revision: anyText, policies: integer }).optional(),
  peers: z.array(peerStatus),
  sessions: z.array(sessionRow),
  devices: z.array(deviceRow),
  audit: treeHead.optional(),
  health: z.array(healthItem),
  /** Open findings by severity. */
  findings: z.record(anyText, integer).optional(),
});
export type Overview = z.infer<typeof overview>;

const verb = <Q extends z.ZodType, A extends z.ZodType>(
  request: Q,
  answer: A,
): { request: Q; answer: A } => ({ request, answer });

/** Served by `audit`. An append is acknowledged when it is durable. */
export const auditVerbs = {
  'audit.append': verb(
    z.strictObject({ events: z.array(auditEvent).min(1).max(1024) }),
    z.strictObject({ first: integer, head: treeHead }),
  ),
  'audit.head': verb(nothing, treeHead),
  /** Answers also while the log is closed; then there is no head. */
  'audit.status': verb(nothing, z.strictObject({ head: treeHead.optional(), health: z.array(healthItem) })),
  'audit.read': verb(
    z.strictObject({ from: count, limit: integer.min(1).max(1000) }),
    z.strictObject({ records: z.array(auditRecord) }),
  ),
  /** The latest signed checkpoint (C2SP signed note), none before the first, and the key to verify it with. */
  'audit.checkpoint': verb(nothing, z.strictObject({ note: anyText.optional(), key: anyText })),
} as const;
export const auditPushes = {} as const;

/** Served by `tunnel`, for `control`. */
export const tunnelVerbs = {
  'tunnel.status': verb(
    nothing,
    z.strictObject({ peers: z.array(peerStatus), port, health: z.array(healthItem) }),
  ),
  /** Tell the tunnel where a peer was last seen, so that it can call first after a restart. */
  'tunnel.hint': verb(z.strictObject({ peer: peerId, endpoint }), nothing),
} as const;
/** Served by `tunnel` too, for operators. */
export const tunnelOperatorVerbs = {
  'tunnel.status': tunnelVerbs['tunnel.status'],
  /** Forget the greatest handshake timestamp of a peer whose clock went back; goes on record. */
  'tunnel.resetClock': verb(z.strictObject({ peer: peerId }), nothing),
} as const;
export const tunnelPushes = { 'tunnel.session': tunnelSession } as const;

/** Served by `control`: what the broker's portal asks for its peers. */
export const portalVerbs = {
  'portal.access': verb(portalRequests['portal.access'], portalAccess),
  'portal.breakGlass': verb(portalRequests['portal.breakGlass'], z.strictObject({ glass })),
  'portal.request': verb(portalRequests['portal.request'], z.strictObject({ request: accessRequest })),
  'portal.decide': verb(portalRequests['portal.decide'], z.strictObject({ request: accessRequest })),
  'portal.posture': verb(
    portalRequests['portal.posture'],
    portalAccess.pick({ posture: true, findings: true }),
  ),
} as const;

/** Served by `control`: break-glass, emergency mode, requests and reviews, for operators. */
export const lifeVerbs = {
  'life.status': verb(nothing, lifeStatus),
  /** End a break-glass before its time. */
  'breakGlass.end': verb(z.strictObject({ glass: glassId, reason: sentence }), nothing),
  /** By an officer's offline credential: passphrase and one code of the printed sheet. */
  'emergency.start': verb(
    z.strictObject({
      officer: text(64),
      passphrase: text(1024),
      code: text(64),
      reason: sentence,
      hours: integer.min(1).max(168).optional(),
    }),
    z.strictObject({ emergency }),
  ),
  'emergency.end': verb(
    z.strictObject({
      officer: text(64),
      passphrase: text(1024),
      code: text(64),
      reason: sentence,
    }),
    z.strictObject({ emergency }),
  ),
  /** A signed order, base64 (`wire/order.ts`): start or end an emergency, or news of the coordinator. */
  'order.apply': verb(z.strictObject({ order: text(65_536) }), z.strictObject({ done: anyText })),
  'request.decide': verb(
    z.strictObject({ request: requestId, approve: z.boolean(), note: text(300) }),
    z.strictObject({ request: accessRequest }),
  ),
  'request.end': verb(
    z.strictObject({ request: requestId, reason: sentence }),
    z.strictObject({ request: accessRequest }),
  ),
  'review.close': verb(
    z.strictObject({
      review: reviewId,
      finding: z.enum(['justified', 'not-justified', 'unclear']),
      note: sentence,
    }),
    z.strictObject({ review }),
  ),
  'review.attest': verb(
    z.strictObject({
      object: filledText(200),
      outcome: z.enum(['keep', 'remove']),
      note: text(300),
    }),
    z.strictObject({ attestation }),
  ),
} as const;

/** A bundle as `operator.policy.status` tells of it. */
const bundleSummary = z.strictObject({
  revision: integer,
  /** SHA-256 of its content, hexadecimal. */
  digest: anyText,
  activated: integer,
  notBefore: integer,
  notAfter: integer,
  /** Of the one in force. */
  policies: integer.optional(),
  signers: z.array(anyText),
});
export type BundleSummary = z.infer<typeof bundleSummary>;

/** How policy comes to this gateway, and what decides. */
export const policyStatus = z.strictObject({
  mode: z.enum(['file', 'bundle']),
  /** What grants name; absent while nothing decides. */
  revision: anyText.optional(),
  active: bundleSummary.optional(),
  /** The one in force before it. */
  previous: bundleSummary.optional(),
  /** Highest revision ever seen here. */
  highest: integer.optional(),
  /** Signers that count now, by id. */
  signers: z.array(anyText),
  /** What is wrong, in words; empty in good order. */
  faults: z.array(anyText),
});
export type PolicyStatus = z.infer<typeof policyStatus>;

/** Served by `control`: a candidate policy set beside the one that decides, for operators. */
export const simulationVerbs = {
  'simulation.start': verb(simulationRequests['simulation.start'], simulationAnswer),
  /** Answers with the last report. */
  'simulation.stop': verb(simulationRequests['simulation.stop'], simulationAnswer),
  'simulation.report': verb(simulationRequests['simulation.report'], simulationAnswer),
} as const;

/** How an operator names a device: configured id, inventory id, MAC, address or given name. */
const deviceName = filledText(100);
const remark = text(300);

/** Served by `control`: findings, the inventory and the observed flows, for operators. */
export const inventoryVerbs = {
  'operator.device.confirm': verb(z.strictObject({ device: deviceName }), deviceStanding),
  /** Fields that are set win over what was observed; '' takes one back. */
  'operator.device.set': verb(
    z.strictObject({
      device: deviceName,
      fields: z.partialRecord(z.enum(deviceFields), text(100)),
      lifecycle: z.enum(lifecycles).optional(),
    }),
    deviceStanding,
  ),
  'operator.device.retire': verb(z.strictObject({ device: deviceName, reason: remark }), deviceStanding),
  'operator.findings.list': verb(
    z.strictObject({ closed: z.boolean().default(false) }),
    z.strictObject({ findings: z.array(keptFinding), now: integer }),
  ),
  /** Seen by a person; counts no more until it gets worse. `learn`: and is normal from now on. */
  'operator.findings.ack': verb(
    z.strictObject({ finding: findingId, note: remark, learn: z.boolean().optional() }),
    keptFinding,
  ),
  /** What was made normal by `learn` isn't any more; the finding is open again. */
  'operator.findings.unlearn': verb(z.strictObject({ finding: findingId, note: remark }), keptFinding),
  /** Not shown and not counted until `until`. */
  'operator.findings.suppress': verb(
    z.strictObject({ finding: findingId, until: integer, note: remark }),
    keptFinding,
  ),
  /** What the sensor saw flow, for reports and drafts. */
  'operator.flows': verb(
    z.strictObject({ from: count.default(0) }),
    z.strictObject({ flows: z.array(baselineFlow).max(4096), next: integer.optional() }),
  ),
} as const;

const stored = z.enum(['stored', 'unchanged', 'older']);

/** Served by `control`: advisories, documents of devices and what they come to, for operators. */
export const advisoryVerbs = {
  /** As read and understood by the caller; an older version of an advisory changes nothing. */
  'operator.advisories.import': verb(
    z.strictObject({
      advisories: z.array(advisory).max(256),
      catalogue: exploitedCatalogue.optional(),
      from: text(300),
    }),
    z.strictObject({
      stored: integer,
      unchanged: integer,
      older: integer,
      catalogue: stored.optional(),
    }),
  ),
  /** The worst first. `all`: also what is fixed or doesn't concern the device. */
  'operator.advisories.list': verb(
    z.strictObject({ device: deviceName.optional(), all: z.boolean().default(false) }),
    z.strictObject({
      matches: z.array(deviceAdvisory),
      /** Rows that had no room, and devices that weren't looked at yet. */
      beyond: integer,
      pending: integer,
      /** How many are held. */
      advisories: integer,
      catalogue: z.strictObject({ version: anyText, released: anyText }).optional(),
    }),
  ),
  /** In place of the one of its kind. */
  'operator.device.document': verb(
    z.strictObject({ device: deviceName, document: deviceDocument }),
    z.strictObject({ device: anyText }),
  ),
  'operator.device.documents': verb(
    z.strictObject({ device: deviceName }),
    z.strictObject({ documents: z.array(keptDocument) }),
  ),
  'operator.device.documentRemove': verb(
    z.strictObject({ device: deviceName, kind: z.enum(documentKinds) }),
    z.strictObject({ removed: z.boolean() }),
  ),
} as const;

/** Served by `control`, for `broker`, `sensor` and operators. */
export const controlVerbs = {
  ...advisoryVerbs,
  ...inventoryVerbs,
  ...simulationVerbs,
  ...portalVerbs,
  ...lifeVerbs,
  /** May the peer at `source` open a session on `resource`? Always answers with a decision. */
  'session.authorize': verb(
    z.strictObject({ session: sessionId, resource: resourceId, source: endpoint }),
    decision,
  ),
  /** The broker's live sessions: sent at every change and, whole, after a reconnect. */
  'session.started': verb(z.strictObject({ grant, progress: sessionProgress }), nothing),
  'session.progress': verb(z.strictObject({ sessions: z.array(sessionProgress).max(1024) }), nothing),
  'session.ended': verb(z.strictObject({ progress: sessionProgress, reason: anyText }), nothing),
  'broker.health': verb(z.strictObject({ health: z.array(healthItem) }), nothing),
  'sensor.observed': verb(
    z.strictObject({
      hosts: z.array(hostObservation).max(256),
      health: z.array(healthItem),
      /** Findings that are new or changed. */
      findings: z.array(findingReport).max(256).optional(),
      /** Flows of the baseline that are new or changed. */
      flows: z.array(baselineFlow).max(1024).optional(),
    }),
    nothing,
  ),
  /** What operators made normal: asked for when the sensor connects, and again at every `baseline.accepted`. */
  'sensor.accepted': verb(
    nothing,
    z.strictObject({
      rows: z.array(acceptedConduct).max(4096),
      /** What was, and isn't any more. */
      withdrawn: z.array(acceptedConduct).max(4096).optional(),
    }),
  ),
  /** What the broker publishes now: asked for when it connects, and again at every `directory.changed`. */
  'broker.directory': verb(nothing, z.strictObject({ devices: devicesSchema, resources: resourcesSchema })),
  /** Verify and activate a policy bundle (its bytes in base64). Answers with what decides then. */
  'operator.policy.install': verb(
    z.strictObject({ bundle: z.base64().max(Math.ceil(MAX_BUNDLE_BYTES / 3) * 4) }),
    policyStatus,
  ),
  'operator.policy.status': verb(nothing, policyStatus),
  /** What decides, whole: the Cedar text (absent while nothing does), the site's data and the directory in force. */
  'operator.policy.content': verb(
    nothing,
    z.strictObject({ policies: anyText.optional(), site: siteData, directory: bundleDirectory }),
  ),
  'operator.overview': verb(nothing, overview),
  /** Facts of users and their devices, each in place of what was known; live sessions are decided again at once. */
  'operator.facts': verb(z.strictObject({ facts: z.array(fact).min(1).max(64) }), nothing),
  /** End a live session now. */
  'operator.revoke': verb(z.strictObject({ session: sessionId, reason: filledText(200) }), nothing),
} as const;
/** Pushed by `control` to `broker`: what a live session may no longer do; to `sensor`: that more is normal. */
export const controlPushes = {
  'session.revoke': z.strictObject({ session: sessionId, reason: anyText }),
  'session.regrant': z.strictObject({ grant }),
  'directory.changed': nothing,
  'baseline.accepted': nothing,
} as const;

export type Verbs = Record<string, { request: z.ZodType; answer: z.ZodType }>;
export type Pushes = Record<string, z.ZodType>;
