/** TAI64N labels: the format, the grain, and that they only go up. */
import t from 'tap';
import { Tai64nClock, compareTai64n, laterTai64n } from '../../src/tunnel/tai64n.ts';
import { epochMillis, seconds } from '../../src/wire/units.ts';

void t.test('the label of an instant', (t) => {
  const label = new Tai64nClock().label(epochMillis(0)).label;
  t.equal(Buffer.from(label).toString('hex'), '400000000000000a00000000');
  const later = new Tai64nClock().label(epochMillis(1_500_000_000_123)).label;
  const nanoseconds = (1_500_000_000_123_000_000n / (1n << 24n)) * (1n << 24n);
  t.equal(Buffer.from(later).readBigUInt64BE(0), 0x400000000000000an + nanoseconds / 1_000_000_000n);
  t.equal(Buffer.from(later).readUInt32BE(8), Number(nanoseconds % 1_000_000_000n));
  t.end();
});

void t.test('labels of one clock go up, even when the wall clock stands or goes back', (t) => {
  const clock = new Tai64nClock();
  let last = clock.label(epochMillis(1_800_000_000_000)).label;
  for (const ms of [
    1_800_000_000_000, 1_800_000_000_001, 1_799_999_000_000, 0, 1_800_000_000_001, 1_800_000_050_000,
  ]) {
    const label = clock.label(epochMillis(ms)).label;
    t.ok(compareTai64n(label, last) > 0, `${ms}`);
    t.ok(compareTai64n(last, label) < 0);
    last = label;
  }
  t.equal(compareTai64n(last, Uint8Array.from(last)), 0);
  t.end();
});

void t.test('after a restart labels go on above the last ones, whatever the clock says', (t) => {
  const first = new Tai64nClock();
  const noon = 1_800_000_000_000;
  const { label, store } = first.label(epochMillis(noon));
  if (!store) throw new Error('nothing is stored');
  t.ok(compareTai64n(store, label) > 0, 'stored is more than was used');
  let last = label;
  let stores = 0;
  for (let s = 1; s <= 600; s++) {
    const next = first.label(epochMillis(noon + s * 1000));
    if (next.store) stores++;
    last = next.label;
  }
  t.ok(stores <= 10, `${stores} writes in ten minutes`);
  const { store: latest = store } = first.label(epochMillis(noon + 661_000));
  for (const clockAfter of [noon - 86_400_000, 0, noon + 600_000]) {
    const second = new Tai64nClock(latest);
    const again = second.label(epochMillis(clockAfter));
    t.ok(compareTai64n(again.label, last) > 0, 'later than every label of the process before');
    t.ok(again.store && compareTai64n(again.store, again.label) > 0);
  }
  const late = new Tai64nClock(latest).label(epochMillis(noon + 7_200_000)).label;
  t.same(
    late,
    new Tai64nClock().label(epochMillis(noon + 7_200_000)).label,
    'and a clock that is right is followed',
  );
  t.end();
});

void t.test('a little later', (t) => {
  const { label } = new Tai64nClock().label(epochMillis(1_800_000_000_000));
  const expected = new Tai64nClock().label(epochMillis(1_800_000_002_000)).label;
  t.same(laterTai64n(label, seconds(2)).subarray(0, 8), expected.subarray(0, 8));
  const last = new Uint8Array(12).fill(0xff);
  t.equal(compareTai64n(laterTai64n(last, seconds(2)), last), 0, 'the end of time is not passed');
  t.end();
});
