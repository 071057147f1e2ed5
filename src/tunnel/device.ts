/**
 * The device: the WireGuard protocol's control half as one state machine, sans-I/O. Datagrams, activity of the
 * transport and the passing of time go in; effects come out, to be carried out in order. Transport packets
 * never come here.
 *
 * Whatever may cost an X25519, of ours or asked for by others, is done in `work`, a bounded amount each call:
 * the owner calls it once a turn of its event loop for as long as `hasWork`. What is computed elsewhere meanwhile
 * (responding.ts) is decided about as it comes back, and the owner calls `work` then too, for the effects.
 *
 *   receive(datagrams)   queue them                      hasWork, work()   sift, respond, finish, initiate
 *   activity(reports)    what the transport did          deadline, tick()  timers
 *   hint(peer, where)    call first after a restart      start(), close()
 *
 * Handshakes in both directions may be under way with one peer at once; each has its own state, so two ends
 * that call each other in the same moment both succeed.
 */
import { DecapsulationKey, KEM_SEED_BYTES } from '../crypto/kem.ts';
import type { PublicKey } from '../crypto/public-key.ts';
import type { SecretKey } from '../crypto/secret-key.ts';
import { generateKeyPair, publicKeyOf } from '../crypto/x25519.ts';
import type { KeyPair } from '../crypto/x25519.ts';
import { Fault } from '../wire/errors.ts';
import type { PeerId } from '../wire/ids.ts';
import type { PeerStatus, TunnelSession } from '../wire/messages.ts';
import { after, between } from '../wire/units.ts';
import type { Clock, MonotonicMillis } from '../wire/units.ts';
import {
  HANDSHAKES_PER_TURN,
  MIN_INITIATION_INTERVAL,
  REKEY_ATTEMPT_TIME,
  REKEY_TIMEOUT,
  TYPE_COOKIE_REPLY,
  TYPE_HYBRID_INITIATION,
  TYPE_HYBRID_RESPONSE,
  TYPE_INITIATION,
  TYPE_RESPONSE,
} from './constants.ts';
import { CookieChecker } from './cookie.ts';
import type { RandomBytes } from './cookie.ts';
import type {
  Datagram,
  DeviceCounters,
  DeviceOptions,
  Effect,
  PeerActivity,
  Refusal,
  RefusalReason,
} from './effect.ts';
import { endpointText, keptEndpoint, sameEndpoint } from './endpoint.ts';
import type { OuterEndpoint } from './endpoint.ts';
import { Initiator } from './handshake.ts';
import type { Outcome } from './handshake.ts';
import { IndexTable } from './index-table.ts';
import { Intake } from './intake.ts';
import type { Admitted } from './intake.ts';
import type { Keypair } from './keypair.ts';
import { encodeInitiation } from './message.ts';
import type { CookieReply, HandshakeMessage, Response } from './message.ts';
import { PeerTable } from './peer-table.ts';
import type { Peer } from './peer.ts';
import { RefusalLog } from './refusal-log.ts';
import { PlainResponding } from './responding.ts';
import type { Answer, Authentic, Reading, Responding } from './responding.ts';
import { Tai64nClock } from './tai64n.ts';
import type { TimerAction } from './timers.ts';

export class Device {
  readonly publicKey: PublicKey;
  readonly #local: KeyPair;
  readonly #clock: Clock;
  readonly #randomBytes: RandomBytes;
  readonly #peers: PeerTable;
  readonly #indices: IndexTable<Peer>;
  readonly #intake: Intake;
  readonly #responding: Responding;
  readonly #refusals = new RefusalLog();
  readonly #timestamps: Tai64nClock;
  /** Peers to which an initiation is to be sent, in the order in which that was asked for. */
  readonly #outgoing = new Set<Peer>();
  readonly #counted = { initiationsSent: 0, responsesSent: 0, sessions: 0, refused: 0 };
  #effects: Effect[] = [];

  /** Fault CONFIG_INVALID names the peer whose public key can't be one. Takes over the secret keys. */
  constructor(options: DeviceOptions) {
    this.#local = { secret: options.secretKey, public: publicKeyOf(options.secretKey) };
    this.publicKey = this.#local.public;
    this.#clock = options.clock;
    this.#randomBytes = options.randomBytes;
    this.#timestamps = new Tai64nClock(options.storedTimestamp);
    this.#indices = new IndexTable(options.randomBytes);
    this.#peers = new PeerTable(options.peers, this.#local, options.randomBytes);
    const checker = new CookieChecker(this.publicKey, options.randomBytes);
    const find = (key: PublicKey): Peer | undefined => this.#peers.withKey(key);
    const plain = new PlainResponding(this.#local, find, checker, options.randomBytes);
    this.#responding = options.respond?.(this.#local, this.#peers.all, plain) ?? plain;
    this.#intake = new Intake(checker, (message) => this.#responding.checkMac1(message));
  }

  get counters(): DeviceCounters {
    return { ...this.#intake.counters, ...this.#counted };
  }

  get underLoad(): boolean {
    return this.#intake.underLoad(this.#clock.monotonic());
  }

  /** Tell the transport what is configured, and begin persistent keepalives. */
  start(): Effect[] {
    const now = this.#clock.monotonic();
    for (const peer of this.#peers) {
      if (peer.endpoint)
        this.#effects.push({ kind: 'setEndpoint', peer: peer.number, endpoint: peer.endpoint });
      peer.timers.start(now);
    }
    return this.#drain();
  }

  receive(datagrams: readonly Datagram[]): void {
    this.#intake.arrive(datagrams);
  }

  get hasWork(): boolean {
    const { hasArrivals, hasAdmitted } = this.#intake;
    return hasArrivals || (hasAdmitted && this.#responding.ready) || this.#outgoing.size > 0;
  }

  /** One bounded turn: a few arrivals, and HANDSHAKES_PER_TURN messages received or to be sent. */
  work(): Effect[] {
    const now = this.#clock.monotonic();
    this.#effects.push(...this.#intake.sift(now, (message) => this.#isOurs(message)));
    for (let i = 0; i < HANDSHAKES_PER_TURN; i++) {
      const admitted = this.#responding.ready ? this.#intake.take() : undefined;
      if (admitted) this.#handle(admitted, now);
      // Half of each turn is kept for what we have to say ourselves, however much is asked of us.
      const next = admitted && i % 2 === 0 ? undefined : this.#outgoing.values().next().value;
      if (next) this.#sendInitiation(next, now);
    }
    return this.#drain();
  }

  activity(reports: readonly PeerActivity[]): Effect[] {
    const now = this.#clock.monotonic();
    for (const report of reports) {
      const peer = this.#peers.numbered(report.peer);
      if (peer) this.#activity(peer, report, now);
    }
    return this.#drain();
  }

  /** The earliest instant at which `tick` has something to do. */
  get deadline(): MonotonicMillis | undefined {
    const [refusals, peers] = [this.#refusals.deadline, this.#peers.deadline];
    return refusals !== undefined && refusals < (peers ?? Infinity) ? refusals : peers;
  }

  tick(): Effect[] {
    const now = this.#clock.monotonic();
    for (const peer of this.#peers) {
      this.#remove(peer.keypairs.expire(now));
      if (peer.pending && between(peer.pending.sent, now) >= REKEY_ATTEMPT_TIME) this.#dropPending(peer);
      for (const action of peer.timers.due(now)) this.#timer(peer, action, now);
    }
    for (const refusal of this.#refusals.due(now)) this.#effects.push({ kind: 'refused', refusal });
    return this.#drain();
  }

  /** Begin a handshake with a peer that has no live session, at the place where it was last seen. */
  hint(id: PeerId, endpoint: OuterEndpoint): Effect[] {
    const peer = this.#peers.named(id);
    const now = this.#clock.monotonic();
    if (!peer.keypairs.current(now)) {
      this.#moveTo(peer, endpoint);
      this.#initiate(peer, now);
    }
    return this.#drain();
  }

  /** Takes effect with the next handshake; live sessions aren't touched. False when it is the same. Takes over the key. */
  changePresharedKey(id: PeerId, key: SecretKey): boolean {
    const peer = this.#peers.named(id);
    if (peer.usesPresharedKey(key)) return false;
    // The attempt under way, if any, is repeated in its time.
    this.#dropPending(peer);
    peer.changePresharedKey(key);
    this.#responding.changePresharedKey(peer.remote.public, key);
    return true;
  }

  /** An operator says that the peer's clock went back: its next initiation is accepted whatever its timestamp. */
  resetClock(id: PeerId): Effect[] {
    const peer = this.#peers.named(id);
    peer.replays.reset();
    this.#effects.push({ kind: 'storeTimestamp', owner: peer.remote.public, label: undefined });
    return this.#drain();
  }

  status(): PeerStatus[] {
    const now = this.#clock.monotonic();
    return this.#peers.all.map((peer) => peer.status(now));
  }

  /** Forget every key, report what refusals are held back. The device is of no use afterwards. */
  close(): Effect[] {
    this.#responding.close();
    for (const refusal of this.#refusals.flush()) this.#effects.push({ kind: 'refused', refusal });
    for (const peer of this.#peers) {
      this.#zeroKeys(peer);
      peer.remote.ss.wipe();
      peer.remote.psk.wipe();
    }
    this.#local.secret.wipe();
    return this.#drain();
  }

  // ── Messages ───────────────────────────────────────────────────────────────────────────────────────────

  /** A response or a cookie reply that names an index of ours; initiations name none. */
  #isOurs(message: HandshakeMessage): boolean {
    return 'receiver' in message ? this.#indices.get(message.receiver) !== undefined : true;
  }

  #handle({ message, from, bytes }: Admitted, now: MonotonicMillis): void {
    switch (message.type) {
      case TYPE_INITIATION:
      case TYPE_HYBRID_INITIATION:
        this.#responding.read(message, bytes, (reading) => this.#initiation(reading, message.sender, from));
        break;
      case TYPE_RESPONSE:
      case TYPE_HYBRID_RESPONSE:
        this.#response(message, from, now);
        break;
      case TYPE_COOKIE_REPLY:
        this.#cookieReply(message, now);
        break;
    }
  }

  #initiation(reading: Reading, remoteIndex: number, from: OuterEndpoint): void {
    const now = this.#clock.monotonic();
    if (reading.kind === 'authentic') return this.#respond(reading, remoteIndex, from, now);
    const reason = reading.kind === 'stranger' ? 'unknown static key' : 'initiation not authentic';
    const sender = reading.kind === 'unreadable' ? {} : { publicKey: reading.publicKey.text };
    this.#refuse({ reason, from, ...sender }, now);
  }

  /** Everything is checked before anything is remembered, moved or encapsulated. */
  #respond(initiation: Authentic, remoteIndex: number, from: OuterEndpoint, now: MonotonicMillis): void {
    const peer = this.#peers.numbered(initiation.peer) as Peer;
    const publicKey = peer.remote.public.text;
    const refuse = (reason: RefusalReason): void => {
      initiation.discard();
      this.#refuse({ reason, from, peer: peer.id, publicKey }, now);
    };
    const { hybrid, timestamp } = initiation;
    // Before the timestamp is looked at: whether it is new makes no difference to what is never answered.
    if (peer.hybrid && !hybrid) return refuse('kex_downgrade_refused');
    if (!peer.hybrid && hybrid) return refuse('kex_upgrade_refused');
    if (peer.replays.has(timestamp)) return refuse('replayed initiation');
    const last = peer.lastInitiationReceived;
    if (last !== undefined && between(last, now) < MIN_INITIATION_INTERVAL)
      return refuse('initiations too frequent');
    const verdict = peer.replays.judge(timestamp, now);
    if (verdict.kind !== 'accepted') return refuse('initiations too frequent');
    peer.lastInitiationReceived = now;
    if (verdict.store)
      this.#effects.push({ kind: 'storeTimestamp', owner: peer.remote.public, label: verdict.store });
    const localIndex = this.#indices.allocate(peer);
    initiation.answer(localIndex, (answer) => {
      if (answer) return this.#answer(peer, answer, { localIndex, remoteIndex }, from);
      this.#indices.free(localIndex);
      this.#refuse({ reason: 'initiation not authentic', from, peer: peer.id, publicKey }, now);
    });
  }

  #answer(
    peer: Peer,
    { bytes, outcome }: Answer,
    indices: { localIndex: number; remoteIndex: number },
    from: OuterEndpoint,
  ): void {
    const now = this.#clock.monotonic();
    this.#received(peer, from, now);
    peer.cookies.addMac2(bytes, now);
    this.#install(peer, outcome, { ...indices, initiator: false }, now);
    this.#sent(peer, now);
    this.#counted.responsesSent++;
    this.#effects.push({ kind: 'sendHandshake', to: from, bytes });
  }

  #response(message: Response, from: OuterEndpoint, now: MonotonicMillis): void {
    const peer = this.#indices.get(message.receiver);
    const pending = peer?.pending;
    // The index may be a keypair's: then the response is one that has been used.
    if (!peer || pending?.localIndex !== message.receiver) return;
    const outcome = pending.handshake.read(message);
    if (!outcome) return this.#refuse({ reason: 'response not authentic', from, peer: peer.id }, now);
    peer.pending = undefined;
    this.#received(peer, from, now);
    const { localIndex } = pending;
    const crossed = peer.keypairs.respondedSince(pending.sent);
    const keypair = this.#install(
      peer,
      outcome,
      { localIndex, remoteIndex: message.sender, initiator: true },
      now,
      crossed && this.publicKey.text > peer.remote.public.text,
    );
    this.#confirmed(peer, keypair, now);
    // Tells the responder that we have the keys (section 5.4.3): until it receives, it may not send.
    this.#effects.push({ kind: 'sendKeepalive', peer: peer.number });
  }

  #cookieReply(message: CookieReply, now: MonotonicMillis): void {
    this.#indices.get(message.receiver)?.cookies.consume(message, now);
  }

  // ── Sessions ───────────────────────────────────────────────────────────────────────────────────────────

  #install(
    peer: Peer,
    outcome: Outcome,
    ends: { localIndex: number; remoteIndex: number; initiator: boolean },
    now: MonotonicMillis,
    yields = false,
  ): Keypair {
    const role = ends.initiator ? 'initiator' : 'responder';
    const keypair: Keypair = {
      localIndex: ends.localIndex,
      initiator: ends.initiator,
      created: now,
      session: { ...peer.sessionOf(outcome, now), role, at: this.#clock.now() },
      yields,
    };
    this.#effects.push({
      kind: 'setKeypair',
      keys: {
        peer: peer.number,
        ...ends,
        sendKey: outcome.sendKey.use((k) => Uint8Array.from(k)),
        receiveKey: outcome.receiveKey.use((k) => Uint8Array.from(k)),
      },
    });
    outcome.sendKey.wipe();
    outcome.receiveKey.wipe();
    this.#forget(peer.keypairs.install(keypair));
    peer.timers.sessionDerived(now);
    return keypair;
  }

  /** Both ends are known to have the keys. */
  #confirmed(peer: Peer, keypair: Keypair, now: MonotonicMillis): void {
    peer.timers.handshakeComplete();
    peer.rekeyOnReceiveAsked = false;
    this.#outgoing.delete(peer);
    const session: TunnelSession = {
      ...keypair.session,
      at: this.#clock.now(),
      endpoint: endpointText(peer.endpoint as OuterEndpoint),
    };
    // One that a newer keypair of ours has overtaken is a session all the same: the far end sends with it.
    if (peer.keypairs.current(now) === keypair) peer.session = session;
    this.#counted.sessions++;
    this.#effects.push({ kind: 'session', session });
  }

  #activity(peer: Peer, report: PeerActivity, now: MonotonicMillis): void {
    peer.receivedBytes = report.receivedBytes;
    peer.sentBytes = report.sentBytes;
    // The transport has moved already: it roams by itself on an authentic packet.
    if (report.endpoint) peer.endpoint = report.endpoint;
    if (report.confirmed) {
      const { confirmed, gone } = peer.keypairs.confirm(report.confirmed, report.sending);
      this.#forget(gone);
      for (const keypair of confirmed) this.#confirmed(peer, keypair, now);
    }
    if (peer.wantsHandshake(report, now, this.#clock.now())) this.#initiate(peer, now);
  }

  #timer(peer: Peer, action: TimerAction, now: MonotonicMillis): void {
    switch (action) {
      case 'retransmit':
        this.#outgoing.add(peer);
        break;
      case 'giveUp':
        this.#dropPending(peer);
        this.#effects.push({ kind: 'dropQueue', peer: peer.number });
        break;
      case 'newHandshake':
        this.#initiate(peer, now);
        break;
      case 'keepalive':
      case 'persistent':
        if (peer.keypairs.current(now)) this.#effects.push({ kind: 'sendKeepalive', peer: peer.number });
        else this.#initiate(peer, now);
        break;
      case 'zeroKeys':
        this.#zeroKeys(peer);
        break;
    }
  }

  // ── Initiating ─────────────────────────────────────────────────────────────────────────────────────────

  /** A handshake is wanted, for a reason other than that the last attempt wasn't answered. */
  #initiate(peer: Peer, now: MonotonicMillis): void {
    peer.timers.handshakeWanted(now);
    this.#outgoing.add(peer);
  }

  #sendInitiation(peer: Peer, now: MonotonicMillis): void {
    this.#outgoing.delete(peer);
    if (!peer.endpoint) {
      // Nobody knows where the peer is. It may be about to call: what waits for it waits as long as for an answer.
      peer.timers.handshakeInitiated(now);
      return;
    }
    const last = peer.lastHandshakeSent;
    if (last !== undefined && between(last, now) < REKEY_TIMEOUT) {
      peer.timers.handshakePutOff(after(last, REKEY_TIMEOUT));
      return;
    }
    const { label, store } = this.#timestamps.label(this.#clock.now());
    if (store) this.#effects.push({ kind: 'storeTimestamp', owner: this.publicKey, label: store });
    const ephemerals = {
      e: generateKeyPair(this.#randomBytes(32)),
      ...(peer.hybrid && { e1: DecapsulationKey.generate(this.#randomBytes(KEM_SEED_BYTES)) }),
    };
    const written = Initiator.write(this.#local, peer.remote, ephemerals, label);
    if (!written) throw new Fault('INTERNAL', `peer ${peer.id}: a key that was refused at the start`);
    this.#dropPending(peer);
    const localIndex = this.#indices.allocate(peer);
    peer.pending = { handshake: written.handshake, localIndex, sent: now };
    const bytes = encodeInitiation({ sender: localIndex, ...written.fields });
    peer.cookies.addMacs(bytes, now);
    this.#sent(peer, now);
    peer.timers.handshakeInitiated(now);
    this.#counted.initiationsSent++;
    this.#effects.push({ kind: 'sendHandshake', to: peer.endpoint, bytes });
  }

  // ── Bookkeeping ────────────────────────────────────────────────────────────────────────────────────────

  /** A handshake message of ours goes out. */
  #sent(peer: Peer, now: MonotonicMillis): void {
    peer.lastHandshakeSent = now;
    peer.timers.anySent(now);
  }

  /** An authentic handshake message came in. */
  #received(peer: Peer, from: OuterEndpoint, now: MonotonicMillis): void {
    this.#moveTo(peer, from);
    peer.lastReceived = this.#clock.now();
    peer.timers.anyReceived(now);
  }

  #moveTo(peer: Peer, endpoint: OuterEndpoint): void {
    if (sameEndpoint(peer.endpoint, endpoint)) return;
    peer.endpoint = keptEndpoint(endpoint);
    this.#effects.push({ kind: 'setEndpoint', peer: peer.number, endpoint });
  }

  /** Keypairs that the transport drops by itself. */
  #forget(keypairs: readonly Keypair[]): void {
    for (const { localIndex } of keypairs) this.#indices.free(localIndex);
  }

  #remove(keypairs: readonly Keypair[]): void {
    this.#forget(keypairs);
    for (const { localIndex } of keypairs) this.#effects.push({ kind: 'removeKeypair', localIndex });
  }

  #dropPending(peer: Peer): void {
    if (!peer.pending) return;
    this.#indices.free(peer.pending.localIndex);
    peer.pending.handshake.wipe();
    peer.pending = undefined;
  }

  #zeroKeys(peer: Peer): void {
    this.#remove(peer.keypairs.expire('all'));
    this.#dropPending(peer);
  }

  #refuse(refusal: Omit<Refusal, 'count'>, now: MonotonicMillis): void {
    this.#counted.refused++;
    const report = this.#refusals.add({ ...refusal, from: keptEndpoint(refusal.from) }, now);
    if (report) this.#effects.push({ kind: 'refused', refusal: report });
  }

  #drain(): Effect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}
