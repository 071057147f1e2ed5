/**
 * The native stage as the sensor sees it (`native/sensor/stage.h`, loaded by `platform/addon.ts`): bytes in, batches out.
 * Each call overwrites the batch of the one before.
 */

export interface Stage {
  /** Where batches are; the calls say how many bytes of it. */
  readonly batch: Uint8Array;
  /** One frame as captured: `at` is epoch ms. */
  frame(link: number, bytes: Uint8Array, wireLength: number, at: number): number;
  /**
   * The frames of a batch of the capture ring, from an offset on, as many as there is room for; `walked` then says where to
   * go on, and is the length of `records` when all were taken.
   */
  walk(records: Uint8Array, from: number): number;
  walked(): number;
  /** The next piece of a capture file; `next` until it gives 0, then another piece. */
  push(bytes: Uint8Array): void;
  next(): number;
  /** The file is over; `next` until it gives 0. */
  end(): void;
  /** Forget flows that were silent for long; again until it gives 0. */
  expire(at: number): number;
  /** What flows brought and who was seen since the last time; again until it gives 0. */
  tell(): number;
  /** Directions of which no more is wanted: pairs {u32 row, u32 generation * 2 + side}. */
  done(list: Uint8Array): void;
}
