/** What the runtime folder holds: the limit of attempts, the typed code, and nothing believed of a damaged file. */
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import {
  gatherFacts,
  mayAttempt,
  takeTypedCode,
  writeStickState,
  writeTypedCode,
} from '../../src/cli/provision-facts.ts';
import { placesOf } from '../../src/cli/provision-memory.ts';

void t.test('five attempts a minute, a code once, facts of a new box', (t) => {
  const run = mkdtempSync(join(tmpdir(), 'anteroom-run-'));
  t.teardown(() => rmSync(run, { recursive: true, force: true }));
  t.same(
    [0, 1, 2, 3, 4, 5, 59_999, 60_000, 60_000].map((at) => mayAttempt(run, 1_000_000 + at)),
    [true, true, true, true, true, false, false, true, false],
  );

  t.equal(takeTypedCode(run), undefined);
  writeTypedCode(run, 'ABCDE-12345');
  t.equal(statSync(join(run, 'code')).mode & 0o777, 0o600);
  t.equal(takeTypedCode(run), 'ABCDE-12345');
  t.equal(takeTypedCode(run), undefined, 'it is gone');
  t.notOk(existsSync(join(run, 'code')));

  const facts = () => gatherFacts(placesOf(join(run, 'state')), run, { version: '0.1.0', now: 7 });
  t.match(facts(), { phase: 'new', stick: { state: 'none' }, accepted: false, selfTest: [], now: 7 });
  writeStickState(run, { state: 'read', code: 'E05', at: 7 });
  t.match(facts(), { stick: { code: 'E05' } });
  writeFileSync(join(run, 'stick.json'), '{"state":"read","code":"E99"}');
  t.match(facts(), { stick: { state: 'none' } });
  t.end();
});
