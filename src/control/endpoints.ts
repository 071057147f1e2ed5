/**
 * Where each peer was last seen, kept over restarts: after the tunnel process comes back it is told, so that it
 * can call peers behind a changed address instead of waiting for them.
 */
import { endpoint } from '../wire/address.ts';
import { formatEndpoint } from '../wire/address.ts';
import type { Endpoint } from '../wire/address.ts';
import type { PeerId } from '../wire/ids.ts';
import type { PeerStatus } from '../wire/messages.ts';
import type { EpochMillis } from '../wire/units.ts';
import type { Directory } from './directory.ts';
import type { StateStore } from './state-store.ts';

interface Seen {
  readonly endpoint: Endpoint;
  readonly seen: number;
  written: boolean;
}

export class Endpoints {
  readonly #store: StateStore;
  readonly #directory: Directory;
  readonly #seen = new Map<PeerId, Seen>();

  constructor(directory: Directory, store: StateStore) {
    this.#store = store;
    this.#directory = directory;
    for (const row of store.endpoints()) {
      const peer = directory.peers.get(row.peer);
      const parsed = endpoint.safeParse({ address: row.address, port: row.port });
      if (peer && parsed.success)
        this.#seen.set(peer.id, { endpoint: parsed.data, seen: row.seen, written: true });
    }
  }

  /** Take over what the tunnel says. A peer it has no endpoint for keeps the one it had. */
  note(peers: readonly PeerStatus[], now: EpochMillis): void {
    for (const { peer, endpoint } of peers) {
      if (!endpoint || !this.#directory.peers.has(peer)) continue;
      const before = this.#seen.get(peer);
      if (before && formatEndpoint(before.endpoint) === formatEndpoint(endpoint)) continue;
      this.#seen.set(peer, { endpoint, seen: now, written: false });
    }
  }

  /** Write what changed. */
  flush(): void {
    const changed = [...this.#seen].filter(([, seen]) => !seen.written);
    if (changed.length === 0) return;
    const rows = changed.map(([peer, { endpoint, seen }]) => ({
      peer,
      address: endpoint.address,
      port: endpoint.port,
      seen,
    }));
    if (this.#store.saveEndpoints(rows)) for (const [, seen] of changed) seen.written = true;
  }

  all(): { readonly peer: PeerId; readonly endpoint: Endpoint }[] {
    return [...this.#seen].map(([peer, { endpoint }]) => ({ peer, endpoint }));
  }
}
