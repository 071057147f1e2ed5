/**
 * Paths that change under a session, and addresses that aren't the sender's, in namespaces with a stock wireguard-go:
 * an end that moves in the middle of a transfer, allowed addresses that lie inside another peer's, a masquerading router
 * that forgets after 2 s; an address of ours among several; a narrow path.
 */
import { existsSync } from 'node:fs';
import t from 'tap';
import { newestBuild, use } from '../support/peers/wireguard-go.ts';
import { ThreeWay, run, spawnIn } from '../tunnel/gateways.ts';
import { until } from '../support/until.ts';

t.jobs = 1;
t.setTimeout(180_000);
use(newestBuild());

async function inNetwork(body: (network: ThreeWay) => Promise<void>): Promise<void> {
  const network = await ThreeWay.make();
  try {
    await body(network);
  } catch (error) {
    throw new Error(`${String(error)}\nour log:\n${network.a.log.slice(-3000)}`, { cause: error });
  } finally {
    await network.close();
  }
}

/** How many of `count` pings are answered. */
async function ping(from: string, to: string, count: number, ...more: string[]): Promise<number> {
  const args = [
    'netns',
    'exec',
    from,
    'ping',
    '-q',
    '-c',
    String(count),
    '-i',
    '0.1',
    '-W',
    '1',
    ...more,
    to,
  ];
  // It ends with 1 when none is answered, which is an answer as well.
  const said = await run('ip', args).catch((error: unknown) => error as { stdout: string });
  return Number(/(\d+) received/.exec(said.stdout)?.[1] ?? Number.NaN);
}

async function counter(namespace: string, name: string): Promise<number> {
  const found = new RegExp(`^${name}\\s+(\\d+)`, 'm').exec(await spawnIn(namespace, 'nstat', ['-asz']));
  return Number(found?.[1] ?? Number.NaN);
}

/** Sends 60 MB from one namespace to another and compares what has arrived. */
const transfer = `
  import net from 'node:net';
  import { createHash } from 'node:crypto';
  const [role, address] = process.argv.slice(1);
  const chunk = Buffer.alloc(1 << 20, 'data');
  const total = 60;
  const digest = createHash('sha256');
  if (role === 'serve') {
    const server = net.createServer((c) => {
      c.on('data', (d) => digest.update(d));
      c.on('end', () => process.stdout.write(digest.digest('hex'), () => process.exit(0)));
    });
    server.listen(7777, address);
  } else {
    const c = net.connect(7777, address);
    for (let i = 0; i < total; i++) {
      digest.update(chunk);
      if (!c.write(chunk)) await new Promise((done) => c.once('drain', done));
    }
    c.end();
    process.stdout.write(digest.digest('hex'));
  }`;
const script = (role: 'serve' | 'call', address: string): string[] => [
  '--input-type=module',
  '-e',
  transfer,
  role,
  address,
];

for (const mover of ['the stock peer', 'our end'] as const) {
  void t.test(`${mover} moves in the middle of a transfer`, async (t) => {
    await inNetwork(async (network) => {
      const { a, names, stock } = network;
      await a.prepare('100.96.0.1', [
        { id: 'far', key: stock.public, address: '100.96.0.3', kex: 'classical', endpoint: '198.51.100.3' },
      ]);
      await network.startStock();
      await a.start();
      const weMove = mover === 'our end';
      const [from, to, address] = weMove
        ? [names[0], names[2], '100.96.0.3']
        : [names[2], names[0], '100.96.0.1'];
      const moved = weMove ? '198.51.100.11' : '198.51.100.13';
      const served = spawnIn(to, process.execPath, script('serve', address));
      const sending = (async () => {
        await until('the service listens', async () =>
          (await spawnIn(to, 'ss', ['-Hltn'])).includes(':7777'),
        );
        const sent = spawnIn(from, process.execPath, script('call', address));
        await until('data flows', async () => {
          const { receivedBytes, sentBytes } = await a.peer('far');
          return receivedBytes + sentBytes > 3_000_000;
        });
        const [device, old] = weMove ? ['uplink1', '198.51.100.1/24'] : ['uplink0', '198.51.100.3/24'];
        await run('ip', ['-n', from, 'address', 'add', `${moved}/32`, 'dev', device]);
        await run('ip', ['-n', from, 'address', 'del', old, 'dev', device]);
        await run('ip', ['-n', from, 'route', 'add', '198.51.100.0/24', 'dev', device, 'src', moved]);
        await until('the far end has followed', async () =>
          weMove
            ? (await network.wg('show', network.device, 'endpoints')).includes(`${moved}:51820`)
            : (await a.peer('far')).endpoint?.address === moved,
        );
        return await sent;
      })();
      const [got, sent] = await Promise.all([served, sending]);
      t.equal(got, sent, 'every byte arrived');
      t.equal(a.only('tunnel.session').length, 1, 'in one session');
      t.equal(await ping(names[0], '100.96.0.3', 3), 3);
      t.equal(await ping(names[2], '100.96.0.1', 3), 3);
    });
  });
}

void t.test(
  'sticky sources: answers leave from the address that the stock peer dialled, while it is there',
  async (t) => {
    await inNetwork(async (network) => {
      const { a, names, stock, device } = network;
      const [ours, , its] = names;
      const peer = { id: 'far', key: stock.public, address: '100.96.0.3', kex: 'classical' } as const;
      await a.prepare('100.96.0.1', [peer]);
      await run('ip', ['-n', ours, 'address', 'add', '198.51.100.12/24', 'dev', 'uplink1']);
      await a.start();
      await network.startStock({ endpoint: '198.51.100.12' });
      const sees = async (): Promise<string> => (await network.wg('show', device, 'endpoints')).trim();
      // A stock peer follows the source of what it gets: if anything left from the first address, it would be seen here.
      for (const [from, to] of [
        [its, '100.96.0.1'],
        [ours, '100.96.0.3'],
        [its, '100.96.0.1'],
      ] as const) {
        t.equal(await ping(from, to, 3, '-W', '5'), 3);
        t.match(await sees(), '198.51.100.12:51820');
      }
      await run('ip', ['-n', ours, 'address', 'del', '198.51.100.12/24', 'dev', 'uplink1']);
      t.equal(await ping(ours, '100.96.0.3', 3, '-W', '5'), 3, 'it is gone: another one does');
      t.match(await sees(), '198.51.100.1:51820');
      t.equal(a.only('tunnel.session').length, 1, 'in the same session');
    });
  },
);

for (const outside of ['198.51.100.3', '2001:db8:1::3']) {
  const name =
    'a path of 1,280 bytes: packets of the interface’s MTU pass whole, and a longer one is told so';
  void t.test(`${name}: ${outside}`, async (t) => {
    await inNetwork(async (network) => {
      const { a, names, stock } = network;
      const [ours, , its] = names;
      await a.prepare('100.96.0.1', [
        { id: 'far', key: stock.public, address: '100.96.0.3', kex: 'classical', endpoint: outside },
      ]);
      await a.start();
      await network.startStock({ endpoint: null });
      await run('ip', ['-n', ours, 'link', 'set', 'uplink1', 'mtu', '1280']);
      await run('ip', ['-n', its, 'link', 'set', 'uplink0', 'mtu', '1280']);
      // 1,392 bytes, 8 of ICMP and 20 of IPv4 are 1,420.
      t.equal(await ping(ours, '100.96.0.3', 3, '-W', '5', '-M', 'do', '-s', '1392'), 3, 'ours');
      t.equal(await ping(its, '100.96.0.1', 3, '-W', '5', '-M', 'do', '-s', '1392'), 3, 'its');
      const args = ['netns', 'exec', ours, 'ping', '-c1', '-W1', '-M', 'do', '-s', '1393', '100.96.0.3'];
      const told = await run('ip', args).catch(
        (error: unknown) => error as { stdout: string; stderr: string },
      );
      t.match(told.stdout + told.stderr, 'message too long, mtu=1420');
    });
  });
}

void t.test('nobody sends from what is another’s: a /32 inside a /24', async (t) => {
  await inNetwork(async (network) => {
    const { a, b, names, stock } = network;
    const kex = 'classical';
    await a.prepare('100.96.0.1', [
      { id: 'wide', key: b.keys.public, address: '100.96.5.1', allowed: ['100.96.5.0/24'], kex },
      { id: 'narrow', key: stock.public, address: '100.96.5.77', kex },
    ]);
    await b.prepare('100.96.0.2', [
      { id: 'a', key: a.keys.public, address: '100.96.0.1', kex, endpoint: '192.0.2.1' },
    ]);
    await a.start();
    await b.start();
    await network.startStock();
    for (const [name, device] of [
      [names[1], 'anteroom0'],
      [names[2], network.device],
    ] as const)
      for (const address of ['100.96.5.1/32', '100.96.5.77/32', '100.96.5.78/32'])
        await run('ip', ['-n', name, 'address', 'add', address, 'dev', device]);
    const [, wide, narrow] = names;
    /** Answers, and what came out of the tunnel at our end. */
    const tried = async (from: string, source: string, wait = '1'): Promise<[number, number]> => {
      const before = await counter(names[0], 'IcmpInEchos');
      const answered = await ping(from, '100.96.0.1', 3, '-W', wait, '-I', source);
      return [answered, (await counter(names[0], 'IcmpInEchos')) - before];
    };
    t.same(await tried(wide, '100.96.5.1', '5'), [3, 3], 'the wide peer from its own');
    t.same(await tried(narrow, '100.96.5.77', '5'), [3, 3], 'the narrow peer from its own');
    t.same(await tried(wide, '100.96.5.77'), [0, 0], 'the wide peer not from the narrow one’s');
    t.same(await tried(narrow, '100.96.5.1'), [0, 0], 'the narrow peer not from the wide one’s');
    t.same(await tried(narrow, '100.96.5.78'), [0, 0], 'nor from next to its own');
    t.same(await tried(wide, '100.96.5.78', '5'), [3, 3], 'which is the wide peer’s');
    t.same(await tried(wide, '100.96.0.2'), [0, 0], 'nor anybody from what is nobody’s');

    // And the way back: each address has one peer, the one with the longest prefix.
    const echoes = async (): Promise<[number, number]> => [
      await counter(wide, 'IcmpInEchos'),
      await counter(narrow, 'IcmpInEchos'),
    ];
    const [w, n] = await echoes();
    t.equal(await ping(names[0], '100.96.5.77', 3), 3);
    t.same(await echoes(), [w, n + 3]);
    t.equal(await ping(names[0], '100.96.5.78', 3), 3);
    t.same(await echoes(), [w + 3, n + 3]);
  });
});

for (const inside of ['the stock peer', 'our end'] as const) {
  void t.test(`${inside} behind a router that forgets after 2 s: keepalives keep the way open`, async (t) => {
    await inNetwork(async (network) => {
      const { a, names, stock } = network;
      const router = names[0].replace('-a-', '-r-');
      const weAreInside = inside === 'our end';
      const [hidden, open] = weAreInside ? [names[0], names[2]] : [names[2], names[0]];
      try {
        await run('ip', ['netns', 'add', router]);
        for (const [end, link, near, far] of [
          [hidden, 'lan0', '10.9.0.254/24', '10.9.0.3/24'],
          [open, 'wan0', '203.0.113.254/24', '203.0.113.1/24'],
        ] as const) {
          await run('ip', [
            '-n',
            router,
            'link',
            'add',
            link,
            'type',
            'veth',
            'peer',
            'name',
            'nat0',
            'netns',
            end,
          ]);
          await run('ip', ['-n', router, 'address', 'add', near, 'dev', link]);
          await run('ip', ['-n', end, 'address', 'add', far, 'dev', 'nat0']);
          await run('ip', ['-n', router, 'link', 'set', link, 'up']);
          await run('ip', ['-n', end, 'link', 'set', 'nat0', 'up']);
        }
        await run('ip', ['-n', hidden, 'route', 'add', 'default', 'via', '10.9.0.254']);
        await spawnIn(router, 'nft', [
          'add table ip nat; add chain ip nat out { type nat hook postrouting priority 100; }; ' +
            'add rule ip nat out oifname "wan0" masquerade random',
        ]);
        await spawnIn(router, 'sysctl', [
          '-qw',
          'net.ipv4.ip_forward=1',
          'net.netfilter.nf_conntrack_udp_timeout=2',
          'net.netfilter.nf_conntrack_udp_timeout_stream=2',
        ]);
        const outside = '203.0.113.1';
        await a.prepare('100.96.0.1', [
          {
            id: 'far',
            key: stock.public,
            address: '100.96.0.3',
            kex: 'classical',
            ...(weAreInside && { endpoint: outside, keepalive: 1 }),
          },
        ]);
        await network.startStock({ endpoint: weAreInside ? null : outside });
        await a.start();
        const { device } = network;
        const keepalive = async (seconds: number): Promise<string> =>
          await network.wg('set', device, 'peer', a.keys.public, 'persistent-keepalive', String(seconds));
        if (!weAreInside) await keepalive(1);
        await until('a session', () => a.only('tunnel.session')[0]);

        // Five keepalives of a second: more than the router remembers.
        // The stock peer counts them: what it has received, or sent.
        const heard = async (): Promise<number> =>
          Number((await network.wg('show', device, 'transfer')).trim().split('\t')[weAreInside ? 1 : 2]);
        const idle = await heard();
        const began = performance.now();
        await until('five keepalives', async () => (await heard()) >= idle + 5 * 32);
        t.ok(performance.now() - began > 3000, 'it was silent for longer than the router remembers');
        t.equal(
          await ping(open, weAreInside ? '100.96.0.1' : '100.96.0.3', 3),
          3,
          'the inner end is reached',
        );

        if (weAreInside) return;
        // That it was the keepalives: without them the way closes, until the inner end speaks.
        await keepalive(0);
        const silent = performance.now();
        await until('a silence longer than that', () => performance.now() - silent > 3000);
        const old = (await a.peer('far')).endpoint;
        t.equal(await ping(open, '100.96.0.3', 2, '-W', '1'), 0, 'the inner end is not reached');
        t.equal(await ping(hidden, '100.96.0.1', 3), 3, 'it speaks');
        t.not((await a.peer('far')).endpoint?.port, old?.port, 'from another port');
        t.equal(await ping(open, '100.96.0.3', 3), 3, 'and is reached there');
        t.equal(a.only('tunnel.session').length, 1, 'all in one session');
      } finally {
        if (existsSync(`/var/run/netns/${router}`)) await run('ip', ['netns', 'del', router]);
      }
    });
  });
}
