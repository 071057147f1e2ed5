/**
 * GE CARESCAPE/Unity time datagrams.
 *
 *   6 · address of the sender 4 · 14 · "unit|bed" 13 · 23 · time 4          64 bytes, broadcast
 *
 * The repeated address is what tells these datagrams from others of the same length.
 */
import { malformed, message, text } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { time } from './constants.ts';

export interface UnityTime {
  readonly place: string;
}

/** `sender`: the address the datagram came from, four bytes. */
export function decodeUnity(bytes: Uint8Array, sender: Uint8Array): Parsed<UnityTime> {
  if (bytes.length !== time.length || sender.length !== 4) return malformed('unity_length', 0);
  if (!sender.every((b, i) => bytes[time.address + i] === b)) return malformed('unity_address', time.address);
  const place = text(bytes, time.place, time.placeEnd).trim();
  if (!/^[\x20-\x7e]{1,16}\|[\x20-\x7e]{0,16}$/.test(place)) return malformed('unity_place', time.place);
  return message({ place });
}
