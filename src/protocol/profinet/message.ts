/**
 * PROFINET DCP: what a station answers when it is asked who it is, and its Hello.
 *
 *   frame id 2 · service 1 · service type 1 · transaction 4 · reserved 2 · length 2 · blocks
 *   block    option 1 · suboption 1 · length 2 · information 2 · value · [0 when the length is odd]
 *
 * Big-endian. A request has no information in its blocks and says nothing of its sender.
 */
import { malformed, message, text, u8, u16 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { blockLimit, blocks, frameId, roles, service, serviceType } from './constants.ts';

export interface ProfinetStation {
  /** What its maker calls it. */
  readonly stationType?: string;
  readonly stationName?: string;
  readonly vendorId?: number;
  readonly deviceId?: number;
  readonly role?: string;
}

const HEADER = 12;

/** `bytes`: after the EtherType. Undefined: nothing of its sender is in it. */
export function decodeProfinet(bytes: Uint8Array): Parsed<ProfinetStation | undefined> {
  if (bytes.length < HEADER) return malformed('profinet_truncated', bytes.length);
  const id = u16(bytes, 0);
  const kind = u8(bytes, 2);
  const answer = id === frameId.answer && kind === service.identify;
  const got = id === frameId.getSet && kind === service.get;
  const hello = id === frameId.hello && kind === service.hello;
  const says = ((answer || got) && u8(bytes, 3) === serviceType.success) || hello;
  if (!says) return message(undefined);
  const end = HEADER + u16(bytes, 10);
  if (end > bytes.length) return malformed('profinet_length', 10);
  const station: { -readonly [K in keyof ProfinetStation]: ProfinetStation[K] } = {};
  let at = HEADER;
  for (let n = 0; n < blockLimit && at + 4 <= end; n++) {
    const length = u16(bytes, at + 2);
    const stop = at + 4 + length;
    if (stop > end) return malformed('profinet_block', at);
    const value = at + 6;
    const option = u16(bytes, at);
    if (option === blocks.stationType) station.stationType = text(bytes, value, stop).trim();
    else if (option === blocks.stationName) station.stationName = text(bytes, value, stop).trim();
    else if (option === blocks.deviceId && length >= 6) {
      station.vendorId = u16(bytes, value);
      station.deviceId = u16(bytes, value + 2);
    } else if (option === blocks.role && length >= 3) {
      const bits = u8(bytes, value);
      const role = roles.find(([bit]) => (bits & bit) !== 0)?.[1];
      if (role !== undefined) station.role = role;
    }
    at = stop + (length & 1);
  }
  return message(station);
}
