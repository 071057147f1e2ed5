/**
 * One direction of a brokered DICOM association: what has been taken apart of it, what is passing, and how pieces of
 * a data set are framed for the far end (PS3.8 section 9.3.5).
 *
 * What surprises: fragments must have an even length (PS3.7 annex F.1), and pieces come as TCP cut them; the odd
 * byte of a piece waits for the next one.
 */
import { DicomAnalyzer } from '../../protocol/dicom/analyzer.ts';
import { pdvControl } from '../../protocol/dicom/constants.ts';
import type { Command } from '../../protocol/dicom/dimse.ts';
import { dataHeader, fragmentLimit } from '../../protocol/dicom/message.ts';
import type { Side } from './gate.ts';

export interface Operation {
  readonly command: Command;
  readonly context: number;
  cancelled: boolean;
}

export interface Passing {
  readonly context: number;
  /** Absent while the data set is forwarded. */
  readonly swallow?: { readonly answer?: Uint8Array; bytes: number };
  /** The odd byte that waits. */
  odd?: number | undefined;
}

/** One direction: what `side` sends. */
export class Lane {
  readonly side: Side;
  readonly analyzer = new DicomAnalyzer();
  /** The message whose data set is now arriving. */
  passing: Passing | undefined;
  /** The gateway's own words for the far end of this lane, while a message is passing. */
  readonly waiting: Uint8Array[] = [];
  /** Requests of `side` that were forwarded and wait for their last response. */
  readonly operations = new Map<number, Operation>();
  /** Largest fragment the far end takes. */
  limit = fragmentLimit(0);
  releasing = false;

  constructor(side: Side) {
    this.side = side;
  }

  /** Frames a piece of the passing data set for the far end: headers and views of `bytes`, in order. */
  frameData(passing: Passing, bytes: Uint8Array, last: boolean): Uint8Array[] {
    const frames: Uint8Array[] = [];
    let lead = passing.odd === undefined ? undefined : Uint8Array.of(passing.odd);
    let left = (lead === undefined ? 0 : 1) + bytes.length;
    if (!last && left % 2 === 1) {
      left--;
      passing.odd = bytes.at(-1) ?? passing.odd;
    } else {
      delete passing.odd;
    }
    if (left === 0 && !last) return frames;
    let at = 0;
    do {
      const size = Math.min(left, this.limit);
      frames.push(dataHeader(passing.context, last && size === left ? pdvControl.last : 0, size));
      if (lead !== undefined) frames.push(lead);
      const take = size - (lead === undefined ? 0 : 1);
      if (take > 0) frames.push(bytes.subarray(at, at + take));
      at += take;
      left -= size;
      lead = undefined;
    } while (left > 0);
    return frames;
  }
}
