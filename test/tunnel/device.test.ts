/** The device: sessions in both roles, every refusal, rekeying, roaming, load, restarts. */
import fc from 'fast-check';
import t from 'tap';
import { SecretKey } from '../../src/crypto/secret-key.ts';
import { LOAD_ADMITTED, MAX_ADMITTED, MAX_ARRIVALS } from '../../src/tunnel/constants.ts';
import { CookieGenerator } from '../../src/tunnel/cookie.ts';
import { Device } from '../../src/tunnel/device.ts';
import type { Effect, TransportKeys } from '../../src/tunnel/effect.ts';
import { peerId } from '../../src/wire/ids.ts';
import type { TunnelSession } from '../../src/wire/messages.ts';
import { seconds } from '../../src/wire/units.ts';
import {
  TestClock,
  anyPublicKey,
  at,
  deliver,
  idle,
  initiation,
  keyPair,
  kinds,
  randomness,
  sentBy,
  settings,
  twoDevices,
  workAll,
} from './support.ts';

const keysOf = (effects: readonly Effect[]): TransportKeys => {
  const found = effects.find((e) => e.kind === 'setKeypair');
  if (!found) throw new Error('no keypair was set');
  return found.keys;
};
const sessionOf = (effects: readonly Effect[]): TunnelSession | undefined =>
  effects.find((e) => e.kind === 'session')?.session;
const refusalOf = (effects: readonly Effect[]): string | undefined =>
  effects.find((e) => e.kind === 'refused')?.refusal.reason;
const confirm = (device: Device, keys: TransportKeys): Effect[] =>
  device.activity([{ ...idle, confirmed: [keys.localIndex], sending: keys.localIndex, receivedAny: true }]);
const LEFT = at(1);
const RIGHT = at(2);

/** A whole handshake from left to right. */
function connect(
  left: Device,
  right: Device,
): { leftEffects: Effect[]; rightEffects: Effect[]; rightKeys: TransportKeys } {
  const rightEffects = deliver(right, { from: LEFT, bytes: initiation(left) });
  const leftEffects = deliver(left, { from: RIGHT, bytes: sentBy(rightEffects) });
  const rightKeys = keysOf(rightEffects);
  rightEffects.push(...confirm(right, rightKeys));
  return { leftEffects, rightEffects, rightKeys };
}

for (const psk of [undefined, 7]) {
  void t.test(`a session, ${psk === undefined ? 'without' : 'with'} a pre-shared key`, (t) => {
    const { left, right, clock } = twoDevices(psk === undefined ? {} : { psk });
    const { leftEffects, rightEffects, rightKeys } = connect(left, right);
    t.same(kinds(leftEffects), ['setKeypair', 'session', 'sendKeepalive']);
    t.same(kinds(rightEffects), ['storeTimestamp', 'setEndpoint', 'setKeypair', 'sendHandshake', 'session']);
    const leftKeys = keysOf(leftEffects);
    t.same(leftKeys.sendKey, rightKeys.receiveKey);
    t.same(leftKeys.receiveKey, rightKeys.sendKey);
    t.equal(leftKeys.remoteIndex, rightKeys.localIndex);
    t.equal(rightKeys.remoteIndex, leftKeys.localIndex);
    t.ok(leftKeys.initiator);
    t.notOk(rightKeys.initiator);
    const [a, b] = [sessionOf(leftEffects), sessionOf(rightEffects)];
    t.match(a?.tunnelSession, /^[0-9a-f]{32}$/);
    t.equal(a?.tunnelSession, b?.tunnelSession, 'one identity on both ends');
    t.strictSame(a, {
      peer: 'right',
      tunnelSession: a?.tunnelSession,
      role: 'initiator',
      kex: psk === undefined ? 'classical' : 'classical+psk',
      endpoint: { address: '192.0.2.2', port: 51820 },
      path: 'direct',
      at: clock.now(),
    });
    t.equal(b?.kex, a?.kex);
    t.same(left.status()[0]?.session, a);
    t.same(right.status()[0]?.session, b);
    t.end();
  });
}

void t.test('a responder announces nothing before it is confirmed', (t) => {
  const { left, right } = twoDevices();
  const effects = deliver(right, { from: LEFT, bytes: initiation(left) });
  t.equal(sessionOf(effects), undefined);
  t.equal(right.status()[0]?.session, undefined);
  t.ok(sessionOf(confirm(right, keysOf(effects))));
  t.equal(sessionOf(confirm(right, keysOf(effects))), undefined, 'once');
  t.end();
});

void t.test('pre-shared keys that differ: no session, and it is said', (t) => {
  const { left, right } = twoDevices({ psk: 1, rightPsk: 2 });
  const response = sentBy(deliver(right, { from: LEFT, bytes: initiation(left) }));
  const effects = deliver(left, { from: RIGHT, bytes: response });
  t.same(kinds(effects), ['refused']);
  t.equal(refusalOf(effects), 'response not authentic');
  t.end();
});

void t.test('every byte of every message: a change is dropped without a trace', (t) => {
  const { left, right } = twoDevices();
  const first = initiation(left);
  for (let i = 0; i < first.length; i++) {
    const bytes = Uint8Array.from(first);
    bytes[i] = (bytes[i] ?? 0) ^ 0x01;
    const effects = deliver(right, { from: LEFT, bytes });
    // mac2 isn't looked at while there is no load.
    if (i < 132 && effects.length > 0) t.fail(`initiation[${i}]: ${kinds(effects).join()}`);
    if (i >= 132) break;
  }
  const second = twoDevices();
  const answer = sentBy(deliver(second.right, { from: LEFT, bytes: initiation(second.left) }));
  for (let i = 0; i < 76; i++) {
    const bytes = Uint8Array.from(answer);
    bytes[i] = (bytes[i] ?? 0) ^ 0x01;
    const effects = deliver(second.left, { from: RIGHT, bytes });
    if (effects.length > 0) t.fail(`response[${i}]: ${kinds(effects).join()}`);
  }
  t.equal(second.left.counters.badMac1, 72);
  t.equal(second.left.counters.malformed, 4, 'type and reserved bytes');
  t.ok(sessionOf(deliver(second.left, { from: RIGHT, bytes: answer })), 'the true one still works');
  t.end();
});

/** As an attacker who knows the receiver's public key: mac1 is right, whatever the rest. */
const withMac1 = (bytes: Uint8Array, receiver: number): Uint8Array => {
  const copy = Uint8Array.from(bytes);
  new CookieGenerator(anyPublicKey(receiver)).addMacs(copy, new TestClock().monotonic());
  return copy;
};

/** Initiations with a good mac1 and nothing behind it, from many addresses. */
const junk = (n: number, receiver: number): { from: ReturnType<typeof at>; bytes: Uint8Array }[] =>
  Array.from({ length: n }, (_, i) => {
    const bytes = randomness(i)(148);
    bytes.set([1, 0, 0, 0]);
    return { from: at(20 + (i % 200), i + 1), bytes: withMac1(bytes, receiver) };
  });

void t.test('every byte under a good mac1: refused, state untouched', (t) => {
  const { left, right } = twoDevices();
  const first = initiation(left);
  for (let i = 8; i < 116; i++) {
    const bytes = Uint8Array.from(first);
    bytes[i] = (bytes[i] ?? 0) ^ 0x40;
    const effects = deliver(right, { from: at(66), bytes: withMac1(bytes, 2) });
    if (effects.some((e) => e.kind !== 'refused')) t.fail(`initiation[${i}]: ${kinds(effects).join()}`);
  }
  t.equal(right.counters.refused, 108);
  t.equal(right.status()[0]?.endpoint, undefined, 'nobody moved the peer');
  const answer = sentBy(deliver(right, { from: LEFT, bytes: first }));
  for (let i = 12; i < 60; i++) {
    const bytes = Uint8Array.from(answer);
    bytes[i] = (bytes[i] ?? 0) ^ 0x40;
    const effects = deliver(left, { from: at(66), bytes: withMac1(bytes, 1) });
    if (effects.some((e) => e.kind !== 'refused')) t.fail(`response[${i}]: ${kinds(effects).join()}`);
  }
  t.ok(sessionOf(deliver(left, { from: RIGHT, bytes: answer })), 'the true ones still work');
  t.end();
});

void t.test('anything at all: no effect, no throw', (t) => {
  const { left, right } = twoDevices();
  const first = initiation(left);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 1600 }),
        fc.nat({ max: 147 }).map((n) => first.subarray(0, n)),
        fc.uint8Array({ minLength: 1, maxLength: 50 }).map((tail) => Uint8Array.of(...first, ...tail)),
        fc.uint8Array({ minLength: 147, maxLength: 147 }).map((rest) => Uint8Array.of(1, ...rest)),
      ),
      (bytes) => deliver(right, { from: at(66), bytes }).length === 0,
    ),
    { numRuns: 500 },
  );
  t.ok(keysOf(deliver(right, { from: LEFT, bytes: first })), 'and a true one still works');
  t.end();
});

void t.test('a stranger is refused in silence, and recorded with its key', (t) => {
  const { right, clock } = twoDevices();
  const stranger = new Device({
    secretKey: keyPair(9).secret,
    peers: [settings({ publicKey: anyPublicKey(2), endpoint: RIGHT })],
    clock,
    randomBytes: randomness(99),
  });
  const effects = deliver(right, { from: at(66), bytes: initiation(stranger) });
  t.strictSame(effects, [
    {
      kind: 'refused',
      refusal: {
        reason: 'unknown static key',
        count: 1,
        from: at(66),
        publicKey: keyPair(9).public.text,
      },
    },
  ]);
  t.end();
});

void t.test('a flood of strangers becomes a few records', (t) => {
  const { right, clock } = twoDevices();
  const reports: number[] = [];
  for (let i = 0; i < 60; i++) {
    clock.ms += 500;
    const stranger = new Device({
      secretKey: keyPair(9).secret,
      peers: [settings({ publicKey: anyPublicKey(2), endpoint: RIGHT })],
      clock,
      randomBytes: randomness(i),
    });
    const effects = [...deliver(right, { from: at(66), bytes: initiation(stranger) }), ...right.tick()];
    for (const effect of effects) if (effect.kind === 'refused') reports.push(effect.refusal.count);
  }
  clock.ms += 10_000;
  for (const effect of right.tick()) if (effect.kind === 'refused') reports.push(effect.refusal.count);
  t.equal(
    reports.reduce((a, b) => a + b, 0),
    60,
  );
  t.ok(reports.length <= 5, `${reports.length} reports`);
  t.end();
});

void t.test('replays: the same initiation, an older one, a used response', (t) => {
  const { left, right, clock } = twoDevices();
  const older = initiation(left);
  clock.ms += 6000;
  left.tick();
  const newer = sentBy(workAll(left));
  const effects = deliver(right, { from: LEFT, bytes: newer });
  const response = sentBy(effects);
  clock.ms += 1000;
  for (const bytes of [newer, older]) {
    const again = deliver(right, { from: at(66), bytes });
    t.notOk(
      again.some((e) => e.kind !== 'refused'),
      'nothing but a refusal',
    );
  }
  t.equal(right.counters.refused, 2);
  t.same(right.status()[0]?.endpoint, { address: '192.0.2.1', port: 51820 }, 'a replay moves nobody');
  t.ok(sessionOf(deliver(left, { from: RIGHT, bytes: response })));
  t.same(deliver(left, { from: RIGHT, bytes: response }), [], 'a response is used once');
  t.end();
});

void t.test('a peer that begins handshakes too fast', (t) => {
  const { right, clock } = twoDevices();
  // Two devices with one key: as if the peer had lost its pacing.
  const make = (seed: number): Device =>
    new Device({
      secretKey: keyPair(1).secret,
      peers: [settings({ publicKey: anyPublicKey(2), endpoint: RIGHT })],
      clock,
      randomBytes: randomness(seed),
    });
  t.ok(keysOf(deliver(right, { from: LEFT, bytes: initiation(make(1)) })));
  clock.ms += 40;
  const effects = deliver(right, { from: LEFT, bytes: initiation(make(2)) });
  t.equal(refusalOf(effects), 'initiations too frequent');
  t.equal(effects.length, 1);
  clock.ms += 50;
  t.ok(keysOf(deliver(right, { from: LEFT, bytes: initiation(make(3)) })));
  t.end();
});

void t.test('an initiation is repeated every 5 s and given up after 90 s', (t) => {
  const { left, clock } = twoDevices();
  initiation(left);
  const sent: number[] = [];
  let dropped: number | undefined;
  for (; clock.ms < 120_000; clock.ms += 100) {
    for (const effect of [...left.tick(), ...workAll(left)]) {
      if (effect.kind === 'sendHandshake') sent.push(clock.ms);
      if (effect.kind === 'dropQueue') dropped = clock.ms;
    }
  }
  t.ok(sent.length >= 16 && sent.length <= 18, `${sent.length} times`);
  t.ok(
    sent.every((ms, i) => i === 0 || ms - (sent[i - 1] ?? 0) >= 5000),
    'never faster than 5 s',
  );
  t.ok(dropped !== undefined && dropped >= 90_000 && dropped <= 96_000, `given up at ${dropped}`);
  t.end();
});

void t.test('rekeying: the initiator after 120 s of sending, and the previous keypair stays', (t) => {
  const { left, right, clock } = twoDevices();
  const first = connect(left, right);
  const sending = { ...idle, sentData: true, sentAny: true, receivedAny: true };
  clock.ms = 119_000;
  t.same([...left.activity([sending]), ...workAll(left)], []);
  clock.ms = 120_000;
  t.same(right.activity([sending]), []);
  t.notOk(right.hasWork, 'the responder waits for the initiator');
  left.activity([sending]);
  const answer = deliver(right, { from: LEFT, bytes: sentBy(workAll(left)) });
  const rekeyed = deliver(left, { from: RIGHT, bytes: sentBy(answer) });
  t.equal(sessionOf(rekeyed)?.rekeyOf, sessionOf(first.leftEffects)?.tunnelSession);
  const confirmed = confirm(right, keysOf(answer));
  t.equal(sessionOf(confirmed)?.rekeyOf, sessionOf(first.leftEffects)?.tunnelSession);
  for (const effects of [answer, rekeyed, confirmed]) t.notOk(kinds(effects).includes('removeKeypair'));
  clock.ms = 180_000;
  t.same(
    left.tick().filter((e) => e.kind === 'removeKeypair'),
    [{ kind: 'removeKeypair', localIndex: keysOf(first.leftEffects).localIndex }],
  );
  t.ok(left.status()[0]?.session, 'and the new session lives');
  t.end();
});

void t.test('rekeying on receive: an initiator that only listens, after 165 s, once', (t) => {
  const { left, right, clock } = twoDevices();
  connect(left, right);
  const listening = { ...idle, receivedAny: true, receivedData: true };
  clock.ms = 164_999;
  left.activity([listening]);
  t.notOk(left.hasWork);
  clock.ms = 165_000;
  left.activity([listening]);
  t.equal(sentBy(workAll(left)).length, 148);
  left.activity([listening]);
  t.notOk(left.hasWork);
  t.end();
});

void t.test('a session ends after 180 s', (t) => {
  const { left, right, clock } = twoDevices();
  const { leftEffects, rightKeys } = connect(left, right);
  clock.ms = 180_000;
  t.match(left.tick(), [{ kind: 'removeKeypair', localIndex: keysOf(leftEffects).localIndex }]);
  t.match(right.tick(), [{ kind: 'removeKeypair', localIndex: rightKeys.localIndex }]);
  t.equal(left.status()[0]?.session, undefined);
  t.equal(right.status()[0]?.session, undefined);
  t.equal(initiation(right).length, 148, 'and either end may begin the next');
  t.end();
});

void t.test('a session that answers nothing for 15 s is begun anew', (t) => {
  const { left, right, clock } = twoDevices();
  connect(left, right);
  clock.ms = 1000;
  left.activity([{ ...idle, sentData: true, sentAny: true }]);
  clock.ms = 16_400;
  left.tick();
  t.equal(sentBy(workAll(left)).length, 148);
  t.end();
});

void t.test('passive keepalive', (t) => {
  const { left, right, clock } = twoDevices();
  connect(left, right);
  clock.ms = 1000;
  right.activity([{ ...idle, receivedData: true, receivedAny: true }]);
  clock.ms = 10_999;
  t.same(right.tick(), []);
  clock.ms = 11_000;
  t.same(right.tick(), [{ kind: 'sendKeepalive', peer: 0 }]);
  t.end();
});

void t.test('a passive keepalive answers data alone, and what was sent meanwhile stands for it', (t) => {
  for (const [what, expected] of [
    [{ receivedAny: true }, []],
    [{ receivedAny: true, receivedData: true }, ['sendKeepalive']],
    [{ receivedAny: true, receivedData: true, sentAny: true }, ['sendKeepalive']],
  ] as const) {
    const { left, right, clock } = twoDevices();
    connect(left, right);
    clock.ms = 1000;
    right.activity([{ ...idle, ...what }]);
    const effects: Effect[] = [];
    for (; clock.ms < 100_000; clock.ms += 500) effects.push(...right.tick(), ...workAll(right));
    t.same(kinds(effects), expected, JSON.stringify(what));
  }
  const { left, right, clock } = twoDevices();
  connect(left, right);
  right.activity([{ ...idle, receivedAny: true, receivedData: true }]);
  clock.ms = 5000;
  right.activity([{ ...idle, sentAny: true, sentData: true }]);
  clock.ms = 14_000;
  t.same(right.tick(), []);
  t.end();
});

void t.test('a keepalive asks for no keepalive: two idle ends fall silent', (t) => {
  const { left, right, clock } = twoDevices();
  connect(left, right);
  for (const device of [left, right]) device.activity([{ ...idle, receivedAny: true, sentAny: true }]);
  for (; clock.ms < 170_000; clock.ms += 1000)
    for (const device of [left, right]) t.same([...device.tick(), ...workAll(device)], []);
  t.end();
});

void t.test('persistent keepalive calls first, and again when the session has lapsed', (t) => {
  const clock = new TestClock();
  const device = new Device({
    secretKey: keyPair(1).secret,
    peers: [settings({ publicKey: anyPublicKey(2), endpoint: RIGHT, persistentKeepalive: seconds(25) })],
    clock,
    randomBytes: randomness(1),
  });
  t.same(device.start(), [{ kind: 'setEndpoint', peer: 0, endpoint: RIGHT }]);
  t.equal(device.deadline, 0);
  device.tick();
  t.equal(sentBy(workAll(device)).length, 148);
  t.end();
});

void t.test('a late report of a packet that waited does not begin a second handshake', (t) => {
  const { left, right, clock } = twoDevices();
  connect(left, right);
  left.activity([{ ...idle, needHandshake: true }]);
  left.activity([{ ...idle, expired: true, needHandshake: true }]);
  clock.ms = 20_000;
  left.tick();
  t.same(workAll(left), []);
  left.activity([{ ...idle, expired: true }]);
  t.equal(sentBy(workAll(left)).length, 148, 'a limit of messages does');
  t.end();
});

void t.test('roaming: by initiation and by transport', (t) => {
  const { left, right, clock } = twoDevices();
  connect(left, right);
  right.activity([{ ...idle, receivedAny: true, endpoint: at(77) }]);
  t.same(right.status()[0]?.endpoint, { address: '192.0.2.77', port: 51820 });
  clock.ms = 200_000;
  left.tick();
  const effects = deliver(right, { from: at(78, 1234), bytes: initiation(left) });
  t.same(effects[1], { kind: 'setEndpoint', peer: 0, endpoint: at(78, 1234) });
  t.same(effects.find((e) => e.kind === 'sendHandshake')?.to, at(78, 1234));
  t.end();
});

void t.test(
  'the endpoint does not move on a cookie reply, true or not, nor on what is not authentic',
  (t) => {
    const { left, right } = twoDevices();
    const first = initiation(left);
    right.receive(junk(3 * LOAD_ADMITTED, 2));
    right.work();
    right.receive([{ from: LEFT, bytes: first }]);
    const reply = workAll(right).find((e) => e.kind === 'sendHandshake' && e.to.address[3] === 1);
    if (reply?.kind !== 'sendHandshake') throw new Error('no cookie');
    t.equal(reply.bytes[0], 3);
    const forged = Uint8Array.from(reply.bytes);
    forged[40] = (forged[40] ?? 0) ^ 1;
    for (const bytes of [forged, reply.bytes, new Uint8Array(92).fill(2, 0, 1)])
      t.same(deliver(left, { from: at(99, 9), bytes }), []);
    t.same(left.status()[0]?.endpoint, { address: '192.0.2.2', port: 51820 });
    t.equal(right.status()[0]?.endpoint, undefined, 'nor at the end that asked for it');
    t.end();
  },
);

void t.test('both ends call at once: both end with a session', (t) => {
  const { left, right } = twoDevices();
  right.hint(peerId.parse('left'), LEFT);
  const fromRight = sentBy(workAll(right));
  const fromLeft = initiation(left);
  const toLeft = sentBy(deliver(right, { from: LEFT, bytes: fromLeft }));
  const toRight = sentBy(deliver(left, { from: RIGHT, bytes: fromRight }));
  t.ok(sessionOf(deliver(left, { from: RIGHT, bytes: toLeft })));
  t.ok(sessionOf(deliver(right, { from: LEFT, bytes: toRight })));
  t.end();
});

void t.test('a hint begins a handshake, unless there is a session', (t) => {
  const { left, right } = twoDevices();
  const effects = [...right.hint(peerId.parse('left'), LEFT), ...workAll(right)];
  t.same(kinds(effects), ['setEndpoint', 'storeTimestamp', 'sendHandshake']);
  const response = deliver(left, { from: RIGHT, bytes: sentBy(effects) });
  t.ok(sessionOf(deliver(right, { from: LEFT, bytes: sentBy(response) })));
  t.same([...right.hint(peerId.parse('left'), at(66)), ...workAll(right)], []);
  t.same(right.status()[0]?.endpoint, { address: '192.0.2.1', port: 51820 });
  t.throws(() => right.hint(peerId.parse('nobody'), LEFT), { code: 'PEER_UNKNOWN' });
  t.end();
});

void t.test('what is for a peer whose place is not known waits for its call, for 90 s', (t) => {
  const { left, right, clock } = twoDevices();
  const ask = (): Effect[] => [...right.activity([{ ...idle, needHandshake: true }]), ...workAll(right)];
  t.same(ask(), []);
  const effects: Effect[] = [];
  for (; clock.ms < 200_000 && effects.length === 0; clock.ms += 100)
    effects.push(...right.tick(), ...workAll(right));
  t.same(effects, [{ kind: 'dropQueue', peer: 0 }]);
  t.ok(clock.ms >= 90_000 && clock.ms < 96_000, `after ${clock.ms} ms`);
  t.notOk(right.hasWork);

  t.same(ask(), []);
  clock.ms += 50;
  const { rightEffects } = connect(left, right);
  t.notOk(kinds(rightEffects).includes('dropQueue'), 'it calls meanwhile: the packets are still there');
  t.end();
});

void t.test('under load: a cookie, then mac2 passes, both ways', (t) => {
  for (const answering of ['responder', 'initiator'] as const) {
    const { left, right, clock } = twoDevices();
    const target = answering === 'responder' ? right : left;
    const load = (): void => {
      target.receive(junk(3 * LOAD_ADMITTED, answering === 'responder' ? 2 : 1));
      target.work();
      target.work();
      t.ok(target.underLoad, `${answering} is under load`);
    };
    const first = initiation(left);
    if (answering === 'responder') {
      load();
      const cookie = deliver(right, { from: LEFT, bytes: first }).find(
        (e) => e.kind === 'sendHandshake' && e.to.address[3] === 1,
      );
      if (cookie?.kind !== 'sendHandshake') throw new Error('no cookie was sent');
      t.equal(cookie.bytes.length, 64);
      t.same(deliver(left, { from: RIGHT, bytes: cookie.bytes }), [], 'nothing is sent at once');
      clock.ms = 5400;
      left.tick();
      const again = sentBy(workAll(left));
      load();
      const effects = deliver(right, { from: LEFT, bytes: again });
      t.ok(keysOf(effects), 'the second one passes');
      t.ok(right.counters.cookiesSent > 0);
    } else {
      const response = sentBy(deliver(right, { from: LEFT, bytes: first }));
      load();
      const cookie = deliver(left, { from: RIGHT, bytes: response }).find(
        (e) => e.kind === 'sendHandshake' && e.to.address[3] === 2,
      );
      if (cookie?.kind !== 'sendHandshake') throw new Error('no cookie was sent');
      deliver(right, { from: LEFT, bytes: cookie.bytes });
      clock.ms = 5400;
      left.tick();
      const second = sentBy(workAll(left));
      const withMac2 = sentBy(deliver(right, { from: LEFT, bytes: second }));
      load();
      t.ok(sessionOf(deliver(left, { from: RIGHT, bytes: withMac2 })), 'the second response passes');
    }
  }
  t.end();
});

void t.test('a flood from one source puts no other into cookie mode', (t) => {
  const { left, right, clock } = twoDevices();
  const flood = junk(200, 2).map(({ bytes }, i) => ({ from: at(66, i + 1), bytes }));
  const cookies = { flood: 0, others: 0 };
  const see = (effects: readonly Effect[]): Effect[] => {
    for (const e of effects)
      if (e.kind === 'sendHandshake' && e.bytes[0] === 3)
        cookies[e.to.address[3] === 66 ? 'flood' : 'others']++;
    return [...effects];
  };
  for (let second = 0; second < 5; second++) {
    for (let i = 0; i < 20; i++) {
      right.receive(flood);
      see(right.work());
    }
    t.ok(right.underLoad, 'and the health list says that there is a flood');
    clock.ms += 1000;
  }
  right.receive(flood);
  right.receive([{ from: LEFT, bytes: initiation(left) }]);
  right.receive(flood);
  const effects: Effect[] = [];
  while (right.hasWork) effects.push(...see(right.work()));
  t.ok(keysOf(effects), 'the peer is answered without a cookie');
  t.ok(cookies.flood > 100, `${cookies.flood} cookies to the flood`);
  t.equal(cookies.others, 0);
  t.ok(right.counters.overflow > 0, 'the flood filled its own share');
  clock.ms += 1001;
  t.notOk(right.underLoad);
  t.end();
});

void t.test('load ends a second after the queue has emptied', (t) => {
  const { left, right, clock } = twoDevices();
  right.receive(junk(2 * LOAD_ADMITTED, 2));
  right.work();
  t.ok(right.underLoad);
  workAll(right);
  clock.ms += 1001;
  t.notOk(right.underLoad);
  t.ok(keysOf(deliver(right, { from: LEFT, bytes: initiation(left) })));
  t.end();
});

void t.test('queues are bounded, and our own calls get their turn', (t) => {
  const { left } = twoDevices();
  left.receive(junk(8, 1));
  left.receive(
    Array.from({ length: 2 * MAX_ARRIVALS }, (_, i) => ({
      from: at(20 + (i % 200)),
      bytes: new Uint8Array(148),
    })),
  );
  t.equal(left.counters.overflow, MAX_ARRIVALS + 8);
  left.activity([{ ...idle, needHandshake: true }]);
  t.ok(kinds(left.work()).includes('sendHandshake'), 'in the first turn');
  let turns = 0;
  for (; left.hasWork; turns++) left.work();
  t.ok(turns >= MAX_ARRIVALS / 64 - 1, 'a turn takes a few');
  t.ok(MAX_ADMITTED < MAX_ARRIVALS);
  t.end();
});

void t.test('public keys that cannot be a peer are refused at the start', (t) => {
  const make = (publicKey: ReturnType<typeof anyPublicKey>): (() => Device) => {
    return () =>
      new Device({
        secretKey: new SecretKey(new Uint8Array(32).fill(1)),
        peers: [settings({ publicKey, id: peerId.parse('odd') })],
        clock: new TestClock(),
        randomBytes: randomness(1),
      });
  };
  t.throws(make(anyPublicKey(1)), { code: 'CONFIG_INVALID', detail: /odd/ }, 'its own');
  t.end();
});

void t.test('close forgets every key', (t) => {
  const { left, right } = twoDevices();
  const { leftEffects } = connect(left, right);
  t.match(left.close(), [{ kind: 'removeKeypair', localIndex: keysOf(leftEffects).localIndex }]);
  t.throws(() => deliver(left, { from: RIGHT, bytes: initiation(right) }), 'a wiped key is not used');
  t.end();
});
