/**
 * The transport's offloads in network namespaces (root): bulk TCP and UDP over IPv4 and IPv6, inside and outside,
 * with every offload and with none, no packet with a wrong checksum and no byte changed; a path that is too narrow
 * for series; answers from the address that was dialled; link-local endpoints.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import t from 'tap';
import type { HandshakeDatagram } from '../../src/platform/addon.ts';
import { type Namespace, type Station } from './station.ts';
import { until } from '../support/until.ts';
import { bytes, options, pairOfNamespaces, PEER, PORT, prefix, setKeys, station } from './transports.ts';

const names = ['tunTcp', 'tunUdp', 'tunJoin', 'udpSend', 'udpReceive', 'chacha'];
const none = Object.fromEntries(names.map((name) => [name, false]));
const all = Object.fromEntries(names.map((name) => [name, true]));

/** What `namespace` met of wrong checksums since it was made. */
async function checksumErrors(namespace: Namespace): Promise<number> {
  const text = await namespace.exec('nstat', '-asz');
  return [...text.matchAll(/InCsumErrors\s+(\d+)/g)].reduce((sum, match) => sum + Number(match[1]), 0);
}

/** Send 24 MB of a known pattern by TCP; the digest of what arrived. */
async function transfer(from: Namespace, to: Namespace, address: string): Promise<string> {
  const node = (where: Namespace, code: string) =>
    spawn('ip', ['netns', 'exec', where.name, process.execPath, '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env['PATH'] },
    });
  const receiver = node(
    to,
    `const hash = require('node:crypto').createHash('sha256');
     const server = require('node:net').createServer((socket) => {
       socket.on('data', (part) => hash.update(part));
       socket.on('end', () => { console.log(hash.digest('hex')); socket.end(); server.close(); });
     }).listen(7000, '${address}', () => console.log('listening'));`,
  );
  let text = '';
  receiver.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
  await once(receiver.stdout, 'data');
  const sender = node(
    from,
    `const block = Buffer.alloc(1_000_003, 0).map((_, i) => (i * 31 + (i >> 8)) & 255);
     const socket = require('node:net').connect(7000, '${address}', () => {
       for (let i = 0; i < 24; i++) socket.write(block);
       socket.end();
     });`,
  );
  await Promise.all([once(sender, 'exit'), once(receiver, 'close')]);
  return text.trim().split('\n').at(-1) ?? '';
}

const sent = createHash('sha256');
const block = Buffer.alloc(1_000_003, 0).map((_, i) => (i * 31 + (i >> 8)) & 255);
for (let i = 0; i < 24; i++) sent.update(block);
const digest = sent.digest('hex');

async function pair(
  offloads: readonly [object, object],
  outer: readonly [string, string],
): Promise<{ one: Namespace; two: Namespace; a: Station; b: Station }> {
  const [one, two] = await pairOfNamespaces();
  const [a, b] = [station(one), station(two)];
  for (const [at, side] of [a, b].entries()) {
    const number = at + 1;
    await side.ask(
      'openTransport',
      options(number, {
        addresses: [prefix(`10.9.0.${number}/24`), prefix(`fd00:9::${number}/64`)],
        offloads: offloads[at],
      }),
    );
    const other = 3 - number;
    await side.transport('setPeer', PEER, [prefix(`10.9.0.${other}/32`), prefix(`fd00:9::${other}/128`)]);
  }
  await b.transport('setEndpoint', PEER, { address: bytes(outer[0]), port: PORT });
  await a.transport('setEndpoint', PEER, { address: bytes(outer[1]), port: PORT });
  await setKeys(a, 1, 1, false);
  await setKeys(b, 2, 1, true);
  await b.transport('sendKeepalive', PEER);
  return { one, two, a, b };
}

const v4 = ['10.8.0.1', '10.8.0.2'] as const;
const v6 = ['fd00:8::1', 'fd00:8::2'] as const;

for (const { name, offloads, outer } of [
  { name: 'all offloads, IPv4 outside', offloads: [all, all], outer: v4 },
  { name: 'all offloads, IPv6 outside', offloads: [all, all], outer: v6 },
  { name: 'all at one end, none at the other', offloads: [all, none], outer: v4 },
  { name: 'none, IPv6 outside', offloads: [none, none], outer: v6 },
] as const) {
  void t.test(name, async (t) => {
    const { one, two, a, b } = await pair(offloads, outer);
    t.same(await a.transport('offloads'), offloads[0]);
    t.same(await b.transport('offloads'), offloads[1]);
    for (const [from, to, address] of [
      [one, two, '10.9.0.2'],
      [two, one, '10.9.0.1'],
      [one, two, 'fd00:9::2'],
      [two, one, 'fd00:9::1'],
    ] as const) {
      t.equal(await transfer(from, to, address), digest, `the bytes that were sent arrived at ${address}`);
    }
    const server = spawn('ip', ['netns', 'exec', two.name, 'iperf3', '-s', '-1', '-B', 'fd00:9::2']);
    await until('iperf3 listens', async () => (await two.exec('ss', '-Hltn', 'sport = :5201')) !== '');
    const report = JSON.parse(
      await one.exec('iperf3', '-J', '-u', '-b', '20M', '-l', '900', '-t', '1', '-c', 'fd00:9::2'),
    ) as { end: { sum: { packets: number; lost_packets: number } } };
    server.kill();
    t.ok(report.end.sum.packets > 1000, `${report.end.sum.packets} datagrams`);
    t.ok(report.end.sum.lost_packets < report.end.sum.packets / 2);
    t.equal((await checksumErrors(one)) + (await checksumErrors(two)), 0, 'no wrong checksum');
    for (const side of [a, b]) t.match(await side.counters(), { dropMalformed: 0, dropAuthentication: 0 });
    if (offloads[0] === all) {
      const { tunRead = 0 } = await a.counters();
      t.ok(tunRead > 24_000_000 / 1400, 'what is counted is packets, not pieces');
    }

    if (offloads[0] !== all || outer !== v4) return;
    // Series of 1,452 bytes don't fit this path: each datagram goes by itself, in fragments.
    for (const side of [one, two]) await side.ip('link', 'set', 'outer', 'mtu', '1300');
    t.equal(await transfer(one, two, '10.9.0.2'), digest, 'over a narrow path too');
    t.match(await a.transport('offloads'), { udpSend: true }, 'and series are not given up for it');
  });
}

void t.test('answers leave from the address that was dialled', async (t) => {
  const { one, two, a, b } = await pair([all, all], v4);
  await two.ip('address', 'add', '10.8.0.9/24', 'dev', 'outer');
  const dialled = { address: bytes('10.8.0.9'), port: PORT };
  const heard = (side: Station): Promise<HandshakeDatagram> =>
    side.see('a handshake', (e) => e.find((x) => x.event === 'handshakes')?.batch[0]);

  await a.transport('sendHandshake', dialled, new Uint8Array(148).with(0, 1));
  const { from } = await heard(b);
  await b.transport('sendHandshake', from, new Uint8Array(92).with(0, 2));
  t.same((await heard(a)).from.address, dialled.address, 'a handshake is answered from there');

  await a.transport('setEndpoint', PEER, dialled);
  t.match(await one.exec('ping', '-c', '1', '10.9.0.2'), '1 received');
  const latest = (): Promise<Uint8Array | undefined> =>
    a.see(
      'a report',
      (events) =>
        events
          .flatMap((e) => (e.event === 'activity' ? e.batch : []))
          .findLast((r) => r.endpoint !== undefined && r.endpoint.address[3] === 9)?.endpoint?.address,
    );
  t.same(await latest(), dialled.address, 'and so is data');

  await two.ip('address', 'delete', '10.8.0.9/24', 'dev', 'outer');
  t.match(await two.exec('ping', '-c', '1', '10.9.0.1'), '1 received', 'an address that is gone is let go');
});

void t.test('a link-local far side is answered through the interface it is on', async (t) => {
  const { two, a, b } = await pair([all, all], v6);
  const own = async (): Promise<{ local?: string; scope?: string; tentative?: boolean } | undefined> => {
    const [link] = await two.ip('address', 'show', 'dev', 'outer');
    const addresses = link?.['addr_info'] as unknown as {
      local?: string;
      scope?: string;
      tentative?: boolean;
    }[];
    return addresses.find((address) => address.scope === 'link');
  };
  await until('the link-local address may be used', async () => (await own())?.tentative === undefined);
  const local = (await own())?.local ?? '';
  const from = (await b.ask('bindUdp', { address: `${local}%outer`, port: 0 })) as number;
  await b.ask('sendUdp', { from, address: 'fd00:8::1', port: PORT, bytes: new Uint8Array(148).with(0, 1) });
  const handshake = await a.see('a handshake', (e) => e.find((x) => x.event === 'handshakes')?.batch[0]);
  t.equal(handshake.from.address[0], 0xfe);
  await a.transport('sendHandshake', handshake.from, new Uint8Array(92).with(0, 2));
  const answer = await b.see('the answer', (e) => e.find((x) => x.event === 'datagram'));
  t.equal(answer.bytes.length, 92);
});
