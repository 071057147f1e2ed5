/**
 * The addon's responder: the golden vectors of types 5 and 6, the second implementation's initiator, the prologue, what
 * is asked in the wrong order; in threads; and an addon that is wrong isn't used.
 */
import t from 'tap';
import { once } from 'node:events';
import { EventEmitter } from 'node:events';
import { NativeResponding, isUnderstood } from '../../src/main/tunnel-handshakes.ts';
import { addon } from '../../src/platform/addon.ts';
import type { Addon, HandshakeDone, NativeHandshakes } from '../../src/platform/addon.ts';
import { Device } from '../../src/tunnel/device.ts';
import type { Effect } from '../../src/tunnel/effect.ts';
import { Initiator, remoteStatic } from '../../src/tunnel/handshake.ts';
import { encodeInitiation } from '../../src/tunnel/message.ts';
import { peerId } from '../../src/wire/ids.ts';
import { hex, toHex } from '../crypto/vectors.ts';
import { readHybridVectors } from '../tunnel/hybrid-vectors.ts';
import {
  TestClock,
  at,
  initiation,
  keyPair,
  kinds,
  randomness,
  settings,
  twoDevices,
} from '../tunnel/support.ts';

const { openHandshakes } = addon();
const nobody = (): void => undefined;

function oneOf(native: NativeHandshakes): HandshakeDone {
  const batch = native.take();
  if (batch.length !== 1 || !batch[0]) throw new Error(`${batch.length} are done, not one`);
  return batch[0];
}

void t.test('golden vectors of the hybrid handshake', (t) => {
  const vectors = readHybridVectors();
  t.ok(vectors.length > 0);
  for (const v of vectors) {
    const native = openHandshakes({ secretKey: hex(v.responder_static), threads: 0, onDone: nobody });
    t.ok(native.hybrid);
    t.ok(native.setPeer(3, hex(v.initiator_static_public), hex(v.psk)));
    const message = hex(v.initiation);
    t.ok(native.checkMac1(message));
    const job = native.read(message);
    const read = oneOf(native);
    t.match(read, { job, hybrid: true, peer: 3 });
    t.equal(toHex(read.timestamp), v.timestamp);
    t.ok(native.write(job, v.responder_index, hex(v.responder_ephemeral), hex(v.kem_randomness)));
    const { answer } = oneOf(native);
    const part = (from: number, to?: number): string | undefined => toHex(answer?.subarray(from, to));
    t.equal(part(0, 1196), v.response);
    t.equal(part(1196, 1228), v.t2, 'to send with');
    t.equal(part(1228, 1260), v.t1, 'to receive with');
    t.equal(part(1260), v.handshake_hash);
    native.close();
  }
  t.end();
});

const classical = (timestamp: number, prologue?: Uint8Array): Uint8Array => {
  const [us, them] = [keyPair(1), keyPair(2)];
  const remote = remoteStatic(us, them.public);
  const label = new Uint8Array(12).fill(timestamp);
  const written = remote && Initiator.write(us, remote, { e: keyPair(4) }, label, prologue);
  if (!written) throw new Error('no initiation');
  return encodeInitiation({ sender: 5, ...written.fields });
};

void t.test('the prologue counts, and comes from outside', (t) => {
  const prologue = new TextEncoder().encode('another');
  const secretKey = new Uint8Array(32).fill(2);
  const native = openHandshakes({ secretKey, prologue, threads: 0, onDone: nobody });
  native.setPeer(0, keyPair(1).public.bytes);
  native.read(classical(1, prologue));
  t.equal(oneOf(native).peer, 0);
  native.read(classical(1));
  t.same(oneOf(native), { job: 1, hybrid: false, stranger: false });
  native.close();
  t.throws(() => native.read(classical(1)), { code: 'EBADF' });
  t.end();
});

void t.test('nothing is written that was not read from a peer, and jobs come to an end', (t) => {
  const native = openHandshakes({ secretKey: new Uint8Array(32).fill(2), threads: 0, onDone: nobody });
  t.notOk(native.write(0, 1), 'no such job');
  native.read(classical(1));
  t.notOk(native.write(0, 1), 'not yet taken');
  t.same(oneOf(native), { job: 0, hybrid: false, claimed: keyPair(1).public.bytes, stranger: true });
  t.notOk(native.write(0, 1), 'of a stranger');
  t.notOk(native.setPresharedKey(keyPair(1).public.bytes, new Uint8Array(32)));
  t.notOk(native.setPeer(1, new Uint8Array(32)), 'a point of small order');
  native.setPeer(1, keyPair(1).public.bytes);
  for (let i = 0; i < native.jobs; i++) t.ok(native.read(classical(i)) >= 0);
  t.equal(native.read(classical(1)), -1, 'a job more than there are');
  for (const { job } of native.take()) native.release(job);
  t.ok(native.read(classical(1)) >= 0);
  t.throws(() => native.setPeer(4096, keyPair(1).public.bytes));
  t.throws(() => native.setPeer(1, new Uint8Array(31)));
  t.throws(() => native.write(native.jobs, 1));
  t.throws(() => openHandshakes({ secretKey: new Uint8Array(31), threads: 0, onDone: nobody }));
  native.close();
  native.close();
  t.end();
});

void t.test('an addon that computes something else is not used', (t) => {
  t.ok(isUnderstood(openHandshakes));
  const changed =
    (field: 'answer' | 'timestamp'): Addon['openHandshakes'] =>
    (options) => {
      const native = openHandshakes(options);
      const take = (): HandshakeDone[] =>
        native.take().map((done) => {
          const bytes = done[field];
          bytes?.set([(bytes.at(-40) ?? bytes.at(-1) ?? 0) ^ 1], Math.max(0, bytes.length - 40));
          return done;
        });
      return Object.assign(Object.create(native) as NativeHandshakes, native, { take });
    };
  t.notOk(isUnderstood(changed('timestamp')));
  t.notOk(isUnderstood(changed('answer')));
  t.notOk(
    isUnderstood(() => {
      throw new Error('no such symbol');
    }),
  );
  t.end();
});

void t.test('in a thread: a device answers when the thread has, and decides in between', async (t) => {
  for (const kex of ['classical', 'hybrid-required'] as const) {
    const { left } = twoDevices({ kex });
    const news = new EventEmitter();
    let native: NativeResponding | undefined;
    const right = new Device({
      secretKey: keyPair(2).secret,
      peers: [settings({ publicKey: keyPair(1).public, id: peerId.parse('left'), kex })],
      clock: new TestClock(),
      randomBytes: randomness(22),
      respond: (local, peers, plain) =>
        (native = new NativeResponding(openHandshakes, 1, local, peers, plain, () => news.emit('progress'))),
    });
    const bytes = initiation(left);
    right.receive([{ from: at(1), bytes }]);
    // The same once more while the first is under way: it is decided after it, and refused.
    right.receive([{ from: at(1), bytes: Uint8Array.from(bytes) }]);
    const effects: Effect[] = right.work();
    t.same(kinds(effects), [], 'nothing yet');
    t.ok(native?.ready);
    t.notOk(right.hasWork);
    while (!kinds(effects).includes('sendHandshake')) {
      await once(news, 'progress');
      effects.push(...right.work());
    }
    t.same(
      kinds(effects)
        .filter((kind) => kind !== 'refused')
        .sort(),
      ['sendHandshake', 'setEndpoint', 'setKeypair', 'storeTimestamp'],
    );
    t.equal(effects.find((e) => e.kind === 'refused')?.refusal.reason, 'replayed initiation');
    left.receive(
      effects.flatMap((e) => (e.kind === 'sendHandshake' ? [{ from: at(2), bytes: e.bytes }] : [])),
    );
    const finished = left.work().find((e) => e.kind === 'setKeypair');
    const ours = effects.find((e) => e.kind === 'setKeypair');
    t.same(finished?.keys.sendKey, ours?.keys.receiveKey);
    t.same(finished?.keys.receiveKey, ours?.keys.sendKey);
    t.notSame(ours?.keys.sendKey, new Uint8Array(32));
    right.receive([{ from: at(1), bytes }]);
    right.work();
    right.close();
  }
});
