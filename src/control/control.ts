/**
 * The control room put together: handlers of the control socket, what the tunnel tells, a policy reload, and a tick
 * once a second. Everything that waits for another process does so here and never inside a decision, but for one
 * look at the tunnel when a peer isn't known to be connected.
 *
 * Works alone: nothing in here needs anything outside the gateway. Other processes may come and go in any order;
 * the health list says which are there.
 */
import type { AuditBody, TreeHead } from '../wire/audit-event.ts';
import type { Config } from '../wire/config.ts';
import { Fault, isFault } from '../wire/errors.ts';
import type { Grant } from '../wire/grant.ts';
import type { SessionId } from '../wire/ids.ts';
import type { Overview, TunnelSession } from '../wire/messages.ts';
import { between, seconds } from '../wire/units.ts';
import type { MonotonicMillis } from '../wire/units.ts';
import { ActivePolicy } from './active-policy.ts';
import { Authorizer } from './authorize.ts';
import { Directory } from './directory.ts';
import { Endpoints } from './endpoints.ts';
import { HealthList } from './health.ts';
import type { Reporter } from './health.ts';
import { Inventory } from './inventory.ts';
import { Journal } from './journal.ts';
import type { Caller, ControlHandlers, Ports } from './ports.ts';
import { Registry } from './registry.ts';
import type { StateStore } from './state-store.ts';
import { TunnelView } from './tunnel-view.ts';

/** How often the tunnel and the audit log are asked how they are. */
const POLL = seconds(2);
const STATUS_TIMEOUT_MS = 1_000;
/** A process that hasn't been heard of for so long after the start is missing. */
const EXPECTED_WITHIN = seconds(15);
/** How long failed evaluations stay on the health list. */
const FAILURES_LINGER = seconds(300);

/** Words for a process that isn't there: what still works, what doesn't. */
const absence = {
  tunnel:
    'The tunnel process cannot be reached: nobody comes in until it is back. Sessions and decisions go on for a minute on what was known.',
  broker: 'The broker process is not connected: no session can be opened, and open ones are unknown.',
  audit: 'The audit process cannot be reached: open sessions go on, new ones are refused until it is back.',
  sensor: 'The sensor process is not connected: sessions go on, new devices stay unseen.',
} as const satisfies Record<Reporter, string>;

export class Control {
  readonly handlers: ControlHandlers;
  readonly #config: Config;
  readonly #ports: Ports;
  readonly #store: StateStore;
  readonly #directory: Directory;
  readonly #tunnel: TunnelView;
  readonly #registry: Registry;
  readonly #inventory: Inventory;
  readonly #endpoints: Endpoints;
  readonly #health: HealthList;
  readonly #journal: Journal;
  readonly #policy: ActivePolicy;
  readonly #authorizer: Authorizer;
  readonly #startedAt: number;
  readonly #began: MonotonicMillis;
  /** Processes that were never heard of yet. */
  readonly #awaited = new Set<Reporter>(['tunnel', 'broker', 'audit', 'sensor']);
  /** Connections of the broker and the sensor, by what they called. */
  readonly #connections = new Map<number, Reporter>();
  readonly #polledAt: { tunnel: number; audit: number } = { tunnel: -Infinity, audit: -Infinity };
  #refreshing: Promise<void> | undefined;
  #head: TreeHead | undefined;
  #failedAt: MonotonicMillis | undefined;

  /** Fault POLICY_INVALID when there is no policy set to decide with. */
  constructor(config: Config, ports: Ports, store: StateStore) {
    const { clock } = ports;
    this.#config = config;
    this.#ports = ports;
    this.#store = store;
    this.#startedAt = clock.now();
    this.#began = clock.monotonic();
    this.#directory = new Directory(config);
    this.#tunnel = new TunnelView(clock.monotonic());
    this.#registry = new Registry(config.broker.limits.sessions);
    this.#inventory = new Inventory(this.#directory, store, clock);
    this.#endpoints = new Endpoints(this.#directory, store);
    this.#health = new HealthList(clock);
    this.#journal = new Journal(ports.audit, clock, ports.log);
    this.#policy = new ActivePolicy({ file: config.policy.file, read: ports.readPolicy, store });
    this.#authorizer = new Authorizer({
      ports,
      directory: this.#directory,
      limits: config.broker.limits,
      tunnel: this.#tunnel,
      refresh: () => this.#refresh(),
      policy: () => this.#policy.set,
      onFailure: (failures) => this.#evaluationFailed(failures),
    });
    this.#journal.write('process.start', { process: 'control', version: ports.version });
    this.#activated(this.#policy.start(clock.now()));
    this.#health.set('control.coordinator', 'ok', 'standalone: no coordinator configured');
    this.#health.set('control.decisions', 'ok', 'Every policy can be evaluated.');
    for (const name of this.#awaited)
      this.#health.set(`${name}.process`, 'warning', `The ${name} process has not been heard of yet.`);
    this.#ownHealth();
    this.handlers = this.#handlers();
  }

  // ── what other processes tell ──────────────────────────────────────────────────────────────────

  /** The connection to the tunnel process is there: tell it where peers were last seen, then ask. */
  async tunnelConnected(): Promise<void> {
    for (const { peer, endpoint } of this.#endpoints.all()) {
      try {
        await this.#ports.tunnel.hint(peer, endpoint);
      } catch (error) {
        if (!isFault(error)) throw error;
        this.#ports.log.warn({ err: error, peer }, 'the tunnel did not take a hint');
        if (error.retry) return;
      }
    }
    await this.#refresh();
  }

  tunnelLost(): void {
    this.#tunnel.lost(this.#ports.clock.monotonic());
    this.#gone('tunnel');
  }

  /** A tunnel session was confirmed; open sessions of the peer are decided again when its kind changed. */
  tunnelSession(session: TunnelSession): void {
    this.#tunnel.confirmed(session, this.#ports.clock.monotonic());
    for (const grant of this.#registry.grants())
      if (grant.subject.peer === session.peer && grant.subject.kex !== session.kex) this.#decideAgain(grant);
  }

  auditConnected(): void {
    void this.#journal.flush();
    this.#polledAt.audit = -Infinity;
  }

  auditLost(): void {
    this.#gone('audit');
  }

  /** A caller of the control socket went away. */
  callerGone(caller: Caller): void {
    const who = this.#connections.get(caller.connection);
    if (!who) return;
    this.#connections.delete(caller.connection);
    if ([...this.#connections.values()].includes(who)) return;
    if (who === 'broker') this.#registry.brokerOver(undefined, this.#ports.clock.monotonic());
    this.#gone(who);
  }

  // ── what operators do ──────────────────────────────────────────────────────────────────────────

  /** Read the policy file again, and decide every open session again when it changed. */
  reloadPolicy(operator: string): void {
    const reload = this.#policy.reload(this.#ports.clock.now());
    const refused = reload.kind === 'refused';
    this.#journal.write('operator.action', {
      operator,
      verb: 'policy.reload',
      object: this.#config.policy.file,
      outcome: refused ? 'refused' : 'done',
    });
    if (refused)
      this.#ports.log.error({ err: reload.fault }, 'the policy file is not valid; the set in force stays');
    if (reload.kind === 'activated') {
      this.#activated(reload.event);
      for (const grant of this.#registry.grants()) this.#decideAgain(grant);
    }
    this.#ownHealth();
  }

  /** End a live session now. Fault SESSION_UNKNOWN. */
  revoke(session: SessionId, reason: string, operator: string): void {
    const known = this.#registry.revoke(session, reason);
    this.#journal.write('operator.action', {
      operator,
      verb: 'session.revoke',
      object: session,
      outcome: known ? 'done' : 'refused',
    });
    if (!known) throw new Fault('SESSION_UNKNOWN', session);
    this.#ports.broker.revoke(session, reason);
  }

  overview(): Overview {
    const set = this.#policy.set;
    return {
      site: { id: this.#config.site.id, name: this.#config.site.name },
      version: this.#ports.version,
      startedAt: this.#startedAt,
      now: this.#ports.clock.now(),
      ...(set ? { policy: { revision: set.revision, policies: set.policies.size } } : {}),
      peers: [...this.#tunnel.peers],
      sessions: this.#registry.rows(),
      devices: this.#inventory.rows(),
      ...(this.#head ? { audit: this.#head } : {}),
      health: this.#health.list(),
    };
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────────────

  /** Once a second: ask, write down, tell. Resolves when the asking is over. */
  async tick(): Promise<void> {
    const { clock } = this.#ports;
    const now = clock.monotonic();
    for (const { grant, progress, reason } of this.#registry.sweep(clock.now(), now)) {
      const { session, subject, target } = grant;
      this.#ports.log.warn({ session }, 'a session was lost with its broker');
      const { startedAt, lastActivity, bytesToDevice, bytesToUser, units } = progress;
      const durationMs = Math.max(0, lastActivity - startedAt);
      const counted = { durationMs, bytesToDevice, bytesToUser, units };
      this.#journal.write('session.end', { session, subject, target, reason, ...counted });
    }
    const due = (at: number): boolean => now - at >= POLL;
    const asking: Promise<void>[] = [];
    if (due(this.#polledAt.tunnel)) asking.push(this.#refresh());
    if (due(this.#polledAt.audit)) asking.push(this.#askAudit());
    for (const event of this.#inventory.tick()) this.#journal.write('device.observed', event);
    this.#endpoints.flush();
    await Promise.all(asking);
    this.#ownHealth();
    for (const change of this.#health.changes()) {
      this.#journal.write('health.changed', change);
      this.#ports.log.info({ health: change }, 'health changed');
    }
    // Not waited for: a slow log must not hold up the next tick.
    void this.#journal.flush();
  }

  /** Write everything down. The journal gets one chance. */
  async stop(reason: string): Promise<void> {
    this.#journal.write('process.stop', { process: 'control', reason });
    this.#inventory.flush();
    this.#endpoints.flush();
    await this.#journal.flush();
    this.#store.close();
  }

  // ── inside ─────────────────────────────────────────────────────────────────────────────────────

  #handlers(): ControlHandlers {
    const fromBroker = (caller: Caller): void => this.#heard('broker', caller);
    return {
      'session.authorize': async (question, caller) => {
        fromBroker(caller);
        const open = this.#registry.grant(question.session);
        const decision = await this.#authorizer.authorize(question, open);
        if (open && decision.decision === 'permit') this.#regranted(open, decision.grant);
        return decision;
      },
      'session.started': ({ grant, progress }, caller) => {
        fromBroker(caller);
        if (!this.#registry.started(grant, progress, caller.connection))
          throw new Fault('SESSION_LIMIT', 'the session table is full');
        const revoked = this.#registry.revoked(grant.session);
        if (revoked !== undefined) this.#ports.broker.revoke(grant.session, revoked);
        else if (grant.revision !== this.#policy.set?.revision) this.#decideAgain(grant);
        return {};
      },
      'session.progress': ({ sessions }, caller) => {
        fromBroker(caller);
        for (const progress of sessions) this.#registry.progress(progress);
        return {};
      },
      'session.ended': ({ progress, reason }, caller) => {
        fromBroker(caller);
        this.#registry.ended(progress, reason, this.#ports.clock.now());
        return {};
      },
      'broker.health': ({ health }, caller) => {
        fromBroker(caller);
        this.#health.report('broker', health);
        return {};
      },
      'sensor.observed': ({ hosts, health }, caller) => {
        this.#heard('sensor', caller);
        this.#health.report('sensor', health);
        this.#inventory.observed(hosts);
        return {};
      },
      'operator.overview': () => this.overview(),
      'operator.revoke': ({ session, reason }, caller) => {
        this.revoke(session, reason, `uid ${caller.uid}`);
        return {};
      },
    };
  }

  /** The broker or the sensor spoke: its connection is theirs from now on. */
  #heard(who: 'broker' | 'sensor', { connection }: Caller): void {
    if (this.#connections.get(connection) === who) return;
    this.#connections.set(connection, who);
    if (who === 'broker') this.#registry.brokerOver(connection, this.#ports.clock.monotonic());
    this.#present(who, `The ${who} process is connected.`);
  }

  #present(who: Reporter, text: string): void {
    this.#awaited.delete(who);
    this.#health.set(`${who}.process`, 'ok', text);
  }

  #gone(who: Reporter): void {
    this.#awaited.delete(who);
    this.#health.set(`${who}.process`, who === 'sensor' ? 'warning' : 'critical', absence[who]);
    this.#health.forget(who);
  }

  /** Ask the tunnel, once at a time. Resolves also when it can't be reached. */
  #refresh(): Promise<void> {
    this.#refreshing ??= this.#askTunnel().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #askTunnel(): Promise<void> {
    const { clock, tunnel } = this.#ports;
    const asked = clock.monotonic();
    this.#polledAt.tunnel = asked;
    try {
      const { peers, port, health } = await tunnel.status(STATUS_TIMEOUT_MS);
      this.#tunnel.status(peers, asked);
      this.#endpoints.note(peers, clock.now());
      this.#present('tunnel', `The tunnel process answers; it listens on UDP port ${port}.`);
      this.#health.report('tunnel', health);
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#tunnel.lost(clock.monotonic());
      this.#gone('tunnel');
    }
  }

  async #askAudit(): Promise<void> {
    this.#polledAt.audit = this.#ports.clock.monotonic();
    try {
      const { head, health } = await this.#ports.audit.status();
      this.#head = head ?? this.#head;
      this.#present('audit', 'The audit process answers.');
      this.#health.report('audit', health);
    } catch (error) {
      if (!isFault(error)) throw error;
      if (error.code === 'IPC_UNREACHABLE' || error.code === 'IPC_TIMEOUT') this.#gone('audit');
      else this.#health.set('audit.process', 'critical', error.message);
    }
  }

  #decideAgain(grant: Grant): void {
    if (this.#registry.revoked(grant.session) !== undefined) return;
    const decision = this.#authorizer.again(grant);
    if (decision.decision === 'deny') {
      const reason = decision.refusal.reasons.join(' ');
      this.#registry.revoke(grant.session, reason);
      this.#ports.broker.revoke(grant.session, reason);
      return;
    }
    this.#regranted(grant, decision.grant);
    this.#ports.broker.regrant(decision.grant);
  }

  #regranted(before: Grant, grant: Grant): void {
    this.#registry.regranted(grant);
    if (grant.actions.join() === before.actions.join()) return;
    this.#journal.write('session.regranted', { grant, before: before.actions });
  }

  #activated(event: AuditBody<'policy.activated'>): void {
    this.#journal.write('policy.activated', event);
    this.#ports.log.info({ revision: event.revision, policies: event.policies }, 'policy activated');
  }

  #evaluationFailed(failures: readonly string[]): void {
    this.#failedAt = this.#ports.clock.monotonic();
    this.#health.set(
      'control.decisions',
      'critical',
      `A policy could not be evaluated, so what it decides on is refused. ${failures[0] ?? ''}`,
    );
    this.#ports.log.error({ failures }, 'a policy could not be evaluated');
  }

  #ownHealth(): void {
    if (between(this.#began, this.#ports.clock.monotonic()) >= EXPECTED_WITHIN)
      for (const who of this.#awaited) this.#gone(who);
    const { set, fault } = this.#policy;
    const inForce = set ? `Revision ${set.revision}, ${set.policies.size} policies.` : 'No policy set.';
    if (fault)
      this.#health.set('control.policy', 'critical', `The set in force stays: ${inForce} ${fault.message}`);
    else this.#health.set('control.policy', 'ok', inForce);

    const failing = this.#store.fault;
    if (failing)
      this.#health.set(
        'control.store',
        'warning',
        `Sessions and decisions go on; the inventory is kept in memory only. ${failing.message}`,
      );
    else this.#health.set('control.store', 'ok', 'The store can be written.');

    const { waiting, dropped } = this.#journal;
    const lost = dropped > 0 ? ` ${dropped} were given up.` : '';
    this.#health.set(
      'control.journal',
      dropped > 0 ? 'warning' : 'ok',
      `${waiting} events of control wait for the audit log.${lost}`,
    );

    if (
      this.#failedAt !== undefined &&
      between(this.#failedAt, this.#ports.clock.monotonic()) > FAILURES_LINGER
    ) {
      this.#failedAt = undefined;
      this.#health.set('control.decisions', 'ok', 'Every policy can be evaluated.');
    }
  }
}
