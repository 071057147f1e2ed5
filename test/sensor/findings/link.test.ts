/** The link itself: ARP spoofing, rogue DHCP, invented cards; and what looks like them and isn't. */
import t from 'tap';
import { FLOOD } from '../../../src/sensor/findings/link.ts';
import { A_KIND, OF_A_KIND, Findings, ROWS } from '../../../src/sensor/findings/findings.ts';
import { limits } from '../../../src/sensor/constants.ts';
import type { Batch } from '../../../src/sensor/report.ts';
import { Reporter } from '../../../src/sensor/report.ts';
import { findingKinds, findingReport } from '../../../src/wire/finding.ts';
import type { FindingKind } from '../../../src/wire/finding.ts';
import * as wire from '../wire-builder.ts';
import type { Station } from '../wire-builder.ts';
import { DAY, bench, chat, station } from '../behaviour-bench.ts';

const arp = (operation: number, from: Station, target: string, to = 'ff:ff:ff:ff:ff:ff'): Uint8Array =>
  wire.ethernet(from.mac, to, 0x806, wire.arp(operation, from.mac, from.ip, target));
const claims = (mac: string, ip: string): Uint8Array => arp(2, { mac, ip }, ip);

void t.test('ARP spoofing: back and forth, or several addresses of the living', (t) => {
  const gateway = station(1);
  const thief = station(66);
  const b = bench();
  b.take(...chat(station(2), gateway, 80), claims(gateway.mac, gateway.ip), claims(thief.mac, gateway.ip));
  t.same(b.kinds(), [], 'once may be a failover');
  b.take(claims(gateway.mac, gateway.ip), claims(thief.mac, gateway.ip));
  t.match(b.of('arp-spoofing')[0], { severity: 'critical', key: gateway.ip });
  b.take(claims(gateway.mac, gateway.ip));
  t.same(
    b.of('arp-spoofing').map((f) => f.mac),
    [thief.mac],
    'the owner who claims it back is not held against',
  );

  const several = bench();
  const victims = [1, 2, 3, 4].map(station);
  for (const victim of victims) several.take(claims(victim.mac, victim.ip));
  for (const victim of victims) several.take(claims(thief.mac, victim.ip));
  t.match(several.of('arp-spoofing')[0], { mac: thief.mac });

  const lease = bench();
  lease.take(claims(gateway.mac, gateway.ip));
  for (let n = 1; n < 8; n++) {
    lease.pass(120_000);
    lease.take(claims(station(n + 10).mac, gateway.ip));
  }
  t.same(lease.kinds(), [], 'an address that moves when its owner is gone');

  const vrrp = bench();
  for (let n = 0; n < 10; n++)
    vrrp.take(claims('00:00:5e:00:01:07', gateway.ip), claims(gateway.mac, gateway.ip));
  t.same(vrrp.kinds(), [], 'a virtual router');
  t.end();
});

const dhcpOffer = (server: Station, router: string, given: string): Uint8Array => {
  const body = [
    2,
    1,
    6,
    0,
    0,
    0,
    0,
    9,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    ...wire.ip4(given),
    ...Array.from({ length: 8 }, () => 0),
    ...wire.macBytes(station(9).mac),
    ...Array.from({ length: 202 }, () => 0),
    0x63,
    0x82,
    0x53,
    0x63,
    53,
    1,
    2,
    54,
    4,
    ...wire.ip4(server.ip),
    3,
    4,
    ...wire.ip4(router),
    255,
  ];
  const packet = wire.ipv4(server.ip, '255.255.255.255', 17, wire.udp(67, 68, body));
  return wire.ethernet(server.mac, 'ff:ff:ff:ff:ff:ff', 0x800, packet);
};

void t.test('rogue DHCP: another router at once, another server once there is one', (t) => {
  const b = bench();
  b.take(dhcpOffer(station(1), '10.1.0.1', '10.1.0.50'), dhcpOffer(station(2), '10.1.0.1', '10.1.0.51'));
  t.same(b.kinds(), [], 'two servers that agree are a pair');
  b.take(dhcpOffer(station(66), '10.1.0.66', '10.1.0.52'));
  t.match(b.of('rogue-dhcp'), [{ mac: station(66).mac, key: '10.1.0.66', severity: 'high' }]);

  const settled = bench();
  settled.take(dhcpOffer(station(1), '10.1.0.1', '10.1.0.50'));
  const kept = JSON.parse(JSON.stringify(settled.sensor.behaviour.kept())) as unknown;
  const later = bench();
  later.sensor.behaviour.restore(kept, later.at);
  later.pass(2 * DAY);
  later.take(dhcpOffer(station(1), '10.1.0.1', '10.1.0.50'));
  t.same(later.kinds(), []);
  later.take(dhcpOffer(station(3), '10.1.0.1', '10.1.0.51'));
  t.match(later.of('rogue-dhcp'), [{ mac: station(3).mac }], 'known over a restart');
  t.end();
});

const random = (n: number): string =>
  `02:${[n >> 24, n >> 16, n >> 8, n, n * 7].map((x) => (x & 255).toString(16).padStart(2, '0')).join(':')}`;

async function reported(b: ReturnType<typeof bench>): Promise<Batch[]> {
  const batches: Batch[] = [];
  const reporter = new Reporter(
    b.sensor.hosts,
    () => [],
    async (batch) => {
      await Promise.resolve();
      batches.push(batch);
    },
    b.sensor.behaviour,
  );
  for (let i = 0; i < 40; i++) await reporter.tick(b.at + i * limits.REPORT_MS);
  return batches;
}

void t.test('a flood of invented cards: no rows, a finding, and those who are there stay', async (t) => {
  const b = bench({}, { hosts: 512 });
  b.take(...chat(station(1), station(2), 104));
  b.pass(10_000);
  for (let n = 1; n <= 20_000; n++) {
    const mac = random(n);
    const ip = `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;
    b.at += 1;
    const syn = wire.tcp(1024 + (n & 4095), 80, n, wire.SYN);
    b.sensor.take(
      1,
      wire.ethernet(mac, station(2).mac, 0x800, wire.ipv4(ip, station(2).ip, 6, syn)),
      60,
      b.at,
    );
  }
  b.pass(10_000);
  t.equal(b.sensor.hosts.size, 512, 'under the cap');
  t.match(b.of('mac-flood'), [{ severity: 'high', key: 'link' }]);
  const rows = (await reported(b)).flatMap((batch) => batch.hosts.map((host) => host.mac));
  t.same(rows.sort(), [station(1).mac, station(2).mac]);
});

void t.test('DHCP starvation makes no rows; a client that uses its address does', async (t) => {
  const discover = (mac: string): Uint8Array => {
    const body = [
      1,
      1,
      6,
      0,
      0,
      0,
      0,
      9,
      0,
      0,
      0,
      0,
      ...Array.from({ length: 16 }, () => 0),
      ...wire.macBytes(mac),
      ...Array.from({ length: 202 }, () => 0),
      0x63,
      0x82,
      0x53,
      0x63,
      53,
      1,
      1,
      12,
      4,
      ...wire.ascii('ward'),
      60,
      8,
      ...wire.ascii('MSFT 5.0'),
      55,
      3,
      1,
      3,
      6,
      255,
    ];
    const packet = wire.ipv4('0.0.0.0', '255.255.255.255', 17, wire.udp(68, 67, body));
    return wire.ethernet(mac, 'ff:ff:ff:ff:ff:ff', 0x800, packet);
  };
  const b = bench();
  for (let n = 1; n <= 2 * FLOOD; n++) b.take(discover(random(n)));
  b.take(discover(station(7).mac), claims(station(7).mac, station(7).ip));
  const before = await reported(b);
  t.same(
    before.flatMap((batch) => batch.hosts.map((host) => host.mac)),
    [station(7).mac],
  );
  b.pass(30_000);
  t.match(b.of('mac-flood'), [{ key: 'link' }]);
});

void t.test('two systems on one card, by how they ask for an address', (t) => {
  const ask = (vendorClass: string): Uint8Array => {
    const body = [
      1,
      1,
      6,
      ...Array.from({ length: 25 }, () => 0),
      ...wire.macBytes(station(7).mac),
      ...Array.from({ length: 202 }, () => 0),
      0x63,
      0x82,
      0x53,
      0x63,
      53,
      1,
      1,
      60,
      vendorClass.length,
      ...wire.ascii(vendorClass),
      255,
    ];
    const packet = wire.ipv4('0.0.0.0', '255.255.255.255', 17, wire.udp(68, 67, body));
    return wire.ethernet(station(7).mac, 'ff:ff:ff:ff:ff:ff', 0x800, packet);
  };
  const b = bench();
  b.take(ask('PXEClient:Arch:00000'), ask('MSFT 5.0'), ask('MSFT 6.0'), ask('udhcp 1.35.0'));
  b.pass(20_000);
  t.same(b.kinds(), [], 'one that starts from the network, and an update');
  b.take(ask('android-dhcp-13'));
  b.pass(20_000);
  t.match(b.of('two-identities'), [{ mac: station(7).mac, evidence: [/MSFT 5\.0 and as android-dhcp-13/] }]);
  t.end();
});

void t.test('many real hosts at once are no flood', (t) => {
  const b = bench();
  for (let n = 1; n < 250; n++) b.take(...chat(station(n), station(250), 80));
  for (let n = 1; n < 60; n++) b.take(claims(random(n), `10.2.0.${n}`));
  b.pass(30_000);
  t.same(b.of('mac-flood'), []);
  t.end();
});

void t.test('findings: one row for what is one, bounded, told again only when there is news', (t) => {
  const findings = new Findings();
  const raise = (mac: number, key: string, at: number, evidence = 'again'): void =>
    findings.raise({ kind: 'new-peer', about: mac, key, evidence, at });
  for (let n = 0; n < 100; n++) raise(1, 'x', n);
  t.match(findings.all(), [{ count: 100, first: 0, last: 99 }]);
  const first = findings.due(1_000, 10);
  t.equal(first.reports.length, 1);
  first.taken();
  raise(1, 'x', 2_000);
  t.equal(findings.due(3_000, 10).reports.length, 0, 'counting on is no news');
  t.equal(findings.due(70_000, 10).reports.length, 1, 'but a word from time to time');
  raise(1, 'x', 3_000, 'other');
  t.equal(findings.due(4_000, 10).reports.length, 1);
  for (let n = 0; n < 100; n++) raise(2, `peer ${n}`, n);
  const two = findings.all().filter((f) => f.mac === '00:00:00:00:00:02');
  t.equal(two.length, A_KIND + 1);
  t.match(two.at(-1), { key: 'others', count: 100 - A_KIND });
  for (let n = 0; n < 3 * ROWS; n++) raise(1_000 + n, 'x', 100 + n);
  t.equal(findings.size, OF_A_KIND + 1, 'a flood of one kind stays one kind');
  t.match(findings.all().at(-1), { key: 'others', count: 3 * ROWS - (OF_A_KIND - A_KIND - 2) });
  const kinds = Object.keys(findingKinds) as FindingKind[];
  for (const kind of kinds)
    for (let n = 0; n < OF_A_KIND; n++)
      findings.raise({ kind, about: 5_000 + n, key: 'x', evidence: 'again', at: 5_000 + n });
  t.equal(findings.size, ROWS);
  for (const each of findings.all()) t.ok(findingReport.safeParse(each).success);
  t.end();
});
