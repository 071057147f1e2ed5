/** One TCP direction in order, out of order, repeated, with holes, and past its bounds. */
import fc from 'fast-check';
import t from 'tap';
import { limits } from './reference/constants.ts';
import { Direction, sequenceDistance } from './reference/reassembly.ts';

interface Run {
  readonly direction: Direction;
  readonly budget: { bytes: number };
  text(): string;
  push(sequence: number, data: string | Uint8Array, missing?: number): void;
}

function run(enough = Infinity): Run {
  const direction = new Direction();
  const budget = { bytes: 0 };
  const chunks: Buffer[] = [];
  return {
    direction,
    budget,
    text: () => Buffer.concat(chunks).toString('latin1'),
    push: (sequence, data, missing = 0) => {
      const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : data;
      direction.push(sequence, bytes, missing, budget, (chunk) => {
        chunks.push(Buffer.from(chunk));
        return chunks.length >= enough;
      });
    },
  };
}

void t.test('in order, across the wrap of the sequence number', (t) => {
  const r = run();
  r.direction.synchronize(0xfffffffd);
  r.push(0xfffffffe, 'ab');
  r.push(0, 'cd');
  r.push(2, 'ef');
  t.equal(r.text(), 'abcdef');
  t.equal(r.direction.midstream, false);
  t.end();
});

void t.test('early segments wait, late and repeated ones are dropped, the first copy of a byte wins', (t) => {
  const r = run();
  r.direction.synchronize(99);
  r.push(104, 'EF');
  r.push(102, 'CD');
  t.equal(r.text(), '');
  t.equal(r.budget.bytes, 4);
  r.push(100, 'AB');
  t.equal(r.text(), 'ABCDEF');
  t.equal(r.budget.bytes, 0);
  r.push(100, 'xxxxxxG');
  t.equal(r.text(), 'ABCDEFG', 'only what is new');
  r.push(101, 'yy');
  t.equal(r.text(), 'ABCDEFG');
  t.end();
});

void t.test('midstream begins where it is first seen', (t) => {
  const r = run();
  r.push(5000, 'half');
  r.push(5004, 'way');
  t.equal(r.text(), 'halfway');
  t.equal(r.direction.midstream, true);
  t.end();
});

void t.test('a reader that has enough ends the direction', (t) => {
  const r = run(1);
  r.push(0, 'a');
  r.push(1, 'b');
  t.equal(r.text(), 'a');
  t.equal(r.direction.ended, 'enough');
  t.end();
});

void t.test('a hole that never fills gives up, and gives its memory back', (t) => {
  const r = run();
  r.direction.synchronize(0);
  for (let i = 0; i <= limits.PENDING_SEGMENTS; i++) r.push(10 + i, 'x');
  t.equal(r.direction.ended, 'gap');
  t.equal(r.budget.bytes, 0);
  const big = run();
  big.direction.synchronize(0);
  for (let i = 0; i < 13; i++) big.push(10 + i * 1400, new Uint8Array(1400));
  t.equal(big.direction.ended, 'gap');
  t.equal(big.budget.bytes, 0);
  t.end();
});

void t.test('a segment cut by the capture delivers what is there and ends', (t) => {
  const r = run();
  r.push(0, 'abc', 5);
  t.equal(r.text(), 'abc');
  t.equal(r.direction.ended, 'truncated');
  t.end();
});

void t.test('no more than the limit is looked at', (t) => {
  const r = run();
  const piece = new Uint8Array(1000);
  for (let i = 0; i < 60; i++) r.push(i * 1000, piece);
  t.equal(r.text().length, limits.INSPECTED);
  t.equal(r.direction.ended, 'inspected');
  t.end();
});

void t.test('any order of any cutting gives the same bytes', (t) => {
  const bytes = Uint8Array.from({ length: 600 }, (_, i) => (i * 7) & 255);
  const wanted = Buffer.from(bytes).toString('latin1');
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 599 }), { maxLength: 20 }),
      fc.integer({ min: 0, max: 0xffffffff }),
      fc.infiniteStream(fc.nat()),
      (cuts, isn, order) => {
        const edges = [...new Set([0, ...cuts, 600])].sort((a, b) => a - b);
        const segments = edges.slice(0, -1).map((start, i) => ({ start, end: edges[i + 1] ?? 600 }));
        // Shuffle, and repeat some with a longer reach.
        const shuffled = segments
          .flatMap((s) => [s, { start: s.start, end: Math.min(600, s.end + 50) }])
          .map((s) => ({ s, key: order.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ s }) => s);
        const r = run();
        r.direction.synchronize(isn);
        for (const s of shuffled.slice(0, limits.PENDING_SEGMENTS)) {
          r.push((isn + 1 + s.start) >>> 0, bytes.subarray(s.start, s.end));
        }
        for (const s of segments) r.push((isn + 1 + s.start) >>> 0, bytes.subarray(s.start, s.end));
        return r.text() === wanted && r.budget.bytes === 0;
      },
    ),
    { numRuns: 300 },
  );
  t.pass('held');
  t.end();
});

void t.test('distance on the circle', (t) => {
  t.equal(sequenceDistance(5, 3), 2);
  t.equal(sequenceDistance(1, 0xffffffff), 2);
  t.equal(sequenceDistance(0xffffffff, 1), -2);
  t.end();
});
