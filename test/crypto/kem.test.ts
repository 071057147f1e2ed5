/** ML-KEM-768 against Wycheproof and against node:crypto; the secret half is opaque and can be wiped. */
import { createPrivateKey, createPublicKey, decapsulate, randomBytes } from 'node:crypto';
import * as crypto from 'node:crypto';
import { inspect } from 'node:util';
import t from 'tap';
import {
  DecapsulationKey,
  encapsulate,
  encapsulateWith,
  engine,
  isUnderstood,
  noble,
  openssl,
} from '../../src/crypto/kem.ts';
import { hex, readVectors, toHex } from './vectors.ts';

interface Wycheproof {
  testGroups: {
    tests: {
      tcId: number;
      seed: string;
      ek: string;
      m: string;
      c: string;
      K: string;
      result: 'valid' | 'invalid';
    }[];
  }[];
}
const tests = (file: string): Wycheproof['testGroups'][number]['tests'] =>
  (readVectors(`wycheproof/${file}`) as Wycheproof).testGroups.flatMap((g) => g.tests);

void t.test('Wycheproof: key pairs from seeds', (t) => {
  const cases = tests('mlkem_768_keygen_seed_test.json');
  t.ok(cases.length >= 100);
  t.same(
    cases.filter((c) => toHex(DecapsulationKey.generate(hex(c.seed)).encapsulationKey) !== c.ek),
    [],
  );
  t.end();
});

void t.test('Wycheproof: encapsulation, and keys that are none', (t) => {
  const cases = tests('mlkem_768_encaps_test.json');
  t.ok(cases.length >= 250);
  t.ok(cases.some((c) => c.result === 'invalid'));
  const wrong = cases.filter((c) => {
    const result = encapsulateWith(hex(c.ek), hex(c.m));
    if (c.result === 'invalid') return result !== undefined || encapsulate(hex(c.ek)) !== undefined;
    if (!openssl.encapsulate(hex(c.ek))) return true;
    return toHex(result?.ciphertext) !== c.c || result?.secret.use((k) => toHex(k)) !== c.K;
  });
  t.same(
    wrong.map((c) => c.tcId),
    [],
  );
  t.end();
});

void t.test('Wycheproof: decapsulation, with implicit rejection', (t) => {
  const cases = tests('mlkem_768_test.json');
  t.ok(cases.length >= 190);
  const wrong = cases.filter((c) => {
    if (c.seed.length !== 128) return c.result === 'valid';
    const shared = DecapsulationKey.generate(hex(c.seed)).decapsulate(hex(c.c));
    return (shared?.use((k) => toHex(k)) === c.K) !== (c.result === 'valid');
  });
  t.same(
    wrong.map((c) => c.tcId),
    [],
  );
  t.end();
});

/** OpenSSL's key from the same seed. */
const theirs = (seed: Uint8Array): crypto.KeyObject => {
  // PKCS #8 of RFC 9935: the algorithm, and the seed as [0] in an octet string.
  const der = Buffer.concat([Buffer.from('3054020100300b060960864801650304040204428040', 'hex'), seed]);
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
};

void t.test('node:crypto: both directions', (t) => {
  for (let i = 0; i < 5; i++) {
    const seed = randomBytes(64);
    const privateKey = theirs(seed);
    const ours = DecapsulationKey.generate(Uint8Array.from(seed));
    const publicKey = createPublicKey(privateKey);
    const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-1184);
    t.equal(toHex(ours.encapsulationKey), raw.toString('hex'), 'one seed, one key');
    const towards = crypto.encapsulate(publicKey);
    t.equal(
      ours.decapsulate(towards.ciphertext)?.use((k) => toHex(k)),
      towards.sharedKey.toString('hex'),
    );
    const from = i % 2 === 0 ? encapsulateWith(raw, randomBytes(32)) : encapsulate(raw);
    if (!from) throw new Error('no encapsulation');
    t.equal(
      from.secret.use((k) => toHex(k)),
      decapsulate(privateKey, from.ciphertext).toString('hex'),
    );
    const changed = Uint8Array.from(from.ciphertext);
    changed[i] = (changed[i] ?? 0) ^ 1;
    const rejected = ours.decapsulate(changed)?.use((k) => toHex(k));
    t.equal(rejected, decapsulate(privateKey, changed).toString('hex'), 'implicit rejection is the same');
    t.not(
      rejected,
      from.secret.use((k) => toHex(k)),
    );
  }
  t.end();
});

void t.test('randomness is used up, a wiped key is gone, nothing shows it', (t) => {
  const seed = randomBytes(64);
  const key = DecapsulationKey.generate(seed);
  t.ok(seed.every((b) => b === 0));
  const randomness = randomBytes(32);
  const { ciphertext } = encapsulateWith(key.encapsulationKey, randomness) ?? {};
  if (!ciphertext) throw new Error('no encapsulation');
  t.ok(randomness.every((b) => b === 0));
  t.match(
    `${inspect(key, { showHidden: true })} ${JSON.stringify({ key })} ${String(key)}`,
    /^\[secret\] .*\[secret\]$/,
  );
  t.equal(key.decapsulate(ciphertext.subarray(1)), undefined);
  t.equal(encapsulateWith(key.encapsulationKey.subarray(1), randomBytes(32)), undefined);
  t.equal(encapsulate(key.encapsulationKey.subarray(1)), undefined);
  t.notOk(key.wiped);
  key.wipe();
  t.ok(key.wiped);
  t.throws(() => key.decapsulate(ciphertext), { code: 'INTERNAL' });
  t.throws(() => DecapsulationKey.generate(randomBytes(63)), { code: 'INTERNAL' });
  t.throws(() => encapsulateWith(key.encapsulationKey, randomBytes(31)), { code: 'INTERNAL' });
  t.end();
});

void t.test('OpenSSL encapsulates, and only when it is understood', (t) => {
  t.equal(engine().name, 'openssl');
  t.ok(isUnderstood(openssl));
  t.ok(isUnderstood(noble));
  t.notOk(isUnderstood({ ...openssl, encapsulate: () => undefined }));
  const broken = (): never => {
    throw new Error('no such thing');
  };
  t.notOk(isUnderstood({ ...openssl, encapsulate: broken }));
  const other = DecapsulationKey.generate(randomBytes(64)).encapsulationKey;
  t.notOk(isUnderstood({ ...openssl, encapsulate: () => openssl.encapsulate(other) }));
  t.end();
});
