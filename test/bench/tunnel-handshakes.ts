/**
 * Handshakes a second as the responder: our whole tunnel process, classical and hybrid, and wireguard-go, each with
 * the same number of peers that initiate from as many addresses. Every response is a finished exchange of keys on the
 * responder's side.
 */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startCommand } from '../../src/platform/supervise/privilege.ts';
import { prepareGateway, tunnelPort } from '../support/clinic/gateway.ts';
import { makeKeyPair } from '../support/clinic/keys.ts';
import { removeAll, takeLease, type Lease } from '../support/clinic/lease.ts';
import { type Namespace, stopChild, until } from '../support/clinic/namespace.ts';
import { startRemote } from '../support/clinic/remote.ts';
import type { InitiatorsAnswer, InitiatorsRequest } from './tunnel-initiators.ts';

const PEERS = 250;

export interface HandshakeRates {
  readonly classical: number[];
  readonly hybrid: number[];
  readonly peer: number[];
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
  for (const base of [files.config.runtimeDir, files.config.stateDir]) {
    const folder = join(base, 'tunnel');
    mkdirSync(folder, { recursive: true });
    chownSync(folder, files.config.uids.tunnel, files.config.uids.tunnel);
  }
  const child = spawn(
    'setpriv',
    [
      '--pdeathsig=KILL',
      'nsenter',
      `--net=/run/netns/${far.name}`,
      ...startCommand('tunnel', files.config.uids, [process.execPath, join(root, 'src/main/tunnel.ts')]),
    ],
    { env: { ...process.env, ANTEROOM_CONFIG: files.configFile }, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  await until('our tunnel is up', () => {
    if (child.exitCode !== null) throw new Error(`the tunnel process ended with ${child.exitCode}`);
    return /anteroom0.*(UP|UNKNOWN)/.test(far.ip('-br', 'link'));
  });
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

async function measure(
  root: string,
  connect: Connect,
  rounds: number,
  hybrid: boolean,
  start: (lease: Lease, far: Namespace) => Promise<Responder>,
): Promise<number[]> {
  const lease = takeLease();
  const { near, far } = connect(lease);
  let initiators: ChildProcess | undefined;
  try {
    near.ip('route', 'add', 'local', '198.18.0.0/15', 'dev', 'lo');
    far.ip('route', 'add', '198.18.0.0/15', 'via', '192.0.2.2');
    const responder = await start(lease, far);
    initiators = fork(join(root, 'test/bench/tunnel-initiators.ts'), {
      execPath: 'setpriv',
      execArgv: ['--pdeathsig=KILL', 'nsenter', `--net=/run/netns/${near.name}`, process.execPath],
    });
    const rates: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      const request: InitiatorsRequest = {
        responder: responder.publicKey,
        privateKeys: people.map(({ privateKey }) => privateKey),
        address: '192.0.2.1',
        port: responder.port,
        hybrid,
      };
      const answered = once(initiators, 'message') as Promise<[InitiatorsAnswer]>;
      initiators.send(request);
      const [{ perSecond, lost }] = await answered;
      if (lost > PEERS / 50) throw new Error(`${lost} of ${PEERS} handshakes were not answered`);
      // The first round warms up.
      if (round > 0) rates.push(perSecond);
    }
    await responder.stop();
    return rates;
  } finally {
    if (initiators) await stopChild(initiators);
    removeAll(lease.prefix);
  }
}

export async function handshakeRates(
  root: string,
  connect: Connect,
  rounds: number,
): Promise<HandshakeRates> {
  const half = Math.ceil(rounds / 2);
  const classical = () => measure(root, connect, half, false, (lease, far) => ours(root, lease, far, false));
  const hybrid = () => measure(root, connect, half, true, (lease, far) => ours(root, lease, far, true));
  const peer = () => measure(root, connect, half, false, stock);
  const rates: HandshakeRates = { classical: [], hybrid: [], peer: [] };
  for (let turn = 0; turn < 2; turn++) {
    rates.classical.push(...(await classical()));
    rates.peer.push(...(await peer()));
    rates.hybrid.push(...(await hybrid()));
  }
  return rates;
}
