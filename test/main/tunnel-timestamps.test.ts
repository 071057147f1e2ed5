/** The file of handshake timestamps: what is stored comes back, whatever happened to the process or the file. */
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { PublicKey } from '../../src/crypto/public-key.ts';
import { TimestampFile } from '../../src/main/tunnel-timestamps.ts';
import { silentLog } from '../../src/platform/log.ts';

const folder = mkdtempSync(join(tmpdir(), 'ar-tun-stamps-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const key = (fill: number): PublicKey => PublicKey.fromBytes(new Uint8Array(32).fill(fill)) as PublicKey;
const label = (fill: number): Uint8Array => new Uint8Array(12).fill(fill);
let files = 0;
const fresh = (): string => join(folder, String(files++), 'tunnel', 'timestamps');
const open = (file: string, ...keys: number[]): TimestampFile =>
  new TimestampFile(file, keys.map(key), silentLog);
const stored = async (file: TimestampFile): Promise<void> => {
  await new Promise<void>((resolve) => file.stored(resolve));
};

void t.test('stored, and there again; the file is its owner’s alone and does not grow', async (t) => {
  const file = fresh();
  const first = open(file, 1, 2, 3);
  t.equal(first.label(key(1)), undefined);
  const { size, mode } = statSync(file);
  t.equal(mode & 0o777, 0o600);
  first.store(key(1), label(7));
  first.store(key(2), label(8));
  first.store(key(2), label(9));
  await stored(first);
  t.equal(statSync(file).size, size);
  t.notOk(first.failing);
  // Not closed: as if it had been killed.
  const second = open(file, 3, 2, 1);
  t.same(
    [1, 2, 3].map((n) => second.label(key(n))),
    [label(7), label(9), undefined],
  );
  second.store(key(2), undefined);
  await stored(second);
  t.equal(open(file, 2).label(key(2)), undefined, 'a reset is stored too');
});

void t.test('many at once share syncs; each waiter is called once, after its write', async (t) => {
  const file = fresh();
  const f = open(file, 1, 2);
  const calls: number[] = [];
  for (let i = 1; i <= 50; i++) {
    f.store(key(1), label(i));
    f.stored(() => calls.push(i));
  }
  t.same(calls, [], 'nobody is called before the disk has it');
  await stored(f);
  t.same(
    calls,
    Array.from({ length: 50 }, (_, i) => i + 1),
  );
  let at = 0;
  f.stored(() => at++);
  t.equal(at, 1, 'with nothing to wait for, at once');
  f.close();
  f.store(key(1), label(99));
  t.same(open(file, 1).label(key(1)), label(50), 'and nothing is written after the end');
});

void t.test('a key that is configured no more, and then again', async (t) => {
  const file = fresh();
  const first = open(file, 1, 2);
  first.store(key(1), label(7));
  await stored(first);
  open(file, 2);
  open(file, 2, 3);
  t.same(open(file, 1, 2, 3).label(key(1)), label(7));
});

void t.test('damage costs the slot it hit', async (t) => {
  const file = fresh();
  const first = open(file, 1, 2, 3);
  for (const n of [1, 2, 3]) first.store(key(n), label(n));
  await stored(first);
  const bytes = readFileSync(file);
  bytes[64 + 64 + 33] = (bytes[64 + 64 + 33] ?? 0) ^ 1;
  writeFileSync(file, bytes);
  const second = open(file, 1, 2, 3);
  t.same(
    [1, 2, 3].map((n) => second.label(key(n))),
    [label(1), undefined, label(3)],
  );
  await stored(second);
  truncateSync(file, 64 + 64 + 10);
  const third = open(file, 1, 2, 3);
  t.same(
    [1, 2, 3].map((n) => third.label(key(n))),
    [label(1), undefined, undefined],
  );
});

void t.test('what is not such a file is not touched', (t) => {
  const file = join(folder, 'something else');
  writeFileSync(file, 'a diary');
  t.throws(() => open(file, 1), { code: 'STORE_FOREIGN' });
  t.equal(readFileSync(file, 'utf8'), 'a diary');
  t.throws(() => open(join(file, 'below', 'a', 'file'), 1), { code: 'STORE_UNAVAILABLE' });
  t.end();
});
