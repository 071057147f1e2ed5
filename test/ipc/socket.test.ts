/** Server and client over a real socket: verbs, faults, roles, pushes, coming back, hostile callers. */
import { mkdtempSync } from 'node:fs';
import { connect as netConnect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import t from 'tap';
import { z } from 'zod';
import { connect } from '../../src/ipc/client.ts';
import { serve } from '../../src/ipc/server.ts';
import type { ServeOptions } from '../../src/ipc/server.ts';
import { silentLog } from '../../src/platform/log.ts';
import { configSchema } from '../../src/wire/config.ts';
import { Fault, isFault } from '../../src/wire/errors.ts';

const verbs = {
  double: { request: z.strictObject({ n: z.number() }), answer: z.strictObject({ n: z.number() }) },
  fail: { request: z.strictObject({}), answer: z.strictObject({}) },
  never: { request: z.strictObject({}), answer: z.strictObject({}) },
  secret: { request: z.strictObject({}), answer: z.strictObject({}) },
} as const;
const pushes = { tick: z.strictObject({ n: z.number() }) } as const;
const uids = configSchema.shape.uids.parse({ broker: process.getuid?.() ?? 0, control: 4242 });
const folder = mkdtempSync(join(tmpdir(), 'anteroom-ipc-'));
let sockets = 0;
const freshPath = (): string => join(folder, `${++sockets}`, 'x.sock');

const open = (
  path: string,
  more: Partial<ServeOptions<typeof verbs, typeof pushes>> = {},
): ReturnType<typeof serve<typeof verbs, typeof pushes>> =>
  serve({
    path,
    verbs,
    pushes,
    uids,
    log: silentLog,
    access: { double: ['broker'], fail: ['broker'], never: ['broker'], secret: ['control'] },
    handlers: {
      double: ({ n }) => ({ n: n * 2 }),
      fail: () => {
        throw new Fault('AUDIT_STORAGE_FULL', 'here');
      },
      never: () => new Promise<Record<string, never>>(() => undefined),
      secret: () => ({}),
    },
    ...more,
  });

const faultOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
    return 'no fault';
  } catch (error) {
    return isFault(error) ? `${error.code} ${error.detail}` : String(error);
  }
};

void t.test('verbs, faults, roles and pushes', async (t) => {
  const path = freshPath();
  const server = await open(path);
  const ticks: number[] = [];
  const ticked = Promise.withResolvers<void>();
  const client = connect({
    path,
    verbs,
    pushes,
    log: silentLog,
    onPush: (_event, body) => {
      ticks.push(body.n);
      ticked.resolve();
    },
  });
  t.same(await client.call('double', { n: 21 }), { n: 42 });
  t.match(await faultOf(client.call('fail', {})), 'AUDIT_STORAGE_FULL here');
  t.match(await faultOf(client.call('secret', {})), 'IPC_REFUSED secret', 'the verb of another role');
  t.match(await faultOf(client.call('double', { n: 'x' } as never)), /IPC_MALFORMED double: n/);
  t.match(await faultOf(client.call('other' as never, {} as never)), 'IPC_UNKNOWN_VERB other');
  t.match(await faultOf(client.call('never', {}, { timeoutMs: 20 })), /IPC_TIMEOUT/);
  server.push('tick', { n: 1 });
  server.push('tick', { n: 2 }, 'sensor');
  await ticked.promise;
  t.same(ticks, [1], 'a push for another role does not arrive');
  client.close();
  await server.close();
});

void t.test('a client waits for its server and finds it again', async (t) => {
  const path = freshPath();
  let downs = 0;
  const client = connect({ path, verbs, pushes, log: silentLog, onDisconnect: () => downs++ });
  t.match(await faultOf(client.call('double', { n: 1 }, { timeoutMs: 30 })), /IPC_UNREACHABLE/);
  const early = client.call('double', { n: 2 });
  const first = await open(path);
  t.same(await early, { n: 4 });
  const broken = client.call('never', {});
  const broke = faultOf(broken);
  await client.call('double', { n: 0 });
  await first.close();
  t.match(await broke, /IPC_UNREACHABLE/, 'a call under way is told');
  const second = await open(path);
  t.same(await client.call('double', { n: 3 }), { n: 6 });
  t.equal(downs, 1);
  client.close();
  await second.close();
});

void t.test('strangers and garbage are disconnected', async (t) => {
  const path = freshPath();
  const server = await open(path, { credentials: () => ({ pid: 1, uid: 31337, gid: 1 }) });
  const stranger = netConnect(path);
  await once(stranger, 'close');
  t.pass('no role, no connection');
  await server.close();

  const other = freshPath();
  const second = await open(other);
  for (const bytes of [
    [0xff, 0xff, 0xff, 0xff],
    [0, 0, 0, 1, 0x5b],
    [0, 0, 0, 2, 0x7b, 0x7d],
  ]) {
    const socket = netConnect(other);
    socket.write(Buffer.from(bytes));
    await once(socket, 'close');
  }
  const client = connect({ path: other, verbs, pushes, log: silentLog });
  t.same(await client.call('double', { n: 5 }), { n: 10 }, 'others are served');
  client.close();
  await second.close();
});
