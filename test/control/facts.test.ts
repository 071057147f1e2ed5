/** Facts of peers and users: what is taken, what it changes in live grants, how long it counts, and whose clock says so. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { StateStore, stateSchema } from '../../src/control/state-store.ts';
import { openStore } from '../../src/store/store.ts';
import { isFault } from '../../src/wire/errors.ts';
import { fact as factSchema } from '../../src/wire/facts.ts';
import type { Fact } from '../../src/wire/facts.ts';
import type { Grant } from '../../src/wire/grant.ts';
import { clinicConfig, confirmed, granted, named, operator, present, refusedCode, world } from './fakes.ts';
import type { World, WorldOptions } from './fakes.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

const policyText = `
@id("imaging") @reason("Imaging.")
permit (principal in Role::"radiologist", action in [Action::"view", Action::"modify", Action::"download"], resource);
@id("major") @tier("soft") @reason("Major. {findings}")
forbid (principal, action in [Action::"modify", Action::"download"], resource)
when { context.posture.level == Level::"major" } unless { context.emergency };
@id("unknown") @reason("Unknown.")
forbid (principal, action == Action::"download", resource) when { context.posture.level == Level::"unknown" };
@id("quarantine") @reason("Quarantine.")
permit (principal, action == Action::"quarantine", resource) when { context.posture.level == Level::"critical" };
@id("warn") @reason("Attend to it. {findings}")
permit (principal, action == Action::"warn", resource) when { context.posture.level == Level::"minor" };
@id("risk") @reason("At risk.")
forbid (principal, action == Action::"modify", resource) when { context has risk && context.risk >= 70 };
@id("abroad") @reason("Abroad.")
forbid (principal, action == Action::"download", resource) when { context.location.country == "US" };
@id("office") @reason("From the office.")
forbid (principal, action == Action::"modify", resource) when { context.location.networks.contains("hotel") };
@id("legacy") @reason("Legacy.")
permit (principal, action == Action::"print", resource) when { context.exceptions.contains("old-printer") };
@id("night") @reason("At night.")
permit (principal, action == Action::"administer", resource) when { context.shift == "night" || context.windows.contains("sunday") };
@id("care") @reason("In care.")
permit (principal, action == Action::"watch", resource) when { resource in principal.assigned };
`;

const pass = {
  edr: 'pass',
  diskEncryption: 'pass',
  screenLock: 'pass',
  secureBoot: 'pass',
  osSupport: 'pass',
  usbControl: 'pass',
  tamper: 'pass',
};
const START = 1_800_000_000_000;
const posture = (at: number, signals: object = {}, patchDays = 3): Fact =>
  factSchema.parse({ kind: 'posture', peer: 'ada-laptop', at, signals: { ...pass, ...signals }, patchDays });

const make = (site: object = {}, options: WorldOptions = {}): World =>
  world({
    policyText,
    config: clinicConfig((input) => {
      input['siteData'] = { zone: 'UTC', ...site };
    }),
    ...options,
  });
const report = (w: World, ...facts: Fact[]): unknown =>
  w.control.handlers['operator.facts']({ facts }, operator);
const last = (w: World): Grant => w.pushed.findLast(({ event }) => event === 'regrant')?.body as Grant;
async function live(w: World): Promise<Grant> {
  await w.tick();
  const grant = granted(await w.ask());
  await w.started(grant);
  return grant;
}

void t.test(
  'a posture report reaches the live session in the same turn, and is on record once',
  async (t) => {
    const w = make();
    const grant = await live(w);
    t.same(grant.actions, ['view', 'modify', 'download'], 'the configured posture holds until a report');
    t.equal(grant.subject.posture.level, 'good');
    w.pushed.length = 0;
    report(w, posture(START, { edr: 'fail' }));
    const warned = last(w);
    t.same(warned.actions, ['view', 'modify', 'download']);
    t.equal(warned.rung, 'warn');
    t.match(
      warned.obligations[0]?.text,
      /^Attend to it\. Malware protection is off.* Until Sat,? 16 Jan,? (at )?08:00\.$/,
    );
    t.equal(warned.expiresAt, START + 12 * HOUR, 'the grace outlasts the session');
    t.equal(warned.facts?.changesAt, START + DAY, 'and is known to end');
    report(w, posture(START, {}, 95));
    t.same(last(w).actions, ['view']);
    t.equal(last(w).rung, 'step-down');
    t.match(last(w).denials[0]?.reason, /^Major\. Updates are overdue/);
    report(w, posture(START + 1, {}, 95));
    await w.tick();
    t.equal(w.of('fact.reported').length, 2, 'the same again is no news');
    t.ok(w.of('session.regranted').length >= 2);
    report(w, posture(START + 2, { tamper: 'fail' }));
    const revoked = w.pushed.findLast(({ event }) => event === 'revoke');
    t.equal(
      revoked?.body,
      'No policy permits it. Quarantine.',
      'quarantine ends a session with anything else',
    );
  },
);

void t.test('grace ends by itself, also when a report repeats the failure', async (t) => {
  const w = make();
  await live(w);
  report(w, posture(START, { edr: 'fail' }));
  w.clock.pass(23 * HOUR);
  report(w, posture(START + 23 * HOUR, { edr: 'fail' }));
  t.equal(last(w).expiresAt, START + 12 * HOUR, 'no later than the end of the session');
  t.equal(last(w).subject.posture.level, 'minor');
  w.clock.pass(HOUR);
  t.equal(granted(await w.ask()).subject.posture.level, 'major');
});

void t.test('a report that is not repeated stops counting', async (t) => {
  const w = make();
  await live(w);
  report(w, posture(START));
  t.equal(last(w).subject.posture.level, 'good');
  w.clock.pass(DAY - 1);
  t.equal(granted(await w.ask()).subject.posture.level, 'good');
  w.clock.pass(1);
  const late = granted(await w.ask());
  t.equal(late.subject.posture.level, 'unknown');
  t.same(late.actions, ['view', 'modify']);
});

void t.test('the clock is set: reports grow no younger, sessions end neither sooner nor later', async (t) => {
  for (const jump of [-3 * YEAR, 7 * YEAR]) {
    const w = make();
    const grant = await live(w);
    report(w, posture(START));
    w.clock.pass(HOUR);
    w.clock.set(jump);
    w.pushed.length = 0;
    await w.tick();
    const again = last(w);
    t.equal(w.pushed.filter(({ event }) => event === 'revoke').length, 0, `${jump}: the session goes on`);
    const left = again.limits.end - w.clock.now();
    t.equal(left, grant.limits.end - START - HOUR, `${jump}: as long as before`);
    t.equal(again.subject.posture.level, jump < 0 ? 'good' : 'unknown');
    if (jump > 0) {
      t.same(again.actions, ['view', 'modify'], 'a report of seven years ago is none');
      continue;
    }
    w.clock.pass(23 * HOUR);
    t.equal(granted(await w.ask()).subject.posture.level, 'unknown', 'a day is a day');
    t.throws(() => report(w, posture(START + HOUR)), { code: 'FACT_INVALID' }, 'from the future now');
  }
});

void t.test('what is refused, and changes nothing', async (t) => {
  const w = make();
  await live(w);
  report(w, posture(START + 1000, { edr: 'fail' }));
  w.pushed.length = 0;
  const refused = (fact: Fact, why: RegExp): void => {
    try {
      report(w, fact);
      t.fail(`taken: ${why.source}`);
    } catch (error) {
      if (!isFault(error, 'FACT_INVALID')) throw error;
      t.match(error.detail, why);
    }
  };
  refused(posture(START), /a later report is here already/);
  refused(posture(START + 301_000), /in the future/);
  refused({ ...posture(START), peer: 'stranger' } as Fact, /not enrolled/);
  refused(factSchema.parse({ kind: 'risk', user: 'nobody', at: START, score: 3 }), /not enrolled/);
  t.same(w.pushed, [], 'nobody was told anything');
  for (const at of [null, undefined, 0, 1_800_000_000])
    t.notOk(factSchema.safeParse({ ...posture(START), at }).success, String(at));
});

void t.test('risk, country, shift and assignment, each until it ends', async (t) => {
  const w = make();
  const grant = await live(w);
  t.notOk(grant.actions.includes('administer'));
  const tell = (fact: object): Grant => {
    report(w, factSchema.parse({ at: w.clock.now(), ...fact }));
    return last(w);
  };
  t.same(tell({ kind: 'risk', user: 'ada', score: 70, until: START + HOUR }).actions, ['view', 'download']);
  t.equal(last(w).expiresAt, START + HOUR);
  t.same(tell({ kind: 'location', peer: 'ada-laptop', country: 'US' }).actions, ['view']);
  t.same(tell({ kind: 'location', peer: 'ada-laptop', country: 'DE' }).actions, ['view', 'download']);
  t.ok(
    tell({ kind: 'shift', user: 'ada', name: 'night', until: START + 2 * HOUR }).actions.includes(
      'administer',
    ),
  );
  t.same(
    tell({ kind: 'assignment', user: 'ada', devices: ['pacs'] }).obligations.map(({ kind }) => kind),
    ['watch'],
  );
  t.same(tell({ kind: 'assignment', user: 'ada', devices: ['pump'] }).obligations, []);
  w.clock.pass(HOUR);
  const later = granted(await w.ask());
  t.ok(later.actions.includes('modify'), 'the risk is over');
  t.equal(later.expiresAt, START + 2 * HOUR, 'the shift is next');
  w.clock.pass(HOUR);
  t.notOk(granted(await w.ask()).actions.includes('administer'), 'and then the shift is');
});

void t.test('site data: shifts, windows, networks, exceptions, groups', async (t) => {
  // 2027-01-15, a Friday, 08:00 UTC.
  const on = (start: string, mins: number, more: object = {}): object[] => [
    { start, minutes: mins, ...more },
  ];
  const w = make({
    shifts: [
      { name: 'day', users: ['somebody-else'], on: on('2027-01-15T06:00', 600) },
      { name: 'night', groups: ['on-call'], on: on('2027-01-15T07:00', 90) },
    ],
    groups: [{ name: 'on-call', members: ['ada'] }],
    windows: [
      {
        name: 'sunday',
        classes: ['pacs'],
        on: on('2027-01-17T02:00', 120, { every: 'week', weekdays: [7] }),
      },
    ],
    networks: [{ name: 'hotel', prefixes: ['198.51.100.0/24'], country: 'US' }],
    exceptions: [
      {
        name: 'old-printer',
        owner: 'ada',
        reason: 'Until the new one is here.',
        end: START + 4 * HOUR,
        resources: ['pacs-dicom'],
      },
      {
        name: 'not-ours',
        owner: 'ada',
        reason: 'Another resource.',
        end: START + 4 * HOUR,
        resources: ['pump-hl7'],
      },
      {
        name: 'waiver',
        owner: 'ada',
        reason: 'Locked by the cabinet.',
        end: START + 3 * HOUR,
        peers: ['ada-laptop'],
        waives: ['edr'],
      },
    ],
  });
  const grant = await live(w);
  t.same(grant.facts?.exceptions, ['old-printer', 'waiver']);
  t.same(grant.facts?.principal?.groups, ['on-call']);
  t.equal(grant.facts?.shift, 'night');
  t.same(grant.actions, ['view', 'modify', 'download', 'print', 'administer']);
  t.equal(grant.expiresAt, START + 30 * 60_000, 'the shift ends first');
  report(w, posture(START, { edr: 'fail' }));
  t.equal(last(w).subject.posture.level, 'good', 'waived');
  w.clock.pass(30 * 60_000);
  const off = granted(await w.ask());
  t.notOk(off.actions.includes('administer'));
  t.equal(off.expiresAt, START + 3 * HOUR, 'then the waiver');
  w.clock.pass(2.5 * HOUR);
  const warned = granted(await w.ask());
  t.equal(warned.subject.posture.level, 'minor', 'an exception stops by itself');
  w.clock.pass(HOUR);
  t.notOk(granted(await w.ask()).actions.includes('print'));
  w.clock.pass(2 * DAY - 11 * HOUR);
  const sunday = granted(await w.ask());
  t.same(sunday.facts?.windows, [], 'Saturday night');
  t.equal(
    sunday.expiresAt,
    sunday.limits.end < Date.UTC(2027, 0, 17, 2) ? sunday.limits.end : Date.UTC(2027, 0, 17, 2),
  );
  w.clock.pass(Date.UTC(2027, 0, 17, 2) - w.clock.now());
  t.same(granted(await w.ask()).facts?.windows, ['sunday']);
  t.ok(granted(await w.ask()).actions.includes('administer'));

  w.tunnel = present({ ...confirmed(), endpoint: { address: '198.51.100.9', port: 1 } });
  w.pushed.length = 0;
  w.clock.pass(3_000);
  await w.tick();
  t.match(last(w).facts, { outer: '198.51.100.9', location: { networks: ['hotel'], country: 'US' } });
  t.notOk(last(w).actions.includes('modify'), 'a peer that moves is decided about again');
  t.notOk(last(w).actions.includes('download'));
});

void t.test('a change between the decision and the news of its session is not lost', async (t) => {
  const w = make();
  await w.tick();
  const grant = granted(await w.ask());
  report(w, posture(START, {}, 95));
  t.same(w.pushed, [], 'nothing is live yet');
  await w.started(grant);
  t.same(last(w).actions, ['view'], 'it is decided again when it is');
  const other = granted(await w.ask(undefined, named(77)));
  w.pushed.length = 0;
  await w.started(other);
  t.same(w.pushed, [], 'and told only where it is another');
});

void t.test('facts survive a restart, and their age goes on; what came from the future does not', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'anteroom-facts-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const open = (): StateStore =>
    new StateStore(openStore({ file: join(folder, 'control.db'), schema: stateSchema }));
  const run = async (later: number, wanted: string): Promise<World> => {
    const w = make({}, { store: open() });
    w.clock.set(later);
    return w.tick().then(async () => {
      t.equal(granted(await w.ask()).subject.posture.level, wanted, String(later));
      return w;
    });
  };
  return (async () => {
    const first = make({}, { store: open() });
    await first.tick();
    report(first, posture(START, {}, 95));
    t.equal(granted(await first.ask()).subject.posture.level, 'major');
    await first.control.stop('over');
    await (await run(HOUR, 'major')).control.stop('over');
    await (await run(DAY, 'unknown')).control.stop('over');
  })();
});

void t.test(
  'a policy that goes while another still allows: the session lives on with that one',
  async (t) => {
    const w = make();
    w.policyText = `
@id("long") @session("10h") @idle("30m") @reason("Long.") permit (principal, action in [Action::"view", Action::"modify"], resource);
@id("short") @session("1h") @idle("5m") @reason("Short.") permit (principal, action == Action::"view", resource);`;
    w.control.reloadPolicy('test');
    const grant = await live(w);
    t.same(
      [grant.actions, grant.limits.idle, grant.limits.end - START],
      [['view', 'modify'], 30 * 60_000, 10 * HOUR],
    );
    w.clock.pass(30 * 60_000);
    w.policyText = w.policyText
      .split('\n')
      .filter((line) => !line.includes('"long"'))
      .join('\n');
    w.control.reloadPolicy('test');
    const after = last(w);
    t.same([after.actions, after.rules, after.limits.idle], [['view'], ['short'], 5 * 60_000]);
    t.equal(after.limits.end - START, HOUR, 'the hour counts from the start of the session');
  },
);

void t.test('a role by group, a service account', async (t) => {
  const w = world({
    policyText:
      '@id("s") @reason("S.") permit (principal is Service, action == Action::"view", resource) when { principal.clearance >= resource.sensitivity };',
    config: clinicConfig((input) => {
      input['users'] = [
        { id: 'ada', name: 'Results router', roles: ['router'], kind: 'service', clearance: 2 },
      ];
      for (const resource of input['resources'] as Record<string, unknown>[]) resource['sensitivity'] = 2;
    }),
  });
  await w.tick();
  t.equal(refusedCode(await w.ask()), 'permitted');
  t.equal(granted(await w.ask()).facts?.principal?.kind, 'service');
});
