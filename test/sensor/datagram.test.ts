/**
 * What single packets tell: DHCPv6, NTP, IntelliVue polls, CARESCAPE broadcasts, SDC's discovery; the shape of SYNs; and
 * what is inside tunnels, which is not who sent them.
 */
import t from 'tap';
import { addon } from '../../src/platform/addon.ts';
import { linkType } from '../../src/sensor/constants.ts';
import { Sensor } from '../../src/sensor/sensor.ts';
import { synSystems } from '../../src/sensor/syn-signature.ts';
import type { SystemOf } from '../../src/sensor/syn-signature.ts';
import * as sample from '../protocol/samples.ts';
import { ascii, u16, u32 } from '../protocol/samples.ts';
import * as wire from './wire-builder.ts';

const sender = { mac: '00:09:5c:00:00:01', ip: '10.0.0.1' };
const other = { mac: '00:a0:37:00:00:02', ip: '10.0.0.2' };
const BROADCAST = 'ff:ff:ff:ff:ff:ff';

const datagram = (
  ports: readonly [number, number],
  data: readonly number[],
  ip = sender.ip,
  to = '10.0.0.2',
): Uint8Array =>
  wire.ethernet(sender.mac, BROADCAST, 0x800, wire.ipv4(ip, to, 17, wire.udp(ports[0], ports[1], data)));

function listen(
  frames: readonly Uint8Array[],
  systemOf?: SystemOf,
  link: number = linkType.ETHERNET,
): Sensor {
  const sensor = new Sensor({ stage: addon().openStage({}), vendorOf: () => undefined, systemOf });
  for (const [i, frame] of frames.entries()) sensor.take(link, frame, frame.length, 1000 + i);
  return sensor;
}

const hostOf = (sensor: Sensor, ip: string): ReturnType<Sensor['hosts']['at']> =>
  [...sensor.hosts.all()].find((host) => host.addressTexts().includes(ip));
const wordsOf = (sensor: Sensor, ip: string): string[] =>
  (hostOf(sensor, ip)?.evidenceRows() ?? []).map((e) => `${e.protocol} ${e.field}=${e.value}`);
const identityOf = (sensor: Sensor, ip: string): Record<string, string | undefined> =>
  Object.fromEntries(
    Object.entries(hostOf(sensor, ip)?.identity().attributes ?? {}).map(([key, finding]) => [
      key,
      finding.value,
    ]),
  );

void t.test('DHCPv6: who a client says it is; a server\u2019s word is not read', (t) => {
  const enterprise = 10_096;
  const options = [
    [1, [...u16(2), ...u32(enterprise), 1, 2]],
    [6, [...u16(23), ...u16(24)]],
    [16, [...u32(enterprise), ...u16(6), ...ascii('PUMP-X')]],
    [39, [0, 5, ...ascii('pump1'), 0]],
  ] as const;
  const solicit = wire.ethernet(
    sender.mac,
    '33:33:00:01:00:02',
    0x86dd,
    wire.ipv6('fe80:0:0:0:0:0:0:1', 'ff02:0:0:0:0:0:1:2', 17, wire.udp(546, 547, sample.dhcpv6(1, options))),
  );
  const sensor = listen([solicit]);
  t.same(wordsOf(sensor, 'fe80::1'), [
    'dhcpv6 hostName=pump1',
    'dhcpv6 vendorClass=PUMP-X',
    `dhcpv6 enterprise=${enterprise}`,
    'dhcpv6 parameters=23,24',
    'dhcpv6 duid=0002000027700102',
  ]);
  t.match(identityOf(sensor, 'fe80::1'), { vendor: 'Baxter' });
  const answer = wire.ethernet(
    sender.mac,
    other.mac,
    0x86dd,
    wire.ipv6('fe80:0:0:0:0:0:0:1', 'fe80:0:0:0:0:0:0:2', 17, wire.udp(546, 547, sample.dhcpv6(7, options))),
  );
  t.same(wordsOf(listen([answer]), 'fe80::1'), []);
  t.end();
});

void t.test('NTP: a clock and a client\u2019s habits', (t) => {
  const packet = (first: number, stratum: number, reference: string): number[] => [
    first,
    stratum,
    6,
    0xec,
    ...u32(0),
    ...u32(1),
    ...ascii(reference.padEnd(4, '\0')),
    ...Array.from({ length: 32 }, () => 0),
  ];
  const server = listen([datagram([123, 123], packet(0x24, 1, 'GPS'))]);
  t.same(wordsOf(server, sender.ip), ['ntp server=v4 stratum 1', 'ntp reference=GPS']);
  t.match(hostOf(server, sender.ip)?.serviceRows(), [{ transport: 'udp', port: 123, protocol: 'ntp' }]);
  const client = listen([datagram([40_000, 123], packet(0xe3, 0, ''))]);
  t.same(wordsOf(client, sender.ip), ['ntp client=v4 leap3 poll6 precision-20 dispersion']);
  t.end();
});

void t.test('IntelliVue: the system\u2019s attributes in an answer to a poll, nothing of a patient', (t) => {
  const attributes = [
    sample.modelAttribute('Philips', 'M8007A'),
    sample.bedAttribute('ICU-7'),
    [0x0984, [...u16(6), 0, 9, 0x5c, 1, 2, 3]],
  ] as const;
  for (const linked of [false, true]) {
    const sensor = listen([datagram([24_105, 5000], sample.intelliVuePoll(0x21, attributes, linked))]);
    t.same(wordsOf(sensor, sender.ip), [
      'intellivue unit=data',
      'intellivue manufacturer=Philips',
      'intellivue model=M8007A',
      'intellivue bed=ICU-7',
      'intellivue systemId=00095c010203',
    ]);
    t.match(identityOf(sensor, sender.ip), {
      class: 'patient monitor',
      vendor: 'Philips',
      model: 'M8007A',
      location: 'ICU-7',
    });
  }
  // The patient\u2019s object (class 42) with a name under any attribute.
  const patient = sample.intelliVuePoll(0x2a, [
    sample.bedAttribute('PLANTED'),
    sample.modelAttribute('PLANTED', 'PLANTED'),
    [0x095c, [...u16(14), ...ascii('P\0L\0A\0N\0T\0E\0D\0')]],
  ]);
  t.same(wordsOf(listen([datagram([24_105, 5000], patient)]), sender.ip), ['intellivue unit=data']);
  t.end();
});

void t.test('CARESCAPE: a place, not who lies there', (t) => {
  const rwhat = sample.rwhat([10, 0, 0, 1], 'ICU|BED7', 'PLANTED,A');
  const sensor = listen([datagram([7000, 7000], rwhat)]);
  t.same(wordsOf(sensor, sender.ip), ['unity unit=discovery', 'unity place=ICU|BED7']);
  t.match(identityOf(sensor, sender.ip), {
    class: 'patient monitor',
    vendor: 'GE HealthCare',
    location: 'ICU|BED7',
  });
  t.match(hostOf(sensor, sender.ip)?.serviceRows(), [{ port: 7000, protocol: 'unity' }]);
  const forwarded = sample.rwhat([10, 0, 0, 9], 'ICU|BED7', 'PLANTED,A');
  t.same(
    wordsOf(listen([datagram([7000, 7000], forwarded)]), sender.ip),
    [],
    'an address that isn\u2019t the sender\u2019s',
  );
  t.end();
});

void t.test('SDC: the port that a device announces, whatever encrypts it', (t) => {
  const announced = `<s:Envelope><s:Header><a:Action>http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01/Hello</a:Action>
</s:Header><s:Body><d:Hello><d:Types>dpws:Device mdpws:MedicalDevice</d:Types><d:Scopes>sdc.mds.pkp:1.2.840.10004.20701.1.1
 sdc.ctxt.loc:/sdc.ctxt.loc.detail/x?fac=H&amp;poc=ICU&amp;bed=7 sdc.ctxt.pat:/x/PLANTED</d:Scopes>
<d:XAddrs>https://10.0.0.1:6464/d1 https://[fe80::1]:6465/d1</d:XAddrs></d:Hello></s:Body></s:Envelope>`;
  const hello = sample.clientHello({ ciphers: [0x1301], extensions: [] });
  const frames = [
    datagram([3702, 3702], ascii(announced), sender.ip, '239.255.255.250'),
    ...wire.exchange(
      other,
      sender,
      [40_000, 6464],
      [
        { from: 'client', data: sample.record(hello) },
        { from: 'server', data: sample.record(sample.serverHello(0x0303)) },
      ],
    ),
  ];
  const sensor = listen(frames);
  t.match(hostOf(sensor, sender.ip)?.serviceRows(), [
    { port: 6464, protocol: 'sdc' },
    { port: 6465, protocol: 'sdc' },
  ]);
  t.match(identityOf(sensor, sender.ip), { class: 'medical device', location: 'fac=H poc=ICU bed=7' });
  t.notOk(JSON.stringify([...sensor.hosts.all()].map((host) => host.observation())).includes('PLANTED'));
  t.end();
});

/** A SYN with options, from the layouts of RFC 9293. */
function syn(
  options: readonly number[],
  window: number,
  ttl: number,
  flags = wire.SYN,
  from = sender,
  to = other,
): Uint8Array {
  const header = [
    ...u16(40_000),
    ...u16(80),
    ...u32(77),
    ...u32(flags === wire.SYN ? 0 : 5),
    ((20 + options.length) / 4) << 4,
    flags,
    ...u16(window),
    ...u32(0),
    ...options,
  ];
  return wire.ethernet(from.mac, to.mac, 0x800, wire.ipv4(from.ip, to.ip, 6, header, { ttl }));
}
const linux = [2, 4, ...u16(1460), 4, 2, 8, 10, ...u32(9), ...u32(0), 1, 3, 3, 7];
const signatures = `
[mtu]
label = none
sig   = 1500
[tcp:request]
label = s:unix:Linux:3.11 and newer
sig   = *:64:0:*:mss*20,7:mss,sok,ts,nop,ws:df,id+:0
label = g:unix:Linux:3.x
sig   = *:64:0:*:mss*20,*:mss,sok,ts,nop,ws:df,id+:0
label = s:!:Scanner:probe
sig   = *:64-:0:1460:1024,0:mss::0
label = s:win:Broken
sig   = nonsense
[tcp:response]
label = s:unix:Linux:reply
sig   = *:64:0:*:mss*20,7:mss,sok,ts,nop,ws:df:0
[http:request]
label = s:!:Browser:
sig   = *:64:0:*:mss*20,7:mss,sok,ts,nop,ws:df,id+:0
`;

void t.test('the shape of a SYN, and the system that a signature file names for it', (t) => {
  const shape = '4:64+0:0:1460:mss*20,7:mss,sok,ts,nop,ws:df,id+:0';
  t.same(wordsOf(listen([syn(linux, 29_200, 64)]), sender.ip), [`tcp syn=${shape}`]);
  const known = listen([syn(linux, 29_200, 64)], synSystems(signatures));
  t.same(wordsOf(known, sender.ip), [`tcp syn=${shape}`, 'tcp system=Linux 3.11 and newer']);
  t.match(identityOf(known, sender.ip), { os: 'Linux' });
  const generic = listen([syn([...linux.slice(0, -1), 9], 29_200, 64)], synSystems(signatures));
  t.ok(wordsOf(generic, sender.ip).includes('tcp system=Linux 3.x'), 'another scale: the generic one');
  const tool = listen(
    [syn([2, 4, ...u16(1460)], 1024, 64)],
    synSystems(signatures.replace('mss::0', 'mss:df,id+:0')),
  );
  t.ok(wordsOf(tool, sender.ip).includes('tcp tool=Scanner probe'));
  t.equal(identityOf(tool, sender.ip)['os'], undefined);
  const reply = listen([syn(linux, 29_200, 64, wire.SYN | wire.ACK)], synSystems(signatures));
  t.same(
    wordsOf(reply, sender.ip),
    [`tcp synAck=${shape}`],
    'its identifier isn\u2019t zero, so no signature fits',
  );
  const far = listen([syn(linux, 29_200, 20)], synSystems(signatures));
  t.same(wordsOf(far, sender.ip), [], 'from beyond a router it is nobody\u2019s here');
  t.end();
});

void t.test('a flood of invented cards with SYNs doesn\u2019t displace what is known', (t) => {
  const sensor = new Sensor({ stage: addon().openStage({}), vendorOf: () => undefined, hosts: 16 });
  const device = datagram(
    [24_105, 5000],
    sample.intelliVuePoll(0x21, [sample.modelAttribute('Philips', 'M8007A')]),
  );
  sensor.take(linkType.ETHERNET, device, device.length, 0);
  for (let i = 0; i < 200; i++) {
    const card = { mac: `02:00:00:00:00:${(i + 1).toString(16).padStart(2, '0')}`, ip: `10.0.1.${i + 1}` };
    const frame = syn(linux, 29_200, 64, wire.SYN, card);
    sensor.take(linkType.ETHERNET, frame, frame.length, i);
  }
  t.equal(sensor.hosts.size, 16);
  t.match(identityOf(sensor, sender.ip), { model: 'M8007A' });
  t.end();
});

void t.test('inside tunnels: their hosts, not the ends of the tunnel', (t) => {
  const inside = datagram(
    [24_105, 5000],
    sample.intelliVuePoll(0x21, [sample.modelAttribute('Philips', 'M8007A')]),
    sender.ip,
  );
  const packet = inside.subarray(14);
  const outer = { mac: '00:1b:1b:00:00:09', ip: '10.9.0.1' };
  const carry = (protocol: number, payload: readonly number[]): Uint8Array =>
    wire.ethernet(outer.mac, other.mac, 0x800, wire.ipv4(outer.ip, '10.9.0.2', protocol, [...payload]));
  const over = (port: number, payload: readonly number[]): Uint8Array =>
    carry(17, wire.udp(40_000, port, payload));
  const mirrored: Readonly<Record<string, Uint8Array>> = {
    'GRE, bridged': carry(47, [0, 0, 0x65, 0x58, ...inside]),
    'GRE with key and sequence': carry(47, [0x30, 0, 0x65, 0x58, ...u32(1), ...u32(2), ...inside]),
    'ERSPAN I': carry(47, [0, 0, 0x88, 0xbe, ...inside]),
    'ERSPAN II': carry(47, [0x10, 0, 0x88, 0xbe, ...u32(1), ...u32(0x1000_0001), ...u32(0), ...inside]),
    'ERSPAN III': carry(47, [
      0x10,
      0,
      0x22,
      0xeb,
      ...u32(1),
      ...u32(0x2000_0001),
      ...u32(0),
      ...u32(1),
      ...u32(0),
      ...u32(0),
      ...inside,
    ]),
    VXLAN: over(4789, [8, 0, 0, 0, 0, 0, 7, 0, ...inside]),
    GENEVE: over(6081, [1, 0, 0x65, 0x58, 0, 0, 7, 0, ...u32(0), ...inside]),
    TZSP: over(37_008, [1, 0, 0, 1, 10, 1, 5, 0, 1, ...inside]),
  };
  for (const [name, frame] of Object.entries(mirrored)) {
    const sensor = listen([frame]);
    t.equal(hostOf(sensor, sender.ip)?.mac, Number.parseInt(sender.mac.replaceAll(':', ''), 16), name);
    t.match(identityOf(sensor, sender.ip), { model: 'M8007A' }, name);
    t.same(wordsOf(sensor, outer.ip), [], `${name}: its end says nothing`);
  }
  const routed: Readonly<Record<string, Uint8Array>> = {
    'IP in IP': carry(4, [...packet]),
    'GRE, IPv4': carry(47, [0, 0, 0x08, 0x00, ...packet]),
    'GTP-U with an extension': over(2152, [
      0x34,
      0xff,
      ...u16(packet.length + 8),
      ...u32(1),
      0,
      0,
      0,
      0x85,
      1,
      0,
      0,
      0,
      ...packet,
    ]),
  };
  for (const [name, frame] of Object.entries(routed)) {
    const sensor = listen([frame]);
    t.equal(hostOf(sensor, sender.ip)?.mac, -1, `${name}: no card is made up`);
    t.match(identityOf(sensor, sender.ip), { model: 'M8007A' }, name);
  }
  const layered: Readonly<Record<string, Uint8Array>> = {
    PPPoE: wire.ethernet(sender.mac, other.mac, 0x8864, [
      0x11,
      0,
      0,
      1,
      ...u16(packet.length + 2),
      0,
      0x21,
      ...packet,
    ]),
    MPLS: wire.ethernet(sender.mac, other.mac, 0x8847, [0, 0, 0x10, 64, 0, 0, 0x21, 64, ...packet]),
  };
  for (const [name, frame] of Object.entries(layered))
    t.match(identityOf(listen([frame]), sender.ip), { model: 'M8007A' }, name);
  let nested = [...inside];
  for (let i = 0; i < 6; i++) nested = [...carry(47, [0, 0, 0x65, 0x58, ...nested])];
  const deep = listen([Uint8Array.from(nested)]);
  t.equal(hostOf(deep, sender.ip), undefined, 'tunnels in tunnels are followed to a depth');
  t.equal(deep.counters.frames, 1);
  t.end();
});
