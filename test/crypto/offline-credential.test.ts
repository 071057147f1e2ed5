/** The officer's offline credential: both parts, each code once, nothing told of what was wrong. */
import { scryptSync } from 'node:crypto';
import t from 'tap';
import {
  checkCredential,
  hashSecret,
  isSecretHash,
  newCredential,
  readCode,
} from '../../src/crypto/offline-credential.ts';

const unspent = (): boolean => false;

void t.test('the kept form is RFC 7914 of the secret', async (t) => {
  const kept = await hashSecret('correct horse');
  t.ok(isSecretHash(kept));
  const [, log2N, r, p, salt = '', hash] = kept.split('$');
  t.same([log2N, r, p], ['15', '8', '1']);
  const again = scryptSync('correct horse', Buffer.from(salt, 'base64'), 32, {
    N: 2 ** 15,
    r: 8,
    p: 1,
    maxmem: 64 * 1024 * 1024,
  });
  t.equal(hash, again.toString('base64'));
  t.not(await hashSecret('correct horse'), kept, 'salted');
});

void t.test('a code is read as people type it', (t) => {
  t.same(readCode(' 7-abcde-fgh01 '), { number: 7, code: 'ABCDE-FGH01' });
  t.same(readCode('12 oilabcdefg'), { number: 12, code: '011AB-CDEFG' });
  for (const wrong of [
    '',
    '7',
    '7-ABCDE',
    '0-ABCDE-FGHJK',
    '7-ABCDE-FGHJU',
    'x-ABCDE-FGHJK',
    '7-ABCDE-FGHJKL',
  ])
    t.equal(readCode(wrong), undefined, wrong);
  t.end();
});

void t.test('both parts, each code once', async (t) => {
  const { credential, sheet } = await newCredential('correct horse', 2);
  const [first = '', second = ''] = sheet;
  const passphrase = 'correct horse';
  t.match(first, /^1-[0-9A-Z]{5}-[0-9A-Z]{5}$/);
  t.same(await checkCredential(credential, { passphrase, code: first }, unspent), { kind: 'valid', code: 1 });
  t.same(await checkCredential(credential, { passphrase, code: second.toLowerCase() }, unspent), {
    kind: 'valid',
    code: 2,
  });
  const invalid = { kind: 'invalid' };
  const tries = [
    [credential, { passphrase, code: first }, (n: number) => n === 1],
    [credential, { passphrase: 'correct horsf', code: first }, unspent],
    [credential, { passphrase: '', code: first }, unspent],
    [credential, { passphrase, code: second.replace('2-', '1-') }, unspent],
    [credential, { passphrase, code: second.replace('2-', '3-') }, unspent],
    [credential, { passphrase, code: '' }, unspent],
    [undefined, { passphrase, code: first }, unspent],
    [{ passphrase: 'plain', codes: ['plain'] }, { passphrase: 'plain', code: '1-plain' }, unspent],
  ] as const;
  for (const [kept, typed, spent] of tries) t.same(await checkCredential(kept, typed, spent), invalid);
});

void t.test('an unknown officer costs what a known one does', async (t) => {
  const { credential, sheet } = await newCredential('p', 1);
  const took = async (kept: typeof credential | undefined): Promise<number> => {
    const began = process.cpuUsage().user;
    await checkCredential(kept, { passphrase: 'wrong', code: sheet[0] ?? '' }, unspent);
    return process.cpuUsage().user - began;
  };
  const known = await took(credential);
  const unknown = await took(undefined);
  t.ok(unknown > known / 4 && unknown < known * 4, `${unknown} µs against ${known} µs`);
});
