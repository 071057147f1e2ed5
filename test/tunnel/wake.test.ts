/**
 * Packets at awkward moments, in simulated time: one that wakes an idle tunnel around a rekey, from either end, and
 * another one while the handshake is under way; and wall clocks that are set back under a running session.
 */
import t from 'tap';
import { Device } from '../../src/tunnel/device.ts';
import type { KexPolicy } from '../../src/wire/action.ts';
import { peerId } from '../../src/wire/ids.ts';
import { epochMillis } from '../../src/wire/units.ts';
import type { EpochMillis } from '../../src/wire/units.ts';
import { Host, Network } from './simulation.ts';
import { TestClock, at, keyPair, randomness, settings } from './support.ts';

/** A machine's wall clock, which an operator sets; the monotonic one is the network's. */
class WallClock extends TestClock {
  readonly #time: TestClock;
  back = 0;
  constructor(time: TestClock) {
    super();
    this.#time = time;
  }
  override now(): EpochMillis {
    return epochMillis(this.epoch + this.#time.ms - this.back);
  }
  override monotonic(): ReturnType<TestClock['monotonic']> {
    return this.#time.monotonic();
  }
}

function world(seed: number, kex: KexPolicy) {
  const time = new TestClock();
  const network = new Network(time, randomness(seed), { loss: 0, delay: [10, 20] });
  const clocks = [new WallClock(time), new WallClock(time)] as const;
  const host = (own: 1 | 2, other: 1 | 2): Host =>
    new Host(
      new Device({
        secretKey: keyPair(own).secret,
        peers: [
          settings({
            publicKey: keyPair(other).public,
            id: peerId.parse(`host-${other}`),
            endpoint: at(other),
            kex,
          }),
        ],
        clock: clocks[own - 1] as WallClock,
        randomBytes: randomness(seed * 10 + own),
      }),
      at(own),
      network,
    );
  const [left, right] = [host(1, 2), host(2, 1)];
  network.hosts.push(left, right);
  for (const each of network.hosts) each.apply(each.device.start());
  return { network, left, right, clocks };
}

for (const kex of ['classical', 'hybrid-required'] as const) {
  void t.test(`${kex}: a packet that wakes an idle tunnel around a rekey isn’t lost`, (t) => {
    // The session is 120 s old when the initiator has to rekey, 180 s when it is no good any more.
    // What is sent in the last moment before that arrives after it and is dropped: the ends' ages differ by a transit.
    const instants = [
      119_900, 119_980, 120_000, 120_030, 150_000, 165_000, 179_800, 180_100, 180_150, 200_000,
    ];
    let worlds = 0;
    for (const wake of instants)
      for (const waker of ['left', 'right'] as const)
        for (const [later, second] of [
          [0, 'left'],
          [20, 'left'],
          [20, 'right'],
          [50, 'left'],
          [50, 'right'],
        ] as const) {
          const w = world(++worlds, kex);
          w.left.send('first');
          w.network.run(1000);
          w.right.send('answer');
          w.network.run(wake - 1000);
          w[waker].send('wake');
          w.network.run(later);
          w[second].send('meanwhile');
          // An initiation that crosses another one is repeated after 5 s, so no packet waits longer than that.
          w.network.run(12_000);
          const other = { left: 'right', right: 'left' } as const;
          const name = `${waker} wakes at ${wake}, ${second} ${later} ms later`;
          const got = [...w.left.received, ...w.right.received].sort();
          if (got.join() !== 'answer,first,meanwhile,wake')
            t.same(got, ['answer', 'first', 'meanwhile', 'wake'], name);
          if (!w[other[waker]].received.includes('wake')) t.fail(name);
        }
    t.equal(worlds, instants.length * 10);
    t.end();
  });
}

void t.test('a wall clock that is set back under a running session: rekeys go on', (t) => {
  for (const [index, who] of (['left', 'right'] as const).entries()) {
    const w = world(500 + index, 'classical');
    let sent = 0;
    const talk = (now: number): void => {
      if (now % 1000 !== 0) return;
      w.left.send(`l${sent}`);
      w.right.send(`r${sent}`);
      sent++;
    };
    // One end begins: after two handshakes that crossed, the ends send on different keypairs for as long as these live.
    w.left.send('hello');
    w.network.run(1000);
    w.network.run(59_000, talk);
    (w.clocks[index] as WallClock).back = 24 * 3600 * 1000;
    w.network.run(600_000, talk);
    w.network.run(1000);
    t.ok(w.left.sessions.length >= 5, `${who}’s goes back: ${w.left.sessions.length} sessions`);
    t.equal(w.left.received.length, sent, 'nothing is lost');
    t.equal(w.right.received.length, sent + 1);
  }
  t.end();
});
