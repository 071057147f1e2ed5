/** The tray of refusals: durable one by one, bounded, its reader's to empty, and safe from links in it. */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import {
  TRAY_RECORDS,
  clearTray,
  keepRefusal,
  readTray,
  refusalEvent,
} from '../../src/platform/refusal-tray.ts';
import { auditEvent } from '../../src/wire/audit-event.ts';

const uid = process.getuid?.() ?? 0;
const stateOf = (t: Test): string => {
  const folder = mkdtempSync(join(tmpdir(), 'anteroom-tray-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'state');
};

void t.test('in order, until they are cleared', (t) => {
  const state = stateOf(t);
  t.same(readTray(state), []);
  const digest = 'ab'.repeat(32);
  keepRefusal(state, { at: 2000, code: 'E05', digest }, uid);
  keepRefusal(state, { at: 1000, code: 'E01' }, uid);
  t.equal(statSync(join(state, 'audit')).mode & 0o777, 0o700);
  t.equal(statSync(join(state, 'audit/refused')).mode & 0o777, 0o700);
  const first = readTray(state);
  t.same(
    first.map(({ record }) => record),
    [
      { at: 1000, code: 'E01', count: 1 },
      { at: 2000, code: 'E05', digest, count: 1 },
    ],
  );
  for (const { record } of first) t.ok(record && auditEvent.safeParse(refusalEvent(record)).success);
  keepRefusal(state, { at: 3000, code: 'E02' }, uid);
  clearTray(state, first);
  t.match(readTray(state), [{ record: { at: 3000, code: 'E02' } }], 'what came meanwhile stays');
  clearTray(state, first);
  t.end();
});

void t.test('never more than there is room for; the rest is counted', (t) => {
  const state = stateOf(t);
  for (let i = 0; i < TRAY_RECORDS + 40; i++) keepRefusal(state, { at: i, code: 'E03' }, uid);
  const waiting = readTray(state);
  t.equal(waiting.length, TRAY_RECORDS);
  t.match(waiting.at(-1)?.record, { at: TRAY_RECORDS + 39, count: 41 });
  t.equal(
    waiting.reduce((sum, { record }) => sum + (record?.count ?? 0), 0),
    TRAY_RECORDS + 40,
    'none is lost',
  );
  t.end();
});

void t.test('what nobody here wrote is not a record, and a link is not followed', (t) => {
  const state = stateOf(t);
  keepRefusal(state, { at: 1, code: 'E02' }, uid);
  const tray = join(state, 'audit/refused');
  const name = (n: number): string => join(tray, `00000000000000${n}-00000000`);
  writeFileSync(name(2), '{"at":1,"code":"E99","count":1}');
  writeFileSync(name(3), 'x'.repeat(5000));
  writeFileSync(name(4), '{');
  symlinkSync('/etc/hostname', name(5));
  mkdirSync(name(6));
  writeFileSync(join(tray, 'other'), 'not by name');
  t.same(
    readTray(state).map(({ record }) => record?.code),
    ['E02', undefined, undefined, undefined, undefined, undefined],
  );
  rmSync(name(6), { recursive: true });
  clearTray(state, readTray(state));
  t.same(readdirSync(tray), ['other']);
  t.ok(readFileSync('/etc/hostname', 'utf8') !== '', 'the link’s other end is there');

  rmSync(tray, { recursive: true });
  const elsewhere = join(state, 'elsewhere');
  mkdirSync(elsewhere);
  symlinkSync(elsewhere, tray);
  t.throws(() => keepRefusal(state, { at: 1, code: 'E02' }, uid), { code: /ENOTDIR|ELOOP/ });
  t.same(readdirSync(elsewhere), []);
  t.end();
});
