/**
 * Clocks that are wrong, each time by a real decision: set back three years, set forward seven, and daylight saving within a
 * maintenance window. What ended by its date stays over; what is in force goes on to its end.
 */
import { join } from 'node:path';
import t from 'tap';
import { StateStore, stateSchema } from '../../src/control/state-store.ts';
import { openStore } from '../../src/store/store.ts';
import { fact as factSchema } from '../../src/wire/facts.ts';
import type { Action } from '../../src/wire/action.ts';
import { signed, signingKey } from '../policy/sample-bundle.ts';
import { place } from './bundles.ts';
import { clinicConfig, fakeClock, granted, named, operator, world } from './fakes.ts';
import type { FakeClock, World, WorldOptions } from './fakes.ts';

const policyText = `
@id("imaging") @reason("Imaging.")
permit (principal in Role::"radiologist", action == Action::"view", resource);
@id("exception") @reason("By exception.")
permit (principal, action == Action::"print", resource) when { context.exceptions.contains("old-printer") };
@id("ticket") @reason("By ticket.")
permit (principal, action == Action::"modify", resource) when { context has ticket };
@id("window") @reason("In the window.")
permit (principal, action == Action::"administer", resource) when { context.windows.contains("service") };
@id("night") @reason("At night.")
permit (principal, action == Action::"download", resource) when { context.time.minute < 180 };
`;

/** 2027-01-15, a Friday, 08:00 UTC. */
const START = 1_800_000_000_000;
const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;

const dated = {
  zone: 'UTC',
  exceptions: [
    {
      name: 'old-printer',
      owner: 'ada',
      reason: 'Until the new one is here.',
      from: START - 4 * YEAR,
      end: START + HOUR,
    },
  ],
  tickets: [
    { number: 'CHG-1', users: ['ada'], actions: ['modify'], from: START - 4 * YEAR, end: START + HOUR },
  ],
  windows: [
    {
      name: 'service',
      on: [{ start: '2023-01-01T00:00', minutes: 1440, every: 'day', until: '2027-01-14' }],
    },
  ],
};

const make = (site: object = dated, options: WorldOptions = {}): World =>
  world({
    policyText,
    config: clinicConfig((input) => {
      input['siteData'] = site;
    }),
    ...options,
  });

let asked = 0;
async function actions(w: World): Promise<readonly Action[]> {
  await w.tick();
  return granted(await w.ask('100.96.0.7', named(++asked))).actions;
}
const clockItem = (w: World): string =>
  w.control.overview().health.find(({ item }) => item === 'control.clock')?.level ?? 'none';

void t.test(
  'set back three years: what is in force goes on to its end, what is over stays over',
  async (t) => {
    const w = make();
    t.same(await actions(w), ['view', 'modify', 'print']);
    t.equal(clockItem(w), 'ok');
    w.clock.set(-3 * YEAR);
    t.same(await actions(w), ['view', 'modify', 'print'], 'neither exception nor ticket is lost');
    t.equal(clockItem(w), 'critical');
    const grant = granted(await w.ask('100.96.0.7', named(++asked)));
    await w.started(grant);
    t.equal(grant.expiresAt, w.clock.now() + HOUR, 'and they are decided again when they end');
    w.clock.pass(HOUR - 1);
    t.same(await actions(w), ['view', 'modify', 'print']);
    w.clock.pass(1);
    t.same(await actions(w), ['view'], 'by the time that passed');
    t.match((await w.control.handlers['life.status']({}, operator)).exceptions, [{ state: 'over' }]);
    w.clock.set(3 * YEAR);
    t.same(await actions(w), ['view'], 'nor after the clock is right');
    t.equal(clockItem(w), 'ok');
  },
);

void t.test(
  'set back after the end: nothing comes back, not the last occurrence of a window either',
  async (t) => {
    const w = make();
    w.clock.set(-2 * 24 * HOUR);
    // A gateway that never saw a later time knows no better.
    t.same(await actions(make(dated, { clock: w.clock })), ['view', 'modify', 'print', 'administer']);
    w.clock.set(2 * 24 * HOUR);
    w.clock.pass(2 * HOUR);
    t.same(await actions(w), ['view']);
    for (const back of [3 * HOUR, 2 * 24 * HOUR, 3 * YEAR]) {
      w.clock.set(-back);
      t.same(await actions(w), ['view'], `back by ${back} ms`);
      w.clock.set(back);
    }
  },
);

void t.test('it is remembered over a restart, and over a boot', async (t) => {
  const file = join(t.testdir(), 'control.db');
  const open = (): StateStore => new StateStore(openStore({ file, schema: stateSchema }));
  const clock: FakeClock = fakeClock();
  const first = make(dated, { store: open(), clock });
  clock.pass(2 * HOUR);
  t.same(await actions(first), ['view']);
  await first.control.stop('test');
  clock.set(-YEAR);
  const second = make(dated, { store: open(), clock });
  t.same(await actions(second), ['view']);
  t.equal(clockItem(second), 'critical');
  await second.control.stop('test');
  const third = make(dated, { store: open(), clock, boot: 'boot-2' });
  t.same(await actions(third), ['view']);
  await third.control.stop('test');
});

void t.test(
  'set forward seven years and put right: over until a new policy set says otherwise',
  async (t) => {
    const here = place();
    t.teardown(() => here.remove());
    const w = world({
      bundles: here.ports(),
      config: clinicConfig((input) => (input['policy'] = { keys: ['/a'] })),
    });
    const site = JSON.parse(JSON.stringify(dated)) as object;
    const install = (revision: number, notBefore: number): unknown =>
      w.control.handlers['operator.policy.install'](
        {
          bundle: signed({ revision, notBefore, notAfter: START + 10 * YEAR, policies: policyText, site }, [
            signingKey(1),
          ]).toString('base64'),
        },
        operator,
      );
    await install(1, START - HOUR);
    t.same(await actions(w), ['view', 'modify', 'print']);
    w.clock.set(7 * YEAR);
    t.same(await actions(w), ['view'], 'what is dated is over');
    w.clock.set(-7 * YEAR);
    t.same(await actions(w), ['view'], 'and stays so');
    t.equal(clockItem(w), 'critical');
    await install(2, START - HOUR);
    t.same(await actions(w), ['view', 'modify', 'print'], 'whoever signs a new set says what holds');
    t.equal(clockItem(w), 'ok');
    w.clock.set(-YEAR);
    await w.tick();
    t.throws(() => install(3, START + 2 * HOUR), { code: 'BUNDLE_NOT_YET_VALID' });
  },
);

void t.test('posture grows no younger by a clock that is set back', async (t) => {
  const w = make();
  const at = w.clock.now();
  const signals = {
    edr: 'pass',
    diskEncryption: 'pass',
    screenLock: 'pass',
    osSupport: 'pass',
    tamper: 'pass',
  };
  const report = factSchema.parse({ kind: 'posture', peer: 'ada-laptop', at, signals, patchDays: 3 });
  await w.control.handlers['operator.facts']({ facts: [report] }, operator);
  const level = async (): Promise<string> => {
    await w.tick();
    return granted(await w.ask('100.96.0.7', named(++asked))).subject.posture.level;
  };
  t.equal(await level(), 'good');
  w.clock.pass(23 * HOUR);
  w.clock.set(-3 * YEAR);
  t.equal(await level(), 'good');
  w.clock.pass(HOUR);
  t.equal(await level(), 'unknown', 'after its 24 hours, whatever the clock says');
});

void t.test('the clocks change within a window: it lasts what it says', async (t) => {
  // Berlin, 2027-03-28: 02:00 becomes 03:00. 2027-10-31: 03:00 becomes 02:00.
  for (const [date, begins] of [
    ['2027-03-27', Date.UTC(2027, 2, 27, 22)],
    ['2027-10-30', Date.UTC(2027, 9, 30, 21)],
  ] as const) {
    const w = make({
      zone: 'Europe/Berlin',
      windows: [{ name: 'service', on: [{ start: `${date}T23:00`, minutes: 360 }] }],
    });
    w.clock.pass(begins - START - 1);
    t.notOk((await actions(w)).includes('administer'), `${date}: not before`);
    w.clock.pass(1);
    await w.tick();
    const grant = granted(await w.ask('100.96.0.7', named(++asked)));
    t.ok(grant.actions.includes('administer'));
    await w.started(grant);
    w.clock.pass(6 * HOUR - 1);
    t.ok((await actions(w)).includes('administer'), 'six hours that pass');
    w.clock.pass(1);
    t.notOk((await actions(w)).includes('administer'), 'and no longer');
  }
});

void t.test('local time is the site’s', async (t) => {
  // 08:00 UTC is 00:00 in Los Angeles.
  const w = make({ zone: 'America/Los_Angeles' });
  t.ok((await actions(w)).includes('download'));
  t.notOk((await actions(make({ zone: 'UTC' }))).includes('download'));
});
