/**
 * Break-glass, emergency, grace, requests and reviews in the whole control room, with the shipped policies and the real
 * engine: what a session may do then, what is on record, what ends by itself, what a restart and a wrong clock change.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { StateStore, stateSchema } from '../../src/control/state-store.ts';
import {
  checkCredential,
  credentialText,
  newCredential,
  readCredential,
} from '../../src/crypto/offline-credential.ts';
import { openStore } from '../../src/store/store.ts';
import type { Config } from '../../src/wire/config.ts';
import { isFault } from '../../src/wire/errors.ts';
import type { Grant } from '../../src/wire/grant.ts';
import { resourceId } from '../../src/wire/ids.ts';
import type { SessionId } from '../../src/wire/ids.ts';
import type { PortalAccess, PortalResource } from '../../src/wire/portal.ts';
import {
  broker,
  clinicConfig,
  confirmed,
  fakeClock,
  granted,
  named,
  operator,
  present,
  refusedCode,
  world,
} from './fakes.ts';
import type { World, WorldOptions } from './fakes.ts';

const folder = new URL('../../provisioning/policies/', import.meta.url).pathname;
const library = readdirSync(folder)
  .filter((name) => name.endsWith('.cedar'))
  .map((name) => readFileSync(join(folder, name), 'utf8'))
  .join('\n');

const MINUTE = 60_000;
const HOUR = 3_600_000;
const nurse = { address: '100.96.0.7', port: 40000 };
const chief = { address: '100.96.0.8', port: 40000 };
const second = { address: '100.96.0.9', port: 40000 };

/** A clinic: a nurse of the ICU, a chief and a second engineer who approve; a pump of the ICU, one of the ER, the PACS. */
function clinic(site: object = {}, more: (input: Record<string, unknown>) => void = () => undefined): Config {
  return clinicConfig((input) => {
    input['policy'] = { file: '/policies.cedar' };
    const peer = (id: string, key: string, address: string, user: string): object => ({
      id,
      publicKey: `${key.repeat(42)}A=`,
      allowedIps: [`${address}/32`],
      user,
      userDevice: `${id}'s`,
      owner: 'clinic',
      posture: { level: 'good', score: 90 },
    });
    input['peers'] = [
      { ...peer('nina-laptop', 'A', nurse.address, 'nina'), posture: { level: 'major', score: 20 } },
      peer('chief-laptop', 'B', chief.address, 'chief'),
      peer('second-laptop', 'C', second.address, 'second'),
    ];
    input['users'] = [
      { id: 'nina', name: 'Nina', roles: ['nurse'], units: ['icu'] },
      { id: 'chief', name: 'Chief', roles: ['chief'] },
      { id: 'second', name: 'Second', roles: ['chief'] },
    ];
    input['devices'] = [
      { id: 'pump-icu', name: 'Pump ICU', class: 'infusion-pump', unit: 'icu', address: '10.20.0.20' },
      { id: 'pump-er', name: 'Pump ER', class: 'infusion-pump', unit: 'er', address: '10.20.0.21' },
      { id: 'pacs', name: 'PACS', class: 'pacs', unit: 'radiology', address: '10.20.0.10' },
    ];
    input['resources'] = ['pump-icu', 'pump-er', 'pacs'].map((id, i) => ({
      id,
      device: id,
      protocol: 'tcp',
      virtual: { address: `100.96.128.${10 + i}`, port: 104 },
      port: 4242,
    }));
    input['siteData'] = {
      zone: 'Europe/Berlin',
      networks: [{ name: 'house', prefixes: ['192.0.2.0/24'], local: true, country: 'DE' }],
      shifts: [{ name: 'day', on: [{ start: '2020-01-01T00:00', every: 'day', minutes: 1440 }] }],
      scenarios: [
        { name: 'patient-in-danger', title: 'A patient is in danger', minutes: 60, reviewHours: 48 },
        { name: 'console', title: 'Nobody may', minutes: 60 },
      ],
      requests: [
        {
          name: 'er-cover',
          roles: ['nurse'],
          units: ['er'],
          actions: ['view', 'modify'],
          approvers: ['chief'],
          approvals: 2,
          maxHours: 8,
          ticket: 'INC-[0-9]+',
        },
      ],
      ...site,
    };
    more(input);
  });
}

async function start(options: WorldOptions = {}, config: Config = clinic()): Promise<World> {
  const w = world({ policyText: library, config, ...options });
  w.tunnel = present(
    confirmed('nina-laptop', 'hybrid', 1),
    confirmed('chief-laptop', 'hybrid', 2),
    confirmed('second-laptop', 'hybrid', 3),
  );
  await w.tick();
  signIn(w);
  return w;
}

function signIn(w: World): void {
  const facts = ['nina-laptop', 'chief-laptop', 'second-laptop'].map((peer) => ({
    kind: 'authentication' as const,
    peer: peer as never,
    at: w.clock.now() as number,
    method: 'passkey' as const,
  }));
  const risks = ['nina', 'chief', 'second'].map((user) => ({
    kind: 'risk' as const,
    user: user as never,
    at: w.clock.now() as number,
    score: 0,
  }));
  void w.control.handlers['operator.facts']({ facts: [...facts, ...risks] }, operator);
}

const ask = (w: World, resource: string, session: SessionId, source = nurse): ReturnType<World['ask']> =>
  w.control.handlers['session.authorize'](
    { session, resource: resourceId.parse(resource), source },
    broker,
  ) as ReturnType<World['ask']>;
const access = async (w: World, source = nurse): Promise<PortalAccess> =>
  (await w.control.handlers['portal.access']({ source }, broker)) as PortalAccess;
const row = async (w: World, resource: string, source = nurse): Promise<PortalResource | undefined> =>
  (await access(w, source)).resources.find((each) => each.resource === resource);
const breakGlass = async (
  w: World,
  more: object = {},
): Promise<{ id: string; until: number; resources: string[] }> => {
  const asked = {
    source: nurse,
    scenario: 'patient-in-danger',
    reason: 'Patient collapsing in the ER',
    ...more,
  };
  return ((await w.control.handlers['portal.breakGlass'](asked, broker)) as { glass: never }).glass;
};
const health = (w: World, item: string): { level: string; text: string } | undefined =>
  w.control.overview().health.find((each) => each.item === item);
const life = (w: World): ReturnType<World['control']['handlers']['life.status']> =>
  w.control.handlers['life.status']({}, operator);

function stored(t: Test): () => StateStore {
  const place = mkdtempSync(join(tmpdir(), 'life-'));
  t.teardown(() => rmSync(place, { recursive: true, force: true }));
  return () => new StateStore(openStore({ file: join(place, 'control.db'), schema: stateSchema }));
}

void t.test('break-glass opens what policy kept closed, says so, ends, and is reviewed', async (t) => {
  const w = await start();
  t.equal(refusedCode(await ask(w, 'pump-er', named(1))), 'POLICY_DENIED', 'another unit');
  const before = await row(w, 'pump-er');
  t.same(before?.actions, []);
  t.match(
    before?.scenarios,
    [{ name: 'patient-in-danger', minutes: 60 }],
    'the page offers it, and only what policy allows',
  );
  const glass = await breakGlass(w, { resource: 'pump-er' });
  t.same(glass.resources, ['pump-er']);
  const open = granted(await ask(w, 'pump-er', named(2)));
  t.ok(open.actions.includes('view'));
  t.equal(open.facts?.breakGlass, true);
  t.same(open.facts?.scenario, 'patient-in-danger');
  t.same(
    open.obligations
      .map((each) => each.kind)
      .filter((kind) => kind !== 'warn')
      .sort(),
    ['record', 'review', 'watch'],
  );
  t.equal(refusedCode(await ask(w, 'pacs', named(3))), 'POLICY_DENIED', 'and nothing else');
  await w.started(open);
  t.equal(health(w, 'control.break-glass')?.level, 'ok');
  await w.tick();
  t.equal(health(w, 'control.break-glass')?.level, 'warning');
  t.equal(health(w, 'control.reviews')?.level, 'warning');
  t.match(w.of('breakGlass.opened'), [
    { glass: { user: 'nina', scenario: 'patient-in-danger', reason: /collapsing/ } },
  ]);

  t.same((await breakGlass(w, { resource: 'pump-er' })).id, glass.id, 'asked twice is broken once');
  w.clock.pass(60 * MINUTE - 1);
  await w.tick();
  t.notOk(w.pushed.some((each) => each.event === 'revoke'));
  w.clock.pass(1);
  await w.tick();
  await w.tick();
  t.match(
    w.pushed.filter((each) => each.event === 'revoke'),
    [{ session: open.session }],
    'over: the session is decided again and cut',
  );
  t.match(w.of('breakGlass.ended'), [{ glass: { id: glass.id, ended: { why: 'its time is over' } } }]);

  const [review] = (await life(w)).reviews;
  t.match(review, { of: 'break-glass', about: glass.id, user: 'nina', sessions: [open.session] });
  w.clock.pass(48 * HOUR);
  await w.tick();
  t.match(health(w, 'control.reviews'), { level: 'critical', text: /1 of 1 open reviews are overdue/ });
  await w.control.handlers['review.close'](
    { review: review?.id ?? '', finding: 'justified', note: 'Seen with the ward.' },
    operator,
  );
  await w.tick();
  t.equal(health(w, 'control.reviews')?.level, 'ok');
  t.match(w.of('review.closed'), [{ review: { closed: { finding: 'justified', actor: { by: 'uid 0' } } } }]);
  t.throws(
    () =>
      w.control.handlers['review.close'](
        { review: review?.id ?? '', finding: 'unclear', note: 'again' },
        operator,
      ),
    { code: 'REVIEW_UNKNOWN' },
  );
});

void t.test(
  'break-glass is refused to whom policy does not name, for no scenario, without a reason; and that is on record',
  async (t) => {
    const w = await start();
    const refused = [
      [{ scenario: 'no-such' }, /no such scenario/],
      [{ scenario: 'console' }, /No policy lets you/],
      [{ reason: '  hm   ' }, /few words/],
      [{ source: chief }, /No policy lets you/],
    ] as const;
    for (const [more, why] of refused)
      await t.rejects(breakGlass(w, more), { code: 'GLASS_REFUSED', message: why });
    await w.tick();
    t.equal(w.of('breakGlass.refused').length, 4);
    t.equal((await life(w)).glasses.length, 0);
    await t.rejects(breakGlass(w, { source: { address: '100.96.9.9', port: 1 } }), { code: 'UNKNOWN_PEER' });
  },
);

void t.test('an operator ends it early; live bytes stop with it', async (t) => {
  const w = await start();
  const glass = await breakGlass(w);
  t.ok(glass.resources.length >= 2, 'without a resource: all of the scenario');
  const grant = granted(await ask(w, 'pump-er', named(1)));
  await w.started(grant);
  await w.control.handlers['breakGlass.end']({ glass: glass.id, reason: 'Patient is stable' }, operator);
  t.match(w.pushed.at(-1), { event: 'revoke', session: grant.session }, 'in the same turn');
  t.throws(
    () => w.control.handlers['breakGlass.end']({ glass: glass.id, reason: 'Patient is stable' }, operator),
    { code: 'GLASS_UNKNOWN' },
  );
});

void t.test(
  'break-glass without the audit log, without a store, without the coordinator, after the grace',
  async (t) => {
    const coordinated = clinic({ offline: { graceHours: 1 } }, (input) => {
      input['coordinator'] = { name: 'head office' };
    });
    const w = await start({}, coordinated);
    w.clock.pass(2 * HOUR);
    await w.tick();
    w.audit = 'AUDIT_STORAGE_FULL';
    await w.tick();
    t.match(health(w, 'control.coordinator'), {
      level: 'critical',
      text: /grace is over.*Break-glass works/,
    });
    t.equal(
      refusedCode(await ask(w, 'pump-icu', named(1))),
      'STEP_UP_REQUIRED',
      'after the grace: a new sign-in',
    );
    await breakGlass(w);
    const grant = granted(await ask(w, 'pump-icu', named(2)));
    t.equal(grant.facts?.contact, 'expired');
    t.same(w.of('breakGlass.opened').length, 0, 'not on record yet');
    w.audit = 'up';
    w.control.auditConnected();
    await w.tick();
    t.equal(w.of('breakGlass.opened').length, 1, 'and then it is');
  },
);

void t.test('a restart forgets neither glass nor review, and a wrong clock changes no end', async (t) => {
  const open = stored(t);
  const clock = fakeClock();
  const first = await start({ store: open(), clock });
  const glass = await breakGlass(first, { resource: 'pump-er' });
  await first.control.stop('test');
  clock.pass(10 * MINUTE);
  const w = await start({ store: open(), clock });
  t.equal((await life(w)).glasses[0]?.id, glass.id);
  granted(await ask(w, 'pump-er', named(1)));
  clock.set(-3 * 365 * 24 * HOUR);
  clock.pass(49 * MINUTE);
  await w.tick();
  granted(await ask(w, 'pump-er', named(2)));
  clock.pass(1 * MINUTE);
  await w.tick();
  t.equal(
    refusedCode(await ask(w, 'pump-er', named(3))),
    'POLICY_DENIED',
    'set back three years: over after its hour all the same',
  );
  clock.set(10 * 365 * 24 * HOUR);
  signIn(w);
  const again = await breakGlass(w, { resource: 'pump-er' });
  clock.set(7 * 365 * 24 * HOUR);
  signIn(w);
  await w.tick();
  t.ok(
    (await access(w)).glasses.some((each) => each.id === again.id),
    'set forward seven years: it is still broken',
  );
  await w.control.stop('test');
});

void t.test(
  'emergency mode with the offline credential: posture is relaxed, ends by itself, review mandatory',
  async (t) => {
    const { credential, sheet } = await newCredential('correct horse battery', 4);
    const config = clinic({
      emergency: { officers: [{ user: 'chief', credential: credentialText(credential) }], maxHours: 2 },
    });
    const w = await start(
      {
        checkCredential: (kept, typed, spent) =>
          checkCredential(kept === undefined ? undefined : readCredential(kept), typed, spent),
      },
      config,
    );
    const stepped = granted(await ask(w, 'pump-icu', named(1)));
    t.same(stepped.actions, ['view'], 'a major failure: look and nothing else');
    await w.started(stepped);
    const [code1 = '', code2 = '', code3 = ''] = sheet;
    const typed = {
      officer: 'chief',
      passphrase: 'correct horse battery',
      code: code1,
      reason: 'Ransomware on the endpoint servers',
      hours: 24,
    };
    const { emergency } = await w.control.handlers['emergency.start'](typed, operator);
    t.equal(emergency.until - emergency.from, 2 * HOUR, 'at most what the site allows');
    const relaxed = w.pushed.at(-1)?.body as Grant;
    t.same(relaxed.actions, ['view', 'modify'], 'the live session, in the same turn');
    t.ok(relaxed.obligations.some((each) => each.kind === 'review'));
    t.equal(refusedCode(await ask(w, 'pump-er', named(2))), 'POLICY_DENIED', 'another unit stays closed');
    t.ok((await access(w)).emergency);
    await t.rejects(
      Promise.resolve(w.control.handlers['emergency.start']({ ...typed, code: code2 }, operator)),
      { code: 'EMERGENCY_ACTIVE' },
    );
    await t.rejects(
      Promise.resolve(w.control.handlers['emergency.end']({ ...typed }, operator)),
      { code: 'CREDENTIAL_REFUSED' },
      'a code is good once',
    );
    await w.tick();
    t.equal(health(w, 'control.emergency')?.level, 'critical');
    w.clock.pass(2 * HOUR);
    signIn(w);
    await w.tick();
    t.same((w.pushed.at(-1)?.body as Grant | undefined)?.actions, ['view'], 'stepped down again');
    t.match(w.of('emergency.ended'), [{ emergency: { ended: { why: 'its time is over' } } }]);
    t.match((await life(w)).reviews, [{ of: 'emergency', user: 'chief' }]);
    await t.rejects(
      Promise.resolve(w.control.handlers['emergency.end']({ ...typed, code: code3 }, operator)),
      { code: 'EMERGENCY_NONE' },
    );
  },
);

void t.test('wrong credentials are counted, over a restart too', async (t) => {
  const open = stored(t);
  let checks = 0;
  const clock = fakeClock();
  const options = (): WorldOptions => ({
    store: open(),
    clock,
    checkCredential: () => {
      checks++;
      return Promise.resolve({ kind: 'invalid' });
    },
  });
  const w = await start(options());
  const typed = { officer: 'chief', passphrase: 'guess', code: '1-AAAAA-AAAAA', reason: 'A reason' };
  const guess = async (in_: World): Promise<string> => {
    try {
      await in_.control.handlers['emergency.start'](typed, operator);
      return 'started';
    } catch (error) {
      return isFault(error) ? error.code : String(error);
    }
  };
  t.same(
    [await guess(w), await guess(w), await guess(w), await guess(w)],
    ['CREDENTIAL_REFUSED', 'CREDENTIAL_REFUSED', 'CREDENTIAL_REFUSED', 'CREDENTIAL_LOCKED'],
  );
  t.equal(checks, 3);
  await w.control.stop('test');
  const after = await start(options());
  t.equal(await guess(after), 'CREDENTIAL_LOCKED', 'a restart does not forget');
  clock.set(365 * 24 * HOUR);
  t.equal(await guess(after), 'CREDENTIAL_LOCKED', 'nor does a clock set forward');
  clock.pass(30_000);
  t.equal(await guess(after), 'CREDENTIAL_REFUSED');
  clock.pass(30_000);
  t.equal(await guess(after), 'CREDENTIAL_LOCKED', 'the wait doubles');
  await after.tick();
  t.ok(after.of('emergency.refused').length >= 3);
  await after.control.stop('test');
});

void t.test('two persons: a request, its approvals, its ticket, its end', async (t) => {
  const w = await start();
  const asked = {
    source: nurse,
    resource: resourceId.parse('pump-er'),
    actions: ['view' as const],
    reason: 'Cover for the ER tonight',
    hours: 4,
    ticket: 'INC-4711',
  };
  t.match((await row(w, 'pump-er'))?.requestable, { actions: ['view', 'modify'], approvals: 2, maxHours: 8 });
  for (const wrong of [
    { ticket: 'CHG-1' },
    { hours: 9 },
    { reason: 'because' },
    { actions: ['administer' as const] },
    { resource: resourceId.parse('pacs') },
  ])
    await t.rejects(
      Promise.resolve(w.control.handlers['portal.request']({ ...asked, ...wrong }, broker)),
      { code: 'REQUEST_REFUSED' },
      JSON.stringify(wrong),
    );
  const { request } = await w.control.handlers['portal.request'](asked, broker);
  const decide = (source: typeof nurse): Promise<{ request: { state: string } }> =>
    w.control.handlers['portal.decide'](
      { source, request: request.id, approve: true, note: 'ok' },
      broker,
    ) as Promise<{ request: { state: string } }>;
  await t.rejects(decide(nurse), { code: 'APPROVAL_REFUSED' }, 'not her own');
  t.match((await access(w, chief)).toApprove, [{ id: request.id }]);
  t.equal((await decide(chief)).request.state, 'waiting');
  await t.rejects(decide(chief), { code: 'APPROVAL_REFUSED' }, 'not twice');
  t.same((await access(w, chief)).toApprove, []);
  const local = (uid: number, id: string): unknown =>
    w.control.handlers['request.decide']({ request: id, approve: true, note: '' }, { ...operator, uid });
  const { request: other } = await w.control.handlers['portal.request'](
    { ...asked, actions: ['view', 'modify'] },
    broker,
  );
  t.match(local(0, other.id), { request: { state: 'waiting' } });
  t.throws(() => local(1000, other.id), { code: 'APPROVAL_REFUSED' }, 'root can be any local account');
  t.throws(() => local(0, other.id), { code: 'APPROVAL_REFUSED' });
  await w.control.handlers['request.end']({ request: other.id, reason: 'Not needed' }, operator);
  t.equal((await decide(second)).request.state, 'approved');
  t.match((await life(w)).requests[0], {
    state: 'approved',
    approvals: [{ actor: { by: 'chief', via: 'portal' } }, { actor: { by: 'second' } }],
  });
  await t.rejects(decide(second), { code: 'REQUEST_UNKNOWN' });
  await w.control.handlers['request.end']({ request: request.id, reason: 'Not needed' }, operator);
  t.match(
    (await life(w)).requests.find(({ id }) => id === request.id),
    { state: 'ended' },
  );
  await w.tick();
  t.same(
    w.of('request.changed').flatMap((each) => (each.request.id === request.id ? each.request.state : [])),
    ['waiting', 'waiting', 'approved', 'ended'],
  );
});

void t.test(
  'an approved request is the ticket that policy asked for, for its time and its rule',
  async (t) => {
    const policyText = `@id("ticketed") @reason("By ticket.") permit (principal, action == Action::"view", resource) when { context has ticket && context.ticket.approvals >= 2 && context.ticket.actions.contains(Action::"view") };`;
    let rules = clinic().siteData.requests;
    const config = clinic();
    Object.defineProperty(config.siteData, 'requests', { get: () => rules });
    const w = await start({ policyText }, config);
    const asked = {
      source: nurse,
      resource: resourceId.parse('pump-er'),
      actions: ['view' as const],
      reason: 'Cover for the ER tonight',
      hours: 1,
      ticket: 'INC-1',
    };
    const { request } = await w.control.handlers['portal.request'](asked, broker);
    t.equal(refusedCode(await ask(w, 'pump-er', named(1))), 'POLICY_DENIED');
    for (const source of [chief, second])
      await w.control.handlers['portal.decide'](
        { source, request: request.id, approve: true, note: '' },
        broker,
      );
    const grant = granted(await ask(w, 'pump-er', named(2)));
    t.match(grant.facts?.ticket, { number: 'INC-1', kind: 'request', approvals: 2 });
    t.equal(grant.expiresAt, w.clock.now() + HOUR, 'the earliest change is its end');
    await w.started(grant);
    const all = rules;
    rules = [];
    t.equal(refusedCode(await ask(w, 'pump-er', named(3))), 'POLICY_DENIED', 'the rule is gone: no ticket');
    rules = all.map((each) => ({ ...each, approvals: 3 }));
    t.equal(
      refusedCode(await ask(w, 'pump-er', named(4))),
      'POLICY_DENIED',
      'back under the same name, wanting more',
    );
    rules = all;
    w.clock.pass(HOUR);
    await w.tick();
    t.match(w.pushed.at(-1), { event: 'revoke', session: grant.session });
    t.match((await life(w)).requests[0], { state: 'ended' });
  },
);

void t.test('nobody decides in time, or denies, or takes it back', async (t) => {
  const w = await start();
  const asked = {
    source: nurse,
    resource: resourceId.parse('pump-er'),
    actions: ['view' as const],
    reason: 'Cover for the ER tonight',
    hours: 4,
    ticket: 'INC-1',
  };
  const send = async (): Promise<string> =>
    (await w.control.handlers['portal.request'](asked, broker)).request.id;
  const first = await send();
  t.equal(await send(), first, 'the same again is the same');
  w.clock.pass(24 * HOUR);
  await w.tick();
  signIn(w);
  const later = await send();
  t.not(later, first);
  await w.control.handlers['portal.decide'](
    { source: nurse, request: later, approve: false, note: '' },
    broker,
  );
  const third = await send();
  await w.control.handlers['request.decide']({ request: third, approve: false, note: 'no' }, operator);
  t.same((await life(w)).requests.map((each) => each.state).sort(), ['denied', 'expired', 'withdrawn']);
});

void t.test('the grace: what holds when, by the machine time, over restarts and wrong clocks', async (t) => {
  const open = stored(t);
  const clock = fakeClock();
  const config = clinic({ offline: { graceHours: 24 } }, (input) => {
    input['coordinator'] = { name: 'head office' };
  });
  let w = await start({ store: open(), clock }, config);
  const state = async (): Promise<string> => (await life(w)).offline.state;
  t.equal(await state(), 'online');
  const grant = granted(await ask(w, 'pump-icu', named(1)));
  await w.started(grant);
  clock.pass(HOUR);
  await w.tick();
  t.equal(await state(), 'grace');
  t.match(health(w, 'control.coordinator'), {
    level: 'warning',
    text: /for 60 min.*22 h of grace|23 h of grace/,
  });
  t.match(w.of('offline.changed').at(-1), { offline: { state: 'grace' } });
  clock.set(7 * 365 * 24 * HOUR);
  await w.tick();
  t.equal(await state(), 'grace', 'set forward seven years');
  clock.set(-10 * 365 * 24 * HOUR);
  await w.tick();
  t.equal(await state(), 'grace', 'set back three');
  await w.control.stop('test');
  clock.pass(10 * HOUR);
  w = await start({ store: open(), clock }, config);
  const { usedMs } = (await life(w)).offline;
  t.equal(Math.round(usedMs / HOUR), 11, 'a restart counts, down time of the process too');
  await w.started(grant);
  await w.control.stop('test');
  // Another boot: uptime begins again; the clock of the test goes on, so take it back.
  const rebooted = fakeClock();
  rebooted.pass(MINUTE);
  w = await start({ store: open(), clock: rebooted, boot: 'boot-2' }, config);
  t.equal(
    Math.round((await life(w)).offline.usedMs / MINUTE),
    11 * 60 + 2,
    'the uptime of the new boot and a minute for what was not written',
  );
  rebooted.pass(13 * HOUR);
  await w.tick();
  t.equal(await state(), 'expired');
  t.match(w.of('offline.changed').at(-1), { offline: { state: 'expired' } });
  await w.started(grant);
  t.notOk(
    w.pushed.some((each) => each.event === 'revoke' && /alone for too long/.test(String(each.body))),
    'an open session goes on',
  );
  t.equal(
    refusedCode(await ask(w, 'pump-icu', named(9))),
    'STEP_UP_REQUIRED',
    'a new one needs a sign-in of the last hour',
  );
  signIn(w);
  granted(await ask(w, 'pump-icu', named(10)));
  await w.control.stop('test');
});

void t.test('without a coordinator nothing runs out', async (t) => {
  const w = await start();
  w.clock.pass(1000 * HOUR);
  await w.tick();
  t.equal((await life(w)).offline.state, 'standalone');
  t.match(health(w, 'control.coordinator'), { level: 'ok', text: /standalone/ });
});

void t.test('exceptions: listed as they stand, certified by attestation, over by themselves', async (t) => {
  const now = fakeClock().now();
  const day = 24 * HOUR;
  const exception = (name: string, more: object): object => ({
    name,
    owner: 'chief',
    reason: 'Old firmware',
    end: now + 200 * day,
    ...more,
  });
  const w = await start(
    {},
    clinic({
      exceptions: [
        exception('coming', { from: now + day }),
        exception('in-force', {}),
        exception('near', { end: now + 3 * day }),
        exception('certify', { certifyBy: now + 3 * day }),
        exception('lapsed', { certifyBy: now - day }),
        exception('over', { end: now - 1 }),
      ],
    }),
  );
  const states = async (): Promise<Record<string, string>> =>
    Object.fromEntries((await life(w)).exceptions.map((each) => [each.name, each.state]));
  t.same(await states(), {
    over: 'over',
    near: 'near its end',
    coming: 'coming',
    certify: 'to certify',
    'in-force': 'in force',
    lapsed: 'lapsed',
  });
  t.match(health(w, 'control.exceptions'), {
    level: 'warning',
    text: /lapsed \(chief\).*certify \(chief\).*near \(chief\)/,
  });
  await w.control.handlers['review.attest'](
    { object: 'exception:lapsed', outcome: 'keep', note: '' },
    operator,
  );
  t.equal((await states())['lapsed'], 'in force');
  w.clock.pass(4 * day);
  await w.tick();
  t.equal((await states())['near'], 'over');
  await w.tick();
  const told = w.of('exception.changed').map((each) => `${each.exception.name} ${each.exception.state}`);
  t.ok(
    told.includes('near over') && told.includes('coming in force') && told.includes('certify lapsed'),
    told.join(', '),
  );
  t.equal(w.of('access.attested').length, 1);
});

void t.test('a peer reports its posture by the portal and is stepped up at once', async (t) => {
  const w = await start();
  const grant = granted(await ask(w, 'pump-icu', named(1)));
  t.same(grant.actions, ['view']);
  await w.started(grant);
  const signals = {
    edr: 'pass',
    diskEncryption: 'pass',
    screenLock: 'pass',
    secureBoot: 'pass',
    osSupport: 'pass',
    usbControl: 'pass',
    tamper: 'pass',
  } as const;
  const answer = await w.control.handlers['portal.posture']({ source: nurse, signals, patchDays: 3 }, broker);
  t.equal(answer.posture.level, 'good');
  t.ok((w.pushed.at(-1)?.body as Grant | undefined)?.actions.includes('modify'));
});

void t.test('what break-glass leaves is not lost with a process that could not reach the log', async (t) => {
  const records: unknown[] = [];
  const journal = (left: unknown[] = []): NonNullable<WorldOptions['emergency']> => ({
    left,
    get held() {
      return records.length;
    },
    append: (record) => records.push(structuredClone(record)) > 0,
    clear: () => void records.splice(0),
  });
  const w = await start({ emergency: journal() });
  await w.tick();
  t.equal(records.length, 0);
  w.audit = 'AUDIT_STORAGE_FULL';
  await breakGlass(w);
  await w.tick();
  t.match(records, [{ kind: 'breakGlass.opened' }, { kind: 'review.opened' }]);
  // Killed here. Another process finds what was left.
  const left = records.splice(0);
  const after = await start({ emergency: journal(left) });
  await after.tick();
  t.match(after.of('journal.replayed'), [{ process: 'control', records: 2 }]);
  t.match(after.of('breakGlass.opened'), [{ glass: { user: 'nina' } }]);
});
