/**
 * The native stage against the reference in TypeScript: every frame of the corpus, whole and damaged, decodes to the same,
 * and every file gives the same flows, answers, bytes in order and ends. And what the stage hands over: what it holds
 * back, what it says of a file, batches that are none.
 */
import t from 'tap';
import { addon } from '../../src/platform/addon.ts';
import { readBatch } from '../../src/sensor/batch.ts';
import type { BatchReader } from '../../src/sensor/batch.ts';
import { frameWeirds, linkType } from '../../src/sensor/constants.ts';
import { FlowTable } from '../../src/sensor/flow.ts';
import { Frame } from '../../src/sensor/frame.ts';
import type { NativeStage } from '../../src/platform/addon.ts';
import { corpusFile, corpusNames, packetsOf } from './corpus-files.ts';
import { FragmentTable as ReferenceFragments } from './reference/fragment.ts';
import { FlowTable as ReferenceFlows } from './reference/flow.ts';
import { Frame as ReferenceFrame } from './reference/frame.ts';
import { PcapReader } from './reference/pcap.ts';
import * as wire from './wire-builder.ts';
import { numbers } from './numbers.ts';

const nothing: BatchReader = {
  frame: () => undefined,
  data: () => undefined,
  ended: () => undefined,
  flow: () => undefined,
  sighting: () => undefined,
  weird: () => undefined,
  totals: () => undefined,
  against: () => undefined,
};

function read(stage: NativeStage, length: number, reader: Partial<BatchReader>): void {
  const whole = readBatch(stage.batch.subarray(0, length), new Frame(), { ...nothing, ...reader });
  if (!whole) throw new Error('a batch that is none');
}

const fields = [
  'sourceMac',
  'destinationMac',
  'vlan',
  'network',
  'source',
  'destination',
  'hopLimit',
  'transport',
  'sourcePort',
  'destinationPort',
  'tcpFlags',
  'sequence',
  'networkStart',
  'transportStart',
  'claim',
  'arp',
] as const;

interface Level {
  readonly fields: unknown[];
  readonly payload: number;
  readonly weirds: string[];
}

const joinWeirds: string[] = [];
const joined = new ReferenceFragments((name) => joinWeirds.push(name));

/** What the reference says of a frame, at each level of tunnels and of what fragments come to. */
function referenceLevels(link: number, bytes: Uint8Array): Level[] {
  const levels: Level[] = [];
  for (let level = 0; level < 4; level++) {
    const frame = new ReferenceFrame();
    frame.decode(link, bytes);
    const payload = frame.payloadEnd + frame.payloadMissing - frame.payloadStart;
    const transported = frame.transport === 'tcp' || frame.transport === 'udp';
    joinWeirds.length = 0;
    const whole = frame.transport === 'fragment' ? joined.join(frame, 1).whole : undefined;
    levels.push({
      fields: fields.map((name) => frame[name]),
      payload: transported ? payload : 0,
      weirds: [...(frame.weird === undefined ? [] : [frame.weird]), ...joinWeirds],
    });
    if (whole !== undefined) {
      bytes = whole;
      continue;
    }
    if (frame.inner === undefined) break;
    link = frame.inner.link;
    bytes = bytes.subarray(frame.inner.start, frame.inner.end);
  }
  return levels;
}

const everything = addon().openStage({ all: true });

function differs(link: number, bytes: Uint8Array): string | undefined {
  const wanted = referenceLevels(link, bytes);
  const weirds: string[] = [];
  const got: unknown[][] = [];
  read(everything, everything.frame(link, bytes, bytes.length, 1), {
    frame: (frame) => {
      const payload = frame.payloadEnd + frame.payloadMissing - frame.payloadStart;
      const transported = frame.transport === 'tcp' || frame.transport === 'udp';
      got.push([...fields.map((name) => frame[name]), transported ? payload : 0]);
    },
    weird: (name, count) => {
      for (let i = 0; i < count; i++) weirds.push(name);
    },
  });
  const wantedWeirds = wanted.flatMap(({ weirds }) => weirds).sort();
  if (JSON.stringify(weirds.sort()) !== JSON.stringify(wantedWeirds))
    return `${weirds.join()} for ${wantedWeirds.join()}`;
  const texts = wanted.map((level) => JSON.stringify([...level.fields, level.payload])).join(' | ');
  const found = got.map((level) => JSON.stringify(level)).join(' | ');
  return found === texts ? undefined : `${found} for ${texts}`;
}

void t.test('every frame of the corpus decodes as the reference says, whole and damaged', (t) => {
  const below = numbers(0x51ed);
  const bad: string[] = [];
  let frames = 0;
  for (const name of corpusNames()) {
    for (const packet of packetsOf(corpusFile(name)).slice(0, 400)) {
      const damaged = Buffer.from(packet.bytes.subarray(0, packet.bytes.length - below(8)));
      for (let n = 0; n < 3 && damaged.length > 0; n++)
        damaged.writeUInt8(below(256), below(Math.min(damaged.length, 80)));
      for (const bytes of [packet.bytes, damaged]) {
        frames++;
        const difference = differs(packet.link, bytes);
        if (difference !== undefined && bad.length < 5) bad.push(`${name} ${frames}: ${difference}`);
      }
    }
  }
  t.same(bad, []);
  t.ok(frames > 10_000, `${frames} frames`);
  t.end();
});

type Log = string[];
const listener = (log: Log): ConstructorParameters<typeof FlowTable<never>>[0] => ({
  data: (flow, from, chunk) => {
    log.push(dataLine(flow, from, flow.ends[from].midstream, chunk));
    return false;
  },
  ended: () => undefined,
});
const dataLine = (
  { ends }: { readonly ends: readonly { readonly port: number; readonly mac: number }[] },
  from: 0 | 1,
  midstream: boolean,
  chunk: Uint8Array,
): string =>
  `data ${ends.map((e) => e.port).join()} ${from} ${midstream} ${ends[from]?.mac} ${Buffer.from(chunk).toString('latin1')}`;
const ports = (flow: { readonly ends: readonly { readonly port: number }[] }): string =>
  flow.ends.map((end) => end.port).join();
/** What the stage tells without being asked; that a flow which is over is closed goes without saying. */
const referenceListener = (log: Log): ConstructorParameters<typeof ReferenceFlows<never>>[0] => ({
  data: (flow, from, chunk) => {
    log.push(dataLine(flow, from, flow.directions[from].midstream, chunk));
    return false;
  },
  answered: (flow) => log.push(`answered ${flow.transport}/${flow.ends[1].port}`),
  ended: (flow, from, why) => {
    if (why !== 'closed') log.push(`ended ${ports(flow)} ${from} ${why}`);
  },
  removed: (flow) => log.push(`removed ${ports(flow)} ${flow.bytes.join()}`),
});

/** The same of the stage's records of flows. */
function flowLog(log: Log): Pick<BatchReader, 'flow' | 'ended'> {
  const rows = new Map<number, { ends: { port: number }[]; bytes: [number, number] }>();
  return {
    flow: (news) => {
      if (news.isNew)
        rows.set(news.row, { ends: [{ port: news.clientPort }, { port: news.serverPort }], bytes: [0, 0] });
      const row = rows.get(news.row);
      if (row === undefined) return void log.push('a flow that never began');
      row.bytes[0] += news.clientBytes;
      row.bytes[1] += news.serverBytes;
      if (news.isAnswered) log.push(`answered ${news.transport}/${news.serverPort}`);
      if (news.isRemoved) log.push(`removed ${ports(row)} ${row.bytes.join()}`);
    },
    ended: (row, _generation, side, why) => {
      const flow = rows.get(row);
      log.push(`ended ${flow === undefined ? 'nothing' : ports(flow)} ${side} ${why}`);
    },
  };
}

void t.test('every file gives the same flows as the reference', (t) => {
  const below = numbers(77);
  const bad: string[] = [];
  let lines = 0;
  for (const name of corpusNames()) {
    const packets = packetsOf(corpusFile(name));
    // Some out of order, repeated or lost.
    const shuffled = packets.flatMap(
      (_, i) => packets[Math.min(packets.length - 1, i + (below(6) === 0 ? below(5) : 0))] ?? [],
    );
    for (const order of [packets, shuffled]) {
      const wanted: Log = [];
      const got: Log = [];
      const reference = new ReferenceFlows<never>(referenceListener(wanted), 40);
      const flows = new FlowTable<never>(listener(got));
      const stage = addon().openStage({ flows: 40, listens: false });
      const frame = new ReferenceFrame();
      const told = flowLog(got);
      const fragments = new ReferenceFragments(() => undefined);
      let expired = 0;
      for (const packet of order) {
        let { link, bytes } = packet;
        for (let level = 0; level < 4; level++) {
          frame.decode(link, bytes);
          reference.take(frame, packet.at);
          const { whole } = frame.transport === 'fragment' ? fragments.join(frame, packet.at) : {};
          if (whole !== undefined) {
            bytes = whole;
            continue;
          }
          if (frame.inner === undefined) break;
          link = frame.inner.link;
          bytes = bytes.subarray(frame.inner.start, frame.inner.end);
        }
        if (packet.at - expired > 10_000 || packet.at < expired) {
          expired = packet.at;
          reference.expire(expired);
        }
        read(stage, stage.frame(packet.link, packet.bytes, packet.wireLength, packet.at), {
          frame: (each, at) => void flows.take(each, at),
          data: (...all) => flows.data(...all),
          ended: (...all) => {
            told.ended(...all);
            flows.ended(...all);
          },
          flow: (news) => {
            told.flow(news);
            if (!news.isRemoved) return;
            flows.close(news.row, news.generation);
            flows.forget(news.row);
          },
        });
      }
      reference.expire(Number.MAX_SAFE_INTEGER);
      for (let length = stage.expire(9e15); length > 0; length = stage.expire(9e15))
        read(stage, length, { flow: (news) => told.flow(news) });
      lines += wanted.length;
      const at = wanted.findIndex((line, i) => line !== got[i]);
      if (at >= 0 || wanted.length !== got.length)
        bad.push(
          `${name}: ${wanted.length} ${got.length} ${at}: ${wanted[at]?.slice(0, 90)} | ${got[at]?.slice(0, 90)}`,
        );
    }
  }
  t.same(bad, []);
  t.ok(lines > 10_000, `${lines} lines`);
  t.end();
});

const A = { mac: '00:11:22:33:44:55', ip: '10.0.0.1' };
const B = { mac: '00:aa:bb:cc:dd:ee', ip: '10.0.0.2' };

void t.test('a direction that is done is counted and no longer handed over', (t) => {
  const stage = addon().openStage({});
  const flows = new FlowTable<never>({ data: () => true, ended: () => undefined });
  let handed = 0;
  let bytes = 0;
  const reader: Partial<BatchReader> = {
    frame: (frame, at) => {
      handed++;
      const flow = flows.take(frame, at);
      if (flow !== undefined) flows.looked(flow);
    },
    flow: (news) => {
      bytes += news.clientBytes;
    },
    totals: (totals) => flows.totals(totals),
  };
  const data = wire.ascii('x'.repeat(100));
  const segment = (n: number): Uint8Array => wire.tcpFrame(A, B, [40000, 80], 1 + n * 100, wire.ACK, data);
  const take = (frame: Uint8Array, at: number): void => {
    read(stage, stage.frame(linkType.ETHERNET, frame, frame.length, at), reader);
    const released = flows.takeReleased();
    if (released !== undefined) stage.done(released);
  };
  take(wire.tcpFrame(A, B, [40000, 80], 0, wire.SYN), 0);
  take(segment(0), 1);
  t.equal(handed, 2);
  for (let n = 1; n < 50; n++) take(segment(n), 2);
  t.equal(handed, 2, 'none of the rest');
  take(segment(50), 1500);
  t.equal(handed, 2, 'nor later');
  read(stage, stage.tell(), reader);
  t.equal(bytes, 51 * 100, 'and all of it is counted');
  t.equal(stage.tell(), 0, 'once');
  t.end();
});

const invented = (n: number): string =>
  `02:00:00:00:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}`;

void t.test('a flood of invented cards is held back, and counted', (t) => {
  const stage = addon().openStage({ flows: 64, sightings: 64 });
  const seen = new Set<number>();
  let held = 0;
  const reader: Partial<BatchReader> = {
    frame: (f) => void seen.add(f.sourceMac),
    totals: (totals) => {
      held += totals.held;
    },
  };
  const take = (frame: Uint8Array, at: number): void =>
    read(stage, stage.frame(linkType.ETHERNET, frame, frame.length, at), reader);
  const bare = (n: number): Uint8Array => wire.ethernet(invented(n), 'ff:ff:ff:ff:ff:ff', 0x88b5, [1, 2, 3]);
  for (let n = 0; n < 3000; n++) take(bare(n), n);
  t.equal(seen.size + held, 3000);
  t.ok(seen.size > 500 && seen.size < 530, `${seen.size} believed`);

  const last = seen.size;
  take(bare(2999), 3500);
  t.equal(seen.size, last, 'heard again at once');
  take(bare(2999), 4500);
  t.equal(seen.size, last + 1, 'heard again later');

  const discovery = wire.ascii('NOTIFY * HTTP/1.1\r\nserver: x\r\n\r\n');
  const packet = wire.ipv4('10.0.0.9', '239.255.255.250', 17, wire.udp(1900, 1900, discovery));
  take(wire.ethernet(invented(2998), '01:00:5e:7f:ff:fa', 0x800, packet), 3002);
  t.equal(seen.size, last + 2, 'it says something');

  for (let n = 3000; n < 3100; n++) take(bare(n), 4500);
  const known = seen.size;
  const C = { mac: invented(4000), ip: '10.0.0.40' };
  take(wire.tcpFrame(C, B, [40000, 80], 1, wire.SYN), 4500);
  t.equal(seen.size, known, 'it asks');
  take(wire.tcpFrame(B, C, [80, 40000], 1, wire.SYN | wire.ACK), 4502);
  take(wire.tcpFrame(C, B, [40000, 80], 2, wire.ACK), 4503);
  t.equal(seen.size, known + 2, 'it is answered, by who is there then');
  t.end();
});

void t.test('what was said is not said again, but after a while or by somebody else', (t) => {
  const stage = addon().openStage({});
  let frames = 0;
  const take = (frame: Uint8Array, at: number): number => {
    frames = 0;
    read(stage, stage.frame(linkType.ETHERNET, frame, frame.length, at), { frame: () => void frames++ });
    return frames;
  };
  const says = (from: wire.Station, ports: [number, number], payload: readonly number[]): Uint8Array =>
    wire.ethernet(
      from.mac,
      '01:00:5e:7f:ff:fa',
      0x800,
      wire.ipv4(from.ip, '239.255.255.250', 17, wire.udp(...ports, payload)),
    );
  const notify = wire.ascii('NOTIFY * HTTP/1.1\r\nserver: x\r\n\r\n');
  t.equal(take(says(A, [1900, 1900], notify), 0), 1);
  t.equal(take(says(A, [1900, 1900], notify), 1000), 0);
  t.equal(take(says(B, [1900, 1900], notify), 1000), 1, 'another');
  t.equal(take(says(A, [1900, 1900], [...notify, 32]), 1000), 1, 'something else');
  t.equal(take(says(A, [1900, 1900], notify), 61_000), 1, 'a while later');
  const question = (id: number, bits: number): number[] => [
    0,
    id,
    bits,
    0,
    0,
    1,
    0,
    0,
    0,
    0,
    0,
    0,
    1,
    0x61,
    2,
    0x62,
    0x63,
    0,
    0,
    1,
    0,
    1,
  ];
  t.equal(take(says(A, [4000, 53], question(1, 1)), 0), 1);
  t.equal(take(says(A, [4000, 53], question(2, 1)), 1), 0, 'the same question by another number');
  t.equal(take(says(A, [53, 4000], question(1, 0x81)), 2), 0, 'an answer');
  t.equal(take(says(A, [5353, 5353], question(0, 0)), 3), 0, 'a question of multicast DNS');

  const claim = (from: wire.Station, ip: string): Uint8Array =>
    wire.ethernet(from.mac, 'ff:ff:ff:ff:ff:ff', 0x806, wire.arp(1, from.mac, ip, ip));
  t.equal(take(claim(A, A.ip), 100_000), 1);
  t.equal(take(claim(A, A.ip), 100_001), 0);
  t.equal(take(claim(B, A.ip), 100_002), 1, 'somebody else claims it');
  t.equal(take(claim(A, A.ip), 100_003), 1, 'and it is claimed back');
  t.end();
});

void t.test('a file in pieces of any size says what the reference says', (t) => {
  const bad: string[] = [];
  const below = numbers(5);
  for (const name of corpusNames()) {
    const whole = corpusFile(name).subarray(0, 300_000);
    const cut = Buffer.from(whole.subarray(0, whole.length - below(40)));
    if (cut.length > 60 && below(2) === 0) cut.writeUInt8(below(256), 20 + below(40));
    for (const file of [whole, cut]) {
      const wanted: string[] = [];
      const reference = new PcapReader({
        packet: () => undefined,
        weird: (weird, offset) => wanted.push(`${weird} ${offset}`),
      });
      reference.push(file);
      reference.end();
      for (const piece of [file.length, 1000 + below(5000)]) {
        const stage = addon().openStage({});
        const got: string[] = [];
        let frames = 0;
        const reader: Partial<BatchReader> = {
          weird: (weird, _count, offset) => {
            if (offset !== undefined) got.push(`${weird} ${offset}`);
          },
          totals: (totals) => {
            frames += totals.frames;
          },
        };
        const rest = (): void => {
          for (let length = stage.next(); length > 0; length = stage.next()) read(stage, length, reader);
        };
        for (let at = 0; at < file.length; at += Math.max(1, piece)) {
          stage.push(file.subarray(at, at + piece));
          rest();
        }
        stage.end();
        rest();
        if (frames !== reference.packets || got.join() !== wanted.join())
          bad.push(`${name}: ${frames} of ${reference.packets}, ${got.join()} for ${wanted.join()}`);
      }
    }
  }
  t.same(bad.slice(0, 5), []);
  t.end();
});

void t.test('what is no batch ends the reading', (t) => {
  const stage = addon().openStage({});
  const bytes = wire.tcpFrame(A, B, [40000, 80], 0, wire.SYN);
  const good = Buffer.from(stage.batch.subarray(0, stage.frame(linkType.ETHERNET, bytes, bytes.length, 0)));
  t.ok(readBatch(good, new Frame(), nothing));
  const ends = new Set<number>();
  for (let end = 0; end < good.length; ends.add(end)) end += good.readUInt32LE(end + 4);
  for (let length = 1; length < good.length; length++) {
    if (ends.has(length)) continue;
    t.notOk(readBatch(good.subarray(0, length), new Frame(), nothing), `cut at ${length}`);
  }
  const unknown = Buffer.from(good);
  unknown.writeUInt8(99, 0);
  t.notOk(readBatch(unknown, new Frame(), nothing));
  const long = Buffer.from(good);
  long.writeUInt32LE(0xffffff, 132);
  t.notOk(readBatch(long, new Frame(), nothing));
  t.end();
});

void t.test('both halves have the same words for what is wrong', (t) => {
  t.same(addon().weirdNames, frameWeirds);
  t.end();
});

void t.test('arguments that are none', (t) => {
  const stage = addon().openStage({});
  t.throws(() => stage.frame(1, new Uint8Array(10), 10, Number.NaN));
  t.throws(() => stage.frame(1, new Uint8Array(300_000), 10, 0));
  t.throws(() => addon().openStage({ flows: 0 }));
  stage.done(new Uint8Array(8).fill(255));
  stage.done(new Uint8Array(3));
  t.equal(stage.next(), 0);
  t.end();
});
