/**
 * Many peers of one gateway in one process: each is the tunnel's own state machine behind a socket and an address of
 * its own, with a transport that is as plain as can be. Run in a namespace by tunnel-crowd.test.ts.
 *
 * One line of JSON on standard input is an order: `{"ping": [from, to]}`, those callers each send the gateway an echo
 * request, shaking hands first where they have to. Standard output has a line of counters every 100 ms.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { PublicKey } from '../../src/crypto/public-key.ts';
import { SecretKey } from '../../src/crypto/secret-key.ts';
import { publicKeyOf } from '../../src/crypto/x25519.ts';
import { TYPE_COOKIE_REPLY, TYPE_TRANSPORT } from '../../src/tunnel/constants.ts';
import { Device } from '../../src/tunnel/device.ts';
import type { Effect, PeerActivity, TransportKeys } from '../../src/tunnel/effect.ts';
import { endpointBytes } from '../../src/tunnel/endpoint.ts';
import type { OuterEndpoint } from '../../src/tunnel/endpoint.ts';
import { publicKeyText } from '../../src/wire/ids.ts';
import { epochMillis, monotonicMillis } from '../../src/wire/units.ts';
import type { Clock } from '../../src/wire/units.ts';
import { idle, settings } from './support.ts';

/** What the test and the process both know of caller `n`. */
export const callerSecret = (n: number): SecretKey =>
  new SecretKey(createHash('sha256').update(`caller ${n}`).digest());
export const callerKey = (n: number): string => publicKeyOf(callerSecret(n)).text;
export const callerPlace = (n: number): string => `10.77.${n >> 8}.${n & 255}`;
export const callerAddress = (n: number): string => `100.96.${16 + (n >> 8)}.${n & 255}`;

export interface CallerCounters {
  /** Callers that have had an answer to an echo request, and answers altogether. */
  readonly answered: number;
  readonly answers: number;
  readonly cookies: number;
  readonly initiations: number;
  /** Both ways. */
  readonly datagrams: number;
  /** The longest that an echo request, with its handshake, took, ms. */
  readonly slowest: number;
}

const counted = { answered: 0, answers: 0, cookies: 0, initiations: 0, datagrams: 0, slowest: 0 };
const clock: Clock = {
  now: () => epochMillis(Date.now()),
  monotonic: () => monotonicMillis(performance.now()),
};

/** RFC 1071, for an even number of bytes. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

const addressOf = (text: string): number[] => text.split('.').map(Number);

function echoRequest(from: string, to: string, sequence: number): Buffer {
  const packet = Buffer.alloc(48);
  packet.set([0x45, 0, 0, 48, 0, 0, 0, 0, 64, 1]);
  packet.set(addressOf(from), 12);
  packet.set(addressOf(to), 16);
  packet.writeUInt16BE(checksum(packet.subarray(0, 20)), 10);
  packet[20] = 8;
  packet.writeUInt16BE(sequence, 26);
  packet.writeUInt16BE(checksum(packet.subarray(20)), 22);
  return packet;
}

const nonceOf = (counter: bigint): Buffer => {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64LE(counter, 4);
  return nonce;
};
const ALGORITHM = 'chacha20-poly1305';
const TAG = { authTagLength: 16 };

class Caller {
  readonly #number: number;
  readonly #device: Device;
  readonly #gateway: OuterEndpoint;
  readonly #socket: Socket = createSocket('udp4');
  readonly #keys = new Map<number, TransportKeys>();
  #sending: (TransportKeys & { counter: bigint }) | undefined;
  #waiting: Buffer[] = [];
  #asked = 0;
  #sequence = 0;
  #answered = false;

  constructor(number: number, gatewayKey: PublicKey, gateway: OuterEndpoint) {
    this.#number = number;
    this.#gateway = gateway;
    this.#device = new Device({
      secretKey: callerSecret(number),
      peers: [settings({ publicKey: gatewayKey, endpoint: gateway })],
      clock,
      randomBytes,
    });
    this.#socket.on('message', (bytes, { address, port }) => {
      this.#hear(bytes, endpointBytes({ address, port }) as OuterEndpoint);
    });
    this.#socket.bind(51820, callerPlace(number));
  }

  ping(): void {
    this.#asked = performance.now();
    this.#sequence++;
    this.#send(echoRequest(callerAddress(this.#number), '100.96.0.1', this.#sequence));
  }

  step(now: number): void {
    const { deadline } = this.#device;
    if (deadline !== undefined && deadline <= now) this.#apply(this.#device.tick());
    if (this.#device.hasWork) this.#apply(this.#device.work());
  }

  #out(bytes: Uint8Array): void {
    counted.datagrams++;
    this.#socket.send(bytes, this.#gateway.port, this.#gateway.address.join('.'));
  }

  #did(report: Partial<PeerActivity>): void {
    this.#apply(this.#device.activity([{ ...idle, ...report }]));
  }

  #send(packet: Buffer): void {
    const keys = this.#sending;
    if (!keys) {
      if (packet.length > 0) this.#waiting.push(packet);
      return this.#did({ needHandshake: true });
    }
    const header = Buffer.alloc(16);
    header[0] = TYPE_TRANSPORT;
    header.writeUInt32LE(keys.remoteIndex, 4);
    header.writeBigUInt64LE(keys.counter, 8);
    const cipher = createCipheriv(ALGORITHM, keys.sendKey, nonceOf(keys.counter), TAG);
    keys.counter++;
    this.#out(Buffer.concat([header, cipher.update(packet), cipher.final(), cipher.getAuthTag()]));
    this.#did({ sentAny: true, sentData: packet.length > 0 });
  }

  #hear(bytes: Buffer, from: OuterEndpoint): void {
    counted.datagrams++;
    if (bytes[0] === TYPE_COOKIE_REPLY) counted.cookies++;
    if (bytes[0] !== TYPE_TRANSPORT) return this.#device.receive([{ from, bytes }]);
    const keys = this.#keys.get(bytes.readUInt32LE(4));
    if (!keys) return;
    const open = createDecipheriv(ALGORITHM, keys.receiveKey, nonceOf(bytes.readBigUInt64LE(8)), TAG);
    open.setAuthTag(bytes.subarray(-16));
    const packet = Buffer.concat([open.update(bytes.subarray(16, -16)), open.final()]);
    this.#did({ receivedAny: true, receivedData: packet.length > 0 });
    const answer = packet[20] === 0 && packet.readUInt16BE(26) === this.#sequence;
    if (packet.length !== 48 || !answer) return;
    counted.answers++;
    counted.slowest = Math.max(counted.slowest, performance.now() - this.#asked);
    if (!this.#answered) counted.answered++;
    this.#answered = true;
  }

  #apply(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'sendHandshake') {
        counted.initiations++;
        this.#out(effect.bytes);
      } else if (effect.kind === 'setKeypair') {
        this.#keys.set(effect.keys.localIndex, effect.keys);
        this.#sending = { ...effect.keys, counter: 0n };
        for (const packet of this.#waiting.splice(0)) this.#send(packet);
      } else if (effect.kind === 'removeKeypair') {
        this.#keys.delete(effect.localIndex);
        if (this.#sending?.localIndex === effect.localIndex) this.#sending = undefined;
      } else if (effect.kind === 'sendKeepalive') this.#send(Buffer.alloc(0));
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , count = '', key = '', address = ''] = process.argv;
  const gateway = endpointBytes({ address, port: 51820 }) as OuterEndpoint;
  const gatewayKey = PublicKey.fromText(publicKeyText.parse(key));
  const callers = Array.from({ length: Number(count) }, (_, n) => new Caller(n, gatewayKey, gateway));
  createInterface({ input: process.stdin }).on('line', (line) => {
    const { ping } = JSON.parse(line) as { ping: [number, number] };
    counted.slowest = 0;
    for (const caller of callers.slice(...ping)) caller.ping();
  });
  setInterval(() => {
    const now = performance.now();
    for (const caller of callers) caller.step(now);
  }, 10);
  setInterval(() => console.log(JSON.stringify(counted)), 100);
}
