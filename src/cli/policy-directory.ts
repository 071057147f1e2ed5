/** Users and resources of the configuration as facts of a request, by the names that decision tables use. */
import { factsOf } from '../policy/table-facts.ts';
import type { Cell } from '../policy/table-file.ts';
import { kexPolicyOf } from '../wire/config.ts';
import type { Config } from '../wire/config.ts';
import { Fault } from '../wire/errors.ts';

export interface Configured {
  readonly cells: Map<string, Cell>;
  /** For people. */
  readonly names: { readonly user: string; readonly device: string };
}

/** Faults where there is none of that name. What the configuration doesn't say of a request isn't in it. */
export function configured(config: Config, user: string, resource: string): Configured {
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
    }),
    names: { user: who.name, device: device.name },
  };
}
