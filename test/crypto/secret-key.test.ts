/** A secret key shows nothing of itself, compares in constant time and can be wiped. */
import { inspect } from 'node:util';
import t from 'tap';
import { equalBytes } from '../../src/crypto/constant-time.ts';
import { SecretKey } from '../../src/crypto/secret-key.ts';
import { Fault } from '../../src/wire/errors.ts';

const bytes = Uint8Array.from({ length: 32 }, (_, i) => i + 65);
const key = new SecretKey(bytes);

void t.test('no way of printing shows the key', (t) => {
  const shown = [
    String(key),
    `as a template: ${key as unknown as string}`,
    JSON.stringify({ key }),
    inspect(key, { showHidden: true, depth: 9 }),
    inspect({ nested: [key] }, { showHidden: true, depth: 9 }),
    JSON.stringify(Object.entries(key)),
    JSON.stringify(structuredClone({ ...(key as object) })),
  ].join('\n');
  t.notMatch(shown, /65|ABCD|41424344|QUJD/);
  t.match(shown, '[secret]');
  t.end();
});

void t.test('equality is of the bytes, by equals alone', (t) => {
  const same = new SecretKey(bytes);
  t.not(same, key, 'two objects');
  t.ok(same.equals(key));
  t.notOk(SecretKey.zero().equals(key));
  t.ok(SecretKey.zero().isZero);
  t.notOk(key.isZero);
  t.end();
});

void t.test('take wipes its source, wipe ends the use of the key', (t) => {
  const source = Uint8Array.from(bytes);
  const taken = SecretKey.take(source);
  t.ok(source.every((b) => b === 0));
  t.ok(taken.equals(key), 'and the key has its own copy');
  let lent = new Uint8Array();
  taken.use((b) => (lent = b as Uint8Array<ArrayBuffer>));
  taken.wipe();
  t.ok(lent.every((b) => b === 0));
  t.throws(() => taken.use((b) => b.length), new Fault('INTERNAL', 'a wiped key was used'));
  t.throws(() => taken.equals(key));
  t.end();
});

void t.test('a form of the key is made once, shown by nothing, and gone with the key', (t) => {
  const taken = new SecretKey(bytes);
  let made = 0;
  const make = (b: Uint8Array): { text: string } => {
    made++;
    return { text: Buffer.from(b).toString('hex') };
  };
  t.equal(taken.form(make), taken.form(make));
  t.equal(made, 1);
  t.notMatch(inspect(taken, { showHidden: true, depth: 9 }), /4142/);
  taken.wipe();
  t.throws(() => taken.form(make));
  t.end();
});

void t.test('a key is 32 bytes', (t) => {
  t.throws(() => new SecretKey(new Uint8Array(31)));
  t.throws(() => new SecretKey(new Uint8Array(33)));
  t.end();
});

void t.test('equalBytes', (t) => {
  t.ok(equalBytes(bytes, Uint8Array.from(bytes)));
  for (let i = 0; i < bytes.length; i++) {
    const other = Uint8Array.from(bytes);
    other[i] = (other[i] ?? 0) ^ 0x80;
    t.notOk(equalBytes(bytes, other), `byte ${i}`);
  }
  t.notOk(equalBytes(bytes, bytes.subarray(1)));
  t.end();
});
