/** The control room with faked neighbours: who is asked, what is pushed, what is written down, what holds over time. */
import t from 'tap';
import { SETTLE as BROKER_SETTLE } from '../../src/control/registry.ts';
import { GRACE } from '../../src/control/tunnel-view.ts';
import { isFault } from '../../src/wire/errors.ts';
import { denialsOf } from '../../src/wire/grant.ts';
import type { Grant } from '../../src/wire/grant.ts';
import {
  broker,
  clinicConfig,
  confirmed,
  granted,
  imaging,
  named,
  observation,
  operator,
  present,
  progressOf,
  refusedCode,
  sensor,
  settle,
  world,
} from './fakes.ts';
import type { World } from './fakes.ts';

const levelOf = (w: World, item: string): string | undefined =>
  w.control.overview().health.find((h) => h.item === item)?.level;

void t.test('sources: longest prefix, families, spellings', async (t) => {
  const w = world();
  w.tunnel = present(confirmed(), confirmed('ward', 'classical', 2), confirmed('ward-kiosk', 'classical', 3));
  await w.tick();
  const peerAt = async (source: string): Promise<string> => {
    const decision = await w.ask(source);
    return decision.decision === 'permit' ? decision.grant.subject.peer : decision.refusal.code;
  };
  t.equal(await peerAt('100.96.0.7'), 'ada-laptop');
  t.equal(await peerAt('::ffff:100.96.0.7'), 'ada-laptop');
  t.equal(await peerAt('fd00:96:0:0:0:0:0:7'), 'ada-laptop');
  t.equal(await peerAt('100.96.1.127'), 'ward');
  t.equal(await peerAt('100.96.1.128'), 'ward-kiosk');
  t.equal(await peerAt('100.96.0.8'), 'UNKNOWN_PEER');
  t.equal(await peerAt('fd00:96::8'), 'UNKNOWN_PEER');
  t.equal(await peerAt('10.20.0.10'), 'UNKNOWN_PEER');
});

void t.test('the tunnel is lost: the last known session stands for the grace, no longer', async (t) => {
  const w = world();
  await w.tick();
  granted(await w.ask());
  w.tunnel = 'IPC_UNREACHABLE';
  w.control.tunnelLost();
  t.equal(levelOf(w, 'tunnel.process'), 'critical');
  w.clock.pass(GRACE - 1);
  await w.tick();
  t.equal(granted(await w.ask()).subject.kex, 'hybrid');
  w.clock.pass(1);
  const late = await w.ask();
  t.equal(refusedCode(late), 'NO_TUNNEL_SESSION');
  if (late.decision === 'deny') {
    t.match(late.refusal.reasons[0], /tunnel process cannot be asked/);
    t.equal(late.refusal.target?.resource, 'pacs-dicom');
  }
  w.tunnel = present(confirmed());
  t.equal(refusedCode(await w.ask()), 'permitted', 'it is asked again, at once');
  t.equal(levelOf(w, 'tunnel.process'), 'ok');
});

void t.test(
  'a connection that is faster than the news of its handshake waits for it, and only so long',
  async (t) => {
    const limit = Promise.withResolvers<void>();
    const w = world({ delay: () => limit.promise });
    w.tunnel = present();
    await w.tick();
    const answers: string[] = [];
    const [first, second] = [w.ask(), w.ask('100.96.1.1')];
    void first.then((d) => answers.push(refusedCode(d)));
    void second.then((d) => answers.push(refusedCode(d)));
    await settle();
    t.same(answers, []);
    w.control.tunnelSession(confirmed('ada-laptop', 'classical+psk'));
    t.equal(granted(await first).subject.kex, 'classical+psk');
    t.same(answers, ['permitted'], "another peer's news is not its own");
    limit.resolve();
    t.equal(refusedCode(await second), 'NO_TUNNEL_SESSION');
  },
);

void t.test('a push that overtakes the answer before it', async (t) => {
  const w = world();
  const answer = Promise.withResolvers<void>();
  const status = w.ports.tunnel.status.bind(w.ports.tunnel);
  w.tunnel = present();
  w.ports.tunnel.status = async (ms) => {
    const said = await status(ms);
    await answer.promise;
    return said;
  };
  const ticking = w.tick();
  w.control.tunnelSession(confirmed());
  answer.resolve();
  await ticking;
  granted(await w.ask());
  w.clock.pass(2_000);
  await w.tick();
  t.equal(refusedCode(await w.ask()), 'NO_TUNNEL_SESSION', 'the next answer is believed');
});

void t.test('a tunnel that does not answer in time counts as lost', async (t) => {
  const w = world();
  await w.tick();
  w.tunnel = 'IPC_TIMEOUT';
  w.clock.pass(2_000);
  await w.tick();
  t.equal(levelOf(w, 'tunnel.process'), 'critical');
  granted(await w.ask());
});

void t.test(
  'an open session keeps its end and outlives its tunnel session; a stranger on its name does not',
  async (t) => {
    const w = world();
    await w.tick();
    const session = named(77);
    const grant = granted(await w.ask('100.96.0.7', session));
    await w.started(grant);
    w.clock.pass(600_000);
    w.tunnel = present();
    await w.tick();
    t.equal(refusedCode(await w.ask()), 'NO_TUNNEL_SESSION', 'a new one needs a live tunnel session');
    const renewed = granted(await w.ask('100.96.0.7', session));
    t.equal(renewed.limits.end, grant.limits.end);
    t.equal(renewed.subject.tunnelSession, grant.subject.tunnelSession);
    t.equal(
      refusedCode(await w.ask('100.96.1.1', session)),
      'NO_TUNNEL_SESSION',
      'another source is another question',
    );
  },
);

void t.test('a change of the key agreement decides open sessions again', async (t) => {
  const hybrid = `${imaging}\n@id("kex") @reason("Hybrid only.") forbid (principal, action == Action::"modify", resource) unless { context.kex == Kex::"hybrid" };`;
  const w = world({ policyText: hybrid });
  await w.tick();
  const grant = granted(await w.ask());
  await w.started(grant);
  t.same(grant.actions, ['view', 'modify']);
  w.control.tunnelSession(confirmed('ada-laptop', 'hybrid', 2));
  t.same(w.pushed, [], 'a rekey of the same kind changes nothing');
  w.control.tunnelSession(confirmed('ada-laptop', 'classical', 3));
  t.equal(w.pushed.length, 1);
  t.equal(w.pushed[0]?.event, 'regrant');
  const regrant = w.pushed[0]?.body as Grant;
  t.same(regrant.actions, ['view']);
  t.same(
    denialsOf(regrant, 'modify').map((each) => each.reason),
    ['Hybrid only.'],
  );
  t.equal(regrant.subject.kex, 'classical');
  await w.tick();
  t.match(w.of('session.regranted'), [{ grant: { session: grant.session }, before: ['view', 'modify'] }]);
});

void t.test('time: a grant says when the answer may change, and the question then has another', async (t) => {
  const day = `${imaging}\n@id("day") @reason("By day only.") forbid (principal, action == Action::"modify", resource) when { context.time.minute >= 630 };`;
  const w = world({ policyText: day });
  await w.tick();
  const session = named(5);
  const grant = granted(await w.ask('100.96.0.7', session));
  await w.started(grant);
  const now = w.clock.now();
  t.equal(grant.expiresAt, now - (now % 60_000) + 30 * 60_000);
  t.same(grant.actions, ['view', 'modify']);
  w.clock.pass(30 * 60_000);
  w.time = { minute: 630, weekday: 3 };
  const renewed = granted(await w.ask('100.96.0.7', session));
  t.same(renewed.actions, ['view']);
  await w.tick();
  t.equal(w.of('session.regranted').length, 1);
});

void t.test('reload: all or nothing, and it reaches open sessions', async (t) => {
  const w = world();
  await w.tick();
  const grant = granted(await w.ask());
  await w.started(grant);
  w.policyText = `${imaging} oops`;
  w.control.reloadPolicy('SIGHUP');
  t.equal(levelOf(w, 'control.policy'), 'critical');
  t.same(w.pushed, []);
  t.equal(granted(await w.ask()).revision, grant.revision);
  w.policyText = imaging;
  w.control.reloadPolicy('SIGHUP');
  t.equal(levelOf(w, 'control.policy'), 'ok');
  t.same(w.pushed, [], 'the same text decides nothing again');
  w.policyText = '';
  w.control.reloadPolicy('SIGHUP');
  t.match(w.pushed, [{ event: 'revoke', session: grant.session }]);
  w.policyText = imaging;
  w.control.reloadPolicy('SIGHUP');
  t.equal(w.pushed.length, 1, 'what was revoked is not granted again');
  await w.tick();
  t.equal(w.of('policy.activated').length, 3);
});

void t.test('a broker that announces a grant of another policy, or of something gone', async (t) => {
  const w = world();
  await w.tick();
  const grant = granted(await w.ask());
  await w.started({ ...grant, revision: 'old', actions: ['view', 'modify', 'administer'] });
  t.match(w.pushed, [{ event: 'regrant', body: { actions: ['view', 'modify'] } }]);
  const { virtual, dial } = grant.target;
  await w.started({
    ...grant,
    session: named(2001),
    revision: 'old',
    target: { ...grant.target, virtual, dial: { ...dial, address: '10.20.0.99' } },
  });
  t.match(w.pushed[1], { event: 'revoke', session: named(2001), body: /no longer published/ });
  await w.started({
    ...grant,
    session: named(2002),
    revision: 'old',
    subject: { ...grant.subject, source: { address: '100.96.0.200', port: 1 } },
  });
  t.match(w.pushed[2], { event: 'revoke', session: named(2002), body: /no longer enrolled/ });
});

void t.test('the broker goes and comes back: what it does not announce again has ended', async (t) => {
  const w = world();
  await w.tick();
  const [kept, lost] = [granted(await w.ask()), granted(await w.ask())];
  await w.started(kept);
  await w.started(lost);
  t.equal(levelOf(w, 'broker.process'), 'ok');
  w.control.callerGone(broker);
  t.equal(levelOf(w, 'broker.process'), 'critical');
  await w.started(kept, 9);
  t.equal(levelOf(w, 'broker.process'), 'ok');
  w.clock.pass(BROKER_SETTLE);
  await w.tick();
  const rows = w.control.overview().sessions;
  t.match(rows, [
    { grant: { session: kept.session } },
    { grant: { session: lost.session }, ended: { reason: 'the broker process ended' } },
  ]);
  t.notOk(rows[0]?.ended);
  await w.tick();
  const ends = w.events.filter((event) => event.kind === 'session.end');
  t.match(
    ends,
    [{ origin: 'control', body: { session: lost.session, reason: 'the broker process ended' } }],
    'the log has an end for a start whose broker is gone',
  );
  t.equal(ends.length, 1);
});

void t.test(
  'a broker that reconnects before the old connection is seen to close stays present',
  async (t) => {
    const w = world();
    await w.tick();
    const grant = granted(await w.ask());
    await w.started(grant, 1);
    await w.started(grant, 9);
    w.control.callerGone(broker);
    w.clock.pass(BROKER_SETTLE);
    await w.tick();
    t.equal(levelOf(w, 'broker.process'), 'ok');
    t.notOk(w.control.overview().sessions[0]?.ended);
  },
);

void t.test('a policy that fails while deciding is a critical matter', async (t) => {
  const failing = `${imaging}\n@id("broken") @reason("B.") forbid (principal, action == Action::"modify", resource) when { context.posture.score * 9007199254740991 * 9007199254740991 > 0 };`;
  const w = world({ policyText: failing });
  await w.tick();
  t.same(granted(await w.ask()).actions, ['view']);
  t.equal(levelOf(w, 'control.decisions'), 'critical');
  w.clock.pass(5_000);
  await w.tick();
  t.match(
    w.of('health.changed').find((h) => h.item === 'control.decisions'),
    { level: 'critical', text: /broken/ },
  );
  w.clock.pass(301_000);
  await w.tick();
  t.equal(levelOf(w, 'control.decisions'), 'ok');
});

void t.test('decisions do not wait for the audit log, and its events are kept', async (t) => {
  const w = world();
  w.audit = 'AUDIT_STORAGE_FULL';
  await w.tick();
  granted(await w.ask());
  t.equal(levelOf(w, 'audit.process'), 'critical');
  t.same(w.events, []);
  w.audit = 'up';
  w.control.auditConnected();
  await settle();
  t.match(w.of('process.start'), [{ process: 'control' }]);
  t.equal(w.of('policy.activated').length, 1);
});

void t.test('revoking', async (t) => {
  const w = world();
  await w.tick();
  const grant = granted(await w.ask());
  await w.started(grant);
  await w.control.handlers['operator.revoke']({ session: grant.session, reason: 'lost' }, operator);
  t.match(w.pushed, [{ event: 'revoke', session: grant.session, body: 'lost' }]);
  await w.started(grant, 9);
  t.equal(w.pushed.length, 2, 'said again to a broker that announces it again');
  t.throws(
    () => w.control.handlers['operator.revoke']({ session: named(4444), reason: 'x' }, operator),
    'an unknown session',
  );
  try {
    w.control.revoke(named(4444), 'x', 'status page');
  } catch (e) {
    t.ok(isFault(e, 'SESSION_UNKNOWN'));
  }
  await w.control.handlers['session.ended']({ progress: progressOf(grant), reason: 'revoked' }, broker);
  await w.tick();
  t.match(w.of('operator.action'), [
    { operator: 'uid 0', outcome: 'done' },
    { operator: 'uid 0', outcome: 'refused' },
    { operator: 'status page', outcome: 'refused' },
  ]);
});

void t.test('the session table is bounded', async (t) => {
  const config = clinicConfig((input) => {
    input['broker'] = { limits: { sessions: 2 } };
  });
  const w = world({ config });
  await w.tick();
  const grants = [granted(await w.ask()), granted(await w.ask()), granted(await w.ask())];
  await w.started(grants[0] as Grant);
  await w.started(grants[1] as Grant);
  await t.rejects(w.started(grants[2] as Grant), { code: 'SESSION_LIMIT' });
});

void t.test('other processes: their items, and names that are not theirs', async (t) => {
  const w = world();
  const item = (name: string): object => ({ item: name, level: 'critical', text: 'x', since: 1 });
  await w.control.handlers['sensor.observed'](
    {
      hosts: [observation(1)],
      health: [item('sensor.drops'), item('audit.disk'), item('sensor.process')] as never,
    },
    sensor,
  );
  const names = w.control.overview().health.map((h) => h.item);
  t.ok(names.includes('sensor.drops'));
  t.notOk(names.includes('audit.disk'));
  t.equal(names.filter((n) => n === 'sensor.process').length, 1);
  w.control.callerGone(sensor);
  t.equal(levelOf(w, 'sensor.drops'), undefined);
  t.equal(levelOf(w, 'sensor.process'), 'warning');
});

void t.test('processes that never come are missed after a while, and not before', async (t) => {
  const w = world();
  await w.tick();
  t.equal(levelOf(w, 'broker.process'), 'warning');
  t.same(w.of('health.changed'), []);
  w.clock.pass(15_000);
  await w.tick();
  t.equal(levelOf(w, 'broker.process'), 'critical');
  t.equal(levelOf(w, 'tunnel.process'), 'ok');
  t.match(
    w
      .of('health.changed')
      .map(({ item, level }) => `${item} ${level}`)
      .sort(),
    ['broker.process critical', 'sensor.process warning'],
  );
});

void t.test('a tunnel that comes back hears where its peers are', async (t) => {
  const w = world();
  await w.tick();
  w.tunnel = present();
  w.control.tunnelLost();
  await w.control.tunnelConnected();
  t.same(w.hints, ['ada-laptop']);
  w.tunnel = 'IPC_UNREACHABLE';
  await w.control.tunnelConnected();
  t.same(w.hints, ['ada-laptop'], 'a tunnel that is gone again stops the telling');
});

void t.test('no valid policy at the first start: control does not begin', (t) => {
  try {
    world({ policyText: 'permit' });
    t.fail('began');
  } catch (e) {
    t.ok(isFault(e, 'POLICY_INVALID'));
  }
  t.end();
});
