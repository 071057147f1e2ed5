/** The store: permissions, migrations, durability settings, refusals of files that aren't ours or are damaged. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openStore } from '../../src/store/store.ts';
import type { Schema } from '../../src/store/store.ts';
import { isFault } from '../../src/wire/errors.ts';
import type { ErrorCode } from '../../src/wire/errors.ts';

const first = 'CREATE TABLE thing(id INTEGER PRIMARY KEY, name TEXT NOT NULL, bytes BLOB) STRICT;';
const second = `CREATE TABLE part(thing INTEGER NOT NULL REFERENCES thing(id), n INTEGER NOT NULL) STRICT;
  ALTER TABLE thing ADD COLUMN colour TEXT;`;
const schema: Schema = { applicationId: 0x54455354, migrations: [first, second] };

function faultOf(work: () => unknown): ErrorCode | 'none' {
  try {
    work();
    return 'none';
  } catch (e) {
    if (isFault(e)) return e.code;
    throw e;
  }
}

void t.test('a new store is private, in WAL mode, synced at every commit', (t) => {
  const file = join(t.testdir(), 'state', 'x.db');
  const store = openStore({ file, schema });
  t.equal(statSync(join(file, '..')).mode & 0o777, 0o700);
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.equal(statSync(`${file}-wal`).mode & 0o777, 0o600);
  t.equal(statSync(`${file}-shm`).mode & 0o777, 0o600);
  t.same(store.prepare('PRAGMA journal_mode').get(), { journal_mode: 'wal' });
  t.same(store.prepare('PRAGMA synchronous').get(), { synchronous: 2 });
  t.same(store.prepare('PRAGMA foreign_keys').get(), { foreign_keys: 1 });
  t.same(store.prepare('PRAGMA user_version').get(), { user_version: 2 });
  store.close();
  store.close();
  t.notOk(existsSync(`${file}-wal`));
  t.end();
});

void t.test('rows are typed objects, and come back after a restart', (t) => {
  const file = join(t.testdir(), 'x.db');
  const store = openStore({ file, schema });
  const insert = store.prepare<[number, string, Uint8Array | null]>(
    'INSERT INTO thing(id, name, bytes) VALUES(?, ?, ?)',
  );
  store.transaction(() => {
    t.equal(insert.run(1, 'é', Uint8Array.of(1, 2)).changes, 1);
    insert.run(2, 'b', null);
  });
  store.close();
  const again = openStore({ file, schema });
  const select = again.prepare<[number], { id: number; name: string; bytes: Uint8Array | null }>(
    'SELECT id, name, bytes FROM thing WHERE id >= ? ORDER BY id',
  );
  const rows = select.all(1);
  t.equal(rows.length, 2);
  t.equal(rows[0]?.name, 'é');
  t.ok(rows[0]?.bytes && Buffer.from([1, 2]).equals(rows[0].bytes));
  t.same(select.get(2), { id: 2, name: 'b', bytes: null });
  t.equal(select.get(3), undefined);
  t.same(
    [...select.iterate(1)].map((row) => row.id),
    [1, 2],
  );
  again.close();
  t.end();
});

void t.test('a transaction that throws leaves nothing, and the store usable', (t) => {
  const store = openStore({ file: join(t.testdir(), 'x.db'), schema });
  const insert = store.prepare<[number, string]>('INSERT INTO thing(id, name) VALUES(?, ?)');
  t.throws(
    () =>
      store.transaction(() => {
        insert.run(1, 'a');
        throw new Error('stop');
      }),
    /stop/,
  );
  t.equal(
    faultOf(() =>
      store.transaction(() => {
        insert.run(1, 'a');
        insert.run(1, 'again');
      }),
    ),
    'STORE_CONSTRAINT',
  );
  t.same(store.prepare('SELECT count(*) AS n FROM thing').get(), { n: 0 });
  t.equal(
    faultOf(() => store.prepare('INSERT INTO part(thing, n) VALUES(9, 9)').run()),
    'STORE_CONSTRAINT',
    'foreign keys hold',
  );
  store.close();
  t.end();
});

void t.test('migrations run once each, from whatever version the file has', (t) => {
  const file = join(t.testdir(), 'x.db');
  openStore({ file, schema: { ...schema, migrations: [first] } }).close();
  const broken = { ...schema, migrations: [first, `${second} SELECT nonsense;`] };
  t.throws(() => openStore({ file, schema: broken }), /nonsense/);
  const store = openStore({ file, schema });
  t.same(store.prepare('PRAGMA user_version').get(), { user_version: 2 });
  store.prepare("INSERT INTO thing(id, name, colour) VALUES(1, 'a', 'red')").run();
  store.close();
  const again = openStore({ file, schema });
  t.same(again.prepare('SELECT colour FROM thing').all(), [{ colour: 'red' }]);
  again.close();
  t.end();
});

void t.test('a newer, a foreign, a damaged, a linked and an exposed file are refused', (t) => {
  const folder = t.testdir();
  const file = join(folder, 'x.db');
  openStore({ file, schema }).close();
  t.equal(
    faultOf(() => openStore({ file, schema: { ...schema, migrations: [first] } })),
    'STORE_NEWER',
  );
  t.equal(
    faultOf(() => openStore({ file, schema: { ...schema, applicationId: 1 } })),
    'STORE_FOREIGN',
  );

  const text = join(folder, 'text.db');
  writeFileSync(text, 'this is a text file and not a database at all\n'.repeat(40));
  t.equal(
    faultOf(() => openStore({ file: text, schema })),
    'STORE_CORRUPT',
  );

  const full = openStore({ file, schema });
  const insert = full.prepare<[number, string]>('INSERT INTO thing(id, name) VALUES(?, ?)');
  full.transaction(() => {
    for (let i = 0; i < 2000; i++) insert.run(i, 'n'.repeat(100));
  });
  full.close();
  const damaged = join(folder, 'damaged.db');
  writeFileSync(damaged, readFileSync(file));
  const fd = openSync(damaged, 'r+');
  for (let page = 4; page < 40; page++) writeSync(fd, Buffer.alloc(64, 0xee), 0, 64, page * 4096);
  t.equal(
    faultOf(() => openStore({ file: damaged, schema })),
    'STORE_CORRUPT',
  );

  const link = join(folder, 'link.db');
  symlinkSync(file, link);
  t.equal(
    faultOf(() => openStore({ file: link, schema })),
    'STORE_UNAVAILABLE',
  );

  const shared = join(folder, 'shared');
  mkdirSync(shared);
  chmodSync(shared, 0o777);
  t.equal(
    faultOf(() => openStore({ file: join(shared, 'x.db'), schema })),
    'STORE_UNAVAILABLE',
  );
  t.end();
});

void t.test('reading access changes nothing and needs an existing file', (t) => {
  const file = join(t.testdir(), 'x.db');
  t.equal(
    faultOf(() => openStore({ file, schema, access: 'read' })),
    'STORE_UNAVAILABLE',
  );
  t.notOk(existsSync(file));
  openStore({ file, schema }).close();
  const before = readFileSync(file);
  const store = openStore({ file, schema, access: 'read' });
  t.same(store.prepare('SELECT count(*) AS n FROM thing').get(), { n: 0 });
  t.equal(
    faultOf(() => store.prepare("INSERT INTO thing(id, name) VALUES(1, 'a')").run()),
    'STORE_UNAVAILABLE',
  );
  store.close();
  t.ok(before.equals(readFileSync(file)));
  t.end();
});

void t.test('files that were readable by others are made private', (t) => {
  const file = join(t.testdir(), 'x.db');
  openStore({ file, schema }).close();
  chmodSync(file, 0o644);
  openStore({ file, schema }).close();
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.end();
});
