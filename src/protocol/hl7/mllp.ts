/**
 * MLLP framing, HL7 Minimal Lower Layer Protocol release 1: VT (0x0b) message FS (0x1c) CR (0x0d).
 *
 * What surprises:
 * - A message is over at FS; the CR may come in another segment, or never. A byte other than CR there is a
 *   `weird`, and is looked at again as the first byte outside the frame.
 * - Neither VT nor FS can be content. A VT inside a frame starts anew and what went before is lost, so no receiver
 *   behind the gateway sees a frame where the gateway saw another.
 * - Bytes outside frames are counted and dropped, with one `weird` a run.
 */
import { limits, mllpBytes } from './constants.ts';

export type MllpEvent =
  /** `bytes` is a copy, without the frame; `offset` is that of its VT. */
  | { kind: 'message'; bytes: Uint8Array; offset: number }
  /** The message is longer than allowed; `bytes` is its beginning. The rest is skipped. */
  | { kind: 'oversize'; bytes: Uint8Array; offset: number }
  | { kind: 'weird'; name: string; offset: number; detail?: string };

type State = 'outside' | 'inside' | 'skipping' | 'tail';

const initialBytes = 1024;

export class MllpReader {
  readonly #maxBytes: number;
  #state: State = 'outside';
  #held = new Uint8Array(0);
  #filled = 0;
  #offset = 0;
  #start = 0;
  #outside = 0;
  #inRun = false;

  constructor(maxBytes: number = limits.messageBytes) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes seen outside frames so far. */
  get outsideBytes(): number {
    return this.#outside;
  }

  /** True when a frame was begun and hasn't ended. */
  get partial(): boolean {
    return this.#state === 'inside' || this.#state === 'skipping';
  }

  get offset(): number {
    return this.#offset;
  }

  push(bytes: Uint8Array): MllpEvent[] {
    const events: MllpEvent[] = [];
    const base = this.#offset;
    let at = 0;
    while (at < bytes.length) {
      switch (this.#state) {
        case 'tail':
          this.#state = 'outside';
          this.#inRun = false;
          if (bytes[at] === mllpBytes.tail) at++;
          else events.push({ kind: 'weird', name: 'mllp_no_final_cr', offset: base + at });
          break;
        case 'outside':
          at = this.#skipOutside(bytes, at, base, events);
          break;
        case 'inside':
        case 'skipping':
          at = this.#take(bytes, at, base, events);
          break;
      }
    }
    this.#offset = base + bytes.length;
    return events;
  }

  /** `count` bytes were never seen: a frame begun before them can't be trusted. */
  gap(count: number): void {
    this.#offset += count;
    this.#state = 'outside';
    this.#inRun = true;
    this.#held = new Uint8Array(0);
  }

  #skipOutside(bytes: Uint8Array, at: number, base: number, events: MllpEvent[]): number {
    const next = bytes.indexOf(mllpBytes.start, at);
    const end = next < 0 ? bytes.length : next;
    if (end > at) {
      this.#outside += end - at;
      if (!this.#inRun) events.push({ kind: 'weird', name: 'mllp_outside_frame', offset: base + at });
      this.#inRun = true;
    }
    if (next < 0) return end;
    this.#open(base + next);
    return next + 1;
  }

  #open(offset: number): void {
    this.#state = 'inside';
    this.#start = offset;
    this.#filled = 0;
  }

  #take(bytes: Uint8Array, at: number, base: number, events: MllpEvent[]): number {
    let end = at;
    while (end < bytes.length && bytes[end] !== mllpBytes.end && bytes[end] !== mllpBytes.start) end++;
    if (this.#state === 'inside') {
      const room = this.#maxBytes - this.#filled;
      this.#append(bytes.subarray(at, Math.min(end, at + room)));
      if (end - at > room) {
        this.#state = 'skipping';
        events.push({ kind: 'oversize', bytes: this.#held.slice(0, this.#filled), offset: this.#start });
        this.#held = new Uint8Array(0);
      }
    }
    if (end === bytes.length) return end;
    if (bytes[end] === mllpBytes.start) {
      events.push({ kind: 'weird', name: 'mllp_unended_frame', offset: this.#start });
      this.#open(base + end);
      return end + 1;
    }
    if (this.#state === 'inside')
      events.push({ kind: 'message', bytes: this.#held.slice(0, this.#filled), offset: this.#start });
    if (this.#held.length > 16 * initialBytes) this.#held = new Uint8Array(0);
    this.#state = 'tail';
    return end + 1;
  }

  #append(piece: Uint8Array): void {
    const size = this.#filled + piece.length;
    if (size > this.#held.length) {
      const grown = new Uint8Array(
        Math.max(size, Math.min(2 * this.#held.length, this.#maxBytes), initialBytes),
      );
      grown.set(this.#held.subarray(0, this.#filled));
      this.#held = grown;
    }
    this.#held.set(piece, this.#filled);
    this.#filled = size;
  }
}

/** A message in its frame. */
export function mllpFrame(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(message.length + 3);
  frame[0] = mllpBytes.start;
  frame.set(message, 1);
  frame[message.length + 1] = mllpBytes.end;
  frame[message.length + 2] = mllpBytes.tail;
  return frame;
}
