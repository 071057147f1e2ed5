/**
 * What is normal for one device: the services it uses and offers and with whom, how much it sends in a day, at which
 * hours it is active, how long it is ever silent, which versions it says.
 *
 * Bounded: `ENTRIES` rows. A device that has more (a server that everyone uses, a workstation that goes everywhere) is
 * `wide`: with whom it talks tells nothing then, and only services and volume are watched.
 */
import type { BaselineFlow } from '../../wire/finding.ts';

export const DAY_MS = 86_400_000;
export const HOUR_MS = 3_600_000;
export const ENTRIES = 128;
const VERSIONS = 8;
const FIELDS = 8;

export interface Entry {
  readonly role: 'client' | 'server';
  /** Card, address or prefix of the other end, and its address at last. */
  readonly peer: string;
  address: string;
  readonly outside: boolean;
  readonly transport: 'tcp' | 'udp';
  /** 0: one of the ports that are another each time. */
  readonly port: number;
  protocol?: string;
  readonly first: number;
  last: number;
  flows: number;
  out: number;
  in: number;
  /** Which day it is of the counts, what was sent on it, and the most that was sent in a day before. */
  day: number;
  dayOut: number;
  most: number;
  /** Days on which it was seen. */
  days: number;
  learnt: boolean;
}

/** As it is kept over a restart. */
export interface KeptDevice {
  readonly mac: string;
  readonly started: number;
  readonly last: number;
  readonly days: number;
  readonly day: number;
  readonly gap: number;
  readonly hours: readonly number[];
  readonly wide: boolean;
  readonly entries: readonly Entry[];
  readonly versions: readonly (readonly [string, readonly (readonly [string, number])[]])[];
}

export class DeviceBaseline {
  readonly mac: string;
  readonly entries = new Map<string, Entry>();
  /** Rows that weren't told yet, or counted on. */
  readonly dirty = new Set<Entry>();
  /** Versions by the field that says them, and when each was first said. */
  readonly versions = new Map<string, Map<string, number>>();
  /** On how many days it was active in each hour of the day, UTC. */
  readonly hours: number[] = Array.from({ length: 24 }, () => 0);
  started: number;
  last: number;
  /** Days on which it was seen. */
  days = 0;
  day = -1;
  /** Longest silence, ms. */
  gap = 0;
  wide = false;
  vanished = false;
  #hour = -1;

  constructor(mac: string, at: number) {
    this.mac = mac;
    this.started = at;
    this.last = at;
  }

  /** It sent something at `at`. True when that is an hour of the day at which it never did. */
  seen(at: number): boolean {
    if (at <= this.last && this.day >= 0) return false;
    this.gap = Math.max(this.gap, at - this.last);
    this.last = Math.max(this.last, at);
    const day = Math.floor(at / DAY_MS);
    if (day !== this.day) {
      this.day = day;
      this.days++;
    }
    const hour = Math.floor(at / HOUR_MS);
    if (hour === this.#hour) return false;
    this.#hour = hour;
    const index = ((hour % 24) + 24) % 24;
    const around = [index + 23, index, index + 1].map((i) => this.hours[i % 24] ?? 0);
    this.hours[index] = (this.hours[index] ?? 0) + 1;
    return around.every((count) => count === 0);
  }

  /** Long enough watched, and not only while it was off. */
  learning(at: number, days: number): boolean {
    return at - this.started < days * DAY_MS || this.days < Math.min(3, days);
  }

  /** A version that a field says; undefined when that is no news, else the one before. */
  version(field: string, value: string, at: number): string | undefined {
    let values = this.versions.get(field);
    if (values === undefined) {
      if (this.versions.size >= FIELDS) return undefined;
      values = new Map();
      this.versions.set(field, values);
    }
    if (values.has(value)) return undefined;
    const before = [...values].at(-1);
    if (values.size >= VERSIONS) {
      const [oldest] = values.keys();
      if (oldest !== undefined) values.delete(oldest);
    }
    values.set(value, at);
    // Two programs of one host say two versions within the hour; an update takes longer.
    return before !== undefined && at - before[1] >= HOUR_MS ? before[0] : undefined;
  }

  kept(): KeptDevice {
    const { mac, started, last, days, day, gap, wide } = this;
    return {
      mac,
      started,
      last,
      days,
      day,
      gap,
      hours: [...this.hours],
      wide,
      entries: [...this.entries.values()],
      versions: [...this.versions].map(([field, values]) => [field, [...values]]),
    };
  }
}

export const entryKey = (e: Pick<Entry, 'role' | 'peer' | 'transport' | 'port'>): string =>
  `${e.role} ${e.peer} ${e.transport}/${e.port}`;

export function flowOf({ mac }: DeviceBaseline, e: Entry): BaselineFlow {
  return {
    mac,
    role: e.role,
    peer: e.peer,
    address: e.address,
    outside: e.outside,
    transport: e.transport,
    port: e.port,
    ...(e.protocol === undefined ? {} : { protocol: e.protocol }),
    first: Math.round(e.first),
    last: Math.round(e.last),
    flows: e.flows,
    bytesOut: e.out,
    bytesIn: e.in,
    learnt: e.learnt,
  };
}
