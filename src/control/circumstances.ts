/**
 * The facts of one request, gathered from everything that knows some: directory, tunnel, reports, the site's data and
 * calendars, and the exits (emergency, break-glass, tickets, contact with the coordinator). With them the earliest instant
 * at which one of them changes by itself.
 *
 * What surprises: whatever isn't known is left out, and policy reads the worst into it (`policy/request.ts`).
 */
import { concerns, covers } from '../policy/coverage.ts';
import type { What, Who } from '../policy/coverage.ts';
import { classify } from '../policy/posture.ts';
import type { Classified } from '../policy/posture.ts';
import { calendar } from '../policy/recurrence.ts';
import { localOf } from '../policy/zone.ts';
import { inPrefix } from '../wire/address.ts';
import type { DeviceConfig, PeerConfig, ResourceConfig, UserConfig } from '../wire/config.ts';
import { phishingResistant } from '../wire/facts.ts';
import type { FactKind, LocalTime, RequestFacts } from '../wire/facts.ts';
import type { Posture } from '../wire/grant.ts';
import type { PeerId, SessionId } from '../wire/ids.ts';
import type { Exception, SiteData } from '../wire/site-data.ts';
import type { EpochMillis } from '../wire/units.ts';
import type { FactStore, Known } from './facts.ts';
import type { Ports } from './ports.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** Who wants what, before policy is asked. */
export interface Occasion {
  readonly session?: SessionId;
  readonly who: Who;
  readonly what: What;
  readonly now: EpochMillis;
}

/** Facts of the exits, and the instant at which they change by themselves. */
export type ExitFacts = Pick<RequestFacts, 'emergency' | 'breakGlass' | 'scenario' | 'ticket' | 'contact'> & {
  readonly changesAt?: EpochMillis;
};

export interface CircumstancesOptions {
  readonly ports: Pick<Ports, 'clock' | 'localTime'>;
  readonly facts: Pick<FactStore, 'of'>;
  readonly site: () => SiteData;
  /** The gateway's own site, for `location.site` on a local path. */
  readonly siteId: string;
  /** The present for what ends by a date (`latest-time.ts`). */
  readonly latest: () => EpochMillis;
  /** The address that the peer's tunnel packets come from now. */
  readonly outer: (peer: PeerId) => string | undefined;
  readonly exits: (occasion: Occasion) => ExitFacts;
  /** 0 to 100: what the open findings against a device come to. */
  readonly deviceRisk?: (device: string) => number;
}

export interface Party {
  readonly session?: SessionId;
  readonly user: UserConfig;
  readonly peer: PeerConfig;
  readonly resource: ResourceConfig;
  readonly device: DeviceConfig;
}

export interface Gathered {
  readonly posture: Posture;
  readonly facts: RequestFacts;
}

/** Keeps the earliest of the instants it is told. */
class Earliest {
  at: number = Infinity;
  readonly #now: number;
  constructor(now: EpochMillis) {
    this.#now = now;
  }
  /** An instant by another clock whose present is `itsNow`. */
  note(instant: number | undefined, itsNow: number = this.#now): void {
    if (instant === undefined || instant <= itsNow) return;
    this.at = Math.min(this.at, this.#now + (instant - itsNow));
  }
}

export class Circumstances {
  readonly #options: CircumstancesOptions;
  /** Outer addresses that live grants were decided with. */
  readonly #seen = new Map<PeerId, string | undefined>();

  constructor(options: CircumstancesOptions) {
    this.#options = options;
  }

  /** Where users authenticate again. */
  get where(): string {
    return this.#options.site().stepUp.where;
  }

  /** The posture of a peer as it stands, no exception counted. */
  postureOf(peer: PeerConfig): Posture {
    return this.#posture(peer, [], new Earliest(this.#options.ports.clock.now()))?.posture ?? peer.posture;
  }

  groupsOf(user: UserConfig): string[] {
    const { groups } = this.#options.site();
    const members = groups.filter((group) => group.members.includes(user.id)).map((group) => group.name);
    return [...new Set([...user.groups, ...members])].sort();
  }

  /** True once for a peer whose packets come from another address than when it was last decided about. */
  moved(peer: PeerId): boolean {
    return this.#seen.has(peer) && this.#seen.get(peer) !== this.#options.outer(peer);
  }

  gather({ session, user, peer, resource, device }: Party): Gathered {
    const { ports, facts, exits, outer, site } = this.#options;
    const now = ports.clock.now();
    const data = site();
    const groups = this.groupsOf(user);
    const who: Who = { user: user.id, roles: user.roles, groups, peer: peer.id };
    const what: What = { resource: resource.id, class: device.class, unit: device.unit };
    const earliest = new Earliest(now);

    const exceptions = this.#exceptions(data, who, what, earliest);
    const posture = this.#posture(peer, exceptions, earliest);
    const address = outer(peer.id);
    this.#seen.set(peer.id, address);
    const shift = this.#shift(data, who, now, earliest);
    const risk = this.#until(facts.of('risk', user.id), earliest);
    const assigned = this.#until(facts.of('assignment', user.id), earliest);
    const authentication = this.#authentication(peer, data, earliest);
    const deviceRisk = this.#options.deviceRisk?.(device.id) ?? 0;
    const { changesAt, ...exit } = exits({ ...(session ? { session } : {}), who, what, now });
    earliest.note(changesAt);
    const windows = data.windows.filter((each) => concerns(each, who) && covers(each, what));
    const open = windows.filter(
      (each) => this.#on(each.on, data, now, earliest) && !this.#over(each.on, data, now),
    );

    return {
      posture: posture?.posture ?? peer.posture,
      facts: {
        units: [...user.units],
        device: { class: device.class, unit: device.unit, zone: device.zone },
        ephi: resource.ephi,
        time: this.#localTime(data, now),
        principal: {
          kind: user.kind,
          groups,
          assigned: [...(assigned?.devices ?? [])],
          clearance: user.clearance,
        },
        userDevice: { owner: peer.owner, shared: peer.shared },
        resource: {
          sensitivity: resource.sensitivity,
          admin: resource.admin,
          remediation: resource.remediation,
        },
        ...(posture ? { signals: posture.signals } : {}),
        ...(posture?.patchDays === undefined ? {} : { patchDays: posture.patchDays }),
        ...(address === undefined ? {} : { outer: address }),
        ...this.#location(data, address, this.#until(facts.of('location', peer.id), earliest)?.country),
        ...(shift === undefined ? {} : { shift }),
        ...(authentication ? { authentication } : {}),
        ...(risk ? { risk: risk.score } : {}),
        ...(deviceRisk > 0 ? { deviceRisk } : {}),
        windows: open.map((each) => each.name),
        exceptions: exceptions.map((each) => each.name),
        ...exit,
        ...(earliest.at === Infinity ? {} : { changesAt: earliest.at }),
      },
    };
  }

  #posture(peer: PeerConfig, exceptions: readonly Exception[], earliest: Earliest): Classified | undefined {
    const { facts, site } = this.#options;
    const known = facts.of('posture', peer.id);
    if (!known) return undefined;
    const classified = classify({
      report: known.fact,
      since: known.since,
      rules: site().posture,
      waived: new Set(exceptions.flatMap((each) => each.waives)),
      now: known.now,
    });
    earliest.note(classified.changesAt, known.now);
    const { findings } = classified.posture;
    if (!findings?.some((each) => each.due !== undefined)) return classified;
    const shift = this.#options.ports.clock.now() - known.now;
    const dated = findings.map((each) =>
      each.due === undefined ? each : { ...each, by: dayOf(each.due + shift, site().zone ?? machineZone) },
    );
    return { ...classified, posture: { ...classified.posture, findings: dated } };
  }

  #exceptions(data: SiteData, who: Who, what: What, earliest: Earliest): Exception[] {
    const now = this.#options.latest();
    return data.exceptions.filter((each) => {
      if (!concerns(each, who) || !covers(each, what)) return false;
      earliest.note(each.from, now);
      earliest.note(each.end, now);
      return (each.from ?? 0) <= now && now < each.end;
    });
  }

  #authentication(
    peer: PeerConfig,
    data: SiteData,
    earliest: Earliest,
  ): RequestFacts['authentication'] | undefined {
    const known = this.#options.facts.of('authentication', peer.id);
    if (!known) return undefined;
    const { fact, now } = known;
    const ends = fact.at + data.authenticationHours * HOUR_MS;
    earliest.note(ends, now);
    if (now >= ends) return undefined;
    return {
      method: fact.method,
      phishingResistant: fact.phishingResistant ?? phishingResistant(fact.method),
      age: Math.floor((now - fact.at) / MINUTE_MS),
      // Where the two clocks differ, the instant at which it would have been, so that its age is right.
      at: this.#options.ports.clock.now() - (now - fact.at),
    };
  }

  #shift(data: SiteData, who: Who, now: EpochMillis, earliest: Earliest): string | undefined {
    const told = this.#until(this.#options.facts.of('shift', who.user), earliest);
    if (told) return told.name === '-' ? undefined : told.name;
    const shifts = data.shifts.filter((each) => concerns(each, who));
    return shifts.filter((each) => this.#on(each.on, data, now, earliest))[0]?.name;
  }

  #location(
    data: SiteData,
    address: string | undefined,
    told: string | undefined,
  ): Pick<RequestFacts, 'location' | 'path'> {
    const within =
      address === undefined
        ? []
        : data.networks.filter(({ prefixes }) => prefixes.some((prefix) => inPrefix(address, prefix)));
    const local = within.some((each) => each.local);
    return {
      path: local ? 'local' : 'remote',
      location: {
        site: within.find((each) => each.site !== undefined)?.site ?? (local ? this.#options.siteId : ''),
        networks: within.map((each) => each.name),
        country: within.find((each) => each.country !== undefined)?.country ?? told ?? 'unknown',
      },
    };
  }

  /** The fact while it lasts. */
  #until<K extends FactKind>(known: Known<K> | undefined, earliest: Earliest): Known<K>['fact'] | undefined {
    if (!known) return undefined;
    const { fact, now } = known;
    const until = 'until' in fact ? fact.until : undefined;
    earliest.note(until, now);
    return until !== undefined && now >= until ? undefined : fact;
  }

  #on(on: Parameters<typeof calendar>[0], data: SiteData, now: EpochMillis, earliest: Earliest): boolean {
    const { on: open, changesAt } = calendar(on, data.zone ?? machineZone, now);
    earliest.note(changesAt);
    return open;
  }

  /** Its last occurrence was over before the clock was set back. */
  #over(on: Parameters<typeof calendar>[0], data: SiteData, now: EpochMillis): boolean {
    const latest = this.#options.latest();
    if (latest - now < MINUTE_MS) return false;
    const { on: open, changesAt } = calendar(on, data.zone ?? machineZone, latest);
    return !open && changesAt === undefined;
  }

  #localTime({ zone }: SiteData, now: EpochMillis): LocalTime {
    if (zone === undefined) return this.#options.ports.localTime(now);
    const { minute, weekday } = localOf(now, zone);
    return { minute, weekday };
  }
}

/** The zone of the machine, for a site that names none. */
const machineZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

const formats = new Map<string, Intl.DateTimeFormat>();
/** "Tue, 24 Nov, 14:00" in the site's time. */
function dayOf(instant: number, zone: string): string {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      weekday: 'short',
      day: 'numeric',
      month: 'short',
      hour: '2-digit',
      minute: '2-digit',
    });
    formats.set(zone, format);
  }
  return format.format(instant);
}
