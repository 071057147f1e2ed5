/** Hosts named by one datagram or one frame; words that aren't the sender's own; patients and drugs kept out. */
import t from 'tap';
import { addon } from '../../src/platform/addon.ts';
import { linkType } from '../../src/sensor/constants.ts';
import type { Attribute } from '../../src/sensor/knowledge/rule.ts';
import { Sensor } from '../../src/sensor/sensor.ts';
import * as wire from './wire-builder.ts';

const monitor = { mac: '00:09:fb:00:00:01', ip: '10.0.0.1' };
const central = { mac: '00:0c:29:00:00:02', ip: '10.0.0.2' };
const u16 = (n: number): number[] => [n >> 8, n & 255];

const listen = (...frames: Uint8Array[]): Sensor => {
  const sensor = new Sensor({ stage: addon().openStage({}), vendorOf: () => undefined });
  for (const [i, frame] of frames.entries()) sensor.take(linkType.ETHERNET, frame, frame.length, 1000 + i);
  return sensor;
};

const datagram = (
  from: wire.Station,
  port: number,
  data: readonly number[],
  to = '255.255.255.255',
): Uint8Array =>
  wire.ethernet(
    from.mac,
    'ff:ff:ff:ff:ff:ff',
    0x0800,
    wire.ipv4(from.ip, to, 17, wire.udp(port, port, data)),
  );

function seems(sensor: Sensor, mac = monitor.mac): Partial<Record<Attribute, string | undefined>> {
  const host = [...sensor.hosts.all()].find((h) => h.observation()?.mac === mac);
  const found = host?.identity().attributes ?? {};
  return Object.fromEntries(Object.entries(found).map(([name, finding]) => [name, finding.value]));
}

const label = (text: string): number[] => [...u16(text.length + 1), ...wire.ascii(`${text}\0`)];
const wide = (text: string): number[] => {
  const units = Array.from({ length: text.length }, (_, i) => u16(text.charCodeAt(i))).flat();
  return [...u16(units.length), ...units];
};
/** Of a production specification: kind, component, text. */
const entry = (kind: number, text: string): number[] => [...u16(kind), 0, 0, ...label(text)];
const attribute = (id: number, value: readonly number[]): number[] => [
  ...u16(id),
  ...u16(value.length),
  ...value,
];

/** A connect indication or an MDS create event, from the layouts of the programming guide. */
function intellivue(kind: 'indication' | 'data', ...attributes: number[][]): number[] {
  const list = attributes.flat();
  const attributeList = [...u16(attributes.length), ...u16(list.length), ...list];
  const object = [0, 33, 0, 0, 0, 0];
  const info = kind === 'data' ? [...object, ...attributeList] : attributeList;
  const report = [...object, 0, 0, 0, 0, 0x0d, 0x06, ...u16(info.length), ...info];
  const invoke = [0, 1, 0, 1, ...u16(report.length), ...report];
  const operation = [0, 1, ...u16(invoke.length), ...invoke];
  return kind === 'data' ? [0xe1, 0, 0, 2, ...operation] : [0, 0, 1, 0, ...operation];
}

void t.test('a Philips IntelliVue monitor, on any port, and nothing of its patient', (t) => {
  const production = [...u16(2), ...u16(30), ...entry(1, 'DE12345678'), ...entry(4, 'L.01.22')];
  const create = intellivue(
    'data',
    attribute(0x0928, [...label('Philips'), ...label('M8000')]),
    attribute(0x091e, wide('ICU-7')),
    attribute(0x092d, production),
    // The patient's given name, as the guide numbers it.
    attribute(0x095d, wide('PLANTED')),
  );
  const sensor = listen(
    datagram(monitor, 30_000, intellivue('indication')),
    datagram(monitor, 30_001, create, central.ip),
  );
  t.match(seems(sensor), {
    class: 'patient monitor',
    vendor: 'Philips',
    model: 'M8000',
    serial: 'DE12345678',
    software: 'L.01.22',
    location: 'ICU-7',
  });
  t.notOk(JSON.stringify([...sensor.hosts.all()].map((h) => h.observation())).includes('PLANTED'));
  const [host] = [...sensor.hosts.all()];
  t.equal(host?.identity().medical, true);
  t.end();
});

void t.test('IntelliVue joined midway: who answers a poll is the monitor, who polls is none', (t) => {
  const poll = [0xe1, 0, 0, 2, 0, 1, 0, 8, 0, 1, 0, 7, 0, 2, 0, 0];
  const answer = [0xe1, 0, 0, 2, 0, 2, 0, 8, 0, 1, 0, 7, 0, 2, 0, 0];
  const sensor = listen(
    datagram(central, 24_105, poll, monitor.ip),
    datagram(monitor, 24_105, answer, central.ip),
  );
  t.match(seems(sensor), { class: 'patient monitor', vendor: 'Philips' });
  t.same(seems(sensor, central.mac), {});
  t.end();
});

void t.test('a medical device by WS-Discovery, with its bed; who probes for one is none', (t) => {
  const soap = (action: string, body: string): number[] =>
    wire.ascii(
      `<?xml version="1.0"?><s:Envelope><s:Header><a:Action>http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01/${action}</a:Action></s:Header><s:Body>${body}</s:Body></s:Envelope>`,
    );
  const types = '<d:Types>dpws:Device mdpws:MedicalDevice</d:Types>';
  const scopes =
    '<d:Scopes>sdc.mds.pkp:1.2.840.10004.20701.1.1 sdc.ctxt.loc:/sdc.ctxt.loc.detail/x?fac=HOSP&amp;poc=ICU&amp;bed=B7</d:Scopes>';
  const hello = listen(datagram(monitor, 3702, soap('Hello', types + scopes)));
  t.match(seems(hello), { class: 'medical device', location: 'fac=HOSP poc=ICU bed=B7' });
  const probe = listen(datagram(monitor, 3702, soap('Probe', types)));
  t.same(seems(probe), {});
  t.end();
});

void t.test('a GE monitor by its time datagram, when it repeats its address', (t) => {
  const data = Array.from({ length: 64 }, () => 0);
  data.splice(6, 4, 10, 0, 0, 1);
  data.splice(24, 9, ...wire.ascii('CCU|BED12'));
  t.match(seems(listen(datagram(monitor, 2000, data))), {
    class: 'patient monitor',
    vendor: 'GE HealthCare',
    location: 'CCU|BED12',
  });
  data[9] = 9;
  t.same(seems(listen(datagram(monitor, 2000, data))), {}, 'another address');
  t.end();
});

void t.test('a DHCP request that a relay passes on is not the relay’s', (t) => {
  const request = (hardware: string): number[] => {
    const bytes = Array.from({ length: 240 }, () => 0);
    bytes.splice(0, 3, 1, 1, 6);
    bytes.splice(28, 6, ...wire.macBytes(hardware));
    bytes.splice(236, 4, 0x63, 0x82, 0x53, 0x63);
    const text = wire.ascii('B.Braun SpaceCom');
    return [...bytes, 60, text.length, ...text, 255];
  };
  const own = listen(datagram({ ...monitor, ip: '0.0.0.0' }, 67, request(monitor.mac)));
  t.match(seems(own), { vendor: 'B. Braun', model: 'SpaceCom', class: 'infusion pump system' });
  t.same(seems(listen(datagram(monitor, 67, request('00:12:21:00:00:09')))), {});
  t.end();
});

void t.test('infusion pumps by BCC: who answers is the pump, and drugs stay unsaid', (t) => {
  const frame = (body: string): number[] => [
    1,
    ...wire.ascii('00099'),
    2,
    ...wire.ascii(body),
    3,
    ...wire.ascii('00061'),
    4,
  ];
  const values = '1/1/1>214,50111,INSERNUM,40864\u001e214,50111,INSOL,PLANTEDINE\u001e214,50111,INRT,5';
  const frames = wire.exchange(
    central,
    monitor,
    [40_000, 5999],
    [
      { from: 'client', data: frame('1/1/1>ADMIN:ALIVE') },
      { from: 'server', data: frame(values) },
    ],
  );
  const sensor = listen(...frames);
  t.match(seems(sensor), { class: 'infusion pump system', vendor: 'B. Braun' });
  t.same(seems(sensor, central.mac), {});
  const out = JSON.stringify([...sensor.hosts.all()].map((h) => h.observation()));
  t.ok(out.includes('40864') && out.includes('"protocol":"bcc"'));
  t.notOk(out.includes('PLANTED'));
  t.end();
});

void t.test('HL7: only fields of equipment come out of OBX and PRT segments', (t) => {
  const message = wire.mllp(
    'MSH|^~\\&|PUMPS^001A010000000001^EUI-64|WARD|EHR|H|2026||ORU^R01|1|P|2.6',
    // A field of PID stands where OBX has its equipment.
    `PID|1||PLANTED-ID||PLANTED^NAME${'|PLANTED-ACCOUNT'.repeat(20)}`,
    'OBX|1|ST|67880^MDC_ATTR_ID_MODEL^MDC|1.0.0.1|manufacturer=Smiths Medical model=Medfusion 4000||||||R',
    'OBX|2|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1|PLANTED98|||||||||||||PUMP-77^Medfusion 4000',
    `OBX|3|ST|1^X^L|1|PLANTED${'9'.repeat(4000)}`,
    'PRT|1|AD||AUT|PLANTED^DOCTOR|||||DEV-10||||||(01)00812345678906',
  );
  for (const segment of [1, 13, 1400]) {
    const frames = wire.exchange(monitor, central, [1, 2], [{ from: 'client', data: message }], { segment });
    const sensor = listen(...frames);
    t.match(seems(sensor), { class: 'infusion pump', vendor: 'Smiths Medical', model: 'Medfusion 4000' });
    const out = JSON.stringify([...sensor.hosts.all()].map((h) => h.observation()));
    t.ok(out.includes('PUMP-77^Medfusion 4000') && out.includes('(01)00812345678906'));
    t.notOk(out.includes('PLANTED'), `segments of ${segment}`);
    t.equal(sensor.held, 0);
  }
  t.end();
});
