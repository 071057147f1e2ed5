/** The decoders of announcements given noise and mutated samples: a result each time, never a throw. */
import fc from 'fast-check';
import t from 'tap';
import { decodeAstm, recognizeAstm } from '../../src/protocol/astm/message.ts';
import { decodeBacnet } from '../../src/protocol/bacnet/message.ts';
import { decodeBcc } from '../../src/protocol/bcc/message.ts';
import { decodeCdp } from '../../src/protocol/cdp/message.ts';
import { decodeDhcp } from '../../src/protocol/dhcp/message.ts';
import { decodeDhcpv6 } from '../../src/protocol/dhcpv6/message.ts';
import { EquipmentReader } from '../../src/protocol/dicom/equipment.ts';
import { decodeDescription } from '../../src/protocol/discovery/description.ts';
import { decodeDiscovery } from '../../src/protocol/discovery/message.ts';
import { decodeDns, netbiosName } from '../../src/protocol/dns/message.ts';
import { decodeFtp, recognizeFtp } from '../../src/protocol/ftp/message.ts';
import { decodeHttp } from '../../src/protocol/http/message.ts';
import { decodeIntelliVue } from '../../src/protocol/intellivue/message.ts';
import { dechunk, decodeIpp, deviceId } from '../../src/protocol/ipp/message.ts';
import { decodeLldp } from '../../src/protocol/lldp/message.ts';
import { decodeModbus, recognizeModbus } from '../../src/protocol/modbus/message.ts';
import { decodeAnnouncement } from '../../src/protocol/netbios/message.ts';
import { decodeNtlm } from '../../src/protocol/ntlmssp/message.ts';
import { decodeNtp } from '../../src/protocol/ntp/message.ts';
import { decodePjl, recognizePjl } from '../../src/protocol/pjl/message.ts';
import { decodePoct1a, recognizePoct1a } from '../../src/protocol/poct1a/message.ts';
import { decodeRdp, recognizeRdp } from '../../src/protocol/rdp/message.ts';
import { decodeSmb, recognizeSmb } from '../../src/protocol/smb/message.ts';
import { decodeSnmp } from '../../src/protocol/snmp/message.ts';
import { decodeKeyExchange, decodeSsh, recognizeSsh } from '../../src/protocol/ssh/message.ts';
import { synShape, synText } from '../../src/protocol/tcp/message.ts';
import { decodeTelnet, recognizeTelnet } from '../../src/protocol/telnet/message.ts';
import { ja4 } from '../../src/protocol/tls/ja4.ts';
import { decodeTls, recognizeTls } from '../../src/protocol/tls/message.ts';
import { decodeUnity } from '../../src/protocol/unity/message.ts';
import { decodeVnc, recognizeVnc } from '../../src/protocol/vnc/message.ts';
import { decodeCertificate } from '../../src/protocol/x509/message.ts';
import * as sample from './samples.ts';

const decoders: readonly ((bytes: Uint8Array) => { readonly kind: string })[] = [
  decodeBacnet,
  decodeBcc,
  decodeCdp,
  decodeDhcp,
  decodeDiscovery,
  decodeDns,
  (bytes) => decodeHttp(bytes, true),
  decodeIntelliVue,
  decodeLldp,
  decodeAnnouncement,
  decodeSnmp,
  decodeSsh,
  decodeTls,
  (bytes) => decodeUnity(bytes, bytes.subarray(6, 10)),
  (bytes) => decodeUnity(bytes, bytes.subarray(4, 8)),
  decodeAstm,
  decodeCertificate,
  decodeDhcpv6,
  decodeFtp,
  decodeIpp,
  (bytes) => decodeKeyExchange(bytes, 0),
  (bytes) => decodeModbus(bytes, 0),
  decodeNtlm,
  decodeNtp,
  decodePjl,
  decodePoct1a,
  decodeRdp,
  decodeSmb,
  decodeTelnet,
  decodeVnc,
  (bytes) => {
    decodeDescription(Buffer.from(bytes).toString('latin1'));
    deviceId(Buffer.from(bytes).toString('latin1'));
    dechunk(bytes);
    const shape = synShape(bytes, 0, 20, false);
    if (shape !== undefined) synText(shape);
    return { kind: 'message' };
  },
  (bytes) => {
    const decoded = decodeTls(bytes);
    if (decoded.kind === 'message' && decoded.message.hello !== undefined) ja4(decoded.message.hello);
    return decoded;
  },
];

const recognizers: readonly ((bytes: Uint8Array) => string)[] = [
  recognizeAstm,
  recognizeFtp,
  recognizeModbus,
  recognizePjl,
  recognizePoct1a,
  recognizeRdp,
  recognizeSmb,
  recognizeSsh,
  recognizeTelnet,
  recognizeTls,
  recognizeVnc,
];

/** Beginnings that pass the first check of a decoder. */
const starts: readonly (readonly number[])[] = [
  [],
  [0x81, 0x0a],
  [0x81, 0x0b, 0, 24, 1, 0, 0x10, 0, 0xc4],
  [1, 0x30, 0x30, 0x30, 0x33, 0x31, 2],
  [0, 0, 1, 0, 0, 1, 0, 40],
  [0xe1, 0, 0, 2, 0, 1, 0, 40],
  [0x0d, 0xec, 5, 8, 0x13, 1, 0],
  [0x30, 0x82, 0, 40, 2, 1, 1, 4, 0, 0xa2],
  [0x16, 3, 1, 0, 90, 1],
  [0x11, 2],
  [0, 0, 0x84, 0, 0, 2, 0, 2, 0, 0, 0, 0],
  [...Buffer.from('SSH-2.0-')],
  [...Buffer.from('HTTP/1.1 200 OK\r\n')],
  [...Buffer.from('<s:Envelope>/Hello</')],
  [...Buffer.from('<HEL.R01><DEV.model_id V="')],
  [...Buffer.from('220 ftp')],
  [...Buffer.from('@PJL INFO ID\r\n')],
  [...Buffer.from('RFB 003.008\n')],
  [5, 2, 0x31, ...Buffer.from('H|\\^&|||')],
  [0xff, 0xfd, 1],
  [0x23, 0, 6, 0x30],
  [1, 0, 0, 1, 0, 1, 0, 40],
  [3, 0, 0, 0x13, 0x0e, 0xe0, 0, 0, 0, 0, 0],
];

/** Whole first messages, to be damaged. */
const hello = sample.clientHello({
  ciphers: [0x1301, 0x0a0a],
  extensions: [
    sample.serverName('a.example'),
    [16, [0, 3, 2, 0x68, 0x32]],
    [43, [2, 3, 4]],
    [13, [0, 2, 4, 3]],
  ],
});
const certificate = sample.certificate({ commonName: 'a', organization: 'b', names: ['c'] });
const samples: readonly (readonly number[])[] = [
  sample.record(hello),
  sample.record([...sample.serverHello(), ...sample.certificateMessage(certificate)]),
  certificate,
  sample.sshLists(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', '', '']),
  [...sample.smb2Negotiated(0x311), ...sample.smb2Setup(true, sample.ntlmChallenge(1, { 1: 'A', 2: 'B' }))],
  sample.smb1Setup(false, ['a', 'b', 'c', 'd']),
  sample.ntlmChallenge(1, { 1: 'A', 3: 'B' }),
  sample.ntlmAuthenticate('A', 'B'),
  sample.x224(0xe0, [...sample.ascii('Cookie: mstshash=a\r\n'), ...sample.rdpNegotiation(1, 3)]),
  sample.modbusIdentity(1, ['a', 'b', 'c']),
  sample.ipp([[4, { 'printer-make-and-model': 'A' }]]),
  sample.dhcpv6(1, [
    [1, [0, 2, 0, 0, 1, 2, 9]],
    [6, [0, 23, 0, 24]],
    [39, [0, 1, 65, 0]],
  ]),
  sample.intelliVuePoll(0x21, [sample.modelAttribute('A', 'B'), sample.bedAttribute('C')], true),
  sample.rwhat([10, 0, 0, 1], 'ICU|BED1', 'x'),
];

void t.test('any bytes after any beginning', (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...starts), fc.uint8Array({ maxLength: 300 }), (start, rest) => {
      const bytes = Uint8Array.from([...start, ...rest]);
      return decoders.every((decode) => /^(message|malformed)$/.test(decode(bytes).kind));
    }),
    { numRuns: 2000 },
  );
  t.pass('held');
  t.end();
});

void t.test('whole messages, damaged and cut', (t) => {
  fc.assert(
    fc.property(
      fc.constantFrom(...samples),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
      fc.option(fc.nat()),
      (whole, changes, cut) => {
        const bytes = Uint8Array.from(cut === null ? whole : whole.slice(0, cut % (whole.length + 1)));
        for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
        return (
          decoders.every((decode) => /^(message|malformed)$/.test(decode(bytes).kind)) &&
          recognizers.every((recognize) => /^(yes|no|more)$/.test(recognize(bytes)))
        );
      },
    ),
    { numRuns: 2000 },
  );
  t.pass('held');
  t.end();
});

void t.test('names that point at themselves, forwards or in a ring end', (t) => {
  const header = [0, 0, 0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0];
  for (const name of [[0xc0, 12], [0xc0, 14, 0xc0, 12], [1, 65, 0xc0, 12], [0xff, 0xff], [63]])
    t.equal(decodeDns(Uint8Array.from([...header, ...name, 0, 1, 0, 1])).kind, 'malformed', String(name));
  t.same(netbiosName(`${'EC'.repeat(3)}${'CA'.repeat(12)}AA`), { name: 'BBB', suffix: 0 });
  t.equal(netbiosName('short'), undefined);
  t.end();
});

const element = (group: number, number: number, vr: string, value: string): number[] => [
  group & 255,
  group >> 8,
  number & 255,
  number >> 8,
  ...Buffer.from(vr),
  value.length,
  0,
  ...Buffer.from(value),
];

void t.test('a data set: equipment outside of sequences, nothing of a patient, however it is cut', (t) => {
  const sequence = [8, 0, 0x40, 0x11, ...Buffer.from('SQ'), 0, 0, 0xff, 0xff, 0xff, 0xff];
  const item = [0xfe, 0xff, 0x00, 0xe0, 0xff, 0xff, 0xff, 0xff];
  const ends = [0xfe, 0xff, 0x0d, 0xe0, 0, 0, 0, 0, 0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0];
  const bytes = Uint8Array.from([
    ...element(8, 0x0070, 'LO', 'MAKER '),
    ...sequence,
    ...item,
    ...element(8, 0x1090, 'LO', 'PLANTED1'),
    ...ends,
    ...element(8, 0x1090, 'LO', 'MODEL1'),
    ...element(0x10, 0x0010, 'PN', 'PLANTED^PATIENT '),
    ...element(0x18, 0x1020, 'LO', '1.2 '),
    ...element(0x20, 0x0010, 'SH', 'PLANTED2'),
  ]);
  for (const size of [1, 5, bytes.length]) {
    const found: string[] = [];
    const reader = new EquipmentReader(true, true, (name, value) => found.push(`${name}=${value}`));
    for (let i = 0; i < bytes.length; i += size) reader.push(bytes.subarray(i, i + size));
    t.same(found, ['manufacturer=MAKER', 'model=MODEL1', 'software=1.2']);
    t.ok(reader.done);
  }
  fc.assert(
    fc.property(fc.boolean(), fc.boolean(), fc.uint8Array({ maxLength: 400 }), (explicit, little, noise) => {
      const values: string[] = [];
      new EquipmentReader(explicit, little, (_, value) => values.push(value)).push(noise);
      return values.every((value) => value.length <= 128);
    }),
    { numRuns: 500 },
  );
  t.end();
});
