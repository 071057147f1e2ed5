/**
 * One peer: who it is, where it was last seen, its handshake under way, its keypairs and its timers. Peers
 * share nothing with one another.
 */
import type { PublicKey } from '../crypto/public-key.ts';
import type { SecretKey } from '../crypto/secret-key.ts';
import type { PeerId } from '../wire/ids.ts';
import type { TunnelSession } from '../wire/messages.ts';
import type { EpochMillis, Millis, MonotonicMillis } from '../wire/units.ts';
import { CookieGenerator } from './cookie.ts';
import type { OuterEndpoint } from './endpoint.ts';
import type { Initiator, RemoteStatic } from './handshake.ts';
import { Keypairs } from './keypair.ts';
import { PeerTimers } from './timers.ts';

export interface PeerSettings {
  /** The owner's number for it, 0 to MAX_PEERS - 1. */
  readonly number: number;
  readonly id: PeerId;
  readonly publicKey: PublicKey;
  readonly presharedKey?: SecretKey;
  readonly endpoint?: OuterEndpoint;
  /** 0: none. */
  readonly persistentKeepalive: Millis;
}

/** An initiation that was sent and may still be answered. */
export interface Pending {
  readonly handshake: Initiator;
  readonly localIndex: number;
}

export class Peer {
  readonly number: number;
  readonly id: PeerId;
  readonly remote: RemoteStatic;
  readonly cookies: CookieGenerator;
  readonly timers: PeerTimers;
  readonly keypairs = new Keypairs();
  endpoint: OuterEndpoint | undefined;
  pending: Pending | undefined;
  /** Greatest timestamp of an authentic initiation from the peer; a later one must be greater. */
  greatestTimestamp: Uint8Array | undefined;
  lastInitiationReceived: MonotonicMillis | undefined;
  /** When an initiation or a response was last sent. */
  lastHandshakeSent: MonotonicMillis | undefined;
  /** The current keypair was found old on receive, and an initiation asked for: once is enough. */
  rekeyOnReceiveAsked = false;
  /** The last session that was confirmed. */
  session: TunnelSession | undefined;
  lastReceived: EpochMillis | undefined;
  receivedBytes = 0;
  sentBytes = 0;

  constructor(settings: PeerSettings, remote: RemoteStatic, random: () => number) {
    this.number = settings.number;
    this.id = settings.id;
    this.remote = remote;
    this.cookies = new CookieGenerator(remote.public);
    this.timers = new PeerTimers(settings.persistentKeepalive, random);
    this.endpoint = settings.endpoint;
  }
}
