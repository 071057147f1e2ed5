/**
 * TAI64N labels (https://cr.yp.to/libtai/tai64.html), the initiation's proof that it isn't a replay
 * (whitepaper section 5.1). 12 bytes, big-endian, so that comparing bytes compares instants:
 *
 *   0  8  2^62 + 10 + seconds since 1970 (TAI was 10 s ahead of UTC then; leap seconds aren't counted after)
 *   8  4  nanoseconds
 *
 * The responder only asks for "greater than the last from this peer". A machine whose wall clock went back
 * would be refused by its peers until the clock has caught up; `Tai64nClock` therefore only goes up, also across
 * restarts when it is told what was stored.
 */
import type { EpochMillis, Millis } from '../wire/units.ts';
import { OWN_TIMESTAMP_AHEAD, TIMESTAMP_BYTES, TIMESTAMP_GRAIN_NS } from './constants.ts';

const BASE = 0x400000000000000an;
const NS_PER_SECOND = 1_000_000_000n;
const GRAIN = BigInt(TIMESTAMP_GRAIN_NS);

/** Nanoseconds since 1970, which may be past what an honest clock says. */
function decode(label: Uint8Array): bigint {
  const view = new DataView(label.buffer, label.byteOffset, TIMESTAMP_BYTES);
  return (view.getBigUint64(0) - BASE) * NS_PER_SECOND + BigInt(view.getUint32(8));
}

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

/** `span` after `label`; what a peer sends may be anything, so the seconds stop at their greatest value. */
export function laterTai64n(label: Uint8Array, span: Millis): Uint8Array {
  const later = Uint8Array.from(label);
  const view = new DataView(later.buffer);
  const seconds = view.getBigUint64(0) + BigInt(Math.ceil(span / 1000));
  view.setBigUint64(0, seconds > 0xffffffffffffffffn ? 0xffffffffffffffffn : seconds);
  return later;
}

/**
 * Labels that only go up, whatever the wall clock does: while the process lives, and after a restart from what was
 * stored. That is ahead of the labels in use, so storing costs a write a minute.
 */
export class Tai64nClock {
  #last = -1n;
  #stored: Uint8Array | undefined;

  constructor(stored?: Uint8Array) {
    if (!stored) return;
    this.#stored = stored;
    this.#last = decode(stored);
  }

  /** `store`: what has to be stored before the label is used. */
  label(now: EpochMillis): { readonly label: Uint8Array; readonly store?: Uint8Array } {
    const ns = BigInt(Math.floor(now)) * 1_000_000n;
    const grained = ns - (ns % GRAIN);
    this.#last = grained > this.#last ? grained : this.#last + GRAIN;
    const label = encode(this.#last);
    if (this.#stored && compareTai64n(label, this.#stored) <= 0) return { label };
    this.#stored = laterTai64n(label, OWN_TIMESTAMP_AHEAD);
    return { label, store: this.#stored };
  }
}
