/** Findings as control keeps them: what is told, what people say, what comes back, what policy gets of it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { BURST, FindingLedger, MAX_FINDINGS } from '../../src/control/finding-ledger.ts';
import { StateStore, stateSchema } from '../../src/control/state-store.ts';
import { openStore } from '../../src/store/store.ts';
import { isFault } from '../../src/wire/errors.ts';
import { riskOf } from '../../src/wire/finding.ts';
import type { FindingReport } from '../../src/wire/finding.ts';
import { confirmed, fakeClock, granted, observation, operator, present, sensor, world } from './fakes.ts';
import type { FakeClock } from './fakes.ts';

const DAY = 86_400_000;
const MAC = '02:00:00:00:00:01';

function storeFor(t: Test): { open: () => StateStore } {
  const folder = mkdtempSync(join(tmpdir(), 'anteroom-findings-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return { open: () => new StateStore(openStore({ file: join(folder, 'control.db'), schema: stateSchema })) };
}

const report = (clock: FakeClock, more: Partial<FindingReport> = {}): FindingReport => ({
  kind: 'new-peer',
  mac: MAC,
  key: 'x',
  severity: 'medium',
  evidence: ['uses tcp/22 of 10.0.0.9'],
  first: clock.now(),
  last: clock.now(),
  count: 1,
  ...more,
});

let made = 0;
function ledger(
  clock: FakeClock,
  store: StateStore,
): { ledger: FindingLedger; events: { kind: string; body: Record<string, unknown> }[] } {
  const events: { kind: string; body: Record<string, unknown> }[] = [];
  return {
    events,
    ledger: new FindingLedger({
      clock,
      store,
      journal: { write: (kind, body) => void events.push({ kind, body }) },
      random: () => Buffer.from((++made).toString(16).padStart(16, '0'), 'hex'),
      nameOf: (mac) => mac ?? 'the link',
      changed: () => undefined,
    }),
  };
}

void t.test('raised once, counted on, told once, kept over a restart', (t) => {
  const files = storeFor(t);
  const clock = fakeClock();
  const store = files.open();
  const { ledger: kept, events } = ledger(clock, store);
  kept.take([report(clock)]);
  kept.tick();
  kept.take([report(clock, { count: 5, last: clock.now() + 5 })]);
  kept.tick();
  t.match(kept.list(false), [{ kind: 'new-peer', count: 5, state: 'open', technique: 'T0886' }]);
  t.match(events, [{ kind: 'finding.raised', body: { what: 'new-peer', severity: 'medium', mac: MAC } }]);
  t.equal(events.length, 1);
  const [{ id } = { id: '' }] = kept.list(false);
  kept.flush();
  store.close();

  const again = files.open();
  const { ledger: after, events: later } = ledger(clock, again);
  t.match(after.list(false), [{ id, count: 5 }]);
  after.take([report(clock, { count: 2, last: clock.now() + 10 })]);
  after.tick();
  t.match(after.list(false), [{ id, count: 7 }], 'a sensor that began anew counts from one');
  t.same(later, [], 'the log knows it');
  again.close();
  t.end();
});

void t.test('acknowledged: quiet until it gets worse; suppressed: until the time is over', (t) => {
  const clock = fakeClock();
  const { ledger: kept, events } = ledger(clock, storeFor(t).open());
  const macs = new Set([MAC]);
  kept.take([report(clock)]);
  kept.tick();
  t.equal(kept.risk(macs), 15);
  const id = kept.list(false)[0]?.id ?? '';
  kept.acknowledge(id, 'the new archive', 'uid 0');
  t.equal(kept.risk(macs), 0);
  t.match(events.at(-1), { kind: 'finding.closed', body: { why: 'acknowledged', by: 'uid 0' } });
  kept.take([report(clock, { count: 9, last: clock.now() + 1 })]);
  t.equal(kept.list(false)[0]?.state, 'acknowledged');
  kept.take([report(clock, { count: 10, severity: 'high', last: clock.now() + 2 })]);
  kept.tick();
  t.match(kept.list(false)[0], { state: 'open', severity: 'high' });
  t.match(events.at(-1), { kind: 'finding.raised', body: { severity: 'high' } });

  t.throws(() => kept.suppress(id, clock.now() - 1, '', 'uid 0'));
  kept.suppress(id, clock.now() + DAY, 'maintenance', 'uid 0');
  t.equal(kept.risk(macs), 0);
  clock.pass(DAY / 2);
  kept.tick();
  t.equal(kept.list(false)[0]?.state, 'suppressed');
  clock.pass(DAY);
  kept.tick();
  t.equal(kept.list(false)[0]?.state, 'open', 'its end has come');
  clock.pass(31 * DAY);
  kept.tick();
  t.same(kept.list(false), []);
  t.match(events.at(-1), { kind: 'finding.closed', body: { why: 'over' } });
  kept.take([report(clock, { last: clock.now() + 5 })]);
  t.match(kept.list(false), [{ state: 'open', id }], 'seen again: the same finding');
  try {
    kept.acknowledge('f-0000000000000000', '', 'uid 0');
    t.fail('no such finding');
  } catch (error) {
    t.ok(isFault(error, 'FINDING_UNKNOWN'));
  }
  t.end();
});

void t.test('bounded: rows, and words to the log', (t) => {
  const clock = fakeClock();
  const files = storeFor(t);
  const store = files.open();
  const { ledger: kept, events } = ledger(clock, store);
  kept.take([report(clock, { key: 'precious', severity: 'critical' })]);
  for (let n = 0; n < MAX_FINDINGS + 300; n += 100)
    kept.take(Array.from({ length: 100 }, (_, i) => report(clock, { key: `${n + i}`, severity: 'low' })));
  kept.tick();
  t.equal(kept.size, MAX_FINDINGS);
  t.equal(kept.list(false)[0]?.key, 'precious');
  t.equal(events.length, BURST);
  clock.pass(4_000);
  kept.tick();
  t.equal(events.length, BURST + 2, 'the rest is told later');
  kept.flush();
  t.equal(store.findings().length, MAX_FINDINGS);
  store.close();
  t.end();
});

void t.test('risk: each further finding counts for what is left', (t) => {
  t.equal(riskOf([]), 0);
  t.equal(riskOf([{ severity: 'critical' }]), 70);
  t.equal(riskOf([{ severity: 'critical' }, { severity: 'high' }]), 81);
  t.ok(riskOf(Array.from({ length: 50 }, () => ({ severity: 'high' as const }))) <= 100);
  const exploited = { severity: 'critical', kind: 'known-exploited' } as const;
  const old = { severity: 'low', kind: 'weak-protocol' } as const;
  t.equal(riskOf([old]), 4);
  t.equal(riskOf([exploited, exploited, old]), 30, 'what it is exposed to comes to no more');
  t.equal(riskOf([exploited, { severity: 'high', kind: 'dials-out' }]), 55);
  t.equal(riskOf([{ severity: 'critical', kind: 'exploit-smb' }, exploited]), 79);
  t.end();
});

void t.test('policy reads the risk, and live sessions are decided again when it changes', async (t) => {
  const guard = [
    '@id("imaging") @reason("Imaging.")',
    'permit (principal in Role::"radiologist", action in [Action::"view", Action::"modify"], resource);',
    '@id("risky") @reason("The device behaves oddly.")',
    'forbid (principal, action == Action::"modify", resource) when { context has deviceRisk && context.deviceRisk >= 50 };',
  ].join('\n');
  const w = world({ policyText: guard });
  w.tunnel = present(confirmed());
  await w.tick();
  const grant = granted(await w.ask());
  await w.started(grant);
  t.same(grant.actions, ['view', 'modify']);
  const host = observation(1, { addresses: ['10.20.0.10'], last: w.clock.now() });
  const observed = (findings: FindingReport[]): unknown =>
    w.control.handlers['sensor.observed']({ hosts: [host], health: [], findings }, sensor);
  const bad = report(w.clock, { kind: 'exploit-smb', mac: host.mac, severity: 'critical' });
  await observed([bad]);
  await w.tick();
  t.match(w.pushed.at(-1), { event: 'regrant', body: { actions: ['view'] } });
  t.match(w.of('finding.raised'), [{ what: 'exploit-smb', technique: 'T0866', device: 'pacs' }]);
  t.match(w.control.overview().findings, { critical: 1 });
  t.match(
    w.control.overview().health.find(({ item }) => item === 'control.findings'),
    { level: 'warning', text: /^1 critical and 0 high findings/ },
  );
  t.match(w.control.overview().devices[0], { device: { id: 'pacs' }, standing: { risk: 70 } });

  const list = await w.control.handlers['operator.findings.list']({ closed: false }, operator);
  const id = list.findings[0]?.id ?? '';
  await w.control.handlers['operator.findings.ack']({ finding: id, note: 'a test' }, operator);
  await w.tick();
  t.match(w.pushed.at(-1), { event: 'regrant', body: { actions: ['view', 'modify'] } });
  t.match(w.of('operator.action').at(-1), { verb: 'findings.ack', object: id, outcome: 'done' });
  t.match(w.of('finding.closed'), [{ finding: id, why: 'acknowledged' }]);
  t.throws(() => w.control.handlers['operator.findings.ack']({ finding: 'f-00', note: '' }, operator));
  await w.tick();
  t.match(w.of('operator.action').at(-1), { outcome: 'refused' });
});

void t.test(
  'acknowledged as normal: on record, kept, told to the sensor, and only what can be',
  async (t) => {
    const w = world({});
    await w.tick();
    const host = observation(1, { addresses: ['10.20.0.10'], last: w.clock.now() });
    const key = '10.1.0.9 tcp/22';
    const findings = [
      report(w.clock, { mac: host.mac, key }),
      report(w.clock, { mac: host.mac, kind: 'exploit-smb', severity: 'critical' }),
    ];
    await w.control.handlers['sensor.observed']({ hosts: [host], health: [], findings }, sensor);
    const list = await w.control.handlers['operator.findings.list']({ closed: false }, operator);
    const idOf = (kind: string): string => list.findings.find((f) => f.kind === kind)?.id ?? '';
    t.same(await w.control.handlers['sensor.accepted']({}, sensor), { rows: [] });
    const ack = w.control.handlers['operator.findings.ack'];
    const kept = await ack({ finding: idOf('new-peer'), note: 'the new archive', learn: true }, operator);
    t.match(kept, { state: 'acknowledged', learned: true, note: 'the new archive', by: 'uid 0' });
    t.equal(w.accepted, 1, 'the sensor is told');
    t.same(await w.control.handlers['sensor.accepted']({}, sensor), {
      rows: [{ mac: host.mac, kind: 'new-peer', key }],
    });
    t.throws(() => ack({ finding: idOf('exploit-smb'), note: '', learn: true }, operator), {
      code: 'FINDING_NOT_LEARNABLE',
    });
    t.equal(w.accepted, 1);
    await w.tick();
    t.match(w.of('operator.action'), [
      { verb: 'findings.learn', object: idOf('new-peer'), outcome: 'done' },
      { verb: 'findings.learn', object: idOf('exploit-smb'), outcome: 'refused' },
    ]);
    t.match(w.of('finding.closed'), [{ why: 'acknowledged', learned: true, note: 'the new archive' }]);

    const unlearn = w.control.handlers['operator.findings.unlearn'];
    const taken = await unlearn({ finding: idOf('new-peer'), note: 'a mistake' }, operator);
    t.match(taken, { state: 'open', unlearned: true, note: 'a mistake', by: 'uid 0' });
    t.notOk(taken.learned);
    t.equal(w.accepted, 2, 'the sensor is told');
    const row = { mac: host.mac, kind: 'new-peer', key };
    t.same(await w.control.handlers['sensor.accepted']({}, sensor), { rows: [], withdrawn: [row] });
    t.throws(() => unlearn({ finding: idOf('new-peer'), note: '' }, operator), {
      code: 'FINDING_NOT_LEARNED',
    });
    await ack({ finding: idOf('new-peer'), note: 'seen' }, operator);
    t.same(await w.control.handlers['sensor.accepted']({}, sensor), { rows: [], withdrawn: [row] });
    await ack({ finding: idOf('new-peer'), note: 'after all', learn: true }, operator);
    t.same(await w.control.handlers['sensor.accepted']({}, sensor), { rows: [row] });
    await w.tick();
    t.match(w.of('operator.action').slice(2), [
      { verb: 'findings.unlearn', object: idOf('new-peer'), outcome: 'done' },
      { verb: 'findings.unlearn', outcome: 'refused' },
      { verb: 'findings.ack', outcome: 'done' },
      { verb: 'findings.learn', outcome: 'done' },
    ]);
  },
);

void t.test('what was made normal is so after a restart, and past the end of the finding', (t) => {
  const files = storeFor(t);
  const clock = fakeClock();
  const store = files.open();
  const { ledger: kept } = ledger(clock, store);
  kept.take([report(clock), report(clock, { key: 'others' }), report(clock, { key: 'y' })]);
  const [id, others] = ['x', 'others'].map((key) => kept.list(false).find((f) => f.key === key)?.id ?? '');
  kept.acknowledge(id ?? '', '', 'uid 0', true);
  t.throws(() => kept.acknowledge(others ?? '', '', 'uid 0', true), { code: 'FINDING_NOT_LEARNABLE' });
  const rows = [{ mac: MAC, kind: 'new-peer', key: 'x' }] as const;
  t.same(kept.accepted(), rows);
  clock.pass(31 * DAY);
  kept.tick();
  t.same(kept.list(false), []);
  t.same(kept.accepted(), rows);
  kept.flush();
  store.close();
  const again = files.open();
  t.same(ledger(clock, again).ledger.accepted(), rows);
  again.close();
  t.end();
});
