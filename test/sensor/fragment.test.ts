/**
 * Fragments: a message that a real system cut is read as if it hadn't been; the native table against the reference,
 * with fragments in every order, lost, repeated, over each other and contradicting; the attacks, by name and finding; bounds.
 */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { addon } from '../../src/platform/addon.ts';
import { readBatch } from '../../src/sensor/batch.ts';
import type { BatchReader } from '../../src/sensor/batch.ts';
import { linkType } from '../../src/sensor/constants.ts';
import { Frame } from '../../src/sensor/frame.ts';
import { Sensor } from '../../src/sensor/sensor.ts';
import { bench, station } from './behaviour-bench.ts';
import { packetsOf } from './corpus-files.ts';
import { FragmentTable, fragmentLimits } from './reference/fragment.ts';
import { Frame as ReferenceFrame } from './reference/frame.ts';
import * as wire from './wire-builder.ts';
import { numbers } from './numbers.ts';

/** A WS-Discovery Hello of 1473 bytes, as Linux sent it where the MTU is 576 (IPv4) and 1280 (IPv6), as dumpcap saw it. */
const trace = packetsOf(readFileSync(new URL('../traces/fragments.pcap', import.meta.url)));

const A = station(1);
const B = station(2);
const A6 = 'fd00:0:0:0:0:0:0:1';
const B6 = 'fd00:0:0:0:0:0:0:2';

interface Cut {
  readonly start: number;
  readonly more: boolean;
  readonly data: readonly number[];
  readonly id?: number;
  readonly protocol?: number;
}

function four({ start, more, data, id = 7, protocol = 17 }: Cut): Uint8Array {
  const packet = wire.ipv4(A.ip, B.ip, protocol, [...data], {
    fragment: (more ? 0x2000 : 0) | Math.floor(start / 8),
  });
  packet.splice(4, 2, (id >> 8) & 255, id & 255);
  return wire.ethernet(A.mac, B.mac, 0x800, packet);
}

function six({ start, more, data, id = 7, protocol = 17 }: Cut, before: readonly number[] = []): Uint8Array {
  const bits = (start & 0xfff8) | (more ? 1 : 0);
  const header = [protocol, 0, bits >> 8, bits & 255, 0, 0, (id >> 8) & 255, id & 255];
  const first = before.length > 0 ? 60 : 44;
  return wire.ethernet(A.mac, B.mac, 0x86dd, wire.ipv6(A6, B6, first, [...before, ...header, ...data]));
}

const nothing: BatchReader = {
  frame: () => undefined,
  data: () => undefined,
  ended: () => undefined,
  flow: () => undefined,
  sighting: () => undefined,
  weird: () => undefined,
  totals: () => undefined,
  against: () => undefined,
};

/** The native stage, handing over everything, as lines. */
function native(): (bytes: Uint8Array, at: number) => string[] {
  const stage = addon().openStage({ all: true });
  return (bytes, at) => {
    const lines: string[] = [];
    const length = stage.frame(linkType.ETHERNET, bytes, bytes.length, at);
    readBatch(stage.batch.subarray(0, length), new Frame(), {
      ...nothing,
      frame: (frame) => {
        if (frame.transport === 'fragment') return;
        const payload = Buffer.from(frame.bytes.subarray(frame.payloadStart, frame.payloadEnd));
        lines.push(
          `${frame.transport} ${frame.sourceMac} ${frame.sourcePort} ${frame.destinationPort} ${payload.toString('hex')}`,
        );
      },
      weird: (name, count) => {
        for (let n = 0; n < count; n++) lines.push(name);
      },
      against: (name) => lines.push(`against ${name}`),
    });
    return lines.sort();
  };
}

/** The same of the reference. */
function reference(): (bytes: Uint8Array, at: number) => string[] {
  let lines: string[] = [];
  const table = new FragmentTable((name) => lines.push(name));
  const frame = new ReferenceFrame();
  return (bytes, at) => {
    lines = [];
    let whole: Uint8Array | undefined = bytes;
    for (let level = 0; level < 4 && whole !== undefined; level++) {
      frame.decode(linkType.ETHERNET, whole);
      if (frame.weird !== undefined) lines.push(frame.weird);
      if (frame.transport !== 'fragment') {
        const payload = Buffer.from(frame.bytes.subarray(frame.payloadStart, frame.payloadEnd));
        const said = frame.transport === 'tcp' || frame.transport === 'udp' ? payload.toString('hex') : '';
        lines.push(
          `${frame.transport} ${frame.sourceMac} ${frame.sourcePort} ${frame.destinationPort} ${said}`,
        );
        break;
      }
      const joined = table.join(frame, at);
      if (joined.against !== undefined) lines.push(`against ${joined.against}`);
      whole = joined.whole;
    }
    return lines.sort();
  };
}

void t.test('a message that Linux cut is read as if it had not been', (t) => {
  for (const [family, packets] of [
    ['IPv4', trace.slice(0, 3)],
    ['IPv6', trace.slice(3)],
  ] as const) {
    for (const order of [packets, packets.toReversed(), packets.flatMap((p) => [p, p])]) {
      const sensor = new Sensor({ stage: addon().openStage({}), vendorOf: () => undefined });
      for (const { link, bytes, wireLength, at } of order) sensor.take(link, bytes, wireLength, at);
      const rows = [...sensor.hosts.all()].flatMap((host) => host.evidenceRows());
      t.ok(
        rows.some(({ protocol, value }) => protocol === 'sdc' && value.includes('MedicalDevice')),
        `${family}: ${rows.map((row) => `${row.protocol} ${row.field}`).join()}`,
      );
      t.same([...sensor.weirds], [], family);
    }
    const sensor = new Sensor({ stage: addon().openStage({}), vendorOf: () => undefined });
    for (const { link, bytes, wireLength, at } of packets.slice(1)) sensor.take(link, bytes, wireLength, at);
    const rows = [...sensor.hosts.all()].flatMap((host) => host.evidenceRows());
    t.notOk(
      rows.some(({ protocol }) => protocol === 'sdc'),
      'but only when all of it is there',
    );
  }
  t.end();
});

void t.test('the native table says what the reference says', (t) => {
  const below = numbers(0xf4a6);
  const ours = native();
  const theirs = reference();
  const bad: string[] = [];
  const met = new Map<string, number>();
  let at = 0;
  for (let round = 0; round < 1500; round++) {
    const protocol = below(3) === 0 ? 6 : 17;
    const id = below(40);
    const text = Array.from({ length: 24 + below(200) }, () => below(256));
    const whole = protocol === 17 ? wire.udp(5000, 6000, text) : wire.tcp(5000, 6000, 1, wire.ACK, text);
    const cuts: Cut[] = [];
    for (let start = 0; start < whole.length;) {
      const length = 8 * (1 + below(8));
      const data = whole.slice(start, start + length);
      cuts.push({ start, more: start + length < whole.length, data, id, protocol });
      start += length;
    }
    // Out of order, lost, repeated.
    for (let n = below(4); n > 0; n--) {
      const [moved] = cuts.splice(below(cuts.length), 1);
      if (moved !== undefined && below(4) !== 0) cuts.splice(below(cuts.length + 1), 0, moved);
    }
    const again = cuts[below(Math.max(1, cuts.length))];
    if (again !== undefined && below(3) === 0) cuts.push(again);
    // Over each other, with the same bytes or others; ends that differ, lengths that can't be.
    if (below(3) === 0 && again !== undefined) {
      const start = Math.max(0, again.start + 8 * (below(3) - 1));
      const length = below(2) === 0 ? 8 * (1 + below(6)) : 1 + below(50);
      const data = below(2) === 0 ? whole.slice(start, start + length) : Array.from({ length }, () => 65);
      cuts.splice(below(cuts.length + 1), 0, { ...again, start, data, more: below(4) !== 0 });
    }
    if (below(40) === 0) cuts.push({ start: 65_528, more: false, data: text.slice(0, 24), id, protocol });
    const family = below(2);
    const options = below(4) === 0 ? [44, 0, 1, 4, 0, 0, 0, 0] : [];
    for (const cut of cuts) {
      let bytes = family === 0 ? four(cut) : six(cut, options);
      if (below(50) === 0) bytes = bytes.subarray(0, bytes.length - 1 - below(10));
      at += below(400) === 0 ? 31_000 : below(50);
      const got = ours(bytes, at);
      const wanted = theirs(bytes, at);
      for (const line of wanted)
        met.set(line.split(' ', 1)[0] ?? '', (met.get(line.split(' ', 1)[0] ?? '') ?? 0) + 1);
      if (got.join() !== wanted.join() && bad.length < 3)
        bad.push(`${round}: ${got.join()} for ${wanted.join()}`);
    }
  }
  t.same(bad, []);
  for (const name of [
    'udp',
    'tcp',
    'against',
    'fragment_truncated',
    'fragment_length_bad',
    'fragment_too_long',
    'fragment_tiny',
    'fragment_overlap',
    'fragment_end_differs',
    'fragments_incomplete',
  ])
    t.ok((met.get(name) ?? 0) > 5, `${name}: ${met.get(name)}`);
  t.end();
});

const words = (text: string): number[] => wire.ascii(text.padEnd(Math.ceil(text.length / 8) * 8, '.'));

void t.test('IPv4 keeps what came first; IPv6 gives the datagram up, the rest of it too', (t) => {
  const whole = wire.udp(5000, 6000, words('the first copy of a byte wins'));
  const head = { start: 0, more: true, data: whole.slice(0, 16) };
  const forged = { start: 8, more: true, data: words('XXXXXXXXXXXXXXXX') };
  const tail = { start: 16, more: false, data: whole.slice(16) };
  const said = (lines: readonly string[]): string =>
    Buffer.from(
      lines
        .find((line) => line.startsWith('udp'))
        ?.split(' ')
        .at(-1) ?? '',
      'hex',
    ).toString();

  const first = native();
  t.same(first(four(head), 0), []);
  t.same(first(four(forged), 1), ['against fragment_overlap', 'fragment_overlap']);
  const end = first(four(tail), 2);
  t.equal(said(end), 'the firsXXXXXXXXf a byte wins...');
  t.same(end.slice(0, 1), ['fragment_overlap'], 'said once a datagram');
  const second = native();
  second(four(head), 0);
  second(four(tail), 1);
  t.same(second(four(forged), 2), [], 'what is whole stays whole');
  const gap = native();
  gap(four(forged), 0);
  t.ok(gap(four(head), 1).includes('against fragment_overlap'));
  t.match(said(gap(four(tail), 2)), /^XXXXXXXX/, 'the one that came first, by byte');

  const last = native();
  t.same(last(six(head), 0), []);
  t.same(last(six(forged), 1), ['against fragment_overlap', 'fragment_overlap']);
  t.same(last(six(tail), 2), []);
  t.same(last(six(head), 3), [], 'and again: nothing');
  t.same(last(six({ ...head, id: 8 }), 4), []);
  t.match(said(last(six({ ...tail, id: 8 }), 5)), /^the first copy/, 'another datagram of the same two');
  t.end();
});

void t.test(
  'attacks are findings against who sends them; an identification that comes round is none',
  (t) => {
    const cases: readonly (readonly [string, readonly Uint8Array[]])[] = [
      [
        'fragment overlap',
        [
          four({ start: 0, more: true, data: words('a'.repeat(32)) }),
          four({ start: 24, more: true, data: words('b'.repeat(16)) }),
        ],
      ],
      [
        'fragment tiny',
        [four({ start: 0, more: true, data: wire.tcp(1, 2, 3, 2).slice(0, 8), protocol: 6 })],
      ],
      [
        'fragment tiny',
        [six({ start: 0, more: true, data: wire.tcp(1, 2, 3, 2).slice(0, 16), protocol: 6 })],
      ],
      [
        'fragment too long',
        [four({ start: 65_528, more: false, data: words('ping of death'), protocol: 1 })],
      ],
      [
        'fragment end differs',
        [four({ start: 16, more: false, data: [1, 2] }), four({ start: 64, more: false, data: [1, 2] })],
      ],
    ];
    for (const [what, frames] of cases) {
      const b = bench();
      b.take(...frames);
      t.match(b.of('evasive-fragments'), [{ mac: A.mac, severity: 'high' }], what);
      t.match(b.of('evasive-fragments')[0]?.evidence[0], new RegExp(`^${what}: `));
    }
    const b = bench();
    b.take(
      four({ start: 0, more: true, data: words('one of a thousand') }),
      four({ start: 0, more: true, data: words('and another, later') }),
      ...trace.map(({ bytes }) => bytes),
      ...trace.map(({ bytes }) => bytes),
    );
    t.same(b.kinds(), []);
    t.equal(b.sensor.weirds.get('fragment_overlap'), 1);
    t.end();
  },
);

void t.test('a device that gives all its datagrams one identification is read, and not held against', (t) => {
  const take = native();
  const b = bench();
  const texts = ['the first of them', 'a second one, longer than it', 'third'];
  const said: string[] = [];
  for (const [n, text] of texts.entries()) {
    const whole = wire.udp(5000, 6000, words(`${text}, with more to say than fits`));
    const cuts = [
      four({ start: 0, more: true, data: whole.slice(0, 24), id: 0 }),
      // Of the second the end is lost.
      ...(n === 1 ? [] : [four({ start: 24, more: false, data: whole.slice(24), id: 0 })]),
    ];
    b.pass(2000);
    b.take(...cuts);
    for (const cut of cuts)
      for (const line of take(cut, n * 2000))
        if (line.startsWith('udp')) said.push(Buffer.from(line.split(' ').at(-1) ?? '', 'hex').toString());
  }
  t.match(said[0], /^the first of them/);
  t.equal(said.length, 2, 'what follows a loss is what came first: nobody can tell');
  t.same(b.of('evasive-fragments'), []);
  t.end();
});

void t.test('a login that was cut to hide is read, and held against the sender', (t) => {
  const b = bench();
  const turn = wire.exchange(
    A,
    B,
    [40_000, 21],
    [
      { from: 'server', data: wire.ascii('220 ready\r\n') },
      { from: 'client', data: wire.ascii('USER nurse\r\n') },
      { from: 'server', data: wire.ascii('331 password\r\n') },
      { from: 'client', data: wire.ascii('PASS not-to-be-kept\r\n') },
      { from: 'server', data: wire.ascii('230 in\r\n') },
    ],
  );
  const cut = turn.flatMap((frame, n) => {
    const segment = [...frame.subarray(34)];
    if (segment.length <= 24 || frame[29] !== 1) return [frame];
    return [
      four({ start: 0, more: true, data: segment.slice(0, 24), id: n, protocol: 6 }),
      four({ start: 24, more: false, data: segment.slice(24), id: n, protocol: 6 }),
    ];
  });
  t.ok(cut.length > turn.length, 'cut');
  b.take(...cut);
  t.ok(b.kinds().includes('cleartext-credentials'), b.kinds().join());
  t.notMatch(JSON.stringify(b.sensor.behaviour.reports()), /not-to-be-kept/);
  t.end();
});

void t.test('bounds: datagrams that never end, pieces without end, headers without end', (t) => {
  const flood = native();
  const lines = new Map<string, number>();
  const take = (bytes: Uint8Array, at: number): void => {
    for (const line of flood(bytes, at)) lines.set(line, (lines.get(line) ?? 0) + 1);
  };
  for (let n = 0; n < 1000; n++) take(four({ start: 0, more: true, data: words('never to end'), id: n }), n);
  t.equal(lines.get('fragments_incomplete'), 1000 - fragmentLimits.DATAGRAMS, 'the oldest give way');
  take(four({ start: 8, more: true, data: words('late'), id: 5000 }), 1000 + fragmentLimits.LIFE_MS + 1);
  t.equal(lines.get('fragments_incomplete'), 1000, 'and all of them in time');

  const big = native();
  let lost = 0;
  const block = Array.from({ length: 8000 }, () => 7);
  for (let id = 0; id < 200; id++) {
    for (let k = 0; k < 8; k++) {
      const frame = four({ start: k * 8000, more: true, data: block, id });
      lost += big(frame, 0).filter((line) => line === 'fragments_incomplete').length;
    }
  }
  const most = fragmentLimits.BYTES / 64_000;
  t.ok(lost >= 200 - most && lost <= 200 - most + 4, `${lost} had to go for their bytes`);

  const many = native();
  const all: string[] = [];
  for (let n = 0; n < 300; n++)
    all.push(...many(four({ start: n * 16, more: true, data: words('8 bytes.') }), 0));
  t.same(all, ['fragments_many'], 'one datagram in more pieces than a network makes');

  const long = native();
  const options = [44, 63, ...Array.from({ length: 510 }, () => 0)];
  t.same(long(six({ start: 0, more: true, data: words('x') }, options), 0), ['fragment_head_long']);
  t.end();
});
