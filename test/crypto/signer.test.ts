/** ML-DSA-65 by two implementations, Ed25519 by its RFC's vectors, and the pair that signs policy. */
import { ed25519 } from '@noble/curves/ed25519.js';
import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import t from 'tap';
import { engine, isUnderstood, noble, openssl } from '../../src/crypto/ml-dsa.ts';
import { Signer, SigningKey, secretText } from '../../src/crypto/signer.ts';
import { isFault } from '../../src/wire/errors.ts';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const seedOf = (n: number): Buffer => Buffer.alloc(64, n);
const message = Buffer.from('what is signed');

void t.test('ML-DSA-65: OpenSSL and noble are the same algorithm', (t) => {
  t.equal(engine().name, 'openssl', 'the fast one is in use');
  for (let n = 0; n < 4; n++) {
    const seed = createHash('sha256').update(`seed ${n}`).digest();
    const key = openssl.publicKey(seed);
    t.same(key, noble.publicKey(seed), 'one key of one seed');
    for (const [signs, verifies] of [
      [openssl, noble],
      [noble, openssl],
    ] as const) {
      const signature = signs.sign(seed, message);
      t.equal(signature.length, 3309);
      t.ok(verifies.verify(key, message, signature), `${signs.name} signs, ${verifies.name} verifies`);
      for (const at of [0, 31, 1000, 3308]) {
        const wrong = Uint8Array.from(signature);
        wrong[at] = (wrong[at] ?? 0) ^ 1;
        t.notOk(verifies.verify(key, message, wrong), `not with byte ${at} changed`);
      }
      t.notOk(verifies.verify(key, Buffer.from('something else'), signature));
      t.notOk(verifies.verify(key, message, signature.subarray(1)), 'nor cut');
      t.notOk(verifies.verify(key.subarray(1), message, signature), 'nor with a cut key');
    }
  }
  t.end();
});

void t.test('an engine that is wrong is found out', (t) => {
  t.ok(isUnderstood(openssl) && isUnderstood(noble));
  t.notOk(isUnderstood({ ...openssl, verify: () => true }), 'takes anything');
  t.notOk(isUnderstood({ ...openssl, publicKey: () => new Uint8Array(1952) }), 'another key');
  t.notOk(isUnderstood({ ...openssl, sign: () => new Uint8Array(3309) }), 'signs nothing');
  t.notOk(
    isUnderstood({
      ...openssl,
      sign: () => {
        throw new Error('unsupported');
      },
    }),
    'not there',
  );
  t.end();
});

void t.test('Ed25519 is that of RFC 8032, section 7.1, test 2', (t) => {
  const seed = hex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb');
  const publicKey = hex('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c');
  const signature = hex(
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  );
  const key = new SigningKey(Buffer.concat([seed, Buffer.alloc(32, 9)]));
  const base64 = key.signer.text.split(':')[2] ?? '';
  t.same(Buffer.from(base64, 'base64').subarray(0, 32), publicKey);
  const signed = key.sign(hex('72'));
  t.same(Buffer.from(signed.ed25519), signature);
  t.ok(ed25519.verify(signed.ed25519, hex('72'), publicKey), 'as noble sees it too');
  t.end();
});

void t.test('the pair: both signatures, or none', (t) => {
  const [a, b] = [new SigningKey(seedOf(1)), new SigningKey(seedOf(2))];
  const [bySelf, byOther] = [a.sign(message), b.sign(message)];
  t.ok(a.signer.verify(message, bySelf));
  t.notOk(a.signer.verify(message, byOther));
  t.notOk(a.signer.verify(message, { ...bySelf, mlDsa65: byOther.mlDsa65 }), 'a half from another signer');
  t.notOk(a.signer.verify(message, { ...bySelf, ed25519: byOther.ed25519 }));
  t.notOk(a.signer.verify(message, { ...bySelf, mlDsa65: new Uint8Array(0) }), 'one half missing');
  t.notOk(a.signer.verify(message, { ...bySelf, ed25519: new Uint8Array(64) }));
  t.notOk(a.signer.verify(Buffer.from('another'), bySelf));
  t.end();
});

void t.test('text: one form for each signer, the id bound to the keys', (t) => {
  const { signer } = new SigningKey(seedOf(3));
  t.match(signer.id, /^[0-9a-f]{16}$/);
  t.equal(Signer.fromText(signer.text)?.id, signer.id);
  const swap = (at: number, to: string): string => signer.text.slice(0, at) + to + signer.text.slice(at + 1);
  t.equal(Signer.fromText(swap(16, signer.id.startsWith('0') ? '1' : '0')), undefined, 'another id');
  t.equal(Signer.fromText(swap(100, signer.text[100] === 'A' ? 'B' : 'A')), undefined, 'another key');
  for (const wrong of ['', signer.text.slice(1), `${signer.text}=`, `${signer.text} `, `${signer.text}\n`])
    t.equal(Signer.fromText(wrong), undefined);
  t.end();
});

void t.test('the secret half shows nothing and ends when it is wiped', (t) => {
  const seed = seedOf(4);
  const text = secretText(seed);
  const key = new SigningKey(seed);
  t.ok(
    seed.every((byte) => byte === 0),
    'the caller’s bytes are wiped',
  );
  const again = SigningKey.fromText(text);
  t.equal(again.signer.text, key.signer.text);
  const shown = inspect(key, { depth: 9, showHidden: true }) + JSON.stringify(key);
  t.notMatch(shown, Buffer.alloc(32, 4).toString('base64').slice(0, 20));
  t.notMatch(shown, /0404|04 04|4, 4/);
  for (const wrong of ['', 'x', text.slice(0, -1), text.replace('secret', 'public'), `${text}\n`])
    t.throws(() => SigningKey.fromText(wrong), { code: 'SIGNER_INVALID' });
  try {
    SigningKey.fromText(`${text}x`);
  } catch (error) {
    t.ok(isFault(error, 'SIGNER_INVALID') && !error.message.includes('BAQE'), 'nor in the error');
  }
  key.wipe();
  t.throws(() => key.sign(message), { code: 'INTERNAL' });
  t.end();
});
