/**
 * Our tunnel process against a stock wireguard-go, over a real network of namespaces: both roles, with and without
 * pre-shared key, rekeying, restarts of either end, and a storm of bad datagrams beside a live session.
 */
import { copyFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import type { AuditEvent } from '../../src/wire/audit-event.ts';
import { World } from '../tunnel/world.ts';
import { until } from '../support/until.ts';
import type { WorldOptions } from '../tunnel/world.ts';

t.jobs = 1;

const only = <K extends AuditEvent['kind']>(world: World, kind: K): Extract<AuditEvent, { kind: K }>[] =>
  world.events.filter((e): e is Extract<AuditEvent, { kind: K }> => e.kind === kind);

async function inWorld(options: WorldOptions, body: (world: World) => Promise<void>): Promise<void> {
  const world = await World.make(options);
  try {
    await body(world);
  } catch (error) {
    throw new Error(`${String(error)}\nour log:\n${world.log.slice(-4000)}`, { cause: error });
  } finally {
    await world.close();
  }
}

for (const weInitiate of [false, true]) {
  for (const psk of [false, true]) {
    const name = `${weInitiate ? 'initiator' : 'responder'}, ${psk ? 'with' : 'without'} a pre-shared key`;
    void t.test(`we are ${name}`, async (t) => {
      await inWorld({ psk, weInitiate }, async (world) => {
        await world.echo(weInitiate ? 'to stock' : 'to ours', 300_000);
        await world.echo(weInitiate ? 'to ours' : 'to stock', 300_000);
        t.ok((await world.latestHandshake()) > 0, 'wg shows the handshake');
        const event = await until('the session is on record', () => only(world, 'tunnel.session')[0]);
        t.match(event.body, {
          peer: 'stock',
          role: weInitiate ? 'initiator' : 'responder',
          kex: psk ? 'classical+psk' : 'classical',
          endpoint: { address: '192.0.2.2', port: 51820 },
        });
        t.equal(only(world, 'tunnel.session').length, 1, 'one session served all of it');
        t.equal(world.sessions[0]?.tunnelSession, event.body.tunnelSession, 'control was told');
        const status = await until('the counters', async () => {
          const answer = await world.client.call('tunnel.status', {});
          return (answer.peers[0]?.receivedBytes ?? 0) > 300_000 && answer;
        });
        t.equal(status.peers[0]?.session?.tunnelSession, event.body.tunnelSession);
        t.same(
          status.health.map((h) => [h.item, h.level]),
          [
            ['tunnel.link', 'ok'],
            ['tunnel.load', 'ok'],
            ['tunnel.audit', 'ok'],
            ['tunnel.replay', 'ok'],
            ['tunnel.offloads', 'ok'],
            ['tunnel.handshakes', 'ok'],
          ],
        );
        t.ok(only(world, 'process.start').length === 1);
        t.equal(await world.stopTunnel(), 0, 'SIGTERM ends it in good order');
        t.equal(only(world, 'process.stop').length, 1);
      });
    });
  }
}

void t.test('ICMP both ways', async (t) => {
  await inWorld({}, async (world) => {
    const ping = (address: string): string => `
      import { execFileSync } from 'node:child_process';
      execFileSync('ping', ['-c', '3', '-i', '0.2', '-W', '5', '${address}'], { stdio: 'inherit' });`;
    t.match(await world.script(world.stock, ping('100.96.0.1')), '3 received');
    t.match(await world.script(world.ours, ping('100.96.0.2')), '3 received');
  });
});

void t.test('pre-shared keys that differ: no session, and a record of why', async (t) => {
  await inWorld({ psk: true, wrongPsk: true, weInitiate: true, persistentKeepalive: 25 }, async (world) => {
    const refused = await until('a refusal', () => only(world, 'tunnel.refused')[0]);
    t.match(refused.body, { reason: 'response not authentic', peer: 'stock', count: 1 });
    t.equal(only(world, 'tunnel.session').length, 0);
    t.equal((await world.client.call('tunnel.status', {})).peers[0]?.session, undefined);
  });
});

void t.test('the far end handshakes again: a rekey, and the connection goes on', async (t) => {
  await inWorld({}, async (world) => {
    await world.echo('to ours', 10_000);
    const first = await until('a session', () => only(world, 'tunnel.session')[0]);
    const echo = world.echo('to ours', 40_000_000, 60);
    await until('traffic flows', async () => {
      const { peers } = await world.client.call('tunnel.status', {});
      return (peers[0]?.receivedBytes ?? 0) > 1_000_000;
    });
    await world.wg('set', world.device, 'peer', world.ourPublicKey, 'remove');
    await world.addStockPeer();
    const second = await until('a second session', () => only(world, 'tunnel.session')[1]);
    t.equal(second.body.rekeyOf, first.body.tunnelSession);
    t.not(second.body.tunnelSession, first.body.tunnelSession);
    await echo;
    t.pass('every byte came back');
  });
});

void t.test('a new pre-shared key: the session stays, the next handshake uses it', async (t) => {
  await inWorld({ psk: true }, async (world) => {
    await world.echo('to ours', 10_000);
    const first = await until('a session', () => only(world, 'tunnel.session')[0]);
    const echo = world.echo('to ours', 40_000_000, 60);
    const received = async (): Promise<number> =>
      (await world.client.call('tunnel.status', {})).peers[0]?.receivedBytes ?? 0;
    await until('traffic flows', async () => (await received()) > 1_000_000);
    copyFileSync(world.path('other-psk.key'), world.path('psk.key'));
    process.kill(world.tunnelPid, 'SIGHUP');
    const action = await until('it is on record', () => only(world, 'operator.action')[0]);
    t.match(action.body, {
      operator: 'SIGHUP',
      verb: 'peer.preshared-key',
      object: 'stock',
      outcome: 'done',
    });
    const before = await received();
    await until('traffic goes on in the old session', async () => (await received()) > before + 100_000);
    t.equal(only(world, 'tunnel.session').length, 1);
    await world.wg('set', world.device, 'peer', world.ourPublicKey, 'remove');
    await world.addStockPeer();
    const second = await until('a session with the new key', () => only(world, 'tunnel.session')[1]);
    t.match(second.body, { rekeyOf: first.body.tunnelSession, kex: 'classical+psk' });
    await echo;
    t.pass('every byte came back');
    writeFileSync(world.path('psk.key'), 'nonsense', { mode: 0o600 });
    process.kill(world.tunnelPid, 'SIGHUP');
    const refused = await until('a refusal on record', () => only(world, 'operator.action')[1]);
    t.match(refused.body, { outcome: 'refused' });
    await world.echo('to ours', 10_000);
  });
});

void t.test('our process is killed: with a hint the session is back in about a second', async (t) => {
  await inWorld({}, async (world) => {
    await world.echo('to ours', 10_000);
    await until('a session', () => world.sessions[0]);
    await world.killTunnel();
    await world.startTunnel();
    const began = performance.now();
    await world.client.call('tunnel.hint', {
      peer: 'stock',
      endpoint: { address: '192.0.2.2', port: 51820 },
    });
    await until('a session', () => world.sessions[1]);
    t.comment(`session back ${Math.round(performance.now() - began)} ms after the hint`);
    t.equal(world.sessions[1]?.role, 'initiator');
    await world.echo('to ours', 10_000);
  });
});

void t.test('the far end is killed: traffic of ours finds it again', async (t) => {
  await inWorld({ weInitiate: true, persistentKeepalive: 1 }, async (world) => {
    await until('a session', () => world.sessions[0]);
    await world.killStock();
    await world.startStock();
    const again = world.echo('to stock', 10_000, 40);
    await until('a new session', () => world.sessions[1]);
    await again;
    t.pass('and data flows');
  });
});

void t.test('a storm of bad datagrams beside a live session', async (t) => {
  await inWorld({}, async (world) => {
    await world.echo('to ours', 10_000);
    const before = await until('a session', () => world.sessions[0]);
    const storm = world.script(
      world.stock,
      `import dgram from 'node:dgram';
       import { randomBytes } from 'node:crypto';
       const s = dgram.createSocket('udp4');
       const send = (b) => new Promise((r) => s.send(b, 51820, '192.0.2.1', r));
       for (let i = 0; i < 6000; i++) {
         const length = [0, 1, 3, 4, 16, 31, 32, 63, 64, 91, 92, 147, 148, 149, 1400, 9000][i % 16];
         const b = randomBytes(length);
         if (length >= 4 && i % 3 !== 0) b.set([1 + (i % 6), 0, 0, 0]);
         await send(b);
       }
       s.close();`,
      60,
    );
    await world.echo('to ours', 2_000_000, 60);
    await storm;
    const { peers } = await world.client.call('tunnel.status', {});
    t.equal(peers[0]?.session?.tunnelSession, before.tunnelSession, 'the same session');
    t.same(peers[0]?.endpoint, { address: '192.0.2.2', port: 51820 }, 'in the same place');
    t.equal(only(world, 'tunnel.session').length, 1);
    t.equal(only(world, 'tunnel.refused').length, 0, 'none had a good mac1, so none was worth a record');
    await world.echo('to stock', 10_000);
  });
});

void t.test('a flood of handshakes that know our key: cookies go out, the session stays', async (t) => {
  await inWorld({}, async (world) => {
    await world.echo('to ours', 10_000);
    const before = await until('a session', () => world.sessions[0]);
    const source = new URL('../../src/', import.meta.url).href;
    const flood = world.script(
      world.stock,
      `import dgram from 'node:dgram';
       import { randomBytes } from 'node:crypto';
       const { CookieGenerator } = await import('${source}tunnel/cookie.ts');
       const { PublicKey } = await import('${source}crypto/public-key.ts');
       const generator = new CookieGenerator(PublicKey.fromText('${world.ourPublicKey}'));
       const s = dgram.createSocket('udp4');
       let cookies = 0;
       s.on('message', (m) => { if (m[0] === 3 && m.length === 64) cookies++; });
       for (let i = 0; i < 4000; i++) {
         const b = randomBytes(148);
         b.set([1, 0, 0, 0]);
         generator.addMacs(b, 0);
         await new Promise((r) => s.send(b, 51820, '192.0.2.1', r));
       }
       setTimeout(() => { console.log('cookies ' + (cookies > 0)); s.close(); }, 500);`,
      60,
    );
    const health = await until('the load is seen', async () => {
      const status = await world.client.call('tunnel.status', {});
      return status.health.find((h) => h.item === 'tunnel.load' && h.level === 'warning');
    });
    t.match(health.text, 'Live sessions are not affected');
    await world.echo('to ours', 1_000_000, 60);
    t.match(await flood, 'cookies true');
    await until('the load is over', async () => {
      const status = await world.client.call('tunnel.status', {});
      return status.health.every((h) => h.level === 'ok');
    });
    const { peers } = await world.client.call('tunnel.status', {});
    t.equal(peers[0]?.session?.tunnelSession, before.tunnelSession, 'the same session');
    const refused = only(world, 'tunnel.refused');
    t.ok(refused.length >= 1 && refused.length <= 5, `${refused.length} records of the flood`);
  });
});

void t.test('the audit log is away: traffic goes on, and the records arrive later', async (t) => {
  await inWorld({}, async (world) => {
    await until('the start is on record', () => only(world, 'process.start')[0]);
    world.auditing = false;
    await world.echo('to ours', 100_000);
    t.ok(world.sessions[0], 'the session is there');
    t.equal(only(world, 'tunnel.session').length, 0);
    world.auditing = true;
    await until('the record', () => only(world, 'tunnel.session')[0]);
  });
});
