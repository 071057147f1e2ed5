/**
 * The native transport's datagrams checked against another implementation, and over IPv6 (root).
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import t from 'tap';
import { until } from '../support/until.ts';
import {
  bytes,
  key,
  namespace,
  options,
  pairOfNamespaces,
  PEER,
  PORT,
  prefix,
  setKeys,
  station,
} from './transports.ts';

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

void t.test('IPv6 outside and inside, and a peer that moves from IPv4 to IPv6', async (t) => {
  const [one, two] = await pairOfNamespaces();
  const [a, b] = [station(one), station(two)];
  const addresses = (side: number): object[] => [prefix(`10.9.0.${side}/24`), prefix(`fd00:9::${side}/64`)];
  await a.ask('openTransport', options(1, { addresses: addresses(1), local: [prefix('fd00:88::/48')] }));
  await b.ask('openTransport', options(2, { addresses: addresses(2), routes: [prefix('fd00:88::/48')] }));
  await a.transport('setPeer', PEER, [prefix('10.9.0.2/32'), prefix('fd00:9::2/128')]);
  await b.transport('setPeer', PEER, [
    prefix('10.9.0.1/32'),
    prefix('fd00:9::1/128'),
    prefix('fd00:88::/48'),
  ]);
  await b.transport('setEndpoint', PEER, { address: bytes('fd00:8::1'), port: PORT });
  await setKeys(a, 1, 1, false);
  await setKeys(b, 2, 1, true);
  t.match(await two.exec('ping', '-c', '1', 'fd00:9::1'), '1 received');
  t.match(await two.exec('ping', '-c', '1', '10.9.0.1'), '1 received');
  t.match(await two.exec('ping', '-c', '1', 'fd00:88::beef'), '1 received', 'AnyIP');
  t.match(await one.exec('ping', '-c', '3', '-i', '0.05', '-s', '1372', 'fd00:9::2'), '3 received');

  const endpoints = (): (number | undefined)[] =>
    a.events
      .flatMap((e) => (e.event === 'activity' ? e.batch : []))
      .map((report) => report.endpoint?.address.length);
  await a.see('the IPv6 endpoint', () => endpoints().includes(16) || undefined);
  await b.transport('setEndpoint', PEER, { address: bytes('10.8.0.1'), port: PORT });
  t.match(await two.exec('ping', '-c', '1', 'fd00:9::1'), '1 received');
  await a.see('the IPv4 endpoint', () => endpoints().includes(4) || undefined);
  t.match(await one.exec('ping', '-c', '1', 'fd00:9::2'), '1 received');

  const [inner] = await one.ip('-6', 'address', 'show', 'dev', 'anteroom0');
  t.match(inner?.['addr_info'], [{ local: 'fd00:9::1' }]);
  await a.transport('close');
  t.same(await one.ip('-6', 'route', 'show', 'table', 'local', 'fd00:88::/48'), []);
  await b.transport('close');
  t.equal(await a.leave(), 0);
  t.equal(await b.leave(), 0);
});
