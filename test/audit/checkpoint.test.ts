/** Signed notes and checkpoints: another implementation's note, our own, and what is refused. */
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import * as fc from 'fast-check';
import t from 'tap';
import { openCheckpoint, originOf, signCheckpoint } from '../../src/audit/checkpoint.ts';
import {
  formatVerifierKey,
  generateSigningKey,
  openNote,
  openSigner,
  parseVerifierKey,
} from '../../src/audit/note.ts';
import { emptyRoot } from '../../src/audit/tree.ts';

/** The example of golang.org/x/mod/sumdb/note's documentation. */
const neumann = {
  key: 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
  note:
    'If you think cryptography is the answer to your problem,\n' +
    "then you don't know what your problem is.\n\n" +
    '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n',
};
const origin = originOf('clinic-north');
const signer = openSigner(origin, generateSigningKey());
const checkpoint = { origin, size: 8192, root: emptyRoot() };

void t.test("another implementation's note and keys", (t) => {
  const key = parseVerifierKey(neumann.key);
  t.ok(key);
  t.match(openNote(neumann.note, key), { kind: 'note', signed: true });
  t.match(openNote(neumann.note), { kind: 'note', signed: false });
  t.match(openNote(neumann.note.replace('answer', 'anchor'), key), { kind: 'malformed' });
  t.ok(parseVerifierKey('sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8'));
  t.equal(key && formatVerifierKey(key), neumann.key);
  for (const bad of [
    '',
    neumann.key.replace('c74f20a3', 'c74f20a4'),
    neumann.key.replace('Peter', 'Paul'),
    neumann.key.replace('+ARpc', '+AhpC'),
    neumann.key.slice(0, -4),
    neumann.key.slice(0, -1),
    `Peter ${neumann.key}`,
  ])
    t.equal(parseVerifierKey(bad), undefined, bad);
  t.end();
});

void t.test('a checkpoint is what the specification says', (t) => {
  const note = signCheckpoint(checkpoint, signer);
  const lines = note.split('\n');
  t.equal(lines[0], 'anteroom/clinic-north/audit');
  t.equal(lines[1], '8192');
  t.equal(lines[2], '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=');
  t.equal(lines[3], '');
  t.match(lines[4], /^— anteroom\/clinic-north\/audit [A-Za-z0-9+/]{91}=$/);
  t.same(lines.slice(5), ['']);
  const key = parseVerifierKey(formatVerifierKey(signer.verifier));
  const opened = openCheckpoint(note, key);
  t.match(opened, { kind: 'checkpoint', signed: true, checkpoint: { origin, size: 8192 } });
  const other = openSigner(origin, generateSigningKey());
  t.match(openCheckpoint(note, other.verifier), { kind: 'checkpoint', signed: false }, 'not by another key');
  t.end();
});

void t.test("a witness's line is skipped, and the signature still counts", (t) => {
  const witness = openSigner('witness.example/w1', generateSigningKey());
  const note = signCheckpoint(checkpoint, signer);
  const body = note.slice(0, note.lastIndexOf('\n\n') + 1);
  const cosigned = note + (witness.sign(body).split('\n\n')[1] ?? '');
  t.match(openCheckpoint(cosigned, signer.verifier), { kind: 'checkpoint', signed: true });
  t.match(openCheckpoint(cosigned, witness.verifier), { kind: 'checkpoint', signed: true });
  t.end();
});

void t.test('every changed character is noticed, and nothing throws', (t) => {
  const note = signCheckpoint(checkpoint, signer);
  fc.assert(
    fc.property(fc.nat(note.length - 1), fc.string({ minLength: 1, maxLength: 2 }), (at, text) => {
      const changed = note.slice(0, at) + text + note.slice(at + 1);
      const opened = openCheckpoint(changed, signer.verifier);
      return changed === note || opened.kind === 'malformed' || !opened.signed;
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
      const opened = openCheckpoint(text, signer.verifier);
      return opened.kind === 'malformed' || !opened.signed;
    }),
  );
  for (const [from, to] of [
    ['8192', '08192'],
    ['8192', '-1'],
    ['8192', '99999999999999999'],
    ['8192', ''],
    ['47DE', '47D'],
    [origin, ''],
  ] as const) {
    const body = `${origin}\n8192\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n`.replace(from, to);
    t.equal(openCheckpoint(signer.sign(body), signer.verifier).kind, 'malformed', JSON.stringify(body));
  }
  t.end();
});

void t.test('keys: only Ed25519, never printed', (t) => {
  t.throws(() => openSigner(origin, 'not a key'), { code: 'AUDIT_UNAVAILABLE' });
  t.throws(() => openSigner('two words', generateSigningKey()), { code: 'AUDIT_UNAVAILABLE' });
  const pem = generateSigningKey();
  const raw = createPrivateKey(pem).export({ format: 'jwk' }).d ?? '?';
  t.notOk(JSON.stringify(openSigner(origin, pem)).includes(raw));
  t.notMatch(JSON.stringify(openSigner(origin, pem)), /PRIVATE/);
  const same = openSigner(origin, pem);
  const body = 'text\n';
  const expected = sign(null, Buffer.from(body), createPrivateKey(pem)).toString('base64');
  const bytes = Buffer.from(same.sign(body).split(' ')[2] ?? '', 'base64');
  t.equal(bytes.subarray(4).toString('base64'), expected, 'the signature is over the text with its newline');
  t.equal(createPublicKey(pem).asymmetricKeyType, 'ed25519');
  t.end();
});
