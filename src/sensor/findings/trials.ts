/**
 * What sources try, as rows of numbers: one tries hundreds of things, and there are thousands of sources. The rows of a
 * source are a chain, the oldest first.
 *
 *   times (f64)   first · last
 *   numbers (i32) address · port 16, tries 8, bits 8 · next row
 *
 * An IPv4 address is its own number; of an IPv6 address it is a hash, so that two of them are one in four billion times.
 */
import { doubled } from '../grow.ts';

export const NO_TRIAL = -1;
const FIRST_ROWS = 256;
const TIMES = 2;
const NUMBERS = 3;
const bit = { UDP: 1, ASKED: 2, OPEN: 4 } as const;
/** What tells one row of an address from another. */
const SAME = (0xffff_0000 | bit.UDP | bit.ASKED) >> 0;
const MOST_TRIES = 255;

/** Something that is tried: a port of an address, or who has an address on the link. */
export interface Tried {
  /** Packed (`frame.ts`). */
  readonly address: string;
  readonly transport: 'tcp' | 'udp' | 'arp';
  readonly port: number;
}

/** The rows of a source. */
export class Chain {
  head = NO_TRIAL;
  tail = NO_TRIAL;
  size = 0;
}

function numberOf(address: string): number {
  if (address.length === 2) return (address.charCodeAt(0) << 16) | address.charCodeAt(1);
  let hash = 0x811c9dc5;
  for (let i = 0; i < address.length; i++) hash = Math.imul(hash ^ address.charCodeAt(i), 0x01000193);
  return hash ^ (hash >>> 15);
}

const whatOf = ({ transport, port }: Tried): number =>
  (port << 16) | (transport === 'udp' ? bit.UDP : transport === 'arp' ? bit.ASKED : 0);

export class Trials {
  #times = new Float64Array(FIRST_ROWS * TIMES);
  #numbers = new Int32Array(FIRST_ROWS * NUMBERS);
  #free = NO_TRIAL;
  #used = 0;
  /** Rows that are some source's. */
  size = 0;

  add(chain: Chain, tried: Tried, at: number): void {
    let row = this.#free;
    if (row === NO_TRIAL) {
      row = this.#used++;
      if (row * NUMBERS === this.#numbers.length) this.#grow();
    } else this.#free = this.next(row);
    this.#numbers[row * NUMBERS] = numberOf(tried.address);
    this.#numbers[row * NUMBERS + 1] = whatOf(tried);
    this.#numbers[row * NUMBERS + 2] = NO_TRIAL;
    if (chain.tail === NO_TRIAL) chain.head = row;
    else this.#numbers[chain.tail * NUMBERS + 2] = row;
    chain.tail = row;
    chain.size++;
    this.size++;
    this.begin(row, at);
  }

  /** It is tried as if for the first time. */
  begin(row: number, at: number): void {
    this.#times[row * TIMES] = this.#times[row * TIMES + 1] = at;
    this.#numbers[row * NUMBERS + 1] = (this.#what(row) & SAME) | (1 << 8);
  }

  /** `before`: the row that leads to it, none for the first. */
  remove(chain: Chain, row: number, before: number): void {
    const next = this.next(row);
    if (before === NO_TRIAL) chain.head = next;
    else this.#numbers[before * NUMBERS + 2] = next;
    if (chain.tail === row) chain.tail = before;
    chain.size--;
    this.size--;
    this.#numbers[row * NUMBERS + 2] = this.#free;
    this.#free = row;
  }

  find(chain: Chain, tried: Tried): number {
    const address = numberOf(tried.address);
    const what = whatOf(tried);
    for (let row = chain.head; row !== NO_TRIAL; row = this.next(row))
      if (this.#numbers[row * NUMBERS] === address && ((this.#what(row) ^ what) & SAME) === 0) return row;
    return NO_TRIAL;
  }

  next(row: number): number {
    return this.#numbers[row * NUMBERS + 2] as number;
  }

  first(row: number): number {
    return this.#times[row * TIMES] as number;
  }

  last(row: number): number {
    return this.#times[row * TIMES + 1] as number;
  }

  tries(row: number): number {
    return (this.#what(row) >>> 8) & 255;
  }

  /** It was tried once more; `counts`: for itself, and not as a part of the try before. */
  again(row: number, at: number, counts: boolean): void {
    this.#times[row * TIMES + 1] = at;
    if (counts && this.tries(row) < MOST_TRIES) this.#numbers[row * NUMBERS + 1] = this.#what(row) + (1 << 8);
  }

  isOpen(row: number): boolean {
    return (this.#what(row) & bit.OPEN) !== 0;
  }

  open(row: number): void {
    this.#numbers[row * NUMBERS + 1] = this.#what(row) | bit.OPEN;
  }

  /** The same address by the same transport, whatever the port; the same port by it, whatever the address. */
  isOfAddress(row: number, tried: Tried): boolean {
    return (
      this.#numbers[row * NUMBERS] === numberOf(tried.address) &&
      ((this.#what(row) ^ whatOf(tried)) & SAME & 255) === 0
    );
  }

  isOfPort(row: number, tried: Tried): boolean {
    return ((this.#what(row) ^ whatOf(tried)) & SAME) === 0;
  }

  #what(row: number): number {
    return this.#numbers[row * NUMBERS + 1] as number;
  }

  #grow(): void {
    this.#times = doubled(this.#times);
    this.#numbers = doubled(this.#numbers);
  }
}
