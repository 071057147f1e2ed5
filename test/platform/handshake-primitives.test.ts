/** What the native handshake is computed with, against Wycheproof and against the implementations in JavaScript. */
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { hkdf3, mac, nobleHash } from '../../src/crypto/blake2s.ts';
import { DecapsulationKey } from '../../src/crypto/kem.ts';
import { addon } from '../../src/platform/addon.ts';
import { hex, readVectors, toHex } from '../crypto/vectors.ts';

const { primitives } = addon();

interface Case {
  readonly tcId: number;
  readonly result: string;
  readonly [field: string]: string | number;
}
const cases = (file: string): Case[] =>
  (readVectors(`wycheproof/${file}`) as { testGroups: { tests: Case[] }[] }).testGroups.flatMap(
    (g) => g.tests,
  );
const bytes = (test: Case, field: string): Uint8Array => hex(String(test[field]));

void t.test('Wycheproof: X25519', (t) => {
  const tests = cases('x25519_test.json');
  t.ok(tests.length > 500);
  const wrong = tests.filter((test) => {
    const expected = /^0+$/.test(String(test['shared'])) ? undefined : test['shared'];
    return toHex(primitives.shared(bytes(test, 'private'), bytes(test, 'public'))) !== expected;
  });
  t.same(wrong, [], 'every shared secret, and none where it would be zero');
  t.end();
});

void t.test('Wycheproof: ChaCha20-Poly1305', (t) => {
  const tests = cases('chacha20_poly1305_test.json').filter((test) => bytes(test, 'iv').length === 12);
  t.ok(tests.length > 250);
  const wrong = tests.filter((test) => {
    const [key, iv, aad] = [bytes(test, 'key'), bytes(test, 'iv'), bytes(test, 'aad')];
    const sealed = hex(`${test['ct']}${test['tag']}`);
    const opened = toHex(primitives.open(key, iv, aad, sealed));
    if (test.result !== 'valid') return opened !== undefined;
    return (
      opened !== test['msg'] || toHex(primitives.seal(key, iv, aad, bytes(test, 'msg'))) !== toHex(sealed)
    );
  });
  t.same(wrong, []);
  t.end();
});

void t.test('Wycheproof: ML-KEM-768 encapsulation, and keys that are none', (t) => {
  const tests = cases('mlkem_768_encaps_test.json');
  t.ok(tests.length >= 250);
  const right = tests.filter((test) => bytes(test, 'ek').length === 1184);
  t.ok(right.some((test) => test.result === 'invalid'));
  const wrong = right.filter((test) => {
    const made = primitives.encapsulate(bytes(test, 'ek'), bytes(test, 'm'));
    return test.result === 'valid' ? toHex(made) !== `${test['c']}${test['K']}` : made !== undefined;
  });
  t.same(
    wrong.map((test) => test.tcId),
    [],
  );
  t.throws(() => primitives.encapsulate(new Uint8Array(1183)), { code: 'ERR_INVALID_ARG_VALUE' });
  t.end();
});

void t.test('with fresh randomness, @noble/post-quantum comes to the same secret', (t) => {
  const key = DecapsulationKey.generate(new Uint8Array(randomBytes(64)));
  const [a, b] = [1, 2].map(() => primitives.encapsulate(key.encapsulationKey) as Uint8Array);
  t.notSame(a, b);
  t.equal(
    key.decapsulate((a as Uint8Array).subarray(0, 1088))?.use((k) => toHex(k)),
    toHex(a?.subarray(1088)),
  );
  t.end();
});

void t.test('BLAKE2s in its three uses is what @noble/hashes says, at every length about a block', (t) => {
  const wrong: number[] = [];
  for (let length = 0; length <= 260; length++) {
    const data = new Uint8Array(randomBytes(length));
    for (const key of [new Uint8Array(randomBytes(16)), new Uint8Array(randomBytes(32))])
      if (toHex(primitives.mac(key, data)) !== toHex(mac(key, data))) wrong.push(length);
    if (toHex(primitives.hash(data)) !== toHex(nobleHash(data))) wrong.push(length);
    const ck = new Uint8Array(randomBytes(32));
    const derived = Buffer.concat(hkdf3(ck, data)).toString('hex');
    if (toHex(primitives.derive(ck, data)) !== derived) wrong.push(length);
  }
  t.same(wrong, []);
  t.end();
});
