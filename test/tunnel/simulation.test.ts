/** Two devices on a bad network for a long simulated time: the session lives, the keys change, nothing leaks. */
import t from 'tap';
import { SecretKey } from '../../src/crypto/secret-key.ts';
import { Device } from '../../src/tunnel/device.ts';
import type { KexPolicy } from '../../src/wire/action.ts';
import type { OuterEndpoint } from '../../src/tunnel/endpoint.ts';
import { peerId } from '../../src/wire/ids.ts';
import { millis, seconds } from '../../src/wire/units.ts';
import { Host, Network } from './simulation.ts';
import type { Conditions } from './simulation.ts';
import { TestClock, at, keyPair, randomness, settings } from './support.ts';

interface World {
  readonly clock: TestClock;
  readonly network: Network;
  readonly left: Host;
  readonly right: Host;
}

const perfect: Conditions = { loss: 0, delay: [10, 20] };

function rightDevice(clock: TestClock, seed: number, kex: KexPolicy = 'classical'): Device {
  return new Device({
    secretKey: keyPair(2).secret,
    peers: [settings({ publicKey: keyPair(1).public, id: peerId.parse('left'), kex })],
    clock,
    randomBytes: randomness(seed),
  });
}

function world(
  seed: number,
  conditions: Conditions,
  persistentKeepalive = millis(0),
  kex: KexPolicy = 'classical',
): World {
  const clock = new TestClock();
  const network = new Network(clock, randomness(seed), conditions);
  const left = new Host(
    new Device({
      secretKey: keyPair(1).secret,
      peers: [
        settings({
          publicKey: keyPair(2).public,
          id: peerId.parse('right'),
          endpoint: at(2),
          persistentKeepalive,
          kex,
        }),
      ],
      clock,
      randomBytes: randomness(seed + 1),
    }),
    at(1),
    network,
  );
  const right = new Host(rightDevice(clock, seed + 2, kex), at(2), network);
  network.hosts.push(left, right);
  left.apply(left.device.start());
  right.apply(right.device.start());
  return { clock, network, left, right };
}

/** A question from the left each second, an answer from the right to each. */
function talk({ left, right }: World): (now: number) => void {
  let answered = 0;
  return (now) => {
    if (now % 1000 === 0) left.send(`question ${now}`);
    for (; answered < right.received.length; answered++) right.send(`answer ${answered}`);
  };
}

for (const [name, conditions, least] of [
  ['a good network', perfect, 0.999],
  ['a network that loses 10 % and reorders', { loss: 0.1, delay: [10, 300] }, 0.78],
  ['a network that loses 40 %', { loss: 0.4, delay: [10, 300] }, 0.25],
] as const) {
  void t.test(`1000 s on ${name}`, (t) => {
    for (const [seed, kex] of [
      [1, 'classical'],
      [2, 'classical'],
      [3, 'classical'],
      [4, 'hybrid-required'],
      [5, 'hybrid-required'],
    ] as const) {
      const w = world(seed, conditions, millis(0), kex);
      w.network.run(1_000_000, talk(w));
      w.network.conditions = perfect;
      w.network.run(20_000);
      t.ok(w.left.received.length >= 1000 * least, `${w.left.received.length} of 1000 answers`);
      t.ok(w.left.sessions.length >= 8, `${w.left.sessions.length} sessions`);
      const ran = kex === 'classical' ? 'classical' : 'hybrid';
      t.ok(
        [...w.left.sessions, ...w.right.sessions].every((s) => s.kex === ran),
        `every one of them ${ran}`,
      );
      const known = new Set(w.right.sessions.map((s) => s.tunnelSession));
      const both = w.left.sessions.filter((s) => known.has(s.tunnelSession));
      t.ok(both.length >= w.left.sessions.length - 2, 'both ends tell of the same sessions');
      if (conditions.loss === 0) {
        t.ok(w.left.sessions.length <= 10, 'and no more than rekeying needs');
        t.ok(w.left.sessions.slice(1).every((s, i) => s.rekeyOf === w.left.sessions[i]?.tunnelSession));
        t.equal(w.left.unopened + w.right.unopened, 0, 'no packet met a missing key');
      }
    }
    t.end();
  });
}

void t.test('an idle session falls silent, and wakes with the next packet', (t) => {
  const w = world(4, perfect);
  w.left.send('one');
  w.network.run(1000);
  t.same(w.right.received, ['one']);
  w.network.run(30_000);
  const { carried } = w.network;
  w.network.run(600_000);
  t.equal(w.network.carried, carried, 'not a datagram in ten minutes');
  w.right.send('two');
  w.network.run(1000);
  t.same(w.left.received, ['two']);
  t.end();
});

void t.test('a responder alone sends: the session does not lapse', (t) => {
  const w = world(5, perfect);
  w.left.send('hello');
  w.network.run(1000);
  let sent = 0;
  w.network.run(600_000, (now) => {
    if (now % 1000 !== 0) return;
    w.right.send(`${sent}`);
    sent++;
  });
  w.network.run(1000);
  t.equal(w.left.received.length, sent);
  t.end();
});

void t.test('the far end is killed and comes back: traffic again within 20 s', (t) => {
  const w = world(6, perfect);
  const each = talk(w);
  w.network.run(30_000, each);
  const reborn = new Host(rightDevice(w.clock, 99), at(2), w.network);
  w.network.hosts[1] = reborn;
  const before = w.left.received.length;
  let answered = 0;
  w.network.run(21_000, (now) => {
    if (now % 1000 === 0) w.left.send(`question ${now}`);
    for (; answered < reborn.received.length; answered++) reborn.send(`answer ${answered}`);
  });
  t.ok(reborn.unopened > 0, 'packets of the old session meant nothing to it');
  t.ok(w.left.received.length > before);
  t.end();
});

void t.test('with a hint the session is back at once', (t) => {
  const w = world(7, perfect);
  w.network.run(30_000, talk(w));
  const reborn = new Host(rightDevice(w.clock, 99), at(2), w.network);
  w.network.hosts[1] = reborn;
  reborn.apply(reborn.device.hint(peerId.parse('left'), at(1)));
  w.network.run(200);
  t.equal(reborn.sessions.length, 1);
  w.left.send('still there?');
  w.network.run(200);
  t.same(reborn.received, ['still there?']);
  t.end();
});

void t.test('the near end moves: the far end follows the first packet', (t) => {
  const w = world(8, perfect);
  const each = talk(w);
  w.network.run(10_000, each);
  w.left.endpoint = at(77, 9999);
  const before = w.left.received.length;
  w.network.run(5000, each);
  t.ok(w.left.received.length >= before + 4, 'answers follow');
  t.same(w.right.device.status()[0]?.endpoint, { address: '192.0.2.77', port: 9999 });
  t.end();
});

void t.test('persistent keepalive keeps a session through silence', (t) => {
  const w = world(9, perfect, seconds(25));
  w.network.run(1_000_000);
  t.ok(w.left.sessions.length >= 5);
  t.ok(w.right.device.status()[0]?.session, 'the far end can call at any time');
  t.end();
});

void t.test(
  'a pre-shared key that changes on both ends: the next handshake uses it, and nothing is cut',
  (t) => {
    for (const kex of ['classical+psk', 'hybrid-required'] as const) {
      const clock = new TestClock();
      const network = new Network(clock, randomness(10), perfect);
      const make = (
        own: number,
        other: number,
        psk: number,
        seed: number,
        endpoint?: OuterEndpoint,
      ): Device =>
        new Device({
          secretKey: keyPair(own).secret,
          peers: [
            settings({
              publicKey: keyPair(other).public,
              kex,
              presharedKey: new SecretKey(new Uint8Array(32).fill(psk)),
              ...(endpoint && { endpoint }),
            }),
          ],
          clock,
          randomBytes: randomness(seed),
        });
      const left = new Host(make(1, 2, 1, 11, at(2)), at(1), network);
      const right = new Host(make(2, 1, 1, 12), at(2), network);
      network.hosts.push(left, right);
      left.apply(left.device.start());
      const w = { clock, network, left, right };
      const each = talk(w);
      network.run(30_000, each);
      const { length } = left.received;
      t.ok(length >= 29);
      for (const host of [left, right])
        host.device.changePresharedKey(
          settings({ publicKey: keyPair(1).public }).id,
          new SecretKey(new Uint8Array(32).fill(2)),
        );
      network.run(60_000, each);
      t.ok(left.received.length >= length + 59, 'the live session goes on');
      t.equal(left.sessions.length, 1);
      network.run(60_000, each);
      t.equal(left.sessions.length, 2, 'and is renewed in its time');
      t.ok(left.received.length >= length + 119, 'without a packet lost');
    }
    t.end();
  },
);
