/**
 * The other processes of the gateway: which are there, and what the tunnel and the audit log answer when they are
 * asked. They may come and go in any order; the health list says which are there.
 */
import type { TreeHead } from '../wire/audit-event.ts';
import { isFault } from '../wire/errors.ts';
import { between, seconds } from '../wire/units.ts';
import type { MonotonicMillis } from '../wire/units.ts';
import type { Endpoints } from './endpoints.ts';
import type { HealthList, Reporter } from './health.ts';
import type { Caller, Ports } from './ports.ts';
import type { Registry } from './registry.ts';
import type { TunnelView } from './tunnel-view.ts';

/** How often the tunnel and the audit log are asked how they are. */
const POLL = seconds(2);
const STATUS_TIMEOUT_MS = 1_000;
/** A process that hasn't been heard of for so long after the start is missing. */
const EXPECTED_WITHIN = seconds(15);

/** Words for a process that isn't there: what still works, what doesn't. */
const absence = {
  tunnel:
    'The tunnel process cannot be reached: nobody comes in until it is back. Sessions and decisions go on for a minute on what was known.',
  broker: 'The broker process is not connected: no session can be opened, and open ones are unknown.',
  audit: 'The audit process cannot be reached: open sessions go on, new ones are refused until it is back.',
  sensor: 'The sensor process is not connected: sessions go on, new devices stay unseen.',
} as const satisfies Record<Reporter, string>;

export interface NeighboursOptions {
  readonly ports: Pick<Ports, 'clock' | 'tunnel' | 'audit' | 'log'>;
  readonly tunnel: TunnelView;
  readonly registry: Registry;
  readonly endpoints: Endpoints;
  readonly health: HealthList;
}

export class Neighbours {
  readonly #options: NeighboursOptions;
  readonly #began: MonotonicMillis;
  /** Processes that were never heard of yet. */
  readonly #awaited = new Set<Reporter>(['tunnel', 'broker', 'audit', 'sensor']);
  /** Connections of the broker and the sensor, by what they called. */
  readonly #connections = new Map<number, Reporter>();
  readonly #polledAt: { tunnel: number; audit: number } = { tunnel: -Infinity, audit: -Infinity };
  #refreshing: Promise<void> | undefined;
  #head: TreeHead | undefined;

  constructor(options: NeighboursOptions) {
    this.#options = options;
    this.#began = options.ports.clock.monotonic();
    for (const name of this.#awaited)
      options.health.set(`${name}.process`, 'warning', `The ${name} process has not been heard of yet.`);
  }

  /** The head of the audit log, as last answered. */
  get head(): TreeHead | undefined {
    return this.#head;
  }

  /** The connection to the tunnel process is there: tell it where peers were last seen, then ask. */
  async tunnelConnected(): Promise<void> {
    const { endpoints, ports } = this.#options;
    for (const { peer, endpoint } of endpoints.all()) {
      try {
        await ports.tunnel.hint(peer, endpoint);
      } catch (error) {
        if (!isFault(error)) throw error;
        ports.log.warn({ err: error, peer }, 'the tunnel did not take a hint');
        if (error.retry) return;
      }
    }
    await this.refresh();
  }

  tunnelLost(): void {
    this.#options.tunnel.lost(this.#options.ports.clock.monotonic());
    this.#gone('tunnel');
  }

  auditConnected(): void {
    this.#polledAt.audit = -Infinity;
  }

  auditLost(): void {
    this.#gone('audit');
  }

  /** The broker or the sensor spoke: its connection is theirs from now on. */
  heard(who: 'broker' | 'sensor', { connection }: Caller): void {
    if (this.#connections.get(connection) === who) return;
    this.#connections.set(connection, who);
    const { registry, ports } = this.#options;
    if (who === 'broker') registry.brokerOver(connection, ports.clock.monotonic());
    this.#present(who, `The ${who} process is connected.`);
  }

  /** A caller of the control socket went away. */
  callerGone({ connection }: Caller): void {
    const who = this.#connections.get(connection);
    if (!who) return;
    this.#connections.delete(connection);
    if ([...this.#connections.values()].includes(who)) return;
    const { registry, ports } = this.#options;
    if (who === 'broker') registry.brokerOver(undefined, ports.clock.monotonic());
    this.#gone(who);
  }

  /** Ask what is due. Resolves when the asking is over. */
  async poll(): Promise<void> {
    const now = this.#options.ports.clock.monotonic();
    const due = (at: number): boolean => now - at >= POLL;
    const asking: Promise<void>[] = [];
    if (due(this.#polledAt.tunnel)) asking.push(this.refresh());
    if (due(this.#polledAt.audit)) asking.push(this.#askAudit());
    await Promise.all(asking);
    this.#miss();
  }

  /** Say which processes never came, once they had the time to. */
  #miss(): void {
    if (between(this.#began, this.#options.ports.clock.monotonic()) < EXPECTED_WITHIN) return;
    for (const who of this.#awaited) this.#gone(who);
  }

  /** Ask the tunnel, once at a time. Resolves also when it can't be reached. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#askTunnel().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  #present(who: Reporter, text: string): void {
    this.#awaited.delete(who);
    this.#options.health.set(`${who}.process`, 'ok', text);
  }

  #gone(who: Reporter): void {
    this.#awaited.delete(who);
    const { health } = this.#options;
    health.set(`${who}.process`, who === 'sensor' ? 'warning' : 'critical', absence[who]);
    health.forget(who);
  }

  async #askTunnel(): Promise<void> {
    const { ports, tunnel, endpoints, health } = this.#options;
    const { clock } = ports;
    const asked = clock.monotonic();
    this.#polledAt.tunnel = asked;
    try {
      const status = await ports.tunnel.status(STATUS_TIMEOUT_MS);
      tunnel.status(status.peers, asked);
      endpoints.note(status.peers, clock.now());
      this.#present('tunnel', `The tunnel process answers; it listens on UDP port ${status.port}.`);
      health.report('tunnel', status.health);
    } catch (error) {
      if (!isFault(error)) throw error;
      tunnel.lost(clock.monotonic());
      this.#gone('tunnel');
    }
  }

  async #askAudit(): Promise<void> {
    const { ports, health } = this.#options;
    this.#polledAt.audit = ports.clock.monotonic();
    try {
      const status = await ports.audit.status();
      this.#head = status.head ?? this.#head;
      this.#present('audit', 'The audit process answers.');
      health.report('audit', status.health);
    } catch (error) {
      if (!isFault(error)) throw error;
      if (error.code === 'IPC_UNREACHABLE' || error.code === 'IPC_TIMEOUT') this.#gone('audit');
      else health.set('audit.process', 'critical', error.message);
    }
  }
}
