/** The machine's own clock: a name for the boot that stays, and an uptime that only grows. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { bootClock } from '../../src/platform/clock.ts';

void t.test('the same boot for every process, and time since it', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'clock-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const [one, other] = [bootClock(folder), bootClock(folder)];
  t.equal(one.boot, other.boot);
  t.match(one.boot, /^[0-9a-f-]{36}$/);
  const first = one.uptime();
  t.ok(first > 0);
  t.ok(other.uptime() >= first);
  t.end();
});
