/** The control process as the other processes meet it: decisions, restarts, reloads, who may call. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { isFault } from '../../src/wire/errors.ts';
import type { Decision, Grant } from '../../src/wire/grant.ts';
import { resourceId } from '../../src/wire/ids.ts';
import type { HealthItem } from '../../src/wire/health.ts';
import {
  callControl,
  makeSite,
  newSession,
  policyText,
  present,
  progressOf,
  startAudit,
  startControl,
  startTunnel,
  tunnelSession,
  until,
} from './control-process.ts';
import type { Caller, ControlProcess, Site } from './control-process.ts';

const run = promisify(execFile);
const anteroom = fileURLToPath(new URL('../../src/cli/anteroom.ts', import.meta.url));
const resource = resourceId.parse('pacs-dicom');
const ada = { address: '100.96.0.7', port: 40000 };
const host = {
  mac: '02:00:00:00:00:10',
  vendor: 'Example',
  addresses: ['10.20.0.10'],
  services: [{ transport: 'tcp' as const, port: 4242, protocol: 'dicom' }],
  evidence: [{ protocol: 'dicom', field: 'calledAeTitle', value: 'ORTHANC', first: 1, last: 2 }],
  first: 1,
  last: 2,
};

let number = 0;
const ask = (caller: Caller, source = ada): Promise<Decision> =>
  caller.control.call('session.authorize', { session: newSession(++number), resource, source });

function granted(decision: Decision): Grant {
  if (decision.decision !== 'permit') throw new Error(`refused: ${decision.refusal.reasons.join(' ')}`);
  return decision.grant;
}
const refusedCode = (decision: Decision): string =>
  decision.decision === 'deny' ? decision.refusal.code : 'permitted';

const healthOf = async (caller: Caller, item: string): Promise<HealthItem | undefined> =>
  (await caller.control.call('operator.overview', {})).health.find((h) => h.item === item);

void t.test('decides, with the facts of the running session', async (t) => {
  const site = makeSite();
  const audit = await startAudit(site);
  const tunnel = await startTunnel(site, [present('ada-laptop', tunnelSession('ada-laptop'))]);
  const control = await startControl(site);
  const broker = callControl(site);
  t.teardown(async () => {
    broker.control.close();
    await control.kill();
    await tunnel.server.close();
    await audit.close();
    site.remove();
  });

  const grant = granted(await ask(broker));
  t.same(grant.actions, ['view', 'modify']);
  t.same(grant.rules, ['imaging']);
  t.equal(grant.subject.user, 'ada');
  t.equal(grant.subject.kex, 'hybrid', 'as the tunnel said, not as configured');
  t.equal(grant.subject.tunnelSession, '0'.repeat(31) + '1');
  t.same(grant.target.dial, { address: '10.20.0.10', port: 4242 });
  t.match(grant.revision, /^[0-9a-f]{12}$/);
  const mapped = granted(await ask(broker, { address: '::ffff:100.96.0.7', port: 40000 }));
  t.same(mapped.subject.source, ada, 'one spelling for an address');

  t.equal(refusedCode(await ask(broker, { address: '100.96.0.99', port: 1 })), 'UNKNOWN_PEER');
  const unknown = await broker.control.call('session.authorize', {
    session: newSession(++number),
    resource: resourceId.parse('elsewhere'),
    source: ada,
  });
  t.equal(refusedCode(unknown), 'UNKNOWN_RESOURCE');
  const absent = await ask(broker, { address: '100.96.0.8', port: 1 });
  t.equal(refusedCode(absent), 'NO_TUNNEL_SESSION');
  tunnel.peers = [...tunnel.peers, present('bob-laptop', tunnelSession('bob-laptop', 'classical', 2))];
  const visitor = await ask(broker, { address: '100.96.0.8', port: 1 });
  t.equal(refusedCode(visitor), 'POLICY_DENIED', 'a visitor may do nothing');
  if (visitor.decision === 'deny') t.equal(visitor.refusal.subject?.user, 'bob');

  await until('control told the audit log of its start', () =>
    audit.of('policy.activated').length === 1 && audit.of('process.start').length === 1 ? true : undefined,
  );
  t.equal((await healthOf(broker, 'control.coordinator'))?.text, 'standalone: no coordinator configured');
  await until('the tunnel own items are listed', () => healthOf(broker, 'tunnel.link'));
  t.equal((await healthOf(broker, 'audit.process'))?.level, 'ok');
});

void t.test('a connection that is faster than the news of its handshake', async (t) => {
  const site = makeSite();
  const tunnel = await startTunnel(site, [present('ada-laptop')]);
  const control = await startControl(site);
  const broker = callControl(site);
  t.teardown(async () => {
    broker.control.close();
    await control.kill();
    await tunnel.server.close();
    site.remove();
  });
  await until('the tunnel was asked', async () =>
    (await healthOf(broker, 'tunnel.process'))?.level === 'ok' ? true : undefined,
  );
  const asked = ask(broker);
  // Answered after the question has reached control: one connection, in order.
  await broker.control.call('operator.overview', {});
  tunnel.peers = [present('ada-laptop', tunnelSession('ada-laptop', 'classical+psk'))];
  tunnel.server.push('tunnel.session', tunnelSession('ada-laptop', 'classical+psk'));
  t.equal(granted(await asked).subject.kex, 'classical+psk');
});

void t.test('alone, then with the others in any order, then without them again', async (t) => {
  const site = makeSite();
  const control = await startControl(site);
  const broker = callControl(site);
  t.teardown(async () => {
    broker.control.close();
    await control.kill();
    site.remove();
  });
  t.equal(refusedCode(await ask(broker)), 'NO_TUNNEL_SESSION', 'it answers, with nobody there');
  t.equal((await healthOf(broker, 'tunnel.process'))?.level, 'critical');
  await until('the audit process is missed', async () =>
    (await healthOf(broker, 'audit.process'))?.level === 'critical' ? true : undefined,
  );

  const session = tunnelSession('ada-laptop');
  const tunnel = await startTunnel(site, [present('ada-laptop', session)]);
  granted(
    await until('the tunnel is found', async () => {
      const decision = await ask(broker);
      return decision.decision === 'permit' ? decision : undefined;
    }),
  );
  const audit = await startAudit(site);
  await until('what happened before is recorded', () =>
    audit.of('process.start').length === 1 && audit.of('health.changed').length > 0 ? true : undefined,
  );
  await audit.close();
  granted(await ask(broker));

  await until(
    'the endpoint was noted',
    async () => (await broker.control.call('operator.overview', {})).peers[0]?.endpoint,
  );
  await tunnel.server.close();
  await until('the tunnel is missed', async () =>
    (await healthOf(broker, 'tunnel.process'))?.level === 'critical' ? true : undefined,
  );
  t.equal(await healthOf(broker, 'tunnel.link'), undefined, 'its last word is no longer listed');
  const grant = granted(await ask(broker));
  t.equal(grant.subject.kex, 'hybrid', 'the last known session carries on for a while');

  const again = await startTunnel(site, [present('ada-laptop')]);
  const hint = await until('the tunnel was told where the peer is', () => again.hints[0]);
  t.same(hint, { peer: 'ada-laptop', endpoint: session.endpoint });
  await until('a tunnel that is back and knows no session is believed', async () =>
    refusedCode(await ask(broker)) === 'NO_TUNNEL_SESSION' ? true : undefined,
  );
  await again.server.close();
});

void t.test('a restart by kill -9 keeps the inventory and takes the sessions back', async (t) => {
  const site = makeSite();
  const audit = await startAudit(site);
  const tunnel = await startTunnel(site, [present('ada-laptop', tunnelSession('ada-laptop'))]);
  let control = await startControl(site);
  const broker = callControl(site);
  const sensor = callControl(site);
  t.teardown(async () => {
    broker.control.close();
    sensor.control.close();
    await control.kill();
    await tunnel.server.close();
    await audit.close();
    site.remove();
  });
  const grant = granted(await ask(broker));
  await broker.control.call('session.started', { grant, progress: progressOf(grant) });
  const stranger = { ...host, mac: '02:00:00:00:00:66', addresses: ['10.20.0.66'] };
  await sensor.control.call('sensor.observed', { hosts: [host, stranger], health: [] });
  await until('both hosts are recorded', () => (audit.of('device.observed').length === 2 ? true : undefined));
  await control.kill();

  control = await startControl(site);
  const after = await broker.control.call('operator.overview', {});
  t.equal(after.devices.length, 2);
  t.equal(after.devices[0]?.device?.id, 'pacs');
  t.equal(after.devices[0]?.observation?.evidence[0]?.value, 'ORTHANC');
  t.equal(after.devices[1]?.observation?.mac, stranger.mac);
  t.same(after.sessions, []);
  await broker.control.call('session.started', { grant, progress: progressOf(grant) });
  const { sessions } = await broker.control.call('operator.overview', {});
  t.equal(sessions[0]?.grant.session, grant.session);
  t.notOk(sessions[0]?.ended);
  await broker.control.call('session.ended', {
    progress: { ...progressOf(grant), bytesToDevice: 7 },
    reason: 'closed by the user',
  });
  const ended = (await broker.control.call('operator.overview', {})).sessions[0];
  t.equal(ended?.ended?.reason, 'closed by the user');
  t.equal(ended?.progress.bytesToDevice, 7);
  await sensor.control.call('sensor.observed', { hosts: [host, stranger], health: [] });
  await until('a second start is recorded', () =>
    audit.of('process.start').length === 2 ? true : undefined,
  );
  t.equal(audit.of('device.observed').length, 2, 'what the log knows is not told again');
  t.equal(await control.stop(), 0);
  t.equal(audit.of('process.stop').length, 1);
});

void t.test('SIGHUP: a broken policy changes nothing, a narrower one reaches open sessions', async (t) => {
  const site = makeSite();
  const audit = await startAudit(site);
  const tunnel = await startTunnel(site, [present('ada-laptop', tunnelSession('ada-laptop'))]);
  const control = await startControl(site);
  const broker = callControl(site);
  t.teardown(async () => {
    broker.control.close();
    await control.kill();
    await tunnel.server.close();
    await audit.close();
    site.remove();
  });
  const grant = granted(await ask(broker));
  await broker.control.call('session.started', { grant, progress: progressOf(grant) });
  const policyHealth = (): Promise<HealthItem | undefined> => healthOf(broker, 'control.policy');

  writeFileSync(site.policyFile, `${policyText}permit (principal, action resource);`);
  control.child.kill('SIGHUP');
  const critical = await until('the health list says so', async () => {
    const item = await policyHealth();
    return item?.level === 'critical' ? item : undefined;
  });
  t.match(critical.text, /policy\.cedar:3:\d+: .*unexpected token/);
  t.match(critical.text, new RegExp(grant.revision), 'and which set decides');
  t.same(granted(await ask(broker)).actions, ['view', 'modify'], 'the old one decides on');
  t.same(broker.pushed, []);
  await until('the change of health is recorded', () =>
    audit.of('health.changed').find((e) => e.kind === 'health.changed' && e.body.item === 'control.policy'),
  );

  const narrow = policyText.replace(', Action::"modify"', '');
  writeFileSync(site.policyFile, narrow);
  control.child.kill('SIGHUP');
  const regrant = await until('the open session is decided again', () =>
    broker.pushed.find(({ event }) => event === 'session.regrant'),
  );
  t.equal(regrant.event, 'session.regrant');
  const smaller = regrant.body['grant'] as Grant;
  t.equal(smaller.session, grant.session);
  t.same(smaller.actions, ['view']);
  t.equal(smaller.limits.end, grant.limits.end, 'its end stays where it was');
  t.not(smaller.revision, grant.revision);
  t.equal((await policyHealth())?.level, 'ok');

  writeFileSync(site.policyFile, '// nobody\n');
  control.child.kill('SIGHUP');
  const revoke = await until('the open session is revoked', () =>
    broker.pushed.find(({ event }) => event === 'session.revoke'),
  );
  t.equal(revoke.event, 'session.revoke');
  t.equal(revoke.body['session'], grant.session);
  t.equal(refusedCode(await ask(broker)), 'POLICY_DENIED');

  await until('all of it is recorded', () =>
    audit.of('policy.activated').length === 3 && audit.of('session.regranted').length === 1
      ? true
      : undefined,
  );
  const outcomes = audit
    .of('operator.action')
    .flatMap((e) => (e.kind === 'operator.action' ? [`${e.body.verb} ${e.body.outcome}`] : []));
  t.same(outcomes, ['policy.reload refused', 'policy.reload done', 'policy.reload done']);
});

void t.test('a broken policy at the start: the last good set decides, or the exit code is 78', async (t) => {
  const site = makeSite();
  const tunnel = await startTunnel(site, [present('ada-laptop', tunnelSession('ada-laptop'))]);
  const processes: ControlProcess[] = [];
  const broker = callControl(site);
  t.teardown(async () => {
    broker.control.close();
    for (const process of processes) await process.kill();
    await tunnel.server.close();
    site.remove();
  });
  writeFileSync(site.policyFile, '@id("x") permit (principal, action, resource);');
  const first = await startControl(site, true);
  t.equal(await first.stop(), 78);
  t.match(
    first.lines.join('\n'),
    /^anteroom-control: POLICY_INVALID: .*policy\.cedar:1:1: policy x: has no @reason$/m,
  );

  writeFileSync(site.policyFile, policyText);
  const second = await startControl(site);
  const { revision } = granted(await ask(broker));
  t.equal(await second.stop(), 0);

  writeFileSync(site.policyFile, 'nonsense');
  processes.push(await startControl(site));
  const grant = granted(await ask(broker));
  t.equal(grant.revision, revision, 'a gateway that once had a policy is not left without decisions');
  t.equal((await healthOf(broker, 'control.policy'))?.level, 'critical');
});

function cli(site: Site, ...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return run(process.execPath, [anteroom, '--config', site.configFile, ...words]).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
}

void t.test('operators: the command line', async (t) => {
  const site = makeSite();
  const unreachable = await cli(site, 'status');
  t.equal(unreachable.code, 69, 'no control process');
  t.match(unreachable.stderr, /cannot be reached/);

  const audit = await startAudit(site);
  const tunnel = await startTunnel(site, [present('ada-laptop', tunnelSession('ada-laptop'))]);
  const control = await startControl(site);
  const broker = callControl(site);
  t.teardown(async () => {
    broker.control.close();
    await control.kill();
    await tunnel.server.close();
    await audit.close();
    site.remove();
  });
  t.equal((await cli(site, 'sessions')).stdout, 'No sessions.\n');
  const grant = granted(await ask(broker));
  await broker.control.call('session.started', { grant, progress: progressOf(grant) });
  const evil = { ...host, vendor: 'Ex\u001b[31mample' };
  await broker.control.call('sensor.observed', { hosts: [evil], health: [] });

  const sessions = await cli(site, 'sessions');
  t.match(
    sessions.stdout,
    new RegExp(`^${grant.session}  live +ada   pacs-dicom  10\\.20\\.0\\.10:4242  view,modify +hybrid`, 'm'),
  );
  const asJson = JSON.parse((await cli(site, 'sessions', '--json')).stdout) as { grant: Grant }[];
  t.equal(asJson[0]?.grant.session, grant.session);
  const devices = await cli(site, 'devices');
  t.match(devices.stdout, /^pacs\s+pacs\s+imaging\s+10\.20\.0\.10\s+02:00:00:00:00:10/m);
  t.notMatch(devices.stdout, /\p{Cc}(?<!\n)/u, 'no control characters reach the terminal');
  t.match((await cli(site, 'devices', 'show', '10.20.0.10')).stdout, /calledAeTitle\s+ORTHANC/);
  t.equal((await cli(site, 'devices', 'show', 'nowhere')).code, 66);
  const status = await cli(site, 'status');
  t.equal(status.code, 0);
  t.match(status.stdout, /^control\.coordinator +ok .*standalone: no coordinator configured$/m);
  t.match(status.stdout, /^ada-laptop +192\.0\.2\.9:5000 +hybrid/m);
  t.match(JSON.parse((await cli(site, 'status', '--json')).stdout), { site: { id: 'clinic-north' } });

  t.equal((await cli(site, 'sessions', 'revoke', grant.session)).code, 64, 'a reason is asked for');
  t.equal((await cli(site, 'sessions', 'revoke', newSession(999), '--reason', 'x')).code, 66);
  const revoked = await cli(
    site,
    'sessions',
    'revoke',
    grant.session.slice(0, 12 + 22),
    '--reason',
    'lost laptop',
  );
  t.equal(revoked.code, 0, revoked.stderr);
  const push = await until('the broker is told', () => broker.pushed[0]);
  t.same(push, { event: 'session.revoke', body: { session: grant.session, reason: 'lost laptop' } });
  // A broker that comes back with the session still open is told again.
  await broker.control.call('session.started', { grant, progress: progressOf(grant) });
  await until('the broker is told again', () => broker.pushed[1]);
  await until('both attempts are recorded', () =>
    audit.of('operator.action').length === 2 ? true : undefined,
  );
  await broker.control.call('session.ended', { progress: progressOf(grant), reason: 'revoked' });
  t.match((await cli(site, 'sessions')).stdout, /  ended +ada .*  revoked$/m);
  t.match(
    audit.of('operator.action').map((e) => e.body),
    [
      { operator: 'uid 0', verb: 'session.revoke', outcome: 'refused' },
      { operator: 'uid 0', verb: 'session.revoke', object: grant.session, outcome: 'done' },
    ],
  );
});

void t.test('a user of the machine with no part in the gateway is turned away', async (t) => {
  const site = makeSite();
  const control = await startControl(site);
  const broker = callControl(site);
  t.teardown(async () => {
    broker.control.close();
    await control.kill();
    site.remove();
  });
  const socket = join(site.config.runtimeDir, 'control', 'control.sock');
  const knock = [
    "const { connect } = require('node:net');",
    'const s = connect(process.argv[1]);',
    "const body = Buffer.from(JSON.stringify({ id: 1, verb: 'operator.overview', body: {} }));",
    'const head = Buffer.alloc(4); head.writeUInt32BE(body.length);',
    "s.on('connect', () => { console.log('connected'); s.write(Buffer.concat([head, body])); });",
    "s.on('data', (d) => console.log('data', d.length));",
    "s.on('error', (e) => console.log(e.code));",
    "s.on('close', () => console.log('closed'));",
  ].join('\n');
  const as = async (uid: number): Promise<string> => {
    const child = spawn(process.execPath, ['-e', knock, socket], { uid, gid: uid, cwd: '/' });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('data')) child.kill('SIGKILL');
    });
    await once(child, 'close');
    return text;
  };
  const stranger = await as(65534);
  t.match(stranger, /closed/);
  t.notMatch(stranger, /data/, 'not a word');
  t.match(await as(process.getuid?.() ?? 0), /data/, 'the same knock by someone with a role is answered');
  t.match(await broker.control.call('operator.overview', {}), { site: { id: 'clinic-north' } });
  const unknown = broker.control.call('operator.revoke', { session: newSession(1), reason: 'none' });
  t.ok(
    await unknown.then(
      () => false,
      (error: unknown) => isFault(error, 'SESSION_UNKNOWN'),
    ),
  );
});
