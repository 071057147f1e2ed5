/** BLAKE2s, its keyed MAC, HMAC and HKDF against node:crypto and RFC 7693. */
import { createHash, randomBytes } from 'node:crypto';
import t from 'tap';
import {
  hash,
  hkdf2,
  hkdf3,
  hmacBlake2s,
  knowsAnswer,
  mac,
  nobleHash,
  opensslHash,
} from '../../src/crypto/blake2s.ts';
import { toHex } from './vectors.ts';

const oracle = (...parts: Uint8Array[]): Buffer => {
  const h = createHash('blake2s256');
  for (const part of parts) h.update(part);
  return h.digest();
};

/** RFC 2104, written out. */
function hmacOracle(key: Uint8Array, data: Uint8Array): Buffer {
  const block = new Uint8Array(64);
  block.set(key.length > 64 ? oracle(key) : key);
  return oracle(
    block.map((b) => b ^ 0x5c),
    oracle(
      block.map((b) => b ^ 0x36),
      data,
    ),
  );
}

void t.test('hash', (t) => {
  t.equal(
    toHex(hash(Buffer.from('abc'))),
    '508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982',
  );
  for (const length of [0, 1, 31, 32, 63, 64, 65, 127, 128, 129, 1000]) {
    const data = randomBytes(length);
    t.equal(toHex(hash(data)), oracle(data).toString('hex'), `${length} bytes`);
    const half = length >> 1;
    t.same(hash(data.subarray(0, half), data.subarray(half)), hash(data), 'in two parts');
  }
  t.end();
});

void t.test('keyed MAC: values of another implementation (the BLAKE2 reference code)', (t) => {
  const bytes = Uint8Array.from({ length: 132 }, (_, i) => i);
  const key = bytes.subarray(0, 32);
  t.equal(toHex(mac(key, new Uint8Array(0))), '9536f9b267655743dee97b8a670f9f53');
  t.equal(toHex(mac(key, bytes.subarray(0, 116))), '072e94ffbfc684bd8ab2a1b9dade2fd5');
  t.equal(toHex(mac(key.subarray(0, 16), bytes)), 'b03d1196bdcfaad40f911db86b79ac7e', 'a cookie as the key');
  t.end();
});

void t.test('HMAC and HKDF', (t) => {
  for (const length of [0, 16, 32, 64, 65]) {
    const [key, data] = [randomBytes(length), randomBytes(77)];
    t.equal(toHex(hmacBlake2s(key, data)), hmacOracle(key, data).toString('hex'), `key of ${length} bytes`);
  }
  const [ck, ikm] = [randomBytes(32), randomBytes(32)];
  const prk = hmacOracle(ck, ikm);
  const t1 = hmacOracle(prk, Uint8Array.of(1));
  const t2 = hmacOracle(prk, Uint8Array.of(...t1, 2));
  const t3 = hmacOracle(prk, Uint8Array.of(...t2, 3));
  t.same(
    hkdf2(ck, ikm).map(toHex),
    [t1, t2].map((b) => b.toString('hex')),
  );
  t.same(
    hkdf3(ck, ikm).map(toHex),
    [t1, t2, t3].map((b) => b.toString('hex')),
  );
  t.end();
});

void t.test('OpenSSL hashes, and only when it knows the answer', (t) => {
  t.equal(hash, opensslHash);
  t.ok(knowsAnswer(nobleHash));
  t.notOk(knowsAnswer((...parts) => opensslHash(...parts, Buffer.from('x'))));
  t.notOk(
    knowsAnswer(() => {
      throw new Error('no such digest');
    }),
  );
  for (const length of [0, 1, 64, 65, 1200]) {
    const data = randomBytes(length);
    t.equal(toHex(nobleHash(data, data)), toHex(opensslHash(data, data)));
  }
  t.end();
});
