/** Inventory, state store, health list and journal: bounds, rates, what survives. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { Directory } from '../../src/control/directory.ts';
import { Endpoints } from '../../src/control/endpoints.ts';
import { HealthList } from '../../src/control/health.ts';
import { BURST, Inventory, MAX_EVIDENCE, MAX_HOSTS } from '../../src/control/inventory.ts';
import { Journal, MAX_WAITING } from '../../src/control/journal.ts';
import { StateStore, stateSchema } from '../../src/control/state-store.ts';
import { openStore } from '../../src/store/store.ts';
import { Fault } from '../../src/wire/errors.ts';
import { clinicConfig, confirmed, fakeClock, observation, present, settle } from './fakes.ts';

const directory = new Directory(clinicConfig());
const silent = (): void => undefined;
const log = { debug: silent, info: silent, warn: silent, error: silent };

function folderFor(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'anteroom-state-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return join(folder, 'control.db');
}

void t.test('hosts are matched with devices by address', (t) => {
  const inventory = new Inventory(directory, new StateStore(undefined), fakeClock());
  inventory.observed([
    observation(1, { addresses: ['10.20.0.10'], last: 10 }),
    observation(2),
    observation(3, { addresses: ['10.20.0.10'], last: 30 }),
  ]);
  const rows = inventory.rows();
  t.match(rows, [
    { device: { id: 'pacs' }, observation: { mac: observation(3).mac } },
    { device: { id: 'pump' } },
    { observation: { mac: observation(2).mac } },
    { observation: { mac: observation(1).mac } },
  ]);
  t.equal(rows[1]?.observation, undefined, 'a device nobody saw');
  t.equal(rows[2]?.device, undefined, 'a host nobody configured');
  t.end();
});

void t.test('made-up hosts push out each other and no device', (t) => {
  const file = folderFor(t);
  const store = new StateStore(openStore({ file, schema: stateSchema }));
  const inventory = new Inventory(directory, store, fakeClock());
  inventory.observed([observation(0, { addresses: ['10.20.0.10'], last: 1 })]);
  for (let n = 1; n <= MAX_HOSTS + 200; n += 256)
    inventory.observed(Array.from({ length: 256 }, (_, i) => observation(n + i)));
  t.equal(inventory.size, MAX_HOSTS);
  t.equal(inventory.rows()[0]?.observation?.last, 1, 'the device seen longest ago is still known');
  t.notOk(inventory.rows().some((r) => r.observation?.mac === observation(1).mac));
  t.equal(store.hosts().length, MAX_HOSTS, 'the store is as bounded');
  store.close();
  t.end();
});

void t.test('one answer is bounded, whatever the hosts say', (t) => {
  const evidence = Array.from({ length: 256 }, (_, i) => ({
    protocol: 'dicom',
    field: `field${i}`,
    value: 'x'.repeat(128),
    first: 1,
    last: 1,
  }));
  const inventory = new Inventory(directory, new StateStore(undefined), fakeClock());
  for (let n = 0; n < 1024; n += 128)
    inventory.observed(Array.from({ length: 128 }, (_, i) => observation(n + i, { evidence })));
  const rows = inventory.rows();
  t.ok(JSON.stringify(rows).length < 4 * 1024 * 1024);
  t.ok(rows.length > 100);
  t.equal(rows[2]?.observation?.evidence.length, MAX_EVIDENCE);
  t.end();
});

void t.test('news is told at a bounded rate, once, and over a restart', (t) => {
  const file = folderFor(t);
  const clock = fakeClock();
  const store = new StateStore(openStore({ file, schema: stateSchema }));
  const inventory = new Inventory(directory, store, clock);
  inventory.observed(Array.from({ length: BURST + 5 }, (_, i) => observation(i)));
  t.equal(inventory.tick().length, BURST);
  t.equal(inventory.tick().length, 0);
  clock.pass(4_000);
  t.equal(inventory.tick().length, 2);
  clock.pass(60_000);
  t.equal(inventory.tick().length, 3);
  inventory.observed([observation(3, { last: 9_999 })]);
  t.equal(inventory.tick().length, 0, 'seen again is no news');
  inventory.observed([observation(3, { services: [{ transport: 'tcp', port: 104, protocol: 'dicom' }] })]);
  const [event] = inventory.tick();
  t.match(event, { mac: observation(3).mac, what: ['tcp/104 dicom'] });
  inventory.flush();
  store.close();

  const again = new StateStore(openStore({ file, schema: stateSchema }));
  const after = new Inventory(directory, again, clock);
  t.equal(after.size, BURST + 5);
  t.equal(after.tick().length, 0, 'what the log knows is not told again');
  after.observed([observation(3, { first: 500_000 })]);
  const kept = after.rows().find((r) => r.observation?.mac === observation(3).mac);
  t.equal(kept?.observation?.first, 1003, 'the first time stays');
  again.close();
  t.end();
});

void t.test('a store that fails leaves control with what it knows', (t) => {
  const file = folderFor(t);
  const database = openStore({ file, schema: stateSchema });
  const store = new StateStore(database);
  const clock = fakeClock();
  const inventory = new Inventory(directory, store, clock);
  database.prepare('DROP TABLE host').run();
  t.throws(() => inventory.observed([observation(1)]), 'a mistake in our SQL is not hidden');
  store.close();
  const none = new StateStore(undefined, new Fault('STORE_CORRUPT', 'control.db'));
  const inMemory = new Inventory(directory, none, clock);
  inMemory.observed([observation(1)]);
  inMemory.flush();
  t.equal(inMemory.size, 1);
  t.equal(none.fault?.code, 'STORE_CORRUPT');
  t.end();
});

void t.test('endpoints of configured peers are kept, the latest one', (t) => {
  const file = folderFor(t);
  const store = new StateStore(openStore({ file, schema: stateSchema }));
  const endpoints = new Endpoints(directory, store);
  const now = fakeClock().now();
  endpoints.note(present(confirmed(), confirmed('nobody')).peers, now);
  endpoints.flush();
  endpoints.note(
    [{ ...present(confirmed()).peers[0], endpoint: { address: '192.0.2.77', port: 1 } } as never],
    now,
  );
  endpoints.note([{ peer: confirmed().peer, receivedBytes: 0, sentBytes: 0 }], now);
  endpoints.flush();
  store.close();
  const again = new StateStore(openStore({ file, schema: stateSchema }));
  t.same(new Endpoints(directory, again).all(), [
    { peer: 'ada-laptop', endpoint: { address: '192.0.2.77', port: 1 } },
  ]);
  again.close();
  t.end();
});

void t.test('policies kept: the last eight, the latest first', (t) => {
  const store = new StateStore(openStore({ file: folderFor(t), schema: stateSchema }));
  for (let i = 0; i < 20; i++)
    store.savePolicy({ revision: `r${i}`, digest: 'd', text: `t${i}`, activated: i });
  t.equal(store.lastPolicy()?.text, 't19');
  store.savePolicy({ revision: 'r14', digest: 'd', text: 't14', activated: 99 });
  t.equal(store.lastPolicy()?.text, 't14', 'activated again');
  store.close();
  t.end();
});

void t.test('health: since, changes, flapping', (t) => {
  const clock = fakeClock();
  const health = new HealthList(clock);
  const began = clock.now();
  health.set('control.policy', 'ok', 'fine');
  health.set('control.store', 'warning', 'starting');
  t.same(health.changes(), [], 'a moment to find each other');
  health.set('control.store', 'ok', 'started');
  clock.pass(5_000);
  t.same(health.changes(), [], 'beginning in order is no change');
  health.set('control.policy', 'ok', 'still fine');
  t.equal(health.list()[0]?.since, began);
  health.set('control.policy', 'critical', 'broken');
  t.equal(health.list()[0]?.since, clock.now());
  t.same(health.changes(), [{ item: 'control.policy', level: 'critical', text: 'broken' }]);
  t.same(health.changes(), []);
  let told = 0;
  for (let i = 0; i < 100; i++) {
    clock.pass(500);
    health.set('control.policy', i % 2 === 0 ? 'ok' : 'critical', 'flaps');
    told += health.changes().length;
  }
  t.ok(told <= 5, `${told} of 100 changes told in 50 s`);
  clock.pass(10_000);
  health.set('control.policy', 'ok', 'fine');
  health.changes();
  t.equal(health.level('control.policy'), 'ok');
  t.end();
});

void t.test('journal: order, retries, bounds, what is never taken', async (t) => {
  const clock = fakeClock();
  let answer: 'up' | Fault = new Fault('IPC_UNREACHABLE');
  const taken: string[] = [];
  let calls = 0;
  const journal = new Journal(
    {
      append: async (events) => {
        calls++;
        await settle();
        if (answer !== 'up') throw answer;
        for (const e of events) if (e.kind === 'process.stop') taken.push(e.body.reason);
      },
      status: () => Promise.reject(new Fault('IPC_UNREACHABLE')),
    },
    clock,
    log,
  );
  const write = (n: number): void => journal.write('process.stop', { process: 'control', reason: `${n}` });
  for (let n = 0; n < 600; n++) write(n);
  await Promise.all([journal.flush(), journal.flush()]);
  t.equal(calls, 1, 'one batch under way at a time, and no hammering');
  t.equal(journal.waiting, 600);
  answer = 'up';
  const sending = journal.flush();
  write(600);
  await sending;
  t.same(
    taken,
    Array.from({ length: 601 }, (_, n) => `${n}`),
    'all, in order, also what came meanwhile',
  );

  answer = new Fault('IPC_MALFORMED');
  write(601);
  await journal.flush();
  t.equal(journal.waiting, 0);
  t.equal(journal.dropped, 1);

  answer = new Fault('AUDIT_STORAGE_FULL');
  for (let n = 0; n < MAX_WAITING + 10; n++) write(n);
  await journal.flush();
  t.equal(journal.waiting, MAX_WAITING);
  t.equal(journal.dropped, 11);
});
