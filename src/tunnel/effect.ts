/**
 * What the device tells its owner to do, and what the owner tells the device: plain data both ways, shaped so
 * that a native transport's methods take them as they are.
 */
import type { PublicKey } from '../crypto/public-key.ts';
import type { SecretKey } from '../crypto/secret-key.ts';
import type { KeyPair } from '../crypto/x25519.ts';
import type { Clock } from '../wire/units.ts';
import type { PeerId, PublicKeyText } from '../wire/ids.ts';
import type { TunnelSession } from '../wire/messages.ts';
import type { RandomBytes } from './cookie.ts';
import type { OuterEndpoint } from './endpoint.ts';
import type { IntakeCounters } from './intake.ts';
import type { PeerSettings } from './peer.ts';
import type { Responding, RespondingPeer } from './responding.ts';

/** Why a handshake message of ours or theirs went nowhere; `tunnel.refused` carries it. */
export type RefusalReason =
  /** A well-formed initiation from a static key that no peer has. */
  | 'unknown static key'
  /** mac1 was right and the rest wasn't: changed on the way, or a pre-shared key that differs. */
  | 'initiation not authentic'
  | 'response not authentic'
  /** A timestamp that isn't later than the peer's last. */
  | 'replayed initiation'
  /** A peer that begins handshakes faster than MIN_INITIATION_INTERVAL. */
  | 'initiations too frequent'
  /** An authentic classical initiation of a peer whose policy is `hybrid-required`. */
  | 'kex_downgrade_refused'
  /** An authentic hybrid initiation of a peer whose policy is a classical one. */
  | 'kex_upgrade_refused';

/** Refusals of one reason, and of one peer where it is known, since the last report; the other fields are of the last one. */
export interface Refusal {
  readonly reason: RefusalReason;
  readonly count: number;
  readonly from: OuterEndpoint;
  readonly peer?: PeerId;
  readonly publicKey?: PublicKeyText;
}

/** Keys are lent by the effect: whoever installs them wipes them. */
export interface TransportKeys {
  readonly peer: number;
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  readonly initiator: boolean;
}

/**
 * Effects are carried out in order. A handshake message that comes after `storeTimestamp` is sent when the timestamp
 * is on disk.
 */
export type Effect =
  | { readonly kind: 'storeTimestamp'; readonly owner: PublicKey; readonly label: Uint8Array | undefined }
  | { readonly kind: 'sendHandshake'; readonly to: OuterEndpoint; readonly bytes: Uint8Array }
  | { readonly kind: 'setEndpoint'; readonly peer: number; readonly endpoint: OuterEndpoint }
  | { readonly kind: 'setKeypair'; readonly keys: TransportKeys }
  | { readonly kind: 'removeKeypair'; readonly localIndex: number }
  | { readonly kind: 'sendKeepalive'; readonly peer: number }
  | { readonly kind: 'dropQueue'; readonly peer: number }
  | { readonly kind: 'session'; readonly session: TunnelSession }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** A datagram that isn't transport data. */
export interface Datagram {
  readonly from: OuterEndpoint;
  readonly bytes: Uint8Array;
}

/** What a peer's transport did since the last report; see `activity` in the transport's own interface. */
export interface PeerActivity {
  readonly peer: number;
  readonly sentData: boolean;
  readonly sentAny: boolean;
  readonly receivedData: boolean;
  readonly receivedAny: boolean;
  /** A packet waits and no keypair may send it. */
  readonly needHandshake: boolean;
  /** The current keypair has come to a limit of age or messages. */
  readonly expired: boolean;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly endpoint?: OuterEndpoint;
  /** Keypairs of ours as responder that have received their first authentic packet. */
  readonly confirmed?: readonly number[];
  /** With it: the keypair that sends now. */
  readonly sending?: number;
}

export interface DeviceOptions {
  readonly secretKey: SecretKey;
  /** Our own last timestamp as an earlier process stored it. */
  readonly storedTimestamp?: Uint8Array;
  readonly peers: readonly PeerSettings[];
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  /** Who computes answers; it may leave what it can't to `plain`, which does where this is left out. */
  readonly respond?: (local: KeyPair, peers: readonly RespondingPeer[], plain: Responding) => Responding;
}

export interface DeviceCounters extends IntakeCounters {
  initiationsSent: number;
  responsesSent: number;
  sessions: number;
  refused: number;
}
