/** The decoders of announcements given noise and mutated samples: a result each time, never a throw. */
import fc from 'fast-check';
import t from 'tap';
import { decodeBacnet } from '../../src/protocol/bacnet/message.ts';
import { decodeBcc } from '../../src/protocol/bcc/message.ts';
import { decodeCdp } from '../../src/protocol/cdp/message.ts';
import { decodeDhcp } from '../../src/protocol/dhcp/message.ts';
import { EquipmentReader } from '../../src/protocol/dicom/equipment.ts';
import { decodeDiscovery } from '../../src/protocol/discovery/message.ts';
import { decodeDns, netbiosName } from '../../src/protocol/dns/message.ts';
import { decodeHttp } from '../../src/protocol/http/message.ts';
import { decodeIntelliVue } from '../../src/protocol/intellivue/message.ts';
import { decodeLldp } from '../../src/protocol/lldp/message.ts';
import { decodeAnnouncement } from '../../src/protocol/netbios/message.ts';
import { decodeSnmp } from '../../src/protocol/snmp/message.ts';
import { decodeSsh } from '../../src/protocol/ssh/message.ts';
import { decodeTls } from '../../src/protocol/tls/message.ts';
import { decodeUnity } from '../../src/protocol/unity/message.ts';

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
