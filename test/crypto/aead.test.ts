/** The AEADs against Wycheproof, node:crypto and the XChaCha draft's vector. */
import { createCipheriv, randomBytes } from 'node:crypto';
import t from 'tap';
import { counterNonce, open, seal, xopen, xseal } from '../../src/crypto/aead.ts';
import { hex, readVectors, toHex } from './vectors.ts';

interface Wycheproof {
  testGroups: {
    tests: {
      tcId: number;
      key: string;
      iv: string;
      aad: string;
      msg: string;
      ct: string;
      tag: string;
      result: string;
    }[];
  }[];
}

void t.test('Wycheproof', (t) => {
  const groups = readVectors('wycheproof/chacha20_poly1305_test.json') as Wycheproof;
  const tests = groups.testGroups.flatMap((g) => g.tests);
  t.ok(tests.length > 300);
  const wrong = tests.filter((test) => {
    const plaintext = open(hex(test.key), hex(test.iv), hex(test.aad), hex(test.ct + test.tag));
    return (toHex(plaintext) === test.msg) !== (test.result === 'valid');
  });
  t.same(wrong, []);
  t.end();
});

void t.test('node:crypto seals the same', (t) => {
  for (const length of [0, 1, 12, 32, 100]) {
    const [key, ad, plaintext] = [randomBytes(32), randomBytes(32), randomBytes(length)];
    const iv = Buffer.alloc(12);
    iv.writeUInt32LE(7, 4);
    const cipher = createCipheriv('chacha20-poly1305', key, iv, { authTagLength: 16 });
    cipher.setAAD(ad, { plaintextLength: length });
    const expected = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    const sealed = seal(key, counterNonce(7), ad, plaintext);
    t.equal(toHex(sealed), expected.toString('hex'), `${length} bytes`);
    t.same(open(key, counterNonce(7), ad, sealed), Uint8Array.from(plaintext));
  }
  t.end();
});

void t.test('whatever is changed, nothing opens and nothing throws', (t) => {
  const [key, ad, nonce] = [randomBytes(32), randomBytes(32), randomBytes(24)];
  const pairs = [
    [
      seal(key, counterNonce(0), ad, Buffer.from('0123456789ab')),
      (c: Uint8Array) => open(key, counterNonce(0), ad, c),
    ],
    [xseal(key, nonce, ad, Buffer.from('0123456789abcdef')), (c: Uint8Array) => xopen(key, nonce, ad, c)],
  ] as const;
  for (const [sealed, opener] of pairs) {
    t.ok(opener(sealed));
    for (let i = 0; i < sealed.length; i++) {
      const changed = Uint8Array.from(sealed);
      changed[i] = (changed[i] ?? 0) ^ 1;
      if (opener(changed)) t.fail(`byte ${i}`);
      if (opener(sealed.subarray(0, i))) t.fail(`${i} bytes`);
    }
  }
  t.end();
});

void t.test('XChaCha20-Poly1305: draft-irtf-cfrg-xchacha-03, appendix A.3.1', (t) => {
  const plaintext = Buffer.from(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  );
  const key = Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i);
  const nonce = Uint8Array.from({ length: 24 }, (_, i) => 0x40 + i);
  const sealed = xseal(key, nonce, hex('50515253c0c1c2c3c4c5c6c7'), plaintext);
  t.equal(toHex(sealed.subarray(0, 16)), 'bd6d179d3e83d43b9576579493c0e939');
  t.equal(toHex(sealed.subarray(-16)), 'c0875924c1c7987947deafd8780acf49');
  t.end();
});
