/**
 * What the ends of TCP connections say first, protocol by protocol: the words come out, on any port and however the
 * stream is cut, and nothing planted as a person's does.
 */
import { hash } from 'node:crypto';
import t from 'tap';
import { addon } from '../../src/platform/addon.ts';
import { linkType } from '../../src/sensor/constants.ts';
import { Sensor } from '../../src/sensor/sensor.ts';
import type { HostObservation } from '../../src/wire/observation.ts';
import * as sample from '../protocol/samples.ts';
import { ascii } from '../protocol/samples.ts';
import * as wire from './wire-builder.ts';

const client = { mac: '00:03:b1:00:00:01', ip: '10.0.0.1' };
const server = { mac: '00:a0:37:00:00:02', ip: '10.0.0.2' };
const PORTS = [40_000, 4321] as const;

interface Turn {
  readonly from: 'client' | 'server';
  readonly data: readonly number[];
}

interface Case {
  readonly name: string;
  readonly turns: readonly Turn[];
  readonly client?: readonly string[];
  readonly server?: readonly string[];
  readonly speaks: string | undefined;
  /** Attributes of an identity: of the server, or of the client. */
  readonly identity?: Readonly<Record<string, string>>;
  readonly of?: 'client';
}

const says = (...data: readonly (readonly number[])[]): Turn => ({ from: 'client', data: data.flat() });
const answers = (...data: readonly (readonly number[])[]): Turn => ({ from: 'server', data: data.flat() });
const lines = (...text: string[]): number[] => ascii(text.map((line) => `${line}\r\n`).join(''));

const http = (
  start: string,
  headers: Readonly<Record<string, string>>,
  body: readonly number[] = [],
): number[] => [
  ...lines(start, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), ''),
  ...body,
];

const chunked = (body: readonly number[], size: number): number[] => {
  const out: number[] = [];
  for (let at = 0; at < body.length; at += size) {
    const part = body.slice(at, at + size);
    out.push(...ascii(`${part.length.toString(16)}\r\n`), ...part, 13, 10);
  }
  return [...out, ...ascii('0\r\n\r\n')];
};

const offer = sample.clientHello({
  ciphers: [0x1301, 0xc02f],
  extensions: [sample.serverName('pump7.example'), [13, [0, 2, 4, 3]]],
});
/** By its description: counts, then hashes of the sorted ciphers, and of the extensions with the signatures. */
const short = (list: string): string => hash('sha256', list).slice(0, 12);
const fingerprint = `t12d020200_${short('1301,c02f')}_${short('000d_0403')}`;
const sdcPurpose = '1.2.840.10004.20701.1.1';
const astmFrame = (n: number, text: string): number[] => [
  2,
  0x30 + n,
  ...ascii(`${text}\r`),
  3,
  0x41,
  0x42,
  13,
  10,
];
const ssh = ['kexA,kexB', 'ssh-ed25519', 'encC', 'encS', 'macC', 'macS', 'none', 'zlib', '', ''];

const printer = {
  'printer-make-and-model': 'HP LaserJet MFP M426fdn',
  'printer-firmware-string-version': '2502246_000492',
  'printer-device-id': 'MFG:HP;MDL:LaserJet M426;SN:VNB3K;',
};
const job = { 'job-name': 'PLANTED letter', 'job-originating-user-name': 'PLANTED' };
const ippAnswer = sample.ipp([
  [1, { 'attributes-charset': 'utf-8' }],
  [2, job],
  [4, printer],
]);
const printerWords = [
  'ipp printer-make-and-model=HP LaserJet MFP M426fdn',
  'ipp printer-firmware-string-version=2502246_000492',
  'ipp maker=HP',
  'ipp model=LaserJet M426',
  'ipp serial=VNB3K',
];

const metadata = `<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:m="http://standards.ieee.org/downloads/11073/11073-20701-2018"><s:Body><d:ThisDevice><d:FriendlyName>PLANTED
</d:FriendlyName><d:FirmwareVersion>2.1.0</d:FirmwareVersion><d:SerialNumber>ASKL-0012</d:SerialNumber></d:ThisDevice>
<d:ThisModel><d:Manufacturer xml:lang="en">Draegerwerk</d:Manufacturer><d:ModelName>Atlan A350</d:ModelName>
</d:ThisModel></s:Body></s:Envelope>`;

const hello = `<?xml version="1.0" encoding="utf-8"?>\n<HEL.R01><HDR><HDR.control_id V="1"/></HDR><DEV>
<DEV.device_id V="0023C4"/><DEV.vendor_id V="QDL"/><DEV.model_id V="Sofia 2"/><DEV.serial_id V="S12345"/>
<DEV.manufacturer_name V="Quidel"/><DEV.sw_version V="2.6.0"/></DEV></HEL.R01>`;
const results = '<OBS.R01><PT><PT.name V="PLANTED"/></PT></OBS.R01>';

const cases: readonly Case[] = [
  {
    name: 'TLS 1.2: name, fingerprint, certificate',
    turns: [
      says(sample.record(offer)),
      answers(
        sample.record([
          ...sample.serverHello(),
          ...sample.certificateMessage(
            sample.certificate({
              commonName: 'pump7',
              organization: 'Philips Medical Systems',
              issuer: 'Device CA',
              names: ['pump7.example', 'pump7'],
            }),
          ),
        ]),
      ),
    ],
    client: ['tls serverName=pump7.example', `tls ja4=${fingerprint}`],
    server: [
      'tls version=TLS 1.2',
      'tls certificate.subject=CN=pump7 O=Philips Medical Systems',
      'tls certificate.issuer=CN=Device CA O=Philips Medical Systems',
      'tls certificate.name=pump7.example',
      'tls certificate.name=pump7',
    ],
    speaks: 'tls',
    identity: { vendor: 'Philips' },
  },
  {
    name: 'a client\u2019s certificate is a person\u2019s',
    turns: [
      says(sample.record(offer)),
      answers(sample.record(sample.serverHello(0x0302))),
      says(
        sample.record(
          sample.certificateMessage(sample.certificate({ commonName: 'PLANTED', organization: 'PLANTED' })),
        ),
        sample.record([1], 20),
      ),
    ],
    client: ['tls serverName=pump7.example', `tls ja4=${fingerprint}`],
    server: ['tls version=TLS 1.1'],
    speaks: 'tls',
  },
  {
    name: 'SDC inside TLS, by the role in a certificate',
    turns: [
      says(sample.record(offer)),
      answers(
        sample.record(sample.serverHello()),
        sample.record(
          sample.certificateMessage(
            sample.certificate({ commonName: 'vent1', organization: 'Maker', purposes: [sdcPurpose] }),
          ),
        ),
      ),
    ],
    client: ['tls serverName=pump7.example', `tls ja4=${fingerprint}`],
    server: [
      'tls version=TLS 1.2',
      `sdc certificate.purpose=${sdcPurpose}`,
      'tls certificate.subject=CN=vent1 O=Maker',
      'tls certificate.issuer=CN=vent1 O=Maker',
    ],
    speaks: 'sdc',
    identity: { class: 'medical device' },
  },
  {
    name: 'SSH: both sides\u2019 lists',
    turns: [
      answers(lines('SSH-2.0-dropbear_2018.76'), sample.sshLists(ssh)),
      says(lines('SSH-2.0-OpenSSH_9.2p1 Debian-2'), sample.sshLists(ssh)),
    ],
    client: ['ssh software=OpenSSH_9.2p1 Debian-2', `ssh hassh=${hash('md5', 'kexA,kexB;encC;macC;none')}`],
    server: ['ssh software=dropbear_2018.76', `ssh hasshServer=${hash('md5', 'kexA,kexB;encS;macS;zlib')}`],
    speaks: 'ssh',
    identity: { software: 'dropbear_2018.76' },
  },
  {
    name: 'SMB2 with NTLM: machines, no user',
    turns: [
      answers(
        sample.smb2Negotiated(0x0311),
        sample.smb2Setup(true, [
          0x60,
          0x40,
          ...sample.ntlmChallenge(17_763, { 1: 'RADSRV', 2: 'CLINIC', 3: 'radsrv.clinic.example' }),
        ]),
      ),
      says(sample.smb2Setup(false, sample.ntlmAuthenticate('PLANTED', 'WS7'))),
    ],
    client: ['ntlm version=6.1.7601', 'ntlm computer=WS7'],
    server: [
      'smb dialect=3.1.1',
      'ntlm serverVersion=10.0.17763',
      'ntlm computer=RADSRV',
      'ntlm dnsComputer=radsrv.clinic.example',
      'ntlm domain=CLINIC',
    ],
    speaks: 'smb',
    identity: { os: 'Windows 10, 11 or Server 2016 and newer' },
  },
  {
    name: 'SMB1: native systems, no account',
    turns: [
      says(sample.smb1Setup(false, ['PLANTED', 'CLINIC', 'Windows XP 2600', 'Windows 2000 LAN Manager'])),
      answers(sample.smb1Setup(true, ['Unix', 'Samba 3.6.25', 'CLINIC'])),
    ],
    client: ['smb nativeOs=Windows XP 2600', 'smb nativeLanManager=Windows 2000 LAN Manager'],
    server: ['smb nativeOs=Unix', 'smb nativeLanManager=Samba 3.6.25'],
    speaks: 'smb',
    identity: { software: 'Samba 3.6.25' },
  },
  {
    name: 'Remote Desktop: a cookie, not whose',
    turns: [
      says(sample.x224(0xe0, [...ascii('Cookie: mstshash=PLANTED\r\n'), ...sample.rdpNegotiation(1, 3)])),
      answers(sample.x224(0xd0, sample.rdpNegotiation(2, 2))),
    ],
    client: ['rdp offers=TLS+CredSSP', 'rdp cookie=present'],
    server: ['rdp security=CredSSP'],
    speaks: 'rdp',
  },
  {
    name: 'VNC: version and ways in, no desktop\u2019s name',
    turns: [
      answers(ascii('RFB 003.008\n')),
      says(ascii('RFB 003.008\n')),
      answers([2, 2, 19]),
      says([2]),
      answers(ascii('PLANTED\u2019s desktop')),
    ],
    client: [],
    server: ['vnc version=3.8', 'vnc security=VNC authentication, VeNCrypt'],
    speaks: 'vnc',
  },
  {
    name: 'Telnet: the banner, nothing of the session',
    turns: [
      answers([255, 253, 24, 255, 251, 1], ascii('\r\nVxWorks 6.9 PumpGateway\r\n\r\nlogin: ')),
      says([255, 251, 24], ascii('PLANTED\r\n')),
      answers(ascii('PLANTED\r\nPassword: \r\nWelcome PLANTED\r\n')),
    ],
    client: [],
    server: ['telnet banner=VxWorks 6.9 PumpGateway'],
    speaks: 'telnet',
    identity: { os: 'VxWorks' },
  },
  {
    name: 'FTP: greeting and system, no user',
    turns: [
      answers(lines('220 VxWorks (5.4.2) FTP server ready')),
      says(lines('USER PLANTED')),
      answers(lines('331 Password required for PLANTED')),
      says(lines('PASS PLANTED', 'SYST')),
      answers(lines('215 UNIX Type: L8')),
    ],
    client: [],
    server: ['ftp banner=VxWorks (5.4.2) FTP server ready', 'ftp system=UNIX Type: L8'],
    speaks: 'ftp',
    identity: { os: 'VxWorks' },
  },
  {
    name: 'SMTP greets like FTP and is none',
    turns: [answers(lines('220 mail.example ESMTP ready')), says(lines('EHLO x'))],
    client: [],
    server: [],
    speaks: undefined,
  },
  {
    name: 'Modbus: the device at the address, none behind it',
    turns: [
      says(sample.modbus(255, [3, 0, 1, 0, 2]), sample.modbus(255, [0x2b, 0x0e, 1, 0])),
      answers(
        sample.modbus(255, [3, 4, 1, 2, 3, 4]),
        sample.modbusIdentity(9, ['Behind', 'it', '0']),
        sample.modbusIdentity(255, ['Schneider Electric', 'BMX P34 2020', 'v2.8']),
      ),
    ],
    client: [],
    server: ['modbus vendor=Schneider Electric', 'modbus product=BMX P34 2020', 'modbus revision=v2.8'],
    speaks: 'modbus',
    identity: {
      class: 'industrial controller',
      vendor: 'Schneider Electric',
      model: 'BMX P34 2020',
      software: 'v2.8',
    },
  },
  {
    name: 'IPP in chunks, after an interim answer: the printer, not the job',
    turns: [
      says(
        http('POST /ipp/print HTTP/1.1', { 'User-Agent': 'CUPS/2.4.2', 'Content-Type': 'application/ipp' }),
      ),
      answers(
        http('HTTP/1.1 100 Continue', {}),
        http(
          'HTTP/1.1 200 OK',
          { 'Content-Type': 'application/ipp', 'Transfer-Encoding': 'chunked', Server: 'HP HTTP Server' },
          chunked(ippAnswer, 50),
        ),
      ),
    ],
    client: ['http userAgent=CUPS/2.4.2'],
    server: ['http server=HP HTTP Server', ...printerWords],
    speaks: 'ipp',
    identity: { class: 'printer', vendor: 'HP', model: 'HP LaserJet MFP M426fdn', serial: 'VNB3K' },
  },
  {
    name: 'PJL: what the printer answers, nothing of the job',
    turns: [
      says(
        ascii('\u001b%-12345X@PJL JOB NAME = "PLANTED"\r\n@PJL SET USERNAME="PLANTED"\r\n@PJL INFO ID\r\n'),
      ),
      answers(ascii('@PJL INFO ID\r\n"HP LaserJet 4200"\r\n\u000c')),
    ],
    client: [],
    server: ['pjl takes=jobs', 'pjl model=HP LaserJet 4200'],
    speaks: 'pjl',
    identity: { class: 'printer', vendor: 'HP', model: 'HP LaserJet 4200' },
  },
  {
    name: 'POCT1-A: the device of a HELLO, no result',
    turns: [
      says(ascii(hello)),
      answers(ascii('<ACK.R01><ACK.type_cd V="AA"/></ACK.R01>')),
      says(ascii(results)),
    ],
    client: [
      'poct1a message=HEL',
      'poct1a manufacturer=Quidel',
      'poct1a vendor=QDL',
      'poct1a model=Sofia 2',
      'poct1a serial=S12345',
      'poct1a software=2.6.0',
    ],
    server: [],
    speaks: 'poct1a',
    identity: { class: 'point-of-care analyzer', vendor: 'Quidel', model: 'Sofia 2', software: '2.6.0' },
    of: 'client',
  },
  {
    name: 'ASTM: the analyser in the header, no patient, no password',
    turns: [
      says([5]),
      answers([6]),
      says(astmFrame(1, 'H|\\^&||PLANTED|cobas-e411^1.4^9901|||||host|RSUPL^REAL|P|1')),
      answers([6]),
      says(
        astmFrame(2, 'P|1||PLANTED||PLANTED^A'),
        astmFrame(3, 'O|1|PLANTED'),
        astmFrame(4, 'R|1|^^^10|PLANTED'),
        [4],
      ),
    ],
    client: ['astm sender=cobas-e411', 'astm version=1.4', 'astm serial=9901', 'astm sends=results'],
    server: [],
    speaks: 'astm',
    identity: { class: 'laboratory analyzer', model: 'cobas-e411', serial: '9901' },
    of: 'client',
  },
  {
    name: 'ASTM: who only orders is the laboratory\u2019s system',
    turns: [
      says(
        [5],
        astmFrame(1, 'H|\\^&|||LIS1'),
        astmFrame(2, 'P|1||PLANTED'),
        astmFrame(3, 'O|1|PLANTED'),
        astmFrame(4, 'L|1|N'),
        [4],
      ),
    ],
    client: ['astm sender=LIS1', 'astm sends=orders'],
    server: [],
    speaks: 'astm',
    identity: { class: 'laboratory information system' },
    of: 'client',
  },
  {
    name: 'SDC in clear: a device that describes itself',
    turns: [
      says(
        http(
          'POST /d1 HTTP/1.1',
          { 'Content-Type': 'application/soap+xml' },
          ascii('<s:Envelope><s:Body/></s:Envelope>'),
        ),
      ),
      answers(http('HTTP/1.1 200 OK', { 'Content-Type': 'application/soap+xml' }, ascii(metadata))),
    ],
    client: [],
    server: [
      'sdc manufacturer=Draegerwerk',
      'sdc model=Atlan A350',
      'sdc software=2.1.0',
      'sdc serial=ASKL-0012',
    ],
    speaks: 'sdc',
    identity: {
      class: 'anesthesia machine',
      vendor: 'Dr\u00e4ger',
      model: 'Atlan A350',
      serial: 'ASKL-0012',
    },
  },
];

const windows = metadata
  .replace(/ xmlns:m="[^"]*"/, '')
  .replace('</s:Body>', '<p:Computer>RADWS02/Workgroup:CLINIC</p:Computer></s:Body>')
  .replace(/<d:ThisModel>[^]*<\/d:ThisModel>/, '');
const computer: Case = {
  name: 'a Windows machine over DPWS is none of the medical ones',
  turns: [
    says(
      http(
        'POST /x HTTP/1.1',
        { 'Content-Type': 'application/soap+xml' },
        ascii('<s:Envelope><s:Body/></s:Envelope>'),
      ),
    ),
    answers(http('HTTP/1.1 200 OK', { 'Content-Type': 'application/soap+xml' }, ascii(windows))),
  ],
  server: ['wsd software=2.1.0', 'wsd serial=ASKL-0012', 'wsd computer=RADWS02/Workgroup:CLINIC'],
  speaks: 'http',
  identity: { class: 'workstation' },
};

function listen(turns: readonly Turn[], segment: number, opened = true): Sensor {
  const sensor = new Sensor({ stage: addon().openStage({}), vendorOf: () => undefined });
  const frames = wire.exchange(client, server, PORTS, turns, { segment, opened });
  for (const [i, frame] of frames.entries()) sensor.take(linkType.ETHERNET, frame, frame.length, 1000 + i);
  sensor.expire(1e9);
  return sensor;
}

const observed = (sensor: Sensor, mac: string): HostObservation | undefined =>
  [...sensor.hosts.all()].map((host) => host.observation()).find((o) => o?.mac === mac);
const words = (o: HostObservation | undefined): string[] =>
  (o?.evidence ?? []).filter((e) => e.protocol !== 'tcp').map((e) => `${e.protocol} ${e.field}=${e.value}`);

for (const row of [...cases, computer]) {
  void t.test(row.name, (t) => {
    for (const segment of [1400, 11, 1]) {
      const sensor = listen(row.turns, segment);
      const own = observed(sensor, client.mac);
      const other = observed(sensor, server.mac);
      t.same(words(own), row.client ?? [], `client, in segments of ${segment}`);
      t.same(words(other), row.server ?? [], `server, in segments of ${segment}`);
      t.equal(other?.services.find((s) => s.port === PORTS[1])?.protocol, row.speaks);
      const identity = Object.fromEntries(
        ((row.of === 'client' ? own : other)?.identity ?? []).map((a) => [a.attribute, a.value]),
      );
      t.match(identity, row.identity ?? {});
      const said = JSON.stringify([own, other, ...sensor.weirds]);
      t.notOk(said.includes('PLANTED'), 'nothing of a person');
      t.equal(sensor.held, 0, 'no bytes are kept');
    }
    // From the middle of a connection and with either side first: whatever is recognised, nothing leaks.
    for (const skip of [1, 2]) {
      const sensor = listen(row.turns.slice(skip), 1400, false);
      const said = JSON.stringify([...sensor.hosts.all()].map((host) => host.observation()));
      t.notOk(said.includes('PLANTED'), `nothing of a person after ${skip} turns`);
    }
    t.end();
  });
}

void t.test('a Telnet session met in its middle has no banner', (t) => {
  const turns = [
    says(ascii('x')),
    answers([255, 251, 1], ascii('\r\nPatient PLANTED\r\nAccount: ')),
    says([255, 253, 1]),
  ];
  const sensor = listen(turns, 1400, false);
  t.notOk(JSON.stringify([...sensor.hosts.all()].map((host) => host.observation())).includes('PLANTED'));
  t.end();
});
