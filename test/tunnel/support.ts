/**
 * What the tunnel's tests share: a clock that moves when told, randomness that repeats, devices with known keys.
 */
import { PublicKey } from '../../src/crypto/public-key.ts';
import { SecretKey } from '../../src/crypto/secret-key.ts';
import { publicKeyOf } from '../../src/crypto/x25519.ts';
import type { KeyPair } from '../../src/crypto/x25519.ts';
import { Device } from '../../src/tunnel/device.ts';
import type { Datagram, DeviceOptions, Effect } from '../../src/tunnel/effect.ts';
import type { OuterEndpoint } from '../../src/tunnel/endpoint.ts';
import type { PeerSettings } from '../../src/tunnel/peer.ts';
import type { KexPolicy } from '../../src/wire/action.ts';
import { peerId } from '../../src/wire/ids.ts';
import { epochMillis, millis, monotonicMillis } from '../../src/wire/units.ts';
import type { Clock, EpochMillis, MonotonicMillis } from '../../src/wire/units.ts';
import { mulberry32 } from '../support/mulberry32.ts';

export class TestClock implements Clock {
  ms = 0;
  readonly epoch = 1_800_000_000_000;
  now(): EpochMillis {
    return epochMillis(this.epoch + this.ms);
  }
  monotonic(): MonotonicMillis {
    return monotonicMillis(this.ms);
  }
}

/** Bytes that are the same on every run. */
export function randomness(seed: number): (length: number) => Uint8Array {
  const next = mulberry32(seed);
  return (length) => Uint8Array.from({ length }, () => (next() * 2 ** 32) & 0xff);
}

export function keyPair(fill: number): KeyPair {
  const secret = new SecretKey(new Uint8Array(32).fill(fill));
  return { secret, public: publicKeyOf(secret) };
}

export const anyPublicKey = (fill: number): PublicKey => keyPair(fill).public;

export const at = (last: number, port = 51820): OuterEndpoint => ({
  address: Uint8Array.of(192, 0, 2, last),
  port,
});

export const settings = (over: Partial<PeerSettings> & Pick<PeerSettings, 'publicKey'>): PeerSettings => ({
  number: 0,
  id: peerId.parse('peer'),
  persistentKeepalive: millis(0),
  ...over,
});

let respond: DeviceOptions['respond'];

/** Devices made from now on by `twoDevices` have their answers computed by `how`. */
export function respondBy(how: NonNullable<DeviceOptions['respond']>): void {
  respond = how;
}

/** Two devices that know each other: `left` at 192.0.2.1 knows where `right`, at 192.0.2.2, is. */
export function twoDevices(
  options: {
    psk?: number;
    rightPsk?: number;
    clock?: TestClock;
    kex?: KexPolicy;
    rightKex?: KexPolicy;
    /** As a process before left it. */
    rightStored?: Uint8Array;
    leftOwnStored?: Uint8Array;
  } = {},
): {
  clock: TestClock;
  left: Device;
  right: Device;
} {
  const clock = options.clock ?? new TestClock();
  const [l, r] = [keyPair(1), keyPair(2)];
  const psk = (fill: number | undefined): { presharedKey?: SecretKey } =>
    fill === undefined ? {} : { presharedKey: new SecretKey(new Uint8Array(32).fill(fill)) };
  const kex = (policy: KexPolicy | undefined): { kex?: KexPolicy } => (policy ? { kex: policy } : {});
  const left = new Device({
    secretKey: l.secret,
    ...(options.leftOwnStored && { storedTimestamp: options.leftOwnStored }),
    peers: [
      settings({
        publicKey: r.public,
        id: peerId.parse('right'),
        endpoint: at(2),
        ...psk(options.psk),
        ...kex(options.kex),
      }),
    ],
    clock,
    randomBytes: randomness(11),
    ...(respond && { respond }),
  });
  const right = new Device({
    secretKey: r.secret,
    peers: [
      settings({
        publicKey: l.public,
        id: peerId.parse('left'),
        ...psk(options.rightPsk ?? options.psk),
        ...kex(options.rightKex ?? options.kex),
        ...(options.rightStored && { storedTimestamp: options.rightStored }),
      }),
    ],
    clock,
    randomBytes: randomness(22),
    ...(respond && { respond }),
  });
  return { clock, left, right };
}

/** All the work there is. */
export function workAll(device: Device): Effect[] {
  const effects: Effect[] = [];
  while (device.hasWork) effects.push(...device.work());
  return effects;
}

/** Deliver handshake datagrams and do the work. */
export function deliver(device: Device, ...datagrams: Datagram[]): Effect[] {
  device.receive(datagrams);
  return workAll(device);
}

export const idle = {
  peer: 0,
  sentData: false,
  sentAny: false,
  receivedData: false,
  receivedAny: false,
  needHandshake: false,
  expired: false,
  receivedBytes: 0,
  sentBytes: 0,
} as const;

/** Ask for a handshake as the transport does, and take the initiation. */
export function initiation(device: Device): Uint8Array {
  const effects = [...device.activity([{ ...idle, needHandshake: true }]), ...workAll(device)];
  return sentBy(effects);
}

/** The one handshake datagram among the effects. */
export function sentBy(effects: readonly Effect[]): Uint8Array {
  const sent = effects.filter((e) => e.kind === 'sendHandshake');
  if (sent.length !== 1 || !sent[0]) throw new Error(`${sent.length} datagrams were sent, not one`);
  return sent[0].bytes;
}

export const kinds = (effects: readonly Effect[]): string[] => effects.map((e) => e.kind);
