/**
 * Where operators turn to about devices: the inventory with its records, the findings, the flows that were seen; and
 * where the sensor's word comes in. Everything people do here is on record as `operator.action`.
 */
import { Fault } from '../wire/errors.ts';
import type { DeviceRecord } from '../wire/device-record.ts';
import type { inventoryVerbs } from '../wire/messages.ts';
import type { BaselineFlow, FindingReport } from '../wire/finding.ts';
import type { HostObservation } from '../wire/observation.ts';
import type { Grant } from '../wire/grant.ts';
import { DeviceRecords } from './device-records.ts';
import type { Directory } from './directory.ts';
import { FindingLedger } from './finding-ledger.ts';
import { operatorName } from './handlers.ts';
import { Inventory } from './inventory.ts';
import type { Journal } from './journal.ts';
import { ObservedFlows } from './observed-flows.ts';
import type { Caller, ControlHandlers, Ports } from './ports.ts';
import type { StateStore } from './state-store.ts';

export interface InventoryDeskOptions {
  readonly ports: Pick<Ports, 'clock' | 'random' | 'sensor'>;
  readonly store: StateStore;
  readonly directory: Directory;
  readonly journal: Pick<Journal, 'write'>;
  /** Decide live grants again that it concerns. */
  readonly reconsider: (concerns: (grant: Grant) => boolean) => void;
}

/** What the sensor tells at once. */
export interface SensorReport {
  readonly hosts: readonly HostObservation[];
  readonly findings?: readonly FindingReport[] | undefined;
  readonly flows?: readonly BaselineFlow[] | undefined;
}

export class InventoryDesk {
  readonly inventory: Inventory;
  readonly findings: FindingLedger;
  readonly flows = new ObservedFlows();
  readonly #options: InventoryDeskOptions;
  readonly #records: DeviceRecords;
  /** Configured devices whose risk is another now. */
  readonly #moved = new Set<string>();

  constructor(options: InventoryDeskOptions) {
    this.#options = options;
    const { ports, store, directory, journal } = options;
    this.#records = new DeviceRecords({
      clock: ports.clock,
      store,
      random: ports.random,
      found: (finding) => this.findings.take([finding]),
    });
    this.inventory = new Inventory(directory, store, ports.clock, {
      records: this.#records,
      risk: (macs) => this.findings.risk(macs),
    });
    this.findings = new FindingLedger({
      clock: ports.clock,
      store,
      journal,
      random: ports.random,
      nameOf: (mac) => (mac === undefined ? 'the link' : this.inventory.nameOf(mac)),
      changed: (mac) => {
        if (mac !== undefined) this.#moved.add(this.inventory.nameOf(mac));
      },
    });
  }

  observed({ hosts, findings = [], flows = [] }: SensorReport): void {
    this.inventory.observed(hosts);
    for (const { mac } of hosts) this.findings.over('device-vanished', mac);
    this.findings.take(findings);
    this.flows.take(flows);
    this.#reconsider();
  }

  /** 0 to 100, of a configured device: what its open findings come to. */
  risk(device: string): number {
    const macs = this.inventory.cardsOf(device);
    for (const mac of macs) for (const other of this.#records.byMac(mac)?.macs ?? []) macs.add(other);
    return this.findings.risk(macs);
  }

  tick(): void {
    this.findings.tick();
    this.#reconsider();
  }

  flush(): void {
    this.findings.flush();
    this.inventory.flush();
  }

  handlers(): ControlHandlersOf {
    const { clock } = this.#options.ports;
    return {
      'operator.device.confirm': ({ device }, caller) =>
        this.#act(caller, 'device.confirm', device, (by) => this.#records.confirm(this.#record(device), by)),
      'operator.device.set': ({ device, fields, lifecycle }, caller) =>
        this.#act(
          caller,
          'device.set',
          `${device} ${Object.keys(fields).join(' ')} ${lifecycle ?? ''}`.trim(),
          (by) => this.#records.say(this.#record(device), fields, lifecycle, by),
        ),
      'operator.device.retire': ({ device, reason }, caller) =>
        this.#act(caller, 'device.retire', `${device}: ${reason}`, (by) =>
          this.#records.say(this.#record(device), {}, 'retired', by),
        ),
      'operator.findings.list': ({ closed }) => ({ findings: this.findings.list(closed), now: clock.now() }),
      'operator.findings.ack': ({ finding, note, learn = false }, caller) =>
        this.#settle(caller, learn ? 'findings.learn' : 'findings.ack', finding, (by) => {
          const kept = this.findings.acknowledge(finding, note, by, learn);
          if (learn) this.#options.ports.sensor.acceptedChanged();
          return kept;
        }),
      'operator.findings.unlearn': ({ finding, note }, caller) =>
        this.#settle(caller, 'findings.unlearn', finding, (by) => {
          const kept = this.findings.unlearn(finding, note, by);
          this.#options.ports.sensor.acceptedChanged();
          return kept;
        }),
      'operator.findings.suppress': ({ finding, until, note }, caller) =>
        this.#settle(caller, 'findings.suppress', finding, (by) =>
          this.findings.suppress(finding, until, note, by),
        ),
      'sensor.accepted': () => {
        const withdrawn = this.findings.withdrawn();
        return { rows: this.findings.accepted(), ...(withdrawn.length === 0 ? {} : { withdrawn }) };
      },
      'operator.flows': ({ from }) => this.flows.page(from),
    };
  }

  #record(name: string): DeviceRecord {
    const host = this.inventory.find(name);
    const record =
      (host && this.#records.byMac(host.mac)) ??
      this.#records.get(name) ??
      [...this.#records.all()].find((each) => each.said.name?.value === name || each.macs.includes(name));
    if (record === undefined) throw new Fault('DEVICE_UNKNOWN', name);
    return record;
  }

  #act(
    caller: Caller,
    verb: string,
    object: string,
    change: (by: string) => DeviceRecord,
  ): { record: DeviceRecord; risk: number } {
    return this.#settle(caller, verb, object, (by) => {
      const record = change(by);
      return { record, risk: this.findings.risk(new Set(record.macs)) };
    });
  }

  #settle<T>(caller: Caller, verb: string, object: string, change: (by: string) => T): T {
    const operator = operatorName(caller);
    const note = (outcome: 'done' | 'refused'): void =>
      this.#options.journal.write('operator.action', {
        operator,
        verb,
        object: object.slice(0, 200),
        outcome,
      });
    try {
      const answer = change(operator);
      note('done');
      this.#reconsider();
      return answer;
    } catch (error) {
      note('refused');
      throw error;
    }
  }

  #reconsider(): void {
    if (this.#moved.size === 0) return;
    const moved = new Set(this.#moved);
    this.#moved.clear();
    this.#options.reconsider(({ target }) => moved.has(target.device));
  }
}

type ControlHandlersOf = Pick<
  ControlHandlers,
  'sensor.accepted' | (keyof typeof inventoryVerbs & keyof ControlHandlers)
>;
