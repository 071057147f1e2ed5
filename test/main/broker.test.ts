/**
 * The broker process as it runs: `main/broker.ts` as a child on loopback, with control, audit and a device played
 * by this process. What it does is judged by the order in which the others saw it.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import t from 'tap';
import type { Test } from 'tap';
import { Fault } from '../../src/wire/errors.ts';
import { Station } from '../broker/station.ts';
import type { User, Wishes } from '../broker/station.ts';
import type { Config } from '../../src/wire/config.ts';
import { VERIFICATION, associateRequest } from '../protocol/dicom/sample.ts';

const HL7_ORDER =
  '\x0bMSH|^~\\&|CPOE|WARD|PUMP|BED1|20260101120000||RGV^O15^RGV_O15|MSG0001|P|2.6\rPID|||1\r\x1c\r';

const HL7_ANSWER =
  '\x0bMSH|^~\\&|PUMP|BED1|CPOE|WARD|20260101120001||RRG^O16^RRG_O16|A1|P|2.6\rMSA|AA|MSG0001\r\x1c\r';

async function station(
  t: Test,
  wishes: Partial<Wishes> = {},
  limits: Partial<Config['broker']['limits']> = {},
): Promise<Station> {
  const s = new Station(wishes, limits);
  t.teardown(() => s.close());
  await s.open();
  return s;
}

/** A message sent and echoed by the device. */
async function echo(user: User, text: string): Promise<void> {
  user.say(text);
  await user.hears(text);
}

void t.test('decide, write down, then dial: as the others saw it', async (t) => {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const s = await station(t, {
    keep: async (events) => {
      if (events.some((event) => event.kind === 'session.start')) await held;
    },
    device: (socket) => {
      socket.once('data', () => s.seen.push('device: first byte'));
      socket.pipe(socket);
    },
  });
  const user = s.user('tcp');
  user.say('hello');
  await s.until(() => s.seen.includes('audit: session.start arrived'), 'the start reaches the log');
  // The log holds its answer back. A device on loopback would have been dialled a hundred times over by the time
  // the process has answered another connection's whole way to control and back.
  s.user('tcp', 101).say('x');
  await s.until(() => s.questions.length === 2, 'another session is asked for');
  t.notOk(s.seen.includes('device: accepted'), 'nothing is dialled while the start is not durable');
  release();
  await user.hears('hello');
  const order = [
    'control: asked',
    'control: permit',
    'audit: session.start arrived',
    'audit: session.start durable',
  ];
  order.push('device: accepted', 'device: first byte');
  const places = order.map((what) => s.seen.indexOf(what));
  t.ok(places.every((place) => place >= 0));
  t.same(
    places,
    [...places].sort((a, b) => a - b),
    s.seen.join('\n'),
  );
  await s.until(() => s.started.length === 2, 'control hears of both');
  t.equal(s.questions[0]?.resource, 'tcp');
  t.equal(s.questions[0]?.source.address, `${s.net}.100`);
  user.socket.end();
  await user.ends();
  await s.until(() => s.recorded('session.end').length === 1, 'the end is recorded');
  const end = s.recorded('session.end')[0];
  t.same([end?.bytesToDevice, end?.bytesToUser, end?.units], [5, 5, { TCP: 1 }]);
  await s.until(() => s.ended.length === 1, 'control hears of the end');
  t.same(
    s.recorded('session.unit').map(({ unit }) => unit),
    ['TCP', 'TCP'],
  );
});

void t.test('a half-close passes as one, and the answer comes back', async (t) => {
  const s = await station(t, {
    device: (socket) => {
      let got = '';
      socket.on('data', (bytes: Buffer) => {
        got += bytes.toString('latin1');
      });
      socket.on('end', () => socket.end(`you said ${got}`));
    },
  });
  const user = s.user('tcp');
  user.say('all of it');
  user.socket.end();
  await user.hears('you said all of it');
  await user.ends();
  t.equal(user.error, undefined);
});

void t.test('a refusal: recorded, in the words of the protocol, nothing dialled', async (t) => {
  const s = await station(t, { decide: (question) => s.deny(question, 'The pump is not yours.') });
  const hl7 = s.user('hl7');
  hl7.say(HL7_ORDER);
  await hl7.hears(/MSA\|AR\|MSG0001/);
  t.match(hl7.text, /The pump is not yours\./);
  await hl7.ends();
  const dicom = s.user('dicom');
  dicom.say(associateRequest({ contexts: { 1: VERIFICATION } }));
  await dicom.hears(10);
  t.equal(dicom.heard[0], 3, 'A-ASSOCIATE-RJ');
  await dicom.ends();
  const tcp = s.user('tcp');
  tcp.say('hello');
  await tcp.ends();
  t.equal(tcp.text, '');
  await s.until(() => s.recorded('session.refused').length === 3, 'three refusals are recorded');
  t.same(s.recorded('session.refused')[0]?.refusal.reasons, ['The pump is not yours.']);
  t.notOk(s.seen.includes('device: accepted'));
  t.same(s.started, []);
});

void t.test('a full log: refused with its own words, nothing dialled, then it works again', async (t) => {
  let full = true;
  const s = await station(t, {
    keep: () => {
      if (full) throw new Fault('AUDIT_STORAGE_FULL');
    },
  });
  const user = s.user('hl7');
  user.say(HL7_ORDER);
  await user.hears(/MSA\|AR/);
  t.match(user.text, /audit store is full/);
  await user.ends();
  t.notOk(s.seen.includes('device: accepted'));
  await s.until(
    () => s.health.some(({ item, level }) => item === 'broker.audit' && level === 'critical'),
    'health says so',
  );
  full = false;
  const again = s.user('tcp');
  await echo(again, 'hello');
  await s.until(() => s.recorded('session.refused').length === 1, 'the refusal is recorded after all');
  t.equal(s.recorded('session.refused')[0]?.refusal.code, 'AUDIT_STORAGE_FULL');
});

void t.test('a thousand connections from one peer disturb nobody else', async (t) => {
  const s = await station(t, {}, { sessionsPerPeer: 8 });
  const other = s.user('tcp', 100);
  await echo(other, 'before');
  const crowd = Array.from({ length: 1_000 }, () => s.user('tcp', 66));
  for (const user of crowd) user.say('me');
  const neighbour = s.user('tcp', 101);
  await echo(neighbour, 'meanwhile');
  await echo(other, 'still here');
  await s.until(() => crowd.filter((user) => user.text === 'me').length === 8, 'eight are served');
  await s.until(() => crowd.filter((user) => user.over).length === 992, 'the others are closed');
  t.equal(
    s.questions.filter(({ source }) => source.address.endsWith('.66')).length,
    8,
    'control is asked for eight',
  );
  await s.until(() => s.recorded('session.refused').length > 0, 'the limit is recorded');
  t.equal(s.recorded('session.refused').length, 1, 'once');
  t.equal(s.recorded('session.refused')[0]?.refusal.code, 'SESSION_LIMIT');
  for (const user of crowd) user.socket.destroy();
  await s.until(() => s.recorded('session.end').length === 8, 'the eight end');
  const later = s.user('tcp', 66);
  await echo(later, 'one at a time then');
  t.equal(await s.stopBroker(), 0);
  const tally = s.recorded('session.refused').at(-1)?.refusal.reasons.join(' ');
  t.match(tally, /\d+ more connections/, 'the rest is counted');
});

void t.test('control goes away: sessions go on, new ones hear why, all are told again', async (t) => {
  const s = await station(t);
  const user = s.user('tcp');
  await echo(user, 'one');
  const leaving = s.user('tcp');
  await echo(leaving, 'two');
  await s.until(() => s.started.length === 2, 'control heard of both');
  await s.closeControl();
  await echo(user, 'three');
  leaving.socket.destroy();
  const refused = s.user('hl7');
  refused.say(HL7_ORDER);
  await refused.hears(/MSA\|AR/);
  t.match(refused.text, /No decision could be made/);
  await refused.ends();
  s.started.length = 0;
  s.health = [];
  await s.openControl();
  await s.until(
    () => s.started.length === 1 && s.ended.length === 1,
    'the live one and the ended one are told',
  );
  const live = s.recorded('session.start').map(({ grant }) => grant.session);
  t.equal(s.started[0]?.session, live[0]);
  t.equal(s.ended[0]?.progress.session, live[1]);
  await echo(user, 'four');
  await s.until(
    () => s.progress.get(live[0] ?? '')?.bytesToDevice === 'onethreefour'.length,
    'progress goes on',
  );
  await echo(s.user('tcp'), 'five');
});

void t.test('the device: refuses, stays silent, breaks off', async (t) => {
  const s = await station(t, { device: () => undefined }, { firstByteMs: 300, connectMs: 300 });
  const dicom = s.user('dicom');
  dicom.say(associateRequest({ contexts: { 1: VERIFICATION } }));
  await dicom.hears(10);
  t.equal(dicom.heard[0], 7, 'A-ABORT');
  await dicom.ends();
  await s.until(() => s.recorded('session.end').length === 1, 'recorded');
  t.match(s.recorded('session.end')[0]?.reason, /^DEVICE_SILENT/);
  s.wishes.device = (socket) => void socket.once('data', () => socket.resetAndDestroy());
  const broken = s.user('dicom');
  broken.say(associateRequest({ contexts: { 1: VERIFICATION } }));
  await broken.hears(10);
  t.equal(broken.heard[0], 7, 'A-ABORT');
  await broken.ends();
  await s.until(() => s.recorded('session.end').length === 2, 'recorded');
  t.equal(s.recorded('session.end')[1]?.reason, 'device broke the connection');
  s.closeDevice();
  const hl7 = s.user('hl7');
  hl7.say(HL7_ORDER);
  await hl7.hears(/MSA\|AR/);
  t.match(hl7.text, /does not accept the connection/);
  await s.until(() => s.recorded('session.end').length === 3, 'recorded');
  t.match(s.recorded('session.end')[2]?.reason, /^DEVICE_UNREACHABLE: ECONNREFUSED/);
});

void t.test('garbage on a DICOM port and on an HL7 port reaches no device', async (t) => {
  let got = 0;
  const s = await station(t, {
    device: (socket) => void socket.on('data', (bytes: Buffer) => (got += bytes.length)),
  });
  const noise = Buffer.alloc(200_000, 'GET / HTTP/1.1\r\n\r\n');
  for (const port of ['dicom', 'hl7'] as const) {
    const user = s.user(port);
    user.say(noise);
    if (port === 'hl7') user.socket.end();
    await user.ends();
  }
  await s.until(() => s.recorded('session.end').length === 2, 'both end');
  t.equal(got, 0);
  t.match(s.log, /"msg":"weird"/);
  await echo(await reopened(s), 'still at work');
});

async function reopened(s: Station): Promise<User> {
  s.wishes.device = (socket) => void socket.pipe(socket);
  return s.user('tcp');
}

void t.test('pushes: a smaller grant at the next unit, a revocation at once', async (t) => {
  const s = await station(t, { device: (socket) => void socket.on('data', () => socket.write(HL7_ANSWER)) });
  const user = s.user('hl7');
  user.say(HL7_ORDER);
  await s.until(() => s.recorded('session.unit').length === 1, 'the order passes');
  t.equal(s.recorded('session.unit')[0]?.unit, 'RGV^O15');
  const grant = s.recorded('session.start')[0]?.grant;
  if (!grant) throw new Error('no grant');
  s.regrant({
    ...grant,
    actions: ['view'],
    denials: [{ actions: ['modify'], rules: ['posture'], reason: 'Your device is out of date.' }],
  });
  await s.until(() => {
    user.say(HL7_ORDER);
    return s.recorded('session.unit.refused').length > 0;
  }, 'the next order is refused');
  await user.hears(/MSA\|AR\|MSG0001/);
  t.same(s.recorded('session.unit.refused')[0]?.rules, ['posture'], 'the policy that took it away is named');
  // A device that reads nothing any more, so that its side is stuck.
  const stuck = s.user('tcp');
  s.wishes.device = (socket) => void socket.pause();
  await s.until(() => s.recorded('session.start').length === 2, 'the second session starts');
  stuck.say(Buffer.alloc(32 * 1024 * 1024));
  const second = s.recorded('session.start')[1]?.grant.session;
  if (!second) throw new Error('no grant');
  await s.until(() => (s.progress.get(second)?.bytesToDevice ?? 0) > 0, 'it fills up');
  t.ok((s.progress.get(second)?.bytesToDevice ?? Infinity) < 32 * 1024 * 1024, 'the user is held back');
  const before = performance.now();
  s.revoke(second, 'by the operator');
  await s.until(() => stuck.over, 'the user is closed');
  const took = performance.now() - before;
  t.comment(`revoked in ${took.toFixed(0)} ms`);
  t.ok(took < 2_000, 'not left to a time-out');
  await s.until(() => s.recorded('session.end').some((e) => e.session === second), 'recorded');
  t.equal(
    s.recorded('session.end').find((e) => e.session === second)?.reason,
    'SESSION_REVOKED: by the operator',
  );
});

void t.test(
  'much data both ways at once, read in fits and starts: every byte, in order, in bounded memory',
  async (t) => {
    const sent = Buffer.alloc(24 * 1024 * 1024);
    for (let i = 0; i < sent.length; i += 4) sent.writeUInt32LE((i * 2654435761) >>> 0, i);
    const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
    const got: Buffer[] = [];
    const s = await station(t, {
      device: (socket) => {
        socket.write(sent);
        let reads = 0;
        socket.on('data', (bytes: Buffer) => {
          got.push(bytes);
          if (++reads % 50 !== 0) return;
          socket.pause();
          setImmediate(() => socket.resume());
        });
        socket.on('end', () => socket.end());
      },
    });
    const user = new Promise<Buffer>((resolve) => {
      const { socket } = s.user('tcp');
      const heard: Buffer[] = [];
      socket.removeAllListeners('data');
      socket.on('data', (bytes: Buffer) => heard.push(bytes));
      socket.on('end', () => resolve(Buffer.concat(heard)));
      socket.end(sent);
    });
    t.equal(hash(await user), hash(sent), 'the user has all of it');
    t.equal(hash(Buffer.concat(got)), hash(sent), 'the device has all of it');
    await s.until(() => s.recorded('session.end').length === 1, 'recorded');
    t.equal(s.recorded('session.end')[0]?.bytesToDevice, sent.length);
    t.equal(s.recorded('session.end')[0]?.bytesToUser, sent.length);
    const status = readFileSync(`/proc/${s.brokerPid}/status`, 'utf8');
    const peak = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
    t.ok(peak < 400, `peak of ${peak.toFixed(0)} MiB`);
  },
);

void t.test('an expired grant is decided again', async (t) => {
  let asked = 0;
  const s = await station(t, {
    decide: (question) => {
      asked++;
      if (asked > 1) return s.deny(question, 'Your shift is over.');
      return s.permit(question, { expiresAt: Date.now() + 200 });
    },
  });
  const user = s.user('tcp');
  await echo(user, 'hello');
  await user.ends();
  await s.until(() => s.recorded('session.end').length === 1, 'recorded');
  t.equal(s.recorded('session.end')[0]?.reason, 'SESSION_REVOKED: Your shift is over.');
  t.equal(asked, 2);
});

void t.test('a listener that cannot be opened is named and does not stop the others', async (t) => {
  const s = new Station();
  t.teardown(() => s.close());
  const dicom = s.config.resources.find((r) => r.id === 'dicom');
  if (!dicom) throw new Error('no resource');
  // An address of no interface here, TEST-NET-1.
  dicom.virtual.address = '192.0.2.77';
  await s.open();
  await s.until(
    () =>
      s.health.some(
        ({ item, level, text }) =>
          item === 'broker.listeners' &&
          level === 'critical' &&
          /dicom on 192\.0\.2\.77:11112: EADDRNOTAVAIL/.test(text),
      ),
    'health names the resource',
  );
  await echo(s.user('tcp'), 'hello');
});

void t.test('only sources inside the overlay are accepted', async (t) => {
  const s = new Station();
  t.teardown(() => s.close());
  Object.assign(s.config.overlay, { prefix: `${s.net}.96/27` });
  await s.open();
  const stranger = s.user('tcp', 200);
  stranger.say('hello');
  await s.until(() => stranger.closed, 'closed');
  await echo(s.user('tcp', 100), 'hello');
  t.equal(s.questions.length, 1, 'control was never asked about the stranger');
});

void t.test('stopping ends every session, records the ends and exits with 0', async (t) => {
  const s = await station(t);
  const users = [s.user('tcp'), s.user('tcp')];
  for (const user of users) await echo(user, 'hello');
  t.equal(await s.stopBroker(), 0);
  for (const user of users) t.ok(user.over);
  t.same(
    s.recorded('session.end').map(({ reason }) => reason),
    ['the gateway is stopping', 'the gateway is stopping'],
  );
  t.same(s.recorded('process.start').length, 1);
  t.same(s.events.at(-1)?.kind, 'process.stop');
});
