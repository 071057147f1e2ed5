/**
 * The newest stock wireguard-go as our peer: who begins × pre-shared key × IPv4 or IPv6 outside. A handshake in the
 * expected role, ping, TCP both ways, and not one wrong checksum. tunnel-rekey.test.ts has the same matrix over a rekey with
 * the installed build.
 */
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { newestBuild, use } from '../support/peers/wireguard-go.ts';
import { ThreeWay, run, spawnIn } from '../tunnel/gateways.ts';
import { until } from '../support/until.ts';

t.jobs = 1;
const program = newestBuild();
use(program);

/** A service that sends back what it gets; then a client that compares. Both are one script, told apart by its arguments. */
const script = `
  import net from 'node:net';
  import { randomBytes } from 'node:crypto';
  const [role, address] = process.argv.slice(1);
  if (role === 'serve') {
    const server = net.createServer({ allowHalfOpen: true }, (c) => {
      c.pipe(c);
      c.on('close', () => process.exit(0));
    });
    server.listen(7777, address);
  } else {
    const data = randomBytes(1_000_000);
    const got = [];
    const c = net.connect(7777, address);
    c.on('data', (d) => got.push(d));
    c.on('end', () => process.exit(Buffer.concat(got).equals(data) ? 0 : 3));
    c.end(data);
  }`;
const echo = (role: 'serve' | 'call', address: string): string[] => [
  '--input-type=module',
  '-e',
  script,
  role,
  address,
];

async function tcp(from: string, to: string, address: string): Promise<void> {
  const served = spawnIn(to, process.execPath, echo('serve', address));
  // Both are awaited: a service that fails ends the test as well.
  const called = (async () => {
    await until('the service listens', async () => (await spawnIn(to, 'ss', ['-Hltn'])).includes(':7777'));
    await spawnIn(from, process.execPath, echo('call', address));
  })();
  await Promise.all([served, called]);
}

async function checksumErrors(namespace: string): Promise<number> {
  const out = await spawnIn(namespace, 'nstat', ['-asz']);
  const counts = [...out.matchAll(/^\w*(?:CsumErrors|InErrs)\s+(\d+)/gm)];
  if (counts.length < 4) throw new Error(`no counters: ${out}`);
  return counts.reduce((sum, match) => sum + Number(match[1]), 0);
}

for (const weInitiate of [false, true])
  for (const psk of [undefined, randomBytes(32)])
    for (const outside of [4, 6] as const) {
      const who = weInitiate ? 'we begin' : 'it begins';
      const name = `${program.name}: ${who}, ${psk ? 'with' : 'without'} psk, IPv${outside}`;
      void t.test(name, async (t) => {
        const network = await ThreeWay.make();
        try {
          const { a, stock, names } = network;
          const shared = psk && { psk };
          const [us, it] =
            outside === 4 ? ['198.51.100.1', '198.51.100.3'] : ['2001:db8:1::1', '2001:db8:1::3'];
          await a.prepare('100.96.0.1', [
            {
              id: 'far',
              key: stock.public,
              address: '100.96.0.3',
              kex: psk ? 'classical+psk' : 'classical',
              ...shared,
              ...(weInitiate && { endpoint: it }),
            },
          ]);
          await network.startStock({ endpoint: weInitiate ? null : us, ...shared });
          await a.start();
          const [from, to] = weInitiate ? [names[0], '100.96.0.3'] : [names[2], '100.96.0.1'];
          const { stdout } = await run('ip', [
            'netns',
            'exec',
            from,
            'ping',
            '-q',
            '-c3',
            '-i0.1',
            '-W60',
            to,
          ]);
          t.match(stdout, '3 received');
          await tcp(names[0], names[2], '100.96.0.3');
          await tcp(names[2], names[0], '100.96.0.1');
          const session = await until('the session is on record', () => a.only('tunnel.session')[0]);
          t.match(session.body, {
            role: weInitiate ? 'initiator' : 'responder',
            kex: psk ? 'classical+psk' : 'classical',
            endpoint: { address: it, port: 51820 },
          });
          t.equal(a.only('tunnel.session').length, 1, 'one session carried it all');
          for (const namespace of [names[0], names[2]])
            t.equal(await checksumErrors(namespace), 0, `no wrong checksum in ${namespace.slice(0, 8)}`);
        } finally {
          await network.close();
        }
      });
    }
