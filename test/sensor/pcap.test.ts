/** pcap and pcapng of both byte orders, in pieces of any size, cut and damaged. */
import t from 'tap';
import { PcapReader } from './reference/pcap.ts';

interface Seen {
  readonly packets: { link: number; text: string; wire: number; at: number }[];
  readonly weirds: string[];
}

function read(file: Uint8Array, piece = file.length): Seen {
  const seen: Seen = { packets: [], weirds: [] };
  const reader = new PcapReader({
    packet: (link, bytes, wire, at) => {
      seen.packets.push({ link, text: Buffer.from(bytes).toString('latin1'), wire, at });
    },
    weird: (name, offset) => seen.weirds.push(`${name}@${offset}`),
  });
  for (let i = 0; i < file.length; i += piece) {
    // A chunk that its owner uses again.
    const chunk = Buffer.from(file.subarray(i, i + piece));
    reader.push(chunk);
    chunk.fill(0xaa);
  }
  reader.end();
  return seen;
}

class Writer {
  readonly parts: Buffer[] = [];
  readonly #little: boolean;
  constructor(little: boolean) {
    this.#little = little;
  }
  u16(...values: number[]): this {
    for (const value of values) {
      const b = Buffer.alloc(2);
      if (this.#little) b.writeUInt16LE(value);
      else b.writeUInt16BE(value);
      this.parts.push(b);
    }
    return this;
  }
  u32(...values: number[]): this {
    for (const value of values) {
      const b = Buffer.alloc(4);
      if (this.#little) b.writeUInt32LE(value);
      else b.writeUInt32BE(value);
      this.parts.push(b);
    }
    return this;
  }
  text(text: string): this {
    this.parts.push(Buffer.from(text, 'latin1'));
    return this;
  }
  get bytes(): Buffer {
    return Buffer.concat(this.parts);
  }
}

function pcap(little: boolean, nano: boolean): Buffer {
  return new Writer(little)
    .u32(nano ? 0xa1b23c4d : 0xa1b2c3d4)
    .u16(2, 4)
    .u32(0, 0, 65535, 1)
    .u32(1_700_000_000, nano ? 250_000_000 : 250_000, 5, 5)
    .text('first')
    .u32(1_700_000_001, 0, 3, 1500)
    .text('cut').bytes;
}

const pcapSeen = [
  { link: 1, text: 'first', wire: 5, at: 1_700_000_000_250 },
  { link: 1, text: 'cut', wire: 1500, at: 1_700_000_001_000 },
];

function block(little: boolean, type: number, body: Buffer): Buffer {
  const length = 12 + body.length;
  return Buffer.concat([
    new Writer(little).u32(type, length).bytes,
    body,
    new Writer(little).u32(length).bytes,
  ]);
}

function pcapng(little: boolean): Buffer {
  const w = (): Writer => new Writer(little);
  const stamp = (units: number): [number, number] => [Math.floor(units / 4294967296), units % 4294967296];
  return Buffer.concat([
    block(little, 0x0a0d0d0a, w().u32(0x1a2b3c4d).u16(1, 0).u32(0xffffffff, 0xffffffff).bytes),
    block(little, 1, w().u16(1, 0).u32(65535).bytes),
    // if_tsresol 9 (nanoseconds), then if_tsoffset of 10 s.
    block(
      little,
      1,
      Buffer.concat([
        w().u16(101, 0).u32(4).u16(9, 1).text('\u0009\0\0\0').u16(14, 8).bytes,
        little ? w().u32(10, 0).bytes : w().u32(0, 10).bytes,
        w().u16(0, 0).bytes,
      ]),
    ),
    block(little, 5, w().u32(1, 2, 3).bytes),
    block(
      little,
      6,
      w()
        .u32(0, ...stamp(1_700_000_000_250_000), 5, 99)
        .text('first\0\0\0').bytes,
    ),
    block(
      little,
      6,
      w()
        .u32(1, ...stamp(1_000_000_000), 4, 4)
        .text('nano').bytes,
    ),
    block(little, 3, w().u32(6).text('simple\0\0').bytes),
    // A new section forgets the interfaces.
    block(little, 0x0a0d0d0a, w().u32(0x1a2b3c4d).u16(1, 0).u32(0xffffffff, 0xffffffff).bytes),
    block(little, 6, w().u32(0, 0, 0, 0, 0).bytes),
  ]);
}

const pcapngSeen = [
  { link: 1, text: 'first', wire: 99, at: 1_700_000_000_250 },
  { link: 101, text: 'nano', wire: 4, at: 11_000 },
  { link: 1, text: 'simple', wire: 6, at: 0 },
];

void t.test('pcap: both byte orders, micro- and nanoseconds, pieces of any size', (t) => {
  for (const little of [true, false]) {
    for (const nano of [true, false]) {
      for (const piece of [1, 3, 17, 1000]) {
        const seen = read(pcap(little, nano), piece);
        t.same(seen, { packets: pcapSeen, weirds: [] }, `little ${little}, nano ${nano}, pieces of ${piece}`);
      }
    }
  }
  t.end();
});

void t.test('pcapng: sections, interfaces, resolutions, simple packets, blocks passed over', (t) => {
  for (const little of [true, false]) {
    const file = pcapng(little);
    for (const piece of [1, 5, 64, 1000]) {
      const seen = read(file, piece);
      t.same(seen.packets, pcapngSeen, `little ${little}, pieces of ${piece}`);
      t.match(seen.weirds, [/^interface_unknown@/], 'of the second section');
      t.equal(seen.weirds.length, 1);
    }
  }
  t.end();
});

void t.test('cut anywhere: what came before stands, and the cut is named', (t) => {
  for (const [whole, packets] of [
    [pcap(true, false), pcapSeen],
    [pcapng(true), pcapngSeen],
  ] as const) {
    const wrong: number[] = [];
    for (let length = 0; length < whole.length; length++) {
      const seen = read(whole.subarray(0, length), 50);
      const prefix = JSON.stringify(packets.slice(0, seen.packets.length));
      if (JSON.stringify(seen.packets) !== prefix || seen.weirds.length > 2) wrong.push(length);
    }
    t.same(wrong, []);
  }
  t.same(read(pcap(true, false).subarray(0, 50)).weirds, ['capture_truncated@45']);
  t.same(read(new Uint8Array(0)).weirds, ['capture_empty@0']);
  t.end();
});

void t.test('damage is named, with its offset', (t) => {
  t.same(read(Buffer.from('not a capture')).weirds, ['capture_format_unknown@0']);
  const long = pcap(true, false);
  long.writeUInt32LE(262_145, 24 + 8);
  t.same(read(long).weirds, ['packet_length_bad@24']);
  const ng = (at: number, value: number): string[] => {
    const file = pcapng(true);
    file.writeUInt32LE(value, at);
    return read(file).weirds;
  };
  t.same(ng(8, 0), ['section_magic_bad@8']);
  t.same(ng(4, 13), ['block_length_bad@0']);
  t.same(ng(32, 8), ['block_length_bad@28']);
  t.same(ng(44, 99), ['block_length_differs@28']);
  t.end();
});

void t.test('a block of 4 GB is passed over without being held', (t) => {
  const file = Buffer.concat([
    pcapng(true).subarray(0, 28),
    new Writer(true).u32(0xabc, 0xfffffff0).bytes,
    Buffer.alloc(100_000),
  ]);
  const before = process.memoryUsage().arrayBuffers;
  t.same(read(file, 1000).weirds, [`capture_truncated@${file.length}`]);
  t.ok(process.memoryUsage().arrayBuffers - before < 50_000_000);
  t.end();
});

void t.test('a time beyond the calendar is no time', (t) => {
  const file = Buffer.concat([
    block(true, 0x0a0d0d0a, new Writer(true).u32(0x1a2b3c4d).u16(1, 0).u32(0, 0).bytes),
    block(true, 1, new Writer(true).u16(1, 0).u32(0).u16(9, 1).text('\u0000\0\0\0').bytes),
    block(true, 6, new Writer(true).u32(0, 0xffffffff, 0xffffffff, 4, 4).text('late').bytes),
  ]);
  t.same(read(file).packets, [{ link: 1, text: 'late', wire: 4, at: 0 }]);
  t.end();
});
