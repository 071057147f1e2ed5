/**
 * The control room put together: the handlers of the control socket, what the tunnel tells, a policy reload, and a
 * tick once a second. Everything that waits for another process does so in `neighbours.ts` and never inside a decision,
 * but for one look at the tunnel when a peer isn't known to be connected.
 *
 * Works alone: nothing in here needs anything outside the gateway. Other processes may come and go in any order;
 * the health list says which are there.
 */
import type { Config } from '../wire/config.ts';
import type { KeptFinding } from '../wire/finding.ts';
import type { SessionId } from '../wire/ids.ts';
import type { Overview, TunnelSession } from '../wire/messages.ts';
import type { SiteData } from '../wire/site-data.ts';
import { ActivePolicy } from './active-policy.ts';
import { AdvisoryDesk } from './advisory-desk.ts';
import { Authorizer } from './authorize.ts';
import { BundlePolicy } from './bundle-policy.ts';
import { Circumstances } from './circumstances.ts';
import { dataKeyFinding } from './data-key.ts';
import { Directory } from './directory.ts';
import { Endpoints } from './endpoints.ts';
import { FactStore } from './facts.ts';
import { FrontDesk } from './front-desk.ts';
import { coreHandlers } from './handlers.ts';
import { HealthList } from './health.ts';
import { InventoryDesk } from './inventory-desk.ts';
import { Journal } from './journal.ts';
import { CLOCK_SET_MS, LiveGrants } from './live-grants.ts';
import { Neighbours } from './neighbours.ts';
import { OwnHealth } from './own-health.ts';
import { PolicyDesk } from './policy-desk.ts';
import type { PolicySource } from './policy-source.ts';
import type { Caller, ControlHandlers, Ports } from './ports.ts';
import { Registry } from './registry.ts';
import { reportHandlers, Reports } from './reports.ts';
import { Simulation } from './simulation.ts';
import type { StateStore } from './state-store.ts';
import { TunnelView } from './tunnel-view.ts';

/** Signed bundles where signers are pinned, else the plain file. Fault SIGNER_INVALID. */
function sourceOf(config: Config, ports: Ports, store: StateStore): PolicySource {
  const { bundles, clock } = ports;
  if (!bundles) return new ActivePolicy({ file: config.policy.file ?? '', read: ports.readPolicy, store });
  const { site, overlay } = config;
  return new BundlePolicy({
    ...bundles,
    clock,
    site: site.id,
    overlay: overlay.resources,
    configured: config,
  });
}

export class Control {
  readonly handlers: ControlHandlers;
  readonly #config: Config;
  readonly #ports: Ports;
  readonly #store: StateStore;
  readonly #directory: Directory;
  readonly #tunnel: TunnelView;
  readonly #registry: Registry;
  readonly #inventory: InventoryDesk;
  readonly #endpoints: Endpoints;
  readonly #health: HealthList;
  readonly #ownHealth: OwnHealth;
  readonly #journal: Journal;
  readonly #policy: PolicySource;
  readonly #desk: PolicyDesk;
  readonly #front: FrontDesk;
  readonly #reports: Reports;
  readonly #simulation: Simulation;
  readonly #advisories: AdvisoryDesk;
  readonly #neighbours: Neighbours;
  readonly #facts: FactStore;
  readonly #circumstances: Circumstances;
  readonly #grants: LiveGrants;
  readonly #startedAt: number;
  #clockSkew: number;

  /** Fault POLICY_INVALID when there is no policy set to decide with. */
  constructor(config: Config, ports: Ports, store: StateStore) {
    const { clock } = ports;
    this.#config = config;
    this.#ports = ports;
    this.#store = store;
    this.#startedAt = clock.now();
    this.#clockSkew = clock.now() - clock.monotonic();
    this.#directory = new Directory(config);
    this.#tunnel = new TunnelView(clock.monotonic());
    this.#registry = new Registry(config.broker.limits.sessions);
    this.#endpoints = new Endpoints(this.#directory, store);
    this.#health = new HealthList(clock);
    this.#journal = new Journal(ports.audit, clock, ports.log, ports.emergency);
    this.#inventory = new InventoryDesk({
      ports,
      store,
      directory: this.#directory,
      journal: this.#journal,
      reconsider: (concerns) => this.#grants.reconsider(concerns),
    });
    this.#simulation = new Simulation({ clock, journal: this.#journal, store, log: ports.log });
    this.#policy = sourceOf(config, ports, store);
    this.#ownHealth = new OwnHealth({
      clock,
      health: this.#health,
      policy: this.#policy,
      store,
      journal: this.#journal,
    });
    this.#neighbours = new Neighbours({
      ports,
      tunnel: this.#tunnel,
      registry: this.#registry,
      endpoints: this.#endpoints,
      health: this.#health,
    });
    this.#facts = new FactStore({
      clock,
      store,
      known: (about) =>
        'peer' in about ? this.#directory.peers.has(about.peer) : this.#directory.users.has(about.user),
      rules: () => this.#site().posture,
    });
    this.#front = new FrontDesk({
      config,
      ports,
      store,
      journal: this.#journal,
      directory: this.#directory,
      tunnel: this.#tunnel,
      registry: this.#registry,
      policy: this.#policy,
      site: () => this.#site(),
      refresh: () => this.#neighbours.refresh(),
      reconsider: (concerns) => this.#grants.reconsider(concerns),
      circumstances: () => this.#circumstances,
      reports: () => this.#reports,
    });
    this.#front.addHealth(this.#ownHealth);
    const { dataKey } = ports;
    if (dataKey) this.#ownHealth.add('control.data', () => dataKeyFinding(dataKey));
    this.#ownHealth.add('control.simulation', () => this.#simulation.finding());
    this.#ownHealth.add('control.findings', () => this.#inventory.findings.health());
    this.#advisories = new AdvisoryDesk({
      ports: ports.advisories,
      rows: () => this.#inventory.inventory.rows(),
      clock,
      journal: this.#journal,
      found: (reports) => this.#inventory.findings.take(reports),
      over: (mac) => this.#inventory.findings.over('known-exploited', mac),
    });
    this.#ownHealth.add('control.advisories', () => this.#advisories.finding());
    this.#circumstances = new Circumstances({
      ports,
      facts: this.#facts,
      site: () => this.#site(),
      siteId: config.site.id,
      latest: () => this.#front.latest.now,
      outer: (peer) => this.#tunnel.outer(peer),
      exits: (occasion) => this.#front.facts(occasion),
      deviceRisk: (device) => this.#inventory.risk(device),
    });
    const authorizer = new Authorizer({
      ports,
      directory: this.#directory,
      limits: config.broker.limits,
      tunnel: this.#tunnel,
      circumstances: this.#circumstances,
      refresh: () => this.#neighbours.refresh(),
      policy: () => this.#policy.set,
      onFailure: (failures) => this.#evaluationFailed(failures),
      onDecided: (request, answer) => this.#simulation.decided(request, answer),
    });
    this.#grants = new LiveGrants({
      registry: this.#registry,
      authorizer,
      broker: ports.broker,
      clock,
      journal: this.#journal,
      onStarted: (grant) => this.#front.life.sessionStarted(grant),
    });
    this.#reports = new Reports({
      facts: this.#facts,
      journal: this.#journal,
      reconsider: (concerns) => this.#grants.reconsider(concerns),
    });
    this.#journal.write('process.start', { process: 'control', version: ports.version });
    this.#desk = new PolicyDesk({
      ports,
      source: this.#policy,
      site: () => this.#site(),
      directory: this.#directory,
      inventory: this.#inventory.inventory,
      grants: this.#grants,
      journal: this.#journal,
      health: this.#ownHealth,
      // A bundle that verifies is news of who signs them; whoever made the set says anew what holds.
      onActivated: () => {
        this.#front.latest.settle(this.#policy.issued);
        if (this.#policy.mode === 'bundle') this.#front.life.grace.contact();
      },
      file: config.policy.bundle ?? config.policy.file ?? '',
    });
    this.#desk.start(clock.now());
    this.#ownHealth.update();
    this.handlers = {
      ...coreHandlers({
        clock,
        neighbours: this.#neighbours,
        registry: this.#registry,
        grants: this.#grants,
        health: this.#health,
        inventory: this.#inventory,
        overview: () => this.overview(),
      }),
      ...this.#desk.handlers(),
      ...this.#inventory.handlers(),
      ...this.#simulation.handlers(),
      ...this.#advisories.handlers(),
      ...reportHandlers(this.#reports),
      ...this.#front.handlers(),
    };
  }

  // ── what other processes tell ──────────────────────────────────────────────────────────────────

  /** The connection to the tunnel process is there. */
  tunnelConnected(): Promise<void> {
    return this.#neighbours.tunnelConnected();
  }

  tunnelLost(): void {
    this.#neighbours.tunnelLost();
  }

  /** A tunnel session was confirmed; open sessions of the peer are decided again when its kind changed. */
  tunnelSession(session: TunnelSession): void {
    this.#tunnel.confirmed(session, this.#ports.clock.monotonic());
    this.#grants.reconsider(({ subject }) => subject.peer === session.peer && subject.kex !== session.kex);
  }

  auditConnected(): void {
    void this.#journal.flush();
    this.#neighbours.auditConnected();
  }

  auditLost(): void {
    this.#neighbours.auditLost();
  }

  /** A caller of the control socket went away. */
  callerGone(caller: Caller): void {
    this.#neighbours.callerGone(caller);
  }

  // ── what operators do ──────────────────────────────────────────────────────────────────────────

  /** Read the policy file again, and decide every open session again when it changed. */
  reloadPolicy(operator: string): void {
    this.#desk.reload(operator);
  }

  /** End a live session now. Fault SESSION_UNKNOWN. */
  revoke(session: SessionId, reason: string, operator: string): void {
    this.#grants.revoke(session, reason, operator);
  }

  overview(): Overview {
    const set = this.#policy.set;
    const { head } = this.#neighbours;
    return {
      site: { id: this.#config.site.id, name: this.#config.site.name },
      version: this.#ports.version,
      startedAt: this.#startedAt,
      now: this.#ports.clock.now(),
      ...(set ? { policy: { revision: set.revision, policies: set.policies.size } } : {}),
      peers: [...this.#tunnel.peers],
      sessions: this.#registry.rows(),
      devices: this.#inventory.inventory.rows(),
      ...(head ? { audit: head } : {}),
      health: this.#health.list(),
      findings: this.#inventory.findings.counts(),
    };
  }

  /** What is held against devices and isn't over. */
  findings(): { readonly findings: KeptFinding[]; readonly now: number } {
    return { findings: this.#inventory.findings.list(false), now: this.#ports.clock.now() };
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────────────

  /** Once a second: ask, write down, tell. Resolves when the asking is over. */
  async tick(): Promise<void> {
    this.#sweep();
    this.#inventory.tick();
    for (const event of this.#inventory.inventory.tick()) this.#journal.write('device.observed', event);
    this.#endpoints.flush();
    this.#facts.flush();
    this.#simulation.tick();
    this.#advisories.tick();
    this.#front.life.tick();
    await this.#neighbours.poll();
    this.#drifted();
    this.#ownHealth.update();
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
    this.#front.life.flush();
    this.#simulation.flush();
    await this.#journal.flush();
    this.#store.close();
    this.#advisories.close();
  }

  // ── inside ─────────────────────────────────────────────────────────────────────────────────────

  /** Decide again where a fact changed that nobody reports: the wall clock was set, a peer comes from elsewhere. */
  #drifted(): void {
    const { clock } = this.#ports;
    const skew = clock.now() - clock.monotonic();
    const clockSet = Math.abs(skew - this.#clockSkew) >= CLOCK_SET_MS;
    this.#clockSkew = skew;
    this.#grants.reconsider(({ subject }) => clockSet || this.#circumstances.moved(subject.peer));
  }

  /** Write the end of sessions that went down with their broker. */
  #sweep(): void {
    const { clock, log } = this.#ports;
    for (const { grant, progress, reason } of this.#registry.sweep(clock.now(), clock.monotonic())) {
      const { session, subject, target } = grant;
      log.warn({ session }, 'a session was lost with its broker');
      const { startedAt, lastActivity, bytesToDevice, bytesToUser, units } = progress;
      const durationMs = Math.max(0, lastActivity - startedAt);
      const counted = { durationMs, bytesToDevice, bytesToUser, units };
      this.#journal.write('session.end', { session, subject, target, reason, ...counted });
    }
  }

  /** What policy reads of the site besides the set. */
  #site(): SiteData {
    return this.#policy.site ?? this.#config.siteData;
  }

  #evaluationFailed(failures: readonly string[]): void {
    this.#ownHealth.evaluationFailed(failures);
    this.#ports.log.error({ failures }, 'a policy could not be evaluated');
  }
}
