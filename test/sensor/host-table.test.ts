/** The host table: whose an address is, routers, bounds on everything a host may make us keep, floods. */
import t from 'tap';
import { hostObservation } from '../../src/wire/observation.ts';
import { limits, linkType } from '../../src/sensor/constants.ts';
import { Frame } from './reference/frame.ts';
import { HostTable } from '../../src/sensor/host-table.ts';
import type { Host } from '../../src/sensor/host.ts';
import * as wire from './wire-builder.ts';

const A = '00:03:b1:00:00:01';
const B = '00:a0:37:00:00:02';
const vendors = new Map([
  [0x0003b1000001, 'ICU Medical, Inc.'],
  [0x00a037000002, 'Mindray'],
]);

interface Bench {
  readonly hosts: HostTable;
  see(bytes: Uint8Array, at?: number, link?: number): void;
  host(mac: string): Host;
}

function bench(options: { capacity?: number; own?: ReadonlySet<number> } = {}): Bench {
  const hosts = new HostTable({ vendorOf: (mac) => vendors.get(mac), ...options });
  const frame = new Frame();
  return {
    hosts,
    see: (bytes, at = 0, link = linkType.ETHERNET) => {
      frame.decode(link, bytes);
      hosts.see(frame, at);
    },
    host: (mac) => {
      const number = Number.parseInt(mac.replaceAll(':', ''), 16);
      const found = [...hosts.all()].find((h) => h.mac === number);
      if (found === undefined) throw new Error(`no host ${mac}`);
      return found;
    },
  };
}

const sends = (mac: string, ip: string, ttl = 64, to = '10.0.0.99'): Uint8Array =>
  wire.ethernet(mac, 'ff:ff:ff:ff:ff:ff', 0x800, wire.ipv4(ip, to, 17, wire.udp(1, 2), { ttl }));
const claims = (mac: string, ip: string): Uint8Array =>
  wire.ethernet(mac, 'ff:ff:ff:ff:ff:ff', 0x806, wire.arp(1, mac, ip, '10.0.0.99'));

void t.test('a host: MAC, vendor, addresses, first and last time', (t) => {
  const b = bench();
  b.see(claims(A, '10.0.0.1'), 1000.4);
  b.see(sends(A, '10.0.0.1'), 9000.6);
  const observation = b.host(A).observation();
  t.same(observation, {
    mac: A,
    vendor: 'ICU Medical, Inc.',
    addresses: ['10.0.0.1'],
    services: [],
    evidence: [],
    identity: [
      { attribute: 'vendor', value: 'ICU Medical', because: 'oui vendor=ICU Medical, Inc.', conflicts: [] },
    ],
    first: 1000,
    last: 9001,
  });
  t.ok(hostObservation.safeParse(observation).success);
  t.end();
});

void t.test('group, zero and own MACs are no hosts; a destination is none either', (t) => {
  const b = bench({ own: new Set([0x0003b1000001]) });
  b.see(sends('01:00:5e:00:00:01', '10.0.0.1'));
  b.see(sends('00:00:00:00:00:00', '10.0.0.1'));
  b.see(sends(A, '10.0.0.1'));
  b.see(wire.ethernet(B, A, 0x800, wire.ipv4('10.0.0.2', '10.0.0.1', 17, wire.udp(1, 2))));
  t.equal(b.hosts.size, 1);
  b.hosts.setOwn(new Set([0x00a037000002]));
  t.equal(b.hosts.size, 0, 'a card that turns out to be our own goes');
  t.end();
});

void t.test(
  'a source address is taken only when the frame was not forwarded and the address is local',
  (t) => {
    const b = bench();
    b.see(sends(A, '10.0.0.1', 63));
    t.same(b.host(A).addressTexts(), [], 'hop limit 63: came through a router');
    b.see(sends(A, '93.184.216.34', 64));
    t.same(b.host(A).addressTexts(), [], 'a public source');
    b.see(claims(A, '93.184.216.34'));
    t.same(b.host(A).addressTexts(), ['93.184.216.34'], 'until it is claimed on the link');
    b.see(sends(A, '192.168.3.4', 128));
    t.same(b.host(A).addressTexts(), ['93.184.216.34', '192.168.3.4']);
    t.end();
  },
);

void t.test('a router keeps only what it claims', (t) => {
  const b = bench();
  b.see(claims(A, '10.0.0.254'));
  for (let i = 1; i <= limits.ROUTER_ADDRESSES; i++) b.see(sends(A, `10.9.0.${i}`));
  t.equal(b.host(A).router, false);
  b.see(sends(A, '10.9.0.200'));
  t.equal(b.host(A).router, true);
  b.see(sends(A, '10.9.0.201'));
  t.same(b.host(A).addressTexts(), ['10.0.0.254']);
  b.see(claims(B, '10.9.0.1'));
  t.same(b.host(B).addressTexts(), ['10.9.0.1'], 'the addresses are free for their owners');
  t.end();
});

void t.test('a claim moves an address; a mere source does not', (t) => {
  const b = bench();
  b.see(claims(A, '10.0.0.1'));
  b.see(sends(B, '10.0.0.1'));
  t.same(b.host(A).addressTexts(), ['10.0.0.1']);
  t.same(b.host(B).addressTexts(), []);
  b.see(claims(B, '10.0.0.1'));
  t.same(b.host(A).addressTexts(), []);
  t.same(b.host(B).addressTexts(), ['10.0.0.1']);
  t.equal(b.hosts.at(0x0003b1000001, String.fromCharCode(0x0a00, 1)), undefined);
  t.equal(b.hosts.at(0x00a037000002, String.fromCharCode(0x0a00, 1)), b.host(B));
  t.end();
});

void t.test('a capture without MACs has hosts by address, which are no observations', (t) => {
  const b = bench();
  const packet = Uint8Array.from(wire.ipv4('127.0.0.1', '127.0.0.1', 17, wire.udp(1, 2)));
  b.see(packet, 0, linkType.RAW);
  const [host] = [...b.hosts.all()];
  t.same(host?.addressTexts(), ['127.0.0.1']);
  t.equal(host?.observation(), undefined);
  t.end();
});

void t.test('what a host can make us keep is bounded', (t) => {
  const b = bench();
  for (let i = 0; i < 200; i++) b.see(claims(A, `10.0.1.${i}`));
  const host = b.host(A);
  for (let port = 0; port < 1000; port++) b.hosts.service(host, 'tcp', port);
  for (let i = 0; i < 1000; i++) {
    b.hosts.say(host, 'hl7', 'MSH-3', `name ${i}`, i);
    b.hosts.say(host, 'hl7', `field ${i}`, 'x'.repeat(500), i);
  }
  t.equal(host.addresses.size, limits.ADDRESSES);
  t.equal(host.services.size, limits.SERVICES);
  t.notOk(host.services.has('tcp', 0));
  t.equal(host.evidence, limits.EVIDENCE);
  const values = host.evidenceRows().filter((e) => e.field === 'MSH-3');
  t.equal(values.length, limits.VALUES);
  t.ok(hostObservation.safeParse(host.observation()).success);
  t.end();
});

void t.test('talk takes no room from what equipment says, and evidence of SYNs makes nobody known', (t) => {
  const b = bench();
  b.see(sends(A, '10.0.0.1'));
  const host = b.host(A);
  b.hosts.say(host, 'tcp', 'syn', 'a shape', 0);
  t.notOk(host.known);
  for (let i = 0; i < 1000; i++) b.hosts.say(host, i % 2 === 0 ? 'dns' : 'tls', `field ${i}`, 'x', i);
  t.equal(host.evidence, limits.TALK);
  b.hosts.say(host, 'intellivue', 'model', 'M8000', 0);
  t.ok(host.known);
  t.equal(host.evidenceRows().at(-1)?.value, 'M8000');
  t.end();
});

void t.test('text is cut at control characters, blank text says nothing, the same word is one row', (t) => {
  const b = bench();
  b.see(sends(A, '10.0.0.1'));
  const host = b.host(A);
  b.hosts.say(host, 'hl7', 'MSH-3', '  PUMP \u0007BELL', 1);
  b.hosts.say(host, 'hl7', 'MSH-3', 'PUMP', 5);
  b.hosts.say(host, 'hl7', 'MSH-4', ' \u202e', 1);
  b.hosts.say(host, 'hl7', 'MSH-5', '\nPID|1||DOE^JOHN', 1);
  t.same(host.evidenceRows(), [{ protocol: 'hl7', field: 'MSH-3', value: 'PUMP', first: 1, last: 5 }]);
  b.hosts.service(host, 'tcp', 2575);
  b.hosts.service(host, 'tcp', 2575, 'hl7');
  b.hosts.service(host, 'tcp', 2575);
  t.same(host.serviceRows(), [{ transport: 'tcp', port: 2575, protocol: 'hl7' }]);
  t.end();
});

void t.test('100,000 invented MACs stay under the cap and leave the devices alone', (t) => {
  const b = bench();
  b.see(claims(A, '10.0.0.1'), 0);
  b.hosts.say(b.host(A), 'dicom', 'callingAeTitle', 'PUMP', 0);
  for (let i = 0; i < 100_000; i++) {
    const hex = i.toString(16).padStart(8, '0');
    const mac = `02:00:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}:${hex.slice(6, 8)}`;
    b.see(claims(mac, `10.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`), i);
  }
  t.equal(b.hosts.size, limits.HOSTS);
  t.equal(b.hosts.evicted, 100_001 - limits.HOSTS);
  t.same(b.host(A).addressTexts(), ['10.0.0.1'], 'a host of which something is known stays');
  t.equal([...b.hosts.all()].filter((h) => h.addresses.size > 0).length, limits.HOSTS);
  t.end();
});

void t.test('when every host is known the least recently seen goes', (t) => {
  const b = bench({ capacity: 2 });
  const macs = ['00:00:00:00:00:0a', '00:00:00:00:00:0b', '00:00:00:00:00:0c'];
  for (const [i, mac] of macs.entries()) {
    if (i === 2) b.see(sends('00:00:00:00:00:0a', '10.0.0.1'), 60_000);
    b.see(sends(mac, `10.0.0.${i + 1}`), i);
    b.hosts.say(b.host(mac), 'hl7', 'MSH-3', 'X', i);
  }
  t.same(
    [...b.hosts.all()].map((h) => h.mac),
    [10, 12],
  );
  t.end();
});
