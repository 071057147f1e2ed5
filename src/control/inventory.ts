/**
 * The inventory: configured devices, matched by address with the hosts that the sensor saw. It survives a restart, of
 * control and of the sensor: what a host said before the sensor began anew is kept beside what it says now.
 *
 * What lasts of a device, and what operators say of it, is its record (`device-records.ts`); their word stands in the
 * place of what was seen, which is then what else was said.
 *
 * Bounded: at most MAX_HOSTS hosts with MAX_EVIDENCE pieces of evidence each. A host that isn't a configured
 * device gives way first, the one unseen for longest before others, so that made-up MAC addresses can push out each
 * other and nothing else. When two hosts claim the address of one device, the row shows the one seen last and the
 * other stands by itself.
 *
 * New hosts and new facts go to the audit log one by one, at most BURST at once and one in REFILL after that; what
 * is held back is told later, as it then is.
 */
import type { AuditBody } from '../wire/audit-event.ts';
import type { DeviceConfig } from '../wire/config.ts';
import type { DeviceRecord } from '../wire/device-record.ts';
import type { DeviceRow } from '../wire/messages.ts';
import { hostObservation } from '../wire/observation.ts';
import type { Evidence, HostObservation, IdentityAttribute, Service } from '../wire/observation.ts';
import { between, minutes, seconds } from '../wire/units.ts';
import type { Clock, MonotonicMillis } from '../wire/units.ts';
import type { DeviceRecords } from './device-records.ts';
import type { Directory } from './directory.ts';
import type { StateStore } from './state-store.ts';

export const MAX_HOSTS = 4096;
export const MAX_EVIDENCE = 64;
const MAX_SERVICES = 64;
/** Statements of fact in one audit event. */
const MAX_FACTS = 32;
export const BURST = 32;
const REFILL = seconds(2);
/** A host that was merely seen again is written to disk this often. */
const REWRITE = minutes(1);
/** Most text of one answer's rows: an answer is one frame. */
const MAX_ROWS_BYTES = 3 * 1024 * 1024;

interface Host {
  observation: HostObservation;
  /** The configured device whose address it has. */
  device: DeviceConfig | undefined;
  bytes: number;
  /** Facts now, and those the audit log was told last. */
  facts: string;
  told: string;
  dirty: boolean;
  writtenAt: MonotonicMillis;
}

/** What is audited of a host, in words; equal text means nothing new. */
function factsOf(o: HostObservation): string[] {
  const services = o.services.map((s) => `${s.transport}/${s.port}${s.protocol ? ` ${s.protocol}` : ''}`);
  const said = o.evidence.map((e) => `${e.protocol} ${e.field}=${e.value}`);
  return [...services.sort(), ...said.sort()].slice(0, MAX_FACTS);
}

const summary = (o: HostObservation): string =>
  JSON.stringify([o.vendor ?? '', o.addresses.toSorted(), factsOf(o)]);

function clip(o: HostObservation): HostObservation {
  return {
    ...o,
    services: o.services.slice(0, MAX_SERVICES),
    evidence: o.evidence.slice(0, MAX_EVIDENCE),
  };
}

/** What a host said before, as far as it isn't said again: the present first. */
function withEarlier(now: HostObservation, before: HostObservation | undefined): HostObservation {
  if (before === undefined) return now;
  const keyOf = ({ protocol, field, value }: Evidence): string => `${protocol} ${field} ${value}`;
  const earlier = new Map(before.evidence.map((e) => [keyOf(e), e]));
  const evidence = now.evidence.map((e) => {
    const first = earlier.get(keyOf(e))?.first;
    earlier.delete(keyOf(e));
    return first === undefined ? e : { ...e, first: Math.min(first, e.first) };
  });
  const portOf = ({ transport, port }: Service): string => `${transport}/${port}`;
  const ports = new Map(before.services.map((s) => [portOf(s), s]));
  for (const each of now.services) ports.delete(portOf(each));
  const told = new Set(now.identity?.map(({ attribute }) => attribute));
  const identity = [
    ...(now.identity ?? []),
    ...(before.identity ?? []).filter((row) => !told.has(row.attribute)),
  ];
  return {
    ...now,
    evidence: [...evidence, ...earlier.values()],
    services: [...now.services, ...ports.values()],
    ...(identity.length === 0 ? {} : { identity }),
  };
}

const attributes: ReadonlySet<string> = new Set(
  hostObservation.shape.identity.unwrap().element.shape.attribute.options,
);

/** What operators say stands where what was seen stood. */
function corrected(o: HostObservation, { said }: DeviceRecord): HostObservation {
  const rows = new Map((o.identity ?? []).map((row) => [row.attribute as string, row]));
  for (const [field, word] of Object.entries(said)) {
    if (!attributes.has(field)) continue;
    const attribute = field as IdentityAttribute['attribute'];
    const seen = rows.get(field);
    const others = [seen?.value, ...(seen?.conflicts ?? [])].filter(
      (v) => v !== undefined && v !== word.value,
    );
    rows.set(field, {
      attribute,
      value: word.value,
      because: `${word.by} said so on ${new Date(word.at).toISOString().slice(0, 10)}`,
      conflicts: (others as string[]).slice(0, 8),
    });
  }
  return rows.size === 0 ? o : { ...o, identity: [...rows.values()] };
}

/** What lasts of devices, and what is held against them. */
export interface InventoryRecords {
  readonly records: DeviceRecords;
  readonly risk: (macs: ReadonlySet<string>) => number;
}

export class Inventory {
  readonly #directory: Directory;
  readonly #store: StateStore;
  readonly #clock: Clock;
  readonly #hosts = new Map<string, Host>();
  readonly #dropped = new Set<string>();
  readonly #lasting: InventoryRecords | undefined;
  #tokens = BURST;
  #refilledAt: MonotonicMillis;

  constructor(directory: Directory, store: StateStore, clock: Clock, lasting?: InventoryRecords) {
    this.#lasting = lasting;
    this.#directory = directory;
    this.#store = store;
    this.#clock = clock;
    this.#refilledAt = clock.monotonic();
    for (const row of store.hosts()) {
      const parsed = hostObservation.safeParse(JSON.parse(row.observation));
      if (!parsed.success) continue;
      this.#keep(parsed.data, row.told, false);
    }
    this.#evict();
  }

  get size(): number {
    return this.#hosts.size;
  }

  /** Take over what the sensor reports; written to disk at once where it is news. */
  observed(hosts: readonly HostObservation[]): void {
    let news = false;
    for (const reported of hosts) {
      const before = this.#hosts.get(reported.mac);
      // A sensor that started afresh has forgotten when it first saw the host.
      const first = Math.min(reported.first, before?.observation.first ?? reported.first);
      const merged = withEarlier({ ...reported, first }, before?.observation);
      const host = this.#keep(clip(merged), before?.told ?? '', true);
      this.#lasting?.records.observe(host.observation);
      if (before) host.writtenAt = before.writtenAt;
      if (before?.facts !== host.facts) news = true;
    }
    this.#evict();
    if (news) this.#save(() => true);
  }

  /** Write what is due, and give the events that are due. */
  tick(): AuditBody<'device.observed'>[] {
    const now = this.#clock.monotonic();
    this.#save((host) => between(host.writtenAt, now) >= REWRITE);
    this.#lasting?.records.save();
    const refills = Math.floor(between(this.#refilledAt, now) / REFILL);
    if (refills > 0) {
      this.#tokens = Math.min(BURST, this.#tokens + refills);
      this.#refilledAt = now;
    }
    const events: AuditBody<'device.observed'>[] = [];
    for (const host of this.#hosts.values()) {
      if (this.#tokens === 0) break;
      if (host.facts === host.told) continue;
      const { observation: o } = host;
      this.#tokens--;
      host.told = host.facts;
      host.dirty = true;
      events.push({
        mac: o.mac,
        addresses: o.addresses,
        ...(o.vendor === undefined ? {} : { vendor: o.vendor }),
        what: factsOf(o),
      });
    }
    if (events.length > 0) this.#save(() => true);
    return events;
  }

  /** The directory was replaced: match hosts and devices anew. */
  directoryChanged(): void {
    for (const host of this.#hosts.values()) host.device = this.#device(host.observation);
  }

  /** Write everything, at the end. */
  flush(): void {
    this.#lasting?.records.save();
    this.#save(() => true);
  }

  /** Configured devices in their order, then other hosts, latest first, as far as one answer can hold them. */
  rows(): DeviceRow[] {
    const byDevice = new Map<string, Host>();
    const others: Host[] = [];
    for (const host of this.#hosts.values()) {
      const { device } = host;
      const rival = device && byDevice.get(device.id);
      if (device && (!rival || rival.observation.last <= host.observation.last)) {
        byDevice.set(device.id, host);
        if (rival) others.push(rival);
      } else {
        others.push(host);
      }
    }
    let room = MAX_ROWS_BYTES;
    const rows: DeviceRow[] = [];
    for (const { id, name, class: kind, unit } of this.#directory.devices.values()) {
      const host = byDevice.get(id);
      const fits = host !== undefined && host.bytes < room;
      if (fits) room -= host.bytes;
      rows.push({
        device: { id, name, class: kind, unit },
        ...(fits ? this.#seen(host.observation) : {}),
      });
    }
    others.sort((a, b) => b.observation.last - a.observation.last);
    for (const { observation, bytes } of others) {
      room -= bytes;
      if (room < 0) break;
      rows.push(this.#seen(observation));
    }
    return rows;
  }

  /** The cards that have the address of a configured device now. */
  cardsOf(device: string): Set<string> {
    const macs = new Set<string>();
    for (const host of this.#hosts.values()) if (host.device?.id === device) macs.add(host.observation.mac);
    return macs;
  }

  /** The card of a host by its MAC, one of its addresses, or the configured device that it is. */
  find(name: string): HostObservation | undefined {
    let found: Host | undefined;
    for (const host of this.#hosts.values()) {
      const { observation: o, device } = host;
      if (o.mac !== name && device?.id !== name && !o.addresses.includes(name)) continue;
      if (found === undefined || o.last > found.observation.last) found = host;
    }
    return found?.observation;
  }

  /** What people call the device with this card. */
  nameOf(mac: string): string {
    const device = this.#hosts.get(mac)?.device;
    return device?.id ?? this.#lasting?.records.byMac(mac)?.said.name?.value ?? mac;
  }

  #seen(observation: HostObservation): Pick<DeviceRow, 'observation' | 'standing'> {
    const record = this.#lasting?.records.byMac(observation.mac);
    if (record === undefined) return { observation };
    const risk = this.#lasting?.risk(new Set(record.macs)) ?? 0;
    return { observation: corrected(observation, record), standing: { record, risk } };
  }

  #device(o: HostObservation): DeviceConfig | undefined {
    for (const address of o.addresses) {
      const device = this.#directory.deviceAt(address);
      if (device) return device;
    }
    return undefined;
  }

  #keep(observation: HostObservation, told: string, dirty: boolean): Host {
    const host: Host = {
      observation,
      device: this.#device(observation),
      bytes: JSON.stringify(observation).length,
      facts: summary(observation),
      told,
      dirty,
      writtenAt: this.#clock.monotonic(),
    };
    this.#hosts.set(observation.mac, host);
    this.#dropped.delete(observation.mac);
    return host;
  }

  #evict(): void {
    const excess = this.#hosts.size - MAX_HOSTS;
    if (excess <= 0) return;
    const ranked = [...this.#hosts.values()].sort(
      (a, b) =>
        Number(a.device !== undefined) - Number(b.device !== undefined) ||
        a.observation.last - b.observation.last,
    );
    for (const { observation } of ranked.slice(0, excess)) {
      this.#hosts.delete(observation.mac);
      this.#dropped.add(observation.mac);
    }
  }

  #save(due: (host: Host) => boolean): void {
    const hosts = [...this.#hosts.values()].filter((host) => host.dirty && due(host));
    if (hosts.length === 0 && this.#dropped.size === 0) return;
    const rows = hosts.map(({ observation, told }) => ({
      mac: observation.mac,
      observation: JSON.stringify(observation),
      last: observation.last,
      told,
    }));
    if (!this.#store.saveHosts(rows, [...this.#dropped])) return;
    const now = this.#clock.monotonic();
    for (const host of hosts) {
      host.dirty = false;
      host.writtenAt = now;
    }
    this.#dropped.clear();
  }
}
