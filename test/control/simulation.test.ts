/** A candidate beside the set that decides: what is counted, that nothing is enforced, bounds, and restarts. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Journal } from '../../src/control/journal.ts';
import { MAX_WAITING, Simulation } from '../../src/control/simulation.ts';
import { StateStore, stateSchema } from '../../src/control/state-store.ts';
import { evaluate } from '../../src/policy/evaluate.ts';
import { loadPolicySet } from '../../src/policy/policy-set.ts';
import { factsOf, requestOf } from '../../src/policy/table-facts.ts';
import type { AccessRequest } from '../../src/policy/request.ts';
import { openStore } from '../../src/store/store.ts';
import { isFault } from '../../src/wire/errors.ts';
import { MAX_DIFFERENCES } from '../../src/wire/simulation.ts';
import type { Simulation as Report } from '../../src/wire/simulation.ts';
import { granted, imaging, operator, world } from './fakes.ts';
import type { World } from './fakes.ts';

const candidate = imaging.replace('[Action::"view", Action::"modify"]', '[Action::"view", Action::"print"]');

const call = async (w: World, verb: 'simulation.stop' | 'simulation.report'): Promise<Report | undefined> =>
  (await w.control.handlers[verb]({}, operator)).simulation;
const start = async (w: World, text = candidate): Promise<Report | undefined> =>
  (await w.control.handlers['simulation.start']({ name: 'spring', text }, operator)).simulation;

void t.test('differences are counted and nothing of the candidate is enforced', async (t) => {
  const w = world();
  await w.tick();
  t.equal(await call(w, 'simulation.report'), undefined);
  t.match(await start(w), { name: 'spring', by: 'uid 0', decisions: 0, differences: [] });
  for (let i = 0; i < 3; i++)
    t.same(granted(await w.ask()).actions, ['view', 'modify'], 'the active set decides');
  await w.tick();
  const report = await call(w, 'simulation.report');
  t.match(report, {
    decisions: 3,
    differing: 3,
    missed: 0,
    failed: 0,
    beyond: 0,
    differences: [
      {
        user: 'ada',
        resource: 'pacs-dicom',
        gains: ['print'],
        loses: ['modify'],
        count: 3,
        reasons: ['No policy permits it.'],
      },
    ],
  });
  t.equal(report?.differences.length, 1);
  const item = w.control.overview().health.find((each) => each.item === 'control.simulation');
  t.match(item, { level: 'ok', text: /3 of 3 decisions would differ/ });

  t.match(await call(w, 'simulation.stop'), { decisions: 3 });
  t.equal(await call(w, 'simulation.report'), undefined);
  await w.ask();
  await w.tick();
  t.match(w.of('simulation.changed'), [
    { what: 'started', name: 'spring', decisions: 0, kinds: 0 },
    { what: 'stopped', name: 'spring', decisions: 3, differing: 3, kinds: 1 },
  ]);
});

void t.test('a live session decided again is compared too', async (t) => {
  const w = world();
  await w.tick();
  const grant = granted(await w.ask());
  await w.started(grant);
  await start(w);
  w.control.reloadPolicy('test');
  w.policyText = `${imaging}\n// another revision\n`;
  w.control.reloadPolicy('test');
  await w.tick();
  t.match(await call(w, 'simulation.report'), { decisions: 1, differing: 1 });
  t.same(
    w.pushed.filter(({ event }) => event === 'revoke'),
    [],
  );
});

void t.test('a candidate that is no policy set is refused, and the one before goes on', async (t) => {
  const w = world();
  await w.tick();
  await start(w);
  await w.ask();
  await t.rejects(async () => start(w, 'permit (principal,'), 'no Cedar');
  try {
    await start(w, imaging.replace('@reason("Imaging.")', ''));
    t.fail('it was taken');
  } catch (error) {
    t.ok(isFault(error, 'POLICY_INVALID'));
  }
  await w.tick();
  t.match(await call(w, 'simulation.report'), { name: 'spring', decisions: 1 });
});

void t.test('it survives a restart, with its counts', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'anteroom-simulation-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'control.db');
  const open = (): World => world({ store: new StateStore(openStore({ file, schema: stateSchema })) });
  const before = open();
  await before.tick();
  await start(before);
  await before.ask();
  await before.control.stop('test');

  const after = open();
  await after.tick();
  t.match(await call(after, 'simulation.report'), { name: 'spring', decisions: 1, differing: 1 });
  await after.ask();
  await after.tick();
  t.match(await call(after, 'simulation.report'), { decisions: 2, differences: [{ count: 2 }] });
  await call(after, 'simulation.stop');
  await after.control.stop('test');

  const last = open();
  t.equal(await call(last, 'simulation.report'), undefined, 'what was stopped stays stopped');
  await last.control.stop('test');
});

/** A simulation alone, with a store in memory of the test. */
function bare(): { simulation: Simulation; ask: (user: string) => void } {
  const { clock, ports } = world();
  const journal = new Journal(ports.audit, clock, ports.log);
  const simulation = new Simulation({ clock, journal, store: new StateStore(undefined), log: ports.log });
  const set = loadPolicySet(imaging, 'imaging');
  const ask = (user: string): void => {
    const read = requestOf(factsOf({ user, roles: ['radiologist'] }));
    const request = read as { request: AccessRequest };
    simulation.decided(request.request, evaluate(set, request.request));
  };
  return { simulation, ask };
}

void t.test('bounded: decisions that wait, and kinds of differences', (t) => {
  const { simulation, ask } = bare();
  ask('nobody-compares-this');
  simulation.start('spring', candidate, 'uid 0');
  for (let i = 0; i < MAX_WAITING + 10; i++) ask(`user-${i % (MAX_DIFFERENCES + 100)}`);
  t.match(simulation.report(), { decisions: 0, missed: 10 });
  for (let i = 0; i < 10; i++) simulation.tick();
  const report = simulation.report();
  t.equal(report?.decisions, MAX_WAITING);
  t.equal(report?.differing, MAX_WAITING);
  t.equal(report?.differences.length, MAX_DIFFERENCES);
  const kept = report?.differences.reduce((sum, { count }) => sum + count, 0) ?? 0;
  t.equal(kept + (report?.beyond ?? 0), MAX_WAITING, 'none is lost from the counts');
  t.ok((report?.beyond ?? 0) > 0);
  t.end();
});
