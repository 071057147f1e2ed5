/** The HL7 analyzer: headers, answers and equipment, from made streams and from captured ones. */
import t from 'tap';
import { Hl7Analyzer } from '../../../src/protocol/hl7/analyzer.ts';
import type { Hl7Event } from '../../../src/protocol/hl7/analyzer.ts';
import { headerField, unitOf } from '../../../src/protocol/hl7/message.ts';
import { flowsOf, shared } from '../capture.ts';
import { acknowledgement, block, message } from './sample.ts';

void t.test('messages, answers, malformed and oversize ones', (t) => {
  const analyzer = new Hl7Analyzer({ maxBytes: 400 });
  const events = analyzer.push(
    Buffer.concat([
      block(message()),
      block(acknowledgement('M1', 'CA')),
      block(Buffer.from('not HL7')),
      block(message({ id: 'BIG', segments: ['x'.repeat(500)] })),
      block(Buffer.alloc(500, 0x20)),
    ]),
  );
  t.match(events, [
    { kind: 'message', header: { type: 'ORU' }, equipment: [] },
    { kind: 'message', answers: { code: 'CA', controlId: 'M1' } },
    { kind: 'malformed', name: 'hl7_no_header' },
    { kind: 'oversize', header: { type: 'ORU' } },
    { kind: 'oversize' },
  ]);
  t.notOk((events[0] as { answers?: unknown }).answers);
  t.notOk((events[4] as { header?: unknown }).header);
  t.end();
});

void t.test('equipment is looked for only when asked, and bounded', (t) => {
  const obx = (device: string): string => `OBX|1|NM|147842^MDC_ECG_HEART_RATE^MDC|1|80|||||||||||||${device}`;
  const prt = 'PRT|1|AD||EQUIP^Equipment^HL70912||||||PUMP7^^0012210000000000^EUI-64||||||00812345^DI';
  const bytes = block(message({ segments: [obx('MON^^00A037009B000000^EUI-64~B'), obx('B'), prt] }));
  const [event] = new Hl7Analyzer({ equipment: true }).push(bytes);
  t.match(event, {
    equipment: [
      { field: 'OBX-18', value: 'MON^^00A037009B000000^EUI-64' },
      { field: 'OBX-18', value: 'B' },
      { field: 'PRT-10', value: 'PUMP7^^0012210000000000^EUI-64' },
      { field: 'PRT-16', value: '00812345^DI' },
    ],
  });
  const [unasked] = new Hl7Analyzer().push(bytes);
  t.match(unasked, { equipment: { length: 0 } });
  const many = block(
    message({ segments: Array.from({ length: 40 }, (_, i) => obx(`D${i}${'y'.repeat(300)}`)) }),
  );
  const [bounded] = new Hl7Analyzer({ equipment: true }).push(many);
  if (bounded?.kind !== 'message') throw new Error('no message');
  t.equal(bounded.equipment.length, 16);
  t.ok(bounded.equipment.every(({ value }) => value.length === 128));
  t.end();
});

void t.test('captured feeds', (t) => {
  const read = (file: string): (Hl7Event & { kind: 'message' })[] =>
    flowsOf(shared(file)).flatMap((flow) => {
      if (!flow.from.endsWith(':6661') && !flow.to.endsWith(':6661')) return [];
      const analyzer = new Hl7Analyzer({ equipment: true });
      return flow.segments
        .flatMap((segment) => analyzer.push(segment))
        .filter((event) => event.kind === 'message');
    });
  const units = (events: (Hl7Event & { kind: 'message' })[]): string[] =>
    events.map((event) => unitOf(event.header));

  const udi = read('corpus/virtalabs__tapirx/HL7-ADT-UDI-OBX.pcap');
  t.strictSame(units(udi), ['ADT^A01', 'ACK']);
  t.strictSame(udi[0]?.equipment, [{ field: 'OBX-18', value: 'Hospira Plum A+' }]);
  t.match(udi[1]?.answers, { code: 'AA', controlId: '934576120110613083617' });
  t.strictSame(units(read('corpus/virtalabs__tapirx/HL7-ORM.pcap')), ['ORM^O01', 'ACK']);

  const lab = read('corpus/lab-thirdparty/clinic-lab.pcap');
  t.strictSame(units(lab), ['ORU^R40', 'ACK^R40', 'ORU^R01', 'ACK^R01', 'ORU^R01', 'ACK^R01']);
  t.match(lab[0]?.equipment[0]?.value, /^P6013\^\^0012210000000000/);
  t.equal(
    headerField((lab[2] as Hl7Event & { kind: 'message' }).header, 3),
    'MINDRAY_EGATEWAY^00A0370027000143^EUI-64',
  );
  t.match(lab[4]?.equipment[0]?.value, /Medfusion 4000/);
  t.end();
});
