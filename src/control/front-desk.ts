/**
 * Where people turn to: the exits and what they leave behind (`life.ts`), and the portal, connected with the rest of the
 * control room.
 */
import { checkOrder } from '../policy/order.ts';
import type { Config } from '../wire/config.ts';
import type { Grant } from '../wire/grant.ts';
import type { lifeVerbs, portalVerbs } from '../wire/messages.ts';
import type { SiteData } from '../wire/site-data.ts';
import type { Circumstances, ExitFacts, Occasion } from './circumstances.ts';
import type { Directory } from './directory.ts';
import { identify } from './identity.ts';
import type { Journal } from './journal.ts';
import { Life } from './life.ts';
import { LatestTime } from './latest-time.ts';
import { MachineTime } from './machine-time.ts';
import type { OwnHealth } from './own-health.ts';
import type { PolicySource } from './policy-source.ts';
import { Portal } from './portal.ts';
import type { ControlHandlers, Ports } from './ports.ts';
import { Preview } from './preview.ts';
import type { Registry } from './registry.ts';
import type { Reports } from './reports.ts';
import type { StateStore } from './state-store.ts';
import type { TunnelView } from './tunnel-view.ts';

export interface FrontDeskOptions {
  readonly config: Config;
  readonly ports: Ports;
  readonly store: StateStore;
  readonly journal: Journal;
  readonly directory: Directory;
  readonly tunnel: TunnelView;
  readonly registry: Registry;
  readonly policy: PolicySource;
  readonly site: () => SiteData;
  readonly refresh: () => Promise<void>;
  readonly reconsider: (concerns: (grant: Grant) => boolean) => void;
  /** Made after the desk, which they ask. */
  readonly circumstances: () => Circumstances;
  readonly reports: () => Reports;
}

export class FrontDesk {
  readonly life: Life;
  readonly latest: LatestTime;
  readonly #options: FrontDeskOptions;

  constructor(options: FrontDeskOptions) {
    this.#options = options;
    const { config, ports, store, journal, policy, site, reconsider, registry } = options;
    const time = new MachineTime(ports.machine, store);
    this.latest = new LatestTime({ clock: ports.clock, time, store });
    this.life = new Life({
      clock: ports.clock,
      time,
      latest: this.latest,
      store,
      journal,
      random: ports.random,
      site,
      reconsider,
      before: (session) => registry.grant(session)?.facts?.contact,
      coordinated: config.coordinator !== undefined,
      places: () => this.#preview().places(),
      mayBreak: (visitor, place, scenario) => this.#preview().mayBreak(visitor, place, scenario),
      checkCredential: ports.checkCredential,
      checkOrder: (bytes, now) => checkOrder(bytes, policy.signers, config.site.id, now),
    });
  }

  facts(occasion: Occasion): ExitFacts {
    return this.life.exits.facts(occasion);
  }

  addHealth(health: OwnHealth): void {
    this.life.addHealth(health);
  }

  handlers(): Pick<ControlHandlers, keyof typeof lifeVerbs | keyof typeof portalVerbs> {
    const { config, ports, directory, tunnel, site, refresh, circumstances, reports } = this.#options;
    const { clock, delay } = ports;
    const portal = new Portal({
      clock,
      config,
      directory,
      life: this.life,
      preview: this.#preview(),
      site,
      identify: (source) => identify({ directory, tunnel, clock, refresh, delay }, source),
      report: (fact) => reports().take([fact], 'the peer itself'),
      posture: ({ peer }) => circumstances().postureOf(peer),
    });
    return { ...this.life.handlers(), ...portal.handlers() };
  }

  #preview(): Preview {
    const { ports, directory, config, policy, circumstances } = this.#options;
    return new Preview({
      clock: ports.clock,
      directory,
      circumstances: circumstances(),
      limits: config.broker.limits,
      policy: () => policy.set,
    });
  }
}
