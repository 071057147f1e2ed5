/** Scans, fast and slow, by TCP, UDP and ARP, near and from behind a router; and what looks like one and isn't. */
import t from 'tap';
import { ASKED, HOSTS, PORTS, TRIALS, ScanWatch } from '../../../src/sensor/findings/scan.ts';
import { Findings } from '../../../src/sensor/findings/findings.ts';
import * as wire from '../wire-builder.ts';
import type { Station } from '../wire-builder.ts';
import { DAY, behind, bench, chat, station } from '../behaviour-bench.ts';
import type { Bench } from '../behaviour-bench.ts';

const HOUR = 3_600_000;
const MINUTE = 60_000;
const scanner = station(99);

const arp = (operation: number, from: Station, target: string, to = 'ff:ff:ff:ff:ff:ff'): Uint8Array =>
  wire.ethernet(from.mac, to, 0x806, wire.arp(operation, from.mac, from.ip, target));

let source = 50_000;
const next = (): number => (source = source >= 60_000 ? 50_000 : source + 1);
const syn = (from: Station, to: Station, port: number, own = next()): Uint8Array =>
  wire.tcpFrame(from, to, [own, port], 7, wire.SYN);
const refused = (from: Station, to: Station, port: number): Uint8Array[] => {
  const own = next();
  return [syn(from, to, port, own), wire.tcpFrame(to, from, [port, own], 0, wire.RST | wire.ACK)];
};
const datagram = (from: Station, to: Station, port: number, own = next(), ttl = 64): Uint8Array =>
  wire.ethernet(
    from.mac,
    to.mac,
    0x800,
    wire.ipv4(from.ip, to.ip, 17, wire.udp(own, port, wire.ascii('?')), { ttl }),
  );
const asked = (from: Station, to: Station, port: number): Uint8Array[] => {
  const own = next();
  return [datagram(from, to, port, own), datagram(to, from, own, port)];
};
const scans = (b: Bench): string[] => b.kinds().filter((kind) => kind.startsWith('scan'));

void t.test('fast: vertical, horizontal, by ARP', (t) => {
  const b = bench();
  for (let n = 1; n < PORTS; n++) b.take(syn(scanner, station(2), n));
  t.same(b.kinds(), []);
  b.take(syn(scanner, station(2), 4000));
  t.match(b.of('scan-vertical'), [
    {
      mac: scanner.mac,
      key: '10.1.0.2',
      evidence: ['tcp syn to 20 ports of 10.1.0.2 in a minute, 0 answered'],
    },
  ]);
  const across = bench();
  for (let n = 1; n <= HOSTS; n++) across.take(...refused(scanner, station(n), 445));
  t.match(across.of('scan-horizontal'), [{ mac: scanner.mac, key: 'tcp/445', severity: 'high' }]);
  const asks = bench();
  for (let n = 1; n <= ASKED; n++) asks.take(arp(1, scanner, `10.1.1.${n}`));
  t.match(asks.of('scan-horizontal'), [{ mac: scanner.mac, key: 'arp', severity: 'medium' }]);
  t.end();
});

void t.test('by UDP: ports of a host, a port of hosts; management asks so too', (t) => {
  const b = bench();
  for (let n = 1; n <= PORTS; n++) b.take(datagram(scanner, station(2), n * 37));
  t.match(b.of('scan-vertical'), [
    { mac: scanner.mac, key: '10.1.0.2', severity: 'high', evidence: [/^udp to 20 ports of 10\.1\.0\.2/] },
  ]);
  const across = bench();
  for (let n = 1; n <= HOSTS; n++) across.take(datagram(scanner, station(n), 1434));
  t.match(across.of('scan-horizontal'), [{ key: 'udp/1434', severity: 'high' }]);
  const fixed = bench();
  for (let n = 1; n <= PORTS; n++) fixed.take(datagram(scanner, station(2), 100 + n, 53));
  t.match(fixed.of('scan-vertical'), [{ key: '10.1.0.2' }], 'also from the port of a name server');
  const snmp = bench();
  for (let n = 1; n <= HOSTS; n++) snmp.take(datagram(scanner, station(n), 161));
  t.match(snmp.of('scan-horizontal'), [{ key: 'udp/161', severity: 'medium' }]);
  t.end();
});

void t.test('slow: a few probes an hour, over hosts or ports, by TCP, UDP or ARP', (t) => {
  const probes: readonly [string, (n: number) => Uint8Array[], RegExp][] = [
    [
      'scan-horizontal',
      (n) => refused(scanner, station(n), 22),
      /^tcp syn to port 22 of 20 hosts in 10 h, 0/,
    ],
    ['scan-vertical', (n) => [syn(scanner, station(2), n)], /^tcp syn to 20 ports of 10\.1\.0\.2 in 10 h, 0/],
    ['scan-horizontal', (n) => [datagram(scanner, station(n), 69)], /^udp to port 69 of 20 hosts in 10 h/],
    [
      'scan-vertical',
      (n) => [datagram(scanner, station(2), 20 + n)],
      /^udp to 20 ports of 10\.1\.0\.2 in 10 h/,
    ],
  ];
  for (const [kind, probe, evidence] of probes) {
    const b = bench();
    for (let n = 1; n < PORTS; n++) {
      b.take(...probe(n));
      b.pass(HOUR / 2);
    }
    b.pass(HOUR / 2);
    t.same(scans(b), [], `${kind}: not before`);
    b.take(...probe(200));
    t.same(scans(b), [kind]);
    t.match(b.sensor.behaviour.reports(), [{ mac: scanner.mac, evidence: [evidence] }]);
  }
  const asks = bench();
  for (let n = 1; n <= ASKED; n++) {
    asks.take(arp(1, scanner, `10.1.1.${n}`));
    asks.pass(10 * MINUTE);
  }
  t.match(asks.of('scan-horizontal'), [
    { key: 'arp', evidence: ['arp requests for 100 addresses in 17 h, 0 of them in use'] },
  ]);
  const slower = bench();
  for (let n = 1; n <= 3 * HOSTS; n++) {
    slower.take(syn(scanner, station(n), 22));
    slower.pass(2 * HOUR);
  }
  t.same(scans(slower), [], 'twelve a day are not seen, by its own words');
  t.end();
});

void t.test('from behind a router: against its card, by the address', (t) => {
  const b = bench();
  const far = behind('10.9.0.66');
  for (let n = 1; n <= HOSTS; n++) b.take(syn(far, station(n), 445).fill(60, 22, 23));
  t.match(b.of('scan-horizontal'), [
    {
      mac: far.mac,
      key: '10.9.0.66 tcp/445',
      evidence: [/^10\.9\.0\.66 behind this router: tcp syn to port 445/],
    },
  ]);
  t.end();
});

void t.test('busy ones that are no scanners: answered, or back again, or outside', (t) => {
  const b = bench();
  for (let n = 1; n < 120; n++) b.take(...chat(scanner, station(n), 104));
  for (let n = 1; n < 120; n++) b.take(...asked(scanner, station(n), 161));
  for (let n = 1; n < 200; n++) b.take(syn(scanner, behind(`203.0.113.${n}`), 443));
  for (let n = 1; n < 200; n++) b.take(datagram(scanner, behind(`203.0.113.${n}`), 6881));
  t.same(b.kinds(), []);
  const worm = bench();
  for (let n = 1; n < 200; n++) worm.take(syn(scanner, behind(`203.0.113.${n}`), 23));
  t.match(worm.of('scan-horizontal'), [{ key: 'tcp/23' }]);

  const outage = bench();
  for (let n = 1; n <= 40; n++) outage.take(...chat(scanner, station(n), 104));
  for (let round = 0; round < 20; round++) {
    outage.pass(5 * MINUTE);
    for (let n = 1; n <= 40; n++) outage.take(syn(scanner, station(n), 104));
  }
  t.same(scans(outage), [], 'a router of images whose whole segment is down');

  const router = bench();
  // Fifteen modalities are off and stay so; it comes back to each, and new ones are added from time to time.
  for (let n = 1; n <= 40; n++) {
    for (let off = 1; off <= 15; off++) router.take(syn(scanner, station(off), 104));
    router.take(...chat(scanner, station(100 + n), 104));
    router.pass(30 * MINUTE);
  }
  t.same(scans(router), [], 'a router of images with some that are off');

  const manager = bench();
  for (let round = 0; round < 100; round++) {
    for (let n = 1; n <= 60; n++) {
      if (n % 3 === 0) manager.take(...asked(scanner, station(n), 161));
      else manager.take(datagram(scanner, station(n), 161));
    }
    manager.pass(10 * MINUTE);
  }
  t.same(scans(manager), [], 'an SNMP manager of which a third does not speak SNMP');
  t.end();
});

void t.test('servers that answer: names, time, discovery, voice; machines that are woken', (t) => {
  const b = bench();
  const client = station(2);
  for (let n = 0; n < 60; n++) {
    // Whatever was asked wasn't seen, or was asked of a group.
    b.take(datagram(scanner, client, 1100 + n, 53));
    b.take(datagram(scanner, client, 1200 + n, 123));
    b.take(datagram(scanner, client, 1300 + n, 1900));
    b.take(datagram(scanner, client, 1400 + n, 3702));
    b.take(datagram(scanner, client, 1500 + n, 161));
    b.take(datagram(scanner, client, 16_384 + 2 * n));
    b.take(datagram(scanner, client, 33_434 + n, 40_000, 1 + (n % 30)));
    b.take(datagram(scanner, station(3 + n), 9));
    b.take(syn(scanner, station(3 + n), 7680));
    b.take(datagram(scanner, { mac: '01:00:5e:00:00:fb', ip: `224.0.1.${n + 1}` }, 5000));
    b.pass(3 * MINUTE);
  }
  t.same(scans(b), []);
  const leases = bench();
  leases.take(datagram(station(2), scanner, 67, 68), datagram(scanner, station(2), 68, 67));
  for (let n = 1; n <= 2 * ASKED; n++) leases.take(arp(1, scanner, `10.1.1.${n}`));
  t.same(scans(leases), [], 'a DHCP server looks whether an address is free');
  const present = bench();
  for (let n = 1; n <= 2 * ASKED; n++) {
    const one: Station = {
      mac: `00:1b:00:00:01:${(n % 256).toString(16).padStart(2, '0')}`,
      ip: `10.1.1.${n}`,
    };
    present.take(arp(1, scanner, one.ip), arp(2, one, scanner.ip, scanner.mac));
  }
  t.same(scans(present), [], 'who finds all it asks for');
  t.end();
});

void t.test('bounded: things of a source, sources, and all together', (t) => {
  const watch = new ScanWatch(new Findings());
  const address = (n: number): string => String.fromCharCode(0x0a00 + (n >> 16), n & 0xffff);
  let at = 0;
  for (let who = 0; who < 400; who++)
    for (let n = 0; n < 500; n++)
      watch.tried(
        { host: undefined, address: address(who), mac: 1 },
        { transport: 'tcp', address: address(70_000 + n), port: 4000 + (n % 7), from: 50_000, inside: true },
        (at += 1),
      );
  t.ok(watch.trials <= TRIALS, `${watch.trials} trials`);
  t.ok(watch.size <= TRIALS / 256 + 1, `${watch.size} sources`);
  for (let who = 0; who < 100_000; who++)
    watch.tried(
      { host: undefined, address: address(who), mac: 1 },
      { transport: 'udp', address: address(who), port: 53, from: 50_000, inside: true },
      (at += 1),
    );
  t.equal(watch.trials, TRIALS);
  t.equal(watch.size, TRIALS, 'one thing each');
  at += 3 * DAY;
  const late = { host: undefined, address: address(1), mac: 1 } as const;
  for (let n = 0; n < HOSTS; n++)
    watch.tried(late, { transport: 'udp', address: address(n), port: 53, from: 50_000, inside: true }, at);
  t.ok(watch.trials <= TRIALS);
  t.end();
});
