/**
 * Bytes that mean harm: captures cut at each packet, with bits flipped, with records in any order. Nothing
 * throws, tables and buffers keep their bounds, observations stay valid.
 */
import fc from 'fast-check';
import t from 'tap';
import { addon } from '../../src/platform/addon.ts';
import { limits, linkType } from '../../src/sensor/constants.ts';
import { PcapReader } from './reference/pcap.ts';
import { Sensor } from '../../src/sensor/sensor.ts';
import { hostObservation } from '../../src/wire/observation.ts';
import { corpusFile, corpusNames, packetsOf } from './corpus-files.ts';
import type { Packet } from './corpus-files.ts';
import * as wire from './wire-builder.ts';

const CAPACITY = 32;

function small(): Sensor {
  return new Sensor({
    stage: addon().openStage({ flows: CAPACITY }),
    vendorOf: () => undefined,
    hosts: CAPACITY,
  });
}

/** What must hold of a sensor after anything. */
function sound(sensor: Sensor): boolean {
  if (sensor.hosts.size > CAPACITY || sensor.flows.size > CAPACITY) return false;
  if (sensor.flows.pendingBytes < 0 || sensor.flows.pendingBytes > limits.PENDING_BYTES_ALL) return false;
  if (sensor.held < 0 || sensor.held > limits.HELD_BYTES) return false;
  if (sensor.weirds.size > 64) return false;
  for (const host of sensor.hosts.all()) {
    const observation = host.observation();
    if (observation !== undefined && !hostObservation.safeParse(observation).success) return false;
  }
  return true;
}

function feed(file: Uint8Array, piece = file.length): Sensor {
  const sensor = small();
  const reader = new PcapReader({
    packet: (link, bytes, wireLength, at) => sensor.take(link, bytes, wireLength, at),
    weird: (name) => sensor.weird(name),
  });
  for (let i = 0; i < file.length; i += piece) reader.push(file.subarray(i, i + piece));
  reader.end();
  return sensor;
}

const fileNames = [
  'virtalabs__tapirx/HL7-ADT-UDI-OBX.pcap',
  'virtalabs__tapirx/HL7-ORM.pcap',
  'virtalabs__tapirx/dicom_arq_1_find_testclient.pcap',
  'virtalabs__tapirx/dicom_arq_2_get_testclient.pcap',
  'seladb__PcapPlusPlus/VlanPackets.pcap',
  'zeek__zeek/dhcp.pcap',
  'FoxIO-LLC__ja4/dhcpv6.pcap',
  'reconstructed/bbraun-spacecom-bcc.pcap',
  'ntop__nDPI/bacnet.pcap',
  'ntop__nDPI/snmp.pcap',
  'the-tcpdump-group__tcpdump/LLDP_and_CDP.pcap',
  'zeek__zeek/lldp.pcap',
  'zeek__zeek/mdns.pcap',
  'andypitcher__IoT_Sentinel/D-LinkDayCam__Setup-C-4-STA.pcap',
  'andypitcher__IoT_Sentinel/Aria__Setup-C-10-STA.pcap',
];
const files = fileNames.map((name) => corpusFile(name));
const clinic = packetsOf(corpusFile('lab-thirdparty/clinic-lab.pcap'));

void t.test('files with flipped bytes, cut anywhere, in pieces of any size', (t) => {
  fc.assert(
    fc.property(
      fc.constantFrom(...files),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 12 }),
      fc.option(fc.nat()),
      fc.integer({ min: 1, max: 5000 }),
      (file, flips, cut, piece) => {
        const bytes = Buffer.from(file.subarray(0, cut === null ? file.length : cut % (file.length + 1)));
        for (const [at, mask] of flips) {
          const here = at % Math.max(1, bytes.length);
          if (here < bytes.length) bytes.writeUInt8(bytes.readUInt8(here) ^ mask, here);
        }
        return sound(feed(bytes, piece));
      },
    ),
    { numRuns: 400 },
  );
  t.pass('held');
  t.end();
});

void t.test('packets with flipped bytes, cut, lost, repeated and out of order', (t) => {
  const mutate = (
    p: Packet,
    flips: readonly (readonly [number, number])[],
    cut: number | null,
  ): Uint8Array => {
    const bytes = Buffer.from(
      p.bytes.subarray(0, cut === null ? p.bytes.length : cut % (p.bytes.length + 1)),
    );
    for (const [at, mask] of flips) {
      // Headers are where it hurts.
      const here = at % Math.max(1, Math.min(bytes.length, 160));
      if (here < bytes.length) bytes.writeUInt8(bytes.readUInt8(here) ^ mask, here);
    }
    return bytes;
  };
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.nat({ max: clinic.length - 1 }),
          fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 3 }),
          fc.option(fc.nat(), { freq: 4 }),
        ),
        { maxLength: 120 },
      ),
      (choices) => {
        const sensor = small();
        for (const [index, flips, cut] of choices) {
          const packet = clinic[index];
          if (packet === undefined) continue;
          sensor.take(packet.link, mutate(packet, flips, cut), packet.wireLength, packet.at);
        }
        return sound(sensor);
      },
    ),
    { numRuns: 200 },
  );
  t.pass('held');
  t.end();
});

void t.test('a capture cut after each of its packets', (t) => {
  const unsound: number[] = [];
  const sensor = small();
  for (const [i, packet] of clinic.entries()) {
    sensor.take(packet.link, packet.bytes, packet.wireLength, packet.at);
    if (!sound(sensor)) unsound.push(i);
  }
  t.same(unsound, []);
  for (const file of files) {
    let offset = 24;
    while (offset + 16 <= file.length && file.readUInt32LE(0) === 0xa1b2c3d4) {
      if (!sound(feed(file.subarray(0, offset)))) unsound.push(offset);
      offset += 16 + file.readUInt32LE(offset + 8);
    }
  }
  t.same(unsound, []);
  t.end();
});

void t.test('every file of the corpus, its first packets each cut short', (t) => {
  const unsound: string[] = [];
  for (const name of corpusNames()) {
    const sensor = small();
    for (const packet of packetsOf(corpusFile(name)).slice(0, 300)) {
      const step = Math.max(1, Math.floor(packet.bytes.length / 9));
      for (let end = packet.bytes.length; end >= 0; end -= step)
        sensor.take(packet.link, packet.bytes.subarray(0, end), packet.wireLength, packet.at);
    }
    if (!sound(sensor)) unsound.push(name);
  }
  t.same(unsound, []);
  t.end();
});

void t.test('noise of any kind', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...Object.values(linkType)), fc.uint8Array({ maxLength: 200 })), {
        maxLength: 30,
      }),
      (frames) => {
        const sensor = small();
        for (const [link, bytes] of frames) sensor.take(link, bytes, bytes.length, 0);
        return sound(sensor);
      },
    ),
    { numRuns: 300 },
  );
  t.pass('held');
  t.end();
});

void t.test('half associations by the thousand spend a budget, not the memory', (t) => {
  const sensor = new Sensor({ stage: addon().openStage({}), vendorOf: () => undefined });
  const server = { mac: '00:a0:37:00:00:02', ip: '10.0.0.2' };
  // A request that promises 32 KB, of which 30 KB come.
  const promise = wire.associate(1, { called: 'A', calling: 'B' });
  promise.splice(2, 4, 0, 0, 0x7f, 0xfa);
  const data = [...promise, ...Array.from({ length: 30_000 }, () => 0x10)];
  for (let i = 0; i < 1200; i++) {
    const client = { mac: '00:03:b1:00:00:01', ip: `10.0.${1 + (i >> 8)}.${i & 255}` };
    const frames = wire.exchange(client, server, [40000, 104], [{ from: 'client', data }], {
      segment: 15_000,
    });
    for (const frame of frames) sensor.take(linkType.ETHERNET, frame, frame.length, i);
  }
  t.ok(sensor.held <= limits.HELD_BYTES);
  t.ok(sensor.held > limits.HELD_BYTES / 2, 'the budget was what ended it');
  t.ok((sensor.weirds.get('conversation_budget_spent') ?? 0) > 0);
  sensor.expire(1e9);
  t.equal(sensor.held, 0, 'and it comes back');
  t.end();
});

void t.test('a flood of segments that wait for nothing', (t) => {
  const sensor = new Sensor({ stage: addon().openStage({}), vendorOf: () => undefined });
  const server = { mac: '00:a0:37:00:00:02', ip: '10.0.0.2' };
  const data = Array.from({ length: 8000 }, () => 0x41);
  for (let i = 0; i < 2500; i++) {
    const client = { mac: '00:03:b1:00:00:01', ip: `10.0.${1 + (i >> 8)}.${i & 255}` };
    sensor.take(linkType.ETHERNET, wire.tcpFrame(client, server, [40000, 104], 5, wire.SYN), 60, i);
    const early = wire.tcpFrame(client, server, [40000, 104], 50, wire.ACK, data);
    sensor.take(linkType.ETHERNET, early, early.length, i);
  }
  t.ok(sensor.flows.pendingBytes <= limits.PENDING_BYTES_ALL);
  t.ok(sensor.flows.pendingBytes > limits.PENDING_BYTES_ALL - 8000, 'the budget was what ended it');
  sensor.expire(1e9);
  t.equal(sensor.flows.pendingBytes, 0);
  t.end();
});
