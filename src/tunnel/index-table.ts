/**
 * The 32-bit indices by which a peer's messages name our handshakes and keypairs (whitepaper section 5.4.2).
 * Random, so that they tell nobody how many sessions there are, and unique while in use.
 */
import type { RandomBytes } from './cookie.ts';

export class IndexTable<Owner> {
  readonly #owners = new Map<number, Owner>();
  readonly #randomBytes: RandomBytes;

  constructor(randomBytes: RandomBytes) {
    this.#randomBytes = randomBytes;
  }

  /** A few thousand of four billion are in use: a second try is already rare. */
  allocate(owner: Owner): number {
    for (;;) {
      const bytes = this.#randomBytes(4);
      const index = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
      if (this.#owners.has(index)) continue;
      this.#owners.set(index, owner);
      return index;
    }
  }

  get(index: number): Owner | undefined {
    return this.#owners.get(index);
  }

  free(index: number): void {
    this.#owners.delete(index);
  }

  get size(): number {
    return this.#owners.size;
  }
}
