/**
 * Bench of the tunnel: iperf3 TCP through our tunnel process and TUN against wireguard-go at both ends, in the same two
 * namespaces, interleaved, medians of short runs. The remote end is a stock wireguard-go in both. Packet filter off.
 *
 *   node test/bench/tunnel.ts [--rounds 5] [--seconds 3]  →  build/bench/tunnel.json
 *
 * CPU is of both ends' tunnel processes, from /proc/PID/stat, a gigabyte of payload.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startCommand } from '../../src/platform/supervise/privilege.ts';
import { MissingCapability, requireCapabilities } from '../support/clinic/capability.ts';
import { people, prepareGateway, tunnelPort } from '../support/clinic/gateway.ts';
import { clearStale, removeAll, takeLease } from '../support/clinic/lease.ts';
import { Namespace, stopChild, until } from '../support/clinic/namespace.ts';
import { startRemote } from '../support/clinic/remote.ts';
import { table } from '../support/clinic/report.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '3' } },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const root = fileURLToPath(new URL('../../', import.meta.url));

interface Measured {
  readonly megabits: number;
  readonly cpuSecondsPerGigabyte: number;
}

const median = (numbers: readonly number[]): number => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? 0)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
};

/** CPU seconds that a process has used: fields 14 and 15 of /proc/PID/stat, in ticks of 10 ms. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** One iperf3 run from `client` to `address` in `server`'s namespace. */
async function iperf(
  client: Namespace,
  server: Namespace,
  address: string,
  reverse: boolean,
  pids: readonly number[],
): Promise<Measured> {
  const listening = server.spawn('iperf3', ['-s', '-1', '-p', '5201']);
  await until('iperf3 listens', () => server.listens(5201));
  const before = pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const args = ['-c', address, '-p', '5201', '-t', String(seconds), '-J', ...(reverse ? ['-R'] : [])];
  const outcome = await client.run('iperf3', args, { timeoutMs: (seconds + 20) * 1000 });
  const after = pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  await stopChild(listening);
  const report = JSON.parse(outcome.stdout) as {
    error?: string;
    end: { sum_received: { bits_per_second: number; bytes: number } };
  };
  if (outcome.code !== 0) throw new Error(`iperf3 to ${address}: ${report.error ?? outcome.stderr}`);
  const { bits_per_second: bits, bytes } = report.end.sum_received;
  return { megabits: bits / 1e6, cpuSecondsPerGigabyte: (after - before) / (bytes / 1e9) };
}

async function bench(): Promise<void> {
  requireCapabilities({ iperf3: 'iperf3' });
  clearStale();
  const lease = takeLease();
  const children: ChildProcess[] = [];
  try {
    const [near, far] = [
      Namespace.create(`${lease.prefix}-remote`),
      Namespace.create(`${lease.prefix}-gateway`),
    ];
    near.ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'uplink0', 'netns', far.name);
    for (const [namespace, name, address] of [
      [near, 'eth0', '192.0.2.2/24'],
      [far, 'uplink0', '192.0.2.1/24'],
    ] as const) {
      namespace.ip('addr', 'add', address, 'dev', name);
      namespace.ip('link', 'set', name, 'up');
    }
    const files = prepareGateway(lease);

    // Ours: the tunnel process alone, as its own user.
    for (const base of [files.config.runtimeDir, files.config.stateDir]) {
      const folder = join(base, 'tunnel');
      mkdirSync(folder, { recursive: true });
      chownSync(folder, files.config.uids.tunnel, files.config.uids.tunnel);
    }
    const ours = spawn(
      'setpriv',
      [
        '--pdeathsig=KILL',
        'nsenter',
        `--net=/run/netns/${far.name}`,
        ...startCommand('tunnel', files.config.uids, [process.execPath, join(root, 'src/main/tunnel.ts')]),
      ],
      { env: { ...process.env, ANTEROOM_CONFIG: files.configFile }, stdio: ['ignore', 'ignore', 'inherit'] },
    );
    children.push(ours);
    await until('our tunnel is up', () => {
      if (ours.exitCode !== null) throw new Error(`the tunnel process ended with ${ours.exitCode}`);
      return /anteroom0.*(UP|UNKNOWN)/.test(far.ip('-br', 'link'));
    });
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

    // The peer: wireguard-go at both ends.
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

    const ends = {
      ours: { address: '100.96.0.1', pids: [ours.pid ?? 0, toOurs.pid] },
      peer: { address: '100.97.0.1', pids: [farStock.pid, nearStock.pid] },
    } as const;
    const results = { up: { ours: [], peer: [] }, down: { ours: [], peer: [] } } as Record<
      'up' | 'down',
      Record<'ours' | 'peer', Measured[]>
    >;
    for (let round = 0; round < rounds; round++) {
      for (const direction of ['up', 'down'] as const) {
        // Who goes first alternates, so that neither always meets the machine warm.
        const order = round % 2 === 0 ? (['ours', 'peer'] as const) : (['peer', 'ours'] as const);
        for (const end of order) {
          const measured = await iperf(near, far, ends[end].address, direction === 'down', ends[end].pids);
          results[direction][end].push(measured);
          process.stderr.write(
            `round ${round + 1} ${direction} ${end}: ${measured.megabits.toFixed(0)} Mbit/s\n`,
          );
        }
      }
    }

    const rows = (['up', 'down'] as const).flatMap((direction) => {
      const of = (end: 'ours' | 'peer', field: keyof Measured): number =>
        median(results[direction][end].map((measured) => measured[field]));
      const figure = (name: string, unit: string, field: keyof Measured, goal: string, digits: number) => {
        const [mine, theirs] = [of('ours', field), of('peer', field)];
        const round = (n: number): number => Number(n.toFixed(digits));
        return {
          figure: `${name}, ${direction === 'up' ? 'user to gateway' : 'gateway to user'}`,
          unit,
          ours: round(mine),
          peer: round(theirs),
          peer_name: 'wireguard-go at both ends',
          ratio: Number((mine / theirs).toFixed(2)),
          goal,
        };
      };
      return [
        figure('TCP throughput', 'Mbit/s', 'megabits', '>= 1', 0),
        figure('CPU of both ends', 's/GB', 'cpuSecondsPerGigabyte', '<= 1', 2),
      ];
    });
    const folder = join(root, 'build/bench');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'tunnel.json'), `${JSON.stringify(rows, undefined, 2)}\n`);
    process.stdout.write(
      `Tunnel: our gateway with a stock wireguard-go remote, against wireguard-go at both ends.\nMedians of ${rounds} interleaved runs of ${seconds} s.\n\n`,
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
  } finally {
    await Promise.all(children.map((child) => stopChild(child)));
    removeAll(lease.prefix);
  }
}

try {
  await bench();
  process.exit(0);
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(error instanceof MissingCapability ? error.code : 1);
}
