/**
 * What advisories say of the devices of the inventory: imports, documents, answers, and one item of the health list for
 * devices that a known exploited vulnerability concerns.
 *
 * Understanding an advisory is the sensor room's; it comes in as `knowledge`. Devices that look the same are looked at
 * once, a few a tick, and again when they change or something new was imported: no decision ever waits for it. Where the
 * store can't be read, matches are none and the health list says why.
 */
import type {
  Advisory,
  AdvisoryMatch,
  AdvisorySubject,
  DeviceAdvisory,
  Exploited,
  KeptDocument,
} from '../wire/advisory.ts';
import { MAX_MATCHES, advisoryStatuses } from '../wire/advisory.ts';
import { Fault, isFault } from '../wire/errors.ts';
import { severities } from '../wire/finding.ts';
import type { FindingReport } from '../wire/finding.ts';
import type { advisoryVerbs, DeviceRow } from '../wire/messages.ts';
import type { IdentityAttribute } from '../wire/observation.ts';
import type { Clock } from '../wire/units.ts';
import type { AdvisoryStore } from './advisory-store.ts';
import { operatorName } from './handlers.ts';
import type { Journal } from './journal.ts';
import type { Finding } from './own-health.ts';
import type { ControlHandlers } from './ports.ts';

/** As `sensor/advisory/match.ts` has it. */
export interface AdvisoryKnowledge {
  readonly advisoryTerms: (advisory: Advisory) => readonly string[];
  readonly subjectTerms: (subject: AdvisorySubject) => readonly string[];
  readonly matchAdvisory: (
    advisory: Advisory,
    subject: AdvisorySubject,
    exploited: ReadonlyMap<string, Exploited>,
  ) => AdvisoryMatch[];
  readonly matchExploited: (
    rows: readonly Exploited[],
    subject: AdvisorySubject,
    limit: number,
  ) => AdvisoryMatch[];
}

export interface AdvisoryPorts {
  readonly store: AdvisoryStore;
  readonly knowledge: AdvisoryKnowledge;
}

export interface AdvisoryDeskOptions {
  readonly ports: AdvisoryPorts | undefined;
  readonly rows: () => readonly DeviceRow[];
  readonly clock: Clock;
  readonly journal: Pick<Journal, 'write'>;
  /** Findings to raise, and cards whose finding is over. */
  readonly found?: (reports: readonly FindingReport[]) => void;
  readonly over?: (mac: string) => void;
}

/** Subjects looked at in one tick, and in one answer. */
const A_TICK = 4;
const AN_ANSWER = 64;
/** Matches kept of one subject, rows of the catalogue among them, and subjects kept. */
const KEPT_OF_ONE = 300;
const CATALOGUE_OF_ONE = 50;
const KEPT_SUBJECTS = 4096;
/** Ticks between two walks of the inventory. */
const WALK = 10;
/** Rows of one answer, as JSON: an answer is one frame, and text may be longer in bytes. */
const ANSWER_BYTES = 2 * 1024 * 1024;
/** Devices that the health list names. */
const NAMED = 3;

/** A raised finding is told again this often: what nobody tells of any more is over one day. */
const RETELL_MS = 24 * 3_600_000;

/** A device as it was at the last walk. */
interface Device {
  readonly name: string;
  readonly mac: string | undefined;
  /** Names that its documents are kept under. */
  readonly keys: readonly string[];
  /** Without its components, which may be thousands. */
  readonly subject: AdvisorySubject;
  readonly documented: boolean;
  /** The same for devices that look the same. */
  readonly key: string;
}

/** What a device is known by, the most lasting first. */
function keysOf({ device, observation, standing }: DeviceRow): string[] {
  return [standing?.record.id, device?.id, observation?.mac].filter((key) => key !== undefined);
}

/** How it is shown. */
const nameOf = (row: DeviceRow): string =>
  row.device?.id ?? row.standing?.record.said.name?.value ?? row.observation?.mac ?? '';

const isNamed = (row: DeviceRow, name: string): boolean =>
  keysOf(row).includes(name) ||
  row.observation?.addresses.includes(name) === true ||
  row.standing?.record.said.name?.value === name;

/** What is known of the device that an advisory can be held against. Operators win, documents fill what is open. */
export function subjectOf(row: DeviceRow, documents: readonly KeptDocument[]): AdvisorySubject {
  const { observation, standing } = row;
  const seen = (attribute: IdentityAttribute['attribute']): IdentityAttribute | undefined =>
    observation?.identity?.find((each) => each.attribute === attribute && each.value !== undefined);
  const said = standing?.record.said;
  const list = documents.map(({ document }) => document);
  const mds2 = list.find((each) => each.kind === 'mds2');
  const sbom = list.find((each) => each.kind === 'sbom');

  const vendor = seen('vendor');
  const weak = vendor?.because.startsWith('oui ') === true ? vendor.value : observation?.vendor;
  const strong =
    said?.vendor?.value ??
    (vendor?.because.startsWith('oui ') === true ? undefined : vendor?.value) ??
    mds2?.manufacturer ??
    sbom?.subject?.supplier;
  const names =
    said?.model === undefined
      ? [seen('model')?.value, mds2?.model, sbom?.subject?.name].filter((name) => name !== undefined)
      : [said.model.value];
  return {
    vendor: strong ?? weak,
    vendorSure: strong !== undefined,
    names: [...new Set(names)],
    software: said?.software?.value ?? seen('software')?.value ?? sbom?.subject?.version,
    components: sbom?.components ?? [],
  };
}

const worst = (a: AdvisoryMatch, b: AdvisoryMatch): number =>
  advisoryStatuses.indexOf(a.status) - advisoryStatuses.indexOf(b.status) ||
  Number(b.exploited) - Number(a.exploited) ||
  severities.indexOf(b.severity) - severities.indexOf(a.severity) ||
  (b.score ?? 0) - (a.score ?? 0) ||
  (a.advisory < b.advisory ? 1 : a.advisory > b.advisory ? -1 : 0);

/** Not fixed and not spared. */
export const concerns = ({ status }: AdvisoryMatch): boolean =>
  status !== 'fixed' && status !== 'not affected';

export class AdvisoryDesk {
  readonly #options: AdvisoryDeskOptions;
  /** By subject. */
  readonly #matches = new Map<string, readonly AdvisoryMatch[]>();
  #exploited:
    | { readonly rows: readonly Exploited[]; readonly byCve: ReadonlyMap<string, Exploited> }
    | undefined;
  #devices: readonly Device[] = [];
  /** Raised, by card, with the evidence that was told. */
  readonly #raised = new Map<
    string,
    { readonly first: number; readonly evidence: string; readonly at: number }
  >();
  #heads: ReadonlyMap<string, readonly KeptDocument[]> | undefined;
  #ticks = 0;
  #count: number | undefined;
  #trouble: Fault | undefined;

  constructor(options: AdvisoryDeskOptions) {
    this.#options = options;
  }

  /** Look at a few devices that weren't looked at yet. */
  tick(): void {
    if (!this.#options.ports) return;
    this.#guard(() => {
      if (this.#ticks++ % WALK === 0) this.#walk();
      let left = A_TICK;
      for (const device of this.#devices) {
        if (this.#matches.has(device.key)) continue;
        if (left <= 0) return;
        // A bill of materials is a tick's work by itself.
        left -= device.documented ? A_TICK : 1;
        this.#look(device);
      }
      this.#raise();
    });
  }

  finding(): Finding {
    const { ports } = this.#options;
    const fault = this.#trouble ?? ports?.store.fault;
    if (fault)
      return { level: 'warning', text: `Advisories cannot be looked up; all else goes on. ${fault.message}` };
    if (this.#total() === 0) return { level: 'ok', text: 'No advisories were imported.' };
    const urgent = this.exploitedDevices();
    const count = `${this.#total()} advisories are held against ${this.#devices.length} devices.`;
    if (urgent.length === 0)
      return { level: 'ok', text: `${count} None is affected by a known exploited vulnerability.` };
    const named = urgent
      .slice(0, NAMED)
      .map(({ device, cves }) => `${device} (${cves.slice(0, NAMED).join(', ')})`);
    const more = urgent.length > NAMED ? ` and ${urgent.length - NAMED} more` : '';
    return {
      level: 'warning',
      text: `Affected by vulnerabilities that are known to be exploited: ${named.join('; ')}${more}. See: anteroom advisories.`,
    };
  }

  /** Devices that are affected (not: possibly) by what is known to be exploited. */
  exploitedDevices(): {
    readonly device: string;
    readonly mac: string | undefined;
    readonly cves: readonly string[];
  }[] {
    return this.#devices.flatMap(({ name, mac, key }) => {
      const cves = (this.#matches.get(key) ?? [])
        .filter(({ status, exploited }) => exploited && status === 'affected')
        .flatMap(({ cve }) => cve ?? []);
      return cves.length === 0 ? [] : [{ device: name, mac, cves: [...new Set(cves)] }];
    });
  }

  handlers(): Pick<ControlHandlers, keyof typeof advisoryVerbs> {
    const { journal, clock } = this.#options;
    return {
      'operator.advisories.import': ({ advisories, catalogue, from }, caller) => {
        const { store, knowledge } = this.#ports();
        const outcomes = store.put(advisories, knowledge.advisoryTerms);
        const taken = catalogue && store.putCatalogue(catalogue);
        if (outcomes.includes('stored') || taken === 'stored') this.#forget();
        const [operator, verb] = [operatorName(caller), 'advisories.import'];
        journal.write('operator.action', { operator, verb, object: from, outcome: 'done' });
        const counted = (what: (typeof outcomes)[number]): number =>
          outcomes.filter((o) => o === what).length;
        return {
          stored: counted('stored'),
          unchanged: counted('unchanged'),
          older: counted('older'),
          ...(taken ? { catalogue: taken } : {}),
        };
      },
      'operator.advisories.list': ({ device, all }) => this.#list(device, all),
      'operator.device.document': ({ device, document }, caller) => {
        const { store } = this.#ports();
        const row = this.#row(device);
        const [key = ''] = keysOf(row);
        const operator = operatorName(caller);
        store.putDocument(key, { document, at: clock.now(), by: operator });
        this.#forget();
        const object = `${nameOf(row)} ${document.kind} ${document.name}`;
        journal.write('operator.action', { operator, verb: 'device.document', object, outcome: 'done' });
        return { device: nameOf(row) };
      },
      'operator.device.documents': ({ device }) => ({
        documents: this.#ports().store.documents(keysOf(this.#row(device))),
      }),
      'operator.device.documentRemove': ({ device, kind }, caller) => {
        const row = this.#row(device);
        const removed = this.#ports().store.dropDocument(keysOf(row), kind);
        if (removed) {
          this.#forget();
          const [operator, object] = [operatorName(caller), `${nameOf(row)} ${kind}`];
          journal.write('operator.action', {
            operator,
            verb: 'device.documentRemove',
            object,
            outcome: 'done',
          });
        }
        return { removed };
      },
    };
  }

  close(): void {
    this.#options.ports?.store.close();
  }

  // ── inside ─────────────────────────────────────────────────────────────────────────────────────

  /** Fault STORE_UNAVAILABLE where there is no store. */
  #ports(): AdvisoryPorts {
    const { ports } = this.#options;
    if (!ports) throw new Fault('STORE_UNAVAILABLE', 'advisories');
    return ports;
  }

  #row(name: string): DeviceRow {
    const row = this.#options.rows().find((each) => isNamed(each, name));
    if (!row) throw new Fault('DEVICE_UNKNOWN', name);
    return row;
  }

  #list(device: string | undefined, all: boolean): ReturnType<AdvisoryDesk['answer']> {
    this.#ports();
    if (device !== undefined) {
      const one = this.#device(this.#row(device));
      return this.answer([[one.name, this.#look(one)]], all, 0);
    }
    this.#walk();
    let left = AN_ANSWER;
    let pending = 0;
    const found: (readonly [string, readonly AdvisoryMatch[]])[] = [];
    for (const each of this.#devices) {
      const known = this.#matches.get(each.key);
      if (known) found.push([each.name, known]);
      else if (left > 0) {
        left--;
        found.push([each.name, this.#look(each)]);
      } else pending++;
    }
    return this.answer(found, all, pending);
  }

  answer(
    found: readonly (readonly [string, readonly AdvisoryMatch[]])[],
    all: boolean,
    pending: number,
  ): {
    matches: DeviceAdvisory[];
    beyond: number;
    pending: number;
    advisories: number;
    catalogue?: { version: string; released: string };
  } {
    const rows = found
      .flatMap(([device, matches]) => matches.map((match) => ({ device, ...match })))
      .filter((match) => all || concerns(match))
      .sort(worst);
    let room = ANSWER_BYTES;
    const end = rows.findIndex((match) => (room -= JSON.stringify(match).length) < 0);
    const matches = rows.slice(0, Math.min(end < 0 ? rows.length : end, MAX_MATCHES));
    const { catalogue } = this.#ports().store;
    return {
      matches,
      beyond: rows.length - matches.length,
      pending,
      advisories: this.#total(),
      ...(catalogue ? { catalogue } : {}),
    };
  }

  #device(row: DeviceRow): Device {
    this.#heads ??= this.#ports().store.heads();
    const keys = keysOf(row);
    const heads = keys.flatMap((key) => this.#heads?.get(key) ?? []).sort((a, b) => b.at - a.at);
    const subject = subjectOf(row, heads);
    // Another document is another subject, though it may say the same.
    const key = JSON.stringify([subject, heads.length === 0 ? '' : keys[0], heads.map(({ at }) => at)]);
    const mac = row.observation?.mac;
    return { name: nameOf(row), mac, keys, subject, documented: heads.length > 0, key };
  }

  #walk(): void {
    this.#devices = this.#options.rows().map((row) => this.#device(row));
    const used = new Set(this.#devices.map(({ key }) => key));
    for (const key of this.#matches.keys()) if (!used.has(key)) this.#matches.delete(key);
  }

  #look({ subject: bare, keys, documented, key }: Device): readonly AdvisoryMatch[] {
    const known = this.#matches.get(key);
    if (known) return known;
    const { store, knowledge } = this.#ports();
    const bill = documented
      ? store.documents(keys).find(({ document }) => document.kind === 'sbom')?.document
      : undefined;
    const subject = bill?.kind === 'sbom' ? { ...bare, components: bill.components } : bare;
    this.#exploited ??= ((rows) => ({ rows, byCve: new Map(rows.map((row) => [row.cve, row])) }))(
      store.exploited(),
    );
    const { rows, byCve } = this.#exploited;
    const matches = store
      .find(knowledge.subjectTerms(subject))
      .flatMap((each) => knowledge.matchAdvisory(each, subject, byCve));
    const named = new Set(matches.map(({ cve }) => cve));
    for (const match of knowledge.matchExploited(rows, subject, CATALOGUE_OF_ONE))
      if (!named.has(match.cve)) matches.push(match);
    const kept = matches.sort(worst).slice(0, KEPT_OF_ONE);
    if (this.#matches.size < KEPT_SUBJECTS) this.#matches.set(key, kept);
    return kept;
  }

  /** Findings of devices that were seen; every device was looked at before. */
  #raise(): void {
    const { clock, found, over } = this.#options;
    const now = clock.now();
    const affected = new Set<string>();
    for (const { mac, cves } of this.exploitedDevices()) {
      if (mac === undefined) continue;
      affected.add(mac);
      const evidence = `known to be exploited: ${cves.join(', ')}`.slice(0, 200);
      const before = this.#raised.get(mac);
      if (before?.evidence === evidence && now - before.at < RETELL_MS) continue;
      const first = before?.first ?? now;
      this.#raised.set(mac, { first, evidence, at: now });
      const report = { kind: 'known-exploited', mac, key: 'advisories', severity: 'critical' } as const;
      found?.([{ ...report, evidence: [evidence], first, last: now, count: 1 }]);
    }
    for (const mac of this.#raised.keys())
      if (!affected.has(mac)) {
        this.#raised.delete(mac);
        over?.(mac);
      }
  }

  #total(): number {
    this.#count ??= this.#options.ports?.store.count ?? 0;
    return this.#count;
  }

  /** Something new was imported. */
  #forget(): void {
    this.#matches.clear();
    this.#exploited = undefined;
    this.#heads = undefined;
    this.#count = undefined;
    this.#ticks = 0;
  }

  #guard(work: () => void): void {
    try {
      work();
      this.#trouble = undefined;
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#trouble = error;
    }
  }
}
