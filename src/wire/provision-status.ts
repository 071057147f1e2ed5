/**
 * How far the set-up of a gateway is: what the technician's page, the console and the hand-over sheet show. Facts come
 * from the box, steps are made of them (`control/provisioning.ts`).
 */
import * as z from 'zod';
import { provisionCode } from './provision-code.ts';
import { anyText, count, text } from './scalar.ts';

export const stickState = z.discriminatedUnion('state', [
  z.strictObject({ state: z.literal('none') }),
  z.strictObject({ state: z.literal('checking') }),
  z.strictObject({
    state: z.literal('read'),
    code: provisionCode,
    /** In one line; nothing of the stick's content. */
    detail: text(300).optional(),
    at: count,
  }),
]);
export type StickState = z.infer<typeof stickState>;

export const selfTestIds = [
  'link',
  'addressing',
  'dns',
  'time',
  'udp',
  'coordinator',
  'enclave',
  'reachability',
  'tpm',
  'disk',
] as const;
export type SelfTestId = (typeof selfTestIds)[number];

export const selfTestItem = z.strictObject({
  id: z.enum(selfTestIds),
  /** `off`: not asked for here. */
  level: z.enum(['ok', 'warning', 'failed', 'off']),
  text: text(300),
  action: text(300).optional(),
});
export type SelfTestItem = z.infer<typeof selfTestItem>;

export const provisionPhase = z.enum(['new', 'enrolled', 'leaving', 'reset', 'decommissioned']);
export type ProvisionPhase = z.infer<typeof provisionPhase>;

export const clockState = z.enum(['authenticated', 'set', 'unset']);
export type ClockState = z.infer<typeof clockState>;

export const provisionFacts = z.strictObject({
  phase: provisionPhase,
  /** `anteroom-device:…`. */
  device: text(100),
  version: text(64),
  site: z.strictObject({ id: anyText, name: anyText }).optional(),
  /** Of the gateway's identity, once it has one. */
  identity: anyText.optional(),
  contact: anyText.optional(),
  stick: stickState,
  /** The office has answered the receipt. */
  accepted: z.boolean(),
  selfTest: z.array(selfTestItem).max(selfTestIds.length),
  /** Devices behind the enclave port, as far as the sensor has said. */
  devicesSeen: count.optional(),
  /** Whether the clock was set since the start, and by a server that proved who it is. */
  clock: clockState.optional(),
  /** The box's own time. */
  now: count,
});
export type ProvisionFacts = z.infer<typeof provisionFacts>;

export const stepIds = ['found', 'verified', 'network', 'clock', 'coordinator', 'devices', 'done'] as const;
export type StepId = (typeof stepIds)[number];

export interface Step {
  readonly id: StepId;
  readonly title: string;
  /** `now`: being worked on; `waiting`: needs an earlier one. */
  readonly state: 'green' | 'yellow' | 'red' | 'now' | 'waiting';
  readonly text: string;
  /** What to do, where something has to be. */
  readonly action?: string;
}

/** What the QR code of a gateway says: enough to recognise it, nothing to get into it. */
export const identityText = (site: string, identity: string): string =>
  `anteroom:gateway/${site}?identity=${identity.split(':')[1] ?? ''}`;
