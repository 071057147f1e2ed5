/**
 * Handshakes a second as the responder: our whole tunnel process, classical and hybrid, and wireguard-go, each with
 * the same peers, which initiate from as many addresses. Every response is a finished exchange of keys on the
 * responder's side; ours has also put the peer's timestamp on the disk before it answers, which wireguard-go doesn't.
 *
 * Fair: all three are up at once, each alone in its namespaces, and take turns round by round, so whatever else the
 * machine does meets all of them. In a round each peer initiates once, WAITING at a time: enough that the responder
 * always has work, and so few that neither takes it for a flood and asks for cookies. Initiations are made before the clock
 * starts, the initiators only send and count, and they are the same program for all three; but they and the
 * responder share the machine's cores, so the figure is of both.
 */
import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { prepareGateway, tunnelPort } from '../support/clinic/gateway.ts';
import { makeKeyPair } from '../support/clinic/keys.ts';
import { removeAll, takeLease, type Lease } from '../support/clinic/lease.ts';
import { type Namespace, stopChild } from '../support/clinic/namespace.ts';
import { startRemote } from '../support/clinic/remote.ts';
import type { InitiatorsAnswer, InitiatorsRequest } from './tunnel-initiators.ts';
import { startTunnelProcess } from './tunnel-process.ts';

const PEERS = 1000;
/** Rounds that aren't counted. */
const WARM_UP = 2;
const WAITING = 16;

/** A round: handshakes a second, and CPU time of the responder's processes for one (in ticks of 10 ms, over PEERS). */
export interface Sample {
  readonly perSecond: number;
  readonly cpuMicros: number;
}

export interface HandshakeRates {
  readonly classical: Sample[];
  readonly hybrid: Sample[];
  readonly peer: Sample[];
}

type Connect = (lease: Lease) => { readonly near: Namespace; readonly far: Namespace };
interface Responder {
  readonly publicKey: string;
  readonly port: number;
  readonly stop: () => Promise<void>;
}

const people = Array.from({ length: PEERS }, makeKeyPair);
const inner = (i: number): string => `100.96.${100 + (i >> 8)}.${i & 255}/32`;

async function ours(root: string, lease: Lease, far: Namespace, hybrid: boolean): Promise<Responder> {
  const files = prepareGateway(lease, (config) => {
    const [first] = config.peers ?? [];
    if (!first) throw new Error('a gateway without peers');
    config.peers = people.map(({ publicKey }, i) => {
      const { presharedKeyFile: _none, ...rest } = first;
      const kex = hybrid ? ('hybrid-required' as const) : ('classical' as const);
      return { ...rest, id: `bench-${i}`, publicKey, allowedIps: [inner(i)], kex };
    });
  });
  const child = await startTunnelProcess(root, files, far);
  return { publicKey: files.publicKey, port: tunnelPort, stop: () => stopChild(child) };
}

async function stock(lease: Lease, far: Namespace): Promise<Responder> {
  const pair = makeKeyPair();
  const remote = await startRemote(lease, far, {
    name: 'h',
    privateKey: pair.privateKey,
    address: '100.97.0.1',
    listenPort: tunnelPort,
    gateway: { publicKey: people[0]?.publicKey ?? '', allowedIps: [inner(0)] },
  });
  const file = join(lease.folder, 'peers.conf');
  writeFileSync(
    file,
    people
      .slice(1)
      .map(({ publicKey }, i) => `[Peer]\nPublicKey = ${publicKey}\nAllowedIPs = ${inner(i + 1)}\n`)
      .join(''),
    { mode: 0o600 },
  );
  const { code, stderr } = await far.run('wg', ['addconf', remote.interfaceName, file]);
  if (code !== 0) throw new Error(`wg addconf: ${stderr}`);
  return { publicKey: pair.publicKey, port: tunnelPort, stop: () => remote.stop() };
}

type Start = (lease: Lease, far: Namespace) => Promise<Responder>;

/** Of every process in the namespace: fields 14 and 15 of /proc/PID/stat. */
function cpuSeconds(space: Namespace): number {
  const pids = execFileSync('ip', ['netns', 'pids', space.name], { encoding: 'utf8' }).trim().split('\n');
  const ticks = pids.map((pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, each) => sum + each, 0) / 100;
}

/** A responder and its initiators, in namespaces of their own. */
interface Bench {
  readonly round: () => Promise<Sample>;
  readonly stop: () => Promise<void>;
}

async function bench(root: string, connect: Connect, hybrid: boolean, start: Start): Promise<Bench> {
  const lease = takeLease();
  let initiators: ChildProcess | undefined;
  let responder: Responder | undefined;
  const stop = async (): Promise<void> => {
    if (initiators) await stopChild(initiators);
    await responder?.stop();
    removeAll(lease.prefix);
  };
  try {
    const { near, far } = connect(lease);
    near.ip('route', 'add', 'local', '198.18.0.0/15', 'dev', 'lo');
    far.ip('route', 'add', '198.18.0.0/15', 'via', '192.0.2.2');
    responder = await start(lease, far);
    const child = fork(join(root, 'test/bench/tunnel-initiators.ts'), {
      execPath: 'setpriv',
      execArgv: ['--pdeathsig=KILL', 'nsenter', `--net=/run/netns/${near.name}`, process.execPath],
    });
    initiators = child;
    const request: InitiatorsRequest = {
      responder: responder.publicKey,
      privateKeys: people.map(({ privateKey }) => privateKey),
      address: '192.0.2.1',
      port: responder.port,
      hybrid,
      waiting: WAITING,
    };
    const ended = once(child, 'exit').then(() => {
      throw new Error('the initiators ended');
    });
    ended.catch(() => undefined);
    const round = async (): Promise<Sample> => {
      const answered = once(child, 'message') as Promise<[InitiatorsAnswer]>;
      const before = cpuSeconds(far);
      child.send(request);
      const [{ perSecond, lost }] = await Promise.race([answered, ended]);
      if (lost > PEERS / 50) throw new Error(`${lost} of ${PEERS} handshakes were not answered`);
      return { perSecond, cpuMicros: ((cpuSeconds(far) - before) * 1e6) / PEERS };
    };
    return { round, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

export async function handshakeRates(
  root: string,
  connect: Connect,
  rounds: number,
): Promise<HandshakeRates> {
  const rates: HandshakeRates = { classical: [], hybrid: [], peer: [] };
  const benches: [Sample[], Bench][] = [];
  try {
    const add = async (into: Sample[], hybrid: boolean, start: Start): Promise<void> => {
      benches.push([into, await bench(root, connect, hybrid, start)]);
    };
    await add(rates.classical, false, (lease, far) => ours(root, lease, far, false));
    await add(rates.peer, false, stock);
    await add(rates.hybrid, true, (lease, far) => ours(root, lease, far, true));
    for (let round = -WARM_UP; round < rounds; round++)
      for (const [into, { round: run }] of benches) {
        const sample = await run();
        if (round >= 0) into.push(sample);
      }
  } finally {
    for (const [, { stop }] of benches) await stop();
  }
  return rates;
}
