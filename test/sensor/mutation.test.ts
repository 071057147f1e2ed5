/**
 * Every capture of the corpus, cut after each of its packets and as a file that ends there, and 120 damaged captures from each of three seeds:
 * nothing throws, tables and buffers keep their bounds, what is said of hosts stays valid.
 */
import t from 'tap';
import { addon } from '../../src/platform/addon.ts';
import { limits } from '../../src/sensor/constants.ts';
import { Sensor } from '../../src/sensor/sensor.ts';
import { hostObservation } from '../../src/wire/observation.ts';
import { corpusFile, corpusNames, packetsOf } from './corpus-files.ts';
import type { Packet } from './corpus-files.ts';
import { numbers } from './numbers.ts';

const CAPACITY = 64;
const SEEDS = [11, 0x5eed, 20_261_122] as const;
const MUTANTS = 120;
/** Packets of one mutant. */
const LENGTH = 1000;
const WEIRDS = 128;
/** Ends of one file that are tried. */
const MOST_ENDS = 25;

const files = corpusNames().map((name) => ({ name, packets: packetsOf(corpusFile(name)) }));

const make = (): Sensor =>
  new Sensor({
    stage: addon().openStage({ flows: CAPACITY, sightings: CAPACITY }),
    vendorOf: () => undefined,
    hosts: CAPACITY,
  });

function bounded(sensor: Sensor): boolean {
  return (
    sensor.hosts.size <= CAPACITY &&
    sensor.flows.size <= CAPACITY &&
    sensor.flows.pendingBytes >= 0 &&
    sensor.flows.pendingBytes <= limits.PENDING_BYTES_ALL &&
    sensor.held >= 0 &&
    sensor.held <= limits.HELD_BYTES &&
    sensor.weirds.size <= WEIRDS
  );
}

function valid(sensor: Sensor): boolean {
  for (const host of sensor.hosts.all()) {
    const observation = host.observation();
    if (observation !== undefined && !hostObservation.safeParse(observation).success) return false;
  }
  return bounded(sensor);
}

/** The end of a capture: flows end where they are, and give back what they held. */
function closes(sensor: Sensor): boolean {
  sensor.expire(Number.MAX_SAFE_INTEGER);
  return sensor.flows.size === 0 && sensor.flows.pendingBytes === 0 && sensor.held === 0 && valid(sensor);
}

void t.test('each file cut after each of its packets', (t) => {
  const bad: string[] = [];
  let boundaries = 0;
  for (const { name, packets } of files) {
    const sensor = make();
    // Some of the cuts are also carried through to the end of the flows: eight a file, at even distances.
    const ends = new Set(Array.from({ length: 8 }, (_, i) => Math.floor((packets.length * (i + 1)) / 8) - 1));
    for (const [i, packet] of packets.entries()) {
      sensor.take(packet.link, packet.bytes, packet.wireLength, packet.at);
      boundaries++;
      if (!bounded(sensor)) bad.push(`${name} ${i}`);
      if (!ends.has(i)) continue;
      if (!valid(sensor)) bad.push(`${name} ${i}: not valid`);
      if (i > 1000) continue;
      const cut = make();
      for (const one of packets.slice(0, i + 1)) cut.take(one.link, one.bytes, one.wireLength, one.at);
      if (!closes(cut)) bad.push(`${name} ${i}: not closed`);
    }
    if (!closes(sensor)) bad.push(`${name}: not closed`);
  }
  t.same(bad, []);
  t.ok(boundaries > 20_000, `${boundaries} cuts`);
  t.end();
});

/** Where the records of a capture file end, packets of pcap or blocks of pcapng, and how many packets that is. */
function boundariesOf(file: Buffer): { end: number; packets: number }[] {
  const next = file.readUInt32LE(0) === 0x0a0d0d0a;
  const little = next ? file.readUInt32LE(8) === 0x1a2b3c4d : [0xd4, 0x4d].includes(file.readUInt8(0));
  const u32 = (at: number): number => (little ? file.readUInt32LE(at) : file.readUInt32BE(at));
  const header = next ? 12 : 16;
  const boundaries: { end: number; packets: number }[] = [];
  let packets = 0;
  let at = next ? 0 : 24;
  while (at + header <= file.length) {
    // Of pcapng: packet, simple packet and enhanced packet.
    if (!next || [2, 3, 6].includes(u32(at))) packets++;
    at += next ? u32(at + 4) : 16 + u32(at + 8);
    boundaries.push({ end: at, packets });
  }
  return boundaries;
}

void t.test('each file ends after each of its packets, and a byte before and after', (t) => {
  const bad: string[] = [];
  let cuts = 0;
  for (const name of corpusNames()) {
    const file = corpusFile(name);
    const boundaries = boundariesOf(file);
    t.equal(boundaries.at(-1)?.end, file.length, name);
    // A longer file is read in pieces that end there, and ends at some of them: that takes the square of its length.
    const every = Math.ceil(boundaries.length / MOST_ENDS);
    const pieces = make();
    let from = 0;
    for (const [n, { end, packets }] of boundaries.entries()) {
      pieces.read(file.subarray(from, end));
      from = end;
      cuts++;
      if (!bounded(pieces)) bad.push(`${name} ${end}`);
      if (n % every !== 0) continue;
      for (const off of [-1, 0, 1]) {
        if (end + off > file.length) continue;
        const cut = make();
        cut.read(file.subarray(0, end + off));
        const weirds = cut.endFile();
        // A byte before the end of a packet there is one less; after a block that is none there isn't.
        const { frames } = cut.counters;
        if (frames !== packets && (off >= 0 || frames !== packets - 1))
          bad.push(`${name} ${end + off}: ${frames} of ${packets}`);
        if ((weirds.length === 0) !== (off === 0)) bad.push(`${name} ${end + off}: ${weirds.length} weirds`);
        if (!closes(cut)) bad.push(`${name} ${end + off}: not closed`);
      }
    }
    if (!valid(pieces) || !closes(pieces)) bad.push(`${name}: not valid`);
  }
  t.same(bad.slice(0, 10), []);
  t.ok(cuts > 35_000, `${cuts} cuts`);
  t.end();
});

/** One packet, damaged or not. */
function mutate(packet: Packet, below: (n: number) => number): Uint8Array {
  const bytes = Buffer.from(packet.bytes);
  switch (below(8)) {
    case 0:
      return bytes.subarray(0, below(bytes.length + 1));
    case 1:
    case 2:
    case 3:
      for (let n = 1 + below(6); n > 0 && bytes.length > 0; n--)
        bytes.writeUInt8(below(256), below(bytes.length));
      return bytes;
    case 4: {
      // A length field made as large as it can be, or nothing.
      const at = below(Math.max(1, bytes.length - 1));
      if (at + 2 <= bytes.length) bytes.writeUInt16BE(below(2) * 0xffff, at);
      return bytes;
    }
    case 5: {
      const at = below(bytes.length + 1);
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(below(bytes.length + 1))]);
    }
    default:
      return bytes;
  }
}

for (const seed of SEEDS) {
  void t.test(`${MUTANTS} damaged captures from seed ${seed}`, (t) => {
    const below = numbers(seed);
    const bad: string[] = [];
    for (let mutant = 0; mutant < MUTANTS; mutant++) {
      const file = files[(mutant + below(files.length)) % files.length];
      if (file === undefined || file.packets.length === 0) continue;
      const sensor = make();
      const first = below(Math.max(1, file.packets.length - LENGTH));
      for (let n = 0; n < Math.min(LENGTH, file.packets.length); n++) {
        // In order for the most part; some are lost, repeated, early or late.
        const shift = below(10) === 0 ? below(9) - 4 : 0;
        const packet = file.packets[Math.min(file.packets.length - 1, Math.max(0, first + n + shift))];
        if (packet !== undefined)
          sensor.take(packet.link, mutate(packet, below), packet.wireLength, packet.at);
      }
      if (!valid(sensor) || !closes(sensor)) bad.push(`mutant ${mutant} of ${file.name}`);
    }
    t.same(bad, []);
    t.end();
  });
}
