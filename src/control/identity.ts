/**
 * From a source address to a subject: peer by allowed IPs, its user with roles, the user's device with posture,
 * and the tunnel session that carries the connection.
 *
 * A peer without a session is asked for freshly and then waited for a moment: a connection's first packet is often
 * the one that confirms the handshake, and may be here before the news of it.
 */
import type { Endpoint } from '../wire/address.ts';
import type { PeerConfig, UserConfig } from '../wire/config.ts';
import type { ErrorCode } from '../wire/errors.ts';
import type { Subject } from '../wire/grant.ts';
import type { Clock } from '../wire/units.ts';
import { canonical } from './directory.ts';
import type { Directory } from './directory.ts';
import type { Presence, TunnelView } from './tunnel-view.ts';

export type Identity =
  | {
      readonly kind: 'known';
      readonly subject: Subject;
      readonly user: UserConfig;
      readonly lastKnown: boolean;
    }
  | { readonly kind: 'unknown'; readonly code: ErrorCode; readonly reason: string };

/** How long the news of a handshake may take. */
const ARRIVAL_MS = 1_000;

export interface IdentityOptions {
  readonly directory: Directory;
  readonly tunnel: TunnelView;
  readonly clock: Clock;
  /** Ask the tunnel again; resolves also when it can't be reached. */
  readonly refresh: () => Promise<void>;
  readonly delay: (ms: number) => Promise<void>;
}

/** What is known of a peer without its tunnel session. */
export function person(
  directory: Directory,
  peer: PeerConfig,
):
  | { readonly user: UserConfig; readonly facts: Omit<Subject, 'kex' | 'tunnelSession' | 'source'> }
  | undefined {
  const user = directory.users.get(peer.user);
  if (!user) return undefined;
  return {
    user,
    facts: {
      user: user.id,
      roles: user.roles,
      peer: peer.id,
      userDevice: peer.userDevice,
      posture: peer.posture,
    },
  };
}

export async function identify(options: IdentityOptions, source: Endpoint): Promise<Identity> {
  const { directory, tunnel, clock } = options;
  const peer = directory.peerAt(source.address);
  const known = peer && person(directory, peer);
  if (!peer || !known)
    return {
      kind: 'unknown',
      code: 'UNKNOWN_PEER',
      reason: `No enrolled peer uses the address ${source.address}.`,
    };

  let presence: Presence = tunnel.presence(peer.id, clock.monotonic());
  if (presence.kind === 'none') {
    await options.refresh();
    presence = tunnel.presence(peer.id, clock.monotonic());
  }
  if (presence.kind === 'none' && presence.certain) {
    await tunnel.arrival(peer.id, options.delay(ARRIVAL_MS));
    presence = tunnel.presence(peer.id, clock.monotonic());
  }
  if (presence.kind === 'none')
    return {
      kind: 'unknown',
      code: 'NO_TUNNEL_SESSION',
      reason: presence.certain
        ? `The peer ${peer.id} has no live tunnel session. Connect the tunnel and try again.`
        : `The tunnel process cannot be asked whether the peer ${peer.id} is connected. Try again.`,
    };
  const { session } = presence;
  return {
    kind: 'known',
    user: known.user,
    lastKnown: presence.kind === 'last-known',
    subject: {
      ...known.facts,
      kex: session.kex,
      tunnelSession: session.tunnelSession,
      source: { address: canonical(source.address) ?? source.address, port: source.port },
    },
  };
}
