/**
 * A network of devices in simulated time: each has a stand-in for the native transport, which rotates keypairs by
 * the worker's rules, or by wireguard-go's, and tells "authentic" by comparing keys. Datagrams are lost, late and out
 * of order as the seed says; nothing reads a real clock.
 */
import {
  OLDER_KEYPAIRS,
  REJECT_AFTER_TIME,
  TYPE_HYBRID_INITIATION,
  TYPE_INITIATION,
} from '../../src/tunnel/constants.ts';
import type { Device } from '../../src/tunnel/device.ts';
import type { Effect, PeerActivity, TransportKeys } from '../../src/tunnel/effect.ts';
import type { OuterEndpoint } from '../../src/tunnel/endpoint.ts';
import type { TunnelSession } from '../../src/wire/messages.ts';
import { idle } from './support.ts';
import type { TestClock } from './support.ts';

const REPORT_INTERVAL = 50;

interface Data {
  readonly receiver: number;
  readonly key: string;
  /** Empty: a keepalive. */
  readonly payload: string;
}
interface Held extends TransportKeys {
  readonly born: number;
  readonly order: number;
  confirmed: boolean;
}
interface Flight {
  readonly arrives: number;
  readonly from: OuterEndpoint;
  readonly to: string;
  readonly content: Uint8Array | Data;
}

/**
 * Whose rules a host keeps to. wireguard-go has one handshake with a peer at a time, so that answering an initiation
 * ends one of its own; and it keeps one older keypair, none when an initiation is answered (device/noise-protocol.go,
 * BeginSymmetricSession).
 */
export type Rules = 'ours' | 'wireguard-go';

const place = (e: OuterEndpoint): string => `${e.address.join('.')}:${e.port}`;
const index = (message: Uint8Array, at: number): number => Buffer.from(message).readUInt32LE(at);
const isInitiation = (message: Uint8Array): boolean =>
  message[0] === TYPE_INITIATION || message[0] === TYPE_HYBRID_INITIATION;
const text = (key: Uint8Array): string => Buffer.from(key).toString('hex');

/** One host: a device with one peer, numbered 0. */
export class Host {
  readonly device: Device;
  endpoint: OuterEndpoint;
  readonly received: string[] = [];
  readonly sessions: TunnelSession[] = [];
  unopened = 0;
  #remote: OuterEndpoint | undefined;
  #current: Held | undefined;
  #next: Held | undefined;
  #older: Held[] = [];
  #installed = 0;
  #waiting: string[] = [];
  #report = { ...idle } as { -readonly [K in keyof typeof idle]: boolean | number } & {
    confirmed?: number[];
    endpoint?: OuterEndpoint;
  };
  readonly #network: Network;

  readonly #rules: Rules;
  /** Local index of the initiation that may be answered. */
  #asking: number | undefined;

  constructor(device: Device, endpoint: OuterEndpoint, network: Network, rules: Rules = 'ours') {
    this.device = device;
    this.endpoint = endpoint;
    this.#network = network;
    this.#rules = rules;
  }

  send(payload: string): void {
    const { now } = this.#network;
    if (this.#current && now - this.#current.born < REJECT_AFTER_TIME && this.#remote) {
      this.#report.sentAny = true;
      if (payload !== '') this.#report.sentData = true;
      const { remoteIndex, sendKey } = this.#current;
      this.#network.carry(this, this.#remote, { receiver: remoteIndex, key: text(sendKey), payload });
      return;
    }
    if (payload === '') return;
    this.#waiting.push(payload);
    if (this.#waiting.length > 128) this.#waiting.shift();
    this.apply(this.device.activity([{ ...idle, needHandshake: true }]));
  }

  arrive({ from, content }: Flight): void {
    if (!(content instanceof Uint8Array)) return this.#open(from, content);
    if (isInitiation(content)) this.#asking = undefined;
    else if (this.#rules === 'wireguard-go' && index(content, 8) !== this.#asking) return;
    this.device.receive([{ from, bytes: content }]);
  }

  #open(from: OuterEndpoint, data: Data): void {
    const held = [this.#current, this.#next, ...this.#older].find((k) => k?.localIndex === data.receiver);
    const old = held && this.#network.now - held.born >= REJECT_AFTER_TIME;
    if (!held || old || text(held.receiveKey) !== data.key) {
      this.unopened++;
      return;
    }
    this.#remote = from;
    this.#report.endpoint = from;
    this.#report.receivedAny = true;
    if (data.payload !== '') {
      this.#report.receivedData = true;
      this.received.push(data.payload);
    }
    if (!held.confirmed) this.#confirm(held);
  }

  #confirm(held: Held): void {
    held.confirmed = true;
    const promoted = held === this.#next;
    if (promoted) {
      this.#retire(this.#current);
      this.#current = held;
      this.#next = undefined;
    }
    this.#report.confirmed = [...(this.#report.confirmed ?? []), held.localIndex];
    if (promoted) this.#flush();
  }

  #retire(held: Held | undefined): void {
    if (!held) return;
    const kept = this.#rules === 'ours' ? OLDER_KEYPAIRS : 1;
    this.#older = [held, ...this.#older].toSorted((a, b) => b.order - a.order).slice(0, kept);
  }

  #flush(): void {
    for (const payload of this.#waiting.splice(0)) this.send(payload);
  }

  step(): void {
    const { now } = this.#network;
    if (this.#network.now % REPORT_INTERVAL === 0 && Object.values(this.#report).some(Boolean)) {
      const report = this.#report as PeerActivity;
      this.#report = { ...idle };
      const sending = report.confirmed && this.#current && { sending: this.#current.localIndex };
      this.apply(this.device.activity([{ ...report, ...sending }]));
    }
    const { deadline } = this.device;
    if (deadline !== undefined && deadline <= now) this.apply(this.device.tick());
    if (this.device.hasWork) this.apply(this.device.work());
  }

  apply(effects: readonly Effect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'storeTimestamp':
          break;
        case 'sendHandshake':
          if (isInitiation(effect.bytes)) this.#asking = index(effect.bytes, 4);
          this.#network.carry(this, effect.to, effect.bytes);
          break;
        case 'setEndpoint':
          this.#remote = effect.endpoint;
          break;
        case 'setKeypair':
          this.#install({
            ...effect.keys,
            born: this.#network.now,
            order: this.#installed++,
            confirmed: effect.keys.initiator,
          });
          break;
        case 'removeKeypair':
          if (this.#current?.localIndex === effect.localIndex) this.#current = undefined;
          if (this.#next?.localIndex === effect.localIndex) this.#next = undefined;
          this.#older = this.#older.filter((k) => k.localIndex !== effect.localIndex);
          break;
        case 'sendKeepalive':
          this.send('');
          break;
        case 'dropQueue':
          this.#waiting = [];
          break;
        case 'session':
          this.sessions.push(effect.session);
          break;
        case 'refused':
          break;
      }
    }
  }

  #install(keys: Held): void {
    if (this.#rules === 'wireguard-go') this.#installAsStock(keys);
    else if (keys.initiator) {
      this.#retire(this.#current);
      this.#retire(this.#next);
      this.#next = undefined;
      this.#current = keys;
      this.#flush();
    } else this.#next = keys;
  }

  #installAsStock(keys: Held): void {
    this.#older = [];
    if (!keys.initiator) {
      this.#next = keys;
      return;
    }
    this.#retire(this.#next ?? this.#current);
    this.#next = undefined;
    this.#current = keys;
    this.#flush();
  }
}

export interface Conditions {
  /** Chance of a datagram to be lost, 0 to 1. */
  readonly loss: number;
  /** Of a handshake message, when it is another one. */
  readonly handshakeLoss?: number;
  /** Least and most time under way, ms. */
  readonly delay: readonly [number, number];
}

/** Carries datagrams between hosts; `run` moves the clock. */
export class Network {
  readonly hosts: Host[] = [];
  readonly #clock: TestClock;
  readonly #random: (length: number) => Uint8Array;
  #conditions: Conditions;
  #flights: Flight[] = [];
  carried = 0;

  constructor(clock: TestClock, random: (length: number) => Uint8Array, conditions: Conditions) {
    this.#clock = clock;
    this.#random = random;
    this.#conditions = conditions;
  }

  get now(): number {
    return this.#clock.ms;
  }

  set conditions(conditions: Conditions) {
    this.#conditions = conditions;
  }

  carry(from: Host, to: OuterEndpoint, content: Uint8Array | Data): void {
    const { loss, handshakeLoss = loss, delay } = this.#conditions;
    if (this.#chance() < (content instanceof Uint8Array ? handshakeLoss : loss)) return;
    const arrives = this.now + delay[0] + Math.floor(this.#chance() * (delay[1] - delay[0]));
    this.carried++;
    this.#flights.push({ arrives, from: from.endpoint, to: place(to), content });
  }

  /** In steps of 10 ms; `each` is called once a step. */
  run(ms: number, each: (now: number) => void = () => undefined): void {
    for (const end = this.now + ms; this.now < end; this.#clock.ms += 10) {
      each(this.now);
      if (this.#flights.length > 0) {
        const due = this.#flights.filter((f) => f.arrives <= this.now);
        this.#flights = this.#flights.filter((f) => f.arrives > this.now);
        for (const flight of due)
          for (const host of this.hosts) if (place(host.endpoint) === flight.to) host.arrive(flight);
      }
      for (const host of this.hosts) host.step();
    }
  }

  #chance(): number {
    const bytes = this.#random(3);
    return (((bytes[0] ?? 0) << 16) | ((bytes[1] ?? 0) << 8) | (bytes[2] ?? 0)) / 0x1000000;
  }
}
