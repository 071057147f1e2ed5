/** Tampering with the store's file in every way we could think of: `verify` says what was done, and where. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { signCheckpoint } from '../../src/audit/checkpoint.ts';
import { generateSigningKey, openSigner } from '../../src/audit/note.ts';
import { canonicalJson, canonicalRecord, parseRecord } from '../../src/audit/record.ts';
import { auditSchema } from '../../src/audit/schema.ts';
import { Frontier, leafHash } from '../../src/audit/tree.ts';
import { verifyStore } from '../../src/audit/verify.ts';
import type { VerifyFault } from '../../src/audit/verify.ts';
import { openStore } from '../../src/store/store.ts';
import type { SqlValue } from '../../src/store/statement.ts';
import type { Store } from '../../src/store/store.ts';
import { openLog } from './opened.ts';
import { processStart, sessionStart } from './sample.ts';

const SIZE = 600;
const origin = 'anteroom/t/audit';
const signer = openSigner(origin, generateSigningKey());
const key = signer.verifier;

const folder = t.testdir();
const original = join(folder, 'original.db');
const bench = openLog(original);
for (let i = 0; i < SIZE; i += 50) {
  bench.now += 1000;
  await bench.log.append(
    Array.from({ length: 50 }, (_, j) => (j % 7 === 0 ? sessionStart(i + j) : processStart(i + j))),
  );
}
const { head } = bench.log;
const root = Buffer.from(head.root, 'hex');
const signed = signCheckpoint({ origin, size: SIZE, root }, signer);
bench.log.keepCheckpoint(SIZE, signed);
bench.close();

let copies = 0;
const run = (store: Store, sql: string, ...values: SqlValue[]): number =>
  store.prepare<SqlValue[]>(sql).run(...values).changes;

/** The fault that is found after `change` was done to a copy of the log, with its triggers out of the way. */
function tampered(
  change: (store: Store) => void,
  checkpoint?: string,
): Omit<VerifyFault, 'text'> | undefined {
  const file = join(folder, `copy-${++copies}.db`);
  copyFileSync(original, file);
  const store = openStore({ file, schema: auditSchema });
  for (const { name } of store
    .prepare<[], { name: string }>("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
    .all())
    run(store, `DROP TRIGGER ${name}`);
  change(store);
  store.close();
  const read = openStore({ file, schema: auditSchema, access: 'read' });
  const { fault } = verifyStore(read, { key, ...(checkpoint !== undefined && { checkpoint }) });
  read.close();
  if (!fault) return undefined;
  const { text, ...where } = fault;
  t.ok(text.length > 5);
  return where;
}
const canonicalOf = (store: Store, seq: number): string =>
  store.prepare<[number], { canonical: string }>('SELECT canonical FROM record WHERE seq = ?').get(seq)
    ?.canonical ?? '';
const leafOf = (text: string): Uint8Array => leafHash(Buffer.from(text));
const setRecord = (store: Store, seq: number, text: string): number =>
  run(store, 'UPDATE record SET canonical = ?, leaf = ? WHERE seq = ?', text, leafOf(text), seq);
const forged = (seq: number, time: number): string =>
  canonicalRecord(canonicalJson(processStart(666)), seq, time);
/** Number records from `from` on anew, `by` up or down, as an attacker must to hide a gap. */
function shift(store: Store, from: number, by: number): void {
  run(store, 'UPDATE record SET seq = seq + 1000000 + ? WHERE seq >= ?', by, from);
  run(store, 'UPDATE record SET seq = seq - 1000000 WHERE seq >= 1000000');
}
/** What an attacker who knows the format does: the records' own numbers, leaves, nodes and head made to fit. */
function makeFit(store: Store, parts: { nodes?: boolean; head?: boolean }): void {
  const rows = store
    .prepare<[], { seq: number; canonical: string }>('SELECT seq, canonical FROM record ORDER BY seq')
    .all();
  const frontier = new Frontier();
  if (parts.nodes) run(store, 'DELETE FROM node');
  for (const { seq, canonical } of rows) {
    const parsed = parseRecord(canonical);
    if (parsed.kind !== 'record') throw new Error('not a record');
    const text = canonicalRecord(canonicalJson(parsed.event), seq, parsed.time);
    if (text !== canonical) setRecord(store, seq, text);
    frontier.append(leafOf(text), (level, index, hash) => {
      if (parts.nodes && level % 8 === 0) run(store, 'INSERT INTO node VALUES(?, ?, ?)', level, index, hash);
    });
  }
  if (parts.head) run(store, 'UPDATE head SET size = ?, root = ?', frontier.size, frontier.root());
}

void t.test('an untouched log verifies', (t) => {
  const store = openStore({ file: original, schema: auditSchema, access: 'read' });
  const result = verifyStore(store, { key });
  t.match(result, { size: SIZE, root: head.root, head, checkpoint: { origin, size: SIZE, signed: true } });
  t.equal(result.fault, undefined);
  t.equal(verifyStore(store).checkpoint?.signed, false, 'without a key nothing is called signed');
  t.equal(
    tampered(() => undefined),
    undefined,
  );
  store.close();
  t.end();
});

void t.test('an empty log verifies', (t) => {
  const empty = openLog(join(folder, 'empty.db'));
  t.same(verifyStore(empty.store).fault, undefined);
  empty.close();
  t.end();
});

void t.test('a changed field is found at its record', (t) => {
  for (const seq of [0, 1, 255, 256, 300, 599]) {
    const changed = { kind: 'changed', seq };
    const replace = (from: string, to: string) => (store: Store) => {
      const changes = run(
        store,
        'UPDATE record SET canonical = replace(canonical, ?, ?) WHERE seq = ?',
        from,
        to,
        seq,
      );
      if (changes !== 1) throw new Error('nothing was changed');
    };
    t.same(tampered(replace('"broker"', '"tunnel"')), changed, 'a value');
    t.same(tampered(replace('"kind":', '"kinds":')), changed, 'a member');
    t.same(tampered(replace('"time":1', '"time":2')), changed, 'its time');
    t.same(tampered(replace('{"event"', '{ "event"')), changed, 'a space');
    t.same(
      tampered((s) => run(s, 'UPDATE record SET time = time + 1 WHERE seq = ?', seq)),
      changed,
      'the time column',
    );
    t.same(
      tampered((s) => run(s, 'UPDATE record SET leaf = zeroblob(32) WHERE seq = ?', seq)),
      changed,
      'the leaf',
    );
    t.same(
      tampered((s) => run(s, "UPDATE record SET canonical = '' WHERE seq = ?", seq)),
      changed,
      'emptied',
    );
    t.same(
      tampered((s) => run(s, "UPDATE record SET canonical = CAST(x'7bff7d' AS TEXT) WHERE seq = ?", seq)),
      changed,
      'not UTF-8',
    );
  }
  t.end();
});

void t.test('a record changed together with its leaf is found by what is above it', (t) => {
  const change = (seq: number) => (store: Store) => {
    setRecord(store, seq, canonicalOf(store, seq).replace('"origin":"broker"', '"origin":"tunnel"'));
  };
  t.same(tampered(change(300)), { kind: 'changed', seq: 256, through: 511 }, 'by the stored node over it');
  t.same(tampered(change(599)), { kind: 'changed', seq: 512, through: 599 }, 'by head and checkpoint');
  const withNodes = (store: Store): void => {
    change(300)(store);
    makeFit(store, { nodes: true });
  };
  t.match(tampered(withNodes), { kind: 'changed', through: 599 });
  const all = (store: Store): void => {
    change(300)(store);
    makeFit(store, { nodes: true, head: true });
  };
  t.same(tampered(all), { kind: 'changed', seq: 0, through: 599 }, 'by the signature alone');
  t.end();
});

void t.test('a removed record', (t) => {
  for (const seq of [0, 5, 300]) {
    const remove = (store: Store): void => void run(store, 'DELETE FROM record WHERE seq = ?', seq);
    t.same(tampered(remove), { kind: 'removed', seq, through: seq });
    const renumber = (store: Store): void => {
      remove(store);
      shift(store, seq + 1, -1);
    };
    t.same(tampered(renumber), { kind: 'removed', seq });
    const fit = (store: Store): void => {
      renumber(store);
      makeFit(store, { nodes: true, head: true });
    };
    t.same(tampered(fit), { kind: 'truncated', seq: 599, through: 599 }, 'fewer than were signed');
  }
  t.same(
    tampered((s) => run(s, 'DELETE FROM record WHERE seq BETWEEN 10 AND 19')),
    { kind: 'removed', seq: 10, through: 19 },
  );
  t.end();
});

void t.test('an inserted record', (t) => {
  const insert = (text: (seq: number) => string) => (store: Store) => {
    shift(store, 40, 1);
    run(store, 'INSERT INTO record VALUES(40, 1700000001000, ?, ?)', text(40), leafOf(text(40)));
  };
  t.same(tampered(insert((seq) => forged(seq, 1_700_000_001_000))), { kind: 'inserted', seq: 40 });
  t.same(
    tampered((s) => insert(() => canonicalOf(s, 7))(s)),
    { kind: 'inserted', seq: 40 },
    'a copy of another',
  );
  const appended = (store: Store): void => {
    const text = forged(SIZE, 1_800_000_000_000);
    run(store, 'INSERT INTO record VALUES(?, 1800000000000, ?, ?)', SIZE, text, leafOf(text));
  };
  t.same(tampered(appended), { kind: 'inserted', seq: SIZE, through: SIZE }, 'after the head');
  t.same(
    tampered((s) => run(s, "INSERT INTO record VALUES(1e6, 0, '', zeroblob(32))")),
    { kind: 'removed', seq: SIZE, through: 999_999 },
  );
  t.end();
});

void t.test('records that changed places', (t) => {
  const swap = (a: number, b: number) => (store: Store) => {
    run(store, 'UPDATE record SET seq = 1000000 WHERE seq = ?', a);
    run(store, 'UPDATE record SET seq = ? WHERE seq = ?', a, b);
    run(store, 'UPDATE record SET seq = ? WHERE seq = 1000000', b);
  };
  t.same(tampered(swap(30, 31)), { kind: 'reordered', seq: 30 });
  t.same(tampered(swap(0, 599)), { kind: 'reordered', seq: 0 });
  const fit = (store: Store): void => {
    swap(30, 31)(store);
    makeFit(store, {});
  };
  t.same(tampered(fit), { kind: 'changed', seq: 0, through: 255 }, 'with numbers and leaves made to fit');
  t.end();
});

void t.test('a truncated log', (t) => {
  t.same(
    tampered((s) => run(s, 'DELETE FROM record WHERE seq >= 590')),
    { kind: 'truncated', seq: 590, through: 599 },
  );
  t.same(
    tampered((s) => run(s, 'DELETE FROM record')),
    { kind: 'truncated', seq: 0, through: 599 },
  );
  const fit = (store: Store): void => {
    run(store, 'DELETE FROM record WHERE seq >= 590');
    makeFit(store, { nodes: true, head: true });
  };
  t.same(tampered(fit), { kind: 'truncated', seq: 590, through: 599 }, 'its own checkpoint knows better');
  const alsoCheckpoint = (store: Store): void => {
    fit(store);
    run(store, 'DELETE FROM checkpoint');
  };
  t.same(tampered(alsoCheckpoint), undefined, 'nothing inside the store knows any more');
  t.same(
    tampered(alsoCheckpoint, signed),
    { kind: 'truncated', seq: 590, through: 599 },
    'one kept elsewhere does',
  );
  t.end();
});

void t.test('a forged head, node or checkpoint', (t) => {
  t.same(
    tampered((s) => run(s, 'UPDATE head SET root = zeroblob(32)')),
    { kind: 'head', seq: SIZE },
  );
  t.same(
    tampered((s) => run(s, 'DELETE FROM head')),
    { kind: 'head', seq: SIZE },
  );
  t.same(
    tampered((s) => run(s, 'UPDATE head SET size = 700')),
    { kind: 'truncated', seq: 600, through: 699 },
  );
  t.same(
    tampered((s) => run(s, 'UPDATE head SET size = 500')),
    { kind: 'inserted', seq: 500, through: 599 },
  );
  t.same(
    tampered((s) => run(s, 'UPDATE node SET hash = zeroblob(32) WHERE idx = 1')),
    { kind: 'tree', seq: 256, through: 511 },
  );
  t.same(
    tampered((s) => run(s, 'DELETE FROM node WHERE idx = 0')),
    { kind: 'tree', seq: 0, through: 255 },
  );
  const note = (text: string) => (store: Store) => void run(store, 'UPDATE checkpoint SET note = ?', text);
  t.same(tampered(note('hello')), { kind: 'checkpoint', seq: SIZE });
  t.same(tampered(note(signed.replace(/^600$/m, '599'))), { kind: 'checkpoint', seq: SIZE });
  const impostor = openSigner(origin, generateSigningKey());
  t.same(tampered(note(signCheckpoint({ origin, size: SIZE, root }, impostor))), {
    kind: 'checkpoint',
    seq: SIZE,
  });
  const older = signCheckpoint({ origin, size: 100, root }, signer);
  t.same(
    tampered(() => undefined, older),
    { kind: 'changed', seq: 0, through: 99 },
    'signed over other records',
  );
  t.end();
});
