/** The append-only log: acknowledgement, group commit, order, time, storage faults, and what it refuses to be. */
import { join } from 'node:path';
import t from 'tap';
import { leafHash, verifyConsistency, verifyInclusion } from '../../src/audit/tree.ts';
import { verifyStore } from '../../src/audit/verify.ts';
import type { AuditEvent } from '../../src/wire/audit-event.ts';
import { isFault } from '../../src/wire/errors.ts';
import type { ErrorCode } from '../../src/wire/errors.ts';
import { openLog } from './opened.ts';
import { processStart, sessionStart } from './sample.ts';

async function faultOf(promise: Promise<unknown>): Promise<ErrorCode | 'none'> {
  try {
    await promise;
    return 'none';
  } catch (e) {
    if (isFault(e)) return e.code;
    throw e;
  }
}
const fromHex = (text: string): Buffer => Buffer.from(text, 'hex');

void t.test('records are numbered, dated, hashed, and come back after a restart', async (t) => {
  const file = join(t.testdir(), 'audit.db');
  const bench = openLog(file);
  t.same(bench.log.head.size, 0);
  const first = await bench.log.append([processStart(1), sessionStart(2)]);
  t.equal(first.first, 0);
  t.equal(first.head.size, 2);
  bench.now += 5;
  const second = await bench.log.append([processStart(3)]);
  t.equal(second.first, 2);
  t.equal(second.head.time, 1_700_000_000_005);
  const records = bench.log.read(0, 10);
  t.same(
    records.map((r) => [r.seq, r.time, r.event.kind]),
    [
      [0, 1_700_000_000_000, 'process.start'],
      [1, 1_700_000_000_000, 'session.start'],
      [2, 1_700_000_000_005, 'process.start'],
    ],
  );
  t.same(records[1]?.event, sessionStart(2));
  const text = `{"event":{"at":1,"body":{"process":"broker","version":"0.1.0"},"kind":"process.start","origin":"broker"},"seq":0,"time":1700000000000}`;
  t.equal(
    records[0]?.leaf,
    Buffer.from(leafHash(Buffer.from(text))).toString('hex'),
    'the leaf of the canonical text',
  );
  t.same(bench.log.read(2, 10).length, 1);
  t.same(bench.log.read(3, 10), []);
  bench.close();

  const again = openLog(file);
  t.same(again.log.head, second.head);
  t.equal(again.log.fault, undefined);
  t.equal((await again.log.append([processStart(4)])).first, 3);
  t.equal(verifyStore(again.store).fault, undefined);
  again.close();
});

void t.test('appends of one turn share a transaction, in order, acknowledged after it', async (t) => {
  const bench = openLog(join(t.testdir(), 'audit.db'), { manual: true });
  const order: string[] = [];
  const appends = Array.from({ length: 50 }, (_, i) =>
    bench.log.append([processStart(i), processStart(i, 'b')]).then((appended) => {
      order.push(`ack ${i}`);
      return appended;
    }),
  );
  t.equal(bench.scheduled.length, 1, 'one commit for all of them');
  await Promise.resolve();
  t.same(order, [], 'nothing is acknowledged before the commit');
  t.equal(bench.log.read(0, 200).length, 0);
  bench.scheduled.shift()?.();
  const acknowledged = await Promise.all(appends);
  t.same(
    acknowledged.map((a) => a.first),
    Array.from({ length: 50 }, (_, i) => 2 * i),
  );
  t.ok(acknowledged.every((a) => a.head.size === 100 && a.head.root === bench.log.head.root));
  t.same(
    order,
    Array.from({ length: 50 }, (_, i) => `ack ${i}`),
  );
  t.same(
    bench.log.read(0, 100).map((r) => r.event.at),
    Array.from({ length: 100 }, (_, i) => Math.floor(i / 2)),
  );
  bench.close();
});

void t.test('a large burst is cut into bounded commits; more than may wait is refused', async (t) => {
  const bench = openLog(join(t.testdir(), 'audit.db'), { manual: true });
  const batch = Array.from({ length: 1024 }, (_, i) => processStart(i));
  const waiting = Array.from({ length: 16 }, () => bench.log.append(batch));
  t.equal(await faultOf(bench.log.append([processStart(0)])), 'AUDIT_UNAVAILABLE', 'the queue is full');
  bench.scheduled.shift()?.();
  t.equal(bench.log.head.size, 4096, 'one commit takes 4096 events at most');
  t.equal(bench.scheduled.length, 1, 'and the rest is scheduled again');
  while (bench.scheduled.length > 0) bench.scheduled.shift()?.();
  await Promise.all(waiting);
  t.equal(bench.log.head.size, 16_384);
  t.equal(verifyStore(bench.store).fault, undefined);
  bench.close();
});

void t.test('proofs of a log with stored tree nodes hold', async (t) => {
  const bench = openLog(join(t.testdir(), 'audit.db'));
  const sizes: { size: number; root: Buffer }[] = [];
  for (const n of [1, 255, 1, 400, 1000]) {
    await bench.log.append(Array.from({ length: n }, (_, i) => processStart(i)));
    sizes.push({ size: bench.log.head.size, root: fromHex(bench.log.head.root) });
  }
  const last = sizes.at(-1) as { size: number; root: Buffer };
  t.equal(last.size, 1657);
  for (const seq of [0, 1, 255, 256, 257, 1023, 1024, 1656]) {
    const leaf = fromHex(bench.log.read(seq, 1)[0]?.leaf ?? '');
    t.ok(verifyInclusion(seq, last.size, leaf, bench.log.inclusion(seq), last.root), `record ${seq}`);
  }
  for (const { size, root } of sizes)
    t.ok(verifyConsistency(size, last.size, root, last.root, bench.log.consistency(size)), `size ${size}`);
  t.same(
    bench.store.prepare('SELECT level, idx FROM node ORDER BY idx').all(),
    Array.from({ length: 6 }, (_, idx) => ({ level: 8, idx })),
  );
  bench.close();
});

void t.test('time never goes back', async (t) => {
  const file = join(t.testdir(), 'audit.db');
  const bench = openLog(file);
  await bench.log.append([processStart(1)]);
  bench.now -= 3_600_000;
  await bench.log.append([processStart(2)]);
  bench.close();
  const again = openLog(file);
  again.now -= 7_200_000;
  await again.log.append([processStart(3)]);
  again.now += 9_000_000;
  await again.log.append([processStart(4)]);
  t.same(
    again.log.read(0, 9).map((r) => r.time - 1_700_000_000_000),
    [0, 0, 0, 1_800_000],
  );
  again.close();
});

void t.test('an event with no canonical form is refused alone', async (t) => {
  const bench = openLog(join(t.testdir(), 'audit.db'), { manual: true });
  const good = bench.log.append([processStart(1)]);
  const bad = bench.log.append([processStart(2, 'half a pair: \ud800')]);
  const large = bench.log.append([processStart(2, 'x'.repeat(70_000))]);
  const none = bench.log.append([]);
  const after = bench.log.append([processStart(3)]);
  bench.scheduled.shift()?.();
  for (const refused of [bad, large, none]) t.equal(await faultOf(refused), 'IPC_MALFORMED');
  t.equal((await good).first, 0);
  t.equal((await after).first, 1);
  bench.close();
});

void t.test('too little room: refused with the reason, and again accepted when there is room', async (t) => {
  const bench = openLog(join(t.testdir(), 'audit.db'));
  await bench.log.append([processStart(1)]);
  const { head } = bench.log;
  bench.free = 999_999;
  t.equal(await faultOf(bench.log.append([processStart(2)])), 'AUDIT_STORAGE_FULL');
  t.throws(() => bench.log.keepCheckpoint(1, 'x'), { code: 'AUDIT_STORAGE_FULL' });
  t.same(bench.log.head, head);
  bench.free = 1_000_000;
  t.equal((await bench.log.append([processStart(3)])).first, 1);
  t.equal(verifyStore(bench.store).fault, undefined);
  bench.close();
});

void t.test('a database that cannot grow: nothing half written, and it recovers', async (t) => {
  const file = join(t.testdir(), 'audit.db');
  const bench = openLog(file);
  await bench.log.append([processStart(1)]);
  const pages = Number(bench.store.prepare('PRAGMA page_count').get()?.['page_count']);
  bench.store.prepare(`PRAGMA max_page_count = ${pages}`).get();
  const batch = Array.from({ length: 500 }, (_, i) => sessionStart(i));
  t.equal(await faultOf(bench.log.append(batch)), 'AUDIT_STORAGE_FULL');
  t.equal(bench.log.head.size, 1);
  t.equal(bench.log.read(0, 1000).length, 1);
  bench.store.prepare('PRAGMA max_page_count = 1000000').get();
  t.equal((await bench.log.append(batch)).first, 1);
  t.equal(verifyStore(bench.store).fault, undefined);
  bench.close();
});

void t.test('another writer on the store: the loser is refused, then follows', async (t) => {
  const file = join(t.testdir(), 'audit.db');
  const one = openLog(file);
  const two = openLog(file);
  await one.log.append([processStart(1)]);
  t.equal(await faultOf(two.log.append([processStart(2)])), 'AUDIT_UNAVAILABLE');
  t.equal((await two.log.append([processStart(3)])).first, 1);
  t.equal(verifyStore(two.store).fault, undefined);
  two.close();
  one.close();
});

void t.test('the store itself forbids change', async (t) => {
  const bench = openLog(join(t.testdir(), 'audit.db'));
  await bench.log.append(Array.from({ length: 300 }, (_, i) => processStart(i)));
  bench.log.keepCheckpoint(300, 'note');
  for (const sql of [
    "UPDATE record SET canonical = 'x' WHERE seq = 1",
    'DELETE FROM record WHERE seq = 1',
    "INSERT OR REPLACE INTO record VALUES(1, 0, 'x', zeroblob(32))",
    "INSERT INTO record VALUES(400, 0, 'x', zeroblob(32))",
    'UPDATE node SET hash = zeroblob(32)',
    'DELETE FROM node',
    'INSERT OR REPLACE INTO node VALUES(8, 0, zeroblob(32))',
    'UPDATE head SET size = 5',
    'DELETE FROM head',
    'UPDATE checkpoint SET size = 5',
    'DELETE FROM checkpoint',
  ]) {
    t.throws(() => bench.store.prepare(sql).run(), { code: 'STORE_CONSTRAINT' }, sql);
  }
  t.equal(verifyStore(bench.store).size, 300);
  bench.close();
});

void t.test('a log that does not belong to its head refuses appends and serves reads', async (t) => {
  const file = join(t.testdir(), 'audit.db');
  const bench = openLog(file);
  await bench.log.append(Array.from({ length: 20 }, (_, i) => processStart(i)));
  bench.store.prepare('DROP TRIGGER record_update').run();
  bench.store
    .prepare("UPDATE record SET canonical = replace(canonical, '0.1.0', '6.6.6') WHERE seq = 12")
    .run();
  bench.close();
  const again = openLog(file);
  t.ok(isFault(again.log.fault, 'AUDIT_CORRUPT'));
  t.match(again.log.fault?.detail, /record 12/);
  t.equal(await faultOf(again.log.append([processStart(1)])), 'AUDIT_CORRUPT');
  t.equal(again.log.read(0, 100).length, 20);
  again.close();

  const headless = openLog(join(t.testdir(), 'other.db'));
  await headless.log.append([processStart(1)]);
  headless.store.prepare('DROP TRIGGER head_update').run();
  headless.store.prepare('UPDATE head SET root = zeroblob(32)').run();
  headless.close();
  const reopened = openLog(headless.store.file);
  t.ok(isFault(reopened.log.fault, 'AUDIT_CORRUPT'));
  reopened.close();
});

void t.test('closing writes what waits and takes no more', async (t) => {
  const file = join(t.testdir(), 'audit.db');
  const bench = openLog(file, { manual: true });
  const events: AuditEvent[] = [processStart(1)];
  const waiting = bench.log.append(events);
  bench.close();
  t.equal((await waiting).first, 0);
  t.equal(await faultOf(bench.log.append(events)), 'AUDIT_UNAVAILABLE');
  const again = openLog(file);
  t.equal(again.log.head.size, 1);
  again.close();
});

void t.test('a read answers with less rather than with a frame that is too large', async (t) => {
  const bench = openLog(join(t.testdir(), 'audit.db'));
  await bench.log.append(Array.from({ length: 150 }, (_, i) => processStart(i, 'v'.repeat(60_000))));
  const records = bench.log.read(0, 150);
  t.ok(records.length > 50 && records.length < 100, `${records.length} records`);
  t.same(bench.log.read(records.length, 1)[0]?.seq, records.length);
  bench.close();
});
