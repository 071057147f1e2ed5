/** The wait before a process is started again. */
import t from 'tap';
import { Backoff } from '../../../src/platform/supervise/backoff.ts';
import { millis } from '../../../src/wire/units.ts';

const short = millis(50);
const long = millis(10_000);

await t.test('doubles from 100 ms to 5 s and stays there', (t) => {
  const backoff = new Backoff();
  const waits = Array.from({ length: 8 }, () => backoff.after(short));
  t.same(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  t.end();
});

await t.test('starts again at 100 ms after a process that held', (t) => {
  const backoff = new Backoff();
  for (let i = 0; i < 5; i++) backoff.after(short);
  t.equal(backoff.after(long), 100);
  t.equal(backoff.after(short), 200);
  t.end();
});
