/** The session's journey, every turn it can take off it, and the promise that nothing is dialled before it is written. */
import fc from 'fast-check';
import t from 'tap';
import { FakeTime, SOURCE, World, deny, makeGrant, permit, realGates, wordGates } from './world.ts';

const words = (): World => new World('tcp', wordGates);

void t.test('decide, write down, then dial', (t) => {
  const w = words();
  w.session.begin();
  t.same(w.did, ['authorise']);
  w.session.decided(permit(makeGrant(w.time)));
  t.equal(w.session.state, 'recording');
  t.same(w.did, ['authorise', 'record']);
  t.same(w.kinds(), ['session.start']);
  w.session.recorded({ kind: 'durable' });
  t.same(w.did, ['authorise', 'record', 'dial 10.0.0.5:104']);
  t.same(w.reports, ['started']);
  w.session.dialled();
  t.equal(w.session.state, 'open');
  w.say('user', 'view one');
  w.say('device', 'an answer');
  t.equal(w.heard('device'), 'view one');
  t.equal(w.heard('user'), 'an answer');
  w.session.closedHalf('user');
  t.ok(w.hasDone('finish device'));
  t.notOk(w.hasDone('finish user'), 'the other half stays open');
  w.say('device', ', the rest');
  t.equal(w.heard('user'), 'an answer, the rest');
  w.session.closedHalf('device');
  t.equal(w.session.state, 'closing');
  w.bothGone();
  t.equal(w.session.state, 'ended');
  const { durationMs, reason, bytesToDevice, bytesToUser, units } = w.end() ?? {};
  t.same(
    { durationMs, bytesToDevice, bytesToUser, units },
    { durationMs: 0, bytesToDevice: 8, bytesToUser: 19, units: { view: 1 } },
  );
  t.same(w.reports, ['started', `finished ${reason}`]);
  t.equal(w.time.pending, 0, 'no timer is left');
  t.end();
});

void t.test('what the user says before is held, forwarded in order, and bounded', (t) => {
  const w = words().reach('authorising');
  w.say('user', 'view a');
  w.session.decided(permit(makeGrant(w.time)));
  w.say('user', `view ${'b'.repeat(16 * 1024)}`);
  t.ok(w.hasDone('pause user'), 'paused once enough is held');
  w.session.recorded({ kind: 'durable' });
  t.same(w.sent.device, []);
  w.session.dialled();
  t.equal(w.heard('device').slice(0, 12), 'view aview b');
  t.ok(w.hasDone('resume user'));
  t.end();
});

void t.test('a refusal says why and dials nothing', (t) => {
  const cases: [string, (w: World) => void, string][] = [
    ['denied', (w) => w.reach('authorising').session.decided(deny('Not your device.')), 'POLICY_DENIED'],
    ['control away', (w) => w.reach('authorising').session.undecided('IPC_UNREACHABLE'), 'IPC_UNREACHABLE'],
    ['control silent', (w) => w.reach('authorising').time.advance(6_000), 'IPC_TIMEOUT'],
    [
      'log full',
      (w) => w.reach('recording').session.recorded({ kind: 'not-durable', code: 'AUDIT_STORAGE_FULL' }),
      'AUDIT_STORAGE_FULL',
    ],
    ['log silent', (w) => w.reach('recording').time.advance(6_000), 'AUDIT_UNAVAILABLE'],
    ['no place', (w) => w.session.turnAway('SESSION_LIMIT', true), 'SESSION_LIMIT'],
    [
      'a decision for another',
      (w) =>
        w.reach('authorising').session.decided(
          permit({
            ...makeGrant(w.time),
            subject: { ...makeGrant(w.time).subject, source: { ...SOURCE, port: 1 } },
          }),
        ),
      'INTERNAL',
    ],
    ['revoked meanwhile', (w) => w.reach('authorising').session.revoke('by hand'), 'SESSION_REVOKED'],
  ];
  for (const [name, drive, code] of cases) {
    const w = words();
    drive(w);
    t.equal(w.session.state, 'refusing', name);
    t.equal(w.refusal()?.code, code, `${name}: recorded`);
    t.ok((w.refusal()?.reasons ?? []).length > 0);
    t.notOk(w.hasDone('dial'), `${name}: nothing dialled`);
    w.say('user', 'view one');
    t.match(w.heard('user'), /^SORRY /, `${name}: in words`);
    t.match(w.heard('user'), w.refusal()?.reasons[0], `${name}: with the reason`);
    t.same(w.sent.device, [], `${name}: no byte to the device`);
    t.equal(w.session.state, 'closing');
    w.session.gone('user');
    t.equal(w.session.state, 'ended');
    t.same(w.reports, [], `${name}: never a row`);
    t.equal(w.time.pending, 0);
  }
  t.end();
});

void t.test('a refused user that says nothing, or reads nothing, is closed', (t) => {
  const w = words().reach('authorising');
  w.session.decided(deny());
  w.time.advance(5_000);
  t.equal(w.session.state, 'closing');
  t.ok(w.hasDone('finish user'));
  w.time.advance(2_000);
  t.ok(w.hasDone('reset user'));
  t.equal(w.session.state, 'ended');
  t.end();
});

void t.test('a limit that is not worth a record is said all the same', (t) => {
  const w = words();
  w.session.turnAway('SESSION_LIMIT', false);
  t.same(w.events, []);
  w.say('user', 'view');
  t.match(w.heard('user'), /Too many sessions/);
  t.notOk(w.hasDone('authorise'), 'control is not asked');
  t.end();
});

void t.test('the device cannot be reached', (t) => {
  for (const drive of [
    (w: World) => w.session.dialFailed('ECONNREFUSED'),
    (w: World) => w.time.advance(5_000),
  ]) {
    const w = words().reach('dialling');
    w.say('user', 'view one');
    drive(w);
    t.match(w.end()?.reason, /^DEVICE_UNREACHABLE/);
    t.match(w.heard('user'), /^SORRY The device does not accept/);
    t.same(w.sent.device, []);
    t.equal(w.events.filter((e) => e.kind === 'session.end').length, 1);
    t.same(w.reports.length, 2, 'the row is finished');
    w.session.gone('user');
    t.equal(w.session.state, 'ended');
  }
  t.end();
});

void t.test('the device accepts and stays silent', (t) => {
  const w = words().reach('open');
  w.time.advance(60_000);
  t.equal(w.session.state, 'open', 'nobody said anything: nothing is owed');
  w.say('user', 'view one');
  w.time.advance(14_999);
  t.equal(w.session.state, 'open');
  w.time.advance(2);
  t.match(w.end()?.reason, /^DEVICE_SILENT/);
  t.equal(w.heard('user'), 'BYE');
  const spoke = words().reach('open');
  spoke.say('user', 'view one');
  spoke.say('device', '.');
  spoke.say('user', 'view two');
  spoke.time.advance(20_000);
  t.equal(spoke.session.state, 'open', 'one byte is enough');
  t.end();
});

void t.test('idle and absolute limits', (t) => {
  const idle = words().reach('open', { idle: 10_000 });
  idle.say('device', 'hello');
  idle.time.advance(9_000);
  idle.say('user', 'view');
  idle.time.advance(9_000);
  t.equal(idle.session.state, 'open', 'any byte counts');
  idle.time.advance(1_000);
  t.equal(idle.end()?.reason, 'idle limit');
  const absolute = words().reach('open', { endIn: 30_000 });
  absolute.say('device', 'hello');
  for (let i = 0; i < 29; i++) {
    absolute.time.advance(1_000);
    absolute.say('user', 'view');
  }
  t.equal(absolute.session.state, 'open');
  absolute.time.advance(1_000);
  t.equal(absolute.end()?.reason, 'absolute limit');
  t.equal(absolute.heard('user'), 'helloBYE');
  const half = words().reach('open');
  half.session.closedHalf('user');
  half.time.advance(60_000);
  t.equal(half.end()?.reason, 'idle limit', 'half a session is not kept for long');
  t.end();
});

void t.test('expiry asks again', (t) => {
  const w = words().reach('open', { expiresIn: 20_000, endIn: 100_000 });
  w.say('device', 'hello');
  w.time.advance(20_000);
  t.equal(w.did.filter((what) => what === 'authorise').length, 2);
  t.same(w.did.filter((what) => what.startsWith('dial')).length, 1);
  // Control can't be asked: the session goes on under what it has, and asks again.
  w.session.undecided('IPC_UNREACHABLE');
  w.say('user', 'modify a');
  t.equal(w.heard('device'), 'modify a');
  w.time.advance(1_000);
  t.equal(w.did.filter((what) => what === 'authorise').length, 3);
  // A smaller grant takes effect at the next unit, and doesn't move the absolute end outwards.
  w.session.decided(permit(makeGrant(w.time, { actions: ['view'], endIn: 3_600_000 })));
  w.say('user', 'modify b');
  w.say('user', 'view c');
  t.equal(w.heard('device'), 'modify aview c');
  t.equal(w.heard('user'), 'helloNO');
  for (let i = 0; i < 79; i++) {
    w.time.advance(999);
    w.say('user', 'view');
  }
  w.time.advance(1_000);
  t.equal(w.end()?.reason, 'absolute limit', 'of the first grant');
  const denied = words().reach('open', { expiresIn: 5_000 });
  denied.say('device', 'hello');
  denied.time.advance(5_000);
  denied.session.decided(deny('Your ticket ran out.'));
  t.equal(denied.end()?.reason, 'SESSION_REVOKED: Your ticket ran out.');
  t.end();
});

void t.test('a grant that is always about to expire does not make a storm', (t) => {
  const w = words().reach('open', { expiresIn: 1 });
  for (let i = 0; i < 10_000; i += 10) {
    w.time.advance(10);
    w.session.decided(permit(makeGrant(w.time, { expiresIn: 1 })));
  }
  const asked = w.did.filter((what) => what === 'authorise').length;
  t.ok(asked >= 10 && asked <= 20, `${asked} in ten seconds`);
  t.end();
});

void t.test('a grant that comes shortly before its end is decided again at its end', (t) => {
  const w = words().reach('open', { expiresIn: 60_000 });
  const asked = (): number => w.did.filter((what) => what === 'authorise').length;
  w.session.regrant(makeGrant(w.time, { expiresIn: 300 }));
  w.time.advance(299);
  t.equal(asked(), 1);
  w.time.advance(1);
  t.equal(asked(), 2, 'not a second after the last');
  w.session.decided(permit(makeGrant(w.time, { expiresIn: 50 })));
  w.time.advance(50);
  t.equal(asked(), 3);
  t.end();
});

void t.test('regrant: pushed at any moment, refused when it names another device', (t) => {
  for (const state of ['recording', 'dialling', 'open'] as const) {
    const w = words().reach(state);
    w.session.regrant(makeGrant(w.time, { actions: ['view'] }));
    if (state === 'recording') w.session.recorded({ kind: 'durable' });
    if (state !== 'open') w.session.dialled();
    w.say('user', 'modify x');
    t.same(w.sent.device, [], `${state}: modify was taken away`);
    t.equal(w.heard('user'), 'NO');
  }
  const moved = words().reach('open');
  moved.session.regrant(makeGrant(moved.time, { dial: { address: '10.0.0.6', port: 104 } }));
  t.match(moved.end()?.reason, /^SESSION_REVOKED/);
  t.equal(moved.did.filter((what) => what.startsWith('dial')).length, 1);
  const early = words().reach('authorising');
  early.session.regrant(makeGrant(early.time));
  t.equal(early.session.state, 'authorising', 'a push is no decision');
  t.end();
});

void t.test('revoke: both sides hear it, what is stuck is reset within 100 ms', (t) => {
  const w = words().reach('open');
  w.say('user', 'view a');
  w.session.revoke('by the operator');
  t.equal(w.heard('user'), 'BYE');
  t.equal(w.heard('device'), 'view aBYE');
  t.same(w.did.slice(-2), ['finish user', 'finish device']);
  w.say('user', 'view more');
  t.equal(w.heard('device'), 'view aBYE', 'nothing passes any more');
  w.time.advance(100);
  t.ok(w.hasDone('reset user') && w.hasDone('reset device'));
  t.equal(w.session.state, 'ended');
  for (const state of ['recording', 'dialling'] as const) {
    const early = words().reach(state);
    early.say('user', 'view');
    early.session.revoke('by the operator');
    t.equal(early.end()?.reason, 'SESSION_REVOKED: by the operator');
    t.equal(early.heard('user'), 'SORRY by the operator');
    if (state === 'recording') early.session.recorded({ kind: 'durable' });
    else early.session.dialled();
    t.equal(early.session.state, 'closing', 'a late answer changes nothing');
    t.same(early.sent.device, []);
    t.equal(early.hasDone('dial'), state === 'dialling');
  }
  t.end();
});

void t.test('the user leaves in each state', (t) => {
  for (const state of ['authorising', 'recording', 'dialling'] as const) {
    for (const leave of ['closedHalf', 'gone'] as const) {
      const w = words().reach(state);
      w.session[leave]('user');
      w.session.gone('user');
      t.equal(w.session.state, 'ended', `${state} ${leave}`);
      t.equal(
        w.kinds().includes('session.end'),
        state !== 'authorising',
        'an end where there may be a start',
      );
      t.equal(w.hasDone('reset device'), state === 'dialling');
      w.session.decided(permit(makeGrant(w.time)));
      w.session.recorded({ kind: 'durable' });
      w.session.dialled();
      t.equal(w.session.state, 'ended', 'late answers change nothing');
      t.equal(w.hasDone('dial'), state === 'dialling');
    }
  }
  const asked = words().reach('authorising');
  asked.say('user', 'view');
  asked.session.closedHalf('user');
  t.equal(asked.session.state, 'authorising', 'a whole message and a half-close still want an answer');
  asked.session.decided(permit(makeGrant(asked.time)));
  asked.session.recorded({ kind: 'durable' });
  asked.session.dialled();
  t.equal(asked.heard('device'), 'view');
  t.ok(asked.hasDone('finish device'));
  asked.say('device', 'the answer');
  t.equal(asked.heard('user'), 'the answer');
  const open = words().reach('open');
  open.session.gone('user');
  t.equal(open.end()?.reason, 'user broke the connection');
  t.equal(open.heard('device'), 'BYE', 'the device hears it in its protocol');
  t.same(open.sent.user, []);
  open.session.gone('device');
  t.equal(open.session.state, 'ended');
  const refusing = words().reach('authorising');
  refusing.session.decided(deny());
  refusing.session.gone('user');
  t.equal(refusing.session.state, 'ended');
  t.end();
});

void t.test('the device breaks the connection', (t) => {
  const w = words().reach('open');
  w.session.gone('device');
  t.equal(w.end()?.reason, 'device broke the connection');
  t.equal(w.heard('user'), 'BYE');
  t.notOk(w.hasDone('finish device'));
  w.session.gone('user');
  t.equal(w.session.state, 'ended');
  t.end();
});

void t.test('units: the first of a kind recorded, refusals up to a bound, the rest counted', (t) => {
  const w = words().reach('open', { actions: ['view'] });
  for (let i = 0; i < 5; i++) w.say('user', 'view x');
  for (let i = 0; i < 100; i++) w.say('user', 'modify x');
  t.equal(w.kinds().filter((kind) => kind === 'session.unit').length, 1);
  t.equal(w.kinds().filter((kind) => kind === 'session.unit.refused').length, 32);
  w.say('user', 'bad');
  t.same(w.weird, ['bad-word']);
  w.say('user', 'quit');
  t.equal(w.end()?.reason, 'quit');
  t.same(w.end()?.units, { view: 5, 'refused modify': 100 });
  t.equal(w.session.progress.refused, 100);
  t.same(w.did.slice(-2), ['finish user', 'finish device']);
  t.end();
});

void t.test('names of units come from the stream and are bounded', (t) => {
  const w = words().reach('open');
  for (let i = 0; i < 500; i++) w.say('user', `name${i}`);
  t.equal(Object.keys(w.session.progress.units).length, 65);
  t.equal(w.session.progress.units['other'], 436);
  t.equal(w.kinds().filter((kind) => kind === 'session.unit').length, 65);
  t.end();
});

void t.test('a record that cannot be kept ends the session', (t) => {
  const w = words().reach('open');
  w.keeps = false;
  w.say('user', 'view');
  t.match(w.end()?.reason, /^AUDIT_UNAVAILABLE/);
  t.equal(w.heard('user'), 'BYE');
  t.end();
});

void t.test('backpressure pauses the side that fills and resumes it on drain', (t) => {
  const w = words().reach('open');
  w.room.user = false;
  w.say('device', 'much');
  t.equal(w.did.at(-1), 'pause device');
  w.room.user = true;
  w.session.drained();
  t.equal(w.did.at(-1), 'resume device');
  w.room.device = false;
  w.say('user', 'view much');
  t.equal(w.did.at(-1), 'pause user');
  w.session.revoke('now');
  t.ok(w.hasDone('resume user'), 'a closing side is read to its end');
  t.end();
});

void t.test('the process stops', (t) => {
  for (const state of ['authorising', 'recording', 'dialling', 'open'] as const) {
    const w = words().reach(state);
    w.session.stop();
    w.time.advance(100);
    t.equal(w.session.state, 'ended', state);
    t.equal(w.kinds().includes('session.end'), state !== 'authorising');
  }
  t.end();
});

type Step =
  | ['decided' | 'denied' | 'undecided' | 'durable' | 'not-durable' | 'dialled' | 'dial-failed']
  | ['revoke' | 'regrant' | 'drained' | 'stop']
  | ['say' | 'half' | 'gone', 'user' | 'device']
  | ['wait', number];

// The journey's own steps come up more often than what disturbs it, or few runs would get far.
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.constantFrom<Step[]>(
      ['decided'],
      ['durable'],
      ['dialled'],
      ['say', 'user'],
      ['say', 'device'],
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Step[]>(
      ['denied'],
      ['undecided'],
      ['not-durable'],
      ['dial-failed'],
      ['revoke'],
      ['regrant'],
      ['drained'],
      ['stop'],
      ['half', 'user'],
      ['half', 'device'],
      ['gone', 'user'],
      ['gone', 'device'],
    ),
  },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 20_000 }).map((ms): Step => ['wait', ms]) },
);

function take(w: World, [name, argument]: Step): void {
  const { session, time } = w;
  switch (name) {
    case 'decided':
      return session.decided(permit(makeGrant(time, { expiresIn: 8_000, endIn: 60_000 })));
    case 'denied':
      return session.decided(deny());
    case 'undecided':
      return session.undecided('IPC_UNREACHABLE');
    case 'durable':
      return session.recorded({ kind: 'durable' });
    case 'not-durable':
      return session.recorded({ kind: 'not-durable', code: 'AUDIT_STORAGE_FULL' });
    case 'dialled':
      return session.dialled();
    case 'dial-failed':
      return session.dialFailed('ECONNREFUSED');
    case 'revoke':
      return session.revoke('because');
    case 'regrant':
      return session.regrant(makeGrant(time, { actions: ['view'] }));
    case 'drained':
      return session.drained();
    case 'stop':
      return session.stop();
    case 'say':
      return w.say(argument, 'modify something');
    case 'half':
      return session.closedHalf(argument);
    case 'gone':
      return session.gone(argument);
    case 'wait':
      return time.advance(argument);
  }
}

void t.test(
  'no order of events dials or sends before the start is durable, and every start has an end',
  (t) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, words) => {
        const w = new World('tcp', words ? wordGates : realGates, new FakeTime());
        w.session.begin();
        let durable = false;
        for (const each of steps) {
          if (each[0] === 'durable' && w.session.state === 'recording') durable = true;
          take(w, each);
          if (!durable && (w.hasDone('dial') || w.sent.device.length > 0)) return false;
          if (!w.hasDone('dial') && w.sent.device.length > 0) return false;
        }
        // However it went, time ends it.
        w.time.advance(120_000);
        if (w.session.state !== 'ended' || w.time.pending > 0) return false;
        const dials = w.did.filter((what) => what.startsWith('dial')).length;
        const starts = w.kinds().filter((kind) => kind === 'session.start').length;
        const ends = w.kinds().filter((kind) => kind === 'session.end').length;
        const refusals = w.kinds().filter((kind) => kind === 'session.refused').length;
        return dials <= 1 && starts <= 1 && ends + refusals <= 1 && (starts === 0 || ends + refusals === 1);
      }),
      { numRuns: 3_000 },
    );
    t.end();
  },
);
