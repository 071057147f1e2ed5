/** The batch of the capture ring: whole, empty, padded, and with lengths that don't fit. */
import t from 'tap';
import { walkBatch } from './capture-batch.ts';

function batch(frames: readonly { bytes: number[]; wire: number; at: number }[]): Buffer {
  const parts: Buffer[] = [];
  for (const f of frames) {
    const record = Buffer.alloc(16 + Math.ceil(f.bytes.length / 8) * 8, 0xee);
    record.writeUInt32LE(f.bytes.length, 0);
    record.writeUInt32LE(f.wire, 4);
    record.writeDoubleLE(f.at, 8);
    record.set(f.bytes, 16);
    parts.push(record);
  }
  return Buffer.concat(parts);
}

const frames = [
  { bytes: [1, 2, 3], wire: 3, at: 1_700_000_000_000.5 },
  { bytes: [], wire: 60, at: 2 },
  { bytes: [9, 9, 9, 9, 9, 9, 9, 9], wire: 1500, at: 3 },
];

void t.test('each frame once, with its length on the wire and its time', (t) => {
  const seen: { bytes: number[]; wire: number; at: number }[] = [];
  const end = walkBatch(batch(frames), 3, (bytes, wire, at) => seen.push({ bytes: [...bytes], wire, at }));
  t.same(end, { kind: 'complete', frames: 3 });
  t.same(seen, frames);
  t.end();
});

void t.test('a view into a larger buffer', (t) => {
  const whole = Buffer.concat([Buffer.alloc(5, 1), batch(frames)]);
  let count = 0;
  t.same(
    walkBatch(whole.subarray(5), 3, () => count++),
    { kind: 'complete', frames: 3 },
  );
  t.equal(count, 3);
  t.end();
});

void t.test('a batch cut anywhere ends named, never outside itself', (t) => {
  const whole = batch(frames);
  for (let length = 0; length < whole.length; length++) {
    const cut = whole.subarray(0, length);
    const end = walkBatch(cut, 3, (bytes) =>
      t.ok(bytes.byteOffset + bytes.length <= cut.byteOffset + length),
    );
    t.equal(end.kind, 'malformed');
  }
  const wrong = batch(frames);
  wrong.writeUInt32LE(0xffffffff, 0);
  t.same(
    walkBatch(wrong, 3, () => t.fail('no frame')),
    {
      kind: 'malformed',
      frames: 0,
      weird: 'batch_frame_truncated',
      offset: 0,
    },
  );
  t.end();
});
