/** A flood of refusals becomes a few reports that count all of them. */
import t from 'tap';
import { RefusalLog } from '../../src/tunnel/refusal-log.ts';
import { monotonicMillis } from '../../src/wire/units.ts';
import { anyPublicKey, at } from './support.ts';

void t.test('the first at once, the rest in one report an interval', (t) => {
  const log = new RefusalLog();
  const publicKey = anyPublicKey(1).text;
  const reports = [];
  let refused = 0;
  for (let ms = 0; ms <= 60_000; ms += 10) {
    const now = monotonicMillis(ms);
    reports.push(...log.due(now));
    if (ms >= 30_000) continue;
    refused++;
    const report = log.add({ reason: 'unknown static key', from: at((ms / 10) % 250), publicKey }, now);
    if (report) reports.push(report);
  }
  t.equal(refused, 3000);
  t.same(
    reports.map((r) => r.count),
    [1, 999, 1000, 1000],
  );
  t.equal(
    reports.reduce((sum, r) => sum + r.count, 0),
    refused,
    'none is lost',
  );
  t.equal(reports[0]?.publicKey, publicKey);
  t.equal(log.deadline, undefined, 'and then it is quiet');
  t.end();
});

void t.test('reasons do not hide one another', (t) => {
  const log = new RefusalLog();
  const now = monotonicMillis(0);
  t.ok(log.add({ reason: 'unknown static key', from: at(1) }, now));
  t.ok(log.add({ reason: 'replayed initiation', from: at(1) }, now));
  t.notOk(log.add({ reason: 'replayed initiation', from: at(1) }, now));
  t.match(log.flush(), [{ reason: 'replayed initiation', count: 1 }], 'the end tells what was held back');
  t.same(log.flush(), []);
  t.end();
});
