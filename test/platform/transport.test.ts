/**
 * The native transport in network namespaces (root): the interface it makes, packets between two of them, roaming,
 * hostile datagrams, and that nothing is left when it closes. Keys are set by hand; there is no handshake here.
 */
import t from 'tap';
import { activity } from '../../src/platform/addon.ts';
import { flagsOf } from './station.ts';
import { until } from '../support/until.ts';
import { bytes, options, pairOfNamespaces, PEER, PORT, prefix, setKeys, station } from './transports.ts';

void t.test('two transports carry traffic for each other', async (t) => {
  const [one, two] = await pairOfNamespaces();
  const [a, b] = [station(one), station(two)];
  t.equal(
    await a.ask(
      'openTransport',
      options(1, { routes: [prefix('10.77.0.0/16')], local: [prefix('10.88.0.0/17')] }),
    ),
    PORT,
  );
  await b.ask('openTransport', options(2, { routes: [prefix('10.88.0.0/17')] }));

  await t.test('the interface has its address, MTU and routes, and nothing IPv6 of its own', async (t) => {
    const [link] = await one.ip('link', 'show', 'anteroom0');
    t.match(link, { mtu: 1420, linkinfo: { info_kind: 'tun' } });
    t.ok((link?.['flags'] as string[] | undefined)?.includes('UP'));
    const [addresses] = await one.ip('address', 'show', 'dev', 'anteroom0');
    const inner = addresses?.['addr_info'] as unknown as {
      family: string;
      local: string;
      prefixlen: number;
    }[];
    t.match(inner, [{ family: 'inet', local: '10.9.0.1', prefixlen: 24 }]);
    t.equal(inner.length, 1);
    t.match(await one.ip('route', 'show', '10.77.0.0/16'), [{ dev: 'anteroom0', protocol: '167' }]);
    t.match(await one.ip('route', 'show', 'table', 'local', '10.88.0.0/17'), [{ type: 'local', dev: 'lo' }]);
  });

  await t.test('a packet waits for its keypair, and is announced', async (t) => {
    await a.transport('setPeer', PEER, [prefix('10.9.0.2/32')]);
    await b.transport('setPeer', PEER, [prefix('10.9.0.1/32'), prefix('10.88.0.0/17')]);
    await b.transport('setEndpoint', PEER, { address: bytes('10.8.0.1'), port: PORT });
    const ping = two.exec('ping', '-c', '1', '-W', '8', '10.9.0.1');
    await b.see('need of a handshake', (e) => flagsOf(e, PEER) & activity.NEED_HANDSHAKE || undefined);
    await setKeys(a, 1, 1, false);
    await setKeys(b, 2, 1, true);
    t.match(await ping, '1 received');
    await a.see('confirmation', (e) => flagsOf(e, PEER) & activity.CONFIRMED || undefined);
    const report = await a.see('endpoint', (events) =>
      events.flatMap((e) => (e.event === 'activity' ? e.batch : [])).find((r) => r.endpoint !== undefined),
    );
    t.strictSame(report.endpoint, { address: bytes('10.8.0.2'), port: PORT });
    const told = await a.see('rotation', (events) =>
      events.flatMap((e) => (e.event === 'activity' ? e.batch : [])).find((r) => r.confirmed !== undefined),
    );
    t.strictSame([told.confirmed, told.sending], [[1001], 1001]);
  });

  await t.test('full packets pass both ways, unfragmented, and AnyIP addresses answer', async (t) => {
    t.match(
      await one.exec('ping', '-c', '3', '-i', '0.05', '-M', 'do', '-s', '1392', '10.9.0.2'),
      '3 received',
    );
    t.match(await two.exec('ping', '-c', '1', '10.88.93.7'), '1 received');
    const payload = new Uint8Array(4000).map((_, i) => i);
    await a.ask('bindUdp', { address: '10.9.0.1', port: 9000 });
    await b.ask('bindUdp', { address: '10.9.0.2', port: 9000 });
    await a.ask('sendUdp', { from: 9000, address: '10.9.0.2', port: 9000, bytes: payload });
    await b.ask('sendUdp', { from: 9000, address: '10.9.0.1', port: 9000, bytes: payload });
    for (const side of [a, b]) {
      const datagram = await side.see('the datagram', (e) => e.find((x) => x.event === 'datagram'));
      t.same(new Uint8Array(datagram.bytes), payload);
    }
  });

  await t.test('handshake datagrams arrive as they were sent', async (t) => {
    const initiation = new Uint8Array(148).fill(9).with(0, 1);
    await a.transport('sendHandshake', { address: bytes('10.8.0.2'), port: PORT }, initiation);
    const [seen] = await b.see('a handshake', (e) => e.find((x) => x.event === 'handshakes')?.batch);
    t.same(new Uint8Array(seen?.bytes ?? []), initiation);
    t.same(seen?.from.port, PORT);
    t.same(new Uint8Array(seen?.from.address ?? []), bytes('10.8.0.1'));
  });

  await t.test('a keepalive is heard and carries nothing', async (t) => {
    const before = await b.counters();
    await until('a report of nothing but a keepalive', async () => {
      b.events.length = 0;
      await a.transport('sendKeepalive', PEER);
      const flags = await b.see('a report', (e) => flagsOf(e, PEER) || undefined);
      return flags === activity.RECEIVED_ANY;
    });
    t.equal((await b.counters())['tunWritten'], before['tunWritten']);
  });

  await t.test('the endpoint follows a peer that moves', async (t) => {
    await two.ip('address', 'delete', '10.8.0.2/24', 'dev', 'outer');
    await two.ip('address', 'add', '10.8.0.3/24', 'dev', 'outer');
    a.events.length = 0;
    t.match(await two.exec('ping', '-c', '1', '10.9.0.1'), '1 received');
    const moved = await a.see('the new endpoint', (events) =>
      events.flatMap((e) => (e.event === 'activity' ? e.batch : [])).find((r) => r.endpoint !== undefined),
    );
    t.same(moved.endpoint?.address, bytes('10.8.0.3'));
    t.match(await one.exec('ping', '-c', '1', '10.9.0.2'), '1 received');
  });

  await t.test('a new keypair takes over and traffic goes on', async (t) => {
    await setKeys(a, 1, 2, false);
    await setKeys(b, 2, 2, true);
    t.match(await two.exec('ping', '-c', '3', '-i', '0.05', '10.9.0.1'), '3 received');
    await a.transport('removeKeypair', 1001);
    t.match(await two.exec('ping', '-c', '1', '10.9.0.1'), '1 received');
    await t.rejects(setKeys(a, 1, 2, false), { code: 'EEXIST' });
  });

  await t.test('garbage of every length and type harms nothing', async (t) => {
    const before = await a.counters();
    const from = await b.ask('bindUdp', { address: '10.8.0.3', port: 0 });
    const send = (datagram: Uint8Array): Promise<unknown> =>
      b.ask('sendUdp', { from, address: '10.8.0.1', port: PORT, bytes: datagram });
    let sent = 0;
    for (let length = 0; length < 1400; length += 7) {
      for (const type of [0, 1, 4, 255]) {
        const datagram = new Uint8Array(length).map((_, i) => (i * 31 + length) & 0xff);
        datagram.set([type, 0, 0, 0].slice(0, length));
        await send(datagram);
        sent++;
      }
    }
    for (const length of [2048, 2049, 9000, 20_000, 65_507]) {
      await send(new Uint8Array(length).fill(3));
      await send(new Uint8Array(length).fill(0).with(0, 4));
      sent += 2;
    }
    await until('all are received', async () => {
      const now = await a.counters();
      return (now['udpReceived'] ?? 0) - (before['udpReceived'] ?? 0) >= sent;
    });
    const after = await a.counters();
    t.ok((after['dropMalformed'] ?? 0) > (before['dropMalformed'] ?? 0));
    t.ok((after['dropUnknownIndex'] ?? 0) > (before['dropUnknownIndex'] ?? 0));
    t.ok((after['dropHandshakeRing'] ?? 0) >= 2, 'those too long for the ring are counted');
    t.match(await two.exec('ping', '-c', '1', '10.9.0.1'), '1 received');
  });

  await t.test('a removed peer is no longer served', async (t) => {
    await a.transport('removePeer', PEER);
    await t.rejects(two.exec('ping', '-c', '1', '-W', '1', '10.9.0.1'));
    await t.rejects(a.transport('setEndpoint', PEER, { address: bytes('10.8.0.2'), port: 1 }), {
      code: 'ENOENT',
    });
  });

  await t.test('close leaves no interface, route, socket or thread, and the process can end', async (t) => {
    await a.transport('close');
    await t.rejects(a.transport('counters'), { code: 'EBADF' });
    await a.transport('close');
    const names = (await one.ip('link', 'show')).map((l) => String(l['ifname']));
    t.notOk(names.includes('anteroom0'), names.join(' '));
    t.same(await one.ip('route', 'show', 'table', 'local', '10.88.0.0/17'), []);
    t.equal(await a.ask('openTransport', options(1)), PORT, 'the port is free again');
    await a.transport('close');
    t.equal(await a.leave(), 0);
    await b.transport('close');
    t.equal(await b.leave(), 0);
  });
});
