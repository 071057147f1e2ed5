/**
 * TAI64N labels (https://cr.yp.to/libtai/tai64.html), the initiation's proof that it isn't a replay
 * (whitepaper section 5.1). 12 bytes, big-endian, so that comparing bytes compares instants:
 *
 *   0  8  2^62 + 10 + seconds since 1970 (TAI was 10 s ahead of UTC then; leap seconds aren't counted after)
 *   8  4  nanoseconds
 *
 * The responder only asks for "greater than the last from this peer". A machine whose wall clock went back
 * is refused by its peers until the clock has caught up; within one process that can't happen (`Tai64nClock`).
 */
import type { EpochMillis } from '../wire/units.ts';
import { TIMESTAMP_BYTES, TIMESTAMP_GRAIN_NS } from './constants.ts';

const BASE = 0x400000000000000an;
const NS_PER_SECOND = 1_000_000_000n;
const GRAIN = BigInt(TIMESTAMP_GRAIN_NS);

function encode(ns: bigint): Uint8Array {
  const bytes = new Uint8Array(TIMESTAMP_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BASE + ns / NS_PER_SECOND);
  view.setUint32(8, Number(ns % NS_PER_SECOND));
  return bytes;
}

/** Negative, zero or positive as `a` is before, at or after `b`. */
export function compareTai64n(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < TIMESTAMP_BYTES; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Labels that only go up, whatever the wall clock does while the process lives. */
export class Tai64nClock {
  #last = -1n;

  label(now: EpochMillis): Uint8Array {
    const ns = BigInt(Math.floor(now)) * 1_000_000n;
    const grained = ns - (ns % GRAIN);
    this.#last = grained > this.#last ? grained : this.#last + GRAIN;
    return encode(this.#last);
  }
}
