/**
 * The equipment that a data set is of, read as it streams by (PS3.5 section 7.1, PS3.3 C.7.5.1).
 *
 *   explicit  group 2 · element 2 · VR 2 · length 2 · value          OB OW SQ UN UT …: VR 2 · reserved 2 · length 4
 *   implicit  group 2 · element 2 · length 4 · value
 *
 * Elements ascend, so nothing after (0018,1020) is wanted and nothing of group 0010 is ever kept: a value that
 * isn't of the table is counted past, byte by byte. Sequences are counted past too, items of undefined length
 * by their delimiters.
 */

/** Group and element to the name it gets. */
export const equipmentElements: ReadonlyMap<number, string> = new Map([
  [0x0008_0060, 'modality'],
  [0x0008_0070, 'manufacturer'],
  [0x0008_1010, 'stationName'],
  [0x0008_1090, 'model'],
  [0x0018_1000, 'serial'],
  [0x0018_1020, 'software'],
]);

const LAST = 0x0018_1020;
const ITEM = 0xfffe_e000;
const ITEM_END = 0xfffe_e00d;
const SEQUENCE_END = 0xfffe_e0dd;
const UNDEFINED = 0xffff_ffff;
const VALUE_LIMIT = 128;
const DEPTH_LIMIT = 16;
const longLengths = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);

export class EquipmentReader {
  readonly #explicit: boolean;
  readonly #little: boolean;
  readonly #found: (name: string, value: string) => void;
  readonly #header = new Uint8Array(12);
  #headerLength = 0;
  #skip = 0;
  #value: { name: string; bytes: Uint8Array; length: number } | undefined;
  #depth = 0;
  done = false;

  constructor(explicit: boolean, little: boolean, found: (name: string, value: string) => void) {
    this.#explicit = explicit;
    this.#little = little;
    this.#found = found;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length && !this.done) {
      if (this.#value !== undefined) {
        const value = this.#value;
        const part = chunk.subarray(at, at + value.bytes.length - value.length);
        value.bytes.set(part, value.length);
        value.length += part.length;
        at += part.length;
        if (value.length === value.bytes.length) this.#take(value);
      } else if (this.#skip > 0) {
        const n = Math.min(this.#skip, chunk.length - at);
        this.#skip -= n;
        at += n;
      } else {
        this.#header[this.#headerLength++] = chunk[at++] as number;
        if (this.#headerLength >= 8) this.#element();
      }
    }
  }

  #take(value: { name: string; bytes: Uint8Array }): void {
    this.#value = undefined;
    const text = Buffer.from(value.bytes).toString('latin1').replaceAll('\0', ' ').trim();
    if (text !== '') this.#found(value.name, text);
  }

  #element(): void {
    const view = new DataView(this.#header.buffer);
    const tag = view.getUint16(0, this.#little) * 0x1_0000 + view.getUint16(2, this.#little);
    const delimiter = tag === ITEM || tag === ITEM_END || tag === SEQUENCE_END;
    let length = view.getUint32(4, this.#little);
    let sequence = length === UNDEFINED;
    if (this.#explicit && !delimiter) {
      const vr = String.fromCharCode(this.#header[4] as number, this.#header[5] as number);
      if (!/^[A-Z]{2}$/.test(vr)) {
        this.done = true;
        return;
      }
      if (longLengths.has(vr)) {
        if (this.#headerLength < 12) return;
        length = view.getUint32(8, this.#little);
        sequence = length === UNDEFINED;
      } else length = view.getUint16(6, this.#little);
    }
    this.#headerLength = 0;
    if (tag === ITEM_END || tag === SEQUENCE_END) {
      this.#depth = Math.max(0, this.#depth - 1);
      return;
    }
    if (sequence) {
      this.#depth++;
      this.done ||= this.#depth > DEPTH_LIMIT;
      return;
    }
    const outside = this.#depth === 0;
    if (outside && tag > LAST) {
      this.done = true;
      return;
    }
    const name = outside ? equipmentElements.get(tag) : undefined;
    this.#skip = length;
    if (name === undefined || length === 0) return;
    // Of a long value, a list of software versions mostly, the beginning is kept.
    const kept = Math.min(length, VALUE_LIMIT);
    this.#value = { name, bytes: new Uint8Array(kept), length: 0 };
    this.#skip = length - kept;
  }
}
