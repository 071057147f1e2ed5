/**
 * Devices as things that last (`wire/device-record.ts`): each host that the sensor reports is one of them, known again
 * by the strongest key that it shows, whichever address it has and, where it shows one of its own, whichever card.
 *
 *   a known strong key (serial, EUI-64, client id)   that device, with another card perhaps
 *   else the card (MAC)                              that device, unless its strong key is another: two identities
 *   else                                             a new device
 *
 * What surprises: a card whose device shows another serial number than before isn't renamed. Either a board was
 * replaced or somebody uses the card's address: the finding says so, and `devices confirm` takes the new key in.
 * Titles and names are no proof, they are kept to show; only what a maker gives once is.
 *
 * What operators say wins over what is seen and lasts; bounded as the inventory is.
 */
import type { DeviceField, DeviceKey, DeviceRecord } from '../wire/device-record.ts';
import { deviceRecord } from '../wire/device-record.ts';
import type { FindingReport } from '../wire/finding.ts';
import type { HostObservation } from '../wire/observation.ts';
import type { Clock } from '../wire/units.ts';
import type { StateStore } from './state-store.ts';

export const MAX_RECORDS = 4096;
const MAX_KEYS = 32;
const MAX_CARDS = 8;
const ALIVE_MS = 600_000;
/** Records past the bound until the next pruning. */
const SLACK = 256;

/** Kinds that are given once to one device. */
const strong: ReadonlySet<DeviceKey['kind']> = new Set(['serial', 'eui64', 'dhcp-client']);
/** Kinds of which a device has one. */
const single: ReadonlySet<DeviceKey['kind']> = new Set(['serial']);

/** Fields that carry keys, by protocol and field as the sensor writes them. */
const euiFields: ReadonlySet<string> = new Set(['hl7 OBX-18', 'hl7 MSH-3', 'hl7 PRT-16']);
const clientFields: ReadonlySet<string> = new Set(['dhcp clientId', 'dhcpv6 duid']);
const titleFields: ReadonlySet<string> = new Set(['dicom callingAeTitle']);
const nameFields: ReadonlySet<string> = new Set([
  'dhcp hostName',
  'lldp systemName',
  'mdns name',
  'browser name',
]);

/** Serial numbers that aren't. */
const blank = /^(0+|unknown|none|n\/?a|not ?set|default|1234\d*|serial.*|x+|-+)$/i;

/** The keys that an observation shows. */
export function keysOf(o: HostObservation): DeviceKey[] {
  const seems = (attribute: string): string | undefined =>
    o.identity?.find((row) => row.attribute === attribute)?.value;
  const maker = seems('vendor') ?? o.vendor ?? '';
  const keys: DeviceKey[] = [{ kind: 'mac', value: o.mac }];
  const serial = seems('serial');
  if (serial !== undefined && serial.length >= 4 && !blank.test(serial))
    keys.push({ kind: 'serial', value: `${maker}/${seems('model') ?? ''}/${serial}` });
  const gateway = o.evidence.some(
    (e) => e.protocol === 'hl7' && e.field === 'MSH-3' && /gateway/i.test(e.value),
  );
  for (const { protocol, field, value } of o.evidence) {
    const name = `${protocol} ${field}`;
    const eui =
      euiFields.has(name) && !gateway ? /(?:^|\^)([0-9A-F]{16})(?:\^|$)/i.exec(value)?.[1] : undefined;
    if (eui !== undefined) keys.push({ kind: 'eui64', value: eui.toUpperCase() });
    else if (clientFields.has(name)) keys.push({ kind: 'dhcp-client', value });
    else if (titleFields.has(name)) keys.push({ kind: 'ae-title', value: `${value} (${maker})` });
    else if (nameFields.has(name)) keys.push({ kind: 'name', value: `${value} (${maker})` });
  }
  const euis = keys.filter(({ kind }) => kind === 'eui64').length;
  // Who speaks for several is none of them.
  return (euis > 1 ? keys.filter(({ kind }) => kind !== 'eui64') : keys).slice(0, MAX_KEYS);
}

const text = ({ kind, value }: DeviceKey): string => `${kind} ${value}`;

export interface DeviceRecordsOptions {
  readonly clock: Clock;
  readonly store: Pick<StateStore, 'records' | 'saveRecords'>;
  readonly random: (bytes: number) => Uint8Array;
  /** A contradiction between what was and what is. */
  readonly found: (finding: FindingReport) => void;
}

export class DeviceRecords {
  readonly #options: DeviceRecordsOptions;
  readonly #records = new Map<string, DeviceRecord>();
  /** By strong key, and by card. */
  readonly #byKey = new Map<string, string>();
  readonly #byMac = new Map<string, string>();
  readonly #dirty = new Set<string>();
  readonly #dropped = new Set<string>();
  /** Keys that contradict a card's device, until an operator takes them in. */
  readonly #disputed = new Map<string, DeviceKey[]>();

  constructor(options: DeviceRecordsOptions) {
    this.#options = options;
    for (const { body } of options.store.records()) {
      const parsed = deviceRecord.safeParse(JSON.parse(body));
      if (parsed.success) this.#index(parsed.data);
    }
  }

  get size(): number {
    return this.#records.size;
  }

  get(id: string): DeviceRecord | undefined {
    return this.#records.get(id);
  }

  all(): IterableIterator<DeviceRecord> {
    return this.#records.values();
  }

  byMac(mac: string): DeviceRecord | undefined {
    const id = this.#byMac.get(mac);
    return id === undefined ? undefined : this.#records.get(id);
  }

  /** The device that a host is, made where it is a new one. */
  observe(o: HostObservation): DeviceRecord {
    const keys = keysOf(o);
    const sure = keys.filter(({ kind }) => strong.has(kind));
    const known = sure.map((key) => this.#knownBy(key, o)).find((id) => id !== undefined);
    const byCard = this.#byMac.get(o.mac);
    const record = this.#records.get(known ?? byCard ?? '');
    if (record === undefined) {
      const id = `d-${Buffer.from(this.#options.random(8)).toString('hex')}`;
      const { mac, first, last } = o;
      const made: DeviceRecord = { id, keys, macs: [mac], lifecycle: 'new', said: {}, first, last };
      this.#index(made);
      this.#dirty.add(id);
      // Not at each: putting them in order costs.
      if (this.#records.size >= MAX_RECORDS + SLACK) this.#prune();
      return made;
    }
    const taken = byCard !== undefined && known !== undefined && byCard !== known;
    const disputed = taken
      ? sure.filter((key) => this.#byKey.get(text(key)) === known)
      : keys.filter((key) => single.has(key.kind) && this.#contradicts(record, key));
    if (disputed.length > 0 && !this.#isMoved(record, o, taken)) {
      this.#dispute(taken ? (this.#records.get(byCard) ?? record) : record, o, disputed);
      return this.byMac(o.mac) ?? record;
    }
    const fresh = keys.filter((key) => !record.keys.some((each) => text(each) === text(key)));
    const cards =
      record.macs.at(-1) === o.mac ? record.macs : [...record.macs.filter((m) => m !== o.mac), o.mac];
    const last = Math.max(record.last, o.last);
    if (fresh.length === 0 && cards === record.macs && last - record.last < 60_000) return record;
    const next: DeviceRecord = {
      ...record,
      keys: [...record.keys, ...fresh].slice(-MAX_KEYS),
      macs: cards.slice(-MAX_CARDS),
      first: Math.min(record.first, o.first),
      last,
      // Seen again, it isn't gone.
      lifecycle: record.lifecycle,
    };
    this.#index(next);
    if (fresh.length > 0 || cards !== record.macs) this.#dirty.add(next.id);
    return next;
  }

  /**
   * The device with that key. A client identifier that two live cards use is a copied system, not a device that got
   * another card.
   */
  #knownBy(key: DeviceKey, o: HostObservation): string | undefined {
    const id = this.#byKey.get(text(key));
    const record = id === undefined ? undefined : this.#records.get(id);
    if (record === undefined) return undefined;
    const copied =
      key.kind === 'dhcp-client' && !record.macs.includes(o.mac) && record.last > o.last - ALIVE_MS;
    return copied ? undefined : id;
  }

  /** Take in what contradicted: it is this device, with other parts. */
  confirm(record: DeviceRecord, by: string): DeviceRecord {
    const disputed = this.#disputed.get(record.id) ?? [];
    this.#disputed.delete(record.id);
    const kept = record.keys.filter(
      ({ kind }) => !disputed.some((key) => single.has(kind) && key.kind === kind),
    );
    for (const key of record.keys) if (!kept.includes(key)) this.#byKey.delete(text(key));
    const lifecycle = record.lifecycle === 'new' ? 'in-service' : record.lifecycle;
    const confirmed = { by, at: this.#options.clock.now() };
    return this.#change({ ...record, keys: [...kept, ...disputed].slice(-MAX_KEYS), lifecycle, confirmed });
  }

  /** '' takes a word back. */
  say(
    record: DeviceRecord,
    fields: Readonly<Partial<Record<DeviceField, string>>>,
    lifecycle: DeviceRecord['lifecycle'] | undefined,
    by: string,
  ): DeviceRecord {
    const said: DeviceRecord['said'] = { ...record.said };
    for (const [name, value] of Object.entries(fields) as [DeviceField, string][]) {
      if (value === '') delete said[name];
      else said[name] = { value, by, at: this.#options.clock.now() };
    }
    return this.#change({ ...record, said, ...(lifecycle === undefined ? {} : { lifecycle }) });
  }

  save(): void {
    this.#prune();
    if (this.#dirty.size === 0 && this.#dropped.size === 0) return;
    const put = [...this.#dirty].flatMap((id) => {
      const record = this.#records.get(id);
      return record === undefined ? [] : [{ id, body: JSON.stringify(record) }];
    });
    if (!this.#options.store.saveRecords(put, [...this.#dropped])) return;
    this.#dirty.clear();
    this.#dropped.clear();
  }

  #change(record: DeviceRecord): DeviceRecord {
    this.#index(record);
    this.#dirty.add(record.id);
    this.save();
    return record;
  }

  #index(record: DeviceRecord): void {
    this.#records.set(record.id, record);
    for (const key of record.keys) if (strong.has(key.kind)) this.#byKey.set(text(key), record.id);
    for (const mac of record.macs) this.#byMac.set(mac, record.id);
  }

  #contradicts(record: DeviceRecord, key: DeviceKey): boolean {
    const mine = record.keys.filter(({ kind }) => kind === key.kind);
    return mine.length > 0 && !mine.some(({ value }) => value === key.value);
  }

  /** A known device with a card that was another's: moved there, when that other shows nothing of its own. */
  #isMoved(record: DeviceRecord, o: HostObservation, taken: boolean): boolean {
    if (!taken) return false;
    const before = this.byMac(o.mac);
    return (
      before !== undefined && before.id !== record.id && !before.keys.some(({ kind }) => strong.has(kind))
    );
  }

  #dispute(record: DeviceRecord, o: HostObservation, keys: readonly DeviceKey[]): void {
    const held = this.#disputed.get(record.id) ?? [];
    const more = keys.filter((key) => !held.some((each) => text(each) === text(key)));
    if (more.length > 0) this.#disputed.set(record.id, [...held, ...more].slice(-4));
    const was = record.keys.filter(({ kind }) => strong.has(kind)).map(({ value }) => value);
    this.#options.found({
      kind: 'two-identities',
      mac: o.mac,
      key: keys.map(text).join(', ').slice(0, 128),
      severity: 'high',
      evidence: [
        `${o.mac} was ${was.join(', ') || 'another'}, and is ${keys.map(({ value }) => value).join(', ')}`.slice(
          0,
          200,
        ),
      ],
      first: o.last,
      last: o.last,
      count: 1,
    });
  }

  /** What nobody said anything of and wasn't seen for longest goes. */
  #prune(): void {
    const excess = this.#records.size - MAX_RECORDS;
    if (excess <= 0) return;
    const settled = (r: DeviceRecord): number =>
      Number(r.confirmed !== undefined || Object.keys(r.said).length > 0);
    const ranked = [...this.#records.values()].sort((a, b) => settled(a) - settled(b) || a.last - b.last);
    for (const record of ranked.slice(0, excess)) {
      this.#records.delete(record.id);
      this.#dirty.delete(record.id);
      this.#disputed.delete(record.id);
      this.#dropped.add(record.id);
      for (const key of record.keys)
        if (this.#byKey.get(text(key)) === record.id) this.#byKey.delete(text(key));
      for (const mac of record.macs) if (this.#byMac.get(mac) === record.id) this.#byMac.delete(mac);
    }
  }
}
