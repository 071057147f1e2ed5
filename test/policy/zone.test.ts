/** Local times and instants, on both sides of changes of the clock. */
import t from 'tap';
import { addDays, instantOf, isZone, localOf, offsetAt, weekdayOf } from '../../src/policy/zone.ts';
import { epochMillis } from '../../src/wire/units.ts';

const at = (text: string): ReturnType<typeof epochMillis> => epochMillis(Date.parse(text));
const iso = (instant: number): string => new Date(instant).toISOString().slice(0, 16);
const spring = { year: 2027, month: 3, day: 28 };
const autumn = { year: 2026, month: 10, day: 25 };

void t.test('names', (t) => {
  for (const good of ['UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Etc/GMT+5'])
    t.ok(isZone(good), good);
  for (const bad of ['', 'CEST', '+01:00', 'Europe/Atlantis', 'europe', 'Europe/Berlin\n'])
    t.notOk(isZone(bad), bad);
  t.end();
});

void t.test('an instant as the wall clock reads it', (t) => {
  const berlin = 'Europe/Berlin';
  t.same(localOf(at('2026-10-25T00:30:00Z'), berlin), { ...autumn, minute: 150, weekday: 7 });
  t.same(
    localOf(at('2026-10-25T01:30:00Z'), berlin),
    { ...autumn, minute: 150, weekday: 7 },
    'the same again',
  );
  t.same(localOf(at('2027-03-28T00:59:59Z'), berlin), { ...spring, minute: 119, weekday: 7 });
  t.same(localOf(at('2027-03-28T01:00:00Z'), berlin), { ...spring, minute: 180, weekday: 7 });
  t.same(localOf(at('2026-12-31T23:30:00Z'), 'Asia/Kathmandu'), {
    year: 2027,
    month: 1,
    day: 1,
    minute: 5 * 60 + 15,
    weekday: 5,
  });
  t.end();
});

void t.test('a local time as an instant', (t) => {
  const cases = [
    [autumn, 90, 'Europe/Berlin', '2026-10-24T23:30'],
    [autumn, 150, 'Europe/Berlin', '2026-10-25T00:30'],
    [autumn, 210, 'Europe/Berlin', '2026-10-25T02:30'],
    [spring, 90, 'Europe/Berlin', '2027-03-28T00:30'],
    [spring, 150, 'Europe/Berlin', '2027-03-28T01:30'],
    [spring, 210, 'Europe/Berlin', '2027-03-28T01:30'],
    [{ year: 2027, month: 3, day: 14 }, 150, 'America/New_York', '2027-03-14T07:30'],
    [{ year: 2026, month: 11, day: 1 }, 90, 'America/New_York', '2026-11-01T05:30'],
    [{ year: 2027, month: 4, day: 4 }, 105, 'Australia/Lord_Howe', '2027-04-03T14:45'],
    [{ year: 2027, month: 1, day: 1 }, 1500, 'UTC', '2027-01-02T01:00'],
  ] as const;
  for (const [date, minute, zone, wanted] of cases)
    t.equal(iso(instantOf(date, minute, zone)), wanted, `${JSON.stringify(date)} ${minute} ${zone}`);
  t.end();
});

void t.test('there and back: every hour of two years in zones of every kind', (t) => {
  let checked = 0;
  for (const zone of ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata', 'UTC']) {
    for (
      let instant = at('2026-01-01T00:00:00Z') as number;
      instant < at('2028-01-01T00:00:00Z');
      instant += 3_600_000
    ) {
      const local = localOf(epochMillis(instant), zone);
      const back = instantOf(local, local.minute, zone);
      // The second of two equal readings goes back to the first.
      if (back !== instant && !(instant - back === 3_600_000 || instant - back === 1_800_000))
        t.fail(`${zone} ${iso(instant)} came back as ${iso(back)}`);
      if (back !== instant && offsetAt(back, zone) === offsetAt(instant, zone))
        t.fail(`${zone} ${iso(instant)}`);
      checked++;
    }
  }
  t.equal(checked, 5 * 2 * 365 * 24);
  t.end();
});

void t.test('dates', (t) => {
  t.same(addDays({ year: 2028, month: 2, day: 28 }, 1), { year: 2028, month: 2, day: 29 });
  t.same(addDays({ year: 2027, month: 1, day: 1 }, -1), { year: 2026, month: 12, day: 31 });
  t.equal(weekdayOf({ year: 2026, month: 11, day: 22 }), 7);
  t.end();
});
