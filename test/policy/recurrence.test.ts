/** Calendars of shifts and maintenance windows: when they are on, when that changes, and the nights the clock does. */
import t from 'tap';
import { HORIZON_DAYS, calendar, occurs } from '../../src/policy/recurrence.ts';
import { recurrence } from '../../src/wire/site-data.ts';
import type { Recurrence } from '../../src/wire/site-data.ts';
import { epochMillis } from '../../src/wire/units.ts';

const at = (text: string): ReturnType<typeof epochMillis> => epochMillis(Date.parse(text));
const iso = (instant: number | undefined): string | undefined =>
  instant === undefined ? undefined : new Date(instant).toISOString().slice(0, 16);
const rule = (input: object): Recurrence => recurrence.parse({ minutes: 60, ...input });
const berlin = 'Europe/Berlin';
const zoneless = 'UTC';

/** `on until …` or `off until …`. */
function told(recurring: Recurrence | readonly Recurrence[], when: string, zone = zoneless): string {
  const list = Array.isArray(recurring) ? (recurring as readonly Recurrence[]) : [recurring as Recurrence];
  const { on, changesAt } = calendar(list, zone, at(when));
  return `${on ? 'on' : 'off'} ${iso(changesAt) ?? 'for good'}`;
}

void t.test('once', (t) => {
  const once = rule({ start: '2026-12-01T22:00', zone: berlin });
  t.equal(told(once, '2026-11-30T00:00:00Z'), 'off 2026-12-01T21:00');
  t.equal(told(once, '2026-12-01T20:59:59.999Z'), 'off 2026-12-01T21:00');
  t.equal(told(once, '2026-12-01T21:00:00Z'), 'on 2026-12-01T22:00');
  t.equal(told(once, '2026-12-01T21:59:59.999Z'), 'on 2026-12-01T22:00');
  t.equal(told(once, '2026-12-01T22:00:00Z'), 'off for good');
  t.equal(told(once, '2026-12-03T00:00:00Z'), 'off for good');
  t.end();
});

void t.test('a week: days, intervals, the last day, days left out', (t) => {
  const tuesdays = rule({
    start: '2026-11-03T22:00',
    every: 'week',
    weekdays: [2, 4],
    interval: 2,
    until: '2026-12-01',
    except: ['2026-11-17'],
  });
  const starts: string[] = [];
  for (let now = at('2026-11-01T00:00:00Z') as number; ;) {
    const { on, changesAt } = occurs(tuesdays, zoneless, epochMillis(now));
    if (changesAt === undefined || changesAt > at('2027-01-01T00:00:00Z')) break;
    if (!on) starts.push(iso(changesAt) ?? '');
    now = changesAt;
  }
  t.same(starts, ['2026-11-03T22:00', '2026-11-05T22:00', '2026-11-19T22:00', '2026-12-01T22:00']);
  t.equal(told(tuesdays, '2026-12-05T00:00:00Z'), 'off for good');
  const plain = rule({ start: '2026-11-06T08:00', every: 'week' });
  t.equal(told(plain, '2026-11-07T00:00:00Z'), 'off 2026-11-13T08:00', "without weekdays: the start's own");
  t.end();
});

void t.test('a day, a month', (t) => {
  t.equal(
    told(rule({ start: '2026-11-01T08:00', every: 'day', interval: 3 }), '2026-11-02T00:00:00Z'),
    'off 2026-11-04T08:00',
  );
  t.equal(
    told(
      rule({ start: '2026-11-02T08:00', every: 'day', weekdays: [1, 2, 3, 4, 5] }),
      '2026-11-06T12:00:00Z',
    ),
    'off 2026-11-09T08:00',
  );
  const last = rule({ start: '2026-01-25T20:00', every: 'month', weekdays: [7], week: -1 });
  t.equal(told(last, '2026-11-01T00:00:00Z'), 'off 2026-11-29T20:00');
  const second = rule({ start: '2026-01-01T20:00', every: 'month', weekdays: [2], week: 2 });
  t.equal(told(second, '2026-11-22T00:00:00Z'), 'off 2026-12-08T20:00');
  const all = rule({ start: '2026-01-01T20:00', every: 'month', weekdays: [2], interval: 2 });
  t.equal(told(all, '2026-11-24T22:00:00Z'), 'off 2027-01-05T20:00');
  t.equal(
    told(rule({ start: '2026-01-31T20:00', every: 'month' }), '2026-02-01T00:00:00Z'),
    'off 2026-03-31T20:00',
    'February has no 31st',
  );
  t.equal(
    told(rule({ start: '2026-02-10T20:00', every: 'month', interval: 20 }), '2026-03-01T00:00:00Z'),
    `off ${iso(at('2026-03-01T00:00:00Z') + HORIZON_DAYS * 86_400_000)}`,
    'beyond the horizon',
  );
  t.end();
});

void t.test('a night window over the change to winter time lasts what it says', (t) => {
  const night = rule({ start: '2026-10-03T22:00', every: 'week', minutes: 480, zone: berlin });
  // Saturday 2026-10-24 22:00 is 20:00 UTC; clocks go back at 01:00 UTC.
  t.equal(told(night, '2026-10-24T20:00:00Z'), 'on 2026-10-25T04:00');
  t.equal(told(night, '2026-10-25T03:59:00Z'), 'on 2026-10-25T04:00', '04:59 on the wall: one hour "early"');
  t.equal(
    told(night, '2026-10-25T04:00:00Z'),
    'off 2026-10-31T21:00',
    'the next one starts at 22:00 on the wall again',
  );
  t.equal(told(night, '2026-10-17T20:00:00Z'), 'on 2026-10-18T04:00');
  t.end();
});

void t.test('a night window over the change to summer time', (t) => {
  const night = rule({ start: '2027-03-06T22:00', every: 'week', minutes: 480, zone: berlin });
  t.equal(told(night, '2027-03-27T21:00:00Z'), 'on 2027-03-28T05:00', '07:00 on the wall');
  const inside = rule({ start: '2027-03-07T02:30', every: 'week', zone: berlin });
  t.equal(told(inside, '2027-03-21T12:00:00Z'), 'off 2027-03-28T01:30', '02:30 does not occur: 03:30');
  t.equal(told(inside, '2027-03-28T01:30:00Z'), 'on 2027-03-28T02:30');
  const twice = rule({ start: '2026-10-04T02:30', every: 'week', zone: berlin });
  t.equal(told(twice, '2026-10-24T12:00:00Z'), 'off 2026-10-25T00:30', '02:30 occurs twice: the first');
  t.equal(told(twice, '2026-10-25T01:30:00Z'), 'off 2026-11-01T01:30', 'and not again');
  t.end();
});

void t.test('the clock of the gateway set back three years, and forward seven', (t) => {
  const weekly = rule({ start: '2022-11-01T22:00', every: 'week', weekdays: [2], zone: berlin });
  t.equal(told(weekly, '2026-11-24T21:30:00Z'), 'on 2026-11-24T22:00');
  t.equal(
    told(weekly, '2023-11-21T21:30:00Z'),
    'on 2023-11-21T22:00',
    'what was kept for 2026 is not used in 2023',
  );
  t.equal(told(weekly, '2023-11-22T21:30:00Z'), 'off 2023-11-28T21:00');
  t.equal(told(weekly, '2030-11-26T21:30:00Z'), 'on 2030-11-26T22:00');
  const once = rule({ start: '2026-11-24T22:00', zone: berlin });
  t.equal(
    told(once, '2023-11-24T21:30:00Z'),
    `off ${iso(at('2023-11-24T21:30:00Z') + HORIZON_DAYS * 86_400_000)}`,
  );
  t.equal(told(once, '2033-11-24T21:30:00Z'), 'off for good');
  t.end();
});

void t.test('longer than its interval, and several at once', (t) => {
  const always = rule({ start: '2026-11-01T00:00', every: 'day', minutes: 2000 });
  t.equal(told(always, '2026-11-05T12:00:00Z'), 'on 2026-11-06T09:20');
  t.equal(told(always, '2026-11-06T09:20:00Z'), 'on 2026-11-07T09:20');
  const month = rule({ start: '2026-11-01T00:00', minutes: 44_640 });
  t.equal(told(month, '2026-12-01T23:59:00Z'), 'on 2026-12-02T00:00');
  const early = rule({ start: '2026-11-05T08:00' });
  const late = rule({ start: '2026-11-05T08:30' });
  t.equal(told([early, late], '2026-11-05T07:00:00Z'), 'off 2026-11-05T08:00');
  t.equal(told([early, late], '2026-11-05T08:40:00Z'), 'on 2026-11-05T09:30');
  t.equal(told([], '2026-11-05T08:40:00Z'), 'off for good');
  t.end();
});

void t.test('the site zone counts where there is none, and is no other rule', (t) => {
  const shared = rule({ start: '2026-12-01T22:00', every: 'day' });
  t.equal(told(shared, '2026-12-01T12:00:00Z', berlin), 'off 2026-12-01T21:00');
  t.equal(told(shared, '2026-12-01T12:00:00Z', 'America/New_York'), 'off 2026-12-02T03:00');
  t.equal(told(shared, '2026-12-01T12:00:00Z', berlin), 'off 2026-12-01T21:00');
  t.end();
});

void t.test('every change is named: minute by minute against the slow way', (t) => {
  const rules = [
    rule({ start: '2026-10-01T01:30', every: 'day', minutes: 90, zone: berlin }),
    rule({ start: '2026-10-03T23:00', every: 'week', weekdays: [6, 7], minutes: 300, zone: berlin }),
  ];
  let expected: { on: boolean; changesAt?: number } | undefined;
  let changes = 0;
  for (let now = at('2026-10-23T00:00:00Z') as number; now < at('2026-10-28T00:00:00Z'); now += 60_000) {
    const slow = rules.some((each) => occurs({ ...each }, zoneless, epochMillis(now)).on);
    const fast = calendar(rules, zoneless, epochMillis(now));
    if (fast.on !== slow) t.fail(`${iso(now)}: ${fast.on}`);
    if (expected && fast.on !== expected.on) {
      changes++;
      if (now < (expected.changesAt ?? Infinity))
        t.fail(`${iso(now)}: changed before ${iso(expected.changesAt)}`);
    }
    expected = fast;
  }
  t.ok(changes >= 8, `${changes} changes`);
  t.end();
});
