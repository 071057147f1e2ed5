/**
 * One peer: who it is, where it was last seen, its handshake under way, its keypairs and its timers. Peers
 * share nothing with one another.
 */
import type { PublicKey } from '../crypto/public-key.ts';
import type { SecretKey } from '../crypto/secret-key.ts';
import type { KexPolicy } from '../wire/action.ts';
import { tunnelSessionId } from '../wire/ids.ts';
import type { PeerId } from '../wire/ids.ts';
import type { PeerStatus, TunnelSession } from '../wire/messages.ts';
import { between } from '../wire/units.ts';
import type { EpochMillis, Millis, MonotonicMillis } from '../wire/units.ts';
import { REKEY_AFTER_TIME, REKEY_ON_RECEIVE_TIME, REKEY_TIMEOUT, REKEY_YIELD_TIME } from './constants.ts';
import { CookieGenerator } from './cookie.ts';
import type { PeerActivity } from './effect.ts';
import { endpointText } from './endpoint.ts';
import type { OuterEndpoint } from './endpoint.ts';
import type { Initiator, Outcome, RemoteStatic } from './handshake.ts';
import { Keypairs } from './keypair.ts';
import { ReplayGuard } from './replay-guard.ts';
import { PeerTimers } from './timers.ts';

export interface PeerSettings {
  /** The owner's number for it, 0 to MAX_PEERS - 1. */
  readonly number: number;
  readonly id: PeerId;
  readonly publicKey: PublicKey;
  readonly presharedKey?: SecretKey;
  /** Without one: `classical+psk` where there is a pre-shared key, else `classical`. */
  readonly kex?: KexPolicy;
  /** The peer's greatest timestamp as an earlier process stored it. */
  readonly storedTimestamp?: Uint8Array;
  readonly endpoint?: OuterEndpoint;
  /** 0: none. */
  readonly persistentKeepalive: Millis;
}

/** An initiation that was sent and may still be answered. */
export interface Pending {
  readonly sent: MonotonicMillis;
  readonly handshake: Initiator;
  readonly localIndex: number;
}

export class Peer {
  readonly number: number;
  readonly id: PeerId;
  remote: RemoteStatic;
  readonly kex: KexPolicy;
  readonly cookies: CookieGenerator;
  readonly timers: PeerTimers;
  readonly keypairs = new Keypairs();
  endpoint: OuterEndpoint | undefined;
  pending: Pending | undefined;
  readonly replays: ReplayGuard;
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
    this.kex = settings.kex ?? (settings.presharedKey ? 'classical+psk' : 'classical');
    this.replays = new ReplayGuard(settings.storedTimestamp);
    this.cookies = new CookieGenerator(remote.public);
    this.timers = new PeerTimers(settings.persistentKeepalive, random);
    this.endpoint = settings.endpoint;
  }

  /** Every handshake with the peer is a hybrid one, or none is. */
  get hybrid(): boolean {
    return this.kex === 'hybrid-required';
  }

  /** The old key is wiped: no handshake may be under way. */
  changePresharedKey(key: SecretKey): void {
    const { psk } = this.remote;
    this.remote = { ...this.remote, psk: key };
    psk.wipe();
  }

  usesPresharedKey(key: SecretKey): boolean {
    return this.remote.psk.equals(key);
  }

  /** Take note of what the transport did; true when a new handshake should follow from it. */
  wantsHandshake(report: PeerActivity, now: MonotonicMillis, at: EpochMillis): boolean {
    // Within one report the order of sending and receiving is lost. Taking sending first errs towards a
    // keepalive too many, never towards a peer thought dead.
    if (report.sentData) this.timers.dataSent(now);
    if (report.sentAny) this.timers.anySent(now);
    if (report.receivedAny) {
      this.lastReceived = at;
      this.timers.anyReceived(now);
    }
    if (report.receivedData) this.timers.dataReceived(now);
    const current = this.keypairs.current(now);
    const age = current && between(current.created, now);
    let wanted = false;
    if (current?.initiator && age !== undefined) {
      wanted = report.sentAny && age >= REKEY_AFTER_TIME + (current.yields ? REKEY_YIELD_TIME : 0);
      if (report.receivedAny && age >= REKEY_ON_RECEIVE_TIME && !this.rekeyOnReceiveAsked) {
        this.rekeyOnReceiveAsked = true;
        wanted = true;
      }
    }
    // A report may tell of a time before a handshake that has succeeded meanwhile.
    const fresh = age !== undefined && age < REKEY_TIMEOUT;
    return wanted || (report.expired ? !fresh : report.needHandshake && !current);
  }

  /** The session that `outcome` begins; all but our role in it and its time. */
  sessionOf(outcome: Outcome, now: MonotonicMillis): Omit<TunnelSession, 'role' | 'at'> {
    const rekeyOf = this.keypairs.current(now)?.session.tunnelSession;
    return {
      peer: this.id,
      tunnelSession: tunnelSessionId.parse(Buffer.from(outcome.hash.subarray(0, 16)).toString('hex')),
      kex: outcome.kex,
      endpoint: endpointText(this.endpoint as OuterEndpoint),
      path: 'direct',
      ...(rekeyOf && { rekeyOf }),
    };
  }

  status(now: MonotonicMillis): PeerStatus {
    return {
      peer: this.id,
      policy: this.kex,
      receivedBytes: this.receivedBytes,
      sentBytes: this.sentBytes,
      ...(this.endpoint && { endpoint: endpointText(this.endpoint) }),
      ...(this.session && this.keypairs.current(now) && { session: this.session }),
      ...(this.session && { lastHandshake: this.session.at }),
      ...(this.lastReceived !== undefined && { lastReceived: this.lastReceived }),
    };
  }
}
