/**
 * The edges of a session: what it is given once, and what it does to the world. Its inputs are the methods of
 * `Session`.
 */
import type { Endpoint } from '../wire/address.ts';
import type { AuditEvent } from '../wire/audit-event.ts';
import type { Grant, Target } from '../wire/grant.ts';
import type { SessionId } from '../wire/ids.ts';
import type { SessionProgress } from '../wire/messages.ts';
import type { Clock } from '../wire/units.ts';
import type { GateSources, openGate, openRefusal } from './gate/gate.ts';
import type { Side } from './surroundings.ts';

export type SessionState =
  | 'authorising'
  | 'recording'
  | 'dialling'
  | 'open'
  | 'refusing'
  | 'closing'
  | 'ended';

/** What a session does to the world. */
export interface SessionEffects {
  /** Ask control; answered by `decided` or `undecided`. */
  authorise(): void;
  /** Write the start; answered by `recorded`. */
  record(event: AuditEvent): void;
  /** Keep an event for the log, in order; false when it can't be kept. */
  append(event: AuditEvent): boolean;
  /** Connect to the device; answered by `dialled` or `dialFailed`. */
  dial(to: Endpoint): void;
  /** Hand bytes to a socket; false when it is full, `drained` follows. */
  send(to: Side, bytes: Uint8Array): boolean;
  /** Several sends follow, until `uncork`. */
  cork(): void;
  uncork(): void;
  /** Close the sending half once everything sent has left. */
  finish(side: Side): void;
  /** Close at once. */
  reset(side: Side): void;
  pause(side: Side): void;
  resume(side: Side): void;
  /** Call `timer` after so many milliseconds; replaces the last request. */
  wake(afterMs: number): void;
  /** The grant is in use; the session is worth a row. */
  started(grant: Grant, progress: SessionProgress): void;
  /** The row is finished. */
  finished(progress: SessionProgress, reason: string): void;
  /** A peer or device departed from its protocol. */
  weird(name: string, from: Side, offset: number, detail: string | undefined): void;
  /** Nothing more will come: both sockets are closed. */
  over(reason: string): void;
}

export interface SessionSetting {
  readonly id: SessionId;
  readonly source: Endpoint;
  /** What the listener publishes; control names the same in its grant. */
  readonly target: Target;
  readonly limits: { readonly connectMs: number; readonly firstByteMs: number };
  readonly clock: Clock;
  readonly sources: GateSources;
  /** What opens gates: the protocols' own, or a test's. */
  readonly gates: { readonly open: typeof openGate; readonly refuse: typeof openRefusal };
}
