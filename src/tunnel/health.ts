/**
 * The tunnel's items of the health list: what holds now, and since when its level does.
 */
import type { HealthItem } from '../wire/health.ts';
import type { EpochMillis } from '../wire/units.ts';

/** What the items are made of, at one instant. */
export interface TunnelFacts {
  readonly port: number;
  readonly peers: number;
  readonly sessions: number;
  readonly underLoad: boolean;
  /** Handshake datagrams that were dropped because a queue was full, since the start. */
  readonly overflow: number;
  /** Audit events that wait to be written, and that were dropped because too many waited. */
  readonly auditWaiting: number;
  readonly auditDropped: number;
  /** Handshake timestamps reach the disk. */
  readonly timestampsStored: boolean;
  /** The transport's ways to carry packets faster, and which are in use; none while it isn't open. */
  readonly offloads: Readonly<Record<string, boolean>>;
  /** Answers to initiations are computed by native code; and those of hybrid ones. */
  readonly nativeHandshakes: { readonly classical: boolean; readonly hybrid: boolean };
}

type Judged = Omit<HealthItem, 'since'>;

export class TunnelHealth {
  readonly #since = new Map<string, { level: HealthItem['level']; since: EpochMillis }>();

  items(facts: TunnelFacts, now: EpochMillis): HealthItem[] {
    return [link(facts), load(facts), audit(facts), replay(facts), offloads(facts), handshakes(facts)].map(
      (judged) => {
        const known = this.#since.get(judged.item);
        const since = known?.level === judged.level ? known.since : now;
        this.#since.set(judged.item, { level: judged.level, since });
        return { ...judged, since };
      },
    );
  }
}

const link = (facts: TunnelFacts): Judged => ({
  item: 'tunnel.link',
  level: 'ok',
  text: `Listening on UDP port ${facts.port}; ${facts.sessions} of ${facts.peers} peers have a session.`,
});

const load = (facts: TunnelFacts): Judged =>
  facts.underLoad
    ? {
        item: 'tunnel.load',
        level: 'warning',
        text:
          'More handshakes arrive than can be answered. Live sessions are not affected; new ones have to prove ' +
          `their address first and may take some seconds. ${facts.overflow} datagrams were dropped since the start.`,
      }
    : { item: 'tunnel.load', level: 'ok', text: 'Handshakes are answered as they arrive.' };

const audit = (facts: TunnelFacts): Judged =>
  facts.auditDropped > 0
    ? {
        item: 'tunnel.audit',
        level: 'warning',
        text: `${facts.auditDropped} tunnel events never reached the audit log, which was away for too long. Traffic goes on; see the audit process.`,
      }
    : {
        item: 'tunnel.audit',
        level: 'ok',
        text: `${facts.auditWaiting} tunnel events wait to be written to the audit log.`,
      };

const replay = (facts: TunnelFacts): Judged =>
  facts.timestampsStored
    ? {
        item: 'tunnel.replay',
        level: 'ok',
        text: 'Old handshakes are refused, and will be after a restart.',
      }
    : {
        item: 'tunnel.replay',
        level: 'warning',
        text: 'Handshake timestamps cannot be stored: after a restart, old handshakes could be played again. Traffic goes on; see the disk.',
      };

/** Never a warning: without them the tunnel is slower and just as right. */
const offloads = (facts: TunnelFacts): Judged => {
  const names = (used: boolean): string =>
    Object.entries(facts.offloads)
      .filter(([, inUse]) => inUse === used)
      .map(([name]) => name)
      .join(', ') || 'none';
  return {
    item: 'tunnel.offloads',
    level: 'ok',
    text: `In use: ${names(true)}. Not to be had on this system: ${names(false)}.`,
  };
};

/** A warning: in JavaScript a flood of initiations takes the time in which everything else is decided. */
const handshakes = ({ nativeHandshakes: { classical, hybrid } }: TunnelFacts): Judged =>
  classical && hybrid
    ? {
        item: 'tunnel.handshakes',
        level: 'ok',
        text: 'Handshakes are computed by OpenSSL, in a thread of their own.',
      }
    : {
        item: 'tunnel.handshakes',
        level: 'warning',
        text: `${classical ? 'Hybrid handshakes' : 'Handshakes'} are computed in JavaScript, as securely but slowly: OpenSSL is not to be had, or not as it should be.`,
      };
