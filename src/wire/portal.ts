/**
 * What a peer may ask the gateway for itself, by way of the broker's portal: typed questions that control answers. Who
 * asks is the peer of the source address, as for a session.
 */
import * as z from 'zod';
import { action } from './action.ts';
import { endpoint } from './address.ts';
import { finding, instant, sentence, signalStates, word } from './facts.ts';
import { denial, obligation, posture, stepUp } from './grant.ts';
import { resourceId } from './ids.ts';
import { accessRequest, glass, lifeStatus, requestId } from './life.ts';
import { anyText, integer, text } from './scalar.ts';

/** What one resource is to whoever asks. */
export const portalResource = z.strictObject({
  resource: resourceId,
  name: anyText,
  class: anyText,
  unit: anyText,
  virtual: endpoint,
  protocol: anyText,
  actions: z.array(action),
  denials: z.array(denial),
  obligations: z.array(obligation),
  /** Authentications of which each would permit more. */
  stepUp: z.array(stepUp),
  /** The earliest instant at which this may change by itself. */
  changesAt: instant.optional(),
  /** Scenarios for which the glass may be broken here. */
  scenarios: z.array(z.strictObject({ name: word, title: sentence, minutes: integer })),
  /** Actions that may be asked for, and how. */
  requestable: z
    .strictObject({
      actions: z.array(action).min(1),
      maxHours: integer,
      approvals: integer,
      ticket: anyText.optional(),
    })
    .optional(),
});
export type PortalResource = z.infer<typeof portalResource>;

export const portalAccess = z.strictObject({
  now: instant,
  site: anyText,
  user: anyText,
  device: anyText,
  posture,
  findings: z.array(finding),
  resources: z.array(portalResource).max(512),
  glasses: z.array(glass),
  /** Their own requests, and those that wait for their approval. */
  requests: z.array(accessRequest),
  toApprove: z.array(accessRequest),
  emergency: z.strictObject({ until: integer, reason: anyText }).optional(),
  offline: lifeStatus.shape.offline,
});
export type PortalAccess = z.infer<typeof portalAccess>;

const from = { source: endpoint };

export const portalRequests = {
  'portal.access': z.strictObject(from),
  'portal.breakGlass': z.strictObject({
    ...from,
    scenario: word,
    /** Just this one; without it, every resource of the scenario. */
    resource: resourceId.optional(),
    reason: sentence,
  }),
  'portal.request': z.strictObject({
    ...from,
    resource: resourceId,
    actions: z.array(action).min(1).max(5),
    reason: sentence,
    hours: integer.min(1).max(720),
    ticket: word.optional(),
  }),
  'portal.decide': z.strictObject({
    ...from,
    request: requestId,
    approve: z.boolean(),
    note: text(300),
  }),
  'portal.posture': z.strictObject({
    ...from,
    signals: signalStates.omit({ patchAge: true }).partial(),
    patchDays: integer.min(0).max(10_000).optional(),
  }),
} as const;
