/** What is sealed opens for its one reader and for nobody else. */
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { openAsDevice, openWithCode, sealToCode, sealToDevice } from '../../src/crypto/sealed-box.ts';
import { PublicKey } from '../../src/crypto/public-key.ts';
import { generateKeyPair } from '../../src/crypto/x25519.ts';

const plain = Buffer.from('an enrolment');

void t.test('to a device', (t) => {
  const device = generateKeyPair(randomBytes(32));
  const sealed = sealToDevice(device.public, 'one', plain) ?? Buffer.alloc(0);
  t.equal(sealed.length, 32 + plain.length + 16);
  t.same(openAsDevice(device, 'one', sealed), plain);
  t.notSame(sealToDevice(device.public, 'one', plain), sealed, 'another key each time');
  t.equal(openAsDevice(device, 'two', sealed), undefined, 'another context');
  t.equal(openAsDevice(generateKeyPair(randomBytes(32)), 'one', sealed), undefined, 'another device');
  for (let i = 0; i < sealed.length; i++) {
    const flipped = Uint8Array.from(sealed);
    // The top bit of an X25519 key isn't part of the point, and is of the salt.
    flipped[i] = (flipped[i] ?? 0) ^ 0x80;
    t.equal(openAsDevice(device, 'one', flipped), undefined, `byte ${i}`);
    t.equal(openAsDevice(device, 'one', sealed.subarray(0, i)), undefined, `cut at ${i}`);
  }
  const small = PublicKey.fromBytes(new Uint8Array(32));
  t.equal(small && sealToDevice(small, 'one', plain), undefined, 'a point of small order');
  t.end();
});

void t.test('to a code', async (t) => {
  const salt = randomBytes(16);
  const sealed = await sealToCode('ABCDE12345', salt, 'one', plain);
  t.same(await openWithCode('ABCDE12345', salt, 'one', sealed), plain);
  t.equal(await openWithCode('ABCDE12346', salt, 'one', sealed), undefined, 'another code');
  t.equal(await openWithCode('ABCDE12345', randomBytes(16), 'one', sealed), undefined, 'another salt');
  t.equal(await openWithCode('ABCDE12345', salt, 'two', sealed), undefined, 'another context');
  t.equal(await openWithCode('ABCDE12345', salt, 'one', new Uint8Array(0)), undefined, 'nothing');
});
