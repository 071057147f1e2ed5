/**
 * The peers that are configured, found by the transport's number, by public key and by name. Fixed for the life of a
 * device.
 */
import type { PublicKey } from '../crypto/public-key.ts';
import type { KeyPair } from '../crypto/x25519.ts';
import { Fault } from '../wire/errors.ts';
import type { PeerId } from '../wire/ids.ts';
import { after } from '../wire/units.ts';
import type { MonotonicMillis } from '../wire/units.ts';
import { MAX_PEERS, REKEY_ATTEMPT_TIME } from './constants.ts';
import type { RandomBytes } from './cookie.ts';
import { remoteStatic } from './handshake.ts';
import { Peer } from './peer.ts';
import type { PeerSettings } from './peer.ts';

export class PeerTable implements Iterable<Peer> {
  readonly all: readonly Peer[];
  readonly #byNumber = new Map<number, Peer>();
  readonly #byKey = new Map<string, Peer>();
  readonly #byId = new Map<PeerId, Peer>();

  /** Fault CONFIG_INVALID names the peer whose public key can't be one. */
  constructor(settings: readonly PeerSettings[], local: KeyPair, randomBytes: RandomBytes) {
    if (settings.length > MAX_PEERS) throw new Fault('CONFIG_INVALID', `more than ${MAX_PEERS} peers`);
    const random = (): number => {
      const bytes = randomBytes(2);
      return ((bytes[0] ?? 0) * 256 + (bytes[1] ?? 0)) / 65536;
    };
    this.all = settings.map((each) => {
      const remote = remoteStatic(local, each.publicKey, each.presharedKey);
      if (!remote || each.publicKey.text === local.public.text)
        throw new Fault('CONFIG_INVALID', `peer ${each.id}: its public key can't be a peer's`);
      return new Peer(each, remote, random);
    });
    for (const peer of this.all) {
      this.#byNumber.set(peer.number, peer);
      this.#byKey.set(peer.remote.public.text, peer);
      this.#byId.set(peer.id, peer);
    }
  }

  [Symbol.iterator](): Iterator<Peer> {
    return this.all[Symbol.iterator]();
  }

  numbered(number: number): Peer | undefined {
    return this.#byNumber.get(number);
  }

  withKey(key: PublicKey): Peer | undefined {
    return this.#byKey.get(key.text);
  }

  /** Fault PEER_UNKNOWN. */
  named(id: PeerId): Peer {
    const peer = this.#byId.get(id);
    if (!peer) throw new Fault('PEER_UNKNOWN', id);
    return peer;
  }

  /** The earliest instant at which one of them has something to do. */
  get deadline(): MonotonicMillis | undefined {
    let earliest: MonotonicMillis | undefined;
    const consider = (at: MonotonicMillis | undefined): void => {
      if (at !== undefined && at < (earliest ?? Infinity)) earliest = at;
    };
    for (const peer of this.all) {
      consider(peer.timers.deadline);
      consider(peer.keypairs.deadline);
      consider(peer.pending && after(peer.pending.sent, REKEY_ATTEMPT_TIME));
    }
    return earliest;
  }
}
