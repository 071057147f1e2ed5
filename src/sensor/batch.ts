/**
 * The batch of the native stage, walked in place: the layout of each record is in `native/sensor/batch.h`.
 *
 * The stage is ours, and yet lengths are checked: a record that doesn't fit ends the walk.
 */
import { frameWeirds } from './constants.ts';
import type { Frame } from './frame.ts';

const record = { FRAME: 1, DATA: 2, ENDED: 3, REMOVED: 4, SIGHTING: 5, WEIRD: 6, TOTALS: 7 } as const;
/** Bytes of each kind before what varies. */
const least = [8, 160, 32, 24, 40, 56, 24, 56] as const;

/** Why the stage looks no further at a direction. */
export type StageEnd = 'inspected' | 'gap' | 'truncated';
const ends: readonly (StageEnd | undefined)[] = [undefined, 'inspected', 'gap', 'truncated'];

export interface Totals {
  readonly frames: number;
  readonly bytes: number;
  readonly fragments: number;
  readonly flows: number;
  readonly flowsEvicted: number;
  readonly pendingBytes: number;
}

export interface BatchReader {
  /** The frame is the reader's own, overwritten by the next one. */
  frame(frame: Frame, at: number): void;
  /** TCP payload that waited for an earlier segment; `chunk` is valid only during the call. */
  data(row: number, generation: number, side: 0 | 1, chunk: Uint8Array, at: number): void;
  ended(row: number, generation: number, side: 0 | 1, why: StageEnd): void;
  /** With the payload bytes of each side that no frame has told. */
  removed(row: number, generation: number, bytes: readonly [number, number]): void;
  /** What a card sent from an address since it was last told: `at` is when it was last seen. */
  sighting(mac: number, address: string, packets: number, bytes: number, at: number): void;
  /** `offset`: in a capture file; undefined: of a frame. */
  weird(name: string, count: number, offset: number | undefined): void;
  totals(totals: Totals): void;
}

const sideOf = (byte: number): 0 | 1 => (byte === 1 ? 1 : 0);

/** False when a record didn't fit. */
export function readBatch(batch: Uint8Array, frame: Frame, reader: BatchReader): boolean {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  const u32 = (at: number): number => view.getUint32(at, true);
  const f64 = (at: number): number => view.getFloat64(at, true);
  let at = 0;
  while (at < batch.length) {
    const kind = batch[at] as number;
    const fixed = least[kind];
    if (at + 8 > batch.length || fixed === undefined) return false;
    const length = u32(at + 4);
    if (length < fixed || length > batch.length - at) return false;
    switch (kind) {
      case record.FRAME: {
        const kept = u32(at + 132);
        if (kept > length - fixed) return false;
        frame.load(view, at, batch.subarray(at + fixed, at + fixed + kept));
        reader.frame(frame, f64(at + 8));
        break;
      }
      case record.DATA: {
        const size = u32(at + 28);
        if (size > length - fixed) return false;
        const chunk = batch.subarray(at + fixed, at + fixed + size);
        reader.data(u32(at + 16), u32(at + 20), sideOf(view.getUint8(at + 24)), chunk, f64(at + 8));
        break;
      }
      case record.ENDED: {
        const why = ends[view.getUint8(at + 17)];
        if (why === undefined) return false;
        reader.ended(u32(at + 8), u32(at + 12), sideOf(view.getUint8(at + 16)), why);
        break;
      }
      case record.REMOVED:
        reader.removed(u32(at + 8), u32(at + 12), [f64(at + 16), f64(at + 24)]);
        break;
      case record.SIGHTING:
        reader.sighting(
          f64(at + 16),
          packed(view, at + 40, view.getUint8(at + 36)),
          u32(at + 32),
          f64(at + 24),
          f64(at + 8),
        );
        break;
      case record.WEIRD: {
        const offset = f64(at + 16);
        reader.weird(
          frameWeirds[u32(at + 8)] ?? 'weird_unknown',
          u32(at + 12),
          offset < 0 ? undefined : offset,
        );
        break;
      }
      case record.TOTALS:
        reader.totals({
          frames: f64(at + 8),
          bytes: f64(at + 16),
          fragments: f64(at + 24),
          flows: u32(at + 32),
          flowsEvicted: u32(at + 36),
          pendingBytes: u32(at + 40),
        });
        break;
    }
    at += length;
  }
  return true;
}

/** An address of 4 or 16 bytes, two to a UTF-16 unit. */
export function packed(view: DataView, at: number, length: number): string {
  if (length === 4) return String.fromCharCode(view.getUint16(at), view.getUint16(at + 2));
  if (length !== 16) return '';
  return String.fromCharCode(
    view.getUint16(at),
    view.getUint16(at + 2),
    view.getUint16(at + 4),
    view.getUint16(at + 6),
    view.getUint16(at + 8),
    view.getUint16(at + 10),
    view.getUint16(at + 12),
    view.getUint16(at + 14),
  );
}
