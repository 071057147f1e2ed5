/** Frames cut from every split of the stream, and the bad ones that end it. */
import fc from 'fast-check';
import t from 'tap';
import { FrameReader, MAX_FRAME_BYTES, encodeFrame } from '../../src/ipc/frame.ts';

const frames = [
  { id: 1, verb: 'audit.head', body: {} },
  { id: 2, body: { text: 'größer' } },
  { push: 'session.revoke', body: { reason: 'x'.repeat(5000) } },
];

void t.test('any split of the bytes gives the same frames', (t) => {
  const stream = Buffer.concat(frames.map((frame) => encodeFrame(frame) ?? Buffer.alloc(0)));
  fc.assert(
    fc.property(fc.array(fc.nat(stream.length), { maxLength: 20 }), (cuts) => {
      const reader = new FrameReader();
      const seen: unknown[] = [];
      let from = 0;
      for (const cut of [...cuts, stream.length].sort((a, b) => a - b)) {
        for (const decoded of reader.read(stream.subarray(from, cut)))
          seen.push(decoded.kind === 'frame' ? decoded.value : decoded);
        from = cut;
      }
      t.strictSame(seen, frames);
    }),
    { numRuns: 50 },
  );
  t.end();
});

void t.test('lengths out of bounds and bytes that are not JSON are malformed', (t) => {
  const bad = (bytes: number[]): string | undefined => {
    const first = [...new FrameReader().read(Buffer.from(bytes))][0];
    return first?.kind === 'malformed' ? first.detail : undefined;
  };
  t.equal(bad([0, 0, 0, 0]), 'frame length 0');
  t.equal(bad([0xff, 0xff, 0xff, 0xff]), 'frame length 4294967295');
  t.equal(bad([0, 0, 0, 2, 0x7b, 0x7b]), 'not JSON');
  t.same([...new FrameReader().read(Buffer.from([0, 0, 1]))], [], 'an incomplete header waits');
  t.equal(
    encodeFrame({ id: 1, body: 'x'.repeat(MAX_FRAME_BYTES) }),
    undefined,
    'a frame above the cap is not made',
  );
  t.end();
});
