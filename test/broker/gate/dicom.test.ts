/** The DICOM gate: what passes, what is refused, and that nothing undecided ever reaches the other side. */
import fc from 'fast-check';
import t from 'tap';
import type { Action } from '../../../src/wire/action.ts';
import type { ErrorCode } from '../../../src/wire/errors.ts';
import { openRefusal } from '../../../src/broker/gate/gate.ts';
import type { Effect, Gate, Side } from '../../../src/broker/gate/gate.ts';
import { DicomAnalyzer } from '../../../src/protocol/dicom/analyzer.ts';
import {
  CT,
  STUDY_FIND,
  STUDY_GET,
  VERIFICATION,
  abortPdu,
  associateAccept,
  associateRequest,
  cancel,
  commandPdu,
  dataPdus,
  item,
  pdu,
  pdv,
  releaseRequest,
  releaseResponse,
  request,
  response,
} from '../../protocol/dicom/sample.ts';
import type { AssociateWish } from '../../protocol/dicom/sample.ts';
import { countingSources, feed, gateOf, grantOf, sentTo, told } from './world.ts';

const COMMITMENT = '1.2.840.10008.1.20.1';
const contexts = { 1: VERIFICATION, 3: CT, 5: STUDY_FIND, 7: STUDY_GET, 9: COMMITMENT };
const accepted = { 1: 0, 3: 0, 5: 0, 7: 0, 9: 0 };
const payload = Uint8Array.from({ length: 5000 }, (_, i) => (i * 7) & 0xff);

/** A gate with its association open. */
function opened(
  actions: Action[],
  device: Partial<AssociateWish> = {},
  user: Partial<AssociateWish> = {},
): Gate {
  const gate = gateOf('dicom', actions, ['posture is major']);
  feed(gate, 'user', associateRequest({ contexts, ...user }));
  feed(gate, 'device', associateAccept({ contexts: accepted, ...device }));
  return gate;
}

/** A side's view of what it was sent: commands and whole data sets. Fails on anything that isn't clean PDUs. */
function heard(bytes: Uint8Array): string[] {
  const analyzer = new DicomAnalyzer();
  const story: string[] = [];
  let data: Buffer[] = [];
  for (const event of analyzer.push(bytes)) {
    if (event.kind === 'weird') throw new Error(`the gate said ${event.name}`);
    if (event.kind === 'data') {
      data.push(Buffer.from(event.bytes));
      if (!event.last) {
        if (event.bytes.length % 2 === 1) throw new Error('odd fragment');
        continue;
      }
      story.push(`data ${event.context} ${Buffer.concat(data).toString('hex')}`);
      data = [];
    } else if (event.kind === 'command') {
      if (data.length > 0) throw new Error('a command inside a message');
      const { name, response: isResponse, messageId, respondedTo, status } = event.command;
      story.push(
        isResponse
          ? `${name}-RSP ${event.context} #${respondedTo} ${status?.toString(16)}`
          : `${name}-RQ ${event.context} #${messageId || respondedTo}`,
      );
    } else if (event.kind === 'release') {
      story.push(event.request ? 'release-RQ' : 'release-RP');
    } else {
      story.push(event.kind);
    }
  }
  if (!analyzer.between) throw new Error('the gate stopped inside a PDU');
  return story;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const store = (id: number, context = 3): Buffer =>
  commandPdu(context, request('C-STORE', CT, { id, data: true, instance: '1.2.3' }));

void t.test('association: contexts and names pass, the asynchronous window does not', (t) => {
  const gate = gateOf('dicom', ['view']);
  const out = feed(
    gate,
    'user',
    associateRequest({ contexts, asynchronous: true, more: [item(0x54, Buffer.alloc(8))] }),
  );
  t.strictSame(sentTo('device', out), associateRequest({ contexts, more: [item(0x54, Buffer.alloc(8))] }));
  const back = feed(gate, 'device', associateAccept({ contexts: accepted, asynchronous: true }));
  t.strictSame(sentTo('user', back), associateAccept({ contexts: accepted }));
  t.strictSame(told([...out, ...back]), []);
  t.end();
});

void t.test('a permitted C-STORE passes whole, and its answer comes back', (t) => {
  const gate = opened(['modify']);
  const out = feed(gate, 'user', Buffer.concat([store(1), dataPdus(3, payload, 1000)]));
  t.strictSame(told(out), ['unit C-STORE modify user']);
  t.strictSame(heard(sentTo('device', out)), ['C-STORE-RQ 3 #1', `data 3 ${hex(payload)}`]);
  const back = feed(gate, 'device', commandPdu(3, response('C-STORE', CT, 1, 0)));
  t.strictSame(heard(sentTo('user', back)), ['C-STORE-RSP 3 #1 0']);
  t.end();
});

void t.test('not a byte of a command passes before all of it is there', (t) => {
  const gate = opened(['modify']);
  const set = request('C-STORE', CT, { id: 1, data: true });
  const fragments = [
    pdu(4, pdv(3, 1, set.subarray(0, 20))),
    pdu(4, pdv(3, 1, set.subarray(20, 50))),
    pdu(4, pdv(3, 3, set.subarray(50)), pdv(3, 2, payload)),
  ];
  t.strictSame(
    feed(gate, 'user', Buffer.concat([...fragments.slice(0, 2), (fragments[2] as Buffer).subarray(0, 13)])),
    [],
  );
  const rest = feed(gate, 'user', (fragments[2] as Buffer).subarray(13));
  t.strictSame(heard(sentTo('device', rest)), ['C-STORE-RQ 3 #1', `data 3 ${hex(payload)}`]);
  t.end();
});

void t.test('a refused C-STORE is swallowed and answered with everything its sender needs', (t) => {
  const gate = opened(['view']);
  const command = feed(gate, 'user', store(7));
  t.strictSame(told(command), ['refused C-STORE modify user']);
  t.equal(sentTo('user', command).length, 0, 'the answer comes after the data set');
  const data = feed(gate, 'user', dataPdus(3, payload, 1000));
  t.strictSame(heard(sentTo('user', data)), ['C-STORE-RSP 3 #7 124']);
  t.match(sentTo('user', data).toString('latin1'), 'modify is not permitted: posture is major');
  t.equal(sentTo('device', [...command, ...data]).length, 0);
  // The association lives on.
  t.strictSame(told(feed(gate, 'user', commandPdu(1, request('C-ECHO', VERIFICATION, { id: 8 })))), [
    'unit C-ECHO view user',
  ]);
  t.end();
});

void t.test('each verb by the grant', (t) => {
  const rows: [Action[], Buffer, string][] = [
    [['print'], commandPdu(1, request('C-ECHO', VERIFICATION)), 'unit C-ECHO view user'],
    [['view'], commandPdu(5, request('C-FIND', STUDY_FIND, { data: true })), 'unit C-FIND view user'],
    [['modify'], commandPdu(5, request('C-FIND', STUDY_FIND, { data: true })), 'refused C-FIND view user'],
    [['download'], commandPdu(7, request('C-GET', STUDY_GET, { data: true })), 'unit C-GET download user'],
    [
      ['view', 'modify'],
      commandPdu(7, request('C-GET', STUDY_GET, { data: true })),
      'refused C-GET download user',
    ],
    [['modify'], commandPdu(9, request('N-ACTION', COMMITMENT, { data: true })), 'unit N-ACTION modify user'],
    [
      ['print'],
      commandPdu(9, request('N-ACTION', COMMITMENT, { data: true })),
      'refused N-ACTION modify user',
    ],
    // The command says film box, the context storage commitment: both are needed.
    [['print'], commandPdu(9, request('N-ACTION', '1.2.840.10008.5.1.1.2')), 'refused N-ACTION modify user'],
    [
      ['view', 'modify', 'download', 'print', 'administer'],
      commandPdu(3, request('C-STORE', '1.2.3')),
      'refused C-STORE - user',
    ],
    [
      ['view', 'modify', 'download', 'print', 'administer'],
      commandPdu(3, request('C-FIND', CT)),
      'refused C-FIND - user',
    ],
  ];
  for (const [actions, bytes, expected] of rows) {
    const effects = feed(opened(actions), 'user', bytes);
    t.strictSame(told(effects), [expected], `${actions.join()}: ${expected}`);
    t.equal(sentTo('device', effects).length > 0, expected.startsWith('unit'));
  }
  t.end();
});

void t.test('a refusal waits for the end of a message that is on its way', (t) => {
  const gate = opened(['view']);
  feed(
    gate,
    'user',
    Buffer.concat([
      commandPdu(5, request('C-FIND', STUDY_FIND, { id: 1, data: true })),
      dataPdus(5, payload, 100),
    ]),
  );
  const begun = feed(
    gate,
    'device',
    Buffer.concat([
      commandPdu(5, response('C-FIND', STUDY_FIND, 1, 0xff00, true)),
      dataPdus(5, payload, 1000).subarray(0, 1500),
    ]),
  );
  const refused = feed(gate, 'user', commandPdu(7, request('C-GET', STUDY_GET, { id: 2 })));
  t.strictSame(told(refused), ['refused C-GET download user']);
  t.equal(sentTo('user', refused).length, 0, 'not in the middle of an answer');
  const rest = feed(
    gate,
    'device',
    Buffer.concat([
      dataPdus(5, payload, 1000).subarray(1500),
      commandPdu(5, response('C-FIND', STUDY_FIND, 1, 0)),
    ]),
  );
  t.strictSame(heard(sentTo('user', [...begun, ...rest])), [
    'C-FIND-RSP 5 #1 ff00',
    `data 5 ${hex(payload)}`,
    'C-GET-RSP 7 #2 124',
    'C-FIND-RSP 5 #1 0',
  ]);
  t.end();
});

void t.test('fragments never exceed what the receiver takes, whatever the sender does', (t) => {
  const gate = opened(['modify'], { maximumLength: 512 });
  const out = feed(gate, 'user', Buffer.concat([store(1), dataPdus(3, payload, 5000)]), [300, 301, 1000]);
  const bytes = sentTo('device', out);
  for (let at = 0; at < bytes.length; at += 6 + bytes.readUInt32BE(at + 2))
    t.ok(bytes.readUInt32BE(at + 2) <= 512);
  t.strictSame(heard(bytes), ['C-STORE-RQ 3 #1', `data 3 ${hex(payload)}`]);
  t.end();
});

void t.test('C-GET: the objects come back on the same association, and a step-down stops them', (t) => {
  const gate = opened(['download']);
  feed(
    gate,
    'user',
    Buffer.concat([
      commandPdu(7, request('C-GET', STUDY_GET, { id: 1, data: true })),
      dataPdus(7, payload, 5000),
    ]),
  );
  const object = feed(gate, 'device', Buffer.concat([store(1), dataPdus(3, payload, 1000)]));
  t.strictSame(told(object), ['unit C-GET/C-STORE download device']);
  t.strictSame(heard(sentTo('user', object)), ['C-STORE-RQ 3 #1', `data 3 ${hex(payload)}`]);
  const stored = feed(gate, 'user', commandPdu(3, response('C-STORE', CT, 1, 0)));
  t.strictSame(heard(sentTo('device', stored)), ['C-STORE-RSP 3 #1 0']);

  gate.regrant(grantOf('dicom', ['view']));
  const second = feed(gate, 'device', Buffer.concat([store(2), dataPdus(3, payload, 1000)]));
  t.strictSame(told(second), ['refused C-GET/C-STORE download device']);
  t.strictSame(heard(sentTo('device', second)), ['C-CANCEL-RQ 7 #1', 'C-STORE-RSP 3 #2 124']);
  t.equal(sentTo('user', second).length, 0);
  const third = feed(gate, 'device', Buffer.concat([store(3), dataPdus(3, payload, 1000)]));
  t.strictSame(heard(sentTo('device', third)), ['C-STORE-RSP 3 #3 124'], 'cancelled once');
  const end = feed(gate, 'device', commandPdu(7, response('C-GET', STUDY_GET, 1, 0xfe00)));
  t.strictSame(heard(sentTo('user', end)), ['C-GET-RSP 7 #1 fe00']);
  t.end();
});

void t.test('a device that pushes objects unasked is refused', (t) => {
  const gate = opened(['view', 'modify', 'download']);
  const effects = feed(gate, 'device', Buffer.concat([store(1), dataPdus(3, payload, 1000)]));
  t.strictSame(told(effects), ['refused C-STORE - device']);
  t.strictSame(heard(sentTo('device', effects)), ['C-STORE-RSP 3 #1 124']);
  t.equal(sentTo('user', effects).length, 0);
  // A commitment result is welcome.
  const event = feed(gate, 'device', commandPdu(9, request('N-EVENT-REPORT', COMMITMENT, { id: 4 })));
  t.strictSame(told(event), ['unit N-EVENT-REPORT view device']);
  const answer = feed(gate, 'user', commandPdu(9, response('N-EVENT-REPORT', COMMITMENT, 4, 0)));
  t.strictSame(heard(sentTo('device', answer)), ['N-EVENT-REPORT-RSP 9 #4 0']);
  t.end();
});

void t.test('a step-down takes effect at the next command; an object begun is finished', (t) => {
  const gate = opened(['modify']);
  const data = dataPdus(3, payload, 1000);
  const begun = feed(gate, 'user', Buffer.concat([store(1), data.subarray(0, 1234)]));
  gate.regrant(grantOf('dicom', ['view']));
  const finished = feed(gate, 'user', Buffer.concat([data.subarray(1234), store(2), data]));
  t.strictSame(told([...begun, ...finished]), ['unit C-STORE modify user', 'refused C-STORE modify user']);
  t.strictSame(heard(sentTo('device', [...begun, ...finished])), [
    'C-STORE-RQ 3 #1',
    `data 3 ${hex(payload)}`,
  ]);
  t.end();
});

void t.test('C-CANCEL passes for an operation that is under way, and only for one', (t) => {
  const gate = opened(['view']);
  t.strictSame(feed(gate, 'user', commandPdu(5, cancel(1))), [], 'nothing to cancel');
  feed(
    gate,
    'user',
    Buffer.concat([
      commandPdu(5, request('C-FIND', STUDY_FIND, { id: 1, data: true })),
      dataPdus(5, payload, 5000),
    ]),
  );
  t.strictSame(heard(sentTo('device', feed(gate, 'user', commandPdu(5, cancel(1))))), ['C-CANCEL-RQ 5 #1']);
  feed(gate, 'device', commandPdu(5, response('C-FIND', STUDY_FIND, 1, 0xfe00)));
  t.strictSame(feed(gate, 'user', commandPdu(5, cancel(1))), []);
  t.end();
});

void t.test('release, abort and rejection pass and end the session', (t) => {
  const gate = opened(['view']);
  t.strictSame(heard(sentTo('device', feed(gate, 'user', releaseRequest))), ['release-RQ']);
  const released = feed(gate, 'device', releaseResponse);
  t.strictSame(heard(sentTo('user', released)), ['release-RP']);
  t.strictSame(told(released), ['end association released']);
  t.strictSame(gate.receive('user', releaseRequest), []);

  const aborted = feed(opened(['view']), 'device', abortPdu(0, 0));
  t.strictSame(sentTo('user', aborted), abortPdu(0, 0));
  t.strictSame(told(aborted), ['end association aborted by the device']);

  const rejecting = gateOf('dicom', ['view']);
  feed(rejecting, 'user', associateRequest({ contexts }));
  const rejected = feed(rejecting, 'device', pdu(3, Buffer.of(0, 1, 1, 7)));
  t.strictSame(sentTo('user', rejected), pdu(3, Buffer.of(0, 1, 1, 7)));
  t.strictSame(told(rejected), ['end association rejected by the device']);
  t.end();
});

void t.test('closing and revoking speak A-ABORT, between PDUs', (t) => {
  const gate = opened(['modify']);
  const begun = feed(gate, 'user', Buffer.concat([store(1), dataPdus(3, payload, 5000).subarray(0, 777)]));
  const revoked = gate.revoke('operator');
  t.strictSame(told(revoked), ['end operator']);
  t.strictSame(sentTo('user', revoked), abortPdu(2, 0));
  const device = sentTo('device', [...begun, ...revoked]);
  t.strictSame(heard(device).at(-1), 'abort', 'whole PDUs and then the abort');
  t.strictSame(gate.revoke('again'), []);

  const closed = opened(['view']).closed('device');
  t.strictSame(sentTo('user', closed), abortPdu(2, 0));
  t.strictSame(told(closed), ['end closed by the device']);
  const early = gateOf('dicom', ['view']);
  feed(early, 'user', associateRequest({ contexts }).subarray(0, 20));
  const gone = early.closed('user');
  t.strictSame(told(gone), ['weird dicom_truncated user', 'end closed by the user']);
  t.equal(sentTo('device', gone).length, 0, 'a device that heard nothing needs no abort');
  t.end();
});

void t.test('garbage: A-ABORT to the user, nothing to a device that heard nothing', (t) => {
  const first = feed(gateOf('dicom', ['view', 'modify']), 'user', Buffer.from('GET / HTTP/1.1\r\n\r\n'));
  t.match(told(first), ['weird dicom_unknown_pdu user', /^end /]);
  t.strictSame(sentTo('user', first), abortPdu(2, 1));
  t.equal(sentTo('device', first).length, 0);

  const rows: [string, Side, Buffer][] = [
    ['dicom_unexpected_pdu', 'user', associateRequest({ contexts })],
    ['dicom_unexpected_pdu', 'device', associateAccept({ contexts: accepted })],
    ['dicom_unexpected_pdu', 'device', releaseResponse],
    ['dicom_unexpected_data', 'user', dataPdus(3, payload, 5000)],
    ['dicom_unknown_context', 'user', store(1, 11)],
    ['dicom_unended_message', 'user', Buffer.concat([store(1), store(2)])],
    ['dicom_unexpected_data', 'user', Buffer.concat([store(1), dataPdus(5, payload, 5000)])],
    ['dicom_unexpected_pdu', 'user', Buffer.concat([store(1), releaseRequest])],
    ['dicom_message_id_in_use', 'user', Buffer.concat([store(1), dataPdus(3, payload, 5000), store(1)])],
    ['dicom_unexpected_response', 'user', commandPdu(3, response('C-STORE', CT, 1, 0))],
    [
      'dicom_too_many_operations',
      'user',
      Buffer.concat(
        Array.from({ length: 17 }, (_, i) => commandPdu(1, request('C-ECHO', VERIFICATION, { id: i + 1 }))),
      ),
    ],
    ['dicom_unknown_pdu', 'device', Buffer.from('SSH-2.0-x')],
  ];
  for (const [name, from, bytes] of rows) {
    const effects = feed(opened(['modify']), from, bytes);
    t.match(told(effects).slice(-2), [`weird ${name} ${from}`, /^end /], name);
    for (const side of ['user', 'device'] as const)
      t.equal(heard(sentTo(side, effects)).at(-1), 'abort', `${name}: the ${side} hears A-ABORT`);
  }
  t.end();
});

void t.test('a context the device did not accept can carry nothing', (t) => {
  const gate = opened(['modify'], { contexts: { ...accepted, 3: 1 } });
  t.match(told(feed(gate, 'user', store(1))), ['weird dicom_unknown_context user', /^end /]);
  t.end();
});

void t.test('a strange answer of the device is noted and passes', (t) => {
  const effects = feed(opened(['modify']), 'device', commandPdu(3, response('C-STORE', CT, 99, 0)));
  t.strictSame(told(effects), ['weird dicom_unexpected_response device']);
  t.strictSame(heard(sentTo('user', effects)), ['C-STORE-RSP 3 #99 0']);
  t.end();
});

void t.test('a refused data set without end is aborted', (t) => {
  const gate = opened(['view']);
  feed(gate, 'user', store(1));
  const chunk = pdu(4, pdv(3, 0, new Uint8Array(1024 * 1024)));
  let effects: Effect[] = [];
  let sent = 0;
  while (effects.length === 0 && sent < 100) {
    effects = gate.receive('user', chunk);
    sent++;
  }
  t.match(told(effects), ['weird dicom_refused_data_too_long user', /^end /]);
  t.equal(sent, 65);
  t.end();
});

void t.test('refused whole: for good or until later, by the code', (t) => {
  const rows: [ErrorCode, number[]][] = [
    ['POLICY_DENIED', [1, 1, 3]],
    ['UNKNOWN_PEER', [1, 1, 3]],
    ['UNKNOWN_RESOURCE', [1, 1, 7]],
    ['SESSION_LIMIT', [2, 3, 2]],
    ['AUDIT_STORAGE_FULL', [2, 3, 1]],
    ['DEVICE_UNREACHABLE', [2, 3, 1]],
  ];
  for (const [code, said] of rows) {
    const gate = openRefusal('dicom', 'because', code, countingSources());
    const effects = feed(gate, 'user', associateRequest({ contexts }), [10, 100]);
    t.strictSame(told(effects), ['refused A-ASSOCIATE - user', 'end because'], code);
    t.strictSame(sentTo('user', effects), pdu(3, Buffer.of(0, ...said)), code);
    t.strictSame(gate.receive('user', releaseRequest), []);
  }
  const garbage = feed(
    openRefusal('dicom', 'no', 'POLICY_DENIED', countingSources()),
    'user',
    Buffer.from('garbage'),
  );
  t.match(told(garbage), ['weird dicom_unknown_pdu user', 'end no']);
  t.strictSame(sentTo('user', garbage), abortPdu(2, 1));
  t.end();
});

/** A session in which the user does several things, some refused, and the device answers. */
const fromUser = Buffer.concat([
  commandPdu(1, request('C-ECHO', VERIFICATION, { id: 1 })),
  store(2),
  dataPdus(3, payload.subarray(0, 301), 100),
  commandPdu(7, request('C-GET', STUDY_GET, { id: 3, data: true })),
  pdu(4, pdv(7, 0, payload.subarray(0, 10)), pdv(7, 2, payload.subarray(10, 20))),
  commandPdu(5, request('C-FIND', STUDY_FIND, { id: 4, data: true })),
  dataPdus(5, payload.subarray(0, 64), 64),
]);
const run = (bytes: Uint8Array, cuts: readonly number[]): string => {
  const gate = opened(['view', 'modify']);
  const effects = [...feed(gate, 'user', bytes, cuts), ...gate.closed('user')];
  return JSON.stringify([told(effects), heard(sentTo('user', effects)), heard(sentTo('device', effects))]);
};

void t.test('where a stream is cut makes no difference', (t) => {
  const whole = run(fromUser, []);
  t.match(whole, 'refused C-GET download user');
  for (let cut = 0; cut <= fromUser.length; cut++)
    if (run(fromUser, [cut]) !== whole) t.fail(`cut at ${cut}`);
  t.equal(run(fromUser, [...fromUser.keys()]), whole, 'byte by byte');
  t.end();
});

void t.test('no flip or truncation throws, hangs, or lets anything pass that is not whole PDUs', (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(
        fc.nat(fromUser.length - 1),
        fc.nat(255),
        fc.nat(fromUser.length),
        fc.array(fc.nat(fromUser.length), { maxLength: 4 }),
        (at, value, end, cuts) => {
          const broken = Buffer.from(fromUser);
          broken[at] = value;
          // `heard` throws on anything but whole PDUs, uninterrupted messages and even fragments.
          run(broken.subarray(0, end), cuts);
        },
      ),
      { numRuns: 800 },
    ),
  );
  t.end();
});

void t.test('from the first byte: a broken association request never reaches the device broken', (t) => {
  const rq = associateRequest({ contexts, asynchronous: true });
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(
        fc.nat(rq.length - 1),
        fc.nat(255),
        fc.array(fc.nat(rq.length), { maxLength: 4 }),
        (at, value, cuts) => {
          const broken = Buffer.from(rq);
          broken[at] = value;
          const effects = feed(gateOf('dicom', ['view']), 'user', broken, cuts);
          return heard(sentTo('device', effects)).every((said) => said === 'associate' || said === 'abort');
        },
      ),
      { numRuns: 800 },
    ),
  );
  t.end();
});
