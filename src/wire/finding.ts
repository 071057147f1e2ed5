/**
 * Findings: what the sensor, or control comparing what the sensor told, holds against a device. One table of kinds
 * with severity, technique and what to do; one shape for a finding as it is reported, one as it is kept.
 *
 * Techniques are ids of `attack-ics.ts`. What surprises: a finding's `key` is what makes it one
 * (device, kind and, say, the peer), so that the same thing seen a thousand times is one finding with a count.
 * Evidence is equipment-level text: no payload, no credential, no patient is ever in it.
 */
import * as z from 'zod';
import type { TechniqueId } from './attack-ics.ts';
import { anyText, count, integer, text } from './scalar.ts';

export const severities = ['info', 'low', 'medium', 'high', 'critical'] as const;
export const severity = z.enum(severities);
export type Severity = z.infer<typeof severity>;

export interface FindingKindRow {
  readonly severity: Severity;
  /** ATT&CK for ICS: what somebody does who causes this, or what this lets somebody do. */
  readonly technique: TechniqueId;
  readonly text: string;
  /** What a person should do. */
  readonly advice: string;
}

const row = (level: Severity, technique: TechniqueId, text: string, advice: string): FindingKindRow => ({
  severity: level,
  technique,
  text,
  advice,
});

export const findingKinds = {
  'new-peer': row(
    'medium',
    'T0886',
    'Talks with a peer it never talked with.',
    'Ask who connected them. If it is meant, acknowledge; if not, separate the two.',
  ),
  'new-service': row(
    'medium',
    'T0886',
    'Answers on a service it never offered.',
    'Ask the vendor or biomedical engineering what was switched on, and close it where nobody needs it.',
  ),
  'dials-out': row(
    'high',
    'T0869',
    'Calls an address outside the site.',
    'Find out whether the vendor needs it. If not, block it at the edge and look at the device.',
  ),
  'hard-coded-destination': row(
    'critical',
    'T0869',
    'Calls an address that is built into its firmware and belongs to a third party.',
    'Block the address at the edge now, take the device off the network as care permits, follow the advisory.',
  ),
  'scan-horizontal': row(
    'high',
    'T0846',
    'Tries one port of many hosts.',
    'Unless it is a known scanner, isolate the host and look for malware.',
  ),
  'scan-vertical': row(
    'high',
    'T0846',
    'Tries many ports of one host.',
    'Unless it is a known scanner, isolate the host and look for malware. Medical devices may fail when scanned.',
  ),
  'arp-spoofing': row(
    'critical',
    'T0830',
    'Claims an address that another live card claims.',
    'Find the port of the newer card and disconnect it; an address given twice by mistake looks the same.',
  ),
  'rogue-dhcp': row(
    'high',
    'T0830',
    'Hands out addresses beside the server that did so before.',
    'Find its port and disconnect it, unless the site has a new DHCP server.',
  ),
  'two-identities': row(
    'high',
    'T0830',
    'Two different identities use one network card address.',
    'Find both ports: one of them may be an impostor. A replaced card or board is confirmed with `devices confirm`.',
  ),
  'mac-flood': row(
    'high',
    'T0814',
    'Network card addresses appear faster than cards can be plugged in.',
    'Find the switch port they come from and shut it; switch on port security and DHCP snooping.',
  ),
  'evasive-fragments': row(
    'high',
    'T0820',
    'Sends fragments that contradict each other or hide what they carry.',
    'No system does that by itself: find who sent them and look at both ends.',
  ),
  'cleartext-credentials': row(
    'medium',
    'T0842',
    'Logs in without encryption: whoever listens has the password.',
    'Use the encrypted form of the protocol where the device has one; otherwise reach it only by the gateway.',
  ),
  'default-credentials': row(
    'medium',
    'T0812',
    'Uses a password that is a maker’s default.',
    'Change it, or switch the service off.',
  ),
  'phi-in-clear': row(
    'high',
    'T0842',
    'Sends patient data unencrypted beyond the enclave.',
    'Route it through the gateway or switch TLS on for this connection.',
  ),
  'weak-protocol': row(
    'low',
    'T0866',
    'Speaks a protocol version that is no longer safe.',
    'Switch the old version off where the device can; otherwise keep it behind the gateway.',
  ),
  'exploit-smb': row(
    'critical',
    'T0866',
    'Sends what the exploits of MS17-010 (EternalBlue) send.',
    'Isolate the sender now; look at both ends for malware.',
  ),
  'exploit-print': row(
    'critical',
    'T0866',
    'Asks a print service to load a driver, as PrintNightmare (CVE-2021-34527) does.',
    'Unless it is the site’s print server administration, isolate the sender; switch the spooler off at the target.',
  ),
  'bulk-export': row(
    'high',
    'T0811',
    'Sends far more data than it ever did.',
    'Ask who started it. If nobody did, stop the flow and look at the device.',
  ),
  'unusual-volume': row(
    'low',
    'T0814',
    'Is used far more than ever before.',
    'Ask the users of the device; a fault or a loop looks the same.',
  ),
  'unusual-hours': row(
    'low',
    'T0859',
    'Is active at hours at which it never was.',
    'Ask whether it was used then.',
  ),
  'software-change': row(
    'medium',
    'T0857',
    'Says another firmware or software version than before.',
    'Compare with the maintenance record. If nobody updated it, take it off the network.',
  ),
  'known-exploited': row(
    'critical',
    'T0866',
    'Is affected by a vulnerability that is known to be exploited.',
    'Follow the remedy of the advisory (`advisories --device`); until then let nobody reach it but by the gateway.',
  ),
  'device-vanished': row(
    'medium',
    'T0826',
    'Was there all the time and is silent now.',
    'Look whether it is switched off, moved or unplugged; a lost device with patient data is reportable.',
  ),
} as const satisfies Record<string, FindingKindRow>;

export type FindingKind = keyof typeof findingKinds;
const kinds = Object.keys(findingKinds) as [FindingKind, ...FindingKind[]];
export const findingKind = z.enum(kinds);

const mac = z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);

/** As the sensor reports it: all it has of it, each time. */
export const findingReport = z.strictObject({
  kind: findingKind,
  /** The card it is about; none for what concerns the whole link. */
  mac: mac.optional(),
  /** What sets it apart from others of its kind and card: a peer, a port, a version. */
  key: text(128),
  severity,
  /** The latest reasons, oldest first. */
  evidence: z.array(text(200)).min(1).max(4),
  first: integer,
  last: integer,
  count: integer.positive(),
});
export type FindingReport = z.infer<typeof findingReport>;

export const findingId = z
  .string()
  .regex(/^f-[0-9a-f]{16}$/, 'must be a finding id: f-, then 16 hexadecimal digits');

/** As control keeps and lists it. */
export const keptFinding = findingReport.extend({
  id: findingId,
  /** The device, by configured id, given name or card. */
  device: text(100),
  technique: anyText,
  state: z.enum(['open', 'acknowledged', 'suppressed', 'closed']),
  /** Of a suppressed one: epoch ms. */
  until: integer.optional(),
  note: text(300).optional(),
  by: text(100).optional(),
  /** Acknowledged as normal: it is part of the baseline from then on. */
  learned: z.literal(true).optional(),
  /** It was that once, and isn't any more. */
  unlearned: z.literal(true).optional(),
});
export type KeptFinding = z.infer<typeof keptFinding>;

/** Kinds that are news of a baseline: what they are about can be made normal. */
export const learnableKinds = ['new-peer', 'new-service', 'dials-out'] as const;
export const isLearnable = (f: Pick<KeptFinding, 'kind' | 'mac' | 'key'>): boolean =>
  f.mac !== undefined && f.key !== 'others' && learnableKinds.some((kind) => kind === f.kind);

/** What an operator made normal, as the sensor takes it: the finding that would be raised of it. */
export const acceptedConduct = z.strictObject({
  mac,
  kind: z.enum(learnableKinds),
  key: text(128),
});
export type AcceptedConduct = z.infer<typeof acceptedConduct>;

/** What one finding takes off the trust in a device, by severity. */
const weights: Readonly<Record<Severity, number>> = { info: 0, low: 4, medium: 15, high: 35, critical: 70 };

/** What a device is exposed to by what it is, as against what it does or is done to it. */
const exposures: ReadonlySet<FindingKind> = new Set([
  'cleartext-credentials',
  'default-credentials',
  'phi-in-clear',
  'weak-protocol',
  'known-exploited',
]);
/** All exposures together come to no more: an old device that stands behind the gateway isn't one that is attacked. */
const EXPOSED = 30;

/** 0 to 100: each further finding counts for what is left. */
export function riskOf(
  list: readonly { readonly severity: Severity; readonly kind?: FindingKind }[],
): number {
  let trust = 1;
  let shielded = 1;
  for (const { severity: level, kind } of list) {
    const left = 1 - weights[level] / 100;
    if (kind !== undefined && exposures.has(kind)) shielded *= left;
    else trust *= left;
  }
  return Math.round(100 * (1 - trust * Math.max(shielded, 1 - EXPOSED / 100)));
}

/** One flow of the baseline as it is told: who uses which service of whom. */
export const baselineFlow = z.strictObject({
  /** Card of the device whose baseline it is in, and its side. */
  mac,
  role: z.enum(['client', 'server']),
  /** The other end: its card where it is on the link, its address or prefix where not. */
  peer: text(64),
  address: text(64),
  outside: z.boolean(),
  transport: z.enum(['tcp', 'udp']),
  /** 0: a port above the registered ones, another each time. */
  port: integer.min(0).max(65_535),
  protocol: text(32).optional(),
  first: integer,
  last: integer,
  flows: count,
  bytesOut: count,
  bytesIn: count,
  /** Seen while the device was learnt, or taken in since. */
  learnt: z.boolean(),
});
export type BaselineFlow = z.infer<typeof baselineFlow>;
