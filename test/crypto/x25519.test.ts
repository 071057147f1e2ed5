/** X25519 against Wycheproof and against node:crypto. */
import { createPrivateKey, createPublicKey, diffieHellman, randomBytes } from 'node:crypto';
import t from 'tap';
import { PublicKey } from '../../src/crypto/public-key.ts';
import { SecretKey } from '../../src/crypto/secret-key.ts';
import { dh, generateKeyPair, publicKeyOf } from '../../src/crypto/x25519.ts';
import { publicKeyText } from '../../src/wire/ids.ts';
import { hex, readVectors, toHex } from './vectors.ts';

interface Wycheproof {
  testGroups: {
    tests: { tcId: number; comment: string; public: string; private: string; shared: string }[];
  }[];
}

const shared = (secret: SecretKey, remote: PublicKey): string | undefined =>
  dh(secret, remote)?.use((b) => toHex(b));

void t.test('Wycheproof', (t) => {
  const tests = (readVectors('wycheproof/x25519_test.json') as Wycheproof).testGroups.flatMap((g) => g.tests);
  t.ok(tests.length > 500);
  const wrong = tests.filter((test) => {
    const expected = /^0+$/.test(test.shared) ? undefined : test.shared;
    const remote = PublicKey.fromBytes(hex(test.public)) as PublicKey;
    return shared(new SecretKey(hex(test.private)), remote) !== expected;
  });
  t.same(wrong, [], 'every shared secret, and none where it would be zero');
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
