/**
 * The corpus: hosts that are known by name in captures made elsewhere, and every file of it decoded without a
 * complaint that isn't expected. What the files say of patients comes out nowhere.
 */
import t from 'tap';
import { addon } from '../../src/platform/addon.ts';
import { PcapReader } from './reference/pcap.ts';
import { Sensor } from '../../src/sensor/sensor.ts';
import { vendorRegistry } from '../../src/platform/vendor-registry.ts';
import { vendorTable } from '../../src/sensor/vendor.ts';
import type { HostObservation } from '../../src/wire/observation.ts';
import { hostObservation } from '../../src/wire/observation.ts';
import { corpusFile, corpusNames } from './corpus-files.ts';

const vendorOf = vendorTable(vendorRegistry());

function read(name: string): { sensor: Sensor; weirds: string[]; hosts: Map<string, HostObservation> } {
  const sensor = new Sensor({ stage: addon().openStage({}), vendorOf });
  const weirds: string[] = [];
  const reader = new PcapReader({
    packet: (link, bytes, wireLength, at) => sensor.take(link, bytes, wireLength, at),
    weird: (weird) => weirds.push(weird),
  });
  reader.push(corpusFile(name));
  reader.end();
  const hosts = new Map<string, HostObservation>();
  for (const host of sensor.hosts.all()) {
    const observation = host.observation();
    if (observation !== undefined) hosts.set(observation.mac, observation);
  }
  return { sensor, weirds, hosts };
}

const words = (host: HostObservation | undefined): string[] =>
  (host?.evidence ?? []).map((e) => `${e.protocol} ${e.field}=${e.value}`);
const services = (host: HostObservation | undefined): string[] =>
  (host?.services ?? []).map((s) => `${s.transport}/${s.port} ${s.protocol ?? ''}`.trim());

/** MAC, address, vendor, and what each must have said, in a clinic of real software with known members. */
const clinic: readonly (readonly [string, string, RegExp, readonly string[]])[] = [
  ['08:00:06:21:25:41', '10.77.0.21', /SIEMENS/i, ['dicom callingAeTitle=MRC25641']],
  ['00:09:fb:50:77:22', '10.77.0.22', /Philips/, ['dicom callingAeTitle=EPIQ7C01']],
  ['00:08:fb:1b:22:23', '10.77.0.23', /SonoSite/, ['dicom callingAeTitle=SONOSITE1']],
  ['44:4b:5d:03:08:24', '10.77.0.24', /GE Healthcare/, ['dicom callingAeTitle=CT01_OC0']],
  ['08:00:66:51:56:25', '10.77.0.25', /AGFA/i, ['dicom callingAeTitle=CR250']],
  ['00:0f:82:25:00:26', '10.77.0.26', /Mortara/, ['dicom callingAeTitle=ECG_EL250']],
  [
    '00:25:90:12:34:10',
    '10.77.0.10',
    /Super Micro/,
    [
      'dicom calledAeTitle=CLINICPACS',
      'dicom callingAeTitle=CLINICPACS',
      'dicom implementationClassUid=1.2.276.0.7230010.3.0.3.6.7',
      'dicom implementationVersionName=OFFIS_DCMTK_367',
    ],
  ],
  ['00:0c:29:66:00:30', '10.77.0.30', /VMware/, ['dicom calledAeTitle=CLINICRIS']],
  [
    '3c:97:0e:11:22:40',
    '10.77.0.40',
    /Wistron/,
    [
      'dicom callingAeTitle=WS1',
      'dicom calledAeTitle=WS1',
      'dicom implementationClassUid=1.2.826.0.1.3680043.2.1143.107.104.103.115.3.0.21',
      'dicom implementationVersionName=GDCM 3.0.21',
    ],
  ],
  [
    '00:a0:37:02:70:50',
    '10.77.0.50',
    /Mindray/,
    ['hl7 MSH-3=MINDRAY_EGATEWAY^00A0370027000143^EUI-64', 'hl7 MSH-4=MINDRAY'],
  ],
  [
    '00:1a:01:20:01:01',
    '10.77.0.52',
    /ICU Medical|Smiths/,
    ['hl7 MSH-3=Smiths Medical^001A010000000001^EUI-64'],
  ],
  [
    '00:12:21:06:01:13',
    '10.77.0.53',
    /B\. ?Braun/,
    ['hl7 MSH-3=PAT_DEVICE_BBRAUN^0012210000000000^EUI-64', 'hl7 MSH-4=BBRAUN'],
  ],
];

void t.test('a clinic of third-party software: every DICOM and HL7 endpoint is named', (t) => {
  const { hosts, weirds, sensor } = read('lab-thirdparty/clinic-lab.pcap');
  for (const [mac, address, vendor, said] of clinic) {
    const host = hosts.get(mac);
    t.ok(host?.addresses.includes(address), `${mac} is ${address}`);
    t.match(host?.vendor, vendor);
    for (const word of said) t.ok(words(host).includes(word), `${address}: ${word}`);
  }
  const at = (address: string): HostObservation | undefined =>
    [...hosts.values()].find((h) => h.addresses.includes(address));
  t.same(services(at('10.77.0.10')), ['tcp/104 dicom', 'tcp/8042 http']);
  t.same(services(at('10.77.0.30')), ['tcp/104 dicom']);
  t.same(services(at('10.77.0.40')), ['tcp/11112 dicom']);
  t.same(services(at('10.77.0.51')), ['tcp/6661 hl7']);
  t.same(services(at('10.77.0.60')), ['udp/161 snmp']);
  t.equal(hosts.get('06:32:de:b9:42:bc')?.vendor, undefined, 'a locally administered MAC has no vendor');
  t.same(weirds, []);
  t.same([...sensor.weirds], []);
  const others = [...hosts.values()].filter((h) => !clinic.some(([mac]) => mac === h.mac));
  const medical = (h: HostObservation): boolean => h.evidence.some((e) => /^(dicom|hl7)$/.test(e.protocol));
  const talkers = others.filter(medical).map((h) => h.addresses.at(-1));
  t.same(talkers, ['10.77.0.51'], 'nobody else but the HL7 engine speaks either');
  t.end();
});

void t.test('HL7 interfaces on a port of their own', (t) => {
  for (const [file, mac, names] of [
    ['HL7-ADT-UDI-OBX', '00:03:b1:b5:b6:48', ['hl7 MSH-3=SENDING_APPLICATION', 'hl7 MSH-4=SENDING_FACILITY']],
    ['HL7-ADT', '00:0c:29:b5:b6:48', ['hl7 MSH-3=SENDING_APPLICATION', 'hl7 MSH-9=ADT^A01']],
    ['HL7-ORM', '00:0c:29:b5:b6:48', ['hl7 MSH-3=SendingApp', 'hl7 MSH-4=SendingFac', 'hl7 MSH-9=ORM^O01']],
  ] as const) {
    const { hosts, weirds } = read(`virtalabs__tapirx/${file}.pcap`);
    const sender = hosts.get(mac);
    t.same(sender?.addresses, ['10.0.0.155'], file);
    for (const name of names) t.ok(words(sender).includes(name), `${file}: ${name}`);
    const engine = [...hosts.values()].find((h) => h.addresses.includes('10.0.0.126'));
    t.same(services(engine), ['tcp/6661 hl7'], file);
    t.same(services(sender), [], file);
    t.same(weirds, []);
  }
  t.end();
});

void t.test('DICOM on a loopback capture: the requestor is named and no MAC is made up', (t) => {
  for (const file of ['dicom_arq_1_find_testclient', 'dicom_arq_2_get_testclient']) {
    const { hosts, sensor } = read(`virtalabs__tapirx/${file}.pcap`);
    t.equal(hosts.size, 0, file);
    const [host, ...more] = [...sensor.hosts.all()];
    t.same(more, []);
    t.same(host?.addressTexts(), ['127.0.0.1']);
    const said = host?.evidenceRows().map((e) => `${e.field}=${e.value}`) ?? [];
    t.same(said.slice(0, 3), [
      'callingAeTitle=testclient',
      'implementationClassUid=1.2.826.0.1.3680043.9.7133.1.1',
      'implementationVersionName=GODICOM_1_1',
    ]);
  }
  t.end();
});

void t.test('no word of a patient comes out of files that hold some', (t) => {
  // Written in these captures: in PID, NK1, PV1, AL1, OBR and ORC segments, and in data sets.
  const private_ = [
    'MOUSE',
    'MICKEY',
    'MINNIE',
    '135769',
    'Main St',
    'Penicillin',
    'Hazel',
    'CREATININE',
    'Disney',
  ];
  const names = corpusNames().filter((name) => /tapirx|lab-thirdparty|reconstructed/.test(name));
  const text = names.map((name) => corpusFile(name).toString('latin1')).join('');
  for (const word of private_) t.ok(text.includes(word), `${word} is in the files`);
  for (const name of names) {
    const { sensor } = read(name);
    const out = JSON.stringify(
      [...sensor.hosts.all()].map((h) => [h.addressTexts(), h.evidenceRows(), h.observation()]),
    );
    for (const word of private_) t.notOk(out.includes(word), `${word} is not in what is said of ${name}`);
  }
  t.end();
});

void t.test('every file of the corpus is read, every host of it is a valid observation', (t) => {
  const names = corpusNames();
  t.ok(names.length >= 60, `${names.length} files`);
  const speakers: string[] = [];
  for (const name of names) {
    const { weirds, hosts, sensor } = read(name);
    t.same(weirds, [], name);
    t.ok(sensor.counters.frames > 0, name);
    for (const host of hosts.values()) {
      if (!hostObservation.safeParse(host).success) t.fail(`${name}: ${JSON.stringify(host)}`);
      const medical = /^(dicom|hl7|bcc|intellivue|sdc|unity|astm|poct1a)$/;
      if (host.evidence.some((e) => medical.test(e.protocol))) speakers.push(name);
    }
  }
  const folders = new Set(speakers.map((name) => name.split('/')[0] ?? ''));
  const expected = ['lab-thirdparty', 'reconstructed', 'virtalabs__tapirx'];
  t.same(folders, new Set(expected), 'nothing else is taken for a medical protocol');
  t.end();
});

void t.test('VLAN-tagged hosts are seen', (t) => {
  const { sensor, hosts } = read('seladb__PcapPlusPlus/VlanPackets.pcap');
  t.ok(hosts.size > 1);
  t.same([...sensor.weirds], []);
  t.end();
});
