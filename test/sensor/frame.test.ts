/** Frames of every link and network layer that the sensor reads, whole and cut short at every byte. */
import t from 'tap';
import { linkType } from '../../src/sensor/constants.ts';
import {
  addressOf,
  isHostAddress,
  isLocalMac,
  isPrivate,
  isUnicast,
  isUnicastMac,
  macText,
  NO_MAC,
  printAddress,
} from '../../src/sensor/frame.ts';
import { Frame } from './reference/frame.ts';
import * as wire from './wire-builder.ts';

const A = { mac: '00:11:22:33:44:55', ip: '10.0.0.1' };
const B = { mac: '00:aa:bb:cc:dd:ee', ip: '192.168.7.9' };

function decode(bytes: Uint8Array, link: number = linkType.ETHERNET): Frame {
  const frame = new Frame();
  frame.decode(link, bytes);
  return frame;
}

const payloadOf = (frame: Frame): string =>
  Buffer.from(frame.bytes.subarray(frame.payloadStart, frame.payloadEnd)).toString('latin1');

const hello = wire.ascii('hello');

void t.test('TCP over IPv4 over Ethernet', (t) => {
  const f = decode(wire.tcpFrame(A, B, [1024, 104], 0xfffffff0, wire.PSH | wire.ACK, hello));
  t.match(f, {
    network: 'ipv4',
    transport: 'tcp',
    sourcePort: 1024,
    destinationPort: 104,
    sequence: 0xfffffff0,
    tcpFlags: wire.PSH | wire.ACK,
    hopLimit: 64,
    payloadMissing: 0,
    vlan: 0,
    weird: undefined,
  });
  t.equal(macText(f.sourceMac), A.mac);
  t.equal(macText(f.destinationMac), B.mac);
  t.equal(printAddress(f.source), A.ip);
  t.equal(printAddress(f.destination), B.ip);
  t.equal(payloadOf(f), 'hello');
  t.end();
});

void t.test('Ethernet padding is not payload', (t) => {
  const bare = wire.tcpFrame(A, B, [1, 2], 5, wire.ACK, [0x41]);
  const padded = Uint8Array.from([...bare, ...Array.from({ length: 10 }, () => 0)]);
  t.equal(payloadOf(decode(padded)), 'A');
  t.end();
});

void t.test('VLAN tags: one, two, and too many', (t) => {
  const one = decode(wire.tcpFrame(A, B, [1, 2], 5, wire.ACK, hello, { vlans: [42] }));
  t.equal(one.vlan, 42);
  t.equal(payloadOf(one), 'hello');
  const two = decode(wire.tcpFrame(A, B, [1, 2], 5, wire.ACK, hello, { vlans: [7, 4094] }));
  t.equal(two.vlan, 4094, 'the innermost');
  t.equal(payloadOf(two), 'hello');
  const many = decode(wire.tcpFrame(A, B, [1, 2], 5, wire.ACK, hello, { vlans: [1, 2, 3, 4, 5] }));
  t.equal(many.weird, 'vlan_stack_deep');
  t.equal(many.transport, 'none');
  t.end();
});

void t.test('IPv6, behind extension headers', (t) => {
  const from = 'fe80:0:0:0:0:0:0:1';
  const to = '2001:db8:0:0:0:0:0:2';
  const plain = decode(wire.ethernet(A.mac, B.mac, 0x86dd, wire.ipv6(from, to, 17, wire.udp(5, 6, hello))));
  t.match(plain, { network: 'ipv6', transport: 'udp', sourcePort: 5, destinationPort: 6 });
  t.equal(printAddress(plain.source), 'fe80::1');
  t.equal(printAddress(plain.destination), '2001:db8::2');
  t.equal(payloadOf(plain), 'hello');

  const options = [60, 0, 1, 4, 0, 0, 0, 0];
  const destination = [44, 0, 1, 4, 0, 0, 0, 0];
  const atomic = [51, 0, 0, 0, 0, 0, 0, 9];
  const authentication = [17, 4, ...Array.from({ length: 22 }, () => 0)];
  const chain = [...options, ...destination, ...atomic, ...authentication, ...wire.udp(5, 6, hello)];
  const chained = decode(wire.ethernet(A.mac, B.mac, 0x86dd, wire.ipv6(from, to, 0, chain)));
  t.match(chained, { transport: 'udp', weird: undefined });
  t.equal(payloadOf(chained), 'hello');

  const fragment = [17, 0, 0, 1, 0, 0, 0, 9, ...wire.udp(5, 6, hello)];
  t.equal(
    decode(wire.ethernet(A.mac, B.mac, 0x86dd, wire.ipv6(from, to, 44, fragment))).transport,
    'fragment',
  );

  const endless = Array.from({ length: 9 }, () => [60, 0, 1, 4, 0, 0, 0, 0]).flat();
  const many = decode(wire.ethernet(A.mac, B.mac, 0x86dd, wire.ipv6(from, to, 60, endless)));
  t.equal(many.weird, 'ipv6_extensions_many');
  t.end();
});

void t.test('IPv4 fragments and options', (t) => {
  for (const fragment of [0x2000, 0x0001, 0x2010]) {
    const f = decode(wire.ethernet(A.mac, B.mac, 0x800, wire.ipv4(A.ip, B.ip, 6, hello, { fragment })));
    t.equal(f.transport, 'fragment');
    t.equal(printAddress(f.source), A.ip);
  }
  const options = wire.ipv4(A.ip, B.ip, 17, wire.udp(1, 2, hello), { options: [1, 1, 1, 0] });
  t.equal(payloadOf(decode(wire.ethernet(A.mac, B.mac, 0x800, options))), 'hello');
  t.end();
});

void t.test('what contradicts itself is named', (t) => {
  const named = (payload: number[], change: (p: number[]) => void): string | undefined => {
    const copy = [...payload];
    change(copy);
    return decode(wire.ethernet(A.mac, B.mac, 0x800, copy)).weird;
  };
  const packet = wire.ipv4(A.ip, B.ip, 6, wire.tcp(1, 2, 3, wire.ACK, hello));
  t.equal(
    named(packet, (p) => (p[0] = 0x44)),
    'ipv4_header_bad',
    'header under 20 bytes',
  );
  t.equal(
    named(packet, (p) => (p[0] = 0x65)),
    'ipv4_header_bad',
    'version 6 in an IPv4 EtherType',
  );
  t.equal(
    named(packet, (p) => (p[3] = 10)),
    'ipv4_length_bad',
    'total length under the header',
  );
  t.equal(
    named(packet, (p) => (p[3] = 30)),
    'tcp_truncated',
    'total length inside the TCP header',
  );
  t.equal(
    named(packet, (p) => (p[32] = 0x10)),
    'tcp_header_bad',
    'data offset under 5',
  );
  t.equal(
    named(packet, (p) => (p[32] = 0xf0)),
    'tcp_header_bad',
    'data offset past the end',
  );
  const datagram = wire.ipv4(A.ip, B.ip, 17, wire.udp(1, 2, hello));
  t.equal(
    named(datagram, (p) => (p[25] = 7)),
    'udp_length_bad',
  );
  t.equal(
    named(datagram, (p) => (p[25] = 200)),
    'udp_length_bad',
  );
  t.end();
});

void t.test('a packet cut by the snap length says how much is missing', (t) => {
  const whole = wire.tcpFrame(A, B, [1, 2], 5, wire.ACK, hello);
  const f = decode(whole.subarray(0, whole.length - 2));
  t.equal(payloadOf(f), 'hel');
  t.equal(f.payloadMissing, 2);
  t.end();
});

void t.test('a total length of zero is a segmented send seen before the card', (t) => {
  const bytes = wire.tcpFrame(A, B, [1, 2], 5, wire.ACK, hello);
  bytes[16] = 0;
  bytes[17] = 0;
  t.equal(payloadOf(decode(bytes)), 'hello');
  t.end();
});

void t.test('ARP claims', (t) => {
  const reply = decode(wire.ethernet(A.mac, B.mac, 0x806, wire.arp(2, A.mac, A.ip, B.ip)));
  t.equal(reply.network, 'arp');
  t.equal(printAddress(reply.claim), A.ip);
  const probe = decode(wire.ethernet(A.mac, B.mac, 0x806, wire.arp(1, A.mac, '0.0.0.0', B.ip)));
  t.equal(probe.claim, '', 'a probe claims nothing (RFC 5227)');
  const forged = decode(wire.ethernet(A.mac, B.mac, 0x806, wire.arp(2, B.mac, B.ip, A.ip)));
  t.match(forged, { claim: '', weird: 'arp_sender_mismatch' });
  t.end();
});

void t.test('neighbour discovery claims, with hop limit 255 only', (t) => {
  const to = 'ff02:0:0:0:0:0:0:1';
  const target = '2001:db8:0:0:0:0:0:7';
  const advertisement = [136, 0, 0, 0, 0x20, 0, 0, 0, ...wire.ip6(target)];
  const own = (hops: number): Frame =>
    decode(wire.ethernet(A.mac, B.mac, 0x86dd, wire.ipv6('fe80:0:0:0:0:0:0:7', to, 58, advertisement, hops)));
  t.equal(printAddress(own(255).claim), '2001:db8::7');
  t.equal(own(254).claim, '', 'a routed one is forged');
  const solicitation = [135, 0, 0, 0, 0, 0, 0, 0, ...wire.ip6(target)];
  const asking = (from: string): Frame =>
    decode(wire.ethernet(A.mac, B.mac, 0x86dd, wire.ipv6(from, to, 58, solicitation, 255)));
  t.equal(printAddress(asking('fe80:0:0:0:0:0:0:8').claim), 'fe80::8', 'who asks is who it says');
  t.equal(asking('0:0:0:0:0:0:0:0').claim, '', 'duplicate address detection claims nothing yet');
  t.end();
});

void t.test('other link types', (t) => {
  const ip = wire.ipv4('10.1.1.1', '10.1.1.2', 17, wire.udp(1, 2, hello));
  const same = (link: number, header: number[], mac: number): void => {
    const f = decode(Uint8Array.from([...header, ...ip]), link);
    t.equal(payloadOf(f), 'hello', `link ${link}`);
    t.equal(f.sourceMac, mac, `link ${link} source`);
    t.equal(f.destinationMac, NO_MAC);
  };
  const mac = wire.macBytes(A.mac);
  const number = Number.parseInt(A.mac.replaceAll(':', ''), 16);
  same(linkType.LINUX_SLL, [0, 0, 0, 1, 0, 6, ...mac, 0, 0, 8, 0], number);
  same(linkType.LINUX_SLL, [0, 0, 0, 1, 0, 6, ...mac, 0, 0, 0x81, 0, 0, 9, 8, 0], number);
  same(linkType.LINUX_SLL, [0, 0, 3, 4, 0, 6, ...mac, 0, 0, 8, 0], NO_MAC);
  same(linkType.LINUX_SLL2, [8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, ...mac, 0, 0], number);
  same(linkType.NULL, [2, 0, 0, 0], NO_MAC);
  same(linkType.LOOP, [0, 0, 0, 2], NO_MAC);
  same(linkType.RAW, [], NO_MAC);
  t.equal(decode(Uint8Array.from(ip), 147).weird, 'link_type_unknown');
  t.end();
});

void t.test('every prefix of every kind of frame decodes to something', (t) => {
  const v6 = wire.ipv6('fe80:0:0:0:0:0:0:1', 'fe80:0:0:0:0:0:0:2', 0, [
    6,
    0,
    1,
    4,
    0,
    0,
    0,
    0,
    ...wire.tcp(1, 2, 3, 16, hello),
  ]);
  const frames = [
    wire.tcpFrame(A, B, [1, 2], 5, wire.ACK, hello, { vlans: [1, 2] }),
    wire.ethernet(A.mac, B.mac, 0x86dd, v6),
    wire.ethernet(A.mac, B.mac, 0x806, wire.arp(2, A.mac, A.ip, B.ip)),
  ];
  const outside: number[] = [];
  for (const whole of frames) {
    for (let length = 0; length < whole.length; length++) {
      const f = decode(whole.subarray(0, length));
      if (f.payloadStart > f.payloadEnd || f.payloadEnd > length || f.payloadMissing < 0)
        outside.push(length);
    }
  }
  t.same(outside, []);
  for (const link of Object.values(linkType)) decode(new Uint8Array(0), link);
  t.end();
});

void t.test('addresses and their kinds', (t) => {
  const packed = (bytes: number[]): string =>
    String.fromCharCode(...bytes.flatMap((b, i) => (i % 2 === 0 ? [(b << 8) | (bytes[i + 1] ?? 0)] : [])));
  const four = (text: string): string => packed(wire.ip4(text));
  const six = (text: string): string => packed(wire.ip6(text));
  t.same([...addressOf(four('1.2.3.4'))], [1, 2, 3, 4]);
  for (const yes of ['10.0.0.1', '172.16.0.1', '172.31.255.1', '192.168.1.1', '169.254.3.3'])
    t.ok(isPrivate(four(yes)), yes);
  for (const no of ['11.0.0.1', '172.32.0.1', '192.169.0.1', '8.8.8.8']) t.notOk(isPrivate(four(no)), no);
  t.ok(isPrivate(six('fe80:0:0:0:0:0:0:1')) && isPrivate(six('fd12:0:0:0:0:0:0:1')));
  t.notOk(isPrivate(six('2001:db8:0:0:0:0:0:1')));
  for (const no of ['0.0.0.0', '127.0.0.1', '224.0.0.1', '255.255.255.255']) t.notOk(isUnicast(four(no)), no);
  for (const no of ['0:0:0:0:0:0:0:0', '0:0:0:0:0:0:0:1', 'ff02:0:0:0:0:0:0:1'])
    t.notOk(isUnicast(six(no)), no);
  t.ok(isUnicast(six('fe80:0:0:0:0:0:0:1')));
  t.ok(isHostAddress(four('127.0.0.1')) && isHostAddress(six('0:0:0:0:0:0:0:1')));
  t.notOk(isHostAddress(''));
  t.notOk(isUnicastMac(0) || isUnicastMac(0x01005e000001) || isUnicastMac(0xffffffffffff));
  t.ok(isUnicastMac(0x0003b1b5b648));
  t.ok(isLocalMac(0x0200000000aa) && !isLocalMac(0x0003b1b5b648));
  t.equal(macText(0xa), '00:00:00:00:00:0a');
  t.end();
});
