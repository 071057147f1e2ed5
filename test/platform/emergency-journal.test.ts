/** The emergency journal: durable records without a log, on a full disk, after a kill, with a torn end. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { EmergencyJournal, readRecords } from '../../src/platform/emergency-journal.ts';

function folder(t: Test): string {
  const made = mkdtempSync(join(tmpdir(), 'emergency-journal-'));
  t.teardown(() => rmSync(made, { recursive: true, force: true }));
  return made;
}
const open = (in_: string, size = 4096): EmergencyJournal =>
  new EmergencyJournal({ file: join(in_, 'a'), fallback: join(in_, 'b'), size });

void t.test('records survive the process and go when they are cleared', (t) => {
  const place = folder(t);
  const first = open(place);
  t.same([first.left, first.held, first.fault], [[], 0, undefined]);
  t.equal(statSync(join(place, 'a')).mode & 0o777, 0o600);
  t.equal(statSync(join(place, 'a')).size, 4096, 'room is taken at the start');
  t.ok(first.append({ n: 1 }));
  t.ok(first.append({ n: 2, text: 'ä' }));
  t.equal(statSync(join(place, 'a')).size, 4096, 'and never grows');
  const second = open(place);
  t.same(second.left, [{ n: 1 }, { n: 2, text: 'ä' }]);
  t.equal(second.held, 2);
  t.ok(second.append({ n: 3 }));
  t.same(open(place).left, [{ n: 1 }, { n: 2, text: 'ä' }, { n: 3 }]);
  second.clear();
  t.equal(second.held, 0);
  t.same(open(place).left, []);
  t.ok(second.append({ n: 4 }));
  t.same(open(place).left, [{ n: 4 }], 'older records behind it are not read again');
  for (const each of [first, second]) each.close();
  t.end();
});

void t.test('bounded: the second file takes over, then nothing does', (t) => {
  const journal = open(folder(t), 256);
  const record = { text: 'x'.repeat(80) };
  t.same(
    [1, 2, 3, 4, 5].map(() => journal.append(record)),
    [true, true, true, true, false],
  );
  t.equal(journal.held, 4);
  t.equal(journal.volatile, 2);
  journal.clear();
  t.equal(journal.volatile, 0);
  t.ok(journal.append(record));
  journal.close();
  t.end();
});

void t.test('a file that cannot be opened leaves the other', (t) => {
  const place = folder(t);
  writeFileSync(join(place, 'file'), '');
  const journal = new EmergencyJournal({
    file: join(place, 'file', 'where'),
    fallback: join(place, 'b'),
    size: 4096,
  });
  t.match(journal.fault, { code: 'STORE_UNAVAILABLE' });
  t.ok(journal.append({ n: 1 }));
  t.equal(journal.volatile, 1);
  journal.close();
  t.end();
});

void t.test('cut or changed at every byte: whole records in order, or fewer', (t) => {
  const place = folder(t);
  const journal = open(place, 512);
  const records = [{ n: 1 }, { n: 22 }, { n: 333 }];
  for (const record of records) journal.append(record);
  journal.close();
  const whole = readFileSync(join(place, 'a'));
  t.same(readRecords(whole).records, records);
  const isPrefix = (found: unknown[]): boolean =>
    found.length <= records.length &&
    JSON.stringify(found) === JSON.stringify(records.slice(0, found.length));
  let fewer = 0;
  for (let at = 0; at < 60; at++) {
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] ?? 0) ^ 0x41;
    const cut = Buffer.from(whole);
    cut.fill(0, at);
    for (const bytes of [changed, cut, whole.subarray(0, at)]) {
      const found = readRecords(bytes).records;
      if (!isPrefix(found)) t.fail(`at ${at}: ${JSON.stringify(found)}`);
      if (found.length < 3) fewer++;
    }
  }
  t.ok(fewer > 60);
  writeFileSync(join(place, 'a'), Buffer.alloc(512, 0xff));
  t.same(open(place, 512).left, [], 'noise is no record');
  t.end();
});

void t.test('killed right after the answer: the record is there', (t) => {
  const place = folder(t);
  const source = new URL('../../src/platform/emergency-journal.ts', import.meta.url).href;
  const script = `
    import { EmergencyJournal } from ${JSON.stringify(source)};
    const journal = new EmergencyJournal({ file: ${JSON.stringify(join(place, 'a'))}, fallback: ${JSON.stringify(join(place, 'b'))} });
    if (journal.append({ killed: true })) process.kill(process.pid, 'SIGKILL');`;
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  t.equal(run.signal, 'SIGKILL', run.stderr);
  t.same(new EmergencyJournal({ file: join(place, 'a'), fallback: join(place, 'b') }).left, [
    { killed: true },
  ]);
  t.end();
});
