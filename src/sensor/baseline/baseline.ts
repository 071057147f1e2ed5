/**
 * The baselines of all devices: what is learnt while a device is new, and then what is not as it was.
 *
 *   learning   `days` of the calendar and at least three on which it was seen: nothing is held against it
 *   then       a peer, a service, an address outside that it never had: a finding, once, with a count
 *   rolling    what goes on for three days is normal from then on, what isn't seen for 90 is forgotten
 *   frozen     nothing becomes normal by itself
 *   accepted   what operators said is normal is learnt at once, in either mode; known by the finding that it would be
 *
 * Bounded by `DEVICES` and `ENTRIES_ALL`; the device unseen for longest gives way. It reads no file: `kept` and
 * `restore` are for whoever keeps it over a restart.
 */
import * as z from 'zod';
import type { AcceptedConduct, BaselineFlow } from '../../wire/finding.ts';
import { count, integer } from '../../wire/scalar.ts';
import type { Host } from '../host.ts';
import type { Findings } from '../findings/findings.ts';
import { DAY_MS, DeviceBaseline, ENTRIES, flowOf, hoursOf } from './device.ts';
import type { KeptDevice } from './device.ts';
import { Entries, Entry, NO_ENTRY } from './entry.ts';
import type { NewEntry, Talk } from './entry.ts';

export const DEVICES = 4096;
export const ENTRIES_ALL = 40_000;
const FORGET_MS = 90 * DAY_MS;
const SWEEP_MS = 60_000;
const ROLL_DAYS = 3;
/** A service with so many learnt users is everyone's. */
const EVERYONE = 16;
const MEGABYTE = 1_000_000;
/** What a day may bring before it can be too much, by protocol. */
const floors: Readonly<Record<string, number>> = { dicom: 200 * MEGABYTE, hl7: 5 * MEGABYTE };
const OUTSIDE_FLOOR = 50 * MEGABYTE;
const FLOOR = 1000 * MEGABYTE;
const BULK = 3;
/** Devices that are sorted by when they were seen, to make room. */
const GOING = 512;
const VOLUME = 10;

export interface BaselineRules {
  readonly days: number;
  readonly mode: 'rolling' | 'frozen';
}

/** What one account of a flow says of a device. */
export interface Conduct {
  readonly role: 'client' | 'server';
  readonly peer: string;
  readonly address: string;
  readonly outside: boolean;
  /** The other end is the gateway, which is no news. */
  readonly gateway?: boolean;
  readonly transport: 'tcp' | 'udp';
  readonly port: number;
  readonly protocol: string | undefined;
  readonly out: number;
  readonly in: number;
  /** It is counted for the first time. */
  readonly fresh: boolean;
}

const keptEntry = z.object({
  role: z.enum(['client', 'server']),
  peer: z.string().max(64),
  address: z.string().max(64),
  outside: z.boolean(),
  transport: z.enum(['tcp', 'udp']),
  port: count.max(65_535),
  protocol: z.string().max(32).optional(),
  first: z.number(),
  last: z.number(),
  flows: count,
  out: count,
  in: count,
  day: integer,
  dayOut: count,
  most: count,
  days: count,
  learnt: z.boolean(),
  accepted: z.boolean().optional(),
});
const keptDevice = z.object({
  mac: z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/),
  started: z.number(),
  last: z.number(),
  days: count,
  day: integer,
  gap: z.number().nonnegative(),
  hours: z.array(count).length(24),
  wide: z.boolean(),
  entries: z.array(keptEntry).max(ENTRIES),
  versions: z
    .array(z.tuple([z.string().max(64), z.array(z.tuple([z.string().max(128), z.number()])).max(8)]))
    .max(8),
});

type News = AcceptedConduct['kind'];

/** Without the protocol, which may be known at one time and not at another. */
const service = ({ transport, port }: Talk): string => `${transport}/${port === 0 ? 'dynamic' : port}`;
const newsKey = (kind: News, c: Talk): string =>
  kind === 'new-service' ? service(c) : `${c.peer} ${service(c)}`;
const plainKey = (kind: News, key: string): string =>
  key
    .split(' ')
    .slice(0, kind === 'new-service' ? 1 : 2)
    .join(' ');

const conducts = (rows: readonly AcceptedConduct[]): ReadonlySet<string> =>
  new Set(rows.map(({ mac, kind, key }) => `${mac} ${kind} ${plainKey(kind, key)}`));

export class Baselines {
  readonly #rules: BaselineRules;
  readonly #findings: Findings;
  readonly #devices = new Map<string, DeviceBaseline>();
  /** What operators made normal: `mac kind key`. */
  #accepted: ReadonlySet<string> = new Set();
  readonly #entries = new Entries();
  /** The row at hand, and the one of a walk over others. */
  readonly #one = new Entry(this.#entries);
  readonly #other = new Entry(this.#entries);
  /** Devices that were unseen for longest when they were last sorted, and since when: the next to go is last. */
  #oldest: { readonly device: DeviceBaseline; readonly last: number }[] = [];
  #sweptAt = -Infinity;

  constructor(rules: BaselineRules, findings: Findings) {
    this.#rules = rules;
    this.#findings = findings;
  }

  get size(): number {
    return this.#devices.size;
  }

  get entries(): number {
    return this.#entries.size;
  }

  device(mac: string): DeviceBaseline | undefined {
    return this.#devices.get(mac);
  }

  /**
   * All that operators made normal, which is learnt now where it is known; and what they took back, which is news again unless
   * it was learnt otherwise. How many rows that are.
   */
  accept(rows: readonly AcceptedConduct[], withdrawn: readonly AcceptedConduct[] = []): number {
    this.#accepted = conducts(rows);
    const before = conducts(withdrawn);
    let taken = 0;
    for (const mac of new Set([...rows, ...withdrawn].map((row) => row.mac))) {
      const device = this.#devices.get(mac);
      if (device === undefined) continue;
      for (const entry of this.#walk(device)) {
        const accepted = this.#isAmong(this.#accepted, device, entry);
        const over = !accepted && entry.accepted && this.#isAmong(before, device, entry);
        if (!over && (entry.learnt || !accepted)) continue;
        entry.learnt = accepted;
        entry.accepted = accepted;
        this.#soil(device, entry);
        taken++;
      }
    }
    return taken;
  }

  /** A device was seen doing something. */
  note(mac: string, host: Host, conduct: Conduct, at: number): void {
    const device = this.#device(mac, at);
    const learning = device.learning(at, this.#rules.days);
    if (conduct.out > 0 && device.seen(at) && !learning && device.days >= 7) {
      const hour = new Date(at).getUTCHours();
      const evidence = `active at ${hour}:00 UTC, never before between ${(hour + 23) % 24}:00 and ${(hour + 2) % 24}:00`;
      this.#findings.raise({ kind: 'unusual-hours', about: host, key: `${hour}`, evidence, at });
    }
    const entry = this.#entry(device, conduct, at, learning, host);
    if (entry === undefined) return;
    entry.address = conduct.address;
    if (conduct.protocol !== undefined) entry.protocol = conduct.protocol;
    entry.last = Math.max(entry.last, at);
    if (conduct.fresh) entry.flows++;
    entry.out += conduct.out;
    entry.in += conduct.in;
    this.#today(entry, at);
    entry.dayOut += conduct.out;
    this.#soil(device, entry);
    if (learning) return;
    if (!entry.learnt && this.#rules.mode === 'rolling' && entry.days > ROLL_DAYS) entry.learnt = true;
    this.#volume(entry, host, at);
  }

  /** The host was heard, whatever it said. */
  heard(mac: string, at: number): DeviceBaseline | undefined {
    const device = this.#devices.get(mac);
    if (device === undefined || at <= device.last) return device;
    device.seen(at);
    device.vanished = false;
    return device;
  }

  /** Devices that were always there and are silent now; what nobody saw for long is forgotten. */
  sweep(at: number, known: (mac: string) => Host | undefined): void {
    // What is looked for takes days.
    if (at - this.#sweptAt < SWEEP_MS && at >= this.#sweptAt) return;
    this.#sweptAt = at;
    for (const [mac, device] of this.#devices) {
      const silent = at - device.last;
      if (silent > FORGET_MS) {
        this.#forget(mac, device);
        continue;
      }
      if (!device.vanished && silent > Math.max(DAY_MS, 3 * device.gap) && this.#steady(device)) {
        device.vanished = true;
        const hours = Math.round(silent / 3_600_000);
        const evidence = `silent for ${hours} h; before, never longer than ${Math.max(1, Math.round(device.gap / 3_600_000))} h`;
        const about = known(mac) ?? Number.parseInt(mac.replaceAll(':', ''), 16);
        this.#findings.raise({ kind: 'device-vanished', about, key: 'silent', evidence, at });
      }
      // No row is older than its device.
      if (this.#rules.mode !== 'rolling' || at - device.started <= FORGET_MS) continue;
      this.#forgetRows(device, (entry) => at - entry.last > FORGET_MS);
    }
  }

  /** Rows to tell, at most `limit`. */
  due(limit: number): { readonly flows: BaselineFlow[]; readonly taken: () => void } {
    const rows: { readonly device: DeviceBaseline; readonly row: number; readonly flow: BaselineFlow }[] = [];
    for (const device of this.#devices.values()) {
      if (rows.length === limit) break;
      if (device.dirty === 0) continue;
      for (const entry of this.#walk(device)) {
        if (!entry.dirty) continue;
        rows.push({ device, row: entry.row, flow: flowOf(device, entry) });
        if (rows.length === limit) break;
      }
    }
    return {
      flows: rows.map(({ flow }) => flow),
      taken: () => {
        for (const { device, row, flow } of rows) {
          const entry = this.#other.at(row);
          // What went on since, or is another's now, is still to be told.
          const same = entry.peer === flow.peer && entry.flows === flow.flows && entry.learnt === flow.learnt;
          if (!same || !entry.dirty || entry.out !== flow.bytesOut || entry.in !== flow.bytesIn) continue;
          entry.dirty = false;
          device.dirty--;
        }
      },
    };
  }

  flows(): BaselineFlow[] {
    return [...this.#devices.values()].flatMap((device) =>
      Array.from(this.#walk(device), (entry) => flowOf(device, entry)),
    );
  }

  reconnected(): void {
    for (const device of this.#devices.values())
      for (const entry of this.#walk(device)) this.#soil(device, entry);
  }

  /** One device at a time, since all of them are many. */
  *kept(): Generator<KeptDevice> {
    for (const device of this.#devices.values())
      yield device.kept(Array.from(this.#walk(device), (entry) => entry.kept()));
  }

  /** Take back what was kept; rows that aren't in order are left out. The silence of the sensor isn't the devices'. */
  restore(rows: readonly unknown[], at: number): void {
    // The same peers stand in many rows.
    const texts = new Map<string, string>();
    const text = (said: string): string => {
      const known = texts.get(said);
      if (known === undefined) texts.set(said, said);
      return known ?? said;
    };
    for (const row of rows) {
      const parsed = keptDevice.safeParse(row);
      if (!parsed.success || this.#devices.size >= DEVICES) continue;
      const { mac, started, days, day, gap, hours, wide, entries, versions } = parsed.data;
      if (this.#entries.size + entries.length > ENTRIES_ALL || this.#devices.has(mac)) continue;
      const device = new DeviceBaseline(mac, at);
      Object.assign(device, { started: Math.min(started, at), days, day, gap, wide, hours: hoursOf(hours) });
      for (const entry of entries.toReversed()) {
        const { peer, address } = entry;
        this.#add(device, { ...entry, peer: text(peer), address: text(address) }).restore(entry);
      }
      if (versions.length > 0)
        device.versions = new Map(versions.map(([field, values]) => [field, new Map(values)]));
      this.#devices.set(mac, device);
    }
  }

  #device(mac: string, at: number): DeviceBaseline {
    let device = this.#devices.get(mac);
    if (device !== undefined) return device;
    if (this.#devices.size >= DEVICES) this.#makeRoom();
    device = new DeviceBaseline(mac, at);
    this.#devices.set(mac, device);
    return device;
  }

  #entry(
    device: DeviceBaseline,
    conduct: Conduct,
    at: number,
    learning: boolean,
    host: Host,
  ): Entry | undefined {
    const row = this.#entries.find(device.head, conduct);
    if (row === NO_ENTRY) {
      const news = learning ? undefined : this.#news(device, conduct);
      let entry: Entry | undefined;
      if (device.size >= ENTRIES) device.wide = true;
      else if (this.#entries.size < ENTRIES_ALL) {
        entry = this.#add(device, { ...conduct, first: at, learnt: learning || news === undefined });
        entry.accepted = !learning && this.#isAmong(this.#accepted, device, conduct);
      }
      if (news !== undefined) this.#raise(news, conduct, host, at);
      return entry;
    }
    const entry = this.#one.at(row);
    if (!entry.learnt && !learning && conduct.fresh) {
      const news = this.#news(device, conduct);
      if (news !== undefined) this.#raise(news, conduct, host, at);
    }
    return entry;
  }

  /** By the finding that it would be, or that it was: of a service that wasn't there everyone who used it is one. */
  #isAmong(said: ReadonlySet<string>, { mac }: DeviceBaseline, e: Talk): boolean {
    const has = (kind: News): boolean => said.has(`${mac} ${kind} ${newsKey(kind, e)}`);
    return has('new-peer') || has(e.role === 'server' ? 'new-service' : 'dials-out');
  }

  /** What a row that wasn't learnt is news of; undefined where that tells nothing. */
  #news(device: DeviceBaseline, c: Conduct): News | undefined {
    const kind = this.#kind(device, c);
    const accepted = kind !== undefined && this.#accepted.has(`${device.mac} ${kind} ${newsKey(kind, c)}`);
    return accepted ? undefined : kind;
  }

  #kind(device: DeviceBaseline, c: Conduct): News | undefined {
    if (c.gateway === true) return undefined;
    let users = 0;
    let offered = false;
    let met = false;
    for (const e of this.#walk(device)) {
      if (!e.learnt) continue;
      if (e.role === c.role && e.transport === c.transport && e.port === c.port) {
        offered = true;
        users++;
      }
      if (e.peer === c.peer) met = true;
    }
    if (c.role === 'server' && !offered) return 'new-service';
    if (device.wide || users >= EVERYONE) return undefined;
    if (c.role === 'client' && c.outside && !met) return 'dials-out';
    // An answer on a port that differs each time (FTP's data, RPC) to one who is known is no news.
    return met && c.port === 0 ? undefined : 'new-peer';
  }

  #raise(kind: News, c: Conduct, host: Host, at: number): void {
    const spoken = c.protocol === undefined ? '' : ` ${c.protocol}`;
    const what = `${service(c)}${spoken}`;
    const evidence = c.role === 'server' ? `answers ${c.address} on ${what}` : `uses ${what} of ${c.address}`;
    const key = `${newsKey(kind, c)}${spoken}`;
    this.#findings.raise({ kind, about: host, key, evidence, at });
  }

  #today(entry: Entry, at: number): void {
    const day = Math.floor(at / DAY_MS);
    if (entry.day === day) return;
    entry.most = Math.max(entry.most, entry.dayOut);
    entry.day = day;
    entry.dayOut = 0;
    entry.days++;
  }

  #volume(entry: Entry, host: Host, at: number): void {
    const { protocol, outside, dayOut, most } = entry;
    const export_ = outside || (protocol !== undefined && floors[protocol] !== undefined);
    const floor = floors[protocol ?? ''] ?? (outside ? OUTSIDE_FLOOR : FLOOR);
    if (dayOut <= Math.max(floor, (export_ ? BULK : VOLUME) * most)) return;
    const what = protocol ?? `${entry.transport}/${entry.port}`;
    const evidence = `${Math.round(dayOut / MEGABYTE)} MB of ${what} to ${entry.address} in a day; the most before was ${Math.round(most / MEGABYTE)} MB`;
    const kind = export_ ? 'bulk-export' : 'unusual-volume';
    this.#findings.raise({ kind, about: host, key: `${entry.peer} ${what}`, evidence, at });
  }

  /** There on most days since it came. */
  #steady(device: DeviceBaseline): boolean {
    const days = (device.last - device.started) / DAY_MS;
    return days >= this.#rules.days && device.days >= 0.8 * days && device.size > 0;
  }

  /** Each row of a device by the view of walks: another walk, or a row that is added, ends it. */
  *#walk(device: DeviceBaseline): Generator<Entry> {
    for (let row = device.head; row !== NO_ENTRY; row = this.#entries.next(row)) yield this.#other.at(row);
  }

  #add(device: DeviceBaseline, entry: NewEntry): Entry {
    device.head = this.#entries.add(entry, device.head);
    device.size++;
    return this.#one.at(device.head);
  }

  #soil(device: DeviceBaseline, entry: Entry): void {
    if (entry.dirty) return;
    entry.dirty = true;
    device.dirty++;
  }

  #forgetRows(device: DeviceBaseline, isOver: (entry: Entry) => boolean): void {
    let before = NO_ENTRY;
    for (let row = device.head; row !== NO_ENTRY;) {
      const next = this.#entries.next(row);
      const entry = this.#other.at(row);
      if (isOver(entry)) {
        if (entry.dirty) device.dirty--;
        if (before === NO_ENTRY) device.head = next;
        device.size--;
        this.#entries.remove(row, before);
      } else before = row;
      row = next;
    }
  }

  #forget(mac: string, device: DeviceBaseline): void {
    this.#forgetRows(device, () => true);
    this.#devices.delete(mac);
  }

  /** The device unseen for longest goes; whom that would be next is found for many at a time. */
  #makeRoom(): void {
    for (;;) {
      const next = this.#oldest.pop();
      if (next === undefined) {
        this.#oldest = [...this.#devices.values()]
          .map((device) => ({ device, last: device.last }))
          .sort((a, b) => a.last - b.last)
          .slice(0, GOING)
          .reverse();
        continue;
      }
      const { device, last } = next;
      // Forgotten already, or seen since.
      if (this.#devices.get(device.mac) !== device || device.last !== last) continue;
      this.#forget(device.mac, device);
      return;
    }
  }
}
