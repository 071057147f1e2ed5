/**
 * Framing of the local sockets: a length and JSON.
 *
 *   u32be length of what follows, 1 to MAX_FRAME_BYTES
 *   JSON text, UTF-8: {"id":7,"verb":"audit.head","body":{}}      request
 *                     {"id":7,"body":{…}}                          answer
 *                     {"id":7,"fault":{"code":"…","detail":"…"}}   answer that is an error
 *                     {"push":"session.revoke","body":{…}}         pushed by the serving side
 *
 * A length of 0 or above the cap, bytes that aren't JSON and shapes that aren't one of these end the
 * connection: both ends are ours, so a bad frame is a fault, not a dialect.
 */
import * as z from 'zod';
import { count } from '../wire/scalar.ts';

export const MAX_FRAME_BYTES = 8 * 1024 * 1024;
const HEADER_BYTES = 4;

const request = z.strictObject({
  id: count,
  verb: z.string().max(64),
  body: z.unknown(),
});
const answer = z.strictObject({ id: count, body: z.unknown() });
const failure = z.strictObject({
  id: count,
  fault: z.strictObject({ code: z.string().max(64), detail: z.string() }),
});
const push = z.strictObject({ push: z.string().max(64), body: z.unknown() });

export type RequestFrame = z.infer<typeof request>;
export type AnswerFrame = z.infer<typeof answer> | z.infer<typeof failure>;
export type PushFrame = z.infer<typeof push>;

/** Frames a server reads, and frames a client reads. */
export const requestFrame = request;
export const clientFrame = z.union([answer, failure, push]);

/** One frame's bytes, or undefined when the JSON would pass the cap. */
export function encodeFrame(frame: RequestFrame | AnswerFrame | PushFrame): Buffer | undefined {
  const body = Buffer.from(JSON.stringify(frame), 'utf8');
  if (body.length > MAX_FRAME_BYTES) return undefined;
  const out = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  out.writeUInt32BE(body.length, 0);
  body.copy(out, HEADER_BYTES);
  return out;
}

export type Decoded = { kind: 'frame'; value: unknown } | { kind: 'malformed'; detail: string };

/** Cuts a byte stream into frames. After `malformed` the stream is beyond repair: close it. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #held = 0;
  #need = HEADER_BYTES;
  #inBody = false;

  /** Complete frames in what has arrived so far. Memory is bounded by one frame. */
  *read(chunk: Buffer): Generator<Decoded> {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    while (this.#held >= this.#need) {
      const bytes = this.#take(this.#need);
      if (!this.#inBody) {
        const length = bytes.readUInt32BE(0);
        if (length === 0 || length > MAX_FRAME_BYTES) {
          yield { kind: 'malformed', detail: `frame length ${length}` };
          return;
        }
        this.#need = length;
        this.#inBody = true;
        continue;
      }
      this.#need = HEADER_BYTES;
      this.#inBody = false;
      let value: unknown;
      try {
        value = JSON.parse(bytes.toString('utf8'));
      } catch {
        yield { kind: 'malformed', detail: 'not JSON' };
        return;
      }
      yield { kind: 'frame', value };
    }
  }

  #take(n: number): Buffer {
    const all =
      this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks, this.#held);
    this.#chunks = all.length > n ? [all.subarray(n)] : [];
    this.#held -= n;
    return all.subarray(0, n);
  }
}
