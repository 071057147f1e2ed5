/**
 * EtherNet/IP's List Identity, PROFINET's DCP and Siemens S7: against tshark on the shared corpus and on frames made here, damaged
 * ones, and what the sensor makes of them.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { addon } from '../../src/platform/addon.ts';
import { decodeEnip, recognizeEnip } from '../../src/protocol/enip/message.ts';
import { decodeS7, recognizeS7 } from '../../src/protocol/s7/message.ts';
import { decodeProfinet } from '../../src/protocol/profinet/message.ts';
import { Sensor } from '../../src/sensor/sensor.ts';
import { linkType } from '../../src/sensor/constants.ts';
import { corpusFile, packetsOf } from '../sensor/corpus-files.ts';
import * as wire from '../sensor/wire-builder.ts';
import { fieldsOf, shared } from './capture.ts';
import { ascii, u16 } from './samples.ts';

const le16 = (n: number): number[] => [n & 255, (n >> 8) & 255];
const le32 = (n: number): number[] => [...le16(n & 0xffff), ...le16(n >>> 16)];

interface Identity {
  readonly vendor: number;
  readonly type: number;
  readonly serial?: number;
  readonly name: string;
}

function listIdentity({ vendor, type, serial = 0xc0ffee01, name }: Identity, context = 0): number[] {
  const item = [
    ...le16(1),
    ...u16(2),
    ...u16(44_818),
    10,
    1,
    0,
    1,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    ...le16(vendor),
    ...le16(type),
    ...le16(55),
    20,
    11,
    ...le16(0x60),
    ...le32(serial),
    name.length,
    ...ascii(name),
    3,
  ];
  const data = [...le16(1), ...le16(0x0c), ...le16(item.length), ...item];
  const head = [
    ...le16(0x63),
    ...le16(data.length),
    ...le32(0),
    ...le32(0),
    ...le32(context),
    ...le32(0),
    ...le32(0),
  ];
  return [...head, ...data];
}

const block = (option: number, value: readonly number[]): number[] => [
  ...u16(option),
  ...u16(value.length + 2),
  0,
  0,
  ...value,
  ...(value.length % 2 === 0 ? [] : [0]),
];
const dcp = (id: number, service: number, type: number, blocks: readonly number[]): number[] => [
  ...u16(id),
  service,
  type,
  0,
  0,
  0,
  9,
  0,
  0,
  ...u16(blocks.length),
  ...blocks,
];
const station = [
  ...block(0x0201, ascii('S7-1500')),
  ...block(0x0202, ascii('line-2-plc')),
  ...block(0x0203, [0x00, 0x2a, 0x01, 0x0d]),
  ...block(0x0204, [2, 0]),
  ...block(0x0102, [10, 1, 0, 1, 255, 255, 255, 0, 10, 1, 0, 254]),
];

const A = { mac: '00:1b:00:00:00:01', ip: '10.1.0.1' };
const B = { mac: '00:1b:00:00:00:02', ip: '10.1.0.2' };
const profinet = (from: string, payload: readonly number[], vlan?: number): Uint8Array =>
  wire.ethernet(from, '00:1b:00:00:00:77', 0x8892, [...payload], vlan === undefined ? {} : { vlans: [vlan] });

function known(frames: readonly Uint8Array[]): {
  words: string[];
  attributes: Record<string, unknown>;
  sensor: Sensor;
} {
  const sensor = new Sensor({ stage: addon().openStage({}), vendorOf: () => undefined });
  for (const [i, frame] of frames.entries()) sensor.take(linkType.ETHERNET, frame, frame.length, i);
  const host = [...sensor.hosts.all()].find(({ macText }) => macText === A.mac);
  return {
    words: (host?.evidenceRows() ?? []).map((e) => `${e.protocol} ${e.field}=${e.value}`),
    attributes: Object.fromEntries(
      Object.entries(host?.identity().attributes ?? {}).map(([name, { value }]) => [name, value]),
    ),
    sensor,
  };
}

void t.test(
  'List Identity of the corpus: as tshark reads it, and what the sensor says of the device',
  (t) => {
    const name = 'ITI__ICS-Security-Tools/EIP-IPAddressChangeAttempt.pcap';
    const fields = ['vendor', 'devtype', 'prodcode', 'revision', 'serial', 'name'].map(
      (f) => `enip.lir.${f}`,
    );
    const wanted = new Set(
      fieldsOf(shared(`corpus/${name}`), 'udp && enip.lir.name', ['ip.src', ...fields]).map((row) =>
        row.map((value) => (value.startsWith('0x') ? String(Number(value)) : value)).join('|'),
      ),
    );
    const found = new Set<string>();
    const sensor = new Sensor({ stage: addon().openStage({}), vendorOf: () => undefined });
    for (const { link, bytes, wireLength, at } of packetsOf(corpusFile(name))) {
      sensor.take(link, bytes, wireLength, at);
      if (bytes[12] !== 8 || bytes[23] !== 17 || bytes[42] !== 0x63) continue;
      const decoded = decodeEnip(bytes.subarray(42));
      const identity = decoded.kind === 'message' ? decoded.message.identity : undefined;
      if (identity === undefined) continue;
      const { vendorId, deviceType, productCode, revision, serial, product } = identity;
      found.add(
        [
          bytes.subarray(26, 30).join('.'),
          vendorId,
          deviceType,
          productCode,
          // Two bytes that tshark takes for one number.
          revision.split('.').reduce((high, low) => high * 256 + Number(low), 0),
          Number(`0x${serial}`),
          product,
        ].join('|'),
      );
    }
    t.ok(wanted.size > 0, [...wanted].join());
    t.same([...found].sort(), [...wanted].sort());
    const host = [...sensor.hosts.all()].find((each) => each.addressTexts().includes('192.168.10.120'));
    t.match(host?.identity().attributes, {
      vendor: { value: 'Rockwell Automation' },
      model: { value: '1756-ENBT/A' },
      class: { value: 'industrial device' },
    });
    t.notOk(host?.identity().medical);
    const plc = [...sensor.hosts.all()].find((each) => each.addressTexts().includes('192.168.10.125'));
    const services = plc
      ?.serviceRows()
      .map(({ transport, port, protocol }) => `${transport}/${port} ${protocol}`);
    t.ok(services?.includes('tcp/44818 enip'), services?.join() ?? '');
    t.end();
  },
);

void t.test('frames made here say the same to tshark', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'anteroom-plant-'));
  const file = join(folder, 'made.pcap');
  const answer = listIdentity({ vendor: 678, type: 43, name: 'Line Reader' });
  writeFileSync(
    file,
    wire.pcapFile([
      wire.ethernet(A.mac, B.mac, 0x800, wire.ipv4(A.ip, B.ip, 17, wire.udp(44_818, 50_000, answer))),
      profinet(A.mac, dcp(0xfeff, 5, 1, station)),
    ]),
  );
  t.same(fieldsOf(file, 'enip', ['enip.lir.name', 'enip.lir.vendor', 'enip.lir.serial']), [
    ['Line Reader', '0x02a6', '0xc0ffee01'],
  ]);
  const prefix = 'pn_dcp.suboption_';
  t.same(
    fieldsOf(file, 'pn_dcp', [
      `${prefix}device_devicevendorvalue`,
      `${prefix}device_nameofstation`,
      `${prefix}vendor_id`,
    ]).map((row) => row.slice(0, 2)),
    [['S7-1500', 'line-2-plc']],
  );
  rmSync(folder, { recursive: true });
  t.end();
});

void t.test('a station answers over PROFINET: who it is; requests and cyclic data say nothing', (t) => {
  const hello = wire.ethernet(A.mac, 'ff:ff:ff:ff:ff:ff', 0x806, wire.arp(1, A.mac, A.ip, B.ip));
  for (const frame of [
    profinet(A.mac, dcp(0xfeff, 5, 1, station)),
    profinet(A.mac, dcp(0xfeff, 5, 1, station), 7),
    profinet(A.mac, dcp(0xfefd, 3, 1, station)),
    profinet(A.mac, dcp(0xfefc, 6, 0, station)),
  ]) {
    const { words, attributes } = known([hello, frame]);
    t.same(
      words.filter((word) => word.startsWith('profinet')),
      [
        'profinet stationType=S7-1500',
        'profinet stationName=line-2-plc',
        'profinet vendorId=42',
        'profinet deviceId=269',
        'profinet role=controller',
      ],
    );
    t.match(attributes, { vendor: 'Siemens', model: 'S7-1500', class: 'industrial controller' });
  }
  for (const frame of [
    profinet(A.mac, dcp(0xfefe, 5, 0, block(0xffff, []))),
    profinet(A.mac, dcp(0xfefd, 4, 0, station)),
    profinet(A.mac, [0x80, 0x00, ...station]),
  ])
    t.same(
      known([hello, frame]).words.filter((word) => word.startsWith('profinet')),
      [],
    );
  const cut = known([hello, profinet(A.mac, dcp(0xfeff, 5, 1, [2, 2, 0, 200]))]);
  t.ok(cut.sensor.weirds.has('profinet_block'));
  t.end();
});

void t.test('EtherNet/IP over TCP, and answers to whom asks the link', (t) => {
  const panel = listIdentity({ vendor: 1, type: 24, name: 'PanelView Plus', serial: 0 });
  const udp = known([
    wire.ethernet(A.mac, B.mac, 0x800, wire.ipv4(A.ip, B.ip, 17, wire.udp(44_818, 3000, panel))),
  ]);
  t.match(udp.attributes, {
    vendor: 'Rockwell Automation',
    model: 'PanelView Plus',
    class: 'operator panel',
    software: '20.011',
  });
  t.equal(udp.attributes['serial'], undefined, 'zeros are none');
  const ask = listIdentity({ vendor: 1, type: 1, name: 'x' }).slice(0, 24);
  ask.splice(2, 2, 0, 0);
  const register = [...le16(0x65), ...le16(4), ...Array.from({ length: 20 }, () => 0), 1, 0, 0, 0];
  const tcp = known(
    wire.exchange(
      B,
      A,
      [40_000, 44_818],
      [
        { from: 'client', data: register },
        { from: 'server', data: register },
        { from: 'client', data: ask },
        { from: 'server', data: listIdentity({ vendor: 47, type: 14, name: 'NX102' }) },
      ],
    ),
  );
  t.match(tcp.attributes, {
    vendor: 'Omron',
    model: 'NX102',
    class: 'industrial controller',
    serial: 'c0ffee01',
  });
  // A gauge in a laboratory says so and is no medical device.
  t.notOk([...tcp.sensor.hosts.all()].some((host) => host.identity().medical));
  t.end();
});

const tpkt = (body: readonly number[]): number[] => [3, 0, ...u16(body.length + 4), ...body];
const connect = (type: number): number[] =>
  tpkt([17, type, 0, 0, 0, 1, 0, 0xc0, 1, 10, 0xc1, 2, 1, 0, 0xc2, 2, 1, 2]);
const s7 = (kind: number, parameters: readonly number[], data: readonly number[]): number[] =>
  tpkt([
    2,
    0xf0,
    0x80,
    0x32,
    kind,
    0,
    0,
    0,
    5,
    ...u16(parameters.length),
    ...u16(data.length),
    ...parameters,
    ...data,
  ]);
const padded = (text: string, length: number): number[] => ascii(text.padEnd(length, ' '));
function szl(list: number, size: number, entries: readonly (readonly number[])[]): number[] {
  const rows = [...u16(list), 0, 0, ...u16(size), ...u16(entries.length), ...entries.flat()];
  return s7(7, [0, 1, 0x12, 8, 0x12, 0x84, 1, 1, 0, 0, 0, 0], [0xff, 9, ...u16(rows.length), ...rows]);
}
const read = s7(7, [0, 1, 0x12, 4, 0x11, 0x44, 1, 0], [0xff, 9, 0, 4, 0, 0x11, 0, 0]);
const orders = szl(0x11, 28, [
  [...u16(1), ...padded('6ES7 315-2EH14-0AB0 ', 20), 0, 0xc0, 0, 4, 0, 1],
  [...u16(7), ...padded('', 20), 0, 0xc0, 0x56, 3, 2, 6],
]);
const names = szl(0x1c, 34, [
  [...u16(1), ...padded('SIMATIC 300(1)', 32)],
  [...u16(2), ...padded('CPU 315-2 PN/DP', 32)],
  [...u16(5), ...padded('S C-X4U421302009', 32)],
  [...u16(7), ...padded('CPU 315-2 PN/DP', 32)],
]);

void t.test('Siemens S7: who a controller is, when it is asked, as tshark reads it too', (t) => {
  const turns = [
    { from: 'client' as const, data: connect(0xe0) },
    { from: 'server' as const, data: connect(0xd0) },
    { from: 'client' as const, data: s7(1, [0xf0, 0, 0, 1, 0, 1, 1, 0xe0], []) },
    {
      from: 'server' as const,
      data: [...tpkt([2, 0xf0, 0x80, 0x32, 3, 0, 0, 0, 5, 0, 8, 0, 0, 0, 0, 0xf0, 0, 0, 1, 0, 1, 0, 240])],
    },
    { from: 'client' as const, data: read },
    { from: 'server' as const, data: orders },
    { from: 'client' as const, data: read },
    { from: 'server' as const, data: names },
  ];
  const frames = wire.exchange(B, A, [40_000, 102], turns);
  const { words, attributes, sensor } = known(frames);
  t.same(
    words.filter((word) => word.startsWith('s7')),
    [
      's7 order=6ES7 315-2EH14-0AB0',
      's7 firmware=3.2.6',
      's7 station=SIMATIC 300(1)',
      's7 module=CPU 315-2 PN/DP',
      's7 serial=S C-X4U421302009',
      's7 moduleType=CPU 315-2 PN/DP',
    ],
  );
  t.match(attributes, {
    vendor: 'Siemens',
    model: 'CPU 315-2 PN/DP',
    class: 'industrial controller',
    software: '3.2.6',
    serial: 'S C-X4U421302009',
  });
  const services = [...sensor.hosts.all()].flatMap((host) => host.serviceRows());
  t.match(services, [{ port: 102, protocol: 's7' }]);
  const folder = mkdtempSync(join(tmpdir(), 'anteroom-plant-'));
  const file = join(folder, 'made.pcap');
  writeFileSync(file, wire.pcapFile(frames));
  const fields = ['0001.name', '0005.serialn', '0007.cputypname'].map((f) => `s7comm.szl.001c.${f}`);
  t.same(
    fieldsOf(file, 's7comm.szl.001c.0005.serialn', fields).map((row) => row.map((cell) => cell.trim())),
    [['SIMATIC 300(1)', 'S C-X4U421302009', 'CPU 315-2 PN/DP']],
  );
  rmSync(folder, { recursive: true });

  for (const bytes of [
    connect(0xe0).toSpliced(11, 1, 1),
    tpkt([2, 0xf0, 0x80, 1, 0, 1, 0, 97, 0, 0, 0, 0]),
    [3, 0, 0, 3, ...connect(0xe0)],
  ])
    t.equal(recognizeS7(Uint8Array.from(bytes)), 'no');
  t.equal(recognizeS7(Uint8Array.from(connect(0xe0))), 'more', 'Remote Desktop and MMS begin like that');
  t.match(decodeS7(Uint8Array.from(orders).subarray(0, 40)), { name: 's7_truncated' });
  t.match(decodeS7(Uint8Array.from(ascii('\u0003no such thing as this'))), { name: 's7_unit' });
  fc.assert(
    fc.property(
      fc.nat({ max: 200 }),
      fc.integer({ min: 0, max: 255 }),
      fc.nat({ max: 100 }),
      (at, byte, cut) => {
        for (const whole of [orders, names]) {
          const bent = Uint8Array.from(whole).subarray(0, whole.length - (cut % whole.length));
          bent[at % bent.length] = byte;
          decodeS7(bent);
          recognizeS7(bent);
        }
        return true;
      },
    ),
    { numRuns: 1000 },
  );
  t.end();
});

void t.test('damaged units: named, and no text is taken for one', (t) => {
  const whole = Uint8Array.from(listIdentity({ vendor: 1, type: 14, name: 'Controller' }));
  t.match(decodeEnip(whole.subarray(0, 40)), { name: 'enip_truncated' });
  const item = Uint8Array.from(whole);
  item[28] = 200;
  t.match(decodeEnip(item), { name: 'enip_item' });
  const named = Uint8Array.from(whole);
  named[30 + 32] = 200;
  t.match(decodeEnip(named), { name: 'enip_identity' });
  for (const text of ['connect to the other end of it', 'dial tone and a word', 'open sesame, please, now!'])
    t.equal(recognizeEnip(Uint8Array.from(ascii(text))), 'no', text);
  t.equal(recognizeEnip(Uint8Array.of(0x65, 0, 4)), 'more');
  t.match(decodeProfinet(Uint8Array.of(0xfe, 0xff, 5)), { name: 'profinet_truncated' });
  t.match(decodeProfinet(Uint8Array.from(dcp(0xfeff, 5, 1, station)).subarray(0, 30)), {
    name: 'profinet_length',
  });
  fc.assert(
    fc.property(
      fc.nat({ max: 200 }),
      fc.integer({ min: 0, max: 255 }),
      fc.nat({ max: 100 }),
      (at, byte, cut) => {
        for (const bytes of [whole, Uint8Array.from(dcp(0xfeff, 5, 1, station))]) {
          const bent = Uint8Array.from(bytes).subarray(0, bytes.length - (cut % bytes.length));
          bent[at % bent.length] = byte;
          decodeEnip(bent);
          decodeProfinet(bent);
          recognizeEnip(bent);
        }
        return true;
      },
    ),
    { numRuns: 2000 },
  );
  t.end();
});
