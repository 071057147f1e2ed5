/** A gateway with a thousand peers: what they cost, and that those who have nothing to say say nothing. */
import t from 'tap';
import { generateKeyPair } from '../../src/crypto/x25519.ts';
import { MAX_PEERS } from '../../src/tunnel/constants.ts';
import { Device } from '../../src/tunnel/device.ts';
import { peerId } from '../../src/wire/ids.ts';
import { Host, Network } from './simulation.ts';
import {
  TestClock,
  at,
  deliver,
  idle,
  initiation,
  keyPair,
  randomness,
  sentBy,
  settings,
} from './support.ts';
import type { KeyPair } from '../../src/crypto/x25519.ts';

const PEERS = 1000;
const CONNECTED = 50;
const random = randomness(1);
const gatewayKeys = (): KeyPair => keyPair(1);
const callers = Array.from({ length: PEERS }, () => generateKeyPair(random(32)));

const gateway = (clock: TestClock): Device =>
  new Device({
    secretKey: gatewayKeys().secret,
    peers: callers.map((caller, number) =>
      settings({ number, publicKey: caller.public, id: peerId.parse(`peer-${number}`) }),
    ),
    clock,
    randomBytes: randomness(2),
  });

const caller = (clock: TestClock, number: number): Device =>
  new Device({
    secretKey: (callers[number] as KeyPair).secret,
    peers: [settings({ publicKey: gatewayKeys().public, id: peerId.parse('gateway'), endpoint: at(1) })],
    clock,
    randomBytes: randomness(100 + number),
  });

void t.test(
  'every twentieth calls: each gets its own session, and a handshake costs what it costs alone',
  (t) => {
    const clock = new TestClock();
    const before = process.memoryUsage();
    const began = performance.now();
    const device = gateway(clock);
    const made = performance.now() - began;
    const after = process.memoryUsage();
    const perPeer = (after.heapUsed + after.external - before.heapUsed - before.external) / PEERS;
    t.comment(`${PEERS} peers: ${made.toFixed(0)} ms, ${(perPeer / 1024).toFixed(1)} KiB each`);
    t.ok(perPeer < 32 * 1024, 'a peer is some kilobytes');
    t.ok(MAX_PEERS >= PEERS);

    const answered = new Set<number>();
    const times: number[] = [];
    for (let i = 0; i < CONNECTED; i++) {
      const number = i * (PEERS / CONNECTED);
      const far = caller(clock, number);
      const from = { address: Uint8Array.of(10, 0, 0, i), port: 51820 };
      const call = initiation(far);
      const start = performance.now();
      const effects = deliver(device, { bytes: call, from });
      times.push(performance.now() - start);
      const derived = effects.find((effect) => effect.kind === 'setKeypair');
      if (!derived) throw new Error('no keys');
      t.equal(derived.keys.peer, number, 'the keys are the caller’s');
      const finished = deliver(far, { bytes: sentBy(effects), from: at(1) });
      const session = finished.find((effect) => effect.kind === 'session')?.session;
      const confirmed = device.activity([
        {
          ...idle,
          peer: number,
          receivedAny: true,
          confirmed: [derived.keys.localIndex],
          sending: derived.keys.localIndex,
        },
      ]);
      const ours = confirmed.find((effect) => effect.kind === 'session')?.session;
      t.equal(ours?.peer, `peer-${number}`);
      t.equal(ours?.tunnelSession, session?.tunnelSession, 'both ends name it alike');
      answered.add(number);
      clock.ms += 10;
    }
    const median = times.sort((a, b) => a - b)[times.length >> 1] ?? 0;
    t.comment(`a handshake: ${median.toFixed(2)} ms`);
    t.ok(median < 20, 'milliseconds, however many others there are');
    t.equal(answered.size, CONNECTED);
    t.equal(device.status().filter((peer) => peer.session).length, CONNECTED, 'the others have none');
    t.end();
  },
);

void t.test(
  'a thousand peers without keepalives, of which some called: then half an hour of silence',
  (t) => {
    const clock = new TestClock();
    const network = new Network(clock, randomness(3), { loss: 0, delay: [10, 20] });
    const hosts = Array.from(
      { length: CONNECTED },
      (_, i) => new Host(caller(clock, i), { address: Uint8Array.of(10, 0, 0, i), port: 51820 }, network),
    );
    const device = gateway(clock);
    // The gateway's stand-in transport serves one peer of the many, number 0; the others' sessions are the device's alone.
    const center = new Host(device, at(1), network);
    network.hosts.push(center, ...hosts);
    for (const host of network.hosts) host.apply(host.device.start());
    t.equal(network.carried, 0, 'nobody is called at the start');
    hosts[0]?.send('hello');
    network.run(1000);
    t.same(center.received, ['hello']);
    network.run(60_000);
    const { carried } = network;
    t.ok(carried >= 3);
    network.run(30 * 60_000);
    t.equal(network.carried, carried, 'not a datagram in half an hour');
    t.equal(device.status().filter((peer) => peer.session).length, 0, 'and no key is left');
    t.end();
  },
);
