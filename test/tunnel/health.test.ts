/** The tunnel's health items: level, text, and since when. */
import t from 'tap';
import { TunnelHealth } from '../../src/tunnel/health.ts';
import type { TunnelFacts } from '../../src/tunnel/health.ts';
import { healthItem } from '../../src/wire/health.ts';
import { epochMillis } from '../../src/wire/units.ts';

const facts: TunnelFacts = {
  port: 51820,
  peers: 3,
  sessions: 1,
  underLoad: false,
  overflow: 0,
  auditWaiting: 0,
  auditDropped: 0,
  timestampsStored: true,
  offloads: { tunTcp: true, udpSend: false },
  nativeHandshakes: { classical: true, hybrid: true },
};

void t.test('since changes with the level, not with the text', (t) => {
  const health = new TunnelHealth();
  const at = (ms: number, over: Partial<TunnelFacts>): unknown =>
    health.items({ ...facts, ...over }, epochMillis(ms)).map((h) => [h.item, h.level, h.since]);
  t.same(at(1, {}), [
    ['tunnel.link', 'ok', 1],
    ['tunnel.load', 'ok', 1],
    ['tunnel.audit', 'ok', 1],
    ['tunnel.replay', 'ok', 1],
    ['tunnel.offloads', 'ok', 1],
    ['tunnel.handshakes', 'ok', 1],
  ]);
  t.same(at(2, { underLoad: true, overflow: 5, sessions: 2, auditDropped: 1 }), [
    ['tunnel.link', 'ok', 1],
    ['tunnel.load', 'warning', 2],
    ['tunnel.audit', 'warning', 2],
    ['tunnel.replay', 'ok', 1],
    ['tunnel.offloads', 'ok', 1],
    ['tunnel.handshakes', 'ok', 1],
  ]);
  t.same(at(3, { auditDropped: 7, timestampsStored: false }), [
    ['tunnel.link', 'ok', 1],
    ['tunnel.load', 'ok', 3],
    ['tunnel.audit', 'warning', 2],
    ['tunnel.replay', 'warning', 3],
    ['tunnel.offloads', 'ok', 1],
    ['tunnel.handshakes', 'ok', 1],
  ]);
  const items = health.items(facts, epochMillis(4));
  for (const item of items) t.ok(healthItem.safeParse(item).success);
  t.match(items[0]?.text, '1 of 3 peers');
  t.equal(items.at(-2)?.text, 'In use: tunTcp. Not to be had on this system: udpSend.');
  t.end();
});

void t.test('handshakes that native code does not compute are a warning', (t) => {
  const text = (nativeHandshakes: TunnelFacts['nativeHandshakes']): string => {
    const item = new TunnelHealth().items({ ...facts, nativeHandshakes }, epochMillis(1)).at(-1);
    return `${item?.level}: ${item?.text}`;
  };
  t.match(text({ classical: true, hybrid: true }), /^ok: .*OpenSSL/);
  t.match(text({ classical: true, hybrid: false }), /^warning: Hybrid handshakes .* JavaScript/);
  t.match(text({ classical: false, hybrid: false }), /^warning: Handshakes .* JavaScript/);
  t.end();
});
