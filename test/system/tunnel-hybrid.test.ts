/**
 * The hybrid handshake on a real network: two gateways of ours that require it, a stock wireguard-go on the same port,
 * replays across a kill, the operator's reset.
 */
import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { ThreeWay, makeKeys, root, run, spawnIn } from '../tunnel/gateways.ts';
import type { PeerOf } from '../tunnel/gateways.ts';
import { until } from '../support/until.ts';

t.jobs = 1;

async function inNetwork(body: (network: ThreeWay) => Promise<void>): Promise<void> {
  const network = await ThreeWay.make();
  try {
    await body(network);
  } catch (error) {
    const { a, b } = network;
    throw new Error(`${String(error)}\na:\n${a.log.slice(-3000)}\nb:\n${b.log.slice(-3000)}`, {
      cause: error,
    });
  } finally {
    await network.close();
  }
}

const ping = async (from: string, to: string, count = 5): Promise<string> =>
  await spawnIn(from, 'ping', ['-c', String(count), '-i', '0.2', '-W', '5', to]);

/** Bytes to a TCP echo in `server`'s namespace and back, compared. */
async function echo(client: string, server: string, address: string, bytes: number): Promise<void> {
  const service = spawn(
    'ip',
    [
      'netns',
      'exec',
      server,
      process.execPath,
      '-e',
      `require('net').createServer((c) => { c.pipe(c); c.on('error', () => {}); })
         .listen(7777, '${address}', () => console.log('ready'));`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, NODE_OPTIONS: '' } },
  );
  try {
    let ready = false;
    service.stdout.on('data', () => (ready = true));
    await until('the echo service listens', () => ready);
    await spawnIn(client, process.execPath, [
      '-e',
      `const data = require('crypto').randomBytes(${bytes}); const got = [];
       const c = require('net').connect(7777, '${address}');
       c.on('data', (d) => got.push(d));
       c.on('end', () => process.exit(Buffer.concat(got).equals(data) ? 0 : 3));
       c.on('error', () => process.exit(4));
       c.end(data);`,
    ]);
  } finally {
    const ended = new Promise((resolve) => service.once('exit', resolve));
    service.kill('SIGKILL');
    await ended;
  }
}

const hybrid = (over: Omit<PeerOf, 'kex'>): PeerOf => ({ ...over, kex: 'hybrid-required' });

for (const [psk, outside, seen] of [
  [undefined, '192.0.2.1', '192\\.0\\.2\\.2:51820'],
  [randomBytes(32), '192.0.2.1', '192\\.0\\.2\\.2:51820'],
  [undefined, '2001:db8::1', '\\[2001:db8::2\\]:51820'],
] as const) {
  const name = `${psk ? 'with' : 'without'} a pre-shared key, by way of ${outside}`;
  void t.test(`two gateways ${name}, and a stock peer on the same port`, async (t) => {
    await inNetwork(async (network) => {
      const { a, b } = network;
      const [nsA, nsB, nsC] = network.names;
      const shared = psk && { psk };
      await a.prepare('100.96.0.1', [
        hybrid({ id: 'b', key: b.keys.public, address: '100.96.0.2', ...shared }),
        { id: 'c', key: network.stock.public, address: '100.96.0.3', kex: 'classical' },
      ]);
      await b.prepare('100.96.0.2', [
        hybrid({ id: 'a', key: a.keys.public, address: '100.96.0.1', endpoint: outside, ...shared }),
      ]);
      await a.start();
      await b.start();
      await network.startStock();
      t.match(await ping(nsB, '100.96.0.1'), ' 0% packet loss', 'the first packet waits and is not lost');
      t.match(await ping(nsA, '100.96.0.2'), ' 0% packet loss');
      t.match(await ping(nsC, '100.96.0.1'), ' 0% packet loss', 'the stock peer as well');
      await echo(nsB, nsA, '100.96.0.1', 2_000_000);
      await echo(nsA, nsB, '100.96.0.2', 2_000_000);
      await echo(nsC, nsA, '100.96.0.1', 500_000);
      const atA = await until(
        'records',
        () => a.only('tunnel.session').length >= 2 && a.only('tunnel.session'),
      );
      const atB = await until('a record', () => b.only('tunnel.session'));
      const hybridAtA = atA.filter((e) => e.body.peer === 'b');
      t.equal(hybridAtA.length, 1, 'one session served all of it');
      t.equal(atB.length, 1);
      t.match(hybridAtA[0]?.body, { kex: 'hybrid', role: 'responder', path: 'direct' });
      t.match(atB[0]?.body, { kex: 'hybrid', role: 'initiator', path: 'direct' });
      t.equal(atB[0]?.body.tunnelSession, hybridAtA[0]?.body.tunnelSession, 'one identity on both ends');
      t.match(atA.find((e) => e.body.peer === 'c')?.body, { kex: 'classical' });
      t.match(await a.peer('b'), { policy: 'hybrid-required', session: { kex: 'hybrid' } });

      const table = await run(process.execPath, [join(root, 'src/cli/anteroom.ts'), 'peers'], {
        env: { ...process.env, ANTEROOM_CONFIG: a.configFile, NODE_OPTIONS: '' },
      });
      t.match(table.stdout, new RegExp(`^b +hybrid-required +hybrid +${seen} +\\d+ s ago`, 'm'));
      t.match(table.stdout, /^c +classical +classical +198\.51\.100\.3:51820/m);

      await b.end('SIGKILL');
      await b.start();
      t.match(await ping(nsB, '100.96.0.1'), ' 0% packet loss', 'killed and back');
      const again = await until(
        'the next session',
        () => a.only('tunnel.session').filter((e) => e.body.peer === 'b')[1],
      );
      t.match(again.body, { kex: 'hybrid', rekeyOf: hybridAtA[0]?.body.tunnelSession });
    });
  });
}

void t.test('a stock peer that has to be hybrid: no session either way, and a record', async (t) => {
  await inNetwork(async (network) => {
    const { a } = network;
    const [nsA, , nsC] = network.names;
    const probe = makeKeys();
    await a.prepare('100.96.0.1', [
      hybrid({ id: 'c', key: network.stock.public, address: '100.96.0.3', endpoint: '198.51.100.3' }),
    ]);
    await a.start();
    await network.startStock({ others: [probe.public] });
    const pinging = ping(nsC, '100.96.0.1', 3).catch((e: unknown) => String(e));
    const refused = await until('a refusal', () => a.only('tunnel.refused')[0]);
    t.match(refused.body, { reason: 'kex_downgrade_refused', peer: 'c', publicKey: network.stock.public });
    const ours = ping(nsA, '100.96.0.3', 3).catch((e: unknown) => String(e));
    t.match(await pinging, 'Command failed', 'nothing came through');
    t.match(await ours, 'Command failed', 'nor from our side');
    t.equal((await a.peer('c')).session, undefined);
    t.equal(a.only('tunnel.session').length, 0);
    t.match(await network.wg('show', network.device, 'latest-handshakes'), /\t0$/m);

    // From a plain socket, as a peer that the stock one knows: types 5 and 6, then a type 1. One answer.
    const source = new URL('../../', import.meta.url).href;
    const out = await spawnIn(nsA, process.execPath, [
      '--input-type=module',
      '-e',
      `import dgram from 'node:dgram';
       import { randomBytes } from 'node:crypto';
       const load = (name) => import('${source}' + name);
       const { SecretKey } = await load('src/crypto/secret-key.ts');
       const { PublicKey } = await load('src/crypto/public-key.ts');
       const { publicKeyOf, generateKeyPair } = await load('src/crypto/x25519.ts');
       const { DecapsulationKey } = await load('src/crypto/kem.ts');
       const { Initiator, remoteStatic } = await load('src/tunnel/handshake.ts');
       const { encodeInitiation } = await load('src/tunnel/message.ts');
       const { CookieGenerator } = await load('src/tunnel/cookie.ts');
       const { Tai64nClock } = await load('src/tunnel/tai64n.ts');
       const secret = new SecretKey(Buffer.from('${probe.secret.toString('hex')}', 'hex'));
       const local = { secret, public: publicKeyOf(secret) };
       const remote = remoteStatic(local, PublicKey.fromText('${network.stock.public}'));
       const macs = new CookieGenerator(remote.public);
       const clock = new Tai64nClock();
       const message = (e1) => {
         const ephemerals = { e: generateKeyPair(randomBytes(32)), ...(e1 && { e1 }) };
         const { fields } = Initiator.write(local, remote, ephemerals, clock.label(Date.now()).label);
         const bytes = encodeInitiation({ sender: e1 ? 5 : 1, ...fields });
         macs.addMacs(bytes, 0);
         return bytes;
       };
       const six = randomBytes(1196);
       six.set([6, 0, 0, 0]);
       macs.addMacs(six, 0);
       const s = dgram.createSocket('udp4');
       const send = (b) => new Promise((r) => s.send(b, 51820, '198.51.100.3', r));
       const answers = [];
       s.on('message', (m) => {
         answers.push(m[0] + ':' + m.readUInt32LE(8));
         if (m[0] === 2) { console.log(answers.join(' ')); s.close(); }
       });
       await send(message(DecapsulationKey.generate(randomBytes(64))));
       await send(six);
       await send(message());`,
    ]);
    t.equal(out.trim(), '2:1', 'silence for types 5 and 6, a response to type 1');
  });
});

void t.test(
  'a recorded initiation after kill -9: refused; after an operator’s reset: accepted',
  async (t) => {
    await inNetwork(async (network) => {
      const { a } = network;
      const [, nsB] = network.names;
      const probe = makeKeys();
      await a.prepare('100.96.0.1', [hybrid({ id: 'probe', key: probe.public, address: '100.96.0.2' })]);
      await a.start();
      const source = new URL('../tunnel/second-opinion.ts', import.meta.url).href;
      /** Sends a message, or a new initiation of the second implementation; prints it and the type of the answer. */
      const send = async (recorded?: string): Promise<{ message: string; answer: string }> => {
        const out = await spawnIn(nsB, process.execPath, [
          '--input-type=module',
          '-e',
          `import dgram from 'node:dgram';
         import { randomBytes } from 'node:crypto';
         const { initiate, Kem, X25519 } = await import('${source}');
         const stamp = Buffer.alloc(12);
         stamp.writeBigUInt64BE(0x400000000000000an + BigInt(Math.floor(Date.now() / 1000)), 0);
         stamp.writeUInt32BE((Date.now() % 1000) * 1e6, 8);
         const begun = initiate({
           S: new X25519(Buffer.from('${probe.secret.toString('hex')}', 'hex')),
           Sr: Buffer.from('${a.keys.public}', 'base64'),
           E: new X25519(randomBytes(32)), kem: new Kem(randomBytes(64)),
           psk: Buffer.alloc(32), index: 9, timestamp: stamp });
         const recorded = ${JSON.stringify(recorded ?? '')};
         const message = recorded === '' ? begun.message : Buffer.from(recorded, 'hex');
         const s = dgram.createSocket('udp4');
         const done = (answer) => { console.log(message.toString('hex') + ' ' + answer); s.close(); clearTimeout(timer); };
         const timer = setTimeout(() => done('none'), recorded === '' ? 10000 : 1500);
         s.on('message', (m) => { if (recorded === '') begun.finish(m); done(m[0]); });
         s.send(message, 51820, '192.0.2.1');`,
        ]);
        const [message = '', answer = ''] = out.trim().split(' ');
        return { message, answer };
      };
      const first = await send();
      t.equal(first.answer, '6', 'the second implementation shakes hands with the process');
      await a.end('SIGKILL');
      await a.start();
      t.equal((await send(first.message)).answer, 'none');
      const refused = await until('a record', () => a.only('tunnel.refused')[0]);
      t.match(refused.body, { reason: 'replayed initiation', peer: 'probe' });
      t.equal((await send()).answer, '6', 'a new one is accepted');

      const cli = async (...args: string[]): Promise<string> => {
        const env = { ...process.env, ANTEROOM_CONFIG: a.configFile, NODE_OPTIONS: '' };
        return (await run(process.execPath, [join(root, 'src/cli/anteroom.ts'), ...args], { env })).stdout;
      };
      t.match(await cli('peers', 'reset-clock', 'probe'), 'accepted whatever its time');
      await t.rejects(cli('peers', 'reset-clock', 'nobody'), { code: 66 });
      const actions = await until(
        'on record',
        () => a.only('operator.action').length === 2 && a.only('operator.action'),
      );
      t.match(actions[0]?.body, {
        operator: 'uid 0',
        verb: 'peer.reset-clock',
        object: 'probe',
        outcome: 'done',
      });
      t.match(actions[1]?.body, { object: 'nobody', outcome: 'refused' });
      await a.end('SIGKILL');
      await a.start();
      t.equal((await send(first.message)).answer, '6', 'forgotten, across a kill too');
    });
  },
);
