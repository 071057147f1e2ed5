/**
 * Bench of the sensor, one interleaved run, medians of the rounds, start-up of each program taken off:
 *
 *   cpu per packet vs ndpi   `anteroom sensor read` against ndpiReader over the same capture, CPU time a packet
 *   vs tshark                the same against tshark counting protocols (-q -z io,phs)
 *   native stage             the stage alone, nanoseconds a packet
 *   drops                    the sensor on a veth pair at 100,000 packets/s: frames lost, and cores used
 *   rss                      10,000 hosts and 50,000 flows, then a million invented cards
 *
 *   node test/bench/sensor.ts [--packets 8000000] [--rounds 3] [--seconds 60]  →  build/bench/sensor.json
 *
 * The capture is the Ethernet part of the corpus, repeated; each repetition has its own MAC and IPv4 addresses, so
 * that hosts and flows are new ones. It is long because a daemon runs for months and V8 compiles in its first seconds;
 * every program reads the same file. The peers know more protocols than the sensor, which reads what devices say of
 * themselves: the ratio says what listening costs, not who does it better.
 */
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nodeFlags } from '../../src/platform/engine.ts';
import { linkType } from '../../src/sensor/constants.ts';
import { corpusFile, corpusNames, packetsOf } from '../sensor/corpus-files.ts';
import { Namespace } from '../support/clinic/namespace.ts';
import { table } from '../support/clinic/report.ts';

const { values } = parseArgs({
  options: {
    packets: { type: 'string', default: '8000000' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '60' },
  },
});
const wanted = Number(values.packets);
const rounds = Number(values.rounds);
const listening = Number(values.seconds);
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
  const parts: Buffer[] = [];
  for (const frame of corpus) {
    if (packets === wanted) break;
    const record = Buffer.alloc(16);
    record.writeUInt32LE(1_700_000_000 + Math.floor(packets / 1000), 0);
    record.writeUInt32LE((packets % 1000) * 1000, 4);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    parts.push(record, repeated(frame, n));
    packets++;
  }
  writeSync(out, Buffer.concat(parts));
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
const ndpi = (name: string): number => cpuOf('ndpiReader', '-q', '-i', name);
const tshark = (name: string): number => cpuOf('tshark', '-q', '-z', 'io,phs', '-r', name);

const end = join(root, 'test/bench/sensor-end.ts');
// As the appliance runs it: one bundle, and the sensor's own bounds of memory.
const bundled = join(folder, 'sensor-end.js');
const flags = nodeFlags('sensor');
await build({
  entryPoints: [end],
  outfile: bundled,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
});
execFileSync('make', ['-s', 'build/native/send-frames'], { cwd: root, stdio: 'inherit' });
const answerOf = (...args: string[]): Record<string, number | boolean> =>
  JSON.parse(execFileSync(process.execPath, [...flags, bundled, ...args], { encoding: 'utf8' })) as Record<
    string,
    number
  >;

const programs = { ours, ndpi, tshark };
type Program = keyof typeof programs;
const names = Object.keys(programs) as Program[];
const full: Record<Program, number[]> = { ours: [], ndpi: [], tshark: [] };
const start: Record<Program, number[]> = { ours: [], ndpi: [], tshark: [] };
const stage: number[] = [];
// tshark takes minutes where the others take seconds: it gets a tenth of the capture and is counted by its packets.
const shorter = join(folder, 'sensor-shorter.pcap');
execFileSync('editcap', ['-r', '-F', 'pcap', file, shorter, `1-${Math.floor(packets / 10)}`]);
const share: Record<Program, number> = { ours: 1, ndpi: 1, tshark: 0.1 };
for (let round = 0; round < rounds; round++) {
  for (const name of names) {
    full[name].push(programs[name](name === 'tshark' ? shorter : file));
    start[name].push(programs[name](empty));
  }
  stage.push(Number(answerOf('stage', file)['seconds']));
}
const bytes = statSync(file).size;

interface Heard {
  readonly seconds: number;
  readonly packets: number;
  readonly drops: number;
  readonly sent: number;
  /** How long was sent. */
  readonly lasted: number;
}

/** UDP of 100 bytes at 100,000 a second past the sensor, in both ends' own namespaces. */
async function live(): Promise<Heard> {
  const sender = Namespace.create(`ar-bench-a-${process.pid}`);
  const receiver = Namespace.create(`ar-bench-b-${process.pid}`);
  try {
    sender.ip('link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'veth1', 'netns', receiver.name);
    sender.ip('link', 'set', 'veth0', 'up');
    receiver.ip('link', 'set', 'veth1', 'up');
    const sensor = receiver.spawn(process.execPath, [...flags, bundled, 'listen', 'veth1'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let said = '';
    sensor.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    if (sensor.stdout !== null) await once(sensor.stdout, 'data');
    const { sent, seconds: lasted } = JSON.parse(
      (
        await sender.run(join(root, 'build/native/send-frames'), ['veth0', '100000', String(listening)], {
          timeoutMs: (listening + 30) * 1000,
        })
      ).stdout,
    ) as { sent: number; seconds: number };
    const over = once(sensor, 'exit');
    sensor.stdin?.end();
    await over;
    const heard = JSON.parse(said.trim().split('\n').at(-1) ?? '') as Omit<Heard, 'sent' | 'lasted'>;
    return { ...heard, sent, lasted };
  } finally {
    for (const { name } of [sender, receiver]) execFileSync('ip', ['netns', 'del', name]);
  }
}
const heard = await live();
const crowds = Array.from({ length: rounds }, () => answerOf('crowd'));
const flows = Array.from({ length: rounds }, () => Number(answerOf('flows')['idleFlow']));
for (const name of [file, shorter, empty]) rmSync(name);

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
const crowd = (figure: string): number => median(crowds.map((each) => Number(each[figure])));
const micros = (name: Program): number =>
  ((median(full[name]) - median(start[name])) / (packets * share[name])) * 1e6;
const round = (n: number): number => Number(n.toPrecision(3));
const perSecond = heard.sent / heard.lasted;
const against = (figure: string, name: Program, goal: string): object => ({
  figure,
  unit: 'us a packet',
  ours: round(micros('ours')),
  peer: round(micros(name)),
  peer_name: name === 'ndpi' ? 'ndpiReader' : 'tshark -q -z io,phs',
  ratio: round(micros('ours') / micros(name)),
  goal,
});
const alone = (figure: string, unit: string, value: number, goal: string): object => ({
  figure,
  unit,
  ours: round(value),
  peer: null,
  peer_name: null,
  ratio: null,
  goal,
});
const figures = [
  against('cpu per packet vs ndpi', 'ndpi', '<= 1 (stretch 0.6)'),
  against('vs tshark', 'tshark', '<= 0.1'),
  alone('native stage', 'ns a packet', (median(stage) / packets) * 1e9, '<= 250'),
  alone(
    'drops',
    `frames of ${heard.sent} at ${Math.round(perSecond)}/s for ${listening} s`,
    // The link's own frames (neighbour discovery) are heard as well: some twenty a minute.
    Math.max(0, heard.sent - heard.packets + heard.drops),
    '0',
  ),
  alone('cores while listening', 'cores', heard.seconds / heard.lasted, '<= 0.5'),
  alone('rss', 'MB, 10,000 hosts and 50,000 flows', crowd('rss') / 1024, '<= 150'),
  alone('rss after a million invented cards', 'MB', crowd('afterFlood') / 1024, '<= 150'),
  alone('a host', 'KB', crowd('host'), '<= 4'),
  alone('an idle flow', 'bytes', median(flows), '<= 128'),
  alone('a host and five flows', 'KB', (crowd('rss') - crowd('start')) / crowd('hosts'), ''),
];
writeFileSync(join(folder, 'sensor.json'), `${JSON.stringify(figures, undefined, 2)}\n`);
process.stdout.write(
  `sensor: ${packets} packets, ${(bytes / 1e6).toFixed(0)} MB, medians of ${rounds} rounds; ${JSON.stringify({ crowds, flows })}\n`,
);
process.stdout.write(
  table(
    ['figure', 'unit', 'ours', 'peer', 'ratio', 'goal'],
    (
      figures as {
        figure: string;
        unit: string;
        ours: number;
        peer: number | null;
        ratio: number | null;
        goal: string;
      }[]
    ).map((f) => [f.figure, f.unit, String(f.ours), String(f.peer ?? ''), String(f.ratio ?? ''), f.goal]),
  ) + '\n',
);
