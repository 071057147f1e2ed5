/**
 * What is normal for one device: the services it uses and offers and with whom, how much it sends in a day, at which
 * hours it is active, how long it is ever silent, which versions it says.
 *
 * Bounded: `ENTRIES` rows. A device that has more (a server that everyone uses, a workstation that goes everywhere) is
 * `wide`: with whom it talks tells nothing then, and only services and volume are watched.
 */
import type { BaselineFlow } from '../../wire/finding.ts';
import { NO_ENTRY } from './entry.ts';
import type { Entry, KeptEntry } from './entry.ts';

export const DAY_MS = 86_400_000;
export const HOUR_MS = 3_600_000;
export const ENTRIES = 128;
const VERSIONS = 8;
const FIELDS = 8;
/** Hours are kept in a byte each: more days than this need no telling apart. */
const MOST_DAYS = 255;
const NO_HOURS = '\0'.repeat(24);

export const hoursOf = (days: readonly number[]): string =>
  String.fromCharCode(...days.map((n) => Math.min(n, MOST_DAYS)));

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
  readonly entries: readonly KeptEntry[];
  readonly versions: readonly (readonly [string, readonly (readonly [string, number])[]])[];
}

export class DeviceBaseline {
  readonly mac: string;
  /** The chain of its rows, how many, and how many of them weren't told yet, or counted on. */
  head = NO_ENTRY;
  size = 0;
  dirty = 0;
  /** Versions by the field that says them, and when each was first said; most devices say none. */
  versions: Map<string, Map<string, number>> | undefined;
  /** On how many days it was active in each hour of the day, UTC: a character each. */
  hours = NO_HOURS;
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
    const active = (i: number): number => this.hours.charCodeAt(i % 24);
    const before = active(index + 23) + active(index) + active(index + 1);
    const days = String.fromCharCode(Math.min(active(index) + 1, MOST_DAYS));
    this.hours = [this.hours.slice(0, index), days, this.hours.slice(index + 1)].join('');
    return before === 0;
  }

  /** Long enough watched, and not only while it was off. */
  learning(at: number, days: number): boolean {
    return at - this.started < days * DAY_MS || this.days < Math.min(3, days);
  }

  /** A version that a field says; undefined when that is no news, else the one before. */
  version(field: string, value: string, at: number): string | undefined {
    const versions = (this.versions ??= new Map<string, Map<string, number>>());
    let values = versions.get(field);
    if (values === undefined) {
      if (versions.size >= FIELDS) return undefined;
      values = new Map();
      versions.set(field, values);
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

  kept(entries: readonly KeptEntry[]): KeptDevice {
    const { mac, started, last, days, day, gap, wide } = this;
    return {
      mac,
      started,
      last,
      days,
      day,
      gap,
      hours: Array.from({ length: 24 }, (_, hour) => this.hours.charCodeAt(hour)),
      wide,
      entries,
      versions: [...(this.versions ?? [])].map(([field, values]) => [field, [...values]]),
    };
  }
}

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
