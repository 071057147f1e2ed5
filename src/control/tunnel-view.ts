/**
 * What control knows of tunnel sessions: pushed at each key confirmation, and the tunnel's whole answer every
 * few seconds. It says what happened, so a peer counts as present only while the tunnel says so.
 *
 * When the tunnel process can't be reached, its last answer stands for GRACE: established flows and the moment of
 * a restart need it, and a restarted tunnel has no session until the peer has made a new handshake, so nothing
 * reaches a listener on the strength of an old answer for longer than the packets already under way.
 *
 * A push may overtake the answer it followed on the socket: a session confirmed after the question was put is kept
 * against an answer that doesn't know it yet.
 */
import type { PeerId } from '../wire/ids.ts';
import type { PeerStatus, TunnelSession } from '../wire/messages.ts';
import { between, seconds } from '../wire/units.ts';
import type { MonotonicMillis } from '../wire/units.ts';

/** How long the last answer stands after the tunnel process was lost. */
export const GRACE = seconds(60);

export type Presence =
  | { readonly kind: 'live'; readonly session: TunnelSession }
  | { readonly kind: 'last-known'; readonly session: TunnelSession }
  /** `certain`: the tunnel is there and says so. */
  | { readonly kind: 'none'; readonly certain: boolean };

export class TunnelView {
  #sessions = new Map<PeerId, TunnelSession>();
  /** When sessions were pushed. */
  readonly #pushed = new Map<PeerId, MonotonicMillis>();
  #peers: readonly PeerStatus[] = [];
  /** Addresses that peers' packets come from. */
  readonly #outer = new Map<PeerId, string>();
  /** Undefined while it is reachable. */
  #lostAt: MonotonicMillis | undefined;
  readonly #waiting = new Map<PeerId, Set<() => void>>();

  constructor(now: MonotonicMillis) {
    this.#lostAt = now;
  }

  get peers(): readonly PeerStatus[] {
    return this.#peers;
  }

  /** The address that the peer's packets came from last. */
  outer(peer: PeerId): string | undefined {
    return this.#outer.get(peer);
  }

  get reachable(): boolean {
    return this.#lostAt === undefined;
  }

  /** The tunnel's whole answer to a question put at `asked` replaces what was known; what it doesn't name is over. */
  status(peers: readonly PeerStatus[], asked: MonotonicMillis): void {
    this.#lostAt = undefined;
    this.#peers = peers;
    for (const { peer, endpoint } of peers) if (endpoint) this.#outer.set(peer, endpoint.address);
    const sessions = new Map(peers.flatMap((p) => (p.session ? [[p.peer, p.session] as const] : [])));
    for (const [peer, at] of this.#pushed) {
      const session = this.#sessions.get(peer);
      if (session && at >= asked) sessions.set(peer, session);
      else this.#pushed.delete(peer);
    }
    this.#sessions = sessions;
    for (const peer of this.#sessions.keys()) this.#wake(peer);
  }

  /** A session was just confirmed. */
  confirmed(session: TunnelSession, now: MonotonicMillis): void {
    this.#pushed.set(session.peer, now);
    this.#sessions.set(session.peer, session);
    this.#outer.set(session.peer, session.endpoint.address);
    this.#wake(session.peer);
  }

  /** Resolves when a session of `peer` is known of, or with `limit`. */
  async arrival(peer: PeerId, limit: Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = this.#waiting.get(peer) ?? new Set();
    this.#waiting.set(peer, waiting.add(resolve));
    await Promise.race([promise, limit]);
    waiting.delete(resolve);
    if (waiting.size === 0) this.#waiting.delete(peer);
  }

  lost(now: MonotonicMillis): void {
    this.#lostAt ??= now;
  }

  presence(peer: PeerId, now: MonotonicMillis): Presence {
    const session = this.#sessions.get(peer);
    if (this.#lostAt === undefined)
      return session ? { kind: 'live', session } : { kind: 'none', certain: true };
    if (session && between(this.#lostAt, now) < GRACE) return { kind: 'last-known', session };
    return { kind: 'none', certain: false };
  }

  #wake(peer: PeerId): void {
    for (const resolve of this.#waiting.get(peer) ?? []) resolve();
  }
}
