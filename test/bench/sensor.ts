/**
 * Bench of the sensor: CPU time a packet over a capture of mixed traffic, against tshark counting the protocols of
 * the same file (`-z io,phs -q`), interleaved, medians of the rounds, start-up of each taken off.
 *
 *   node test/bench/sensor.ts [--packets 200000] [--rounds 5]  →  build/bench/sensor.json
 *
 * The file is the Ethernet part of the capture corpus, repeated; each repetition has its own MAC and IPv4 addresses,
 * so that hosts and flows are new ones. tshark dissects every protocol it knows, which is more than the sensor
 * does, and keeps every conversation: the ratio says what listening costs, not who does it better.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { linkType } from '../../src/sensor/constants.ts';
import { Sensor } from '../../src/sensor/sensor.ts';
import { loadVendors } from '../../src/sensor/vendor.ts';
import { corpusFile, corpusNames, packetsOf } from '../sensor/corpus-files.ts';
import { table } from '../support/clinic/report.ts';

const { values } = parseArgs({
  options: { packets: { type: 'string', default: '200000' }, rounds: { type: 'string', default: '5' } },
});
const wanted = Number(values.packets);
const rounds = Number(values.rounds);
const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = join(root, 'build/bench');
mkdirSync(folder, { recursive: true });

const corpus = corpusNames()
  .flatMap((name) => packetsOf(corpusFile(name)))
  .filter((packet) => packet.link === linkType.ETHERNET)
  .map((packet) => Buffer.from(packet.bytes));

/** The frame with the addresses of repetition `n`: a bit pattern over one byte of each MAC and IPv4 address. */
function repeated(frame: Buffer, n: number): Buffer {
  const bytes = Buffer.from(frame);
  const mix = (at: number): void => {
    if (at < bytes.length) bytes.writeUInt8(bytes.readUInt8(at) ^ (n & 255), at);
  };
  const address = (at: number): void => {
    const first = bytes[at] ?? 255;
    if (first !== 0 && first < 224) mix(at + 1);
  };
  const mac = (at: number): void => {
    if (((bytes[at] ?? 1) & 1) === 0) mix(at + 4);
  };
  mac(0);
  mac(6);
  const type = bytes.length > 41 ? bytes.readUInt16BE(12) : 0;
  if (type === 0x0800) for (const at of [26, 30]) address(at);
  if (type === 0x0806) {
    for (const at of [22, 32]) mac(at);
    for (const at of [28, 38]) address(at);
  }
  return bytes;
}

const file = join(folder, 'sensor.pcap');
const empty = join(folder, 'sensor-empty.pcap');
const header = Buffer.alloc(24);
header.writeUInt32LE(0xa1b2c3d4, 0);
header.writeUInt16LE(2, 4);
header.writeUInt16LE(4, 6);
header.writeUInt32LE(262_144, 16);
header.writeUInt32LE(linkType.ETHERNET, 20);
writeFileSync(empty, header);
const out = openSync(file, 'w');
writeSync(out, header);
let packets = 0;
for (let n = 0; packets < wanted; n++) {
  for (const frame of corpus) {
    if (packets === wanted) break;
    const record = Buffer.alloc(16);
    record.writeUInt32LE(1_700_000_000 + Math.floor(packets / 1000), 0);
    record.writeUInt32LE((packets % 1000) * 1000, 4);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    writeSync(out, record);
    writeSync(out, repeated(frame, n));
    packets++;
  }
}
closeSync(out);

/** User and system seconds of a command, by the shell that waits for it. */
function cpuOf(...command: string[]): number {
  const timed = 'TIMEFORMAT="%U %S"; time "$@" >/dev/null 2>/dev/null';
  const text = execFileSync('bash', ['-c', `{ ${timed}; } 2>&1`, 'bash', ...command], { encoding: 'utf8' });
  const [user = 0, system = 0] = text.trim().split(/\s+/).map(Number);
  return user + system;
}

const ours = (name: string): number =>
  cpuOf(process.execPath, join(root, 'src/cli/anteroom.ts'), 'sensor', 'read', '--json', name);
const tshark = (name: string): number => cpuOf('tshark', '-q', '-z', 'io,phs', '-r', name);

/** The live path: batches as the capture ring hands them over, in this process, warm. */
const BATCH = 500;
const batches: { bytes: Buffer; count: number }[] = [];
for (let n = 0, made = 0; made < wanted; n++) {
  for (let i = 0; i < corpus.length && made < wanted; i += BATCH) {
    const frames = corpus.slice(i, Math.min(corpus.length, i + BATCH, i + wanted - made));
    const parts = frames.map((frame, j) => {
      const record = Buffer.alloc(16 + ((frame.length + 7) & ~7));
      record.writeUInt32LE(frame.length, 0);
      record.writeUInt32LE(frame.length, 4);
      record.writeDoubleLE(1_700_000_000_000 + made + j, 8);
      repeated(frame, n).copy(record, 16);
      return record;
    });
    batches.push({ bytes: Buffer.concat(parts), count: frames.length });
    made += frames.length;
  }
}
const vendorOf = await loadVendors();
function live(): number {
  const sensor = new Sensor({ vendorOf });
  const before = process.cpuUsage();
  for (const { bytes, count } of batches) sensor.takeBatch(bytes, count);
  const { user, system } = process.cpuUsage(before);
  if (sensor.counters.frames !== packets)
    throw new Error(`${sensor.counters.frames} of ${packets} frames taken`);
  return (user + system) / 1e6;
}

const seconds = { ours: [] as number[], tshark: [] as number[], live: [] as number[] };
const start = { ours: [] as number[], tshark: [] as number[] };
for (let round = -1; round < rounds; round++) {
  const sample = {
    ours: ours(file),
    oursEmpty: ours(empty),
    tshark: tshark(file),
    tsharkEmpty: tshark(empty),
    live: live(),
  };
  // The first round fills the page cache and warms the compiler.
  if (round < 0) continue;
  seconds.ours.push(sample.ours);
  seconds.tshark.push(sample.tshark);
  seconds.live.push(sample.live);
  start.ours.push(sample.oursEmpty);
  start.tshark.push(sample.tsharkEmpty);
}
const bytes = statSync(file).size;
rmSync(file);
rmSync(empty);

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
const micros = (total: number): number => (total / packets) * 1e6;
const peer = micros(median(seconds.tshark) - median(start.tshark));
const peer_name = 'tshark -q -z io,phs';
const round = (n: number): number => Number(n.toPrecision(3));
const figures = [
  { figure: 'file, CPU a packet', unit: 'us', ours: micros(median(seconds.ours) - median(start.ours)), peer },
  { figure: 'live batches, CPU a packet', unit: 'us', ours: micros(median(seconds.live)), peer },
  { figure: 'start-up, CPU', unit: 's', ours: median(start.ours), peer: median(start.tshark) },
].map((f) => ({
  ...f,
  ours: round(f.ours),
  peer: round(f.peer),
  peer_name,
  ratio: round(f.ours / f.peer),
  goal: f.figure.endsWith('a packet') ? '<= 1' : '',
}));
writeFileSync(join(folder, 'sensor.json'), `${JSON.stringify(figures, undefined, 2)}\n`);

process.stdout.write(
  `sensor: ${packets} packets, ${(bytes / 1e6).toFixed(0)} MB, medians of ${rounds} rounds, ratio = ours / tshark\n`,
);
process.stdout.write(
  table(
    ['figure', 'unit', 'ours', 'tshark', 'ratio'],
    figures.map((f) => [f.figure, f.unit, String(f.ours), String(f.peer), f.ratio.toFixed(2)]),
  ) + '\n',
);
