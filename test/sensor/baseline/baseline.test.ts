/** What is normal for a device, what isn't, what is kept, what is forgotten. */
import t from 'tap';
import { Baselines, DEVICES } from '../../../src/sensor/baseline/baseline.ts';
import type { Conduct } from '../../../src/sensor/baseline/baseline.ts';
import { ENTRIES } from '../../../src/sensor/baseline/device.ts';
import { Findings } from '../../../src/sensor/findings/findings.ts';
import { Host } from '../../../src/sensor/host.ts';
import { acceptedConduct, baselineFlow } from '../../../src/wire/finding.ts';
import { bench, behind, chat, DAY, said, START, station, talk } from '../behaviour-bench.ts';
import type { Bench } from '../behaviour-bench.ts';

const monitor = station(10);
const central = station(20);
const stranger = station(30);

/** Three days on which the monitor is as it always is. */
function learnt(mode: 'rolling' | 'frozen' = 'rolling'): Bench {
  const b = bench({ baseline: { days: 3, mode } });
  for (let day = 0; day <= 3; day++) {
    b.take(...chat(monitor, central, 2575));
    b.pass(DAY);
  }
  return b;
}

void t.test('while it is learnt nothing is new; then a peer and a service are', (t) => {
  const b = bench({ baseline: { days: 3, mode: 'rolling' } });
  for (let day = 0; day <= 3; day++) {
    b.take(...chat(monitor, central, 2575));
    if (day < 3) b.take(...chat(stranger, monitor, 8000 + day));
    b.pass(DAY);
  }
  t.same(b.kinds(), []);
  b.take(...chat(monitor, central, 2575));
  b.pass(20_000);
  t.same(b.kinds(), [], 'as always');
  b.take(...chat(monitor, station(40), 2575));
  b.take(...chat(central, monitor, 5900));
  b.pass(20_000);
  const ofMonitor = b.sensor.behaviour.reports().filter((f) => f.mac === monitor.mac);
  t.match(ofMonitor, [
    { kind: 'new-peer', evidence: [/uses tcp\/2575 of 10\.1\.0\.40/], count: 1 },
    { kind: 'new-service', key: 'tcp/5900' },
  ]);
  b.take(...chat(monitor, station(40), 2575));
  b.pass(20_000);
  t.equal(b.of('new-peer').find((f) => f.mac === monitor.mac)?.count, 2, 'the same finding');
  t.end();
});

void t.test('calls outside: a device that never did; site prefixes are inside', (t) => {
  const b = learnt();
  b.take(...chat(monitor, behind('203.0.113.9'), 443));
  b.pass(20_000);
  t.match(b.of('dials-out'), [{ mac: monitor.mac, severity: 'high', key: '203.0.113.0/24 tcp/443' }]);
  const inside = bench({ baseline: { days: 3, mode: 'rolling' }, prefixes: ['203.0.113.0/24'] });
  for (let day = 0; day <= 3; day++) {
    inside.take(...chat(monitor, central, 2575));
    inside.pass(DAY);
  }
  inside.take(...chat(monitor, behind('203.0.113.9'), 443));
  inside.pass(20_000);
  t.same(inside.of('dials-out'), []);
  t.end();
});

void t.test('a medical device that calls outside is heard while it is learnt, answered or not', (t) => {
  const b = bench();
  const infusion = talk(monitor, central, 4242, [
    {
      from: 'client',
      data: said(
        '\u000bMSH|^~\\&|INF^0012210A0B700001^EUI-64|CLINIC|HIS|CLINIC|20260101||ORU^R01^ORU_R01|1|P|2.6\rOBX|1|NM|68063^MDC_PUMP^MDC|1.1.1.1||1||||||R|||||||0012210A0B700001^^0012210A0B700001^EUI-64\r\u001c\r',
      ),
    },
  ]);
  b.take(...infusion);
  const medical = [...b.sensor.hosts.all()].some((host) => host.identity().medical);
  t.ok(medical, 'known for what it is');
  b.take(...chat(monitor, behind('203.0.113.9'), 8443));
  b.pass(20_000);
  t.match(b.of('dials-out'), [{ mac: monitor.mac, key: '203.0.113.0/24 tcp/8443' }]);
  t.end();
});

void t.test('hard-coded destinations are heard on the first packet', (t) => {
  const b = bench();
  const [syn] = chat(monitor, behind('202.114.4.119'), 515);
  b.take(syn as Uint8Array);
  t.match(b.of('hard-coded-destination'), [
    { mac: monitor.mac, severity: 'critical', key: '202.114.4.119 tcp/515' },
  ]);
  const other = bench();
  other.take(...chat(monitor, behind('202.114.4.121'), 515));
  t.same(other.kinds(), []);
  t.end();
});

void t.test('rolling: what goes on becomes normal; frozen: it does not', (t) => {
  for (const mode of ['rolling', 'frozen'] as const) {
    const b = learnt(mode);
    for (let day = 0; day < 6; day++) {
      b.take(...chat(monitor, stranger, 2575));
      b.pass(DAY);
    }
    const before = b.of('new-peer').find((f) => f.mac === monitor.mac)?.count ?? 0;
    b.take(...chat(monitor, stranger, 2575));
    b.pass(20_000);
    const after = b.of('new-peer').find((f) => f.mac === monitor.mac)?.count ?? 0;
    t.equal(after - before, mode === 'rolling' ? 0 : 1, mode);
  }
  t.end();
});

const conduct = (more: Partial<Conduct> = {}): Conduct => ({
  role: 'client',
  peer: central.mac,
  address: central.ip,
  outside: false,
  transport: 'tcp',
  port: 104,
  protocol: 'dicom',
  out: 1_000_000,
  in: 1_000,
  fresh: true,
  ...more,
});
const MAC = monitor.mac;
const host = new Host(Number.parseInt(MAC.replaceAll(':', ''), 16), undefined, START);

void t.test('bulk export: against what a day brought before', (t) => {
  const findings = new Findings();
  const baselines = new Baselines({ days: 3, mode: 'rolling' }, findings);
  for (let day = 0; day < 5; day++)
    baselines.note(MAC, host, conduct({ out: 150_000_000 }), START + day * DAY);
  baselines.note(MAC, host, conduct({ out: 300_000_000 }), START + 5 * DAY);
  t.same(findings.all(), [], 'twice as much is a busy day');
  baselines.note(MAC, host, conduct({ out: 300_000_000, fresh: false }), START + 5 * DAY + 1);
  t.match(findings.all(), [{ kind: 'bulk-export', evidence: [/600 MB of dicom .* before was 150 MB/] }]);
  t.end();
});

void t.test('hours, versions, silence', (t) => {
  const findings = new Findings();
  const baselines = new Baselines({ days: 3, mode: 'rolling' }, findings);
  for (let day = 0; day < 10; day++)
    for (let hour = 0; hour < 8; hour++)
      baselines.note(MAC, host, conduct(), START + day * DAY + hour * 3_600_000);
  t.same(findings.all(), []);
  baselines.note(MAC, host, conduct(), START + 10 * DAY - 12 * 3_600_000);
  t.match(findings.all(), [{ kind: 'unusual-hours', key: '21' }]);

  const device = baselines.device(MAC);
  t.equal(device?.version('dicom equipment.software', 'V1', START), undefined, 'the first');
  t.equal(
    device?.version('dicom equipment.software', 'V2', START + 60_000),
    undefined,
    'two programs of one host',
  );
  t.equal(device?.version('dicom equipment.software', 'V3', START + DAY), 'V2');
  t.equal(device?.version('dicom equipment.software', 'V3', START + 2 * DAY), undefined, 'told once');

  baselines.sweep(START + 10 * DAY + 20 * 3_600_000, () => host);
  t.equal(findings.all().length, 1, 'a night is no loss');
  baselines.sweep(START + 13 * DAY, () => host);
  t.match(findings.all()[1], { kind: 'device-vanished', mac: MAC });
  baselines.sweep(START + 14 * DAY, () => host);
  t.equal(findings.all()[1]?.count, 1, 'once');
  t.end();
});

void t.test('kept over a restart, whatever else is in the file', (t) => {
  const before = learnt();
  const kept = JSON.parse(JSON.stringify(before.sensor.behaviour.kept())) as { devices: unknown[] };
  const after = bench({ baseline: { days: 3, mode: 'rolling' } });
  after.at = before.at;
  after.sensor.behaviour.restore(
    { ...kept, devices: [{ mac: 'nonsense' }, null, 7, ...kept.devices] },
    after.at,
  );
  t.equal(after.sensor.behaviour.baselines.size, 2);
  after.take(...chat(monitor, central, 2575));
  after.pass(20_000);
  t.same(after.kinds(), [], 'as always');
  after.take(...chat(monitor, stranger, 2575));
  after.pass(20_000);
  t.match(
    after.of('new-peer').filter((f) => f.mac === monitor.mac),
    [{ count: 1 }],
  );
  for (const nonsense of [undefined, null, 7, 'x', {}, { version: 2 }, { version: 1, devices: 'x' }]) {
    const c = bench();
    c.sensor.behaviour.restore(nonsense, c.at);
    t.equal(c.sensor.behaviour.baselines.size, 0);
  }
  t.end();
});

void t.test('many devices are kept in pieces, which are the same as the whole', (t) => {
  for (const [stations, pieces] of [
    [0, 1],
    [2, 1],
    [250, 2],
  ] as const) {
    const b = bench();
    for (let n = 2; n <= stations; n++) b.take(...chat(station(1), station(n), 104));
    b.pass(20_000);
    const text = [...b.sensor.behaviour.keptText()];
    t.ok(text.length >= pieces, `${stations} stations, ${text.length} pieces`);
    t.same(JSON.parse(text.join('')), JSON.parse(JSON.stringify(b.sensor.behaviour.kept())));
  }
  t.end();
});

void t.test('bounded: devices, rows of a device, and then it is wide', (t) => {
  const findings = new Findings();
  const baselines = new Baselines({ days: 1, mode: 'rolling' }, findings);
  for (let n = 0; n < DEVICES + 50; n++) {
    const mac = `02:00:00:00:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}`;
    baselines.note(mac, host, conduct(), START + n);
  }
  t.equal(baselines.size, DEVICES);
  t.equal(baselines.entries, DEVICES);
  for (let n = 0; n < 3 * ENTRIES; n++)
    baselines.note(MAC, host, conduct({ peer: `peer ${n}` }), START + DEVICES + n);
  t.equal(baselines.device(MAC)?.size, ENTRIES);
  t.equal(baselines.device(MAC)?.wide, true);
  for (let day = 1; day < 5; day++) baselines.note(MAC, host, conduct(), START + day * DAY);
  baselines.note(MAC, host, conduct({ peer: 'one more' }), START + 6 * DAY);
  t.same(findings.all(), [], 'whom everybody meets nobody is new to');
  t.end();
});

void t.test('flows to tell: each once until it goes on', (t) => {
  const b = learnt();
  const first = b.sensor.behaviour.baselines.due(1);
  t.equal(first.flows.length, 1);
  first.taken();
  const second = b.sensor.behaviour.baselines.due(10);
  for (const flow of second.flows) t.ok(baselineFlow.safeParse(flow).success);
  t.match(
    [...first.flows, ...second.flows].find((f) => f.role === 'client'),
    { mac: monitor.mac, peer: central.mac, transport: 'tcp', port: 2575, learnt: true },
  );
  second.taken();
  t.same(b.sensor.behaviour.baselines.due(10).flows, []);
  b.take(...chat(monitor, central, 2575));
  b.pass(20_000);
  t.equal(b.sensor.behaviour.baselines.due(10).flows.length, 2, 'both ends');
  t.end();
});

void t.test('what an operator made normal is learnt, in a frozen baseline too, and only that', (t) => {
  const b = learnt('frozen');
  const { baselines } = b.sensor.behaviour;
  b.take(...chat(monitor, stranger, 2575));
  b.take(...chat(central, monitor, 5900));
  b.pass(20_000);
  const held = b.sensor.behaviour.reports().filter((f) => f.mac === monitor.mac);
  t.match(held, [{ kind: 'new-peer' }, { kind: 'new-service', key: 'tcp/5900' }]);
  const rows = held.map(({ kind, key }) => acceptedConduct.parse({ mac: monitor.mac, kind, key }));
  t.equal(baselines.accept(rows), 2);
  t.equal(baselines.accept(rows), 0, 'once');
  const flows = baselines.flows().filter((f) => f.mac === monitor.mac);
  t.ok(flows.length === 3 && flows.every((f) => f.learnt));
  b.pass(DAY);
  b.take(...chat(monitor, stranger, 2575));
  b.take(...chat(central, monitor, 5900));
  b.pass(20_000);
  const counts = (): number[] =>
    b.sensor.behaviour
      .reports()
      .filter((f) => f.mac === monitor.mac)
      .map((f) => f.count);
  t.same(counts(), [1, 1], 'no more is held against it');
  b.take(...chat(station(41), monitor, 5900));
  b.take(...chat(monitor, stranger, 4242));
  b.pass(20_000);
  const later = b.sensor.behaviour.reports().filter((f) => f.mac === monitor.mac);
  t.match(later.slice(2), [
    { kind: 'new-peer', evidence: [/answers 10\.1\.0\.41 on tcp\/5900/] },
    { kind: 'new-peer', evidence: [/uses tcp\/4242/] },
  ]);
  t.end();
});

void t.test('what an operator took back is news again, over a restart too, and nothing else is', (t) => {
  for (const restarted of [false, true]) {
    let b = learnt('frozen');
    b.take(...chat(monitor, stranger, 2575));
    b.take(...chat(monitor, station(41), 2575));
    b.pass(20_000);
    const rows = [stranger.mac, station(41).mac].map((mac) =>
      acceptedConduct.parse({ mac: monitor.mac, kind: 'new-peer', key: `${mac} tcp/2575` }),
    );
    t.equal(b.sensor.behaviour.baselines.accept(rows), 2);
    if (restarted) {
      const kept = JSON.parse([...b.sensor.behaviour.keptText()].join('')) as unknown;
      const after = bench({ baseline: { days: 3, mode: 'frozen' } });
      after.at = b.at;
      after.sensor.behaviour.restore(kept, after.at);
      b = after;
    }
    const { baselines } = b.sensor.behaviour;
    const [first, second] = [rows.slice(0, 1), rows.slice(1)];
    const always = { mac: monitor.mac, kind: 'new-peer', key: `${central.mac} tcp/2575` } as const;
    t.equal(baselines.accept(second, [...first, always]), 1, 'what was learnt by itself stays');
    t.equal(baselines.accept(second, [...first, always]), 0, 'once');
    const before = b.of('new-peer').length;
    const count = (): number =>
      b.sensor.behaviour
        .reports()
        .filter((f) => f.mac === monitor.mac && f.key.startsWith(stranger.mac))
        .reduce((sum, f) => sum + f.count, 0);
    const counted = count();
    b.take(...chat(monitor, stranger, 2575), ...chat(monitor, station(41), 2575));
    b.take(...chat(monitor, central, 2575));
    b.pass(20_000);
    t.equal(count() - counted, 1, 'held against it again');
    t.ok(b.of('new-peer').length - before <= 2, 'and only that, of both ends');
  }
  t.end();
});

void t.test('it is normal from the first when the baseline was lost or is only met later', (t) => {
  const b = learnt('frozen');
  b.sensor.behaviour.baselines.accept([
    // As raised while the protocol was known; now it isn't yet.
    { mac: monitor.mac, kind: 'new-peer', key: `${stranger.mac} tcp/2575 hl7` },
    { mac: monitor.mac, kind: 'dials-out', key: '203.0.113.0/24 tcp/443' },
    { mac: monitor.mac, kind: 'new-service', key: 'tcp/5900' },
  ]);
  b.take(...chat(monitor, stranger, 2575));
  b.take(...chat(monitor, behind('203.0.113.9'), 443));
  b.take(...chat(central, monitor, 5900));
  // A client of the same port is no service.
  b.take(...chat(monitor, station(40), 5900));
  b.pass(20_000);
  const held = b.sensor.behaviour.reports().filter((f) => f.mac === monitor.mac);
  t.match(held, [{ kind: 'new-peer', evidence: [/uses tcp\/5900 of 10\.1\.0\.40/] }]);
  t.equal(held.length, 1);
  t.end();
});

void t.test('the gateway as a new peer is no news: what it does was decided', (t) => {
  const b = learnt('frozen');
  b.sensor.hosts.setOwn(new Set([0x001b00000000 + 77]));
  b.take(...chat(station(77), monitor, 2575), ...chat(monitor, station(77), 2575));
  b.pass(20_000);
  t.same(b.kinds(), []);
  t.end();
});
