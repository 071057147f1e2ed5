/** The audit process's own lines of the health list. */
import t from 'tap';
import { AuditHealth } from '../../src/audit/health.ts';
import { epochMillis, monotonicMillis } from '../../src/wire/units.ts';

let now = 1000;
const clock = { now: () => epochMillis(now), monotonic: () => monotonicMillis(now) };
const MiB = 1048576;

void t.test('room runs out in steps', (t) => {
  const health = new AuditHealth(clock);
  const levels = [200, 100, 15, 200].map((free) => {
    now += 10;
    const items = health.list({
      refusing: undefined,
      freeBytes: free * MiB,
      reserveBytes: 16 * MiB,
      size: 7,
    });
    return [items[1]?.item, items[1]?.level, items[1]?.since];
  });
  t.same(levels, [
    ['audit.disk', 'ok', 1010],
    ['audit.disk', 'warning', 1020],
    ['audit.disk', 'critical', 1030],
    ['audit.disk', 'ok', 1040],
  ]);
  const unknown = health.list({ refusing: undefined, freeBytes: undefined, reserveBytes: 1, size: 7 });
  t.equal(unknown[1]?.level, 'warning');
  t.end();
});

void t.test('a log that refuses says why, since when', (t) => {
  const health = new AuditHealth(clock);
  const first = health.list({ refusing: 'It does not verify.', freeBytes: 1, reserveBytes: 0, size: 7 })[0];
  now += 50;
  const second = health.list({ refusing: 'It does not verify.', freeBytes: 1, reserveBytes: 0, size: 7 })[0];
  t.equal(first?.level, 'critical');
  t.match(first?.text, 'New sessions are refused, open ones go on: It does not verify.');
  t.equal(second?.since, first?.since);
  t.equal(health.list({ refusing: undefined, freeBytes: 1, reserveBytes: 0, size: 8 })[0]?.level, 'ok');
  t.end();
});
