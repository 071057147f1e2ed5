/**
 * The pump's own HL7 v2.6: segments as arrays of fields, written from HL7 v2.6 chapter 2 and IHE PCD TF volume 2.
 * Independent of `src/protocol/hl7` on purpose: the gateway is tested against somebody else's reading of the standard.
 *
 * Field 0 is the segment's name, so `fields[n]` is SEG-n; in MSH, where MSH-1 is the separator itself, SEG-n is
 * `fields[n - 1]`: `field('MSH', n)` takes care of it. Delimiters are always `|^~\&`.
 */

export type Segment = readonly string[];

export class Message {
  readonly segments: readonly Segment[];

  constructor(segments: readonly Segment[]) {
    this.segments = segments;
  }

  static parse(text: string): Message {
    return new Message(
      text
        .split('\r')
        .filter((line) => line !== '')
        .map((line) => line.split('|')),
    );
  }

  segment(name: string): Segment | undefined {
    return this.segments.find((segment) => segment[0] === name);
  }

  /** SEG-n of the first segment of that name, and its component when one is asked for; '' where there is none. */
  field(name: string, n: number, component?: number): string {
    const text = this.segment(name)?.[name === 'MSH' ? n - 1 : n] ?? '';
    return component === undefined ? text : (text.split('^')[component - 1] ?? '');
  }

  toString(): string {
    return this.segments.map((segment) => segment.join('|')).join('\r') + '\r';
  }
}

/** DTM with time zone, HL7 v2.6 section 2.A.22. */
export const timestamp = (at: Date): string => at.toISOString().replace(/[-:T]/g, '').slice(0, 14) + '+0000';

export interface Header {
  readonly sender: string;
  readonly senderFacility: string;
  readonly receiver: string;
  readonly receiverFacility: string;
  readonly type: string;
  readonly control: string;
  readonly at: Date;
  /** MSH-15 and MSH-16: whether accept and application acknowledgements are wanted. Empty: original mode. */
  readonly accept?: string;
  readonly application?: string;
  /** MSH-21, the IHE profile. */
  readonly profile?: string;
}

/** MSH, section 2.14.9. */
export function header(h: Header): Segment {
  const fields = [
    'MSH',
    '^~\\&',
    h.sender,
    h.senderFacility,
    h.receiver,
    h.receiverFacility,
    timestamp(h.at),
  ];
  fields.push('', h.type, h.control, 'P', '2.6', '', '', h.accept ?? '', h.application ?? '');
  if (h.profile !== undefined) fields.push('', '', '', '', h.profile);
  return fields;
}

const START = 0x0b;
const END = 0x1c;
const RETURN = 0x0d;
/** Longest frame that is waited for. */
const MAX_FRAME = 1024 * 1024;

/** MLLP release 1: VT message FS CR. */
export const frame = (message: Message | string): Buffer =>
  Buffer.concat([Buffer.from([START]), Buffer.from(message.toString(), 'utf8'), Buffer.from([END, RETURN])]);

/** Takes frames out of a stream; bytes outside a frame are dropped. */
export class FrameReader {
  #held = Buffer.alloc(0);

  read(chunk: Buffer): Message[] {
    this.#held = Buffer.concat([this.#held, chunk]);
    const messages: Message[] = [];
    for (;;) {
      const start = this.#held.indexOf(START);
      const end = this.#held.indexOf(Buffer.from([END, RETURN]), Math.max(start, 0));
      if (start < 0 || end < 0) break;
      messages.push(Message.parse(this.#held.subarray(start + 1, end).toString('utf8')));
      this.#held = this.#held.subarray(end + 2);
    }
    if (this.#held.length > MAX_FRAME) this.#held = Buffer.alloc(0);
    return messages;
  }
}
