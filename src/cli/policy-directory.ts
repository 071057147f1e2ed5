/**
 * Users and resources of a site as facts of a request, by the names that decision tables use. With an instant also what
 * the site's data say of it (shift, windows, exceptions, tickets), by the same code that gathers facts for a decision.
 */
import { Circumstances } from '../control/circumstances.ts';
import { Exits } from '../control/exits.ts';
import { factsOf } from '../policy/table-facts.ts';
import { addDays, instantOf, localOf } from '../policy/zone.ts';
import type { Cell } from '../policy/table-file.ts';
import { kexPolicyOf } from '../wire/config.ts';
import type { Config } from '../wire/config.ts';
import { Fault } from '../wire/errors.ts';
import type { RequestFacts } from '../wire/facts.ts';
import { millis, monotonicMillis } from '../wire/units.ts';
import type { EpochMillis } from '../wire/units.ts';

export interface Configured {
  readonly cells: Map<string, Cell>;
  /** For people. */
  readonly names: { readonly user: string; readonly device: string };
}

export const zoneOf = ({ siteData }: Config): string =>
  siteData.zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;

const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** "Wed 22:30" is the next one, "2026-03-29 02:30" itself; undefined for what is neither. */
export function instantAt(text: string, zone: string, now: EpochMillis): EpochMillis | undefined {
  const [, day = '', hour = '', minute = ''] = /^(\S+) (\d{1,2}):(\d{2})$/.exec(text) ?? [];
  const ofDay = Number(hour) * 60 + Number(minute);
  if (day === '' || Number(hour) > 23 || Number(minute) > 59) return undefined;
  const wanted = weekdays.indexOf(day.toLowerCase()) + 1;
  if (wanted > 0) {
    const today = localOf(now, zone);
    const ahead = (wanted - today.weekday + 7) % 7;
    const again = ahead === 0 && ofDay < today.minute ? 7 : ahead;
    return instantOf(addDays(today, again), ofDay, zone);
  }
  const [, year, month, date] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(day) ?? [];
  if (year === undefined) return undefined;
  return instantOf({ year: Number(year), month: Number(month), day: Number(date) }, ofDay, zone);
}

/** "2026-03-29 02:30", as tables write it. */
export function tableTime(at: EpochMillis, zone: string): string {
  const { year, month, day, minute } = localOf(at, zone);
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${year}-${two(month)}-${two(day)} ${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
}

/** What calendars, exceptions and tickets of the site say at `at`. */
function standing(
  config: Config,
  { user, peer, resource, device }: Parameters<Circumstances['gather']>[0],
  at: EpochMillis,
): RequestFacts {
  const clock = { now: () => at, monotonic: () => monotonicMillis(0) };
  const site = (): Config['siteData'] => config.siteData;
  const exits = new Exits({
    site,
    latest: { now: at },
    glass: { covering: () => undefined },
    emergency: { active: undefined },
    requests: { tickets: () => [] },
    grace: { status: { state: 'online', used: millis(0) } },
    before: () => undefined,
  });
  return new Circumstances({
    ports: { clock, localTime: (instant) => localOf(instant, zoneOf(config)) },
    facts: { of: () => undefined },
    site,
    siteId: config.site.id,
    latest: () => at,
    outer: () => undefined,
    exits: (occasion) => exits.facts(occasion),
  }).gather({ user, peer, resource, device }).facts;
}

/** Faults where there is none of that name. What the site doesn't say of a request isn't in it. */
export function configured(config: Config, user: string, resource: string, at?: EpochMillis): Configured {
  const who = config.users.find((each) => each.id === user);
  const what = config.resources.find((each) => each.id === resource);
  const device = config.devices.find((each) => each.id === what?.device);
  if (!who) throw new Fault('PEER_UNKNOWN', `There is no user ${user}.`);
  if (!what || !device) throw new Fault('DEVICE_UNKNOWN', `There is no resource ${resource}.`);
  const peer = config.peers.find((each) => each.user === user);
  const agreed = peer && kexPolicyOf(peer);
  const groups = config.siteData.groups
    .filter(({ members }) => members.includes(who.id))
    .map(({ name }) => name);
  const now =
    peer && at !== undefined ? standing(config, { user: who, peer, resource: what, device }, at) : {};
  const { shift, windows, exceptions, ticket }: Partial<RequestFacts> = now;
  return {
    cells: factsOf({
      user,
      roles: who.roles,
      units: who.units,
      kind: who.kind,
      groups: [...new Set([...who.groups, ...groups])],
      clearance: who.clearance,
      resource,
      device: device.id,
      protocol: what.protocol,
      class: device.class,
      unit: device.unit,
      zone: device.zone,
      ephi: what.ephi,
      sensitivity: what.sensitivity,
      admin: what.admin,
      remediation: what.remediation,
      ...(peer && {
        peer: peer.id,
        'user device': peer.userDevice,
        owner: peer.owner,
        shared: peer.shared,
        posture: peer.posture.level,
        score: peer.posture.score,
        kex: agreed === 'hybrid-required' ? 'hybrid' : agreed,
        source: peer.allowedIps[0]?.split('/')[0],
      }),
      ...(at !== undefined && { when: tableTime(at, zoneOf(config)) }),
      shift,
      windows,
      exceptions,
      ...(ticket && {
        ticket: ticket.number,
        'ticket.kind': ticket.kind,
        'ticket.actions': ticket.actions,
        approvals: ticket.approvals,
      }),
    }),
    names: { user: who.name, device: device.name },
  };
}
