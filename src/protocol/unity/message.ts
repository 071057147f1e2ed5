/**
 * GE CARESCAPE/Unity broadcasts: time synchronization and discovery (RWHAT), as adapters' manuals and published
 * readings of Dash monitors' traffic describe them.
 *
 *   time       6 · address of the sender 4 · 14 · "unit|bed" 13 · 23 · time 4          64 bytes
 *   discovery  01 04 0 0 · address of the sender 4 · clock 4 · "unit|bed" 16 · patient · [service 2 · port 2]*
 *
 * The repeated address is what tells these datagrams from others. The patient of a discovery is not read.
 */
import { malformed, message, text } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { discovery, time } from './constants.ts';

export interface UnityUnit {
  readonly kind: 'time' | 'discovery';
  readonly place: string;
}

const repeats = (bytes: Uint8Array, at: number, sender: Uint8Array): boolean =>
  sender.length === 4 && sender.every((b, i) => bytes[at + i] === b);

const placePattern = /^[\x20-\x7e]{1,16}\|[\x20-\x7e]{0,16}$/;

/** `sender`: the address the datagram came from, four bytes. */
export function decodeUnity(bytes: Uint8Array, sender: Uint8Array): Parsed<UnityUnit> {
  let kind: UnityUnit['kind'];
  if (bytes.length === time.length && repeats(bytes, time.address, sender)) kind = 'time';
  else if (
    bytes.length >= discovery.shortest &&
    discovery.mark.every((b, i) => bytes[i] === b) &&
    repeats(bytes, discovery.address, sender)
  )
    kind = 'discovery';
  else return malformed('unity_unknown', 0);
  const [start, end] = kind === 'time' ? [time.place, time.placeEnd] : [discovery.place, discovery.placeEnd];
  const place = text(bytes, start, end).trim();
  if (!placePattern.test(place)) return malformed('unity_place', start);
  return message({ kind, place });
}
