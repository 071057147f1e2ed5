/**
 * DICOM equipment by what it says of itself: each row of the table of public test objects as an association in which its
 * data set is stored; makers by their implementations; roles by the services that an end takes part in; and who speaks
 * DICOM without being equipment.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { accept, classes, dataSet, image, operation, request, syntaxes } from './dicom-builder.ts';
import type { Equipment, Offer } from './dicom-builder.ts';
import { hear, hearTalk } from './knowledge-listener.ts';
import type { Heard, Talk, Who } from './knowledge-listener.ts';
import { ascii, ethernet, exchange, ipv4, udp } from './wire-builder.ts';

/** A card whose maker the registry doesn't name: locally administered. */
const device = { mac: '02:00:00:00:00:01', ip: '10.1.0.1' };
const archive = { mac: '02:00:00:00:00:02', ip: '10.1.0.2' };
const ports = [40_000, 104] as const;

function stored(offer: Offer, sopClass: string, data: readonly number[], from = device): Heard {
  return hearTalk({
    client: from,
    server: archive,
    ports,
    turns: [
      { from: 'client', data: request(offer) },
      { from: 'server', data: accept(offer) },
      { from: 'client', data: operation('store', offer, sopClass, data) },
    ],
  });
}

const imageOffer: Offer = { called: 'STORE', calling: 'STATION', classes: [classes.mrImage] };

interface Row extends Equipment {
  readonly manufacturer: string;
}

function headers(): Row[] {
  const url = new URL('../../../shared/dicom/ALL_MODALITY_HEADERS.tsv', import.meta.url);
  let text: string;
  try {
    text = readFileSync(url, 'utf8');
  } catch (cause) {
    throw new Error(`the table of DICOM headers is needed at ${fileURLToPath(url)}`, { cause });
  }
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [manufacturer = '', model = '', modality = '', software = '', station = '', serial = ''] =
        line.split('\t');
      // A list of versions is written `['a', 'b']`.
      const versions = software.startsWith('[')
        ? [...software.matchAll(/'([^']*)'/g)].map((m) => m[1] ?? '').join('\\')
        : software;
      return { manufacturer, model, modality, software: versions, station, serial };
    });
}

/** The maker's name here, for each that the table has. */
const makers: readonly (readonly [RegExp, string | undefined])[] = [
  [/^ACUSON$/, 'Acuson'],
  [/^ALOKA/, 'Aloka'],
  [/^Agfa/, 'Agfa'],
  [/^ELEKTA$/, 'Elekta'],
  [/^ESAOTE$/, 'Esaote'],
  [/^Elscint$/, 'Elscint'],
  [/^FUJI/, 'Fujifilm'],
  [/^G\.?E\.? |^GENESIS/i, 'GE HealthCare'],
  [/^Mortara/, 'Mortara'],
  [/^Philips/, 'Philips'],
  [/^SIEMENS$/, 'Siemens'],
  [/^SonoSite/, 'SonoSite'],
  [/^TOSHIBA/, 'Toshiba'],
  [/name here$/, undefined],
];

const kinds: Readonly<Record<string, string>> = {
  CR: 'radiography system',
  CT: 'CT scanner',
  ECG: 'electrocardiograph',
  MR: 'MR scanner',
  NM: 'nuclear medicine camera',
  RTIMAGE: 'radiotherapy system',
  RTDOSE: 'radiotherapy planning system',
  RTPLAN: 'radiotherapy planning system',
  US: 'ultrasound system',
};

void t.test('every row of public test objects: class, maker, model, version, serial', (t) => {
  const rows = headers();
  t.ok(rows.length > 50, `${rows.length} rows`);
  for (const row of rows) {
    const name = `${row.manufacturer} ${row.model ?? ''} ${row.modality ?? ''}`;
    const { who, text } = { ...stored(imageOffer, classes.mrImage, image(row)) };
    const found: Who = who(device.mac);
    const known = makers.find(([pattern]) => pattern.test(row.manufacturer));
    const own = known === undefined ? row.manufacturer : known[1];
    const wanted = row.manufacturer === '' && row.model === 'Supria' ? 'Hitachi' : own;
    t.equal(found.vendor, wanted === '' ? undefined : wanted, `${name}: maker`);
    if (row.model !== '' && row.model?.endsWith('name here') !== true)
      t.equal(found.model, row.model, `${name}: model`);
    const kind = kinds[row.modality ?? ''];
    t.equal(found.class, kind ?? 'DICOM system', `${name}: class`);
    const version = row.software?.split('\\')[0] ?? '';
    t.equal(found.software, version === '' ? undefined : version, `${name}: version`);
    t.equal(found.serial, row.serial === '' ? undefined : row.serial, `${name}: serial`);
    t.ok(found.medical, name);
    t.notOk(text.includes('PLANTED'), 'nothing of a patient');
  }
  t.end();
});

void t.test(
  'the same object in every uncompressed syntax, in pieces, and in a class of the maker’s own',
  (t) => {
    const avanto = { modality: 'MR', manufacturer: 'SIEMENS', model: 'Avanto', software: 'syngo MR B17' };
    const expected = { class: 'MR scanner', vendor: 'Siemens', model: 'Avanto', software: 'syngo MR B17' };
    for (const syntax of Object.values(syntaxes)) {
      const offer = { ...imageOffer, syntax };
      t.match(stored(offer, classes.mrImage, image(avanto, syntax)).who(device.mac), expected, syntax);
    }
    const turns = [
      { from: 'client', data: request(imageOffer) },
      { from: 'server', data: accept(imageOffer) },
      { from: 'client', data: operation('store', imageOffer, classes.mrImage, image(avanto)) },
    ] as const;
    for (const segment of [1, 7, 100])
      t.match(
        hear(exchange(device, archive, ports, turns, { segment })).who(device.mac),
        expected,
        `${segment}`,
      );
    const offer = { ...imageOffer, classes: [classes.philipsPrivate] };
    const ingenia = { modality: 'MR', manufacturer: 'Philips Healthcare', model: 'Ingenia' };
    t.match(stored(offer, classes.philipsPrivate, image(ingenia)).who(device.mac), { model: 'Ingenia' });
    t.end();
  },
);

void t.test('a long list of software versions gives its first', (t) => {
  const parts = Array.from({ length: 12 }, (_, i) => `45356145${i}__2.1.0.${i}__Applicat`);
  const cx50 = { modality: 'US', manufacturer: 'Philips Medical Systems', model: 'CX50' };
  const long = { ...cx50, software: ['CX50_210', ...parts].join('\\') };
  const found = stored(imageOffer, classes.mrImage, image(long)).who(device.mac);
  t.match(found, { vendor: 'Philips', model: 'CX50', software: 'CX50_210' });
  // What follows the long value is still read in step.
  const serial = { ...cx50, manufacturer: 'X'.repeat(300), serial: 'SN-7' };
  t.equal(stored(imageOffer, classes.mrImage, image(serial)).who(device.mac).serial, 'SN-7');
  t.end();
});

/** Implementation class UID, version name, calling title: what an association alone tells. */
const implementations: readonly (readonly [string, string | undefined, string, Partial<Who>])[] = [
  [
    '1.3.12.2.1107.5.2',
    'MR_VB19A',
    'MRC26266',
    { vendor: 'Siemens', class: 'MR scanner', serial: '26266', software: 'syngo MR VB19A' },
  ],
  [
    '1.3.12.2.1107.5.2',
    'MR_2004V_VB11A',
    'MRC25641',
    { vendor: 'Siemens', class: 'MR scanner', serial: '25641', software: 'syngo MR VB11A' },
  ],
  ['1.3.12.2.1107.5.1.4', 'SIEMENS_S7VB40', 'CT99', { vendor: 'Siemens', class: 'CT scanner' }],
  ['1.3.12.2.1107.5.4.5', undefined, 'ARTIS1', { vendor: 'Siemens', class: 'angiography system' }],
  ['1.3.12.2.1107.5.9.1', undefined, 'SYNGO', { vendor: 'Siemens' }],
  [
    '1.2.840.113619.6.323',
    'LOGIQS8_1',
    'XY1US3',
    { vendor: 'GE HealthCare', model: 'LOGIQ S8', class: 'ultrasound system' },
  ],
  [
    '1.2.840.113619.6.323',
    'LOGIQE10_1',
    'XY1US3',
    { vendor: 'GE HealthCare', model: 'LOGIQ E10', class: 'ultrasound system' },
  ],
  ['1.2.840.113619.6.55', undefined, 'CBLMCT01', { vendor: 'GE HealthCare' }],
  ['1.2.840.113619.6.144', 'AW4_2_06_02_EXT', 'AW1', { vendor: 'GE HealthCare', class: 'DICOM workstation' }],
  ['1.2.410.200001.101.11.801', 'V8', 'MEDISON', { vendor: 'Samsung Medison', class: 'ultrasound system' }],
  ['1.2.392.200039.102', 'ALOKA20010925', 'US1', { vendor: 'Aloka', class: 'ultrasound system' }],
  ['1.2.840.114340.3', 'Tiller_SV500', 'US2', { vendor: 'SonoSite', class: 'ultrasound system' }],
  ['1.2.840.113663.1500', undefined, 'US3', { vendor: 'Philips', class: 'ultrasound system' }],
  ['1.3.46.670589.11', undefined, 'MR1', { vendor: 'Philips', class: 'MR scanner' }],
  ['1.3.46.670589.5.2', undefined, 'X1', { vendor: 'Philips' }],
  ['1.2.840.113680.1', undefined, 'US4', { vendor: 'Acuson', class: 'ultrasound system' }],
  ['1.2.840.113681.1', undefined, 'MG1', { vendor: 'Hologic' }],
  ['1.2.840.113564.3', undefined, 'DX1', { vendor: 'Carestream' }],
  ['1.2.392.200036.9116.1', undefined, 'CT2', { vendor: 'Canon Medical' }],
  ['1.2.392.200036.9125.1', undefined, 'CR1', { vendor: 'Fujifilm' }],
  ['1.2.392.200036.9107.1', undefined, 'CR2', { vendor: 'Konica Minolta' }],
  ['1.3.51.0.42.1.1', undefined, 'EI', { vendor: 'Agfa' }],
  ['1.2.124.113532.3510.50', 'AGFAMAY2003', 'IMPAXSUN', { vendor: 'Agfa' }],
  ['1.2.276.0.75.2', undefined, 'OPT1', { vendor: 'Zeiss' }],
  ['1.2.246.352.70.2.1.160.3', 'DCIE 2.2', 'ARIA', { vendor: 'Varian' }],
  ['1.2.752.24.5', undefined, 'S1', { vendor: 'Sectra' }],
  ['1.2.752.243.1', undefined, 'RAY', { vendor: 'RaySearch', class: 'radiotherapy planning system' }],
  ['1.2.156.112605.1', undefined, 'UIH', { vendor: 'United Imaging' }],
  [
    '1.2.276.0.7230010.3.0.3.6.5',
    'OFFIS_DCMTK_365',
    'UIH_CT',
    { vendor: 'United Imaging', class: 'CT scanner' },
  ],
  ['1.2.410.200010.99.3.5', 'INFINITT_3.5', 'PX', { vendor: 'INFINITT', class: 'PACS', software: '3.5' }],
  ['1.3.6.1.4.1.32203', 'PIXEON 4.9.2', 'PX', { vendor: 'Pixeon', class: 'PACS', software: '4.9.2' }],
  [
    '1.2.826.0.1.3680043.2.135.1066.101',
    '1.5.0/WIN32',
    'CQ',
    { model: 'ConQuest', class: 'PACS', software: '1.5.0' },
  ],
  ['1.3.6.1.4.1.25403.1.1.1', 'Dicom 0.1', 'CC', { model: 'ClearCanvas', class: 'DICOM workstation' }],
];

void t.test('makers and kinds by the implementation and the title of an association', (t) => {
  for (const [uid, version, calling, expected] of implementations) {
    const offer: Offer = {
      called: 'ANY',
      calling,
      classes: [classes.verification, classes.worklist],
      uid,
      ...(version === undefined ? {} : { version }),
    };
    const { who } = hearTalk({
      client: device,
      server: archive,
      ports,
      turns: [
        { from: 'client', data: request(offer) },
        { from: 'server', data: accept(offer) },
      ],
    });
    const found = who(device.mac);
    t.match(found, { ...expected, medical: true }, `${uid} ${version ?? ''}`);
  }
  t.end();
});

void t.test('a broker, by what it answers', (t) => {
  const offer: Offer = { called: 'MITRA', calling: 'CT1', classes: [classes.worklist] };
  const own = { uid: '1.2.124.113532.3320', version: 'BROKER992.0' };
  const { who } = hearTalk({
    client: device,
    server: archive,
    ports,
    turns: [
      { from: 'client', data: request(offer) },
      { from: 'server', data: accept(offer, offer.classes, own) },
    ],
  });
  t.match(who(archive.mac), { vendor: 'Merge', class: 'DICOM worklist server', software: '992.0' });
  t.end();
});

const toolkits: readonly (readonly [string, string])[] = [
  ['1.2.276.0.7230010.3.0.3.6.7', 'OFFIS_DCMTK_367'],
  ['1.2.826.0.1.3680043.2.1143.107.104.103.115.3.0.21', 'GDCM 3.0.21'],
  ['1.2.826.0.1.3680043.9.3811.2.0.2', 'PYNETDICOM_202'],
  ['1.2.40.0.13.1.3', 'dcm4che-5.31.0'],
  ['1.3.6.1.4.1.30071.8', 'fo-dicom 5.0.3'],
  ['1.3.6.1.4.1.5962.2', 'DCTOOL100'],
  ['1.2.826.0.1.3680043.9.7133.1.1', 'GODICOM_1_1'],
];

void t.test('a toolkit names no maker, and who only tests connections is no equipment', (t) => {
  for (const [uid, version] of toolkits) {
    const offer: Offer = { called: 'ANY', calling: 'ECHOSCU', classes: [classes.verification], uid, version };
    const { who } = hearTalk({
      client: device,
      server: archive,
      ports,
      turns: [
        { from: 'client', data: request(offer) },
        { from: 'server', data: accept(offer) },
      ],
    });
    const found = who(device.mac);
    t.equal(found.vendor, undefined, version);
    t.equal(found.model, undefined, version);
    t.equal(found.class, 'DICOM client', version);
    t.notOk(found.medical, version);
  }
  // A tester's laptop, by its own words a computer, stays one.
  const offer: Offer = { called: 'ANY', calling: 'ECHOSCU', classes: [classes.verification] };
  const laptop = { mac: '02:00:00:00:00:09', ip: '10.1.0.9' };
  const hello = 'GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: Mozilla/5.0 (Windows NT 10.0; Win64)\r\n\r\n';
  const { who } = hearTalk(
    { client: laptop, server: archive, ports: [50_001, 80], turns: [{ from: 'client', data: ascii(hello) }] },
    {
      client: laptop,
      server: archive,
      ports: [50_002, 104],
      turns: [
        { from: 'client', data: request(offer) },
        { from: 'server', data: accept(offer) },
      ],
    },
  );
  t.match(who(laptop.mac), { class: 'workstation', medical: false });
  t.end();
});

void t.test('roles by the services that an end accepted', (t) => {
  const role = (offered: readonly string[], accepted = offered): string | undefined => {
    const offer: Offer = { called: 'AE1', calling: 'AE2', classes: offered };
    const { who } = hearTalk({
      client: device,
      server: archive,
      ports,
      turns: [
        { from: 'client', data: request(offer) },
        { from: 'server', data: accept(offer, accepted) },
      ],
    });
    return who(archive.mac).class;
  };
  t.equal(role([classes.ctImage, classes.studyFind, classes.studyMove]), 'PACS');
  t.equal(role([classes.worklist]), 'DICOM worklist server');
  t.equal(role([classes.grayscalePrint]), 'DICOM printer');
  t.equal(role([classes.ctImage]), 'DICOM system', 'who only takes images may be anything');
  t.equal(
    role([classes.ctImage, classes.studyFind], [classes.ctImage]),
    'DICOM system',
    'what it refused it is not',
  );
  const offer: Offer = { called: 'AE1', calling: 'AE2', classes: [classes.worklist, classes.performedStep] };
  const { who } = hearTalk({
    client: device,
    server: archive,
    ports,
    turns: [{ from: 'client', data: request(offer) }],
  });
  t.match(who(device.mac), { class: 'DICOM modality', medical: true });
  t.end();
});

void t.test('what a query looks for isn’t who asks; what a performed step reports is', (t) => {
  const wanted = dataSet([
    [0x0008, 0x0052, 'CS', 'SERIES'],
    [0x0008, 0x0060, 'CS', 'CT'],
    [0x0008, 0x0070, 'LO', 'SIEMENS'],
    [0x0010, 0x0010, 'PN', 'PLANTED*'],
  ]);
  const query: Offer = { called: 'PACS', calling: 'STATION', classes: [classes.studyFind] };
  const asked = hearTalk({
    client: device,
    server: archive,
    ports,
    turns: [
      { from: 'client', data: request(query) },
      { from: 'server', data: accept(query) },
      { from: 'client', data: operation('find', query, classes.studyFind, wanted) },
    ],
  });
  t.equal(asked.who(device.mac).class, 'DICOM system');
  t.equal(asked.who(device.mac).vendor, undefined);
  t.notOk(asked.text.includes('PLANTED'));
  const step: Offer = { called: 'RIS', calling: 'STATION', classes: [classes.performedStep] };
  const reported = hearTalk({
    client: device,
    server: archive,
    ports,
    turns: [
      { from: 'client', data: request(step) },
      { from: 'server', data: accept(step) },
      { from: 'client', data: operation('create', step, classes.performedStep, wanted) },
    ],
  });
  t.equal(reported.who(device.mac).class, 'CT scanner');
  t.end();
});

void t.test('who sends on what others made is not what they are', (t) => {
  const avanto = { modality: 'MR', manufacturer: 'SIEMENS', model: 'Avanto', serial: '25641' };
  const epiq = { modality: 'US', manufacturer: 'Philips Medical Systems', model: 'EPIQ 7C' };
  const offer: Offer = { called: 'WS1', calling: 'CENTRAL', classes: [classes.mrImage] };
  const store = (equipment: Equipment, port: number, o: Offer = offer): Talk => ({
    client: archive,
    server: { mac: '02:00:00:00:00:03', ip: '10.1.0.3' },
    ports: [port, 104],
    turns: [
      { from: 'client', data: request(o) },
      { from: 'server', data: accept(o) },
      { from: 'client', data: operation('store', o, classes.mrImage, image(equipment)) },
    ],
  });
  const taken = (port: number): Talk => ({
    client: device,
    server: archive,
    ports: [port, 11_112],
    turns: [
      { from: 'client', data: request(imageOffer) },
      { from: 'server', data: accept(imageOffer) },
    ],
  });
  const archived = hearTalk(taken(40_001), store(avanto, 40_002), store(epiq, 40_003)).who(archive.mac);
  t.match(archived, { class: 'PACS' });
  t.equal(archived.vendor, undefined);
  t.equal(archived.model, undefined);
  const one = hearTalk(taken(40_001), store(avanto, 40_002)).who(archive.mac);
  t.match(one, { class: 'DICOM system' }, 'also when it has sent one only');
  t.equal(one.model, undefined);
  const router = hearTalk(store(avanto, 40_001), store(epiq, 40_002)).who(archive.mac);
  t.match(router, { class: 'DICOM system' }, 'a router that takes by another door');
  t.equal(router.serial, undefined);
  const conquest = { ...offer, uid: '1.2.826.0.1.3680043.2.135.1066.101', version: '1.5.0/WIN32' };
  const forwarded = hearTalk(store(avanto, 40_001, conquest)).who(archive.mac);
  t.match(forwarded, { class: 'PACS', model: 'ConQuest' }, 'an archive by its implementation');
  t.equal(forwarded.vendor, undefined);
  t.end();
});

void t.test('what is not DICOM on its port, and DICOM that a router passes on', (t) => {
  const web = ascii('GET /acr-nema HTTP/1.1\r\nHost: a\r\nUser-Agent: dcmtk PACS SOMATOM\r\n\r\n');
  const { who } = hearTalk({
    client: device,
    server: archive,
    ports,
    turns: [
      { from: 'client', data: web },
      { from: 'server', data: ascii('HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 0\r\n\r\n') },
    ],
  });
  t.notOk(who(device.mac).medical);
  t.notOk(who(archive.mac).medical);
  t.equal(who(archive.mac).class, undefined);
  const router = { mac: '00:00:0c:00:00:01', ip: '10.9.9.9' };
  const offer: Offer = { called: 'PACS', calling: 'SOMATOM', classes: [classes.ctImage] };
  const frames = exchange(router, archive, ports, [
    { from: 'client', data: request(offer) },
    { from: 'server', data: accept(offer) },
    {
      from: 'client',
      data: operation('store', offer, classes.ctImage, image({ modality: 'CT', manufacturer: 'SIEMENS' })),
    },
  ]).map((frame) => {
    const passed = frame.slice();
    if (passed[6] === 0 && passed[8] === 0x0c) passed[22] = 61;
    return passed;
  });
  t.notOk(hear(frames).who(router.mac).medical);
  t.equal(hear(frames).who(router.mac).model, undefined);
  // A datagram with the words of equipment in it is none.
  const words = ethernet(
    device.mac,
    'ff:ff:ff:ff:ff:ff',
    0x800,
    ipv4(device.ip, '10.1.0.255', 17, udp(104, 104, ascii('SIEMENS MAGNETOM Avanto'))),
  );
  t.notOk(hear([words]).who(device.mac).medical);
  t.end();
});
