/** X25519 against Wycheproof and against node:crypto. */
import { createPrivateKey, createPublicKey, diffieHellman, randomBytes } from 'node:crypto';
import t from 'tap';
import { PublicKey } from '../../src/crypto/public-key.ts';
import { SecretKey } from '../../src/crypto/secret-key.ts';
import {
  dh,
  engine,
  generateKeyPair,
  knowsAnswers,
  noble,
  openssl,
  publicKeyOf,
} from '../../src/crypto/x25519.ts';
import { publicKeyText } from '../../src/wire/ids.ts';
import { hex, readVectors, toHex } from './vectors.ts';

interface Wycheproof {
  testGroups: {
    tests: { tcId: number; comment: string; public: string; private: string; shared: string }[];
  }[];
}

const shared = (secret: SecretKey, remote: PublicKey): string | undefined =>
  dh(secret, remote)?.use((b) => toHex(b));

for (const each of [openssl, noble]) {
  void t.test(`Wycheproof: ${each.name}`, (t) => {
    const tests = (readVectors('wycheproof/x25519_test.json') as Wycheproof).testGroups.flatMap(
      (g) => g.tests,
    );
    t.ok(tests.length > 500);
    const wrong = tests.filter((test) => {
      const expected = /^0+$/.test(test.shared) ? undefined : test.shared;
      return toHex(each.shared(new SecretKey(hex(test.private)), hex(test.public))) !== expected;
    });
    t.same(wrong, [], 'every shared secret, and none where it would be zero');
    t.end();
  });
}

void t.test('OpenSSL does the work, and only when it knows the answers', (t) => {
  t.equal(engine.name, 'openssl');
  t.ok(knowsAnswers(openssl));
  t.ok(knowsAnswers(noble));
  const flipped = (bytes: Uint8Array): Uint8Array => bytes.map((b, i) => (i === 31 ? b ^ 1 : b));
  t.notOk(knowsAnswers({ ...openssl, publicKey: (s) => flipped(openssl.publicKey(s)) }));
  t.notOk(
    knowsAnswers({
      ...openssl,
      shared: (s, p) => {
        const value = openssl.shared(s, p);
        return value && flipped(value);
      },
    }),
  );
  t.notOk(knowsAnswers({ ...openssl, shared: (s, p) => openssl.shared(s, p) ?? new Uint8Array(32) }));
  const broken = (): never => {
    throw new Error('no such thing');
  };
  t.notOk(knowsAnswers({ ...openssl, shared: broken }));
  for (let i = 0; i < 20; i++) {
    const [a, b] = [new SecretKey(randomBytes(32)), randomBytes(32)];
    t.equal(toHex(openssl.publicKey(a)), toHex(noble.publicKey(a)));
    t.equal(toHex(openssl.shared(a, b)), toHex(noble.shared(a, b)), 'any 32 bytes are a public key');
  }
  t.end();
});

void t.test('node:crypto', (t) => {
  const jwk = (d: Uint8Array, x: PublicKey): { key: Record<string, string>; format: 'jwk' } => ({
    key: {
      kty: 'OKP',
      crv: 'X25519',
      d: Buffer.from(d).toString('base64url'),
      x: Buffer.from(x.bytes).toString('base64url'),
    },
    format: 'jwk',
  });
  for (let i = 0; i < 10; i++) {
    const [a, b] = [randomBytes(32), randomBytes(32)];
    const [ours, theirs] = [new SecretKey(a), new SecretKey(b)];
    const privateKey = createPrivateKey(jwk(a, publicKeyOf(ours)));
    const publicKey = createPublicKey(createPrivateKey(jwk(b, publicKeyOf(theirs))));
    t.equal(shared(ours, publicKeyOf(theirs)), diffieHellman({ privateKey, publicKey }).toString('hex'));
    t.equal(
      createPublicKey(privateKey).export({ format: 'jwk' }).x,
      Buffer.from(publicKeyOf(ours).bytes).toString('base64url'),
      'and the public key',
    );
  }
  t.end();
});

void t.test('keys as text', (t) => {
  const random = randomBytes(32);
  const pair = generateKeyPair(random);
  t.ok(
    random.every((b) => b === 0),
    'randomness is used up',
  );
  t.same(PublicKey.fromText(publicKeyText.parse(pair.public.text)).bytes, pair.public.bytes);
  t.equal(JSON.stringify(pair), JSON.stringify({ secret: '[secret]', public: pair.public.text }));
  t.equal(String(pair.public), pair.public.text);
  t.equal(PublicKey.fromBytes(new Uint8Array(31)), undefined);
  t.end();
});
