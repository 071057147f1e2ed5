/**
 * Bench of the tunnel: our native transport at both ends against the newest wireguard-go at both ends, on the same
 * two namespaces and cores, alternating, medians. And the mixed pair: our whole tunnel process with wireguard-go at
 * the far end, against wireguard-go's own pair.
 *
 *   node test/bench/tunnel.ts [--rounds 5] [--seconds 3] [--only tcp,udp,ping,mixed,handshakes,ablation]
 *     →  build/bench/tunnel.json, build/bench/tunnel-ablation.json
 *
 * `--only ablation` measures what each offload gives, and nothing else.
 *
 * UDP has socket buffers of 4 MB, so that it is the tunnel that is measured and not iperf3's own socket.
 * CPU is of both ends' tunnel processes, from /proc/PID/stat (10 ms), over the Gbit that TCP received. Checksum
 * errors in either namespace end the run: a fast tunnel that breaks packets isn't fast.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { TransportOffloads } from '../../src/platform/addon.ts';
import { MissingCapability, requireCapabilities } from '../support/clinic/capability.ts';
import { people, prepareGateway, tunnelPort } from '../support/clinic/gateway.ts';
import { clearStale, removeAll, takeLease, type Lease } from '../support/clinic/lease.ts';
import { Namespace, stopChild } from '../support/clinic/namespace.ts';
import { until } from '../support/until.ts';
import { startRemote } from '../support/clinic/remote.ts';
import { table } from '../support/clinic/report.ts';
import type { EndAnswer, EndRequest } from './tunnel-end.ts';
import { handshakeRates } from './tunnel-handshakes.ts';
import type { Sample } from './tunnel-handshakes.ts';
import { newestWireguardGo } from './tunnel-peer.ts';
import { startTunnelProcess } from './tunnel-process.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    only: { type: 'string', default: 'tcp,udp,ping,mixed,handshakes,ablation' },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const only = new Set(values.only.split(','));
const root = fileURLToPath(new URL('../../', import.meta.url));
const UDP_BYTES = 200;
const UDP_OFFERED = 100_000;

const median = (numbers: readonly number[]): number => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? 0)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
};
const percentile = (numbers: readonly number[], share: number): number =>
  [...numbers].sort((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * share))] ?? 0;

/** CPU seconds that a process has used: fields 14 and 15 of /proc/PID/stat, in ticks of 10 ms. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

const residentMegabytes = (pid: number): number =>
  Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;

/** A tunnel between the two namespaces, as the measurements see it. */
interface Pair {
  readonly address: string;
  readonly pids: readonly number[];
  /** Called before each measurement. */
  readonly refresh: () => Promise<void>;
}

interface World {
  readonly lease: Lease;
  readonly near: Namespace;
  readonly far: Namespace;
  readonly children: ChildProcess[];
}

// --- measurements --------------------------------------------------------------------------------------------

interface IperfReport {
  readonly error?: string;
  readonly end: {
    readonly sum_received: { readonly bits_per_second: number; readonly bytes: number };
    readonly sum: { readonly packets: number; readonly lost_packets: number; readonly seconds: number };
  };
}

async function iperf(
  world: World,
  pair: Pair,
  args: readonly string[],
): Promise<{ report: IperfReport; cpu: number }> {
  await pair.refresh();
  const listening = world.far.spawn('iperf3', ['-s', '-1', '-p', '5201']);
  await until('iperf3 listens', () => world.far.listens(5201));
  const cpu = (): number => pair.pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const before = cpu();
  const all = ['-c', pair.address, '-p', '5201', '-t', String(seconds), '-J', ...args];
  const outcome = await world.near.run('iperf3', all, { timeoutMs: (seconds + 20) * 1000 });
  const used = cpu() - before;
  await stopChild(listening);
  const report = JSON.parse(outcome.stdout) as IperfReport;
  if (outcome.code !== 0) throw new Error(`iperf3 to ${pair.address}: ${report.error ?? outcome.stderr}`);
  return { report, cpu: used };
}

type Samples = Record<string, number>;

async function tcp(world: World, pair: Pair, streams: number, reverse = false): Promise<Samples> {
  const args = ['-C', 'cubic', '-P', String(streams), ...(reverse ? ['-R'] : [])];
  const { report, cpu } = await iperf(world, pair, args);
  const { bits_per_second: bits, bytes } = report.end.sum_received;
  return {
    [`tcp ${streams} stream${streams === 1 ? '' : 's'}`]: bits / 1e6,
    ...(streams === 1 && { 'tunnel cpu per gbit': cpu / ((bytes * 8) / 1e9) }),
  };
}

async function udp(world: World, pair: Pair, flooded = false): Promise<Samples> {
  const run = async (rate: string): Promise<{ share: number; perSecond: number }> => {
    const { report } = await iperf(world, pair, ['-u', '-l', String(UDP_BYTES), '-b', rate, '-w', '4M']);
    const { packets, lost_packets: lost, seconds: time } = report.end.sum;
    return {
      share: (packets - lost) / Math.max(packets, UDP_OFFERED * seconds * 0.99),
      perSecond: (packets - lost) / time,
    };
  };
  const flood = await run('0');
  if (flooded) return { 'udp 200B best pps': flood.perSecond };
  const offered = await run(String(UDP_OFFERED * UDP_BYTES * 8));
  return {
    'udp 200B delivered': offered.share * 100,
    'udp 200B best pps': Math.max(offered.perSecond, flood.perSecond),
  };
}

/** Round-trip times in microseconds. */
async function pings(world: World, pair: Pair, count: number, interval: number): Promise<number[]> {
  const outcome = await world.near.run(
    'ping',
    ['-n', '-c', String(count), '-i', String(interval), pair.address],
    {
      timeoutMs: count * interval * 1000 + 20_000,
    },
  );
  return [...outcome.stdout.matchAll(/time=([\d.]+)/g)].map((match) => Number(match[1]) * 1000);
}

async function ping(world: World, pair: Pair): Promise<Samples> {
  await pair.refresh();
  await pings(world, pair, 20, 0.002);
  const idle = await pings(world, pair, 300, 0.005);
  const loading = tcp(world, pair, 1);
  await new Promise((resolve) => setTimeout(resolve, 700));
  const loaded = await pings(world, pair, Math.max(50, (seconds - 1) * 100), 0.01);
  await loading;
  return { 'ping p50 idle': percentile(idle, 0.5), 'ping p99 loaded': percentile(loaded, 0.99) };
}

const rss = (pair: Pair): Samples => ({
  rss: pair.pids.reduce((sum, pid) => sum + residentMegabytes(pid), 0) / pair.pids.length,
});

/** Packets with a wrong checksum that either namespace has met. */
async function checksumErrors(world: World): Promise<number> {
  const counts = await Promise.all(
    [world.near, world.far].map(async (namespace) => {
      const { stdout } = await namespace.run('nstat', ['-asz']);
      return [
        ...stdout.matchAll(
          /^(?:TcpInCsumErrors|UdpInCsumErrors|Udp6InCsumErrors|IcmpInCsumErrors)\s+(\d+)/gm,
        ),
      ]
        .map((match) => Number(match[1]))
        .reduce((a, b) => a + b, 0);
    }),
  );
  return counts.reduce((a, b) => a + b, 0);
}

// --- pairs ---------------------------------------------------------------------------------------------------

let generation = 0;

/** Our transport in a small process at either end; `number` keeps the names and ports of several apart. */
async function ourPair(
  world: World,
  number: number,
  offloads: Partial<TransportOffloads>,
): Promise<
  Pair & {
    readonly used: TransportOffloads;
    readonly stop: () => Promise<void>;
  }
> {
  const file = join(root, 'test/bench/tunnel-end.ts');
  const start = (namespace: Namespace): ChildProcess => {
    const child = fork(file, {
      execPath: 'setpriv',
      execArgv: ['--pdeathsig=KILL', 'nsenter', `--net=/run/netns/${namespace.name}`, process.execPath],
    });
    world.children.push(child);
    return child;
  };
  const [one, two] = [start(world.near), start(world.far)];
  const ask = async (child: ChildProcess, request: EndRequest): Promise<EndAnswer> => {
    const answered = once(child, 'message') as Promise<[EndAnswer]>;
    child.send(request);
    return (await answered)[0];
  };
  const port = tunnelPort + 10 + number;
  const address = (side: number): string => `100.98.${number}.${side}`;
  const open = (side: 1 | 2): EndRequest => ({
    open: {
      interfaceName: `ours${number}`,
      port,
      side,
      address: address(side),
      peerAddress: address(3 - side),
      endpoint: { address: `192.0.2.${side}`, port },
      offloads,
    },
  });
  const { offloads: used } = await ask(one, open(1));
  await ask(two, open(2));
  return {
    address: address(2),
    pids: [one.pid ?? 0, two.pid ?? 0],
    used,
    refresh: async () => {
      generation += 1;
      await ask(two, { key: generation });
      await ask(one, { key: generation });
    },
    stop: async () => {
      await Promise.all([stopChild(one), stopChild(two)]);
    },
  };
}

const still = (): Promise<void> => Promise.resolve();

/** Our whole tunnel process in `far`, with wireguard-go in `near`; and wireguard-go at both ends. */
async function stockPairs(world: World): Promise<{ mixed: Pair; stock: Pair; ours: number }> {
  const { lease, near, far } = world;
  const files = prepareGateway(lease);
  const ours = await startTunnelProcess(root, files, far);
  world.children.push(ours);
  const toOurs = await startRemote(lease, near, {
    name: '0',
    privateKey: files.users.radiologist.pair.privateKey,
    address: people.radiologist.address,
    gateway: {
      publicKey: files.publicKey,
      presharedKey: files.users.radiologist.presharedKey,
      endpoint: `192.0.2.1:${tunnelPort}`,
      allowedIps: ['100.96.0.1/32'],
    },
  });
  const { nurse, vendor } = files.users;
  const farStock = await startRemote(lease, far, {
    name: '1',
    privateKey: vendor.pair.privateKey,
    address: '100.97.0.1',
    listenPort: tunnelPort + 1,
    gateway: {
      publicKey: nurse.pair.publicKey,
      presharedKey: nurse.presharedKey,
      allowedIps: ['100.97.0.2/32'],
    },
  });
  const nearStock = await startRemote(lease, near, {
    name: '2',
    privateKey: nurse.pair.privateKey,
    address: '100.97.0.2',
    gateway: {
      publicKey: vendor.pair.publicKey,
      presharedKey: nurse.presharedKey,
      endpoint: `192.0.2.1:${tunnelPort + 1}`,
      allowedIps: ['100.97.0.1/32'],
    },
  });
  return {
    mixed: { address: '100.96.0.1', pids: [ours.pid ?? 0, toOurs.pid], refresh: still },
    stock: { address: '100.97.0.1', pids: [farStock.pid, nearStock.pid], refresh: still },
    ours: ours.pid ?? 0,
  };
}

function connect(lease: Lease): Pick<World, 'near' | 'far'> {
  const near = Namespace.create(`${lease.prefix}-remote`);
  const far = Namespace.create(`${lease.prefix}-gateway`);
  near.ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'uplink0', 'netns', far.name);
  for (const [namespace, name, address] of [
    [near, 'eth0', '192.0.2.2/24'],
    [far, 'uplink0', '192.0.2.1/24'],
  ] as const) {
    namespace.ip('addr', 'add', address, 'dev', name);
    namespace.ip('link', 'set', name, 'up');
  }
  return { near, far };
}

// --- the run -------------------------------------------------------------------------------------------------

/** Unit, goal as a ratio of ours to the peer's (or of ours alone), digits. */
const figures: Record<string, { unit: string; goal: string; digits: number }> = {
  'tcp 1 stream': { unit: 'Mbit/s', goal: '>= 2.0x', digits: 0 },
  'tcp 4 streams': { unit: 'Mbit/s', goal: '>= 2.0x', digits: 0 },
  'tunnel cpu per gbit': { unit: 's', goal: '<= 0.45x', digits: 3 },
  'udp 200B delivered': { unit: '% of 100,000/s', goal: '>= 95 %', digits: 1 },
  'udp 200B best pps': { unit: '1/s', goal: '>= 4x', digits: 0 },
  'ping p50 idle': { unit: 'us', goal: '<= 0.5x', digits: 0 },
  'ping p99 loaded': { unit: 'us', goal: '<= 0.4x', digits: 0 },
  rss: { unit: 'MB an end', goal: '<= 0.25x', digits: 1 },
  'handshakes classical': { unit: '1/s', goal: '>= 1.0x', digits: 0 },
  'handshakes hybrid': { unit: '1/s', goal: ">= 0.7x of the peer's classical", digits: 0 },
  'handshake cpu classical': { unit: 'us', goal: '', digits: 0 },
  'handshake cpu hybrid': { unit: 'us', goal: '', digits: 0 },
  'mixed pair': { unit: 'Mbit/s', goal: '>= 1.0x', digits: 0 },
};

async function bench(): Promise<void> {
  requireCapabilities({ iperf3: 'iperf3' });
  const program = newestWireguardGo(root);
  if (program.folder !== '') process.env['PATH'] = `${program.folder}:${process.env['PATH'] ?? ''}`;
  clearStale();
  const lease = takeLease();
  const world: World = { lease, ...connect(lease), children: [] };
  try {
    const ours = await ourPair(world, 0, {});
    const { mixed, stock, ours: wholeProcess } = await stockPairs(world);
    process.stderr.write(`ours uses ${JSON.stringify(ours.used)}; the peer is ${program.name}\n`);
    const taken = { ours: new Map<string, number[]>(), peer: new Map<string, number[]>() };
    const note = (end: 'ours' | 'peer', samples: Samples): void => {
      for (const [figure, value] of Object.entries(samples)) {
        const list = taken[end].get(figure) ?? [];
        list.push(value);
        taken[end].set(figure, list);
        process.stderr.write(`  ${end} ${figure}: ${value.toFixed(figures[figure]?.digits ?? 2)}\n`);
      }
    };
    const measurements: readonly [string, (pair: Pair) => Promise<Samples>][] = [
      ['tcp', (pair) => tcp(world, pair, 1)],
      ['tcp', (pair) => tcp(world, pair, 4)],
      ['udp', (pair) => udp(world, pair)],
      ['ping', (pair) => ping(world, pair)],
    ];
    for (let round = 0; round < rounds; round++) {
      process.stderr.write(`round ${round + 1}\n`);
      // Who goes first alternates, so that neither always meets the machine warm.
      const order = round % 2 === 0 ? (['ours', 'peer'] as const) : (['peer', 'ours'] as const);
      for (const [kind, measure] of measurements) {
        if (!only.has(kind)) continue;
        for (const end of order) note(end, await measure(end === 'ours' ? ours : stock));
      }
      if (only.has('mixed')) {
        for (const reverse of [false, true]) {
          for (const end of order) {
            const result = await tcp(world, end === 'ours' ? mixed : stock, 1, reverse);
            note(end, { 'mixed pair': result['tcp 1 stream'] ?? 0 });
          }
        }
        // The whole of our tunnel process has carried traffic now, as the peer's has.
        note('ours', { rss: residentMegabytes(wholeProcess) });
        note('peer', rss(stock));
      }
      const errors = await checksumErrors(world);
      if (errors !== 0) throw new Error(`${errors} packets had a wrong checksum`);
    }

    if (only.has('handshakes')) {
      const rates = await handshakeRates(root, connect, rounds);
      const add = (end: 'ours' | 'peer', kex: 'classical' | 'hybrid', list: readonly Sample[]): void => {
        for (const { perSecond, cpuMicros } of list)
          note(end, { [`handshakes ${kex}`]: perSecond, [`handshake cpu ${kex}`]: cpuMicros });
      };
      add('ours', 'classical', rates.classical);
      add('peer', 'classical', rates.peer);
      add('ours', 'hybrid', rates.hybrid);
      add('peer', 'hybrid', rates.peer);
    }

    const rows = Object.entries(figures).flatMap(([figure, { unit, goal, digits }]) => {
      const [mine, theirs] = [taken.ours.get(figure), taken.peer.get(figure)];
      if (!mine || !theirs) return [];
      const round = (n: number): number => Number(n.toFixed(digits));
      return [
        {
          figure,
          unit,
          ours: round(median(mine)),
          peer: round(median(theirs)),
          peer_name: program.name,
          ratio: Number((median(mine) / median(theirs)).toFixed(2)),
          goal,
        },
      ];
    });
    const folder = join(root, 'build/bench');
    mkdirSync(folder, { recursive: true });
    const file = join(folder, 'tunnel.json');
    // A run of some figures leaves the others as they were.
    const before = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as typeof rows) : [];
    const merged = Object.keys(figures).flatMap(
      (figure) => [...rows, ...before].find((row) => row.figure === figure) ?? [],
    );
    writeFileSync(file, `${JSON.stringify(merged, undefined, 2)}\n`);
    if (rows.length !== 0) {
      process.stdout.write(
        `Tunnel: both ends on the same two cores, ${program.name} for comparison; 0 checksum errors.\nMedians of ${rounds} interleaved runs of ${seconds} s.\n\n`,
      );
      const cells = rows.map((row) => [
        row.figure,
        row.unit,
        String(row.ours),
        String(row.peer),
        String(row.ratio),
        row.goal,
      ]);
      process.stdout.write(`${table(['figure', 'unit', 'ours', 'peer', 'ratio', 'goal'], cells)}\n`);
    }

    if (only.has('ablation')) await ablation(world, ours, folder);
  } finally {
    for (const child of world.children) if (child.connected) child.disconnect();
    await Promise.all(world.children.map((child) => stopChild(child)));
    removeAll(lease.prefix);
  }
}

/** Each offload off, and all of them, against all on: TCP one stream and its CPU, alternating. */
async function ablation(
  world: World,
  whole: Pair & { used: TransportOffloads },
  folder: string,
): Promise<void> {
  const names = Object.keys(whole.used) as (keyof TransportOffloads)[];
  const variants = [...names.map((name) => [name]), names];
  const rows: Record<string, string | number>[] = [];
  for (const [number, off] of variants.entries()) {
    const pair = await ourPair(world, number + 1, Object.fromEntries(off.map((name) => [name, false])));
    const [on, without]: [Samples[], Samples[]] = [[], []];
    for (let round = 0; round < Math.max(3, rounds - 2); round++) {
      for (const [measured, list] of [
        [whole, on],
        [pair, without],
      ] as const) {
        list.push({ ...(await tcp(world, measured, 1)), ...(await udp(world, measured, true)) });
      }
    }
    await pair.stop();
    const errors = await checksumErrors(world);
    if (errors !== 0) throw new Error(`without ${off.join(', ')}: ${errors} packets had a wrong checksum`);
    const of = (list: Samples[], figure: string): number =>
      median(list.map((samples) => samples[figure] ?? 0));
    const ratio = (figure: string): number => Number((of(without, figure) / of(on, figure)).toFixed(2));
    rows.push({
      off: off.length === 1 ? (off[0] ?? '') : 'all',
      'tcp 1 stream': Math.round(of(without, 'tcp 1 stream')),
      'tcp ratio': ratio('tcp 1 stream'),
      'cpu ratio': ratio('tunnel cpu per gbit'),
      'udp pps ratio': ratio('udp 200B best pps'),
    });
  }
  writeFileSync(join(folder, 'tunnel-ablation.json'), `${JSON.stringify(rows, undefined, 2)}\n`);
  const heads = ['off', 'tcp 1 stream', 'tcp ratio', 'cpu ratio', 'udp pps ratio'];
  process.stdout.write(`\nEach offload off, against all of them on:\n\n`);
  process.stdout.write(
    `${table(
      heads,
      rows.map((row) => heads.map((head) => String(row[head]))),
    )}\n`,
  );
}

try {
  await bench();
  process.exit(0);
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(error instanceof MissingCapability ? error.code : 1);
}
