/**
 * Bench of the broker on loopback: the real broker, control and audit processes (the log durable on this machine's
 * disk), the tunnel played by this process. Against a plain TCP proxy (haproxy, one thread, no decision, no record)
 * and against a direct connection, interleaved in one run.
 *
 *   node test/bench/broker.ts [--sessions 300] [--rounds 7] [--images 500]  →  build/bench/broker.json
 *
 * Session set-up is from the client's connect() to the device's first byte: SYN, decision, record on disk, dial, relay.
 * Throughput is a whole dcmtk storescu with images of 525 kB into a storescp that discards them. Both ends have
 * TCP_NODELAY=1 and the SCP -dhl: without them DCMTK measures Nagle and the resolver.
 * CPU is of the middle process alone, from /proc/PID/stat.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { serve } from '../../src/ipc/server.ts';
import { socketPath } from '../../src/platform/config.ts';
import { silentLog } from '../../src/platform/log.ts';
import { configSchema } from '../../src/wire/config.ts';
import type { Config } from '../../src/wire/config.ts';
import { tunnelSessionId } from '../../src/wire/ids.ts';
import { tunnelPushes, tunnelVerbs } from '../../src/wire/messages.ts';
import { stopChild } from '../support/clinic/namespace.ts';
import { table } from '../support/clinic/report.ts';
import { until } from '../support/until.ts';

const { values } = parseArgs({
  options: {
    sessions: { type: 'string', default: '300' },
    rounds: { type: 'string', default: '7' },
    images: { type: 'string', default: '500' },
  },
});
const sessions = Number(values.sessions);
const rounds = Number(values.rounds);
const images = Number(values.images);
const root = fileURLToPath(new URL('../../', import.meta.url));
const net = `127.${64 + (process.pid % 128)}.${(process.pid >> 7) % 256}`;
const device = `${net}.5`;
const gateway = `${net}.10`;
const proxy = `${net}.20`;
const ports = { echo: 7001, dicom: 11112 } as const;
/** storescp listens on every address, so the device's ports are others than the published ones. */
const devicePorts = { echo: 7011, dicom: 11122 } as const;
const paths = ['direct', 'haproxy', 'broker'] as const;
type Path = (typeof paths)[number];
const at: Record<Path, string> = { direct: device, haproxy: proxy, broker: gateway };

const DEADLINE_MS = 20_000;
const children: ChildProcess[] = [];

function run(command: string, args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  children.push(child);
  return child;
}

const portOf = (path: Path, service: keyof typeof ports): number =>
  path === 'direct' ? devicePorts[service] : ports[service];

const answers = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port }, () => resolve(true));
    socket.on('error', () => resolve(false));
    setTimeout(() => socket.destroy(), 50);
  });

const quantile = (numbers: readonly number[], q: number): number => {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
};

/** CPU seconds that a process has used: fields 14 and 15 of /proc/PID/stat, in ticks of 10 ms. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

// ── the station ─────────────────────────────────────────────────────────────────────────────────────────────

function configure(folder: string): Config {
  const uid = process.getuid?.() ?? 0;
  const policy = join(folder, 'bench.cedar');
  writeFileSync(policy, '@id("bench")\n@reason("Everything.")\npermit (principal, action, resource);\n');
  const resource = (id: keyof typeof ports, protocol: string): unknown => ({
    id,
    device: 'device',
    protocol,
    virtual: { address: gateway, port: ports[id] },
    port: devicePorts[id],
  });
  const config = configSchema.parse({
    site: { id: 'bench', name: 'Bench' },
    runtimeDir: join(folder, 'run'),
    stateDir: join(folder, 'state'),
    logLevel: 'error',
    uids: { tunnel: uid, sensor: uid, broker: uid, control: uid, audit: uid },
    overlay: { prefix: '127.0.0.0/8', resources: '127.0.0.0/8' },
    tunnel: { privateKeyFile: '/nonexistent', addresses: ['127.0.0.1/8'] },
    policy: { file: policy },
    users: [{ id: 'mara', name: 'Mara', roles: ['radiologist'] }],
    peers: [
      {
        id: 'laptop',
        publicKey: `${'A'.repeat(42)}A=`,
        allowedIps: ['127.0.0.0/8'],
        user: 'mara',
        userDevice: 'laptop',
      },
    ],
    devices: [{ id: 'device', name: 'Device', class: 'pacs', address: device }],
    resources: [resource('echo', 'tcp'), resource('dicom', 'dicom')],
  });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  return config;
}

/** The tunnel, as control asks it: the one peer has a live session. */
async function playTunnel(config: Config): Promise<{ close(): Promise<void> }> {
  const peer = config.peers[0]?.id;
  if (!peer) throw new Error('no peer');
  const endpoint = { address: '192.0.2.1', port: 51820 };
  const tunnelSession = tunnelSessionId.parse('0'.repeat(32));
  const session = {
    peer,
    tunnelSession,
    role: 'responder',
    kex: 'classical',
    endpoint,
    at: Date.now(),
  } as const;
  return serve({
    path: socketPath(config, 'tunnel'),
    verbs: { 'tunnel.status': tunnelVerbs['tunnel.status'], 'tunnel.hint': tunnelVerbs['tunnel.hint'] },
    pushes: tunnelPushes,
    access: { 'tunnel.status': ['control'], 'tunnel.hint': ['control'] },
    uids: config.uids,
    log: silentLog,
    handlers: {
      'tunnel.status': () => ({
        peers: [{ peer, session, receivedBytes: 0, sentBytes: 0, lastReceived: Date.now() }],
        port: 51820,
        health: [],
      }),
      'tunnel.hint': () => ({}),
    },
  });
}

function haproxyConfig(folder: string): string {
  const file = join(folder, 'haproxy.cfg');
  const listen = (['echo', 'dicom'] as const).map(
    (name) =>
      `listen ${name}\n  bind ${proxy}:${ports[name]}\n  server device ${device}:${devicePorts[name]}\n`,
  );
  writeFileSync(
    file,
    `global\n  nbthread 1\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n${listen.join('')}`,
  );
  return file;
}

// ── session set-up ──────────────────────────────────────────────────────────────────────────────────────────

/** Milliseconds from connect() to the device's first byte. */
async function setUp(path: Path, device: Device): Promise<number> {
  const before = performance.now();
  const arrived = device.next();
  const socket = connect({ host: at[path], port: portOf(path, 'echo'), noDelay: true }, () =>
    socket.write('x'),
  );
  socket.on('error', () => undefined);
  const failed = new Promise((resolve) => socket.once('close', resolve)).then(() => {
    throw new Error(`${path}: closed before the device heard anything`);
  });
  failed.catch(() => undefined);
  const late = setTimeout(() => socket.destroy(), DEADLINE_MS);
  const after = await Promise.race([arrived, failed]);
  clearTimeout(late);
  socket.end();
  socket.resume();
  return after - before;
}

/** The device: closes after the first byte, and says when it came. */
class Device {
  #waiting: ((at: number) => void) | undefined;
  readonly server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      this.#waiting?.(performance.now());
      this.#waiting = undefined;
      socket.end('.');
    });
  });

  next(): Promise<number> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }
}

// ── throughput ──────────────────────────────────────────────────────────────────────────────────────────────

/** A folder of CT images of 512 x 512: one file made by dcmtk, and links to it. */
async function makeImages(folder: string): Promise<{ folder: string; bytes: number }> {
  const dump = join(folder, 'ct.dump');
  const pixels = join(folder, 'pixels');
  writeFileSync(pixels, Buffer.alloc(512 * 512 * 2, 0x42));
  writeFileSync(
    dump,
    [
      '(0008,0016) UI 1.2.840.10008.5.1.4.1.1.2',
      '(0008,0018) UI 2.25.1001',
      '(0008,0060) CS CT',
      '(0010,0010) PN Bench^Image',
      '(0010,0020) LO BENCH',
      '(0020,000d) UI 2.25.1002',
      '(0020,000e) UI 2.25.1003',
      '(0028,0002) US 1',
      '(0028,0004) CS MONOCHROME2',
      '(0028,0010) US 512',
      '(0028,0011) US 512',
      '(0028,0100) US 16',
      '(0028,0101) US 16',
      '(0028,0102) US 15',
      '(0028,0103) US 0',
      `(7fe0,0010) OW =${pixels}`,
      '',
    ].join('\n'),
  );
  const first = join(folder, 'ct.dcm');
  const [code] = (await once(run('dump2dcm', [dump, first]), 'exit')) as [number];
  if (code !== 0) throw new Error('dump2dcm failed');
  const series = join(folder, 'ct');
  mkdirSync(series);
  for (let i = 0; i < images; i++) linkSync(first, join(series, `${i}.dcm`));
  return { folder: series, bytes: images * readFileSync(first).length };
}

interface Transfer {
  readonly seconds: number;
  readonly cpu: number;
}

async function store(path: Path, pdu: number, series: string, middle: number | undefined): Promise<Transfer> {
  const cpuBefore = middle === undefined ? 0 : cpuSeconds(middle);
  const before = performance.now();
  const args = [
    '-ta',
    '60',
    '-td',
    '60',
    '--max-send-pdu',
    String(pdu),
    '-aec',
    'DEVSCP',
    '+sd',
    at[path],
    String(portOf(path, 'dicom')),
    series,
  ];
  const [code] = (await once(run('storescu', args, { TCP_NODELAY: '1' }), 'exit')) as [number];
  const seconds = (performance.now() - before) / 1000;
  if (code !== 0) throw new Error(`storescu by ${path} ended with ${code}`);
  return { seconds, cpu: middle === undefined ? 0 : cpuSeconds(middle) - cpuBefore };
}

// ── the run ─────────────────────────────────────────────────────────────────────────────────────────────────

interface Row {
  readonly figure: string;
  readonly unit: string;
  readonly ours: number;
  readonly peer: number;
  readonly peer_name: string;
  readonly ratio: number;
  readonly goal: string;
}

const peerNames = { direct: 'direct connection', haproxy: 'haproxy TCP (no decision, no record)' } as const;

function rowsOf(
  figure: string,
  unit: string,
  of: (path: Path) => number,
  against: readonly ('direct' | 'haproxy')[],
): Row[] {
  const round = (n: number): number => Number(n.toPrecision(4));
  return against.map((peer) => ({
    figure,
    unit,
    ours: round(of('broker')),
    peer: round(of(peer)),
    peer_name: peerNames[peer],
    ratio: Number((of('broker') / of(peer)).toFixed(2)),
    goal: '',
  }));
}

async function measureSetUp(device: Device): Promise<Row[]> {
  const taken: Record<Path, number[]> = { direct: [], haproxy: [], broker: [] };
  for (let i = -20; i < sessions; i++) {
    // The order turns, so that nobody is always measured after the same one.
    for (let k = 0; k < paths.length; k++) {
      const path = paths[(k + i + 60) % paths.length] as Path;
      const ms = await setUp(path, device);
      if (i >= 0) taken[path].push(ms);
    }
  }
  const figure = 'session set-up, SYN to first device byte';
  return [0.5, 0.99].flatMap((q) =>
    rowsOf(`${figure}, p${q * 100}`, 'ms', (path) => quantile(taken[path], q), ['direct', 'haproxy']),
  );
}

async function measureStore(folder: string, pids: Record<'haproxy' | 'broker', number>): Promise<Row[]> {
  const series = await makeImages(folder);
  const rows: Row[] = [];
  for (const pdu of [16_384, 131_072]) {
    const taken: Record<Path, Transfer[]> = { direct: [], haproxy: [], broker: [] };
    for (let round = -1; round < rounds; round++) {
      for (let k = 0; k < paths.length; k++) {
        const path = paths[(k + round + 3) % paths.length] as Path;
        const transfer = await store(path, pdu, series.folder, path === 'direct' ? undefined : pids[path]);
        if (round >= 0) taken[path].push(transfer);
        process.stderr.write(
          `PDU ${pdu} ${path}: ${(series.bytes / 1e6 / transfer.seconds).toFixed(0)} MB/s\n`,
        );
      }
    }
    const speed = (path: Path): number =>
      series.bytes /
      1e6 /
      quantile(
        taken[path].map((r) => r.seconds),
        0.5,
      );
    const cpu = (path: Path): number =>
      quantile(
        taken[path].map((r) => r.cpu),
        0.5,
      ) /
      (series.bytes / 1e9);
    const name = `C-STORE, PDU ${pdu / 1024} KiB`;
    rows.push(...rowsOf(`${name}, throughput`, 'MB/s', speed, ['direct', 'haproxy']));
    rows.push(...rowsOf(`${name}, CPU of the middle process`, 's/GB', cpu, ['haproxy']));
  }
  return rows;
}

async function bench(): Promise<void> {
  mkdirSync(join(root, 'build/bench'), { recursive: true });
  // On the disk that holds the build, not in a memory file system: the log's fsync is part of what is measured.
  const folder = mkdtempSync(join(root, 'build/bench/broker-'));
  const closing: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  try {
    const config = configure(folder);
    const echo = new Device();
    echo.server.listen(devicePorts.echo, device);
    await once(echo.server, 'listening');
    closing.push(() => echo.server.close());
    const scp = ['-dhl', '--ignore', '-aet', 'DEVSCP', '--max-pdu', '131072', String(devicePorts.dicom)];
    run('storescp', scp, { TCP_NODELAY: '1' });
    const haproxy = run('haproxy', ['-f', haproxyConfig(folder), '-db', '-q']);
    const tunnel = await playTunnel(config);
    closing.push(() => tunnel.close());
    const env = { ANTEROOM_CONFIG: join(folder, 'config.json') };
    const [broker] = ['broker', 'control', 'audit'].map((name) =>
      run(process.execPath, [join(root, `src/main/${name}.ts`)], env),
    );
    for (const path of paths)
      for (const service of ['echo', 'dicom'] as const)
        await until(`${service} answers, ${path}`, () => answers(at[path], portOf(path, service)));
    await until('a session is permitted', () =>
      setUp('broker', echo).then(
        () => true,
        () => false,
      ),
    );

    const rows = [
      ...(await measureSetUp(echo)),
      ...(await measureStore(folder, { haproxy: haproxy.pid ?? 0, broker: broker?.pid ?? 0 })),
    ];
    writeFileSync(join(root, 'build/bench/broker.json'), `${JSON.stringify(rows, undefined, 2)}\n`);
    process.stdout.write(
      `Broker: decided, written to disk, relayed, on loopback. ${sessions} sessions; medians of ${rounds} transfers of ${images} images.\n\n`,
    );
    const cells = rows.map((r) => [
      r.figure,
      r.unit,
      String(r.ours),
      String(r.peer),
      r.peer_name,
      String(r.ratio),
    ]);
    process.stdout.write(`${table(['figure', 'unit', 'ours', 'peer', 'peer is', 'ratio'], cells)}\n`);
  } finally {
    for (const child of children) await stopChild(child);
    for (const close of closing.reverse()) await close();
  }
}

await bench();
