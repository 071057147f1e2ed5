/**
 * Recorded handshakes, changed: messages of types 1, 2, 3, 5 and 6 with bits turned, cut, lengthened, retyped, spliced
 * with one another, and given the mac1 that anybody can make who knows the receiver's public key; and whole recordings
 * played in any order. None of it throws, derives a key, moves a peer, makes more than one datagram or a longer one
 * than came, or stands in the way of the true handshake that is under way. The same on every run.
 */
import t from 'tap';
import { LOAD_ADMITTED } from '../../src/tunnel/constants.ts';
import { CookieGenerator } from '../../src/tunnel/cookie.ts';
import type { Device } from '../../src/tunnel/device.ts';
import type { Effect } from '../../src/tunnel/effect.ts';
import type { KexPolicy } from '../../src/wire/action.ts';
import {
  TestClock,
  anyPublicKey,
  at,
  deliver,
  idle,
  kinds,
  randomness,
  sentBy,
  twoDevices,
} from './support.ts';

type End = 'left' | 'right';
const LEFT = at(1);
const RIGHT = at(2);
const MACS = 32;
const ROUNDS = 12;
const MUTANTS = 300;

interface Recorded {
  readonly to: End;
  readonly bytes: Uint8Array;
}

class World {
  readonly clock: TestClock;
  readonly devices: Readonly<Record<End, Device>>;
  readonly recorded: Recorded[] = [];
  #junk = 0;

  constructor(kex: KexPolicy, psk?: number) {
    const { left, right, clock } = twoDevices({ kex, ...(psk !== undefined && { psk }) });
    this.clock = clock;
    this.devices = { left, right };
  }

  /** An initiation of the left that nobody has seen, and which may be answered. */
  begin(): Uint8Array {
    const { left } = this.devices;
    this.clock.ms += 6000;
    const effects = left.activity([{ ...idle, expired: true }]);
    while (left.hasWork) effects.push(...left.work());
    return sentBy(effects);
  }

  response(first: Uint8Array): Uint8Array {
    return sentBy(deliver(this.devices.right, { from: LEFT, bytes: first }));
  }

  finish(second: Uint8Array): boolean {
    return kinds(deliver(this.devices.left, { from: RIGHT, bytes: second })).includes('session');
  }

  /** A whole handshake, kept. */
  record(): void {
    const first = this.begin();
    const second = this.response(first);
    if (!this.finish(second)) throw new Error('no session');
    this.recorded.push({ to: 'right', bytes: first }, { to: 'left', bytes: second });
  }

  /**
   * The answer of a loaded responder, kept. Afterwards the load is over, and a later handshake has made the initiation,
   * which was never used, an old one.
   */
  recordCookie(): void {
    const { right } = this.devices;
    const first = this.begin();
    const junk = Array.from({ length: 2 * LOAD_ADMITTED }, (_, i) => {
      const bytes = randomness(this.#junk++)(148);
      bytes.set([1, 0, 0, 0]);
      return { from: at(20 + i), bytes: withMac1(bytes, 'right') };
    });
    right.receive(junk);
    right.work();
    right.receive([{ from: LEFT, bytes: first }]);
    const effects: Effect[] = [];
    while (right.hasWork) effects.push(...right.work());
    const reply = effects.find((e) => e.kind === 'sendHandshake' && e.to.address[3] === 1);
    if (reply?.kind !== 'sendHandshake' || reply.bytes[0] !== 3) throw new Error('no cookie');
    this.recorded.push({ to: 'right', bytes: first }, { to: 'left', bytes: reply.bytes });
    this.clock.ms += 2000;
    this.record();
  }
}

function withMac1(bytes: Uint8Array, receiver: End): Uint8Array {
  const copy = Uint8Array.from(bytes);
  if (copy.length < MACS) return copy;
  new CookieGenerator(anyPublicKey(receiver === 'left' ? 1 : 2)).addMacs(copy, new TestClock().monotonic());
  return copy;
}

/** What neither a MAC nor the handshake covers twice: everything but the sender's index and the MACs. */
const essence = (bytes: Uint8Array): string =>
  Buffer.from([...bytes.subarray(0, 4), ...bytes.subarray(8, -MACS)]).toString('hex') + bytes.length;

/** Below `below`. */
type Random = (below: number) => number;
const numbers = (seed: number): Random => {
  const random = randomness(seed);
  return (below) => {
    const [a = 0, b = 0, c = 0] = random(3);
    return (a * 65536 + b * 256 + c) % below;
  };
};

function mutate(message: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  const copy = Uint8Array.from(message);
  switch (random(8)) {
    case 0:
      return copy.subarray(0, random(copy.length));
    case 1:
      return Uint8Array.of(...copy, ...randomness(random(9999))(1 + random(64)));
    case 2: // one message's beginning and another one's end
      copy.set(other.subarray(0, Math.min(copy.length, 4 + random(other.length - 4))));
      return copy;
    case 3: {
      const from = random(copy.length);
      copy.set(other.subarray(from, from + random(64)).subarray(0, copy.length - from), from);
      return copy;
    }
    case 4:
      copy[0] = random(8);
      return copy;
    case 5: {
      const from = random(copy.length);
      return copy.fill(random(2) * 255, from, from + 1 + random(32));
    }
    case 6: // an index that is somebody's
      copy.set(other.subarray(4, 8), 4 * (1 + random(2)));
      return copy;
    default:
      for (let i = 1 + random(4); i > 0; i--) {
        const byte = random(copy.length);
        copy[byte] = (copy[byte] ?? 0) ^ (1 << random(8));
      }
      return copy;
  }
}

/** What is wrong with what came of a datagram that isn't a true one. */
function wrong(effects: readonly Effect[], length: number): string | undefined {
  const bad = effects.find((e) => e.kind !== 'refused' && e.kind !== 'sendHandshake');
  if (bad) return bad.kind;
  const sent = effects.filter((e) => e.kind === 'sendHandshake');
  if (sent.length > 1) return `${sent.length} datagrams`;
  if (sent[0] && (sent[0].bytes[0] !== 3 || sent[0].bytes.length > length))
    return `an answer of type ${sent[0].bytes[0]}`;
  return undefined;
}

for (const [kex, psk] of [
  ['classical', undefined],
  ['classical+psk', 7],
  ['hybrid-required', undefined],
  ['hybrid-required', 7],
] as const) {
  const name = `${kex}${psk === undefined ? '' : ', with a pre-shared key'}`;
  const seed = kex.length + (psk ?? 0);

  void t.test(`${name}: ${ROUNDS * MUTANTS} changed messages`, (t) => {
    const random = numbers(seed);
    const w = new World(kex, psk);
    const types = new Set<number>();
    let tried = 0;
    w.recordCookie();
    for (let round = 0; round < ROUNDS; round++) {
      const first = w.begin();
      // Half of the rounds before the initiation has arrived, half before its response has.
      const second = round % 2 === 0 ? undefined : w.response(first);
      const live: Recorded = second ? { to: 'left', bytes: second } : { to: 'right', bytes: first };
      const place = JSON.stringify([
        w.devices.left.status()[0]?.endpoint,
        w.devices.right.status()[0]?.endpoint,
      ]);
      for (let i = 0; i < MUTANTS; i++) {
        const corpus = [...w.recorded.slice(-8), live, live, live];
        const one = corpus[random(corpus.length)] ?? live;
        const other = corpus[random(corpus.length)] ?? live;
        const changed = mutate(one.bytes, other.bytes, random);
        const to = random(5) === 0 ? (one.to === 'left' ? 'right' : 'left') : one.to;
        const bytes = random(2) === 0 ? changed : withMac1(changed, to);
        if (bytes.length > MACS && to === live.to && essence(bytes) === essence(live.bytes)) continue;
        tried++;
        types.add(bytes[0] ?? -1);
        const fault = wrong(deliver(w.devices[to], { from: at(66, 1 + random(60000)), bytes }), bytes.length);
        if (fault !== undefined)
          t.fail(`round ${round}, ${i}: ${fault} for ${Buffer.from(bytes).toString('hex')}`);
      }
      w.clock.ms += 1500;
      const now = JSON.stringify([
        w.devices.left.status()[0]?.endpoint,
        w.devices.right.status()[0]?.endpoint,
      ]);
      if (now !== place) t.fail(`round ${round}: a peer was moved to ${now}`);
      if (!w.finish(second ?? w.response(first))) t.fail(`round ${round}: the true one has no session`);
      w.recorded.push({ to: 'right', bytes: first });
      if (round % 4 === 3) w.recordCookie();
    }
    t.ok(tried > ROUNDS * MUTANTS * 0.9, `${tried} were tried`);
    for (const type of kex === 'hybrid-required' ? [3, 5, 6] : [1, 2, 3])
      t.ok(types.has(type), `type ${type}`);
    t.end();
  });

  void t.test(`${name}: recordings played in any order`, (t) => {
    const random = numbers(seed + 1);
    const w = new World(kex, psk);
    for (let i = 0; i < 3; i++) w.recordCookie();
    // A cookie reply answers one message; the left has begun anew since, so none of these is one's.
    const first = w.begin();
    for (let i = 0; i < 600; i++) {
      const { to, bytes } = w.recorded[random(w.recorded.length)] as Recorded;
      const fault = wrong(
        deliver(w.devices[to], { from: to === 'left' ? RIGHT : LEFT, bytes }),
        bytes.length,
      );
      if (fault !== undefined) t.fail(`${i}: ${fault} for type ${bytes[0]}`);
      if (random(50) === 0) w.clock.ms += 100;
    }
    w.clock.ms += 1500;
    t.ok(w.finish(w.response(first)), 'and the true one has its session');
    t.end();
  });
}
