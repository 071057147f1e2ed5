/**
 * One gateway and a thousand peers on a real network: each with an address, a socket and a state machine of its own,
 * in one process; and three of the newest stock wireguard-go. All shake hands and carry data, memory is bounded, who has
 * nothing to say says nothing, and a flood from one address neither delays others nor has them asked for cookies.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { newestBuild, use } from '../support/peers/wireguard-go.ts';
import { callerAddress, callerKey } from '../tunnel/callers.ts';
import type { CallerCounters } from '../tunnel/callers.ts';
import { ThreeWay, makeKeys, root, run, spawnIn } from '../tunnel/gateways.ts';
import type { PeerOf } from '../tunnel/gateways.ts';
import { uapiListens, uapiSocket } from '../support/uapi.ts';
import { until } from '../support/until.ts';

t.jobs = 1;
t.setTimeout(240_000);
use(newestBuild());

const PEERS = 1000;
/** Peers that call while the gateway is flooded. */
const LATE = 40;
const STOCK = 3;
/** Resident memory a peer with a session may cost, in KiB. */
const KIB_A_PEER = 48;

/** Resident memory, KiB. */
const resident = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]);
/** Processor time of all threads, in hundredths of a second. */
const spent = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /, '')
    .split(' ');
  return Number(fields[11]) + Number(fields[12]);
};

/** The callers' process. */
class Callers {
  readonly #child: ChildProcess;
  #counters: CallerCounters | undefined;
  lines = 0;

  constructor(namespace: string, gatewayKey: string) {
    const args = [join(root, 'test/tunnel/callers.ts'), String(PEERS + LATE), gatewayKey, '192.0.2.1'];
    this.#child = spawn('ip', ['netns', 'exec', namespace, process.execPath, ...args], {
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let text = '';
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      this.lines += lines.length;
      const last = lines.at(-1);
      if (last !== undefined) this.#counters = JSON.parse(last) as CallerCounters;
    });
  }

  get counters(): CallerCounters {
    if (!this.#counters) throw new Error('the callers have not said anything yet');
    return this.#counters;
  }

  ping(from: number, to: number): void {
    this.#child.stdin?.write(`${JSON.stringify({ ping: [from, to] })}\n`);
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await ended;
  }
}

/** Initiations with a good mac1 and nothing behind it, from one address, for as long as it lives. Prints cookies. */
const flood = (key: string): string => `
  import dgram from 'node:dgram';
  import { randomBytes } from 'node:crypto';
  const { CookieGenerator } = await import('${root}src/tunnel/cookie.ts');
  const { PublicKey } = await import('${root}src/crypto/public-key.ts');
  const generator = new CookieGenerator(PublicKey.fromText('${key}'));
  const s = dgram.createSocket('udp4');
  let cookies = 0;
  s.on('message', (m) => { if (m[0] === 3 && cookies++ === 0) console.log('cookies'); });
  s.bind(0, '192.0.2.2', () => setInterval(() => {
    for (let i = 0; i < 20; i++) {
      const b = randomBytes(148);
      b.set([1, 0, 0, 0]);
      generator.addMacs(b, 0);
      s.send(b, 51820, '192.0.2.1');
    }
  }, 10));`;

void t.test('a thousand peers', async (t) => {
  const network = await ThreeWay.make();
  const { a, names } = network;
  const children: ChildProcess[] = [];
  const devices = Array.from({ length: STOCK }, (_, i) => `${network.device}${i}`);
  const stocks = devices.map((device, i) => ({ device, keys: makeKeys(), address: `100.96.1.${i + 1}` }));
  let callers: Callers | undefined;
  try {
    await run('ip', ['-n', names[1], 'route', 'add', 'local', '10.77.0.0/16', 'dev', 'lo']);
    await run('ip', ['-n', names[0], 'route', 'add', '10.77.0.0/16', 'via', '192.0.2.2']);
    const kex = 'classical';
    await a.prepare('100.96.0.1', [
      ...Array.from({ length: PEERS + LATE }, (_, n): PeerOf => ({
        id: `caller-${n}`,
        key: callerKey(n),
        address: callerAddress(n),
        kex,
      })),
      ...stocks.map(({ keys, address }, i): PeerOf => ({ id: `stock-${i}`, key: keys.public, address, kex })),
    ]);
    await a.start();
    for (const [i, { device, keys, address }] of stocks.entries()) {
      const env = { ...process.env, WG_PROCESS_FOREGROUND: '1', LOG_LEVEL: 'error' };
      const args = ['netns', 'exec', names[2], 'wireguard-go', '-f', device];
      const child = spawn('ip', args, { env, stdio: 'ignore' });
      children.push(child);
      await uapiListens(child, device);
      const file = join(network.folder, `${device}.key`);
      writeFileSync(file, keys.secret.toString('base64'), { mode: 0o600 });
      const peer = ['peer', a.keys.public, 'allowed-ips', '100.96.0.1/32', 'endpoint', '198.51.100.1:51820'];
      await network.wg('set', device, 'listen-port', String(51820 + i), 'private-key', file, ...peer);
      await run('ip', ['-n', names[2], 'address', 'add', `${address}/32`, 'dev', device]);
      await run('ip', ['-n', names[2], 'link', 'set', device, 'mtu', '1420', 'up']);
    }
    callers = new Callers(names[1], a.keys.public);
    const crowd = callers;
    await until('the callers are there', () => crowd.lines > 0);

    const before = resident(a.pid);
    const began = performance.now();
    crowd.ping(0, PEERS);
    await until('each has its answer', () => crowd.counters.answered === PEERS);
    t.comment(`${PEERS} callers at once: all answered after ${Math.round(performance.now() - began)} ms`);
    for (const { device, address } of stocks) {
      // A call just after the crowd's may have to come again with a cookie, 5 s later; what waits for it isn't lost.
      const args = ['-q', '-c3', '-i0.1', '-W60', '-I', address, '100.96.0.1'];
      await run('ip', ['-n', names[2], 'route', 'replace', '100.96.0.1', 'dev', device]);
      t.match(await spawnIn(names[2], 'ping', args), ' 0% packet loss', `${device}, a stock peer`);
    }
    crowd.ping(0, PEERS);
    await until('each has its second', () => crowd.counters.answers === 2 * PEERS);
    t.comment(`a second answer to each within ${Math.round(crowd.counters.slowest)} ms`);
    const of = (ids: string): number =>
      a.only('tunnel.session').filter((e) => e.body.peer.startsWith(ids)).length;
    await until('sessions on record', () => of('caller-') >= PEERS && of('stock-') >= STOCK);
    t.equal(of('caller-'), PEERS, 'one session each served it');
    const cost = (resident(a.pid) - before) / PEERS;
    t.comment(`resident memory: ${before} KiB before, ${cost.toFixed(1)} KiB more a peer`);
    t.ok(cost < KIB_A_PEER, 'memory is bounded');

    // Silence: after the passive keepalives of the last packets, 10 s later, nobody sends anything.
    const { datagrams: active } = crowd.counters;
    await until('the passive keepalives', () => crowd.counters.datagrams >= active + PEERS);
    let last = crowd.counters.datagrams;
    let since = performance.now();
    await until('five seconds of silence', () => {
      if (crowd.counters.datagrams !== last) {
        last = crowd.counters.datagrams;
        since = performance.now();
      }
      return performance.now() - since > 5000;
    });
    const idle = spent(a.pid);
    const quiet = performance.now();
    await until('five seconds more', () => performance.now() - quiet > 5000);
    t.equal(crowd.counters.datagrams, last, 'not a datagram in ten seconds');
    t.ok(spent(a.pid) - idle <= 10, `${(spent(a.pid) - idle) * 10} ms of processor time in five of them`);

    // A flood of one address: others call, at once and without a cookie.
    const { cookies } = crowd.counters;
    const script = flood(a.keys.public);
    const args = ['netns', 'exec', names[1], process.execPath, '--input-type=module', '-e', script];
    const flooder = spawn('ip', args, {
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(flooder);
    let asked = false;
    flooder.stdout.on('data', () => (asked = true));
    await until('the flooder is asked for cookies', () => asked);
    const calls = crowd.counters.initiations;
    for (let n = PEERS; n < PEERS + LATE; n += 4) {
      crowd.ping(n, n + 4);
      await until('those who call have their answers', () => crowd.counters.answered === n + 4);
      t.ok(crowd.counters.slowest < 2000, `in ${Math.round(crowd.counters.slowest)} ms`);
    }
    t.equal(crowd.counters.cookies, cookies, 'none of them was asked for a cookie');
    t.equal(crowd.counters.initiations - calls, LATE, 'nor had to call twice');
    const refused = a.only('tunnel.refused');
    t.ok(refused.length < 20, `${refused.length} records of it`);
  } catch (error) {
    throw new Error(`${String(error)}\n${a.log.slice(-2000)}`, { cause: error });
  } finally {
    await callers?.close();
    for (const child of children) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.signalCode === null && child.kill('SIGKILL')) await ended;
    }
    for (const device of devices) rmSync(uapiSocket(device), { force: true });
    await network.close();
  }
});
