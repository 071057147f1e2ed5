/**
 * What a host has few of, its addresses and the ports that answer: lists that are looked through. Each is replaced by one
 * with a row more, since an array that is pushed to keeps room for sixteen.
 */
import type { Service } from '../wire/observation.ts';
import { printAddress } from './frame.ts';
import { Names } from './names.ts';

export interface AddressRow {
  /** Packed (`frame.ts`), and as it is printed. */
  readonly packed: string;
  readonly text: string;
  claimed: boolean;
}

const none: readonly never[] = [];

export class Addresses {
  #rows: readonly AddressRow[] = none;

  get size(): number {
    return this.#rows.length;
  }

  find(packed: string): AddressRow | undefined {
    for (const row of this.#rows) if (row.packed === packed) return row;
    return undefined;
  }

  has(packed: string): boolean {
    return this.find(packed) !== undefined;
  }

  add(packed: string, claimed: boolean): void {
    this.#rows = [...this.#rows, { packed, text: printAddress(packed), claimed }];
  }

  remove(packed: string): void {
    this.#rows = this.#rows.filter((row) => row.packed !== packed);
  }

  /** Packed, in the order in which they came. */
  packed(): string[] {
    return this.#rows.map((row) => row.packed);
  }

  rows(): readonly AddressRow[] {
    return this.#rows;
  }
}

/** A service in a number: port, transport, and what it speaks. Protocols have names of ours, so there are few. */
const protocols = new Names();
const UDP = 256;
const PORT = 512;

export class Services {
  #rows: readonly number[] = none;

  get size(): number {
    return this.#rows.length;
  }

  #index(transport: 'tcp' | 'udp', port: number): number {
    const wanted = port * PORT + (transport === 'udp' ? UDP : 0);
    for (let i = 0; i < this.#rows.length; i++) if (((this.#rows[i] as number) & ~255) === wanted) return i;
    return -1;
  }

  has(transport: 'tcp' | 'udp', port: number): boolean {
    return this.#index(transport, port) >= 0;
  }

  /** What a port speaks, as far as that is known. */
  protocol(transport: 'tcp' | 'udp', port: number): string | undefined {
    return protocols.name((this.#rows[this.#index(transport, port)] ?? 0) & 255);
  }

  /** A port, or what it speaks now. */
  set(transport: 'tcp' | 'udp', port: number, protocol: string | undefined): void {
    const row = port * PORT + (transport === 'udp' ? UDP : 0) + protocols.number(protocol);
    const index = this.#index(transport, port);
    this.#rows = index < 0 ? [...this.#rows, row] : this.#rows.with(index, row);
  }

  rows(): Service[] {
    return this.#rows.map((row) => {
      const protocol = protocols.name(row & 255);
      return {
        transport: (row & UDP) === 0 ? 'tcp' : 'udp',
        port: row >>> 9,
        ...(protocol === undefined ? {} : { protocol }),
      };
    });
  }
}
