/** The queue to the audit log: order, what fails at once, what is kept, what is bounded. */
import t from 'tap';
import { Recorder } from '../../src/broker/recorder.ts';
import type { StartAnswer } from '../../src/broker/recorder.ts';
import type { AuditEvent } from '../../src/wire/audit-event.ts';
import { Fault } from '../../src/wire/errors.ts';
import type { ErrorCode } from '../../src/wire/errors.ts';
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
