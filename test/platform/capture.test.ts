/**
 * The native capture ring in network namespaces (root): it sees every frame of its interface, keeps what it should,
 * sends nothing, and goes when it closes.
 */
import t from 'tap';
import type { CapturedFrame, StationEvent } from './station.ts';
import { Namespace, Station } from './station.ts';
import { until } from '../support/until.ts';

/** One end listens and has no address at all; the other belongs to a host that talks to nobody. */
const silent = await Namespace.make('silent');
const talker = await Namespace.make('talker');
const station = new Station(silent);
t.teardown(async () => {
  station.kill();
  await silent.remove();
  await talker.remove();
});
await silent.exec(
  'sysctl',
  '-qw',
  'net.ipv6.conf.all.disable_ipv6=1',
  'net.ipv6.conf.default.disable_ipv6=1',
);
await silent.ip('link', 'add', 'enclave0', 'type', 'veth', 'peer', 'name', 'far0', 'netns', talker.name);
await silent.ip('link', 'set', 'enclave0', 'up');
await talker.ip('address', 'add', '192.0.2.1/24', 'dev', 'far0');
await talker.ip('link', 'set', 'far0', 'up');
// A neighbour that isn't there: frames to its MAC are nobody's, and only promiscuous mode sees them.
await talker.ip(
  'neighbour',
  'add',
  '192.0.2.9',
  'lladdr',
  '02:00:00:00:00:09',
  'dev',
  'far0',
  'nud',
  'permanent',
);

const ETHERTYPE_IPV4 = 0x0800;
const frames = (events: readonly StationEvent[]): CapturedFrame[] =>
  events.flatMap((e) => (e.event === 'frames' ? e.frames : []));
const view = (frame: CapturedFrame): DataView =>
  new DataView(frame.kept.buffer, frame.kept.byteOffset, frame.kept.byteLength);
const udpTo = (frame: CapturedFrame, port: number): boolean =>
  frame.kept.length >= 42 &&
  view(frame).getUint16(12) === ETHERTYPE_IPV4 &&
  frame.kept[23] === 17 &&
  view(frame).getUint16(36) === port;
const link = async (): Promise<{ promiscuity: number; stats64: { tx: { packets: number } } }> => {
  const [found] = await silent.ip('-s', 'link', 'show', 'enclave0');
  return found as unknown as { promiscuity: number; stats64: { tx: { packets: number } } };
};

void t.test('it sees frames for others, whole or cut, and sends none itself', async (t) => {
  const sender = new Station(talker);
  t.teardown(() => sender.kill());
  const from = await sender.ask('bindUdp', { address: '192.0.2.1', port: 0 });
  const sentBefore = (await link()).stats64.tx.packets;
  t.equal((await link()).promiscuity, 0);

  const before = Date.now();
  await station.ask('openCapture', { interfaceName: 'enclave0', snapLength: 200 });
  t.equal((await link()).promiscuity, 1);
  const payload = new Uint8Array(1000).map((_, i) => i);
  await sender.ask('sendUdp', { from, address: '192.0.2.9', port: 104, bytes: payload });
  await sender.ask('sendUdp', { from, address: '192.0.2.9', port: 2575, bytes: Uint8Array.of(0x0b) });

  const cut = await station.see('the long frame', (e) => frames(e).find((f) => udpTo(f, 104)));
  t.equal(cut.wireLength, 14 + 20 + 8 + 1000);
  t.equal(cut.kept.length, 200);
  t.same(cut.kept.subarray(42), payload.subarray(0, 158));
  t.same(cut.kept.subarray(0, 6), Uint8Array.of(2, 0, 0, 0, 0, 9));
  t.ok(cut.at >= before - 1 && cut.at <= Date.now() + 1, `stamped ${cut.at}`);
  const whole = await station.see('the short frame', (e) => frames(e).find((f) => udpTo(f, 2575)));
  t.equal(whole.kept.length, whole.wireLength);
  t.equal(whole.kept[42], 0x0b);

  await t.test('thousands of frames arrive in order, batched, each once', async (t) => {
    station.events.length = 0;
    const numbered = (i: number): Uint8Array => Uint8Array.of(i >> 8, i & 0xff);
    const count = 3000;
    for (let i = 0; i < count; i += 100) {
      await Promise.all(
        Array.from({ length: 100 }, (_, j) =>
          sender.ask('sendUdp', { from, address: '192.0.2.9', port: 11112, bytes: numbered(i + j) }),
        ),
      );
    }
    const seen = (e: readonly StationEvent[]): number[] =>
      frames(e)
        .filter((f) => udpTo(f, 11112))
        .map((f) => view(f).getUint16(42));
    const numbers = await station.see('all frames', (e) => (seen(e).length >= count ? seen(e) : undefined));
    t.same(
      numbers,
      Array.from({ length: count }, (_, i) => i),
    );
    t.ok(station.events.filter((e) => e.event === 'frames').length < count / 10, 'few batches');
    t.ok(station.events.every((e) => e.event !== 'frames' || e.end === 'complete'));
    const counted = (await station.ask('capture', { method: 'statistics' })) as {
      packets: number;
      drops: number;
    };
    t.ok(counted.packets >= count);
    t.equal(counted.drops, 0);
    const again = (await station.ask('capture', { method: 'statistics' })) as {
      packets: number;
      drops: number;
    };
    t.ok(again.packets >= counted.packets, 'totals, though the kernel clears its own');
  });

  const sentAfter = (await link()).stats64.tx.packets;
  t.equal(sentBefore, 0);
  t.equal(sentAfter, 0, 'not one frame was sent');
  t.equal(await sender.leave(), 0);
});

void t.test(
  'close ends promiscuous mode; the link may go down and up; a lost interface is a failure',
  async (t) => {
    await station.ask('capture', { method: 'close' });
    await until('promiscuous mode has ended', async () => (await link()).promiscuity === 0);
    await t.rejects(station.ask('capture', { method: 'statistics' }), { code: 'EBADF' });
    await station.ask('capture', { method: 'close' });

    station.events.length = 0;
    await station.ask('openCapture', { interfaceName: 'enclave0', snapLength: 65_535 });
    await silent.ip('link', 'set', 'enclave0', 'down');
    await silent.ip('link', 'set', 'enclave0', 'up');
    await until('frames come again', async () => {
      await talker.exec('ping', '-c', '1', '-W', '0.1', '192.0.2.9').catch(() => '');
      return frames(station.events).some((f) => f.kept[23] === 1);
    });
    t.notOk(station.events.some((e) => e.event === 'failure'));
    await silent.ip('link', 'delete', 'enclave0');
    const failure = await station.see('the failure', (e) => e.find((x) => x.event === 'failure'));
    t.equal(failure.code, 'ENODEV');
    await station.ask('capture', { method: 'close' });
    t.equal(await station.leave(), 0);
  },
);

void t.test('opening fails whole', async (t) => {
  const other = new Station(silent);
  t.teardown(() => other.kill());
  const before = await other.ask('descriptors');
  await t.rejects(other.ask('openCapture', { interfaceName: 'nothing0', snapLength: 200 }), {
    code: 'ENODEV',
  });
  await t.rejects(other.ask('openCapture', { interfaceName: 'lo', snapLength: 0 }), { name: 'TypeError' });
  t.equal(await other.ask('descriptors'), before);
  t.equal(await other.leave(), 0);
  const unprivileged = new Station(silent, 'setpriv', '--bounding-set=-net_raw', '--inh-caps=-net_raw');
  t.teardown(() => unprivileged.kill());
  await t.rejects(unprivileged.ask('openCapture', { interfaceName: 'lo', snapLength: 200 }), {
    code: 'EPERM',
  });
  t.equal(await unprivileged.leave(), 0);
});
