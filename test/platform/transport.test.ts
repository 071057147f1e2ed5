/**
 * The native transport in network namespaces (root): the interface it makes, packets between two of them, roaming,
 * hostile datagrams, and that nothing is left when it closes. Keys are set by hand; there is no handshake here.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import t from 'tap';
import { activity } from '../../src/platform/addon.ts';
import { flagsOf, Namespace, Station, until, type StationError } from './station.ts';

const PEER = 7;
const PORT = 5000;
const bytes = (text: string): Uint8Array => Uint8Array.from(text.split('.').map(Number));
const prefix = (text: string): { address: Uint8Array; prefix: number } => {
  const [address = '', length = ''] = text.split('/');
  return { address: bytes(address), prefix: Number(length) };
};
const key = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
const refused =
  (code: string) =>
  (error: unknown): string =>
    (error as StationError).code === code ? 'refused' : `refused with ${(error as StationError).code}`;

/** A file can't be removed twice, so what is made is noted and undone here whatever happened. */
const made: { stations: Station[]; namespaces: Namespace[] } = { stations: [], namespaces: [] };
t.teardown(async () => {
  for (const station of made.stations) station.kill();
  for (const namespace of made.namespaces) await namespace.remove();
});

async function namespace(label: string): Promise<Namespace> {
  const fresh = await Namespace.make(label);
  made.namespaces.push(fresh);
  return fresh;
}
function station(where: Namespace, ...before: string[]): Station {
  const fresh = new Station(where, ...before);
  made.stations.push(fresh);
  return fresh;
}

const options = (side: number, changes: object = {}): object => ({
  interfaceName: 'anteroom0',
  mtu: 1420,
  port: PORT,
  addresses: [prefix(`10.9.0.${side}/24`)],
  routes: [],
  local: [],
  ...changes,
});

/** Side 1 and side 2 joined by a veth; each is the other's peer 7. */
async function pairOfNamespaces(): Promise<[Namespace, Namespace]> {
  const [one, two] = [await namespace('one'), await namespace('two')];
  await one.ip('link', 'add', 'outer', 'type', 'veth', 'peer', 'name', 'outer', 'netns', two.name);
  for (const [side, place] of [one, two].entries()) {
    await place.ip('address', 'add', `10.8.0.${side + 1}/24`, 'dev', 'outer');
    await place.ip('link', 'set', 'outer', 'up');
  }
  return [one, two];
}

async function setKeys(
  station: Station,
  side: number,
  generation: number,
  initiator: boolean,
): Promise<void> {
  const other = 3 - side;
  await station.transport('setKeypair', {
    peer: PEER,
    localIndex: side * 1000 + generation,
    remoteIndex: other * 1000 + generation,
    sendKey: key(generation * 2 + side),
    receiveKey: key(generation * 2 + other),
    initiator,
  });
}

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
    t.equal(report.localIndex, 1001);
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

void t.test('opening fails whole, with the errno as code', async (t) => {
  const place = await namespace('refuse');
  const first = station(place);
  await first.ask('openTransport', options(1, { local: [prefix('10.88.0.0/17')] }));
  const second = station(place);
  const before = await second.ask('descriptors');
  t.equal(await second.ask('openTransport', options(2, { port: 5001 })).catch(refused('EBUSY')), 'refused');
  t.equal(
    await second.ask('openTransport', options(2, { interfaceName: 'other0' })).catch(refused('EADDRINUSE')),
    'refused',
  );
  t.equal(
    await second
      .ask(
        'openTransport',
        options(2, { interfaceName: 'other0', port: 5001, routes: [prefix('1.2.3.4/8')] }),
      )
      .catch(refused('EINVAL')),
    'refused',
    'the kernel refuses a route with host bits, after the device was made',
  );
  for (const wrong of [
    { mtu: 100 },
    { mtu: 1420.5 },
    { port: 70_000 },
    { addresses: [{ address: new Uint8Array(5), prefix: 1 }] },
    { local: [prefix('10.0.0.0/33')] },
    { interfaceName: 7 },
  ]) {
    await t.rejects(
      second.ask('openTransport', options(2, wrong)),
      { name: 'TypeError' },
      JSON.stringify(wrong),
    );
  }
  t.equal(
    await second
      .ask('openTransport', options(2, { interfaceName: 'a'.repeat(16), port: 5001 }))
      .catch(refused('EINVAL')),
    'refused',
  );
  t.equal(await second.ask('descriptors'), before, 'no descriptor was left');
  const names = (await place.ip('link', 'show')).map((l) => String(l['ifname']));
  t.notOk(names.includes('other0'));

  const unprivileged = station(place, 'setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin');
  t.equal(
    await unprivileged
      .ask('openTransport', options(2, { interfaceName: 'other0', port: 5001 }))
      .catch(refused('EPERM')),
    'refused',
  );
  t.equal(await unprivileged.leave(), 0);
  t.equal(await second.leave(), 0);

  await t.test('wrong arguments are TypeErrors and change nothing', async (t) => {
    const keypair = {
      peer: PEER,
      localIndex: 1,
      remoteIndex: 2,
      sendKey: key(1),
      receiveKey: key(2),
      initiator: true,
    };
    await t.rejects(first.transport('setKeypair', keypair), { code: 'ENOENT' }, 'a peer nobody set');
    await first.transport('setPeer', PEER, []);
    for (const [method, ...args] of [
      ['setKeypair', { ...keypair, sendKey: new Uint8Array(31) }],
      ['setKeypair', { ...keypair, localIndex: -1 }],
      ['setKeypair', { ...keypair, initiator: 1 }],
      ['setKeypair'],
      ['setPeer', 4096, []],
      ['setPeer', 1, 'all'],
      ['setEndpoint', PEER, { address: new Uint8Array(3), port: 1 }],
      ['sendHandshake', { address: bytes('10.0.0.1'), port: 1 }, 'text'],
      ['removeKeypair', 2 ** 32],
    ] as [string, ...unknown[]][]) {
      await t.rejects(first.transport(method, ...args), { name: 'TypeError' }, method);
    }
  });

  await t.test('a device taken away from outside is a failure, told once', async (t) => {
    await place.ip('link', 'delete', 'anteroom0');
    const failure = await first.see('the failure', (e) => e.find((x) => x.event === 'failure'));
    t.match(failure.code, /^E[A-Z]+$/);
    await first.transport('close');
    t.equal(await first.leave(), 0);
    t.equal(first.events.filter((e) => e.event === 'failure').length, 1);
    t.same(await place.ip('route', 'show', 'table', 'local', '10.88.0.0/17'), []);
  });
});

void t.test('datagrams are what node:crypto makes of them, both ways', async (t) => {
  const place = await namespace('oracle');
  const one = station(place);
  await one.ask('openTransport', options(1));
  const far = (await one.ask('bindUdp', { address: '127.0.0.1', port: 0 })) as number;
  await one.transport('setPeer', PEER, [prefix('10.9.0.2/32')]);
  await one.transport('setEndpoint', PEER, { address: bytes('127.0.0.1'), port: far });
  await setKeys(one, 1, 1, true);
  const [sendKey, receiveKey] = [key(3), key(4)];
  const nonce = (counter: number): Uint8Array => {
    const twelve = new Uint8Array(12);
    new DataView(twelve.buffer).setUint32(4, counter, true);
    return twelve;
  };

  // An ICMP echo request from the peer, sealed here; the kernel answers it through the TUN device.
  const echo = Buffer.from(
    '4500001e00010000400100000a0900020a090001080000001234000148690000',
    'hex',
  ).subarray(0, 30);
  const sum = (at: number, end: number): number => {
    let total = 0;
    for (let i = at; i < end; i += 2) total += echo.readUInt16BE(i);
    return ~((total & 0xffff) + (total >> 16)) & 0xffff;
  };
  echo.writeUInt16BE(sum(0, 20), 10);
  echo.writeUInt16BE(sum(20, 30), 22);
  const cipher = createCipheriv('chacha20-poly1305', receiveKey, nonce(0), { authTagLength: 16 });
  const header = Buffer.alloc(16);
  header.writeUInt32LE(4, 0);
  header.writeUInt32LE(1001, 4);
  const sealed = Buffer.concat([
    header,
    cipher.update(Buffer.concat([echo, Buffer.alloc(2)])),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
  await one.ask('sendUdp', { from: far, address: '127.0.0.1', port: PORT, bytes: sealed });

  const answer = Buffer.from(
    (await one.see('the answer', (e) => e.find((x) => x.event === 'datagram'))).bytes,
  );
  t.equal(answer.readUInt32LE(0), 4);
  t.equal(answer.readUInt32LE(4), 2001);
  t.equal(answer.readBigUInt64LE(8), 0n);
  const decipher = createDecipheriv('chacha20-poly1305', sendKey, nonce(0), { authTagLength: 16 });
  decipher.setAuthTag(answer.subarray(-16));
  const inner = Buffer.concat([decipher.update(answer.subarray(16, -16)), decipher.final()]);
  t.equal(inner.length, 32, 'padded to 16');
  t.same(inner.subarray(12, 20), Buffer.from([10, 9, 0, 1, 10, 9, 0, 2]));
  t.equal(inner[20], 0, 'an echo reply');
  t.same(inner.subarray(24, 30), echo.subarray(24, 30));

  // The same datagram again is a replay; a changed one isn't authentic.
  await one.ask('sendUdp', { from: far, address: '127.0.0.1', port: PORT, bytes: sealed });
  sealed.writeUInt32LE(1, 8);
  await one.ask('sendUdp', { from: far, address: '127.0.0.1', port: PORT, bytes: sealed });
  await until('both are dropped', async () => {
    const counted = await one.counters();
    return counted['dropReplay'] === 1 && counted['dropAuthentication'] === 1;
  });
  await one.transport('close');
  t.equal(await one.leave(), 0);
});
