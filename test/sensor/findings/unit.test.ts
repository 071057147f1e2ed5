/** Rules see messages, however they were cut into segments: a byte at a time, several at once, out of order. */
import t from 'tap';
import { CARRIED, LOOKED, unitOf, Units } from '../../../src/sensor/findings/unit.ts';
import { FlowEnd } from '../../../src/sensor/flow.ts';
import type { Flow } from '../../../src/sensor/flow.ts';
import type { Reading } from '../../../src/sensor/identify.ts';
import { exploitRules } from '../../../src/sensor/findings/exploit.ts';
import { cleartextRules } from '../../../src/sensor/findings/cleartext.ts';
import * as wire from '../wire-builder.ts';
import { bench, said, station, talk } from '../behaviour-bench.ts';
import type { Bench } from '../behaviour-bench.ts';

const pump = station(10);
const admin = station(20);
const SECRET = 'Zaubergeheim77';

interface Turn {
  readonly from: 'client' | 'server';
  readonly data: readonly number[];
}
/** Each turn in pieces of `size` bytes. */
const cut = (turns: readonly Turn[], size: number): Turn[] =>
  turns.flatMap(({ from, data }) =>
    Array.from({ length: Math.ceil(data.length / size) }, (_, i) => ({
      from,
      data: data.slice(i * size, (i + 1) * size),
    })),
  );
const basic = `Authorization: Basic ${Buffer.from(`service:${SECRET}`).toString('base64')}`;
const u16le = (n: number): number[] => [n & 255, n >> 8];
const zeros = (n: number): number[] => Array.from({ length: n }, () => 0);
const tlv = (tag: number, body: readonly number[]): number[] => [tag, body.length, ...body];
const smb1 = (command: number, words: number[]): number[] => {
  const body = [
    0xff,
    0x53,
    0x4d,
    0x42,
    command,
    ...zeros(4),
    0x18,
    ...zeros(20),
    65,
    0,
    words.length / 2,
    ...words,
    0,
    0,
  ];
  return [0, 0, ...u16le(body.length).toReversed(), ...body];
};
const rprn = Buffer.from('785634123412cdabef000123456789ab', 'hex');
const rpc = (type: number, length: number, rest: readonly number[]): number[] => {
  const head = [5, 0, type, 3, 0x10, 0, 0, 0, ...u16le(length), 0, 0, 1, 0, 0, 0];
  return [...head, ...rest, ...zeros(length - head.length - rest.length)];
};

/** What is said, on which port, and the finding that must come of it: kind and key. */
const conversations: readonly (readonly [string, number, readonly Turn[], readonly string[]])[] = [
  [
    'FTP',
    21,
    [
      { from: 'server', data: said('220-device FTP server\r\n220 ready\r\n') },
      { from: 'client', data: said(`USER service\r\nPASS ${SECRET}\r\n`) },
    ],
    ['cleartext-credentials ftp 21'],
  ],
  [
    'HTTP, after a request with a body',
    8042,
    [
      {
        from: 'client',
        data: said(
          `POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\nGET ABCGET / HTTP/1.1\r\nHost: x\r\n${basic}\r\n\r\n`,
        ),
      },
    ],
    ['cleartext-credentials http 8042'],
  ],
  [
    'Telnet',
    23,
    [
      { from: 'server', data: [0xff, 0xfd, 0x18, 0xff, 0xfb, 0x01, ...said('\r\nlogin: ')] },
      { from: 'client', data: said('root\r\n') },
      { from: 'server', data: said('\r\nPassword: ') },
      { from: 'client', data: said(`${SECRET}\r\n`) },
    ],
    ['cleartext-credentials telnet 23'],
  ],
  [
    'LDAP',
    389,
    [
      {
        from: 'client',
        data: tlv(0x30, [
          ...tlv(2, [1]),
          ...tlv(0x60, [
            ...tlv(2, [3]),
            ...tlv(4, wire.ascii('cn=service')),
            ...tlv(0x80, wire.ascii(SECRET)),
          ]),
        ]),
      },
    ],
    ['cleartext-credentials ldap 389'],
  ],
  [
    'MQTT',
    1883,
    [
      {
        from: 'client',
        data: tlv(0x10, [0, 4, ...wire.ascii('MQTT'), 4, 0xc2, 0, 60, ...wire.ascii(SECRET)]),
      },
    ],
    ['cleartext-credentials mqtt 1883'],
  ],
  [
    'SMB: the second message of two',
    445,
    [{ from: 'client', data: [...smb1(0x72, []), ...smb1(0x32, [...zeros(26), 1, 0, ...u16le(0x0e)])] }],
    ['exploit-smb attacked', 'exploit-smb sends'],
  ],
  [
    'RPC: bind and call',
    49_670,
    [
      {
        from: 'client',
        data: [...rpc(11, 72, [...zeros(16), ...rprn]), ...rpc(0, 40, [...zeros(6), ...u16le(89)])],
      },
    ],
    ['exploit-print attacked', 'exploit-print sends'],
  ],
];

const told = (b: Bench): string[] =>
  b.sensor.behaviour
    .reports()
    .filter(({ kind }) => kind !== 'weak-protocol')
    .map(({ kind, key }) => `${kind} ${key}`)
    .toSorted();

void t.test('however it is cut', (t) => {
  for (const [name, port, turns, expected] of conversations)
    for (const size of [10_000, 1, 2, 3, 7, 40]) {
      const b = bench();
      b.take(...talk(admin, pump, port, cut(turns, size)));
      t.same(told(b), expected, `${name}, ${size} bytes at a time`);
      t.notOk(JSON.stringify(b.sensor.behaviour.reports()).includes(SECRET));
    }
  t.end();
});

void t.test('segments out of order', (t) => {
  const [, port, turns] = conversations[1] as (typeof conversations)[number];
  const frames = talk(admin, pump, port, cut(turns, 30));
  const payload = frames.slice(3);
  const b = bench();
  b.take(...frames.slice(0, 3), ...payload.toReversed());
  t.same(told(b), ['cleartext-credentials http 8042']);
  t.end();
});

void t.test('words of a body are no command', (t) => {
  const harmless: readonly (readonly [number, readonly Turn[]])[] = [
    [
      8042,
      [
        {
          from: 'client',
          data: said(
            `POST /log HTTP/1.1\r\nContent-Length: ${basic.length + 30}\r\n\r\nGET /\r\n${basic}\r\n\r\n${' '.repeat(30)}`,
          ),
        },
      ],
    ],
    [
      8042,
      [
        {
          from: 'client',
          data: said(
            `POST /log HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nA5\r\n\r\n${basic}\r\n\r\n0\r\n\r\n`,
          ),
        },
      ],
    ],
    [
      21,
      [
        { from: 'server', data: said('220 ready\r\n') },
        { from: 'client', data: said('USER anonymous\r\nPASS guest@example.org\r\n') },
      ],
    ],
    [
      25,
      [
        { from: 'server', data: said('220 mail ready\r\n') },
        { from: 'client', data: said('DATA\r\nyour PASS is in the mail, says USER\r\n.\r\n') },
      ],
    ],
  ];
  for (const [port, turns] of harmless)
    for (const size of [10_000, 1, 5]) {
      const b = bench();
      b.take(...talk(admin, pump, port, cut(turns, size)));
      t.same(told(b), [], `port ${port}, ${size} bytes at a time`);
    }
  t.end();
});

/** What `Units` needs of a flow. */
const flowOf = (row: number, midstream = false): Flow<Reading> => {
  const ends = [new FlowEnd('', 1, 1), new FlowEnd('', 2, 2)];
  for (const end of ends) end.midstream = midstream;
  return { row, generation: 1, ends } as unknown as Flow<Reading>;
};

void t.test('bounded: bytes of a direction, of a unit, units of a segment, what is carried', (t) => {
  const units = new Units();
  let looked = 0;
  const count = (): void => void looked++;
  const one = flowOf(1);
  for (let n = 0; n < 100; n++) units.push(one, 0, Buffer.from('line\r\n'.repeat(100)), 'ftp', count);
  t.ok(one.ends[0].looked >= LOOKED && one.ends[0].looked < LOOKED + 600, 'no more is looked at');
  t.ok(looked <= 64 * 28, `${looked} units`);
  const line = flowOf(2);
  let longest = 0;
  for (let n = 0; n < 20; n++)
    units.push(
      line,
      0,
      Buffer.alloc(500, 0x41),
      'http',
      (unit) => void (longest = Math.max(longest, unit.length)),
    );
  t.equal(longest, 4500, 'a head without an end is looked at once');
  t.equal(line.ends[0].rest, Infinity);
  for (let row = 10; row < 10 + 3 * CARRIED; row++)
    units.push(flowOf(row), 0, Buffer.from('USER'), 'ftp', count);
  t.equal(units.size, CARRIED);
  const midway = flowOf(3, true);
  units.push(midway, 0, Buffer.from('USER'), 'ftp', count);
  t.equal(units.size, CARRIED, 'nothing is kept of a stream whose start was not seen');
  t.end();
});

void t.test('no bytes make a unit of nothing, or one longer to look at than there is', (t) => {
  const protocols = [...new Set([...Object.keys(exploitRules), ...Object.keys(cleartextRules)])];
  let seed = 7;
  const next = (): number => (seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff);
  const starts = [0, 5, 0x10, 0x30, 0x41, 0x81, 0xff];
  for (let n = 0; n < 20_000; n++) {
    const bytes = Uint8Array.from({ length: 1 + (next() % 60) }, () => (next() >> 8) & 255);
    if (n % 2 === 0) bytes[0] = starts[n % starts.length] as number;
    const protocol = protocols[n % protocols.length] as string;
    const found = unitOf(protocol, bytes);
    if (typeof found === 'string') continue;
    if (found.head < 1 || found.head > bytes.length || found.length < found.head)
      t.fail(`${protocol} ${Buffer.from(bytes).toString('hex')}: ${JSON.stringify(found)}`);
  }
  t.pass('20,000 of them');
  t.end();
});
