/** DICOM and HL7 told by content on any port, whose words are whose, and that no patient's ever come out. */
import t from 'tap';
import { addon } from '../../src/platform/addon.ts';
import { linkType } from '../../src/sensor/constants.ts';
import { recognizeDicom } from '../../src/sensor/dicom-conversation.ts';
import { recognizeHl7 } from '../../src/sensor/hl7-conversation.ts';
import { Sensor } from '../../src/sensor/sensor.ts';
import * as wire from './wire-builder.ts';

const modality = { mac: '00:03:b1:00:00:01', ip: '10.0.0.1' };
const archive = { mac: '00:a0:37:00:00:02', ip: '10.0.0.2' };

interface Said {
  readonly services: Record<string, string | undefined>;
  readonly words: string[];
}

function listen(
  frames: readonly Uint8Array[],
  sensor = new Sensor({ stage: addon().openStage({}), vendorOf: () => undefined }),
): Sensor {
  for (const [i, frame] of frames.entries()) sensor.take(linkType.ETHERNET, frame, frame.length, 1000 + i);
  return sensor;
}

function of(sensor: Sensor, mac: string): Said {
  const observation = [...sensor.hosts.all()].map((h) => h.observation()).find((o) => o?.mac === mac);
  const services = (observation?.services ?? []).map(
    (s) => [`${s.transport}/${s.port}`, s.protocol] as const,
  );
  return {
    services: Object.fromEntries(services),
    // The shapes of SYNs are tested with their signatures.
    words: (observation?.evidence ?? [])
      .filter((e) => e.protocol !== 'tcp')
      .map((e) => `${e.protocol} ${e.field}=${e.value}`),
  };
}

const request = wire.associate(1, {
  called: 'ARCHIVE',
  calling: 'SCANNER',
  uid: '1.2.840.113619.6.55',
  version: 'V8',
});
const accept = wire.associate(2, {
  called: 'ignored',
  calling: 'ignored',
  uid: '1.2.40.0.13.1.3',
  maximum: 32768,
});
const ports = [40000, 5678] as const;
const association = [
  { from: 'client', data: request },
  { from: 'server', data: accept },
] as const;

const scanner = [
  'dicom callingAeTitle=SCANNER',
  'dicom implementationClassUid=1.2.840.113619.6.55',
  'dicom implementationVersionName=V8',
  'dicom maximumLength=16384',
  'dicom proposes=verification',
];
const acceptor = [
  'dicom calledAeTitle=ARCHIVE',
  'dicom implementationClassUid=1.2.40.0.13.1.3',
  'dicom implementationVersionName=TEST_1',
  'dicom maximumLength=32768',
  'dicom accepts=verification',
];

void t.test('a DICOM association, on a port of its own choosing', (t) => {
  const sensor = listen(wire.exchange(modality, archive, ports, association));
  t.same(of(sensor, modality.mac), { services: {}, words: scanner });
  t.same(of(sensor, archive.mac), { services: { 'tcp/5678': 'dicom' }, words: acceptor });
  t.end();
});

void t.test('the same in one-byte segments, in VLANs, and from any order of segments', (t) => {
  const tiny = listen(wire.exchange(modality, archive, ports, association, { segment: 1 }));
  t.same(of(tiny, archive.mac).words, acceptor);
  const tagged = listen(wire.exchange(modality, archive, ports, association, { tags: { vlans: [5, 6] } }));
  t.same(of(tagged, modality.mac).words, scanner);
  const frames = wire.exchange(modality, archive, ports, association, { segment: 20 });
  const shuffled = [...frames.slice(0, 3), ...frames.slice(3).reverse()];
  const disorderly = listen(shuffled);
  t.same(of(disorderly, modality.mac).words, scanner);
  t.same(of(disorderly, archive.mac).services, { 'tcp/5678': 'dicom' });
  t.end();
});

void t.test('over IPv6', (t) => {
  const a = 'fe80:0:0:0:0:0:0:1';
  const b = 'fe80:0:0:0:0:0:0:2';
  const six = (
    from: wire.Station,
    ip: readonly [string, string],
    to: wire.Station,
    segment: number[],
  ): Uint8Array => wire.ethernet(from.mac, to.mac, 0x86dd, wire.ipv6(ip[0], ip[1], 6, segment));
  const sensor = listen([
    six(modality, [a, b], archive, wire.tcp(1, 104, 9, wire.SYN)),
    six(archive, [b, a], modality, wire.tcp(104, 1, 9, wire.SYN | wire.ACK)),
    six(modality, [a, b], archive, wire.tcp(1, 104, 10, wire.ACK, request)),
    six(archive, [b, a], modality, wire.tcp(104, 1, 10, wire.ACK, accept)),
  ]);
  t.same(of(sensor, modality.mac).words, scanner);
  t.same(of(sensor, archive.mac), { services: { 'tcp/104': 'dicom' }, words: acceptor });
  t.end();
});

void t.test('a rejected association names the service and not the title that was called', (t) => {
  const sensor = listen(
    wire.exchange(modality, archive, ports, [association[0], { from: 'server', data: wire.reject() }]),
  );
  t.same(of(sensor, archive.mac), { services: { 'tcp/5678': 'dicom' }, words: [] });
  t.end();
});

void t.test('what only looks like an association says nothing', (t) => {
  const wrongContext = [...request];
  wrongContext[78] = 0x39;
  const nothing = (data: readonly number[]): void => {
    const sensor = listen(wire.exchange(modality, archive, ports, [{ from: 'client', data }]));
    t.same(of(sensor, modality.mac).words, []);
  };
  nothing(wrongContext);
  nothing(request.slice(0, 100));
  nothing(wire.ascii('GET / HTTP/1.1\r\n\r\n'));
  nothing([1, 0, 0, 0, 1, 0, 0, 1, 0, 0, ...wire.ascii('\u0007'.repeat(300))]);
  nothing([1, 0, 0x7f, 0xff, 0xff, 0xff, ...request.slice(6)]);
  t.end();
});

const order = wire.mllp(
  'MSH|^~\\&|PUMPGW^00A0370027000143^EUI-64|ICU-3|EHR|HOSPITAL|20260101000000|SECRET8|ORU^R01^ORU_R01|MSGID-777|P|2.6',
  'PID|1||999-PATIENT||DOE^JOHN',
);
const acknowledgement = wire.mllp(
  'MSH|^~\\&|EHR|HOSPITAL|PUMPGW|ICU-3|20260101000001||ACK^R01|MSGID-778|P|2.6',
  'MSA|AA|MSGID-777',
);
const talk = [
  { from: 'client', data: order },
  { from: 'server', data: acknowledgement },
] as const;

const pump = [
  'hl7 MSH-3=PUMPGW^00A0370027000143^EUI-64',
  'hl7 MSH-4=ICU-3',
  'hl7 MSH-9=ORU^R01^ORU_R01',
  'hl7 MSH-11=P',
  'hl7 MSH-12=2.6',
];

void t.test('HL7: the sender of itself, the receiver as it is called', (t) => {
  const sensor = listen(wire.exchange(modality, archive, [40000, 6661], talk));
  t.same(of(sensor, modality.mac).words, [...pump, 'hl7 MSH-5=PUMPGW', 'hl7 MSH-6=ICU-3']);
  t.same(of(sensor, archive.mac), {
    services: { 'tcp/6661': 'hl7' },
    words: [
      'hl7 MSH-5=EHR',
      'hl7 MSH-6=HOSPITAL',
      'hl7 MSH-3=EHR',
      'hl7 MSH-4=HOSPITAL',
      'hl7 MSH-9=ACK^R01',
      'hl7 MSH-11=P',
      'hl7 MSH-12=2.6',
    ],
  });
  t.same(of(sensor, modality.mac).services, {});
  t.end();
});

void t.test('HL7 joined midway: recognized at the next message, and who acknowledges listens', (t) => {
  const middle = wire.ascii('|rest of a message\r\u001c\r');
  const sensor = listen(
    wire.exchange(modality, archive, [40000, 6661], [{ from: 'client', data: middle }, ...talk], {
      opened: false,
    }),
  );
  t.same(of(sensor, modality.mac).words.slice(0, pump.length), pump);
  t.same(of(sensor, archive.mac).services, { 'tcp/6661': 'hl7' });
  t.same(of(sensor, modality.mac).services, {});
  t.end();
});

void t.test('several messages on one connection, cut anywhere', (t) => {
  const second = wire.mllp('MSH|^~\\&|OTHER|ICU-3|EHR|HOSPITAL|20260101000000||ORU^R01|9|P|2.6', 'PID|1||X');
  const data = [...order, ...second];
  for (const segment of [1, 7, 100, 1400]) {
    const sensor = listen(
      wire.exchange(modality, archive, [1, 2575], [{ from: 'client', data }], { segment }),
    );
    t.same(
      of(sensor, modality.mac).words.filter((w) => w.startsWith('hl7 MSH-3')),
      ['hl7 MSH-3=PUMPGW^00A0370027000143^EUI-64', 'hl7 MSH-3=OTHER'],
    );
  }
  t.end();
});

void t.test('any field separator, any character set, no endless header', (t) => {
  const dollar = wire.mllp('MSH$^~\\&$PUMP$WARD$EHR$H$2026$$ORU$1$P$2.3');
  const one = listen(wire.exchange(modality, archive, [1, 2], [{ from: 'client', data: dollar }]));
  t.ok(of(one, modality.mac).words.includes('hl7 MSH-4=WARD'));
  const latin = wire.mllp('MSH|^~\\&|PUMP|CHIRURGIE-\u00c4|EHR|H|2026||ORU|1|P|2.3');
  const two = listen(wire.exchange(modality, archive, [1, 2], [{ from: 'client', data: latin }]));
  t.ok(of(two, modality.mac).words.includes('hl7 MSH-4=CHIRURGIE-\u00c4'));
  const endless = [0x0b, ...wire.ascii(`MSH|^~\\&|${'A'.repeat(5000)}`)];
  const three = listen(wire.exchange(modality, archive, [1, 2], [{ from: 'client', data: endless }]));
  t.same(of(three, modality.mac).words, []);
  t.equal(three.weirds.get('hl7_header_too_long'), 1);
  t.end();
});

void t.test('what a station behind a router says is not the router’s', (t) => {
  const far = { mac: '00:00:0c:00:00:01', ip: '10.9.9.9' };
  const frames = wire.exchange(far, archive, ports, association).map((frame) => {
    const forwarded = frame.slice();
    if (forwarded[29] === 9) forwarded[22] = 61;
    return forwarded;
  });
  const sensor = listen(frames);
  t.same(of(sensor, far.mac), { services: {}, words: [] });
  t.same(of(sensor, archive.mac).words, acceptor, 'what the archive answers is its own');
  t.end();
});

void t.test('recognition waits for enough bytes and no more', (t) => {
  t.equal(recognizeDicom(Uint8Array.from(request.slice(0, 41))), 'more');
  t.equal(recognizeDicom(Uint8Array.from(request.slice(0, 42))), 'yes');
  t.equal(recognizeDicom(Uint8Array.of(4)), 'no');
  t.equal(recognizeHl7(Uint8Array.from(wire.ascii('\u000bMSH'))), 'more');
  t.equal(recognizeHl7(Uint8Array.from(wire.ascii('\u000bMSH|'))), 'yes');
  t.equal(recognizeHl7(Uint8Array.from(wire.ascii('\u000bMSHX'))), 'no');
  t.equal(recognizeHl7(Uint8Array.from(wire.ascii('\u000bPID'))), 'no');
  t.end();
});

void t.test('planted patients never come out', (t) => {
  const planted = ['DOE', 'JOHN', '999-PATIENT', 'SECRET8', 'MSGID', 'SECRETUSER', 'PLANTED', '19450607'];
  const name = [0x10, 0, 0x10, 0, ...wire.ascii('PN'), 12, 0, ...wire.ascii('PLANTED^PAT ')];
  const withUser = wire.associate(1, { called: 'ARCHIVE', calling: 'SCANNER', user: 'SECRETUSER' });
  const lineFeeds = wire.ascii(
    '\u000bMSH|^~\\&|PUMP|WARD\nPID|1||999-PATIENT||DOE^JOHN||19450607|M\n\u001c\r',
  );
  const noEnd = wire.ascii('\u000bMSH|^~\\&|PUMP\u001c\rPID|1||999-PATIENT||DOE^JOHN||19450607');
  const sensor = new Sensor({ stage: addon().openStage({}), vendorOf: () => undefined });
  for (const [i, segment] of [1, 9, 1400].entries()) {
    const dicom = [
      { from: 'client', data: withUser },
      { from: 'server', data: accept },
      { from: 'client', data: wire.dataPdu(name) },
    ] as const;
    const streams = [
      wire.exchange(modality, archive, [40000 + i, 104], dicom, { segment }),
      wire.exchange(modality, archive, [40000 + i, 2575], talk, { segment }),
      wire.exchange(modality, archive, [40000 + i, 2576], [{ from: 'client', data: lineFeeds }], { segment }),
      wire.exchange(modality, archive, [40000 + i, 2577], [{ from: 'client', data: noEnd }], { segment }),
      wire.exchange(modality, archive, [40000 + i, 2578], talk, { segment, opened: false }),
    ];
    for (const frames of streams) listen(frames, sensor);
  }
  const out = JSON.stringify([...sensor.hosts.all()].map((h) => [h.observation(), h.evidenceRows()]));
  t.ok(out.includes('SCANNER') && out.includes('PUMPGW'), 'equipment is there');
  for (const word of planted) t.notOk(out.includes(word), `${word} is not`);
  t.notOk(planted.some((word) => [...sensor.weirds.keys()].join(' ').includes(word)));
  t.end();
});
