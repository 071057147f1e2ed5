/** IKpsk2: the published vector through both roles, the two roles against each other, and every byte tampered. */
import t from 'tap';
import { counterNonce, open } from '../../src/crypto/aead.ts';
import { PublicKey } from '../../src/crypto/public-key.ts';
import { SecretKey } from '../../src/crypto/secret-key.ts';
import { publicKeyOf } from '../../src/crypto/x25519.ts';
import type { KeyPair } from '../../src/crypto/x25519.ts';
import { Initiator, Responder, remoteStatic } from '../../src/tunnel/handshake.ts';
import type { Outcome, RemoteStatic } from '../../src/tunnel/handshake.ts';
import { hex, noiseVector, toHex } from '../crypto/vectors.ts';
import { keyPair } from './support.ts';

const fromHex = (text: string): KeyPair => {
  const secret = new SecretKey(hex(text));
  return { secret, public: publicKeyOf(secret) };
};
const NONE = new Uint8Array(0);

void t.test('Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s, both roles', (t) => {
  const v = noiseVector('Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s');
  const [first, second, third, fourth] = v.messages.map((m) => ({
    payload: hex(m.payload),
    bytes: hex(m.ciphertext),
  }));
  if (!first || !second || !third || !fourth) throw new Error('the vector is short');
  const prologue = hex(v.init_prologue);
  const psk = new SecretKey(hex(v.init_psks?.[0] ?? ''));
  const [left, right] = [fromHex(v.init_static), fromHex(v.resp_static)];
  const toRight = remoteStatic(
    left,
    PublicKey.fromBytes(hex(v.init_remote_static)) as PublicKey,
    psk,
  ) as RemoteStatic;
  const toLeft = remoteStatic(right, left.public, psk) as RemoteStatic;

  const initiation = Initiator.write(
    left,
    toRight,
    { e: fromHex(v.init_ephemeral) },
    first.payload,
    prologue,
  );
  if (!initiation) throw new Error('no initiation');
  const { ephemeral, sealedStatic, sealedTimestamp } = initiation.fields;
  t.equal(toHex(Uint8Array.of(...ephemeral, ...sealedStatic, ...sealedTimestamp)), toHex(first.bytes));

  const responder = Responder.read(right, initiation.fields, prologue);
  if (!responder) throw new Error('no responder');
  t.equal(responder.claimed.text, left.public.text);
  t.same(responder.readTimestamp(toLeft, sealedTimestamp), first.payload);
  const response = responder.write(toLeft, { e: fromHex(v.resp_ephemeral) }, second.payload);
  if (!response) throw new Error('no response');
  t.equal(
    toHex(Uint8Array.of(...response.fields.ephemeral, ...response.fields.sealedNothing)),
    toHex(second.bytes),
  );

  const outcome = initiation.handshake.read(response.fields);
  if (!outcome) throw new Error('no outcome');
  t.equal(toHex(outcome.hash), v.handshake_hash);
  t.equal(toHex(response.outcome.hash), v.handshake_hash);
  const opens = (key: SecretKey, bytes: Uint8Array): string | undefined =>
    toHex(key.use((k) => open(k, counterNonce(0), NONE, bytes)));
  t.equal(opens(outcome.sendKey, third.bytes), toHex(third.payload));
  t.equal(opens(outcome.receiveKey, fourth.bytes), toHex(fourth.payload));
  t.ok(outcome.sendKey.equals(response.outcome.receiveKey));
  t.ok(outcome.receiveKey.equals(response.outcome.sendKey));
  t.equal(outcome.kex, 'classical+psk');
  t.end();
});

const [left, right] = [keyPair(1), keyPair(2)];
const TIMESTAMP = new Uint8Array(12).fill(9);

interface Ends {
  readonly toRight: RemoteStatic;
  readonly toLeft: RemoteStatic;
}
const ends = (leftPsk?: SecretKey, rightPsk?: SecretKey): Ends => ({
  toRight: remoteStatic(left, right.public, leftPsk) as RemoteStatic,
  toLeft: remoteStatic(right, left.public, rightPsk) as RemoteStatic,
});

const begin = ({ toRight }: Ends) => {
  const written = Initiator.write(left, toRight, { e: keyPair(3) }, TIMESTAMP);
  if (!written) throw new Error('no initiation');
  return written;
};

const respond = ({ toLeft }: Ends, fields: ReturnType<typeof begin>['fields']) => {
  const responder = Responder.read(right, fields);
  if (!responder?.readTimestamp(toLeft, fields.sealedTimestamp)) return undefined;
  return responder.write(toLeft, { e: keyPair(4) });
};

const answer = (pair: Ends, fields: ReturnType<typeof begin>['fields']) => {
  const response = respond(pair, fields);
  if (!response) throw new Error('no response');
  return response;
};

const equalOutcomes = (a: Outcome | undefined, b: Outcome | undefined): boolean =>
  a !== undefined && b !== undefined && a.sendKey.equals(b.receiveKey) && toHex(a.hash) === toHex(b.hash);

void t.test('with and without a pre-shared key, the mode is what ran', (t) => {
  const psk = new SecretKey(new Uint8Array(32).fill(5));
  for (const [pair, kex] of [
    [ends(), 'classical'],
    [ends(psk, psk), 'classical+psk'],
    [ends(SecretKey.zero(), undefined), 'classical'],
  ] as const) {
    const { handshake, fields } = begin(pair);
    const response = answer(pair, fields);
    const outcome = handshake.read(response.fields);
    t.ok(equalOutcomes(outcome, response.outcome));
    t.equal(outcome?.kex, kex);
    t.equal(response.outcome.kex, kex);
  }
  t.end();
});

void t.test('pre-shared keys that differ end at the response', (t) => {
  const pair = ends(new SecretKey(new Uint8Array(32).fill(5)));
  const { handshake, fields } = begin(pair);
  const response = answer(pair, fields);
  t.ok(response, 'the initiation does not depend on it');
  t.equal(handshake.read(response.fields), undefined);
  t.end();
});

void t.test('every byte of an initiation counts', (t) => {
  const pair = ends();
  const { fields } = begin(pair);
  for (const name of ['ephemeral', 'sealedStatic', 'sealedTimestamp'] as const) {
    for (let i = 0; i < fields[name].length; i++) {
      // The top bit of a coordinate isn't part of X25519's input, but it is in the hash.
      const changed = Uint8Array.from(fields[name]);
      changed[i] = (changed[i] ?? 0) ^ 0x80;
      if (respond(pair, { ...fields, [name]: changed })) t.fail(`${name}[${i}]`);
    }
  }
  t.ok(respond(pair, fields), 'the original is still good');
  t.end();
});

void t.test('every byte of a response counts, and a forged one changes nothing', (t) => {
  const pair = ends();
  const { handshake, fields } = begin(pair);
  const response = answer(pair, fields);
  for (const name of ['ephemeral', 'sealedNothing'] as const) {
    for (let i = 0; i < response.fields[name].length; i++) {
      const changed = Uint8Array.from(response.fields[name]);
      changed[i] = (changed[i] ?? 0) ^ 0x80;
      if (handshake.read({ ...response.fields, [name]: changed })) t.fail(`${name}[${i}]`);
    }
  }
  t.equal(
    handshake.read({ ...response.fields, ephemeral: new Uint8Array(32) }),
    undefined,
    'a point of small order',
  );
  t.ok(equalOutcomes(handshake.read(response.fields), response.outcome), 'the true one is still accepted');
  t.end();
});

void t.test('the wrong responder, the wrong static key, a point of small order', (t) => {
  const pair = ends();
  const { fields } = begin(pair);
  t.equal(Responder.read(keyPair(6), fields), undefined, 'not meant for this key');
  const other = remoteStatic(right, keyPair(7).public) as RemoteStatic;
  t.equal(Responder.read(right, fields)?.readTimestamp(other, fields.sealedTimestamp), undefined);
  t.equal(Responder.read(right, { ...fields, ephemeral: new Uint8Array(32) }), undefined);
  t.equal(remoteStatic(left, PublicKey.fromBytes(new Uint8Array(32)) as PublicKey), undefined);
  t.end();
});
