/**
 * What `main` hands to the control room: other processes, the policy file, the time, the log. Nothing in this
 * folder opens a socket or a file or reads a clock by itself.
 */
import type { z } from 'zod';
import type { LocalTime } from '../policy/request.ts';
import type { Endpoint } from '../wire/address.ts';
import type { AuditEvent } from '../wire/audit-event.ts';
import type { Grant } from '../wire/grant.ts';
import type { PeerId, SessionId } from '../wire/ids.ts';
import type { auditVerbs, controlVerbs, tunnelVerbs } from '../wire/messages.ts';
import type { Clock, EpochMillis } from '../wire/units.ts';
import type { AdvisoryPorts } from './advisory-desk.ts';
import type { BundlePorts } from './bundle-policy.ts';
import type { DataKey } from './data-key.ts';
import type { EmergencyOptions } from './emergency.ts';
import type { BootClock } from './machine-time.ts';

export interface Log {
  debug(fields: Readonly<Record<string, unknown>>, text: string): void;
  info(fields: Readonly<Record<string, unknown>>, text: string): void;
  warn(fields: Readonly<Record<string, unknown>>, text: string): void;
  error(fields: Readonly<Record<string, unknown>>, text: string): void;
}

export type TunnelStatus = z.output<(typeof tunnelVerbs)['tunnel.status']['answer']>;

export type AuditStatus = z.output<(typeof auditVerbs)['audit.status']['answer']>;

/** The tunnel process. Each call rejects with a Fault when it isn't there. */
export interface TunnelPort {
  /** Waits at most `timeoutMs`, for the connection too. */
  status(timeoutMs: number): Promise<TunnelStatus>;
  hint(peer: PeerId, endpoint: Endpoint): Promise<void>;
}

export interface AuditPort {
  /** Resolves when the events are durable. */
  append(events: readonly AuditEvent[]): Promise<void>;
  status(): Promise<AuditStatus>;
}

/** The emergency journal, as `platform/emergency-journal.ts` has it. */
export interface EmergencyPort {
  /** What an earlier process left. */
  readonly left: readonly unknown[];
  readonly held: number;
  /** Make a record durable; false when that isn't possible. */
  append(record: unknown): boolean;
  clear(): void;
}

/** Pushes to the broker; they are lost when it isn't there, and made good when it announces its sessions again. */
export interface BrokerPort {
  revoke(session: SessionId, reason: string): void;
  regrant(grant: Grant): void;
  /** What is published is another now; the broker asks for it. */
  directoryChanged(): void;
}

/** Pushes to the sensor; one that isn't there asks when it connects. */
export interface SensorPort {
  /** More is normal than before; the sensor asks what. */
  acceptedChanged(): void;
}

export interface Ports {
  readonly clock: Clock;
  /** The site's local time of an instant, for policies that ask for it. */
  readonly localTime: (at: EpochMillis) => LocalTime;
  /** The text of the policy file. Throws what the file system says. */
  readonly readPolicy: () => string;
  /** Where the configuration pins signers: then there is no policy file. */
  readonly bundles?: BundlePorts;
  /** Where advisories and documents of devices are kept, and who understands them. */
  readonly advisories?: AdvisoryPorts;
  readonly tunnel: TunnelPort;
  readonly audit: AuditPort;
  readonly broker: BrokerPort;
  readonly sensor: SensorPort;
  readonly log: Log;
  readonly version: string;
  /** The machine's own clock (CLOCK_BOOTTIME) and which boot it is. */
  readonly machine: BootClock;
  readonly random: (bytes: number) => Uint8Array;
  readonly emergency?: EmergencyPort;
  /** What opens the data partition of an appliance. */
  readonly dataKey?: DataKey;
  /** Whether an officer's offline credential is right. */
  readonly checkCredential: EmergencyOptions['check'];
  /** Resolves after so many ms. */
  readonly delay: (ms: number) => Promise<void>;
}

/** Who called a verb: the kernel's word for it. */
export interface Caller {
  readonly uid: number;
  readonly pid: number;
  /** Tells connections apart while they last. */
  readonly connection: number;
}

type Verbs = typeof controlVerbs;
type Answer<A extends z.ZodType> = z.input<A> | Promise<z.input<A>>;
/** One handler a verb of the control socket. */
export type ControlHandlers = {
  readonly [K in keyof Verbs]: (
    body: z.output<Verbs[K]['request']>,
    caller: Caller,
  ) => Answer<Verbs[K]['answer']>;
};
