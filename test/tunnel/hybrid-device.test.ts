/**
 * Devices with the hybrid handshake: sessions in both roles, policy both ways, refusals, load, replays across restarts,
 * a second implementation at the other end.
 */
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { SecretKey } from '../../src/crypto/secret-key.ts';
import { LOAD_ADMITTED, REKEY_ATTEMPT_TIME } from '../../src/tunnel/constants.ts';
import { CookieGenerator } from '../../src/tunnel/cookie.ts';
import { Device } from '../../src/tunnel/device.ts';
import type { Effect, Refusal, TransportKeys } from '../../src/tunnel/effect.ts';
import { peerId } from '../../src/wire/ids.ts';
import type { TunnelSession } from '../../src/wire/messages.ts';
import { hex, toHex } from '../crypto/vectors.ts';
import { Encaps, Kem, X25519, hear, initiate } from './second-opinion.ts';
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

const HYBRID = { kex: 'hybrid-required' } as const;
const LEFT = at(1);
const RIGHT = at(2);

const keysOf = (effects: readonly Effect[]): TransportKeys => {
  const found = effects.find((e) => e.kind === 'setKeypair');
  if (!found) throw new Error('no keypair was set');
  return found.keys;
};
const sessionOf = (effects: readonly Effect[]): TunnelSession | undefined =>
  effects.find((e) => e.kind === 'session')?.session;
const refusalOf = (effects: readonly Effect[]): Refusal | undefined =>
  effects.find((e) => e.kind === 'refused')?.refusal;
const confirm = (device: Device, keys: TransportKeys): Effect[] =>
  device.activity([{ ...idle, confirmed: [keys.localIndex], sending: keys.localIndex, receivedAny: true }]);

for (const psk of [undefined, 7]) {
  void t.test(`a session, ${psk === undefined ? 'without' : 'with'} a pre-shared key`, (t) => {
    const { left, right, clock } = twoDevices({ ...HYBRID, ...(psk !== undefined && { psk }) });
    const first = initiation(left);
    t.equal(first[0], 5);
    t.equal(first.length, 1348);
    const atRight = deliver(right, { from: LEFT, bytes: first });
    const second = sentBy(atRight);
    t.equal(second[0], 6);
    t.equal(second.length, 1196);
    t.equal(sessionOf(atRight), undefined, 'nothing is announced before it is confirmed');
    const atLeft = deliver(left, { from: RIGHT, bytes: second });
    t.same(kinds(atLeft), ['setKeypair', 'session', 'sendKeepalive']);
    const [a, b] = [sessionOf(atLeft), sessionOf(confirm(right, keysOf(atRight)))];
    t.strictSame(a, {
      peer: 'right',
      tunnelSession: a?.tunnelSession,
      role: 'initiator',
      kex: 'hybrid',
      endpoint: { address: '192.0.2.2', port: 51820 },
      path: 'direct',
      at: clock.now(),
    });
    t.equal(a?.tunnelSession, b?.tunnelSession, 'one identity on both ends');
    t.equal(b?.kex, 'hybrid');
    t.same(keysOf(atLeft).sendKey, keysOf(atRight).receiveKey);
    t.same(keysOf(atLeft).receiveKey, keysOf(atRight).sendKey);
    t.match(left.status()[0], {
      policy: 'hybrid-required',
      lastHandshake: clock.now(),
      session: { kex: 'hybrid' },
    });
    t.end();
  });
}

void t.test('pre-shared keys that differ: no session', (t) => {
  const { left, right } = twoDevices({ ...HYBRID, psk: 1, rightPsk: 2 });
  const response = sentBy(deliver(right, { from: LEFT, bytes: initiation(left) }));
  t.equal(refusalOf(deliver(left, { from: RIGHT, bytes: response }))?.reason, 'response not authentic');
  t.end();
});

void t.test('every rekey is hybrid, and names the one before', (t) => {
  const { left, right, clock } = twoDevices(HYBRID);
  let last: string | undefined;
  for (let i = 0; i < 5; i++) {
    const first = i === 0 ? initiation(left) : sentBy(workAll(left));
    t.equal(first[0], 5);
    const atRight = deliver(right, { from: LEFT, bytes: first });
    const session = sessionOf(deliver(left, { from: RIGHT, bytes: sentBy(atRight) }));
    t.equal(session?.kex, 'hybrid');
    t.equal(session?.rekeyOf, last);
    t.equal(sessionOf(confirm(right, keysOf(atRight)))?.rekeyOf, last);
    last = session?.tunnelSession;
    clock.ms += 120_000;
    left.activity([{ ...idle, sentAny: true, sentData: true, receivedAny: true }]);
  }
  t.end();
});

// ── Policy ───────────────────────────────────────────────────────────────────────────────────────────────

void t.test('a downgrade: a classical initiation of a peer that has to be hybrid', (t) => {
  for (const psk of [undefined, 3]) {
    const shared = psk === undefined ? {} : { psk };
    const { left, right, clock } = twoDevices({ ...shared, rightKex: 'hybrid-required' });
    const reports: Refusal[] = [];
    for (let i = 0; i < 12; i++) {
      const bytes = i === 0 ? initiation(left) : sentBy(workAll(left));
      t.equal(bytes[0], 1);
      const effects = [...deliver(right, { from: at(66), bytes }), ...right.tick()];
      t.ok(
        effects.every((e) => e.kind === 'refused'),
        'nothing is answered, stored, installed or moved',
      );
      reports.push(...effects.filter((e) => e.kind === 'refused').map((e) => e.refusal));
      clock.ms += 5400;
      left.tick();
    }
    t.match(reports[0], { reason: 'kex_downgrade_refused', count: 1, peer: 'left', from: at(66) });
    t.equal(reports[0]?.publicKey, keyPair(1).public.text);
    t.ok(reports.length <= 7, `${reports.length} reports of 12 in a minute`);
    t.equal(right.status()[0]?.endpoint, undefined);
    t.equal(right.counters.responsesSent, 0);
  }
  t.end();
});

void t.test('a downgrade by someone who does not hold the peer’s key is not laid at its door', (t) => {
  const { left, right } = twoDevices({ rightKex: 'hybrid-required' });
  const bytes = Uint8Array.from(initiation(left));
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  const [refusal] = deliver(right, { from: at(66), bytes: withMac1(bytes, 2) });
  t.match(refusal, { kind: 'refused', refusal: { reason: 'initiation not authentic' } });
  t.end();
});

void t.test('a hybrid initiation of a classical peer is refused as well', (t) => {
  for (const rightKex of ['classical', 'classical+psk'] as const) {
    const { left, right } = twoDevices({ kex: 'hybrid-required', rightKex, psk: 3 });
    const effects = deliver(right, { from: LEFT, bytes: initiation(left) });
    t.same(kinds(effects), ['refused']);
    t.match(refusalOf(effects), { reason: 'kex_upgrade_refused', peer: 'left' });
  }
  t.end();
});

void t.test('the initiator never falls back, and data waits', (t) => {
  const { left, clock } = twoDevices(HYBRID);
  initiation(left);
  const sent: number[] = [];
  for (; clock.ms < 90_000; clock.ms += 100) {
    for (const effect of [
      ...left.tick(),
      ...left.activity([{ ...idle, needHandshake: true }]),
      ...workAll(left),
    ]) {
      if (effect.kind === 'sendHandshake') sent.push(effect.bytes[0] ?? 0);
      else t.equal(effect.kind, 'storeTimestamp', 'no keypair, and nothing that waits is dropped');
    }
  }
  t.ok(sent.length >= 15, `${sent.length} initiations`);
  t.ok(sent.every((type) => type === 5));
  t.end();
});

void t.test('a classical response does not finish a hybrid handshake', (t) => {
  const { left, right } = twoDevices(HYBRID);
  const six = sentBy(deliver(right, { from: LEFT, bytes: initiation(left) }));
  const two = new Uint8Array(92);
  two.set([2, 0, 0, 0]);
  two.set(six.subarray(4, 44), 4);
  const effects = deliver(left, { from: RIGHT, bytes: withMac1(two, 1) });
  t.equal(refusalOf(effects)?.reason, 'response not authentic');
  t.ok(sessionOf(deliver(left, { from: RIGHT, bytes: six })), 'the hybrid one does');
  t.end();
});

// ── Bytes ────────────────────────────────────────────────────────────────────────────────────────────────

/** As an attacker who knows the receiver's public key: mac1 is right, whatever the rest. */
function withMac1(bytes: Uint8Array, receiver: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  new CookieGenerator(anyPublicKey(receiver)).addMacs(copy, new TestClock().monotonic());
  return copy;
}

void t.test('every byte of both messages, without and with a good mac1', (t) => {
  const { left, right } = twoDevices(HYBRID);
  const five = initiation(left);
  for (let i = 0; i < 1332; i++) {
    const bytes = Uint8Array.from(five);
    bytes[i] = (bytes[i] ?? 0) ^ 0x40;
    if (deliver(right, { from: at(66), bytes }).length > 0) t.fail(`5[${i}]`);
  }
  // Each costs two X25519: every 7th byte, and both ends of every field.
  const probed = (ends: readonly number[], last: number): number[] =>
    Array.from({ length: last }, (_, i) => i).filter(
      (i) => i >= 8 && (i % 7 === 0 || ends.includes(i) || ends.includes(i + 1)),
    );
  for (const i of probed([8, 40, 1224, 1240, 1272, 1288, 1300], 1316)) {
    const bytes = Uint8Array.from(five);
    bytes[i] = (bytes[i] ?? 0) ^ 0x40;
    const effects = deliver(right, { from: at(66), bytes: withMac1(bytes, 2) });
    if (effects.some((e) => e.kind !== 'refused')) t.fail(`5[${i}]: ${kinds(effects).join()}`);
  }
  t.equal(right.status()[0]?.endpoint, undefined, 'nobody moved the peer');
  const six = sentBy(deliver(right, { from: LEFT, bytes: five }));
  for (const i of probed([12, 44, 1132, 1148], 1164).filter((n) => n >= 12)) {
    const bytes = Uint8Array.from(six);
    bytes[i] = (bytes[i] ?? 0) ^ 0x40;
    const effects = deliver(left, { from: at(66), bytes: withMac1(bytes, 1) });
    if (effects.some((e) => e.kind !== 'refused')) t.fail(`6[${i}]: ${kinds(effects).join()}`);
  }
  t.ok(sessionOf(deliver(left, { from: RIGHT, bytes: six })), 'the true ones still work');
  t.end();
});

void t.test('cut, lengthened, retyped, anything at all: no effect, no throw', (t) => {
  const { left, right } = twoDevices(HYBRID);
  const five = initiation(left);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.nat({ max: 1347 }).map((n) => five.subarray(0, n)),
        fc.uint8Array({ minLength: 1, maxLength: 50 }).map((tail) => Uint8Array.of(...five, ...tail)),
        fc
          .integer({ min: 0, max: 255 })
          .filter((n) => n !== 5)
          .map((n) => Uint8Array.of(n, ...five.subarray(1))),
        fc.uint8Array({ minLength: 1347, maxLength: 1347 }).map((rest) => Uint8Array.of(5, ...rest)),
        fc.uint8Array({ minLength: 1195, maxLength: 1195 }).map((rest) => Uint8Array.of(6, ...rest)),
      ),
      (bytes) => deliver(right, { from: at(66), bytes }).length === 0,
    ),
    { numRuns: 500 },
  );
  t.ok(keysOf(deliver(right, { from: LEFT, bytes: five })), 'and a true one still works');
  t.end();
});

void t.test('nothing is invented for an initiation that is refused', (t) => {
  let drawn = 0;
  const draw = randomness(5);
  const right = new Device({
    secretKey: keyPair(2).secret,
    peers: [settings({ publicKey: keyPair(1).public, ...HYBRID })],
    clock: new TestClock(),
    randomBytes: (n) => {
      drawn++;
      return draw(n);
    },
  });
  const { left } = twoDevices(HYBRID);
  const five = initiation(left);
  const before = drawn;
  for (const i of [40, 1240, 1288]) {
    const bytes = Uint8Array.from(five);
    bytes[i] = (bytes[i] ?? 0) ^ 1;
    t.ok(
      refusalOf([...deliver(right, { from: LEFT, bytes: withMac1(bytes, 2) }), ...right.tick()]) || i > 40,
    );
  }
  t.equal(drawn, before, 'no ephemeral key, no encapsulation');
  t.ok(keysOf(deliver(right, { from: LEFT, bytes: five })));
  t.ok(drawn > before);
  deliver(right, { from: LEFT, bytes: five });
  const after = drawn;
  t.equal(refusalOf(deliver(right, { from: LEFT, bytes: five })), undefined, 'held back, counted');
  t.equal(drawn, after, 'nor for a replay');
  t.end();
});

void t.test('replays: the same initiation, an older one, a used response', (t) => {
  const { left, right, clock } = twoDevices(HYBRID);
  const older = initiation(left);
  clock.ms += 6000;
  left.tick();
  const newer = sentBy(workAll(left));
  const response = sentBy(deliver(right, { from: LEFT, bytes: newer }));
  clock.ms += 1000;
  for (const bytes of [newer, older])
    t.notOk(deliver(right, { from: at(66), bytes }).some((e) => e.kind !== 'refused'));
  t.equal(right.counters.refused, 2);
  t.same(right.status()[0]?.endpoint, { address: '192.0.2.1', port: 51820 });
  t.ok(sessionOf(deliver(left, { from: RIGHT, bytes: response })));
  t.same(deliver(left, { from: RIGHT, bytes: response }), [], 'a response is used once');
  t.end();
});

// ── Load ─────────────────────────────────────────────────────────────────────────────────────────────────

void t.test('under load: a cookie for type 5 and for type 6, then mac2 passes; nothing grows', (t) => {
  const junk = (receiver: number): { from: ReturnType<typeof at>; bytes: Uint8Array }[] =>
    Array.from({ length: 3 * LOAD_ADMITTED }, (_, i) => {
      const bytes = randomness(i)(1348);
      bytes.set([5, 0, 0, 0]);
      return { from: at(20 + (i % 200), i + 1), bytes: withMac1(bytes, receiver) };
    });
  for (const answering of ['responder', 'initiator'] as const) {
    const { left, right, clock } = twoDevices(HYBRID);
    const target = answering === 'responder' ? right : left;
    const load = (): void => {
      target.receive(junk(answering === 'responder' ? 2 : 1));
      target.work();
      target.work();
      t.ok(target.underLoad, `${answering} is under load`);
    };
    const cookieTo = (effects: readonly Effect[], last: number): Uint8Array => {
      const found = effects.find((e) => e.kind === 'sendHandshake' && e.to.address[3] === last);
      if (found?.kind !== 'sendHandshake') throw new Error('no cookie was sent');
      t.equal(found.bytes.length, 64);
      t.equal(found.bytes[0], 3);
      return found.bytes;
    };
    const first = initiation(left);
    if (answering === 'responder') {
      load();
      const cookie = cookieTo(deliver(right, { from: LEFT, bytes: first }), 1);
      t.same(deliver(left, { from: at(99), bytes: cookie }), [], 'nothing is sent at once');
      t.same(left.status()[0]?.endpoint, { address: '192.0.2.2', port: 51820 }, 'and nobody moved');
      clock.ms = 5400;
      left.tick();
      const again = sentBy(workAll(left));
      t.ok(
        again.subarray(1332).some((b) => b !== 0),
        'mac2',
      );
      load();
      t.ok(keysOf(deliver(right, { from: LEFT, bytes: again })), 'the second one passes');
    } else {
      const response = sentBy(deliver(right, { from: LEFT, bytes: first }));
      load();
      const cookie = cookieTo(deliver(left, { from: RIGHT, bytes: response }), 2);
      deliver(right, { from: LEFT, bytes: cookie });
      clock.ms = 5400;
      left.tick();
      const withMac2 = sentBy(deliver(right, { from: LEFT, bytes: sentBy(workAll(left)) }));
      load();
      t.ok(sessionOf(deliver(left, { from: RIGHT, bytes: withMac2 })), 'the second response passes');
    }
  }
  t.end();
});

// ── Wiping ───────────────────────────────────────────────────────────────────────────────────────────────

void t.test('an initiation that nobody answers is forgotten after 90 s, whatever else happens', (t) => {
  for (const kex of ['classical', 'hybrid-required'] as const) {
    const { left, right, clock } = twoDevices({ kex });
    right.hint(peerId.parse('left'), LEFT);
    const fromRight = sentBy(workAll(right));
    const unanswered = initiation(left);
    const late = sentBy(deliver(right, { from: LEFT, bytes: unanswered }));
    // Both call at once; the other direction succeeds and ends the attempts.
    const done = deliver(left, { from: RIGHT, bytes: fromRight });
    t.ok(sessionOf(confirm(left, keysOf(done))));
    clock.ms = REKEY_ATTEMPT_TIME;
    t.ok((left.deadline ?? Infinity) <= REKEY_ATTEMPT_TIME, 'the device asks to be called');
    left.tick();
    t.same(deliver(left, { from: RIGHT, bytes: late }), [], 'its response comes too late');
  }
  t.end();
});

// ── Restart ──────────────────────────────────────────────────────────────────────────────────────────────

const storedOf = (effects: readonly Effect[], fill: number): Uint8Array | undefined => {
  const found = effects.filter(
    (e) => e.kind === 'storeTimestamp' && e.owner.text === keyPair(fill).public.text,
  );
  const last = found.at(-1);
  return last?.kind === 'storeTimestamp' ? last.label : undefined;
};

void t.test('a recorded initiation is refused after a restart, the next one of the peer is not', (t) => {
  for (const kex of ['classical', 'hybrid-required'] as const) {
    const { left, right, clock } = twoDevices({ kex });
    const recorded = initiation(left);
    const effects = deliver(right, { from: LEFT, bytes: recorded });
    const order = kinds(effects);
    t.ok(order.indexOf('storeTimestamp') < order.indexOf('sendHandshake'), 'stored before it is answered');
    const rightStored = storedOf(effects, 1);
    if (!rightStored) throw new Error('nothing was stored');
    const { right: reborn } = twoDevices({ kex, clock, rightStored });
    const again = deliver(reborn, { from: at(66), bytes: recorded });
    t.same(kinds(again), ['refused']);
    t.equal(refusalOf(again)?.reason, 'replayed initiation');
    clock.ms += 5400;
    left.tick();
    t.ok(keysOf(deliver(reborn, { from: LEFT, bytes: sentBy(workAll(left)) })));
  }
  t.end();
});

void t.test('a peer whose clock went back: refused, until an operator resets it', (t) => {
  const { left, right, clock } = twoDevices(HYBRID);
  clock.ms = 86_400_000;
  const effects = deliver(right, { from: LEFT, bytes: initiation(left) });
  const rightStored = storedOf(effects, 1);
  if (!rightStored) throw new Error('nothing was stored');
  const { left: back, right: target, clock: early } = twoDevices({ ...HYBRID, rightStored });
  const refused = deliver(target, { from: LEFT, bytes: initiation(back) });
  t.equal(refusalOf(refused)?.reason, 'replayed initiation');
  t.strictSame(
    target.resetClock(peerId.parse('left')).map((e) => ({ ...e, owner: undefined })),
    [{ kind: 'storeTimestamp', owner: undefined, label: undefined }],
  );
  t.throws(() => target.resetClock(peerId.parse('nobody')), { code: 'PEER_UNKNOWN' });
  early.ms += 5400;
  back.tick();
  t.ok(keysOf(deliver(target, { from: LEFT, bytes: sentBy(workAll(back)) })));
  t.end();
});

void t.test('our own clock went back over a restart: peers still understand us', (t) => {
  const { left, right, clock } = twoDevices(HYBRID);
  clock.ms = 86_400_000;
  const begun = [...left.activity([{ ...idle, needHandshake: true }]), ...workAll(left)];
  t.ok(keysOf(deliver(right, { from: LEFT, bytes: sentBy(begun) })));
  const leftOwnStored = storedOf(begun, 1);
  if (!leftOwnStored) throw new Error('nothing was stored');
  const naive = twoDevices(HYBRID);
  clock.ms += 1000;
  t.equal(
    refusalOf(deliver(right, { from: LEFT, bytes: initiation(naive.left) }))?.reason,
    'replayed initiation',
  );
  const told = twoDevices({ ...HYBRID, leftOwnStored });
  t.ok(keysOf(deliver(right, { from: LEFT, bytes: initiation(told.left) })));
  t.end();
});

void t.test('a peer that hurries or jumps costs few writes', (t) => {
  const make = (clock: TestClock, seed: number): Device =>
    new Device({
      secretKey: keyPair(1).secret,
      peers: [settings({ publicKey: anyPublicKey(2), endpoint: RIGHT, ...HYBRID })],
      clock,
      randomBytes: randomness(seed),
    });
  for (const [jump, most] of [
    [0, 8],
    [3_600_000, 20],
  ] as const) {
    const { right, clock } = twoDevices(HYBRID);
    const theirs = new TestClock();
    let [writes, answers] = [0, 0];
    for (let i = 0; i < 100; i++) {
      clock.ms += 100;
      theirs.ms = clock.ms + i * jump;
      const effects = deliver(right, { from: LEFT, bytes: initiation(make(theirs, i)) });
      writes += effects.filter((e) => e.kind === 'storeTimestamp').length;
      answers += effects.filter((e) => e.kind === 'sendHandshake').length;
    }
    t.ok(writes <= most, `${writes} writes for 100 initiations in 10 s`);
    if (jump === 0) t.equal(answers, 100);
    else t.ok(answers <= most, `${answers} answers`);
  }
  t.end();
});

// ── The second implementation at the other end ───────────────────────────────────────────────────────────

void t.test('the second implementation initiates, a device answers', (t) => {
  for (const psk of [undefined, 7]) {
    const { right } = twoDevices({ ...HYBRID, ...(psk !== undefined && { psk }) });
    const begun = initiate({
      S: new X25519(new Uint8Array(32).fill(1)),
      Sr: anyPublicKey(2).bytes,
      E: new X25519(randomBytes(32)),
      kem: new Kem(randomBytes(64)),
      psk: new Uint8Array(32).fill(psk ?? 0),
      index: 0xfeedf00d,
      timestamp: hex('4000000067748580075bcd15'),
    });
    const effects = deliver(right, { from: LEFT, bytes: begun.message });
    const ended = begun.finish(sentBy(effects));
    const keys = keysOf(effects);
    t.equal(keys.remoteIndex, 0xfeedf00d);
    t.equal(keys.localIndex, ended.responderIndex);
    t.equal(toHex(keys.receiveKey), toHex(ended.t1));
    t.equal(toHex(keys.sendKey), toHex(ended.t2));
    t.equal(sessionOf(confirm(right, keys))?.tunnelSession, ended.identity);
  }
  t.end();
});

void t.test('a device initiates, the second implementation answers', (t) => {
  for (const psk of [undefined, 7]) {
    const { left } = twoDevices({ ...HYBRID, ...(psk !== undefined && { psk }) });
    const heard = hear(new X25519(new Uint8Array(32).fill(2)), initiation(left));
    t.equal(toHex(heard.initiator), toHex(anyPublicKey(1).bytes));
    const answered = heard.answer({
      E: new X25519(randomBytes(32)),
      psk: new Uint8Array(32).fill(psk ?? 0),
      index: 0xfeedf00d,
      encapsulated: Encaps(heard.ek),
    });
    const effects = deliver(left, { from: RIGHT, bytes: answered.message });
    const keys = keysOf(effects);
    t.equal(keys.remoteIndex, 0xfeedf00d);
    t.equal(keys.localIndex, heard.initiatorIndex);
    t.equal(toHex(keys.sendKey), toHex(answered.t1));
    t.equal(toHex(keys.receiveKey), toHex(answered.t2));
    t.equal(sessionOf(effects)?.tunnelSession, answered.identity);
  }
  t.end();
});

void t.test('classical and hybrid peers on one device', (t) => {
  const clock = new TestClock();
  const device = new Device({
    secretKey: keyPair(2).secret,
    peers: [
      settings({ number: 0, id: peerId.parse('old'), publicKey: anyPublicKey(1) }),
      settings({ number: 1, id: peerId.parse('new'), publicKey: anyPublicKey(3), ...HYBRID }),
    ],
    clock,
    randomBytes: randomness(8),
  });
  const call = (fill: number, over: Partial<typeof HYBRID>): Uint8Array =>
    initiation(
      new Device({
        secretKey: new SecretKey(new Uint8Array(32).fill(fill)),
        peers: [settings({ publicKey: anyPublicKey(2), endpoint: RIGHT, ...over })],
        clock,
        randomBytes: randomness(fill),
      }),
    );
  t.equal(sentBy(deliver(device, { from: at(1), bytes: call(1, {}) }))[0], 2);
  t.equal(sentBy(deliver(device, { from: at(3), bytes: call(3, HYBRID) }))[0], 6);
  clock.ms += 100;
  t.equal(refusalOf(deliver(device, { from: at(1), bytes: call(1, HYBRID) }))?.peer, 'old');
  t.equal(refusalOf(deliver(device, { from: at(3), bytes: call(3, {}) }))?.reason, 'kex_downgrade_refused');
  t.end();
});
