/**
 * Bytes gathered for one header, no more than a limit and than the common budget gives: memory follows what
 * arrived, never what a length field promised.
 */

/** Takes from (or, negative, gives back to) a budget that others share; false when it is spent. */
export type Hold = (count: number) => boolean;

const FIRST = 256;
const nothing = new Uint8Array(0);

export class Gather {
  readonly #hold: Hold;
  readonly #limit: number;
  #bytes: Uint8Array = nothing;
  #length = 0;

  constructor(limit: number, hold: Hold) {
    this.#limit = limit;
    this.#hold = hold;
  }

  get length(): number {
    return this.#length;
  }

  /** What was gathered: a view, valid until the next call. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** False when `chunk` doesn't fit, in the limit or in the budget; nothing is taken then. */
  add(chunk: Uint8Array): boolean {
    const length = this.#length + chunk.length;
    if (length > this.#limit) return false;
    if (length > this.#bytes.length) {
      const size = Math.min(this.#limit, Math.max(FIRST, length, this.#bytes.length * 2));
      if (!this.#hold(size - this.#bytes.length)) return false;
      const bytes = new Uint8Array(size);
      bytes.set(this.bytes);
      this.#bytes = bytes;
    }
    this.#bytes.set(chunk, this.#length);
    this.#length = length;
    return true;
  }

  /** Forget everything and give the budget back. */
  release(): void {
    this.#hold(-this.#bytes.length);
    this.#bytes = nothing;
    this.#length = 0;
  }
}
