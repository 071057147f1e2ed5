/**
 * Equipment by messages: HL7 v2 and IHE PCD as the standard's own and makers' published examples have them, ASTM E1394 and
 * POCT1-A headers; gateways and engines that speak for others; names that devices go by on the network.
 */
import t from 'tap';
import { products } from '../../src/sensor/knowledge/products.ts';
import { namesOf } from '../../src/sensor/naming.ts';
import { hearTalk } from './knowledge-listener.ts';
import type { Heard, Who } from './knowledge-listener.ts';
import { ascii, mllp } from './wire-builder.ts';

const device = { mac: '02:00:00:00:00:01', ip: '10.1.0.1' };
const engine = { mac: '02:00:00:00:00:02', ip: '10.1.0.2' };

const header = (sender: string, facility: string, type: string): string =>
  `MSH|^~\\&|${sender}|${facility}|||20260101120000||${type}|1|P|2.6`;
const patient = 'PID|1||PLANTED-ID||PLANTED^NAME||19450607|F';
const acknowledgement = mllp('MSH|^~\\&|EHR|HOSPITAL|X|Y|20260101120001||ACK^R01|2|P|2.6', 'MSA|AA|1');

function sent(...segments: string[]): Heard {
  return hearTalk({
    client: device,
    server: engine,
    ports: [40_000, 6661],
    turns: [
      { from: 'client', data: mllp(...segments) },
      { from: 'server', data: acknowledgement },
    ],
  });
}

const mdc = (code: string, value = '', instance = ''): string =>
  `OBX|1|ST|${code}|1.0.0.0|${value}||||||X|||||||${instance}`;
const multiParameter = '69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC';
const infusion = '69985^MDC_DEV_PUMP_INFUS_MDS^MDC';
const heartRate = '147842^MDC_ECG_HEART_RATE^MDC';

interface Message {
  readonly name: string;
  readonly segments: readonly string[];
  readonly is: Partial<Who>;
}

const messages: readonly Message[] = [
  {
    name: 'Mindray eGateway for a bedside of many',
    segments: [
      header('MINDRAY_EGATEWAY^00A0370027000143^EUI-64', 'MINDRAY', 'ORU^R01^ORU_R01'),
      mdc(heartRate, '80', 'F037EF2X^SHENZHEN_DEVICE^mindray.com^DNS'),
      mdc(multiParameter, '', '00A037009A0053DE^BENEVIEW_T8'),
    ],
    is: { vendor: 'Mindray', model: 'eGateway', class: 'medical device gateway' },
  },
  {
    name: 'Mindray D series',
    segments: [
      header('MINDRAY_D-SERIES^00A037009A0053DE^EUI-64', '', 'ORU^R01^ORU_R01'),
      mdc('151780^MDC_IMPED_TTHOR^MDC', '0^0^0'),
    ],
    is: { vendor: 'Mindray', model: 'D-SERIES' },
  },
  {
    name: 'the same, one field later, as it was published',
    segments: [
      header('', 'MINDRAY_D-SERIES^00A037009A0053DE^EUI-64', 'ORU^R01^ORU_R01'),
      mdc(heartRate, '80'),
    ],
    is: { vendor: 'Mindray', model: 'D-SERIES', class: 'patient monitor' },
  },
  {
    name: 'a monitor that measures and says no more',
    segments: [
      header('XH80X^00A037009B000000^EUI-64', '', 'ORU^R01^ORU_R01'),
      mdc('150301^MDC_PRESS_CUFF_SYS^MDC', '120'),
      mdc('150456^MDC_PULS_OXIM_SAT_O2^MDC', '98'),
    ],
    is: { vendor: 'Mindray', class: 'patient monitor' },
  },
  {
    name: 'a vital signs monitor that asks for patients',
    segments: [
      header('MINDRAY_^00A037000000^EUI-64', 'MINDRAY', 'QBP^ZV1^QBP_Q21'),
      'QPD|IHE PDQ Query|7|@PID.3.1^PLANTED-ID',
    ],
    is: { vendor: 'Mindray', class: 'medical device' },
  },
  {
    name: 'Smiths Medfusion',
    segments: [
      header('Smiths Medical^001A010000000001^EUI-64', '', 'ORU^R01^ORU_R01'),
      mdc(infusion),
      mdc('67880^MDC_ATTR_ID_MODEL^MDC', 'manufacturer=Smiths Medical model=Medfusion 4000'),
    ],
    is: { vendor: 'Smiths Medical', model: 'Medfusion 4000', class: 'infusion pump' },
  },
  {
    name: 'B. Braun alarm',
    segments: [
      header('PAT_DEVICE_BBRAUN^0012210000000000^EUI-64', 'BBRAUN', 'ORU^R40^ORU_R40'),
      mdc('68480^MDC_ATTR_ALERT_SOURCE^MDC', infusion, 'P6013^^0012210000000000^EUI-64'),
    ],
    is: { vendor: 'B. Braun', model: 'P6013', class: 'infusion pump' },
  },
  {
    name: 'GE monitor that serves its own results',
    segments: [
      header('VSP^080019FFFE0B4020^EUI-64', 'GE Healthcare', 'ORU^R01^ORU_R01'),
      mdc(multiParameter),
      mdc('150033^MDC_PRESS_BLD_ART_SYS^MDC', '120', '080019FFFE0B4020^B1X5_GE'),
    ],
    is: { vendor: 'GE HealthCare', model: 'B1X5', class: 'patient monitor' },
  },
  {
    name: 'Philips monitor through its information centre',
    segments: [
      header('SendingApplication', 'SendingFacility', 'ORU^R01^ORU_R01'),
      mdc(multiParameter, '', '7f2586c7-0506-46cd-a612-d8e75b838faa-IntelliVue MX500 - 866064'),
    ],
    is: { vendor: 'Philips', model: 'IntelliVue MX500', class: 'patient monitor' },
  },
  {
    name: 'Philips event manager',
    segments: [header('AM_PHILIPS_IEM^00095CFFFE741952^EUI-64', 'PHILIPS', 'ORU^R42^ORU_R42')],
    is: { vendor: 'Philips', class: 'medical device gateway' },
  },
  {
    name: 'SD Biosensor, an identifier in small letters of a long assignment',
    segments: [header('FA24E01AA0173^70b3d57372500457^EUI-64', ' ', 'ORU^R01^ORU_R01'), 'OBR|1|7054138a'],
    is: { vendor: 'SD Biosensor', class: 'point-of-care analyzer' },
  },
  {
    name: 'a pump by a device identifier that stands anywhere in OBX-18',
    segments: [
      header('SENDING_APPLICATION', 'SENDING_FACILITY', 'ADT^A01'),
      `OBX${'|x'.repeat(17)}|Hospira Plum A+`,
    ],
    is: { vendor: 'ICU Medical', model: 'Plum A+', class: 'infusion pump' },
  },
  {
    name: 'a pump as a participant (PRT-10)',
    segments: [header('ADT', 'H', 'ADT^A01'), `PRT${'|x'.repeat(9)}|Hospira Plum 360`],
    is: { vendor: 'ICU Medical', model: 'Plum 360', class: 'infusion pump' },
  },
  {
    name: 'a pump by a unique device identifier (PRT-16, PRT-20)',
    segments: [header('ADT', 'H', 'ADT^A01'), `PRT${'|x'.repeat(9)}|||||||Hospira Plum A+||||SN-77`],
    is: { vendor: 'ICU Medical', model: 'Plum A+', class: 'infusion pump', serial: 'SN-77' },
  },
  {
    name: 'a ventilator by its type',
    segments: [header('VENT1', 'ICU', 'ORU^R01^ORU_R01'), mdc('70001^MDC_DEV_SYS_PT_VENT_MDS^MDC')],
    is: { class: 'ventilator' },
  },
  {
    name: 'production specification: model, maker, version, serial',
    segments: [
      header('BEDSIDE', 'ICU', 'ORU^R01^ORU_R01'),
      mdc(infusion),
      mdc('531970^MDC_ID_MODEL_MANUFACTURER^MDC', 'Baxter International'),
      mdc('531969^MDC_ID_MODEL_NUMBER^MDC', 'Spectrum IQ'),
      mdc('531972^MDC_ID_PROD_SPEC_SERIAL^MDC', '7654321'),
      mdc('531975^MDC_ID_PROD_SPEC_SW^MDC', '9.02.01'),
    ],
    is: {
      vendor: 'Baxter',
      model: 'Spectrum IQ',
      class: 'infusion pump',
      software: '9.02.01',
      serial: '7654321',
    },
  },
  {
    name: 'an analyser’s unsolicited results',
    segments: [header('cobas pure', 'LAB', 'OUL^R22^OUL_R22'), 'OBX|1|NM|2345-7^Glucose^LN||5.1'],
    is: { vendor: 'Roche', model: 'cobas pure', class: 'laboratory analyzer' },
  },
  {
    name: 'an analyser that nobody knows, by what it does',
    segments: [header('XYZ9', 'LAB', 'OUL^R22^OUL_R22'), 'OBX|1|NM|2345-7^Glucose^LN||5.1'],
    is: { class: 'laboratory analyzer' },
  },
];

void t.test('who sends a message is told by it', (t) => {
  for (const { name, segments, is } of messages) {
    const [msh = '', ...rest] = segments;
    const heard = sent(msh, patient, ...rest);
    t.match(heard.who(device.mac), { ...is, medical: true }, name);
    t.match(heard.who(engine.mac), { class: 'HL7 engine' }, `${name}: who takes it`);
    t.equal(heard.who(engine.mac).vendor, undefined, `${name}: who takes it has no maker`);
    t.notOk(heard.text.includes('PLANTED'), `${name}: nothing of a patient`);
  }
  t.end();
});

void t.test('a monitor may be the server of its own results', (t) => {
  const { who } = hearTalk({
    client: engine,
    server: device,
    ports: [40_000, 9100],
    turns: [
      {
        from: 'server',
        data: mllp(
          header('VSP^080019FFFE0B4020^EUI-64', 'GE Healthcare', 'ORU^R01^ORU_R01'),
          mdc(multiParameter),
        ),
      },
      { from: 'client', data: acknowledgement },
    ],
  });
  t.match(who(device.mac), { vendor: 'GE HealthCare', class: 'patient monitor' });
  t.end();
});

void t.test('who only moves messages is no device', (t) => {
  const orders = sent(header('EPIC', 'HOSPITAL', 'ORM^O01'), patient, 'ORC|NW|1').who(device.mac);
  t.equal(orders.class, 'hospital information system');
  t.equal(orders.vendor, undefined);
  // An engine repeats the sender's identifier in what it acknowledges.
  const echoed = hearTalk({
    client: device,
    server: engine,
    ports: [40_000, 6661],
    turns: [
      {
        from: 'client',
        data: mllp(header('Smiths Medical^001A010000000001^EUI-64', '', 'ORU^R01'), mdc(infusion)),
      },
      {
        from: 'server',
        data: mllp('MSH|^~\\&|Smiths Medical^001A010000000001^EUI-64||||2026||ACK^R01|2|P|2.6'),
      },
    ],
  });
  t.match(echoed.who(engine.mac), { class: 'HL7 engine' });
  t.equal(echoed.who(engine.mac).vendor, undefined);
  // Several devices that are not the sender: it speaks for them, whatever it is called.
  const pump = (eui: string): string => mdc(infusion, '', `^^${eui}^EUI-64`);
  const rack = sent(header('WARD7', 'ICU', 'ORU^R01'), pump('0012210000000001'), pump('0012210000000002'));
  t.equal(rack.who(device.mac).class, 'medical device gateway');
  const itself = sent(
    header('PUMP^0012210000000001^EUI-64', 'ICU', 'ORU^R01'),
    pump('0012210000000001'),
    mdc(infusion, '', '^^0012210000000009^EUI-64'),
  );
  t.match(itself.who(device.mac), { class: 'infusion pump', vendor: 'B. Braun' }, 'it is one of them');
  t.end();
});

void t.test('words of makers in other people’s fields say nothing', (t) => {
  const heard = sent(
    header('EHR', 'HOSPITAL', 'ORU^R01'),
    'OBX|1|TX|1^note||patient has a Medtronic pacemaker and a Plum A+',
  );
  t.equal(heard.who(device.mac).vendor, undefined);
  t.equal(heard.who(device.mac).model, undefined);
  t.equal(heard.who(device.mac).class, 'hospital information system');
  t.end();
});

const astm = (sender: string): number[] => [
  5,
  ...ascii(
    `\u00021H|\\^&|||${sender}|||||||P|1|20260101\rP|1||PLANTED\rO|1|1||^^^GLU\rR|1|^^^GLU|5.1\rL|1|N\r\u000300\r\n`,
  ),
  4,
];

const analysers: readonly (readonly [string, Partial<Who>])[] = [
  ['cobas-e411^1', { vendor: 'Roche', model: 'cobas-e411', software: '1' }],
  [
    'CS-2500^01-70^21768^^^X^BV981798',
    { vendor: 'Sysmex', model: 'CS-2500', software: '01-70', serial: '21768' },
  ],
  ['XN-1000^00-12^11001', { vendor: 'Sysmex', model: 'XN-1000', software: '00-12', serial: '11001' }],
  ['H7600^1', { vendor: 'Roche', model: 'H7600' }],
  ['ARCHITECT^8.10^F3453010030', { vendor: 'Abbott', model: 'ARCHITECT', software: '8.10' }],
  [
    'OCD^VISION^5.13.1^J60009999',
    { vendor: 'QuidelOrtho', model: 'VISION', software: '5.13.1', serial: 'J60009999' },
  ],
  [' ImmunoCAP Data Manager^1.00^1.00', { vendor: 'Thermo Fisher', model: 'ImmunoCAP Data Manager' }],
  ['ABL90 FLEX^3.4', { vendor: 'Radiometer', model: 'ABL90 FLEX', class: 'point-of-care analyzer' }],
  ['Mindray^BS-480^01.03', { vendor: 'Mindray', model: 'BS-480' }],
];

void t.test('analysers by the sender of an ASTM header', (t) => {
  for (const [sender, is] of analysers) {
    const { who, text } = hearTalk({
      client: device,
      server: engine,
      ports: [40_000, 5000],
      turns: [{ from: 'client', data: astm(sender) }],
    });
    t.match(who(device.mac), { medical: true, ...is }, sender);
    t.match(who(device.mac).class, /analyzer$/, sender);
    t.notOk(text.includes('PLANTED'));
  }
  t.end();
});

void t.test('a point-of-care analyser greets', (t) => {
  const hello =
    '<HEL.R01><HDR><HDR.message_type V="HEL.R01" SN="POCT1" SV="1"/><HDR.control_id V="1"/></HDR><DEV>' +
    '<DEV.vendor_id V="NOVABIO"/><DEV.model_id V="StatStrip"/><DEV.serial_id V="0600100736"/>' +
    '<DEV.sw_version V="3.10.8.0"/></DEV></HEL.R01>';
  const { who } = hearTalk({
    client: device,
    server: engine,
    ports: [40_000, 3001],
    turns: [{ from: 'client', data: ascii(hello) }],
  });
  t.match(who(device.mac), {
    vendor: 'Nova Biomedical',
    model: 'StatStrip',
    serial: '0600100736',
    software: '3.10.8.0',
    class: 'point-of-care analyzer',
  });
  t.end();
});

const named = (
  field: string,
  value: string,
  ...makers: string[]
): { vendor: string; kind?: string; model?: string } | undefined => {
  const [protocol = '', name = ''] = field.split(' ', 2);
  return namesOf([{ protocol, field: name, value, first: 0, last: 0 }], new Set(makers))[0];
};

void t.test('a host name counts where it is a product’s own, or its card is the maker’s', (t) => {
  t.match(named('dhcp hostName', 'carescape-b650-12'), { vendor: 'GE HealthCare', model: 'CARESCAPE B650' });
  t.match(named('dhcp hostName', 'MX800-BED3', 'Philips'), { model: 'MX800', kind: 'patient monitor' });
  t.match(named('dhcp hostName', 'bsm6501k', 'Nihon Kohden'), { model: 'BSM-6501K' });
  t.match(
    named('dhcp hostName', 'eli380-ward2', 'Baxter'),
    { vendor: 'Mortara' },
    'of a maker that another bought',
  );
  for (const word of [
    'MX800-BED3',
    'dash-laptop',
    'venue',
    'apollo',
    'zeus',
    'carina',
    'symphony',
    'prisma',
    'vista-pc',
    'edge-router-7',
    'root',
    'atlan-a1',
    'qube-nas',
    'spectrum',
    'V60',
    'T1',
    'N22',
    'horizon',
    'discovery',
    'DESKTOP-RB5T12G',
    'Lucas-iMac',
    'HP-LaserJet',
    'artis',
    'medusa',
    'muse',
    'aware',
  ])
    t.equal(named('dhcp hostName', word), undefined, word);
  t.equal(named('dhcp hostName', 'MX800-BED3', 'Cisco'), undefined, 'nor with another’s card');
  t.equal(named('http server', 'Apache/2.4 (Debian)'), undefined);
  t.equal(named('http server', 'Root/1.0 V60 T1 N12'), undefined, 'short codes need their maker everywhere');
  t.end();
});

void t.test('the table of products is well formed', (t) => {
  for (const { vendor, kind, names } of products) {
    t.ok(vendor !== '' && kind !== '' && names.length > 0);
    for (const name of names) {
      t.match(name, /^!?[^{}]+(?:\{.+\}\+?)?$/, name);
      const line = name.replace(/^!/, '').split('{', 1)[0] ?? '';
      t.notMatch(line, /[\\[\](){}?*|]/, `${name}: what is a pattern stands in braces`);
      if (name.startsWith('!')) t.ok(line.length >= 3, `${name}: a coined name is long enough`);
    }
  }
  t.end();
});
