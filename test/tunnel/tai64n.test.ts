/** TAI64N labels: the format, the grain, and that they only go up. */
import t from 'tap';
import { Tai64nClock, compareTai64n } from '../../src/tunnel/tai64n.ts';
import { epochMillis } from '../../src/wire/units.ts';

void t.test('the label of an instant', (t) => {
  const label = new Tai64nClock().label(epochMillis(0));
  t.equal(Buffer.from(label).toString('hex'), '400000000000000a00000000');
  const later = new Tai64nClock().label(epochMillis(1_500_000_000_123));
  const nanoseconds = (1_500_000_000_123_000_000n / (1n << 24n)) * (1n << 24n);
  t.equal(Buffer.from(later).readBigUInt64BE(0), 0x400000000000000an + nanoseconds / 1_000_000_000n);
  t.equal(Buffer.from(later).readUInt32BE(8), Number(nanoseconds % 1_000_000_000n));
  t.end();
});

void t.test('labels of one clock go up, even when the wall clock stands or goes back', (t) => {
  const clock = new Tai64nClock();
  let last = clock.label(epochMillis(1_800_000_000_000));
  for (const ms of [
    1_800_000_000_000, 1_800_000_000_001, 1_799_999_000_000, 0, 1_800_000_000_001, 1_800_000_050_000,
  ]) {
    const label = clock.label(epochMillis(ms));
    t.ok(compareTai64n(label, last) > 0, `${ms}`);
    t.ok(compareTai64n(last, label) < 0);
    last = label;
  }
  t.equal(compareTai64n(last, Uint8Array.from(last)), 0);
  t.end();
});
