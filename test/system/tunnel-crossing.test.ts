/**
 * Two gateways that both begin a handshake at each rekey, on a way of 260 to 300 ms each way on which packets overtake
 * one another: ten rekeys and more, hurried, with pings in both directions of which none may be lost.
 */
import { spawn } from 'node:child_process';
import t from 'tap';
import type { Test } from 'tap';
import type { KexPolicy } from '../../src/wire/action.ts';
import { ThreeWay, run } from '../tunnel/gateways.ts';
import { until } from '../support/until.ts';

t.setTimeout(120_000);

const PINGS = 3000;
const INTERVAL = '0.012';
/** Nobody yields, so what crossed once goes on crossing. */
const HURRIED = { REKEY_AFTER_TIME: 3000, REKEY_TIMEOUT: 1000, REKEY_YIELD_TIME: 0 };

/** In a's namespace: what a sends to 127.0.0.1:7001 reaches b from 192.0.2.1:7002, and the other way round, later. */
const relay = `
  import dgram from 'node:dgram';
  const near = dgram.createSocket('udp4');
  const far = dgram.createSocket('udp4');
  const late = (f) => setTimeout(f, 260 + Math.random() * 40);
  near.on('message', (m) => late(() => far.send(m, 51820, '192.0.2.2')));
  far.on('message', (m) => late(() => near.send(m, 51820, '127.0.0.1')));
  near.bind(7001, '127.0.0.1', () => far.bind(7002, '192.0.2.1', () => console.log('ready')));`;

async function ping(from: string, to: string): Promise<{ sent: number; received: number }> {
  const args = ['-q', '-i', INTERVAL, '-c', String(PINGS), '-W', '5', to];
  const { stdout } = await run('ip', ['netns', 'exec', from, 'ping', ...args], {
    timeout: 90_000,
  });
  const counted = /(\d+) packets transmitted, (\d+) received/.exec(stdout);
  return { sent: Number(counted?.[1]), received: Number(counted?.[2]) };
}

async function crossing(t: Test, kex: KexPolicy): Promise<void> {
  const network = await ThreeWay.make();
  const { a, b, names } = network;
  const box = spawn('ip', ['netns', 'exec', names[0], process.execPath, '--input-type=module', '-e', relay], {
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    let ready = false;
    box.stdout.on('data', () => (ready = true));
    await until('the relay is there', () => ready);
    await a.prepare('100.96.0.1', [
      { id: 'b', key: b.keys.public, address: '100.96.0.2', kex, endpoint: '127.0.0.1', port: 7001 },
    ]);
    await b.prepare('100.96.0.2', [
      { id: 'a', key: a.keys.public, address: '100.96.0.1', kex, endpoint: '192.0.2.1', port: 7002 },
    ]);
    await Promise.all([a.start(HURRIED), b.start(HURRIED)]);
    const counts = await Promise.all([ping(names[0], '100.96.0.2'), ping(names[1], '100.96.0.1')]);
    const sessions = [a, b].map((gateway) => gateway.only('tunnel.session'));
    for (const [i, { sent, received }] of counts.entries()) {
      t.same([sent, received], [PINGS, PINGS], `${kex}: each ping is answered`);
      const of = sessions[i] ?? [];
      t.ok(of.length > 10, `${kex}: ${of.length} sessions`);
      const crossed = of.filter((session, at) => session.at - (of[at - 1]?.at ?? 0) < 1000);
      t.ok(crossed.length >= 5, `${kex}: ${crossed.length} times, two at once`);
    }
    const [atA, atB] = sessions.map((of) => new Set(of.map((e) => e.body.tunnelSession)));
    const common = [...(atA ?? [])].filter((id) => atB?.has(id));
    t.ok(common.length >= Math.max(atA?.size ?? 0, atB?.size ?? 0) - 2, `${kex}: both tell of the same ones`);
  } catch (error) {
    throw new Error(`${String(error)}\na:\n${a.log.slice(-2000)}\nb:\n${b.log.slice(-2000)}`, {
      cause: error,
    });
  } finally {
    box.kill('SIGKILL');
    await network.close();
  }
}

void t.test('both ends begin at each rekey: nothing is lost', async (t) => {
  await Promise.all([crossing(t, 'classical'), crossing(t, 'hybrid-required')]);
});
