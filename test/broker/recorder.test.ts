/** The queue to the audit log: order, what fails at once, what is kept, what is bounded. */
import t from 'tap';
import { EmergencyRecord } from '../../src/broker/emergency-record.ts';
import { Recorder } from '../../src/broker/recorder.ts';
import type { StartAnswer } from '../../src/broker/recorder.ts';
import type { AuditEvent } from '../../src/wire/audit-event.ts';
import { Fault } from '../../src/wire/errors.ts';
import type { ErrorCode } from '../../src/wire/errors.ts';
import type { Grant } from '../../src/wire/grant.ts';
import { epochMillis } from '../../src/wire/units.ts';
import { FakeTime, ID, makeGrant } from './world.ts';

const quiet = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
const time = new FakeTime();
const grant = makeGrant(time);
const { subject, target } = grant;

const startEvent: AuditEvent = { kind: 'session.start', at: 1, origin: 'broker', body: { grant } };
const unitEvent = (unit: string): AuditEvent => ({
  kind: 'session.unit',
  at: 1,
  origin: 'broker',
  body: { session: ID, unit, action: 'view', rules: ['radiology'], subject, target },
});
const endEvent: AuditEvent = {
  kind: 'session.end',
  at: 1,
  origin: 'broker',
  body: {
    session: ID,
    subject,
    target,
    reason: '',
    durationMs: 0,
    bytesToDevice: 0,
    bytesToUser: 0,
    units: {},
  },
};
const refusedEvent: AuditEvent = {
  kind: 'session.refused',
  at: 1,
  origin: 'broker',
  body: { refusal: { session: ID, code: 'SESSION_LIMIT', rules: [], reasons: ['full'], revision: '' } },
};

/** A log that answers when it is told to. */
class SlowLog {
  readonly calls: { events: AuditEvent[]; resolve: () => void; reject: (error: unknown) => void }[] = [];
  readonly append = (events: AuditEvent[]): Promise<void> =>
    new Promise((resolve, reject) => this.calls.push({ events, resolve, reject }));

  async accept(call: number): Promise<void> {
    this.calls[call]?.resolve();
    await settled();
  }

  async fail(call: number, code: ErrorCode): Promise<void> {
    this.calls[call]?.reject(new Fault(code));
    await settled();
  }

  names(call: number): string[] {
    return (this.calls[call]?.events ?? []).map((e) => (e.kind === 'session.unit' ? e.body.unit : e.kind));
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function make(capacity?: number): { log: SlowLog; time: FakeTime; recorder: Recorder } {
  const log = new SlowLog();
  const time = new FakeTime();
  const options = { append: log.append, schedule: time.schedule, log: quiet };
  return { log, time, recorder: new Recorder(capacity === undefined ? options : { ...options, capacity }) };
}

void t.test('one call at a time, in order; a start is answered when it is durable', async (t) => {
  const { log, recorder, time } = make();
  const answers: StartAnswer[] = [];
  recorder.add(unitEvent('a'));
  recorder.start(startEvent, (answer) => answers.push(answer));
  recorder.add(unitEvent('b'));
  t.equal(log.calls.length, 1);
  t.same(log.names(0), ['a']);
  await log.accept(0);
  t.same(log.names(1), ['session.start', 'b']);
  t.same(answers, [], 'not before the log said so');
  await log.accept(1);
  t.same(answers, [{ kind: 'durable' }]);
  await recorder.drained();
  t.equal(recorder.state.waiting, 0);
  t.equal(time.pending, 0);
});

void t.test('a full log fails every waiting start at once and keeps the rest', async (t) => {
  const { log, recorder, time } = make();
  const answers: StartAnswer[] = [];
  recorder.add(unitEvent('a'));
  recorder.start(startEvent, (answer) => answers.push(answer));
  recorder.add(endEvent);
  await log.fail(0, 'AUDIT_STORAGE_FULL');
  t.same(answers, [{ kind: 'not-durable', code: 'AUDIT_STORAGE_FULL' }]);
  t.equal(recorder.state.failing, 'AUDIT_STORAGE_FULL');
  t.equal(recorder.state.waiting, 2);
  t.equal(log.calls.length, 1, 'not again before the back-off');
  time.advance(100);
  t.same(log.names(1), ['a', 'session.end'], 'the failed start is not written after all');
  await log.fail(1, 'AUDIT_STORAGE_FULL');
  // A new start doesn't wait for the back-off.
  recorder.start(startEvent, (answer) => answers.push(answer));
  t.same(log.names(2), ['a', 'session.end', 'session.start']);
  await log.accept(2);
  t.same(answers[1], { kind: 'durable' });
  t.equal(recorder.state.failing, undefined);
});

void t.test('a log that does not answer: the start is given up, and not written later', async (t) => {
  const { log, recorder, time } = make();
  const answers: StartAnswer[] = [];
  recorder.add(unitEvent('a'));
  recorder.start(startEvent, (answer) => answers.push(answer));
  time.advance(5_000);
  t.same(answers, [{ kind: 'not-durable', code: 'AUDIT_UNAVAILABLE' }]);
  recorder.add(refusedEvent);
  await log.accept(0);
  t.same(log.names(1), ['session.refused']);
});

void t.test('given up while under way: answered once, whatever the log says later', async (t) => {
  const { log, recorder, time } = make();
  const answers: StartAnswer[] = [];
  recorder.start(startEvent, (answer) => answers.push(answer));
  time.advance(5_000);
  recorder.add(refusedEvent);
  await log.accept(0);
  t.equal(answers.length, 1);
  t.same(log.names(1), ['session.refused'], 'the refusal follows the start in the log');
  await log.accept(1);
  t.equal(recorder.state.waiting, 0);
});

void t.test('a call that broke off is said again', async (t) => {
  const { log, recorder, time } = make();
  recorder.add(unitEvent('a'));
  await log.fail(0, 'IPC_UNREACHABLE');
  t.equal(recorder.state.failing, 'AUDIT_UNAVAILABLE');
  time.advance(100);
  await log.fail(1, 'IPC_TIMEOUT');
  time.advance(199);
  t.equal(log.calls.length, 2, 'the back-off grows');
  time.advance(1);
  await log.accept(2);
  t.equal(recorder.state.waiting, 0);
});

void t.test('bounded: units are refused, ends never, refusals counted', (t) => {
  const { recorder } = make(2);
  t.equal(recorder.add(unitEvent('a')), true);
  t.equal(recorder.add(unitEvent('b')), true);
  t.equal(recorder.add(unitEvent('c')), false);
  t.equal(recorder.add(refusedEvent), false);
  t.equal(recorder.state.uncounted, 1);
  t.equal(recorder.add(endEvent), true);
  t.equal(recorder.state.waiting, 3);
  const answers: StartAnswer[] = [];
  recorder.start(startEvent, (answer) => answers.push(answer));
  t.same(answers, [{ kind: 'not-durable', code: 'AUDIT_UNAVAILABLE' }]);
  t.end();
});

void t.test('a record that the log does not understand is found and left out', async (t) => {
  const { log, recorder, time } = make();
  recorder.add(unitEvent('first'));
  for (const name of ['a', 'bad', 'b']) recorder.add(unitEvent(name));
  await log.accept(0);
  await log.fail(1, 'IPC_MALFORMED');
  const written: string[] = [];
  for (let call = 2; call < 8 && recorder.state.waiting > 0; call++) {
    if (log.calls.length <= call) time.advance(2_000);
    const names = log.names(call);
    if (names.includes('bad')) await log.fail(call, 'IPC_MALFORMED');
    else {
      written.push(...names);
      await log.accept(call);
    }
  }
  t.same(written, ['a', 'b']);
  t.equal(recorder.state.waiting, 0);
});

/** An emergency journal in memory, with so much room. */
class Room {
  records: unknown[] = [];
  left: unknown[] = [];
  volatile = 0;
  room: number;
  constructor(room: number) {
    this.room = room;
  }
  get held(): number {
    return this.records.length;
  }
  append(record: unknown): boolean {
    if (this.records.length >= this.room) return false;
    this.records.push(record);
    return true;
  }
  clear(): void {
    this.records = [];
  }
}

const glassGrant: Grant = {
  ...grant,
  facts: {
    units: [],
    device: { class: 'pump', unit: 'icu' },
    ephi: true,
    time: { minute: 0, weekday: 1 },
    breakGlass: true,
  },
};
const glassEvent: AuditEvent = {
  kind: 'session.start',
  at: 1,
  origin: 'broker',
  body: { grant: glassGrant },
};

function withJournal(room: number, capacity = 100): ReturnType<typeof make> & { journal: Room } {
  const log = new SlowLog();
  const time = new FakeTime();
  const journal = new Room(room);
  const emergency = new EmergencyRecord(journal);
  const recorder = new Recorder({
    append: log.append,
    schedule: time.schedule,
    log: quiet,
    capacity,
    emergency,
  });
  return { log, time, recorder, journal };
}

void t.test('the log fails: break-glass goes on by the emergency journal, and nobody else', async (t) => {
  const { log, recorder, time, journal } = withJournal(10);
  const answers: [string, StartAnswer][] = [];
  recorder.start(startEvent, (answer) => answers.push(['other', answer]));
  recorder.start(glassEvent, (answer) => answers.push(['glass', answer]));
  await log.fail(0, 'AUDIT_STORAGE_FULL');
  t.same(Object.fromEntries(answers), {
    other: { kind: 'not-durable', code: 'AUDIT_STORAGE_FULL' },
    glass: { kind: 'durable' },
  });
  t.same(journal.records, [glassEvent]);
  t.ok(recorder.add(unitEvent('a')));
  t.equal(journal.held, 2, 'and what the session does');
  t.same(recorder.state.emergency, { held: 2, volatile: 0 });
  time.advance(100);
  t.same(log.names(1), ['session.start', 'a'], 'the log is offered it all the same');
  await log.accept(1);
  t.equal(journal.held, 0, 'and once it has it the journal is empty');
  t.equal(recorder.state.failing, undefined);
});

void t.test('a log that does not answer: break-glass waits two seconds', async (t) => {
  const { recorder, time, journal, log } = withJournal(10);
  const answers: StartAnswer[] = [];
  recorder.start(glassEvent, (answer) => answers.push(answer));
  time.advance(1_999);
  t.same(answers, []);
  time.advance(1);
  t.same(answers, [{ kind: 'durable' }]);
  t.equal(journal.held, 1);
  await log.accept(0);
  t.equal(journal.held, 0);
});

void t.test('without room in the journal, break-glass is refused like others', async (t) => {
  const { log, recorder } = withJournal(0);
  const answers: StartAnswer[] = [];
  recorder.start(glassEvent, (answer) => answers.push(answer));
  await log.fail(0, 'AUDIT_UNAVAILABLE');
  t.same(answers, [{ kind: 'not-durable', code: 'AUDIT_UNAVAILABLE' }]);
});

void t.test('a full queue: break-glass and what it does still pass, by the journal', async (t) => {
  const { recorder, log, journal } = withJournal(3, 1);
  recorder.add(endEvent);
  const answers: StartAnswer[] = [];
  recorder.start(glassEvent, (answer) => answers.push(answer));
  t.same(answers, [{ kind: 'durable' }]);
  t.ok(recorder.add(unitEvent('a')));
  t.ok(recorder.add(unitEvent('b')));
  t.notOk(recorder.add(unitEvent('c')), 'until the journal is full too');
  t.equal(journal.held, 3);
  await log.accept(0);
  t.same(log.names(1), ['session.start', 'a', 'b']);
});

void t.test('what an earlier process left comes first, with a word on where it is from', (t) => {
  const journal = new Room(10);
  journal.left = [glassEvent, { not: 'an event' }, unitEvent('a')];
  const left = new EmergencyRecord(journal).left(epochMillis(7));
  t.match(left, [
    { kind: 'journal.replayed', at: 7, body: { process: 'broker', records: 2 } },
    { kind: 'session.start' },
    { kind: 'session.unit' },
  ]);
  t.same(new EmergencyRecord(new Room(1)).left(epochMillis(7)), []);
  t.end();
});
