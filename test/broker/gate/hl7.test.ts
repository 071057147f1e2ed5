/** The HL7 gate: what passes, what is answered, in which order, and what a broken stream does. */
import fc from 'fast-check';
import t from 'tap';
import { openRefusal } from '../../../src/broker/gate/gate.ts';
import type { Action } from '../../../src/wire/action.ts';
import type { Effect, Gate } from '../../../src/broker/gate/gate.ts';
import { acknowledgement, block, message, unblock } from '../../protocol/hl7/sample.ts';
import { countingSources, feed, gateOf, grantOf, sentTo, told } from './world.ts';

const order = (id: string, more: Parameters<typeof message>[0] = {}): Buffer =>
  block(message({ type: 'RGV^O15^RGV_O15', id, ...more }));
const query = (id: string): Buffer => block(message({ type: 'QBP^Q22^QBP_Q21', id }));
/** MSA-1 and MSA-2 of each message sent to the user. */
const answers = (effects: readonly Effect[]): string[] =>
  unblock(sentTo('user', effects)).map((text) =>
    (/MSA\|([A-Z]+)\|([^|\r]*)/.exec(text) ?? []).slice(1).join(' '),
  );

void t.test('permitted messages pass byte for byte', (t) => {
  const gate = gateOf('hl7', ['view', 'modify']);
  const effects = feed(gate, 'user', Buffer.concat([query('Q'), order('O')]));
  t.strictSame(told(effects), ['unit QBP^Q22 view user', 'unit RGV^O15 modify user']);
  t.strictSame(sentTo('device', effects), Buffer.concat([query('Q'), order('O')]));
  const back = feed(
    gate,
    'device',
    Buffer.concat([block(acknowledgement('Q', 'AA', 'RSP^K22')), block(acknowledgement('O'))]),
  );
  t.strictSame(told(back), []);
  t.strictSame(answers(back), ['AA Q', 'AA O']);
  t.end();
});

void t.test('what the grant lacks is answered AR and never reaches the device', (t) => {
  const rows: [Action[], string, string][] = [
    [['view'], 'RGV^O15', 'modify'],
    [['modify'], 'QBP^Q22', 'view'],
    [['view', 'modify'], 'MFN^M01', 'administer'],
    [['view', 'modify', 'administer', 'download', 'print'], 'ZZZ^Z01', '-'],
    [['view', 'modify', 'administer', 'download', 'print'], 'ORU^R40', '-'],
  ];
  for (const [actions, type, action] of rows) {
    const effects = feed(
      gateOf('hl7', actions, ['posture is major']),
      'user',
      block(message({ type, id: 'X' })),
    );
    t.strictSame(told(effects), [`refused ${type} ${action} user`]);
    t.strictSame(answers(effects), ['AR X']);
    t.equal(sentTo('device', effects).length, 0);
    if (action !== '-')
      t.match(sentTo('user', effects).toString('latin1'), `${action} is not permitted: posture is major`);
  }
  t.end();
});

void t.test('enhanced mode: CR when accept is asked for, silence when nothing is', (t) => {
  const send = (accept: string, application: string): Effect[] =>
    feed(gateOf('hl7', ['view']), 'user', order('X', { accept, application }));
  t.strictSame(answers(send('AL', 'AL')), ['CR X']);
  t.strictSame(answers(send('NE', 'AL')), ['AR X']);
  t.strictSame(answers(send('NE', 'NE')), []);
  t.strictSame(told(send('NE', 'NE')), ['refused RGV^O15 modify user']);
  t.end();
});

void t.test('a refusal waits behind the answers that were owed first', (t) => {
  const gate = gateOf('hl7', ['view']);
  const first = feed(gate, 'user', Buffer.concat([query('1'), order('2'), query('3'), order('4')]));
  t.strictSame(answers(first), [], 'nothing yet: the device has not answered 1');
  t.strictSame(answers(feed(gate, 'device', block(acknowledgement('1')))), ['AA 1', 'AR 2']);
  t.strictSame(answers(feed(gate, 'device', block(acknowledgement('3')))), ['AA 3', 'AR 4']);
  t.strictSame(answers(feed(gate, 'user', order('5'))), ['AR 5'], 'nothing owed: at once');
  t.end();
});

void t.test('a message that asks for no answer holds nothing back', (t) => {
  const gate = gateOf('hl7', ['view']);
  const silent = block(message({ type: 'QBP^Q22', id: '1', accept: 'NE', application: 'NE' }));
  t.strictSame(answers(feed(gate, 'user', Buffer.concat([silent, order('2')]))), ['AR 2']);
  const late = feed(gate, 'device', block(acknowledgement('1', 'AE')));
  t.strictSame([answers(late), told(late)], [['AE 1'], []], 'an answer all the same passes');
  t.end();
});

void t.test('a commit accept is followed by the application answer', (t) => {
  const gate = gateOf('hl7', ['view']);
  feed(
    gate,
    'user',
    Buffer.concat([
      block(message({ type: 'QBP^Q22', id: '1', accept: 'AL', application: 'AL' })),
      order('2'),
    ]),
  );
  t.strictSame(answers(feed(gate, 'device', block(acknowledgement('1', 'CA')))), ['CA 1', 'AR 2']);
  const application = feed(gate, 'device', block(acknowledgement('1', 'AA')));
  t.strictSame([answers(application), told(application)], [['AA 1'], []]);
  t.end();
});

void t.test('an answer that names no message is taken for the oldest one', (t) => {
  const gate = gateOf('hl7', ['view']);
  feed(gate, 'user', Buffer.concat([query('1'), order('2')]));
  const effects = feed(gate, 'device', block(acknowledgement('wrong')));
  t.strictSame(told(effects), ['weird hl7_unmatched_acknowledgement device']);
  t.strictSame(answers(effects), ['AA wrong', 'AR 2']);
  t.end();
});

void t.test("the device's own feed always passes, and can be acknowledged once", (t) => {
  const gate = gateOf('hl7', ['print']);
  const alarm = block(message({ type: 'ORU^R40^ORU_R40', id: 'A1' }));
  const effects = feed(gate, 'device', alarm);
  t.strictSame(told(effects), ['unit ORU^R40 view device']);
  t.strictSame(sentTo('user', effects), alarm);
  const ack = block(acknowledgement('A1'));
  t.strictSame(sentTo('device', feed(gate, 'user', ack)), ack);
  const again = feed(gate, 'user', ack);
  t.strictSame(told(again), ['weird hl7_unexpected_acknowledgement user']);
  t.equal(sentTo('device', again).length + sentTo('user', again).length, 0, 'dropped, not answered');
  // An order with an MSA segment is still an order.
  const smuggled = block(message({ type: 'RGV^O15', id: 'S', segments: ['MSA|AA|A1'] }));
  t.strictSame(told(feed(gate, 'user', smuggled)), ['refused RGV^O15 modify user']);
  // An unreadable message of the device passes too; its bytes outside frames don't.
  const strange = feed(gate, 'device', Buffer.concat([Buffer.from('noise'), block(Buffer.from('???'))]));
  t.strictSame(told(strange), ['weird mllp_outside_frame device', 'weird hl7_no_header device']);
  t.strictSame(sentTo('user', strange), block(Buffer.from('???')));
  t.end();
});

void t.test('step-down and step-up take effect at the next message', (t) => {
  const gate = gateOf('hl7', ['modify']);
  const half = order('1');
  t.strictSame(told(feed(gate, 'user', half.subarray(0, 50))), []);
  gate.regrant(grantOf('hl7', ['view']));
  t.strictSame(told(feed(gate, 'user', half.subarray(50))), ['refused RGV^O15 modify user']);
  gate.regrant(grantOf('hl7', ['modify']));
  t.strictSame(told(feed(gate, 'user', order('2'))), ['unit RGV^O15 modify user']);
  t.end();
});

void t.test('a user who sends no HL7 is ended, and nothing reaches the device', (t) => {
  const malformed = feed(gateOf('hl7', ['view', 'modify']), 'user', block(Buffer.from('GET / HTTP/1.1')));
  t.match(told(malformed), ['weird hl7_no_header user', /^end /]);
  const double = Buffer.concat([message(), message({ type: 'RGV^O15' })]);
  t.match(told(feed(gateOf('hl7', ['modify']), 'user', block(double))), [
    'weird hl7_several_headers user',
    /^end /,
  ]);
  const flood = gateOf('hl7', ['modify']);
  let effects: Effect[] = [];
  for (let i = 0; i < 70 && !effects.some(({ kind }) => kind === 'end'); i++)
    effects = [...effects, ...feed(flood, 'user', Buffer.alloc(1024, 0x41))];
  t.match(told(effects), ['weird mllp_outside_frame user', /^end /]);
  for (const each of [malformed, effects]) t.equal(sentTo('device', each).length, 0);
  t.end();
});

void t.test('an oversize message is answered and ends the session', (t) => {
  const gate = gateOf('hl7', ['view', 'modify']);
  const big = order('BIG', { segments: ['Z'.repeat(1024 * 1024)] });
  const effects = feed(gate, 'user', Buffer.concat([query('1'), big]));
  t.match(told(effects), [
    'unit QBP^Q22 view user',
    'weird hl7_message_too_long user',
    'refused RGV^O15 - user',
    /^end message is longer/,
  ]);
  t.strictSame(answers(effects), ['AR BIG'], 'said although 1 is still owed: the session is over');
  t.strictSame(sentTo('device', effects), query('1'));
  t.end();
});

void t.test('closing', (t) => {
  const waits = gateOf('hl7', ['view']);
  feed(waits, 'user', Buffer.concat([query('1'), order('2')]));
  t.strictSame(told(waits.closed('user')), [], 'a half-close still gets its answers');
  const last = feed(waits, 'device', block(acknowledgement('1')));
  t.strictSame(answers(last), ['AA 1', 'AR 2']);
  t.strictSame(told(last), ['end closed by the user']);

  const gone = gateOf('hl7', ['view']);
  feed(gone, 'user', Buffer.concat([query('1'), order('2')]));
  const effects = gone.closed('device');
  t.strictSame([answers(effects), told(effects)], [['AR 2'], ['end closed by the device']]);

  const partial = gateOf('hl7', ['view']);
  feed(partial, 'user', query('1').subarray(0, 20));
  t.strictSame(told(partial.closed('user')), ['weird mllp_unended_frame user', 'end closed by the user']);
  t.strictSame(told(gateOf('hl7', ['view']).revoke('operator')), ['end operator']);
  t.end();
});

void t.test('a refused session answers one message and ends', (t) => {
  const open = (): Gate =>
    openRefusal('hl7', 'the audit store is full', 'AUDIT_STORAGE_FULL', countingSources());
  const effects = feed(open(), 'user', order('X'));
  t.strictSame(told(effects), ['refused RGV^O15 - user', 'end the audit store is full']);
  t.strictSame(answers(effects), ['AR X']);
  t.match(sentTo('user', effects).toString('latin1'), 'AUDIT_STORAGE_FULL^^L|||the audit store is full');
  t.match(told(feed(open(), 'user', block(Buffer.from('x')))), ['weird hl7_no_header user', /^end/]);
  t.match(told(feed(open(), 'user', Buffer.alloc(70_000, 0x41))), ['weird mllp_outside_frame user', /^end/]);
  t.strictSame(told(open().closed('user')), ['end closed by the user']);
  t.end();
});

void t.test('where a stream is cut makes no difference, and no flip or truncation throws', (t) => {
  const stream = Buffer.concat([
    query('1'),
    order('2'),
    block(message({ type: 'ZZZ^Z01', id: '3' })),
    order('4', { accept: 'AL' }),
  ]);
  const run = (bytes: Uint8Array, cuts: readonly number[]): string => {
    const gate = gateOf('hl7', ['view']);
    const effects = [
      ...feed(gate, 'user', bytes, cuts),
      ...feed(gate, 'device', block(acknowledgement('1'))),
      ...gate.closed('user'),
    ];
    return JSON.stringify([
      told(effects),
      sentTo('user', effects).toString('latin1'),
      sentTo('device', effects).toString('latin1'),
    ]);
  };
  const whole = run(stream, []);
  for (let cut = 0; cut <= stream.length; cut++) if (run(stream, [cut]) !== whole) t.fail(`cut at ${cut}`);
  t.equal(run(stream, [...stream.keys()]), whole, 'byte by byte');
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(
        fc.nat(stream.length - 1),
        fc.nat(255),
        fc.nat(stream.length),
        fc.array(fc.nat(stream.length), { maxLength: 4 }),
        (at, value, end, cuts) => {
          const broken = Buffer.from(stream);
          broken[at] = value;
          return run(broken.subarray(0, end), cuts) === run(broken.subarray(0, end), []);
        },
      ),
      { numRuns: 600 },
    ),
  );
  t.end();
});
