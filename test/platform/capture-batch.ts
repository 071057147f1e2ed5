/**
 * The batch of frames that the capture ring hands over, walked in place.
 *
 * Record: u32le bytes kept · u32le bytes on the wire · f64le epoch ms · frame bytes · padding to 8.
 * The batch comes from our own native half, yet lengths are checked: what's wrong ends the walk, named.
 */

/** Bytes before the frame of each record. */
export const RECORD_HEADER = 16;

export type BatchEnd =
  | { readonly kind: 'complete'; readonly frames: number }
  | { readonly kind: 'malformed'; readonly frames: number; readonly weird: string; readonly offset: number };

/** Calls `visit` with each frame of the batch, a view that is valid only during the call. */
export function walkBatch(
  batch: Uint8Array,
  count: number,
  visit: (frame: Uint8Array, wireLength: number, at: number) => void,
): BatchEnd {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  let offset = 0;
  for (let i = 0; i < count; i++) {
    if (offset + RECORD_HEADER > batch.length) {
      return { kind: 'malformed', frames: i, weird: 'batch_header_truncated', offset };
    }
    const length = view.getUint32(offset, true);
    const wireLength = view.getUint32(offset + 4, true);
    const at = view.getFloat64(offset + 8, true);
    const start = offset + RECORD_HEADER;
    if (length > batch.length - start) {
      return { kind: 'malformed', frames: i, weird: 'batch_frame_truncated', offset };
    }
    visit(batch.subarray(start, start + length), wireLength, at);
    offset = start + ((length + 7) & ~7);
  }
  return { kind: 'complete', frames: count };
}
