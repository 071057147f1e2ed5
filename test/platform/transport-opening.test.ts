/**
 * What can go wrong with a native transport from the local side: opening that fails and leaves nothing, wrong
 * arguments, a device taken away (root).
 */
import t from 'tap';
import { bytes, key, namespace, options, PEER, prefix, refused, station } from './transports.ts';

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
