/** Devices as things that last: another address, another card, another device on the same card, and what people say. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { DeviceRecords, keysOf, MAX_RECORDS } from '../../src/control/device-records.ts';
import { StateStore, stateSchema } from '../../src/control/state-store.ts';
import { openStore } from '../../src/store/store.ts';
import type { FindingReport } from '../../src/wire/finding.ts';
import type { HostObservation } from '../../src/wire/observation.ts';
import { fakeClock, observation, operator, sensor, world } from './fakes.ts';
import type { World } from './fakes.ts';

const DAY = 86_400_000;
const serial = (value: string): Partial<HostObservation> => ({
  identity: [
    { attribute: 'vendor', value: 'Hospira', because: 'x', conflicts: [] },
    { attribute: 'model', value: 'Plum A+', because: 'x', conflicts: [] },
    { attribute: 'serial', value, because: 'x', conflicts: [] },
  ],
});
const said = (protocol: string, field: string, value: string): Partial<HostObservation> => ({
  evidence: [{ protocol, field, value, first: 1, last: 1 }],
});

function records(store = new StateStore(undefined)): { records: DeviceRecords; found: FindingReport[] } {
  const found: FindingReport[] = [];
  let made = 0;
  return {
    found,
    records: new DeviceRecords({
      clock: fakeClock(),
      store,
      random: () =>
        Buffer.from((++made + Math.floor(Math.random() * 2 ** 40)).toString(16).padStart(16, '0'), 'hex'),
      found: (finding) => void found.push(finding),
    }),
  };
}

void t.test('keys: what is one device’s own, and what is not', (t) => {
  const kinds = (o: HostObservation): string[] => keysOf(o).map(({ kind, value }) => `${kind} ${value}`);
  t.same(kinds(observation(1, serial('SN-4711'))), [
    'mac 02:00:00:00:00:01',
    'serial Hospira/Plum A+/SN-4711',
  ]);
  for (const blank of ['0000', 'UNKNOWN', 'N/A', '12345678', 'xxxx', 'ab'])
    t.equal(keysOf(observation(1, serial(blank))).length, 1, blank);
  t.match(
    kinds(observation(1, said('hl7', 'OBX-18', 'P^0003B1B5B6480000^0003B1B5B6480000^EUI-64')))[1],
    /^eui64 0003B1/,
  );
  const gateway = observation(1, {
    evidence: [
      { protocol: 'hl7', field: 'MSH-3', value: 'eGATEWAY^00A037FFFF000001^EUI-64', first: 1, last: 1 },
      { protocol: 'hl7', field: 'OBX-18', value: 'M^00A0370000000009^EUI-64', first: 1, last: 1 },
    ],
  });
  t.equal(keysOf(gateway).length, 1, 'a gateway is not the bedside');
  t.match(kinds(observation(1, said('dhcp', 'clientId', 'ff0011')))[1], 'dhcp-client ff0011');
  t.end();
});

void t.test('another address, another card: the same device', (t) => {
  const { records: kept, found } = records();
  const first = kept.observe(observation(1, { ...serial('SN-4711'), addresses: ['10.0.0.1'] }));
  const moved = kept.observe(observation(1, { ...serial('SN-4711'), addresses: ['10.9.9.9'], last: 9_000 }));
  t.equal(moved.id, first.id);
  const replaced = kept.observe(observation(2, { ...serial('SN-4711'), last: 90_000 }));
  t.equal(replaced.id, first.id, 'known by its serial number');
  t.same(replaced.macs, ['02:00:00:00:00:01', '02:00:00:00:00:02']);
  t.equal(kept.observe(observation(3, serial('SN-4712'))).id === first.id, false, 'another serial number');
  t.same(found, []);
  t.end();
});

void t.test('two identities on one card: a finding, no renaming; confirmed, it is taken in', (t) => {
  const { records: kept, found } = records();
  const first = kept.observe(observation(1, serial('SN-4711')));
  const imposed = kept.observe(observation(1, { ...serial('SN-9999'), last: 9_000 }));
  t.equal(imposed.id, first.id);
  t.notOk(imposed.keys.some(({ value }) => value.includes('SN-9999')));
  t.match(found, [{ kind: 'two-identities', mac: '02:00:00:00:00:01', severity: 'high' }]);
  kept.confirm(imposed, 'uid 0');
  kept.observe(observation(1, { ...serial('SN-9999'), last: 99_000 }));
  t.equal(found.length, 1, 'an operator said so');
  t.match(kept.get(first.id), { lifecycle: 'in-service', confirmed: { by: 'uid 0' } });

  const other = kept.observe(observation(5, serial('SN-5555')));
  kept.observe(observation(1, { ...serial('SN-5555'), last: 100_000 }));
  t.match(found[1], { kind: 'two-identities', mac: '02:00:00:00:00:01' }, 'a known device on another’s card');
  t.not(other.id, first.id);
  t.end();
});

void t.test('a copied system is not one device on two cards', (t) => {
  const { records: kept } = records();
  const one = kept.observe(observation(1, { ...said('dhcp', 'clientId', 'ff00aa'), last: 1_000 }));
  const two = kept.observe(observation(2, { ...said('dhcp', 'clientId', 'ff00aa'), last: 2_000 }));
  t.not(one.id, two.id, 'both are alive');
  const later = kept.observe(observation(3, { ...said('dhcp', 'clientId', 'ff00aa'), last: 2_000 + DAY }));
  t.ok([one.id, two.id].includes(later.id), 'the card was replaced');
  t.end();
});

void t.test('kept over a restart; bounded, and what people spoke of stays', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'anteroom-records-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const open = (): StateStore =>
    new StateStore(openStore({ file: join(folder, 'control.db'), schema: stateSchema }));
  const store = open();
  const { records: kept } = records(store);
  const pump = kept.observe(observation(1, serial('SN-4711')));
  kept.say(pump, { name: 'Pump 3', location: 'Bed 7' }, 'in-service', 'uid 0');
  for (let n = 2; n < MAX_RECORDS + 200; n++) kept.observe(observation(n, { last: 3_000_000 + n }));
  t.ok(kept.size < MAX_RECORDS + 256);
  kept.save();
  t.equal(kept.size, MAX_RECORDS);
  store.close();
  const again = open();
  const { records: after } = records(again);
  t.equal(after.size, MAX_RECORDS);
  t.match(after.observe(observation(7_000, { ...serial('SN-4711'), last: 9_000_000 })), {
    id: pump.id,
    said: { name: { value: 'Pump 3' }, location: { value: 'Bed 7' } },
  });
  again.close();
  t.end();
});

const see = async (w: World, ...hosts: HostObservation[]): Promise<void> => {
  await w.control.handlers['sensor.observed']({ hosts, health: [] }, sensor);
};

void t.test(
  'operators correct: their word wins, says whose it is, and can be taken back',
  async (t: Test) => {
    const w = world();
    const host = observation(1, serial('SN-4711'));
    await see(w, host);
    const set = (fields: Record<string, string>, device = host.mac): unknown =>
      w.control.handlers['operator.device.set']({ device, fields }, operator);
    await set({ model: 'Plum 360', name: 'Pump 3', owner: 'ICU' });
    const row = (): World['control']['overview'] extends () => { devices: (infer R)[] }
      ? R | undefined
      : never => w.control.overview().devices.find((each) => each.observation?.mac === host.mac);
    t.match(
      row()?.observation?.identity?.find(({ attribute }) => attribute === 'model'),
      { value: 'Plum 360', because: /^uid 0 said so on /, conflicts: ['Plum A+'] },
    );
    t.match(row()?.standing?.record, { said: { owner: { value: 'ICU' } } });
    await see(w, observation(1, { ...serial('SN-4711'), last: 99_000 }));
    t.match(
      row()?.observation?.identity?.find(({ attribute }) => attribute === 'model'),
      { value: 'Plum 360' },
      'seen again, and still',
    );
    await set({ model: '' }, 'Pump 3');
    t.match(
      row()?.observation?.identity?.find(({ attribute }) => attribute === 'model'),
      { value: 'Plum A+' },
    );
    await w.control.handlers['operator.device.retire']({ device: 'Pump 3', reason: 'scrapped' }, operator);
    t.equal(row()?.standing?.record.lifecycle, 'retired');
    t.throws(() => set({ name: 'x' }, 'nothing'));
    await w.tick();
    t.match(
      w.of('operator.action').map(({ verb, outcome }) => `${verb} ${outcome}`),
      ['device.set done', 'device.set done', 'device.retire done', 'device.set refused'],
    );
  },
);

void t.test('what a host said before the sensor began anew stays', async (t) => {
  const w = world();
  await see(w, observation(1, { ...serial('SN-4711'), ...said('dicom', 'callingAeTitle', 'CT1') }));
  await see(w, observation(1, { last: 99_000 }));
  const row = w.control.overview().devices.find((each) => each.observation?.mac === '02:00:00:00:00:01');
  t.match(row?.observation, {
    last: 99_000,
    evidence: [{ field: 'callingAeTitle', value: 'CT1' }],
    identity: [{ attribute: 'vendor' }, { attribute: 'model' }, { attribute: 'serial', value: 'SN-4711' }],
  });
});
