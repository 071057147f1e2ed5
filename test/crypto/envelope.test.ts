/** Signed texts: whose they are, and what is none. */
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { openBrought, openEnvelope, signEnvelope } from '../../src/crypto/envelope.ts';
import { SIGNER_SEED_BYTES, SigningKey } from '../../src/crypto/signer.ts';

const MAGIC = 'anteroom-test 1\n';
const key = new SigningKey(randomBytes(SIGNER_SEED_BYTES));
const other = new SigningKey(randomBytes(SIGNER_SEED_BYTES));
const signers = [key.signer];

void t.test('opens what a known signer signed, in its one form', (t) => {
  const bytes = signEnvelope(MAGIC, { b: 1, a: 'é' }, key);
  t.match(openEnvelope(MAGIC, bytes, signers), { kind: 'value', value: { a: 'é', b: 1 } });
  t.match(openEnvelope(MAGIC, bytes, [other.signer]), { kind: 'stranger', id: key.signer.id });
  t.match(openEnvelope('anteroom-else 1\n', bytes, signers), { kind: 'malformed' });
  const renamed = Buffer.from(bytes.toString('utf8').replace(MAGIC, 'anteroom-else 1\n'));
  t.match(
    openEnvelope('anteroom-else 1\n', renamed, signers),
    { kind: 'forged' },
    'one thing is not another',
  );
  t.match(openEnvelope(MAGIC, Buffer.concat([bytes, Buffer.from(' ')]), signers), { kind: 'forged' });
  for (const length of [0, 5, MAGIC.length, MAGIC.length + 40, 4000])
    t.match(
      openEnvelope(MAGIC, bytes.subarray(0, length), signers),
      { kind: 'malformed' },
      `cut at ${length}`,
    );
  t.match(openEnvelope(MAGIC, Buffer.concat([bytes, Buffer.from([0xff])]), signers), { kind: 'malformed' });
  const swapped = bytes.toString('utf8').replace(key.signer.id, other.signer.id);
  t.match(openEnvelope(MAGIC, Buffer.from(swapped), [other.signer]), { kind: 'forged' });
  t.end();
});

void t.test('opens what brings its own signer', (t) => {
  const find = (value: unknown): string | undefined => (value as { by?: string }).by;
  const bytes = signEnvelope(MAGIC, { by: key.signer.text }, key);
  t.match(openBrought(MAGIC, bytes, find), { kind: 'value' });
  t.match(openBrought(MAGIC, signEnvelope(MAGIC, { by: key.signer.text }, other), find), {
    kind: 'stranger',
  });
  t.match(openBrought(MAGIC, signEnvelope(MAGIC, {}, key), find), { kind: 'malformed' });
  t.end();
});
