/**
 * One direction of a TCP connection put back in order: the first `limits.INSPECTED` bytes, then nothing more
 * is looked at (RFC 9293 section 3.4 for sequence arithmetic).
 *
 * The first copy of a byte wins; later copies are dropped, as receivers do. Segments that come early wait in
 * a small buffer, copied, counted against one budget that all directions share. A direction whose start was
 * not seen begins at its first segment with data (`midstream`).
 */
import { limits } from './constants.ts';

/** Bytes that wait, of all directions together. */
export interface PendingBudget {
  bytes: number;
}

interface Pending {
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

/** Why a direction is no longer looked at: its reader had enough, the limit, a hole, a cut capture, its end. */
export type DirectionEnd = 'enough' | 'inspected' | 'gap' | 'truncated' | 'closed';

/** Takes a run of bytes; true when no more are wanted. */
export type Deliver = (chunk: Uint8Array) => boolean;

/** `a - b` on the circle of sequence numbers, in [-2^31, 2^31). */
export const sequenceDistance = (a: number, b: number): number => (a - b) | 0;

export class Direction {
  /** Sequence number of the next byte wanted; undefined before the first segment. */
  #next: number | undefined;
  #pending: Pending[] = [];
  #pendingBytes = 0;
  delivered = 0;
  midstream = false;
  /** Set when nothing more will be delivered, and why. */
  ended: DirectionEnd | undefined;

  /** A SYN fixes where the data begins; a repeated one changes nothing. */
  synchronize(sequence: number): void {
    this.#next ??= (sequence + 1) >>> 0;
  }

  /** Take a segment; calls `deliver` with each run of new bytes in order. `bytes` is copied when it has to wait. */
  push(sequence: number, bytes: Uint8Array, missing: number, budget: PendingBudget, deliver: Deliver): void {
    if (this.ended !== undefined || bytes.length + missing === 0) return;
    if (this.#next === undefined) {
      this.#next = sequence;
      this.midstream = true;
    }
    const early = sequenceDistance(sequence, this.#next);
    if (early > 0) return this.#wait(sequence, bytes, missing, early, budget);
    this.#take(bytes, -early, budget, deliver);
    if (missing > 0 && -early < bytes.length + missing) return this.end('truncated', budget);
    this.#drain(budget, deliver);
    if (this.delivered >= limits.INSPECTED) this.end('inspected', budget);
  }

  end(why: DirectionEnd, budget: PendingBudget): void {
    this.ended ??= why;
    budget.bytes -= this.#pendingBytes;
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  #take(bytes: Uint8Array, skip: number, budget: PendingBudget, deliver: Deliver): void {
    if (skip >= bytes.length || this.ended !== undefined) return;
    const room = limits.INSPECTED - this.delivered;
    const chunk = bytes.subarray(skip, Math.min(bytes.length, skip + room));
    this.#next = ((this.#next as number) + bytes.length - skip) >>> 0;
    this.delivered += chunk.length;
    if (chunk.length > 0 && deliver(chunk)) this.end('enough', budget);
  }

  #wait(sequence: number, bytes: Uint8Array, missing: number, early: number, budget: PendingBudget): void {
    // Beyond what will ever be looked at.
    if (this.delivered + early >= limits.INSPECTED) return;
    const full =
      missing > 0 ||
      this.#pending.length >= limits.PENDING_SEGMENTS ||
      this.#pendingBytes + bytes.length > limits.PENDING_BYTES ||
      budget.bytes + bytes.length > limits.PENDING_BYTES_ALL;
    if (full) return this.end('gap', budget);
    const next = this.#next as number;
    const at = this.#pending.findIndex((p) => sequenceDistance(p.sequence, next) > early);
    const segment = { sequence, bytes: new Uint8Array(bytes) };
    if (at < 0) this.#pending.push(segment);
    else this.#pending.splice(at, 0, segment);
    this.#pendingBytes += bytes.length;
    budget.bytes += bytes.length;
  }

  #drain(budget: PendingBudget, deliver: Deliver): void {
    for (let first = this.#pending[0]; first !== undefined; first = this.#pending[0]) {
      const early = sequenceDistance(first.sequence, this.#next as number);
      if (early > 0) return;
      this.#pending.shift();
      this.#pendingBytes -= first.bytes.length;
      budget.bytes -= first.bytes.length;
      this.#take(first.bytes, -early, budget, deliver);
    }
  }
}
