/**
 * NTP packets: what a server is, and what a client's habits tell of its software.
 *
 *   leap 2 bits · version 3 · mode 3 · stratum 1 · poll 1 · precision 1 · delay 4 · dispersion 4 · reference 4 · times 32
 *
 * Clients differ in which of the fields they fill: the fingerprint lists that, never a time.
 */
import { malformed, message, text, u8, u32 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { headerBytes, modes, offsets, versions } from './constants.ts';

export interface NtpPacket {
  readonly version: number;
  readonly server: boolean;
  readonly stratum: number;
  /** Of a primary server: `GPS`, `PPS`. */
  readonly reference?: string;
  /** Of a client: version, leap, poll, precision, and which fields it fills. */
  readonly habits?: string;
}

const signed = (byte: number): number => (byte > 127 ? byte - 256 : byte);

export function decodeNtp(bytes: Uint8Array): Parsed<NtpPacket | undefined> {
  if (bytes.length < headerBytes) return malformed('ntp_short', bytes.length);
  const first = u8(bytes, 0);
  const version = (first >> 3) & 7;
  const mode = first & 7;
  if (version < versions.first || version > versions.last) return malformed('ntp_version', 0);
  const stratum = u8(bytes, offsets.stratum);
  if (mode === modes.server || mode === modes.broadcast) {
    const reference = text(bytes, offsets.reference, offsets.reference + 4);
    const primary = stratum === 1 && /^[A-Z0-9.]{2,4}$/.test(reference);
    return message({ version, server: true, stratum, ...(primary ? { reference } : {}) });
  }
  if (mode !== modes.client) return message(undefined);
  const filled = (
    [
      ['root', offsets.rootDelay],
      ['dispersion', offsets.rootDispersion],
      ['reference', offsets.reference],
      ['referenceTime', offsets.referenceTime],
      ['origin', offsets.originTime],
      ['receive', offsets.receiveTime],
    ] as const
  ).flatMap(([name, at]) => (u32(bytes, at) === 0 ? [] : [name]));
  const habits = [
    `v${version}`,
    `leap${first >> 6}`,
    `poll${signed(u8(bytes, offsets.poll))}`,
    `precision${signed(u8(bytes, offsets.precision))}`,
    ...filled,
  ].join(' ');
  return message({ version, server: false, stratum, habits });
}
