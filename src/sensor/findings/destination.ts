/**
 * Addresses that are built into firmware and belong to neither maker nor owner: a device that calls one is heard on its
 * first packet, answered or not. A table with its source; short, because such a thing is rare and worse than the rest.
 */
import { isPrivate } from '../frame.ts';

export interface Destination {
  /** Packed as in `frame.ts`. */
  readonly address: string;
  readonly what: string;
  readonly source: string;
}

const packed = (a: number, b: number, c: number, d: number): string =>
  String.fromCharCode((a << 8) | b, (c << 8) | d);

export const destinations: readonly Destination[] = [
  {
    address: packed(202, 114, 4, 119),
    what: 'the address that Contec CMS8000 monitors (and those sold as Epsimed MN-120) send patient data to',
    source: 'CISA ICSMA-25-030-01, CVE-2025-0626, CVE-2025-0683',
  },
  {
    address: packed(202, 114, 4, 120),
    what: 'the address from which Contec CMS8000 monitors mount and load software',
    source: 'CISA ICSMA-25-030-01, CVE-2025-0626',
  },
];

const byAddress = new Map(destinations.map((row) => [row.address, row]));

export const hardCoded = (address: string): Destination | undefined =>
  isPrivate(address) ? undefined : byAddress.get(address);
