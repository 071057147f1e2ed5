/** MLLP framing: any cut gives the same messages, bytes outside are counted, no frame grows without end. */
import fc from 'fast-check';
import t from 'tap';
import { MllpReader, mllpFrame } from '../../../src/protocol/hl7/mllp.ts';
import type { MllpEvent } from '../../../src/protocol/hl7/mllp.ts';
import { block } from './sample.ts';

const told = (events: readonly MllpEvent[]): string[] =>
  events.map((event) =>
    event.kind === 'weird'
      ? `${event.name}@${event.offset}`
      : `${event.kind} ${Buffer.from(event.bytes).toString('latin1')}@${event.offset}`,
  );

const read = (
  bytes: Uint8Array,
  cuts: readonly number[] = [],
  max?: number,
): { story: string[]; reader: MllpReader } => {
  const reader = new MllpReader(max);
  const story: string[] = [];
  let at = 0;
  for (const edge of [
    ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b),
    bytes.length,
  ]) {
    const piece = Uint8Array.from(bytes.subarray(at, edge));
    story.push(...told(reader.push(piece)));
    piece.fill(0);
    at = edge;
  }
  return { story, reader };
};

const text = (value: string): Buffer => Buffer.from(value, 'latin1');

void t.test('two messages in one segment, and a message in three', (t) => {
  const bytes = Buffer.concat([block(text('one')), block(text('two'))]);
  t.strictSame(read(bytes).story, ['message one@0', 'message two@6']);
  t.strictSame(read(bytes, [1, 4, 5, 8]).story, ['message one@0', 'message two@6']);
  t.strictSame(Buffer.from(mllpFrame(text('one'))), block(text('one')));
  t.end();
});

void t.test('FS and CR may come apart, or CR never', (t) => {
  const apart = read(block(text('one')), [5]);
  t.strictSame(apart.story, ['message one@0']);
  t.strictSame(read(text('\x0bone\x1c\x0btwo\x1c\r')).story, [
    'message one@0',
    'mllp_no_final_cr@5',
    'message two@5',
  ]);
  t.strictSame(read(text('\x0bone\x1c\n\x0btwo\x1c\r')).story, [
    'message one@0',
    'mllp_no_final_cr@5',
    'mllp_outside_frame@5',
    'message two@6',
  ]);
  t.end();
});

void t.test('bytes outside frames are counted, one weird a run', (t) => {
  const { story, reader } = read(text('junk\x0bone\x1c\rmore junk\x0btwo\x1c\r\r\n'), [2, 13]);
  t.strictSame(story, [
    'mllp_outside_frame@0',
    'message one@4',
    'mllp_outside_frame@10',
    'message two@19',
    'mllp_outside_frame@25',
  ]);
  t.equal(reader.outsideBytes, 4 + 9 + 2);
  t.end();
});

void t.test('a start inside a frame starts anew', (t) => {
  t.strictSame(read(text('\x0bone\x0btwo\x1c\r')).story, ['mllp_unended_frame@0', 'message two@4']);
  t.end();
});

void t.test('an oversize message is cut off and skipped to its end', (t) => {
  const bytes = text('\x0babcdefgh\x1c\r\x0bok\x1c\r');
  for (const cuts of [[], [3], [5], [6], [8, 9]])
    t.strictSame(read(bytes, cuts, 4).story, ['oversize abcd@0', 'message ok@11'], `cut at ${cuts.join()}`);
  t.strictSame(read(text('\x0babcd\x1c\r'), [], 4).story, ['message abcd@0'], 'just as long as allowed');
  const large = new MllpReader();
  t.strictSame(large.push(Buffer.concat([Buffer.of(0x0b), Buffer.alloc(1024 * 1024)])), []);
  const [event] = large.push(Buffer.of(0x41));
  t.ok(event?.kind === 'oversize' && event.bytes.length === 1024 * 1024);
  t.ok(large.partial);
  t.end();
});

void t.test('after a gap only a new frame counts', (t) => {
  const reader = new MllpReader();
  reader.push(text('\x0bbegin'));
  reader.gap(10);
  t.strictSame(told(reader.push(text('rest\x1c\r\x0bnew\x1c\r'))), ['message new@22']);
  t.end();
});

void t.test('any bytes, cut anywhere, tell the same story', (t) => {
  const byte = fc.constantFrom(0x0b, 0x1c, 0x0d, 0x0a, 0x41, 0x42);
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 60 }), fc.array(fc.nat(60), { maxLength: 6 }), (raw, cuts) => {
        const bytes = Uint8Array.from(raw);
        return JSON.stringify(read(bytes, [], 8).story) === JSON.stringify(read(bytes, cuts, 8).story);
      }),
      { numRuns: 2000 },
    ),
  );
  t.end();
});
