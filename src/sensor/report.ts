/**
 * What goes to `control`: hosts of which something new is known, in batches, at most one a `REPORT_MS`, one
 * under way at a time. A host that was only seen again is sent once a `REFRESH_MS`. After a reconnect all
 * hosts go again, since `control` may have started afresh. What could not be sent stays due.
 *
 * Hosts without a MAC (captures of raw IP) are no inventory rows and are never sent, and neither are cards of which
 * nothing is known but that somebody sent in their name; while cards are being invented, only
 * those that serve or were there before.
 *
 * With the hosts go findings and flows of baselines that are new or changed.
 */
import type { BaselineFlow, FindingReport } from '../wire/finding.ts';
import type { HealthItem } from '../wire/health.ts';
import type { HostObservation } from '../wire/observation.ts';
import type { Behaviour } from './behaviour.ts';
import { limits } from './constants.ts';
import { NO_MAC } from './frame.ts';
import type { HostTable } from './host-table.ts';
import type { Host } from './host.ts';

export interface Batch {
  readonly hosts: HostObservation[];
  readonly health: HealthItem[];
  readonly findings?: FindingReport[];
  readonly flows?: BaselineFlow[];
}

/** Findings and flows of one batch. */
const FINDINGS = 128;
const FLOWS = 512;

/** Services, addresses and evidence of one batch: keeps it far under a frame of the local socket. */
const ROWS = 4096;

export class Reporter {
  readonly #hosts: HostTable;
  readonly #health: (at: number) => HealthItem[];
  readonly #send: (batch: Batch) => Promise<void>;
  readonly #behaviour: Behaviour | undefined;
  #sending = false;
  #last = -Infinity;
  #lastHealth = '';

  constructor(
    hosts: HostTable,
    health: (at: number) => HealthItem[],
    send: (batch: Batch) => Promise<void>,
    behaviour?: Behaviour,
  ) {
    this.#hosts = hosts;
    this.#health = health;
    this.#send = send;
    this.#behaviour = behaviour;
  }

  /** `control` is back: it gets everything. */
  reconnected(): void {
    this.#lastHealth = '';
    this.#behaviour?.reconnected();
    for (const host of this.#hosts.all()) host.changed = true;
  }

  /** Send a batch when one is due. Resolves when it was taken or was put back. */
  async tick(at: number): Promise<void> {
    if (this.#sending || at - this.#last < limits.REPORT_MS) return;
    const due = this.#due(at);
    const health = this.#health(at);
    const healthText = JSON.stringify(health);
    const findings = this.#behaviour?.findings.due(at, FINDINGS);
    const flows = this.#behaviour?.baselines.due(FLOWS);
    const news = (findings?.reports.length ?? 0) + (flows?.flows.length ?? 0);
    if (due.length === 0 && news === 0 && healthText === this.#lastHealth) return;
    const hosts = due.map((host) => host.observation()).filter((o) => o !== undefined);
    for (const host of due) {
      host.changed = false;
      host.reported = at;
    }
    this.#sending = true;
    this.#last = at;
    try {
      await this.#send({
        hosts,
        health,
        ...(findings && findings.reports.length > 0 ? { findings: findings.reports } : {}),
        ...(flows && flows.flows.length > 0 ? { flows: flows.flows } : {}),
      });
      this.#lastHealth = healthText;
      findings?.taken();
      flows?.taken();
    } catch {
      // The sender has logged why; the next tick tries again.
      for (const host of due) host.changed = true;
    } finally {
      this.#sending = false;
    }
  }

  #isRow(host: Host): boolean {
    if (host.reported !== -Infinity) return true;
    const since = this.#behaviour?.floodedSince;
    if (since === undefined || host.first < since) return host.established;
    return host.services.size > 0;
  }

  #due(at: number): Host[] {
    const due: Host[] = [];
    let rows = 0;
    for (const host of this.#hosts.all()) {
      if (host.mac === NO_MAC || !this.#isRow(host)) continue;
      const refresh = host.last > host.reported && at - host.reported >= limits.REFRESH_MS;
      if (!host.changed && !refresh) continue;
      rows += host.evidence + host.services.size + host.addresses.size;
      if (due.length === limits.BATCH || (rows > ROWS && due.length > 0)) break;
      due.push(host);
    }
    return due;
  }
}
