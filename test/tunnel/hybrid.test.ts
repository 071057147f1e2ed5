/**
 * The hybrid handshake: golden vectors, a second implementation in both roles, every byte tampered, and what must be
 * wiped.
 */
import { createHash, randomBytes } from 'node:crypto';
import t from 'tap';
import { DecapsulationKey } from '../../src/crypto/kem.ts';
import { SecretKey } from '../../src/crypto/secret-key.ts';
import { publicKeyOf } from '../../src/crypto/x25519.ts';
import { Initiator, Responder, remoteStatic } from '../../src/tunnel/handshake.ts';
import type { InitiationFields, RemoteStatic, ResponseFields } from '../../src/tunnel/handshake.ts';
import { decodeHandshake } from '../../src/tunnel/message.ts';
import { hex, toHex } from '../crypto/vectors.ts';
import { readHybridVectors, run } from './hybrid-vectors.ts';
import { Encaps, Kem, X25519, blake2s, hear, initiate } from './second-opinion.ts';
import { keyPair } from './support.ts';

const vectors = readHybridVectors();

void t.test('the second implementation’s own BLAKE2s', (t) => {
  for (const length of [0, 1, 63, 64, 65, 128, 1316]) {
    const data = randomBytes(length);
    t.same(blake2s(32, new Uint8Array(0), data), createHash('blake2s256').update(data).digest());
  }
  t.end();
});

void t.test('golden vectors: ours, in both roles', (t) => {
  t.equal(vectors.length, 2);
  for (const v of vectors) {
    const { initiation, response, initiator, responder, timestamp } = run(v);
    t.equal(toHex(initiation), v.initiation, v.name);
    t.equal(toHex(response), v.response);
    t.equal(toHex(timestamp), v.timestamp);
    for (const [end, send, receive] of [
      [initiator, v.t1, v.t2],
      [responder, v.t2, v.t1],
    ] as const) {
      t.equal(toHex(end.hash), v.handshake_hash);
      t.equal(
        end.sendKey.use((k) => toHex(k)),
        send,
      );
      t.equal(
        end.receiveKey.use((k) => toHex(k)),
        receive,
      );
      t.equal(end.kex, 'hybrid', 'with a pre-shared key too');
    }
  }
  t.end();
});

void t.test('golden vectors: the second implementation, in both roles', (t) => {
  for (const v of vectors) {
    const kem = new Kem(hex(v.kem_seed));
    const own = {
      S: new X25519(hex(v.initiator_static)),
      Sr: hex(v.responder_static_public),
      E: new X25519(hex(v.initiator_ephemeral)),
      kem,
      psk: hex(v.psk),
      index: v.initiator_index,
      timestamp: hex(v.timestamp),
    };
    t.equal(toHex(own.S.pub), v.initiator_static_public);
    t.equal(toHex(kem.ek), v.encapsulation_key);
    t.equal(toHex(kem.Decaps(hex(v.ciphertext))), v.kem_secret);
    const begun = initiate(own);
    t.equal(toHex(begun.message), v.initiation, v.name);
    const ended = begun.finish(hex(v.response));
    const heard = hear(new X25519(hex(v.responder_static)), hex(v.initiation));
    t.equal(toHex(heard.initiator), v.initiator_static_public);
    t.equal(toHex(heard.timestamp), v.timestamp);
    const answered = heard.answer({
      E: new X25519(hex(v.responder_ephemeral)),
      psk: hex(v.psk),
      index: v.responder_index,
      encapsulated: { ct: hex(v.ciphertext), K: hex(v.kem_secret) },
    });
    t.equal(toHex(answered.message), v.response);
    for (const end of [ended, answered]) {
      t.equal(toHex(end.hash), v.handshake_hash);
      t.equal(end.identity, v.session_id);
      t.same([toHex(end.t1), toHex(end.t2)], [v.t1, v.t2]);
    }
  }
  t.end();
});

const random = (): { secret: Uint8Array; pair: ReturnType<typeof keyPair> } => {
  const secret = randomBytes(32);
  const key = new SecretKey(secret);
  return { secret, pair: { secret: key, public: publicKeyOf(key) } };
};

void t.test('live, with fresh keys: ours initiates, the second implementation answers', (t) => {
  for (const psk of [new Uint8Array(32), randomBytes(32)]) {
    const [us, them] = [random(), random()];
    const remote = remoteStatic(us.pair, them.pair.public, new SecretKey(psk)) as RemoteStatic;
    const e1 = DecapsulationKey.generate(randomBytes(64));
    const timestamp = randomBytes(12);
    const written = Initiator.write(us.pair, remote, { e: random().pair, e1 }, timestamp);
    if (!written) throw new Error('no initiation');
    const S = new X25519(them.secret);
    // hear() wants the whole message; the vectors have shown the frame, so it is put on here.
    const message = frame(written.fields, S.pub);
    const heard = hear(S, message);
    t.same(heard.initiator, Buffer.from(us.pair.public.bytes));
    t.same(heard.timestamp, timestamp);
    const answer = heard.answer({
      E: new X25519(randomBytes(32)),
      psk,
      index: 7,
      encapsulated: Encaps(heard.ek),
    });
    const decoded = decodeHandshake(answer.message);
    if (decoded.kind !== 'message' || decoded.message.type !== 6) throw new Error('not a type 6');
    const outcome = written.handshake.read(decoded.message);
    t.equal(toHex(outcome?.hash), toHex(answer.hash));
    t.equal(
      outcome?.sendKey.use((k) => toHex(k)),
      toHex(answer.t1),
    );
    t.equal(
      outcome?.receiveKey.use((k) => toHex(k)),
      toHex(answer.t2),
    );
  }
  t.end();
});

/** Offsets of docs/PROTOCOL.md, and mac1 by the second implementation's BLAKE2s. */
function frame(fields: InitiationFields, receiver: Uint8Array): Buffer {
  const message = Buffer.alloc(1348);
  message[0] = 5;
  message.set(fields.ephemeral, 8);
  message.set(fields.sealedKemKey ?? [], 40);
  message.set(fields.sealedStatic, 1240);
  message.set(fields.sealedTimestamp, 1288);
  const key = createHash('blake2s256').update('mac1----').update(receiver).digest();
  message.set(blake2s(16, key, message.subarray(0, 1316)), 1316);
  return message;
}

// ── Tampering ────────────────────────────────────────────────────────────────────────────────────────────

const [left, right] = [keyPair(1), keyPair(2)];
const psk = new SecretKey(new Uint8Array(32).fill(5));
const toRight = remoteStatic(left, right.public, psk) as RemoteStatic;
const toLeft = remoteStatic(right, left.public, psk) as RemoteStatic;

const begin = (remote = toRight) => {
  const e1 = DecapsulationKey.generate(new Uint8Array(64).fill(6));
  const written = Initiator.write(left, remote, { e: keyPair(3), e1 }, new Uint8Array(12).fill(9));
  if (!written) throw new Error('no initiation');
  return { ...written, e1 };
};

const accept = (fields: InitiationFields): Responder | undefined => {
  const responder = Responder.read(right, fields);
  return responder?.readTimestamp(toLeft, fields.sealedTimestamp) ? responder : undefined;
};

const answer = (fields: InitiationFields) => {
  const answered = accept(fields)?.write(toLeft, {
    e: keyPair(4),
    kemRandomness: new Uint8Array(32).fill(8),
  });
  if (!answered) throw new Error('no response');
  return answered;
};

const changed = (bytes: Uint8Array, i: number): Uint8Array => {
  const copy = Uint8Array.from(bytes);
  copy[i] = (copy[i] ?? 0) ^ 0x80;
  return copy;
};

void t.test('every byte of a hybrid initiation counts', (t) => {
  const { fields } = begin();
  for (const name of ['ephemeral', 'sealedKemKey', 'sealedStatic', 'sealedTimestamp'] as const) {
    const bytes = fields[name] ?? new Uint8Array(0);
    t.ok(bytes.length > 0, name);
    for (let i = 0; i < bytes.length; i++)
      if (accept({ ...fields, [name]: changed(bytes, i) })) t.fail(`${name}[${i}]`);
  }
  t.ok(accept(fields), 'the original is still good');
  const { sealedKemKey: _, ...classical } = fields;
  t.notOk(accept(classical), 'nor does it pass as a classical one');
  t.end();
});

void t.test('every byte of a hybrid response counts, and a forged one changes nothing', (t) => {
  const { handshake, fields, e1 } = begin();
  const { fields: response, outcome } = answer(fields);
  for (const name of ['ephemeral', 'sealedCiphertext', 'sealedNothing'] as const) {
    const bytes = response[name] ?? new Uint8Array(0);
    t.ok(bytes.length > 0, name);
    for (let i = 0; i < bytes.length; i++)
      if (handshake.read({ ...response, [name]: changed(bytes, i) })) t.fail(`${name}[${i}]`);
  }
  const { sealedCiphertext: _, ...classical } = response;
  t.notOk(handshake.read(classical), 'a classical response does not answer it');
  t.notOk(e1.wiped, 'nothing of it is gone');
  const read = handshake.read(response);
  t.equal(toHex(read?.hash), toHex(outcome.hash), 'the true one is still accepted');
  t.ok(e1.wiped, 'and then the decapsulation key is wiped');
  t.end();
});

void t.test('a hybrid response does not answer a classical initiation', (t) => {
  const classical = Initiator.write(left, toRight, { e: keyPair(3) }, new Uint8Array(12).fill(9));
  if (!classical) throw new Error('no initiation');
  const response: ResponseFields = answer(begin().fields).fields;
  t.notOk(classical.handshake.read(response));
  t.end();
});

void t.test('an encapsulation key that is none: no response', (t) => {
  // A dishonest peer: the fields are sealed as they should be, the key in them is past the modulus.
  const bad = { encapsulationKey: new Uint8Array(1184).fill(0xff), wipe: () => undefined };
  const written = Initiator.write(
    left,
    toRight,
    { e: keyPair(3), e1: bad as unknown as DecapsulationKey },
    new Uint8Array(12).fill(9),
  );
  if (!written) throw new Error('no initiation');
  const responder = accept(written.fields);
  t.ok(responder);
  t.equal(responder?.write(toLeft, { e: keyPair(4), kemRandomness: new Uint8Array(32).fill(8) }), undefined);
  t.end();
});

void t.test('pre-shared keys that differ end at the response', (t) => {
  const { handshake, fields, e1 } = begin(
    remoteStatic(left, right.public, new SecretKey(new Uint8Array(32).fill(66))),
  );
  t.equal(handshake.read(answer(fields).fields), undefined);
  handshake.wipe();
  t.ok(e1.wiped, 'given up: wiped');
  t.end();
});
