/** The audit process and its commands, for real: credentials, origins, hostile callers, restart, store faults. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect as netConnect } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { auditSchema } from '../../src/audit/schema.ts';
import { MAX_FRAME_BYTES, encodeFrame } from '../../src/ipc/frame.ts';
import { keepRefusal, readTray } from '../../src/platform/refusal-tray.ts';
import { openStore } from '../../src/store/store.ts';
import type { AuditEvent } from '../../src/wire/audit-event.ts';
import { isFault } from '../../src/wire/errors.ts';
import { processStart, sessionRefused, sessionStart, unitRefused } from '../audit/sample.ts';
import { anteroom, connectAudit, makeSite, startAudit } from './audit-process.ts';

const faultOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
    return 'no fault';
  } catch (e) {
    return isFault(e) ? e.code : String(e);
  }
};

/** Send bytes to the socket and resolve when the other end has closed it. */
async function closedAfter(path: string, bytes: Uint8Array): Promise<boolean> {
  const socket = netConnect(path);
  socket.on('error', () => undefined);
  socket.resume();
  socket.write(bytes);
  await once(socket, 'close');
  return true;
}

void t.test('append, read, verify, restart', async (t) => {
  const site = makeSite({});
  t.teardown(() => site.remove());
  const first = await startAudit(site);
  const client = connectAudit(site);
  t.teardown(() => client.close());
  const appended = await client.call('audit.append', { events: [sessionStart(1), unitRefused(2)] });
  t.equal(appended.first, 1, 'after its own process.start');
  t.equal(appended.head.size, 3);
  await client.call('audit.append', { events: [sessionRefused(3)] });
  const { records } = await client.call('audit.read', { from: 0, limit: 10 });
  t.same(
    records.map((r) => [r.seq, r.event.kind, r.event.origin]),
    [
      [0, 'process.start', 'audit'],
      [1, 'session.start', 'broker'],
      [2, 'session.unit.refused', 'broker'],
      [3, 'session.refused', 'broker'],
    ],
  );
  t.same(records[1]?.event, sessionStart(1));
  t.equal((await client.call('audit.head', {})).size, 4);
  for (const file of [site.store, join(dirname(site.store), 'checkpoint.key')])
    t.equal(statSync(file).mode & 0o777, 0o600, file);
  t.equal(statSync(dirname(site.store)).mode & 0o777, 0o700);

  await t.test('the commands', async (t) => {
    const tail = await anteroom(site, 'audit', 'tail', '-n', '3');
    t.equal(tail.code, 0, tail.err);
    const lines = tail.out.trimEnd().split('\n');
    t.equal(lines.length, 3);
    t.match(
      lines[0],
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} +1 session\.start +dr\.vogel +pacs +view,modify +permit +radiology\.pacs +hybrid +s-[0-9a-f]{32} /,
    );
    t.match(lines[1], / session\.unit\.refused .* modify +deny .* C-STORE: not permitted$/);
    t.match(lines[2], / session\.refused .* deny +default .* POLICY_DENIED: no policy permits it$/);
    const json = await anteroom(site, 'audit', 'tail', '--json', '-n', '1');
    t.same(JSON.parse(json.out), { ...records[3] });
    t.match((await anteroom(site, 'audit', 'head')).out, /^4 [0-9a-f]{64} /);
    const verify = await anteroom(site, 'audit', 'verify');
    t.equal(verify.code, 0, verify.err);
    t.match(verify.out, /records +4\n[^]*verified/, 'next to the running process');
    t.equal((await anteroom(site, 'audit', 'tail', '-n', 'x')).code, 64);
    t.equal((await anteroom(site, 'audit', 'checkpoint')).code, 74, 'none yet');
  });
  t.equal(await first.stop(), 0);

  await t.test('after a restart, with the checkpoint of the stop', async (t) => {
    const second = await startAudit(site);
    const { size, root } = await client.call('audit.head', {}, { timeoutMs: 10_000 });
    t.equal(size, 6, 'process.stop and process.start');
    const checkpoint = await anteroom(site, 'audit', 'checkpoint');
    t.match(checkpoint.out, /^anteroom\/clinic-north\/audit\n5\n/);
    const key = (await anteroom(site, 'audit', 'checkpoint', '--key')).out;
    const kept = join(site.folder, 'kept');
    writeFileSync(kept, checkpoint.out);
    writeFileSync(`${kept}.key`, key);
    t.equal(await second.stop(), 0);
    const offline = ['audit', 'verify', '--store', site.store, '--checkpoint', kept, '--key'];
    const verify = await anteroom(site, ...offline, `${kept}.key`);
    t.match(verify.out, /checkpoint +5 records, .* signature verified\n/);
    t.equal(verify.code, 0, verify.err);
    const other = await anteroom(site, ...offline, key.trim().replace('+', 'x+'));
    t.equal(other.code, 64, 'no key');
    t.match(other.err, /is not a verifier key|ENOENT/);
    t.not(root, '');

    const store = openStore({ file: site.store, schema: auditSchema });
    store.prepare('DROP TRIGGER record_update').run();
    store
      .prepare("UPDATE record SET canonical = replace(canonical, 'dr.vogel', 'dr.fuchs') WHERE seq = 2")
      .run();
    store.close();
    const bad = await anteroom(site, 'audit', 'verify');
    t.equal(bad.code, 65);
    t.match(bad.out, /fault +changed, record 2: /);
    t.match(bad.err, /^anteroom: The audit log does not verify\. changed at record 2/);
    t.match(JSON.parse((await anteroom(site, 'audit', 'verify', '--json')).out), {
      fault: { kind: 'changed', seq: 2 },
    });

    const third = await startAudit(site);
    t.equal(await faultOf(client.call('audit.append', { events: [processStart(1)] })), 'AUDIT_CORRUPT');
    t.equal((await client.call('audit.read', { from: 0, limit: 100 })).records.length, 7, 'reads are served');
    t.equal(await third.stop(), 0);
  });
});

void t.test('who may do what', async (t) => {
  const me = process.getuid?.() ?? 0;
  const site = makeSite({ uids: { tunnel: 40001, sensor: 40002, broker: 40003, control: me, audit: 40005 } });
  t.teardown(() => site.remove());
  const audit = await startAudit(site);
  const client = connectAudit(site);
  t.teardown(() => client.close());
  const from = (origin: AuditEvent['origin']): AuditEvent => ({ ...processStart(1), origin });
  for (const origin of ['tunnel', 'sensor', 'broker', 'audit'] as const)
    t.equal(
      await faultOf(client.call('audit.append', { events: [from('control'), from(origin)] })),
      'IPC_REFUSED',
      origin,
    );
  t.equal(
    (await client.call('audit.append', { events: [from('control')] })).first,
    1,
    'nothing of the refused was written',
  );
  for (const body of [
    { events: [] },
    { events: [{ ...from('control'), kind: 'made.up' }] },
    { events: [{ ...from('control'), more: 1 }] },
    { events: [{ ...from('control'), at: -1 }] },
    { events: [{ ...from('control'), origin: 'operator' }] },
    { events: Array.from({ length: 1025 }, () => from('control')) },
    {},
  ])
    t.equal(await faultOf(client.call('audit.append', body as never)), 'IPC_MALFORMED');
  const surrogate = { ...from('control'), body: { process: 'control', version: '\ud800' } } as AuditEvent;
  t.equal(await faultOf(client.call('audit.append', { events: [surrogate] })), 'IPC_MALFORMED');
  t.equal(await faultOf(client.call('audit.read', { from: -1, limit: 1 })), 'IPC_MALFORMED');
  t.equal(await faultOf(client.call('audit.read', { from: 0, limit: 1001 })), 'IPC_MALFORMED');
  t.equal(await faultOf(client.call('audit.erase' as never, {} as never)), 'IPC_UNKNOWN_VERB');

  const header = (n: number): Buffer => {
    const b = Buffer.alloc(4);
    b.writeUInt32BE(n);
    return b;
  };
  t.ok(await closedAfter(site.socket, header(MAX_FRAME_BYTES + 1)), 'an oversized frame');
  t.ok(await closedAfter(site.socket, header(0)), 'an empty frame');
  t.ok(await closedAfter(site.socket, Buffer.concat([header(3), Buffer.from('{x}')])), 'not JSON');
  t.ok(await closedAfter(site.socket, Buffer.concat([header(4), Buffer.from('null')])), 'not a request');
  t.ok(await closedAfter(site.socket, Buffer.from('GET / HTTP/1.1\r\n\r\n')), 'another protocol');
  t.equal((await client.call('audit.head', {})).size, 2, 'and the process goes on');
  t.equal(await audit.stop(), 0);
});

void t.test('strangers and operators, by their uid', async (t) => {
  t.equal(process.getuid?.(), 0, 'this test changes its uid, so it runs as root');
  const site = makeSite({ uids: { broker: 40003 } });
  t.teardown(() => site.remove());
  const audit = await startAudit(site);
  const client = connectAudit(site);
  t.teardown(() => client.close());
  t.equal((await client.call('audit.head', {})).size, 1, 'root reads');
  t.equal(
    await faultOf(client.call('audit.append', { events: [processStart(1)] })),
    'IPC_REFUSED',
    'and never appends',
  );
  const request = encodeFrame({ id: 1, verb: 'audit.append', body: { events: [processStart(1)] } });
  const knock = `const s = require('net').connect(${JSON.stringify(site.socket)});
    s.on('error', () => {}); s.on('data', (d) => process.stdout.write(d.subarray(4)));
    s.on('close', () => process.exit(0)); s.write(Buffer.from('${request?.toString('base64')}', 'base64'));
    s.on('data', () => s.end());`;
  const answerTo = async (uid: number): Promise<string> => {
    const child = spawn(process.execPath, ['-e', knock], {
      uid,
      gid: uid,
      cwd: '/',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    await once(child, 'close');
    return out;
  };
  // mkdtemp makes its folder for its owner alone.
  chmodSync(site.folder, 0o755);
  t.equal(await answerTo(65534), '', 'a stranger is disconnected without an answer');
  t.match(await answerTo(40003), /"first":1/, 'the broker appends');
  t.equal(await audit.stop(), 0);
});

void t.test('a store that cannot be opened is told to every caller, and tried again', async (t) => {
  const site = makeSite({});
  t.teardown(() => site.remove());
  mkdirSync(site.store, { recursive: true });
  const audit = await startAudit(site);
  const client = connectAudit(site);
  t.teardown(() => client.close());
  t.equal(await faultOf(client.call('audit.append', { events: [processStart(1)] })), 'AUDIT_UNAVAILABLE');
  t.equal(await faultOf(client.call('audit.head', {})), 'AUDIT_UNAVAILABLE');
  rmSync(site.store, { recursive: true });
  await audit.logged('the log is open');
  t.equal((await client.call('audit.append', { events: [processStart(1)] })).first, 1);
  t.equal(await audit.stop(), 0);

  writeFileSync(site.store, 'x'.repeat(8192));
  const damaged = await startAudit(site);
  t.equal(
    await faultOf(client.call('audit.append', { events: [processStart(1)] }, { timeoutMs: 10_000 })),
    'AUDIT_CORRUPT',
  );
  t.equal(await damaged.stop(), 0);
  t.equal(readFileSync(site.store, 'utf8'), 'x'.repeat(8192), 'and left as it is');
});

void t.test(
  'refusals of sticks from before it ran, and while it runs, go from the tray to the log',
  async (t) => {
    const site = makeSite({});
    t.teardown(() => site.remove());
    const state = join(site.folder, 'state');
    const uid = process.getuid?.() ?? 0;
    keepRefusal(state, { at: 1000, code: 'E05', digest: 'ab'.repeat(32) }, uid);
    const audit = await startAudit(site);
    const client = connectAudit(site);
    t.teardown(() => client.close());
    const logged = async (count: number): Promise<AuditEvent[]> => {
      const until = Date.now() + 60_000;
      for (;;) {
        const { records } = await client.call('audit.read', { from: 0, limit: 100 });
        const found = records.map(({ event }) => event).filter(({ kind }) => kind === 'provision.refused');
        if (found.length >= count || Date.now() > until) return found;
        await pause(50);
      }
    };
    await logged(1);
    keepRefusal(state, { at: 2000, code: 'E01' }, uid);
    t.same(await logged(2), [
      {
        kind: 'provision.refused',
        at: 1000,
        origin: 'audit',
        body: { code: 'E05', digest: 'ab'.repeat(32), count: 1 },
      },
      { kind: 'provision.refused', at: 2000, origin: 'audit', body: { code: 'E01', count: 1 } },
    ]);
    keepRefusal(state, { at: 3000, code: 'E02' }, uid);
    t.equal(await audit.stop(), 0);
    t.same(readTray(state), [], 'nothing waits');
    const again = await startAudit(site);
    t.equal((await logged(3)).length, 3, 'each once, also what came at the end');
    t.equal(await again.stop(), 0);
  },
);
