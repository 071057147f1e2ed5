/** What contents give away: logins in clear, exploits, weak versions. With planted secrets and names that may appear nowhere. */
import t from 'tap';
import type { Test } from 'tap';
import * as wire from '../wire-builder.ts';
import { bench, behind, said, station, talk } from '../behaviour-bench.ts';
import type { Bench } from '../behaviour-bench.ts';

const pump = station(10);
const admin = station(20);
const SECRET = 'Zaubergeheim77';
const PATIENT = 'OPHELIA^MARSHWIGGLE';

const u16le = (n: number): number[] => [n & 255, n >> 8];
const u32le = (n: number): number[] => [...u16le(n & 0xffff), ...u16le(Math.floor(n / 65_536))];
const zeros = (n: number): number[] => Array.from({ length: n }, () => 0);

/** Nothing that was planted is in what the sensor tells, or keeps. */
function clean(t: Test, b: Bench): void {
  const told = JSON.stringify([
    b.sensor.behaviour.reports(),
    b.sensor.behaviour.kept(),
    [...b.sensor.hosts.all()].map((host) => host.observation()),
  ]);
  for (const planted of [SECRET, 'MARSHWIGGLE', 'OPHELIA', Buffer.from(SECRET).toString('base64')])
    t.notOk(told.includes(planted), `${planted} is not told`);
}

void t.test('FTP: the password command, not the anonymous one', (t) => {
  const login = (user: string): Uint8Array[] =>
    talk(admin, pump, 21, [
      { from: 'server', data: said('220 device FTP server ready\r\n') },
      { from: 'client', data: said(`USER ${user}\r\n`) },
      { from: 'server', data: said('331 password\r\n') },
      { from: 'client', data: said(`PASS ${SECRET}\r\n`) },
    ]);
  const b = bench();
  b.take(...login('anonymous'));
  t.same(b.of('cleartext-credentials'), []);
  b.take(...login('service'));
  t.match(b.of('cleartext-credentials'), [{ mac: pump.mac, key: 'ftp 21', severity: 'medium', count: 1 }]);
  clean(t, b);
  t.end();
});

void t.test('HTTP Basic, on any port and only in the head', (t) => {
  const b = bench();
  const request = (head: string, body = ''): readonly number[] =>
    said(`GET / HTTP/1.1\r\n${head}\r\n\r\n${body}`);
  const basic = `Authorization: Basic ${Buffer.from(`service:${SECRET}`).toString('base64')}`;
  b.take(...talk(admin, pump, 8042, [{ from: 'client', data: request('Host: x', basic) }]));
  b.take(...talk(admin, pump, 8042, [{ from: 'client', data: request('Authorization: Bearer abcdef') }]));
  t.same(b.of('cleartext-credentials'), []);
  b.take(...talk(admin, pump, 8042, [{ from: 'client', data: request(`Host: x\r\n${basic}`) }]));
  t.match(b.of('cleartext-credentials'), [{ mac: pump.mac, key: 'http 8042' }]);
  clean(t, b);
  t.end();
});

void t.test('Telnet: asked for and typed; serving it is weak by itself', (t) => {
  const b = bench();
  b.take(
    ...talk(admin, pump, 23, [
      { from: 'server', data: [0xff, 0xfd, 0x18, 0xff, 0xfb, 0x01] },
      { from: 'client', data: [0xff, 0xfc, 0x18] },
      { from: 'server', data: said('\r\nlogin: ') },
      { from: 'client', data: said('root\r\n') },
      { from: 'server', data: said('Password: ') },
    ]),
  );
  t.same(b.of('cleartext-credentials'), [], 'nobody typed it');
  b.take(
    ...talk(admin, pump, 23, [
      { from: 'server', data: [0xff, 0xfd, 0x18, 0xff, 0xfb, 0x01] },
      { from: 'server', data: said('Password: ') },
      { from: 'client', data: said(`${SECRET}\r\n`) },
    ]),
  );
  b.pass(1_000);
  t.match(b.of('cleartext-credentials'), [{ mac: pump.mac, key: 'telnet 23' }]);
  t.match(b.of('weak-protocol'), [{ mac: pump.mac, key: 'telnet' }]);
  clean(t, b);
  t.end();
});

void t.test('LDAP simple bind with a password; SNMP communities that are taken; MQTT', (t) => {
  const b = bench();
  const tlv = (tag: number, body: readonly number[]): number[] => [tag, body.length, ...body];
  const bind = (password: string): number[] =>
    tlv(0x30, [
      ...tlv(2, [1]),
      ...tlv(0x60, [...tlv(2, [3]), ...tlv(4, wire.ascii('cn=service')), ...tlv(0x80, wire.ascii(password))]),
    ]);
  b.take(...talk(admin, pump, 389, [{ from: 'client', data: bind('') }]));
  t.same(b.kinds(), [], 'an anonymous bind tells nothing');
  b.take(...talk(admin, pump, 389, [{ from: 'client', data: bind(SECRET) }]));
  t.match(b.of('cleartext-credentials'), [{ key: 'ldap 389' }]);

  const snmp = (community: string, pdu: number): number[] =>
    tlv(0x30, [
      ...tlv(2, [1]),
      ...tlv(4, wire.ascii(community)),
      ...tlv(pdu, [...tlv(2, [1]), ...tlv(2, [0]), ...tlv(2, [0]), ...tlv(0x30, [])]),
    ]);
  const datagram = (community: string, answered: boolean, source: number): Uint8Array[] => [
    wire.ethernet(
      admin.mac,
      pump.mac,
      0x800,
      wire.ipv4(admin.ip, pump.ip, 17, wire.udp(source, 161, snmp(community, 0xa0))),
    ),
    ...(answered
      ? [
          wire.ethernet(
            pump.mac,
            admin.mac,
            0x800,
            wire.ipv4(pump.ip, admin.ip, 17, wire.udp(161, source, snmp(community, 0xa2))),
          ),
        ]
      : []),
  ];
  b.take(...datagram('public', false, 5001));
  t.same(b.of('default-credentials'), [], 'asked, and nobody answers');
  b.take(...datagram('public', true, 5002));
  t.match(b.of('default-credentials'), [{ mac: pump.mac, key: 'snmp' }]);
  b.take(...datagram(SECRET, true, 5003));
  t.match(
    b.of('cleartext-credentials').map((f) => f.key),
    ['ldap 389', 'snmp'],
  );

  const connect = (flags: number): number[] => [
    0x10,
    40,
    0,
    4,
    ...wire.ascii('MQTT'),
    4,
    flags,
    0,
    60,
    ...wire.ascii(SECRET),
  ];
  b.take(...talk(pump, admin, 1883, [{ from: 'client', data: connect(0x02) }]));
  t.equal(b.of('cleartext-credentials').length, 2);
  b.take(...talk(pump, admin, 1883, [{ from: 'client', data: connect(0xc2) }]));
  t.match(b.of('cleartext-credentials')[2], { mac: admin.mac, key: 'mqtt 1883' });
  clean(t, b);
  t.end();
});

/** A frame of SMB1 in its NetBIOS frame. */
const smb1 = (command: number, flags: number, multiplex: number, words: number[]): number[] => {
  const body = [
    0xff,
    0x53,
    0x4d,
    0x42,
    command,
    0,
    0,
    0,
    0,
    flags,
    ...zeros(20),
    ...u16le(multiplex),
    words.length / 2,
    ...words,
    0,
    0,
  ];
  return [0, 0, body.length >> 8, body.length & 255, ...body];
};
/** MS-CIFS 2.2.4.46.1: setup count and the subcommand stand last. */
const trans2 = (subcommand: number): number[] => [...zeros(26), 1, 0, ...u16le(subcommand)];
/** MS-CIFS 2.2.4.62.1. */
const ntTrans = (total: number): number[] => [
  0,
  0,
  0,
  ...u32le(30),
  ...u32le(total),
  ...zeros(24),
  0,
  ...u16le(0),
  0,
];

void t.test('EternalBlue: what only exploits send, and the answer of the implant', (t) => {
  const b = bench();
  b.take(
    ...talk(admin, pump, 445, [
      { from: 'client', data: smb1(0x32, 0x18, 64, trans2(0x0001)) },
      { from: 'client', data: smb1(0xa0, 0x18, 64, ntTrans(4000).slice(0, 38)) },
    ]),
  );
  t.same(b.of('exploit-smb'), [], 'FIND_FIRST2 and a small NT Trans are ordinary');
  b.take(...talk(admin, pump, 445, [{ from: 'client', data: smb1(0x32, 0x18, 65, trans2(0x000e)) }]));
  t.match(b.of('exploit-smb'), [
    { mac: admin.mac, key: 'sends', severity: 'critical' },
    { mac: pump.mac, key: 'attacked' },
  ]);
  const c = bench();
  c.take(
    ...talk(admin, pump, 445, [{ from: 'client', data: smb1(0xa0, 0x18, 64, ntTrans(66_512).slice(0, 38)) }]),
  );
  t.equal(c.of('exploit-smb').length, 2);
  c.take(
    ...talk(admin, pump, 445, [
      { from: 'client', data: smb1(0x72, 0x18, 1, []) },
      { from: 'server', data: smb1(0x32, 0x98, 0x51, []) },
    ]),
  );
  t.match(c.of('exploit-smb')[2], { mac: pump.mac, key: 'implanted' });
  t.end();
});

void t.test('PrintNightmare: the call, after a bind to the print interface', (t) => {
  const rprn = Buffer.from('785634123412cdabef000123456789ab', 'hex');
  const other = Buffer.from('c84f324b7016d30112785a47bf6ee188', 'hex');
  const bind = (uuid: Buffer): number[] => [
    5,
    0,
    11,
    3,
    0x10,
    0,
    0,
    0,
    72,
    0,
    0,
    0,
    1,
    0,
    0,
    0,
    ...zeros(16),
    ...uuid,
    ...zeros(24),
  ];
  const call = (opnum: number): number[] => [
    5,
    0,
    0,
    3,
    0x10,
    0,
    0,
    0,
    40,
    0,
    0,
    0,
    2,
    0,
    0,
    0,
    ...zeros(6),
    ...u16le(opnum),
    ...zeros(16),
  ];
  const b = bench();
  b.take(
    ...talk(admin, pump, 49_670, [
      { from: 'client', data: bind(other) },
      { from: 'client', data: call(89) },
    ]),
    ...talk(admin, pump, 49_670, [
      { from: 'client', data: bind(rprn) },
      { from: 'client', data: call(1) },
    ]),
  );
  t.same(b.of('exploit-print'), [], 'another interface, another call');
  b.take(
    ...talk(admin, pump, 49_670, [
      { from: 'client', data: bind(rprn) },
      { from: 'client', data: call(89) },
    ]),
  );
  t.match(b.of('exploit-print'), [
    { mac: admin.mac, key: 'sends' },
    { mac: pump.mac, key: 'attacked' },
  ]);
  t.end();
});

void t.test('patient data in clear beyond the enclave: flagged, never kept', (t) => {
  const message = wire.mllp(
    'MSH|^~\\&|ADT|WARD|HIS|CLINIC|20260101||ADT^A01|1|P|2.5',
    `PID|||123||${PATIENT}||19400101|F`,
  );
  const turns = [
    { from: 'client' as const, data: message },
    {
      from: 'server' as const,
      data: wire.mllp('MSH|^~\\&|HIS|CLINIC|ADT|WARD|20260101||ACK|2|P|2.5', 'MSA|AA|1'),
    },
  ];
  const b = bench();
  b.take(...talk(pump, admin, 2575, turns));
  b.pass(20_000);
  t.same(b.of('phi-in-clear'), [], 'inside the enclave it is how these protocols are');
  b.take(...talk(pump, { ...behind('172.20.1.5') }, 2575, turns).map((frame) => routed(frame)));
  b.pass(20_000);
  t.match(b.of('phi-in-clear'), [{ mac: pump.mac, severity: 'medium', key: 'hl7 172.20.1.5' }]);
  b.take(...talk(pump, behind('203.0.113.9'), 6661, turns));
  b.pass(20_000);
  t.match(b.of('phi-in-clear')[1], { severity: 'high', key: 'hl7 203.0.113.0/24' });
  clean(t, b);
  const own = bench();
  own.sensor.hosts.setOwn(new Set([0x001b00000000 + 77]));
  own.take(...talk(station(77), pump, 2575, turns), ...talk(pump, station(77), 2575, turns));
  own.pass(20_000);
  t.same(own.kinds(), [], 'with the gateway itself it is the reason for the gateway');
  t.end();
});

void t.test('patients over HTTP: FHIR and DICOMweb beyond the enclave, whatever names them', (t) => {
  const far = behind('203.0.113.9');
  const name = 'MARSHWIGGLE';
  const study = '/dicom-web/studies/1.2.840.113619.2.55.3';
  const post = (target: string, type: string, body: string): string =>
    `POST ${target} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const get = (target: string, accept = '*/*'): string =>
    `GET ${target} HTTP/1.1\r\nHost: x\r\nAccept: ${accept}\r\n\r\n`;
  const patient = `{"resourceType":"Patient","name":[{"family":"${name}","given":["OPHELIA"]}]}`;
  const answer = (type: string, body: string): string =>
    `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const cases: readonly (readonly [what: 'fhir' | 'dicomweb', request: string, response?: string])[] = [
    ['fhir', get(`/fhir/Patient?family=${name}&given=OPHELIA`, 'application/fhir+json')],
    ['fhir', get(`/fhir/r4/Observation?patient=${name}`)],
    ['fhir', post('/', 'application/fhir+json; charset=utf-8', patient)],
    ['fhir', post('/base', 'application/fhir+xml', `<Bundle><family value="${name}"/></Bundle>`)],
    ['fhir', get(`/r4/${name}`), answer('application/fhir+json', patient)],
    ['dicomweb', get(`${study}/metadata`, 'application/dicom+json')],
    ['dicomweb', get(`/pacs/studies?PatientName=OPHELIA^${name}&limit=5`)],
    ['dicomweb', get(`/qido/studies?00100010=${name}`)],
    ['dicomweb', get(`/wado?requestType=WADO&studyUID=1.2.3&objectUID=1.2.3.4`)],
    ['dicomweb', post('/studies', `multipart/related; type="application/dicom"; boundary=${name}`, name)],
    [
      'dicomweb',
      get('/dicom-web/studies'),
      answer(
        'application/dicom+json',
        `[{"00100010":{"vr":"PN","Value":[{"Alphabetic":"${name}^OPHELIA"}]}}]`,
      ),
    ],
  ];
  for (const [what, request, response] of cases) {
    const b = bench();
    const turns = (to: typeof far): Uint8Array[] =>
      talk(pump, to, 8080, [
        { from: 'client', data: said(request) },
        { from: 'server', data: said(response ?? answer('text/plain', 'ok')) },
      ]);
    b.take(...turns(admin));
    b.pass(20_000);
    t.same(b.of('phi-in-clear'), [], `${what} inside the enclave`);
    b.take(...turns(far));
    b.pass(20_000);
    t.match(
      b.of('phi-in-clear'),
      [{ mac: pump.mac, severity: 'high', key: `${what} 203.0.113.0/24` }],
      request.split(' HTTP', 1)[0] ?? '',
    );
    clean(t, b);
  }

  const later = bench();
  later.take(
    ...talk(pump, far, 8080, [
      { from: 'client', data: said(get('/')) },
      { from: 'server', data: said(answer('text/html', '<p>Welcome')) },
      { from: 'client', data: said(get(`/fhir/Patient/${name}`)) },
      { from: 'server', data: said(answer('text/plain', '')) },
    ]),
  );
  later.pass(20_000);
  t.match(later.of('phi-in-clear'), [{ key: 'fhir 203.0.113.0/24' }], 'the second request of a connection');
  clean(t, later);

  const harmless: readonly (readonly [request: string, response?: string])[] = [
    [
      get('/fhir/metadata', 'application/fhir+json'),
      answer('application/fhir+json', '{"resourceType":"CapabilityStatement"}'),
    ],
    ['OPTIONS /dicom-web/studies/1.2.840.1.2 HTTP/1.1\r\nHost: x\r\n\r\n'],
    [get('/university/studies?StudyProgram=medicine')],
    [get('/hospital/Patient/parking')],
    [get('/studies/2026')],
    [post('/', 'application/json', '{"resourceType":"Patient-friendly furniture"}')],
  ];
  for (const [request, response] of harmless) {
    const b = bench();
    b.take(
      ...talk(pump, far, 8080, [
        { from: 'client', data: said(request) },
        { from: 'server', data: said(response ?? answer('text/html', '<p>Patient')) },
      ]),
    );
    b.pass(20_000);
    t.same(b.of('phi-in-clear'), [], request.split(' HTTP', 1)[0] ?? '');
  }
  t.end();
});

/** As if it came through a router: the hop limit of frames from behind it is one less. */
function routed(frame: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(frame);
  const fromRouter = copy[11] === 0xfe;
  if (fromRouter) copy[22] = 63;
  return copy;
}
