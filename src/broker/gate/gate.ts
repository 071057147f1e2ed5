/**
 * The gate of one session: bytes in, effects out. It takes a protocol's stream apart, names the action each
 * unit needs, lets it pass or refuses it in the protocol's own words. It owns no socket and no clock.
 *
 * What surprises:
 * - The `bytes` of a `send` may be a view of the bytes just received (nothing is copied that need not be):
 *   write them, in order, before the receive buffer is used again. Several sends to one side often belong
 *   together; cork the socket around one list of effects.
 * - After an `end` the gate is over: every later call gives an empty list.
 * - A gate has no timer. Whoever drives it ends a session that stays silent, by `revoke`.
 * - `receive` with no bytes is allowed and gives what is due without input (a raw TCP refusal ends at once).
 * - Names, reasons and details never hold patient data: units are named `C-STORE` or `ORU^R01`.
 */
import type { Action, Protocol } from '../../wire/action.ts';
import type { ErrorCode } from '../../wire/errors.ts';
import type { Grant } from '../../wire/grant.ts';
import type { EpochMillis } from '../../wire/units.ts';
import { openDicomRefusal } from './dicom-refusal.ts';
import { openDicomGate } from './dicom.ts';
import { openHl7Refusal } from './hl7-refusal.ts';
import { openHl7Gate } from './hl7.ts';
import { openTcpGate, openTcpRefusal } from './tcp.ts';

export type Side = 'user' | 'device';

export type Effect =
  | { kind: 'send'; to: Side; bytes: Uint8Array }
  /** Permitted and forwarded. */
  | { kind: 'unit'; unit: string; action: Action; from: Side }
  /** Refused in the protocol's own way; the answer is among the sends. */
  | { kind: 'refused'; unit: string; action?: Action; reason: string; from: Side }
  /** Not as the standard says: a name, the offset in the stream from that side, and what was found. */
  | { kind: 'weird'; name: string; from: Side; offset: number; detail?: string }
  /** Flush the sends, then close both sides. */
  | { kind: 'end'; reason: string };

export interface Gate {
  /** Bytes arrived from one side; effects in order. Never throws, never keeps `bytes`. */
  receive(from: Side, bytes: Uint8Array): Effect[];
  /** One side closed its sending half. */
  closed(from: Side): Effect[];
  /** The grant changed (step down or up): takes effect at the next protocol unit. */
  regrant(grant: Grant): void;
  /** End the session now in the protocol's own way (A-ABORT, …). */
  revoke(reason: string): Effect[];
}

/** Randomness and time, from `main`. */
export interface GateSources {
  random(bytes: number): Uint8Array;
  now(): EpochMillis;
}

export interface GateContext extends GateSources {
  grant: Grant;
}

/** The gate of a permitted session, by `grant.target.protocol`. */
export function openGate(context: GateContext): Gate {
  const { protocol } = context.grant.target;
  switch (protocol) {
    case 'dicom':
      return openDicomGate(context);
    case 'hl7':
      return openHl7Gate(context);
    case 'tcp':
      return openTcpGate(context);
  }
}

/**
 * The gate of a session that was refused before any device was dialled: waits for the user's first unit (bounded
 * in bytes), refuses it in the protocol's words, then ends. Never sends to the device.
 */
export function openRefusal(protocol: Protocol, reason: string, code: ErrorCode, sources: GateSources): Gate {
  switch (protocol) {
    case 'dicom':
      return openDicomRefusal(reason, code);
    case 'hl7':
      return openHl7Refusal(reason, code, sources);
    case 'tcp':
      return openTcpRefusal(reason);
  }
}
