/** The stream analyzer: any cut of a stream tells the same story, nothing throws, limits hold, real captures agree. */
import fc from 'fast-check';
import t from 'tap';
import { DicomAnalyzer } from '../../../src/protocol/dicom/analyzer.ts';
import type { DicomEvent } from '../../../src/protocol/dicom/analyzer.ts';
import { fieldsOf, flowsOf, shared } from '../capture.ts';
import {
  CT,
  STUDY_FIND,
  VERIFICATION,
  abortPdu,
  associateAccept,
  associateRequest,
  commandPdu,
  dataPdus,
  pdu,
  pdv,
  releaseRequest,
  request,
  response,
} from './sample.ts';

/** Events with the pieces of a data set put together again. */
function story(events: readonly DicomEvent[]): unknown[] {
  const told: unknown[] = [];
  let data: Buffer[] = [];
  for (const event of events) {
    if (event.kind !== 'data') {
      told.push(event.kind === 'associate' ? { ...event, pdu: Buffer.from(event.pdu) } : event);
      continue;
    }
    data.push(Buffer.from(event.bytes));
    if (!event.last) continue;
    told.push({ kind: 'data', context: event.context, bytes: Buffer.concat(data).toString('hex') });
    data = [];
  }
  if (data.length > 0) told.push({ kind: 'data begun', bytes: Buffer.concat(data).toString('hex') });
  return told;
}

const cutting = (
  bytes: Uint8Array,
  cuts: readonly number[],
): { events: DicomEvent[]; analyzer: DicomAnalyzer } => {
  const analyzer = new DicomAnalyzer();
  const events: DicomEvent[] = [];
  let at = 0;
  for (const edge of [
    ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b),
    bytes.length,
  ]) {
    events.push(...analyzer.push(Uint8Array.from(bytes.subarray(at, edge))));
    at = edge;
  }
  return { events, analyzer };
};

const payload = Uint8Array.from({ length: 1000 }, (_, i) => i & 0xff);
const store = request('C-STORE', CT, { id: 2, data: true, instance: '1.2.3' });
const stream = Buffer.concat([
  associateRequest({ contexts: { 1: VERIFICATION, 3: CT } }),
  commandPdu(1, request('C-ECHO', VERIFICATION)),
  // A command in three fragments over two PDUs, the last in one PDU with the first of its data.
  pdu(4, pdv(3, 1, store.subarray(0, 10)), pdv(3, 1, store.subarray(10, 20))),
  pdu(4, pdv(3, 3, store.subarray(20)), pdv(3, 0, payload.subarray(0, 100))),
  dataPdus(3, payload.subarray(100), 300),
  // An empty last fragment.
  commandPdu(3, request('C-STORE', CT, { id: 3, data: true })),
  pdu(4, pdv(3, 0, payload.subarray(0, 10))),
  pdu(4, pdv(3, 2, Buffer.alloc(0))),
  releaseRequest,
]);

void t.test('a whole association is told in order', (t) => {
  const { events, analyzer } = cutting(stream, []);
  t.strictSame(
    story(events).map((each) => (each as { kind: string }).kind),
    ['associate', 'command', 'command', 'data', 'command', 'data', 'release'],
  );
  t.ok(analyzer.between);
  t.match(story(events)[3], { bytes: Buffer.from(payload).toString('hex') });
  t.end();
});

void t.test('where a stream is cut makes no difference', (t) => {
  const whole = story(cutting(stream, []).events);
  for (let cut = 0; cut <= stream.length; cut++)
    if (JSON.stringify(story(cutting(stream, [cut]).events)) !== JSON.stringify(whole))
      t.fail(`cut at ${cut}`);
  t.strictSame(story(cutting(stream, [...stream.keys()]).events), whole, 'byte by byte');
  t.end();
});

void t.test('a broken stream is weird once, at the same place however it is cut', (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(
        fc.nat(stream.length - 1),
        fc.nat(255),
        fc.nat(stream.length),
        fc.array(fc.nat(stream.length), { maxLength: 5 }),
        (at, value, end, cuts) => {
          const broken = Buffer.from(stream);
          broken[at] = value;
          const cut = broken.subarray(0, end);
          const one = cutting(cut, []);
          const many = cutting(cut, cuts);
          const weird = one.events.filter((event) => event.kind === 'weird');
          if (weird.length > 1 || one.analyzer.lost !== (weird.length === 1)) return false;
          if (one.analyzer.lost && one.analyzer.push(stream).length > 0) return false;
          return JSON.stringify(story(one.events)) === JSON.stringify(story(many.events));
        },
      ),
      { numRuns: 1500 },
    ),
  );
  t.end();
});

void t.test('each fault has its name', (t) => {
  const rq = associateRequest({ contexts: { 1: CT } });
  const header = (type: number, length: number): Buffer => {
    const bytes = Buffer.of(type, 0, 0, 0, 0, 0);
    bytes.writeUInt32BE(length, 2);
    return bytes;
  };
  const rows: [string, Buffer, number][] = [
    ['dicom_unknown_pdu', Buffer.from('GET / HTTP/1.1\r\n'), 0],
    ['dicom_unknown_pdu', Buffer.of(0x16, 3, 1, 2, 0, 1), 0],
    ['dicom_pdu_too_long', header(4, 16 * 1024 * 1024 + 1), 2],
    ['dicom_pdu_too_long', header(1, 256 * 1024 + 1), 2],
    ['dicom_bad_pdu_length', header(4, 5), 2],
    ['dicom_bad_pdu_length', header(5, 5), 2],
    ['dicom_bad_associate_length', header(1, 0), 2],
    ['dicom_bad_pdv_length', pdu(4, Buffer.of(0, 0, 0, 1, 1, 0, 0)), 6],
    ['dicom_bad_pdv_length', pdu(4, Buffer.of(0, 0, 0, 9, 1, 0, 0)), 6],
    [
      'dicom_bad_pdv_length',
      Buffer.concat([rq, pdu(4, pdv(1, 0, payload), Buffer.of(0, 0, 0, 2, 1, 0, 0))]),
      rq.length + 6 + 1006 + 6,
    ],
    ['dicom_interleaved_message', pdu(4, pdv(1, 1, store.subarray(0, 9)), pdv(1, 0, payload)), 21],
    ['dicom_interleaved_message', pdu(4, pdv(1, 1, store.subarray(0, 9)), pdv(3, 3, store.subarray(9))), 21],
    ['dicom_command_too_long', pdu(4, pdv(1, 1, new Uint8Array(64 * 1024 + 1))), 6],
    ['dicom_unknown_command', commandPdu(1, Buffer.alloc(0)), 6],
  ];
  for (const [name, bytes, offset] of rows) {
    const { events } = cutting(bytes, []);
    t.match(events.at(-1), { kind: 'weird', name, offset }, `${name} at ${offset}`);
  }
  t.end();
});

void t.test('a 16 MB PDU is streamed', (t) => {
  const analyzer = new DicomAnalyzer();
  const size = 16 * 1024 * 1024 - 6;
  const header = pdu(4, pdv(3, 2, new Uint8Array(size))).subarray(0, 12);
  t.strictSame(analyzer.push(header), []);
  const chunk = new Uint8Array(65536);
  let seen = 0;
  let last = false;
  for (let left = size; left > 0; left -= chunk.length)
    for (const event of analyzer.push(chunk.subarray(0, Math.min(left, chunk.length)))) {
      if (event.kind !== 'data') throw new Error(event.kind);
      t.ok(event.bytes.buffer === chunk.buffer || event.bytes.length === 0, 'a view, not a copy');
      seen += event.bytes.length;
      last = event.last;
    }
  t.equal(seen, size);
  t.ok(last);
  t.end();
});

void t.test('a passive observer bridges a hole inside a data fragment and no other', (t) => {
  const analyzer = new DicomAnalyzer();
  analyzer.push(pdu(4, pdv(3, 2, payload)).subarray(0, 112));
  t.match(analyzer.gap(400), []);
  t.match(analyzer.push(payload.subarray(500)), [{ kind: 'data', last: true }]);
  t.match(analyzer.push(abortPdu(0, 0)), [{ kind: 'abort' }]);
  analyzer.push(releaseRequest.subarray(0, 3));
  analyzer.gap(1);
  t.ok(analyzer.lost);
  t.end();
});

void t.test('both directions of a session', (t) => {
  const { events } = cutting(
    Buffer.concat([
      associateAccept({ contexts: { 1: 0 } }),
      commandPdu(1, response('C-FIND', STUDY_FIND, 1, 0xff00, true)),
      dataPdus(1, payload, 1000),
      commandPdu(1, response('C-FIND', STUDY_FIND, 1, 0)),
    ]),
    [],
  );
  t.match(events, [
    { kind: 'associate', request: false },
    { kind: 'command', command: { name: 'C-FIND', response: true, status: 0xff00 } },
    { kind: 'data', last: true },
    { kind: 'command', command: { status: 0 } },
  ]);
  t.end();
});

void t.test('a captured clinic: the same associations and commands that tshark names', (t) => {
  const file = shared('corpus/lab-thirdparty/clinic-lab.pcap');
  const ports = ['-d', 'tcp.port==11112,dicom'];
  const oracle = (filter: string, fields: string[]): string[] =>
    fieldsOf(file, filter, fields, ...ports).map((row) => row.map((each) => each.trim()).join(' '));

  const associations: string[] = [];
  const stores: string[] = [];
  let dataBytes = 0;
  for (const flow of flowsOf(file).filter(
    ({ from, to }) => /:(104|11112)$/.test(from) || /:(104|11112)$/.test(to),
  )) {
    const analyzer = new DicomAnalyzer();
    const events = flow.segments.flatMap((segment) => analyzer.push(segment));
    t.notOk(analyzer.lost, `${flow.from} to ${flow.to} is followed to its end`);
    for (const event of events) {
      if (event.kind === 'associate') {
        const { callingAeTitle, calledAeTitle, implementationClassUid, implementationVersionName } =
          event.association;
        associations.push(
          [
            flow.stream,
            callingAeTitle,
            calledAeTitle,
            implementationClassUid,
            implementationVersionName,
          ].join(' '),
        );
      } else if (event.kind === 'command' && event.command.name === 'C-STORE' && !event.command.response) {
        stores.push(`${flow.stream}`);
      } else if (event.kind === 'data') {
        dataBytes += event.bytes.length;
      }
    }
  }
  const fields = [
    'tcp.stream',
    'dicom.assoc.ae.calling',
    'dicom.assoc.ae.called',
    'dicom.userinfo.uid',
    'dicom.userinfo.version',
  ];
  t.strictSame(
    associations.toSorted(),
    oracle('dicom.assoc.ae.calling && dicom.userinfo.uid', fields).toSorted(),
  );
  const named = oracle('dicom', ['tcp.stream', '_ws.col.Info'])
    .filter((row) => row.includes('C-STORE-RQ ID'))
    .map((row) => row.split(' ')[0] ?? '');
  t.strictSame(stores.toSorted(), named.toSorted());
  t.ok(stores.length >= 12 && dataBytes > 2_000_000, `${stores.length} objects, ${dataBytes} bytes`);
  t.end();
});

void t.test('captured association requests of a query client', (t) => {
  for (const [name, contexts] of [
    ['dicom_arq_1_find_testclient.pcap', 'find'],
    ['dicom_arq_2_get_testclient.pcap', 'get'],
  ] as const) {
    const [flow] = flowsOf(shared(`corpus/virtalabs__tapirx/${name}`));
    const { events } = cutting(Buffer.concat(flow?.segments ?? []), []);
    t.match(
      events[0],
      {
        kind: 'associate',
        request: true,
        association: { callingAeTitle: 'testclient', calledAeTitle: 'testserver' },
      },
      contexts,
    );
  }
  t.end();
});
