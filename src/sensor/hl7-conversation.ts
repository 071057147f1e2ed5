/**
 * What the ends of an HL7 v2 connection say of themselves: the MSH segment of each message in its MLLP block
 * (HL7 v2.x chapter 2, section 2.14.9; MLLP release 1). Of the rest only OBX and PRT segments are gathered, one
 * at a time, for the fields that name equipment (`hl7-equipment.ts`); all others, PID among them, are passed
 * over byte by byte and never held.
 *
 *   block   0B · MSH segment · 0D · segments… · 1C · 0D
 *
 * MSH-3 and MSH-4 are what the sender calls itself; MSH-5 and MSH-6 what it calls the receiver, which is a
 * weaker word and keeps its own field name. MSH-7, -8 and -10 are of one message, not of a system, and stay.
 * The segment ends at a carriage return or, since some senders write one, at a line feed.
 */
import type { Side } from './flow.ts';
import { Gather } from './gather.ts';
import { equipmentOf, isEquipmentSegment } from './hl7-equipment.ts';
import type { Conversation, Recognition, Speaker } from './identify.ts';

const START_BLOCK = 0x0b;
const END_BLOCK = 0x1c;
const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;
const MSH = [0x4d, 0x53, 0x48] as const;
/** Longest MSH segment that is read; real ones stay under 400 bytes. */
const HEADER_LIMIT = 1024;

/** Fields of the sender and of the receiver: MSH-1 is the separator itself, so MSH-n is the part n - 1. */
const senderFields = [3, 4, 9, 11, 12] as const;
const receiverFields = [5, 6] as const;

const utf8 = new TextDecoder('utf-8', { fatal: true });
const latin1 = new TextDecoder('latin1');

/** A block that begins with an MSH segment and a field separator that isn't a letter or a digit. */
export function recognizeHl7(head: Uint8Array): Recognition {
  if (head[0] !== START_BLOCK) return 'no';
  for (const [i, letter] of MSH.entries()) {
    if (head.length <= i + 1) return 'more';
    if (head[i + 1] !== letter) return 'no';
  }
  if (head.length < 5) return 'more';
  return /[!-/:-@[-`{-~]/.test(String.fromCharCode(head[4] as number)) ? 'yes' : 'no';
}

/** In the header, at the start of another segment, in one that is kept, in one that is passed over. */
type Place = 'outside' | 'header' | 'inside' | 'kept' | 'passed';

const SEGMENT_NAME = 3;

export class Hl7Conversation implements Conversation {
  readonly #speaker: Speaker;
  readonly #places: [Place, Place] = ['outside', 'outside'];
  readonly #gathers: readonly [Gather, Gather];
  /** Field and component separator of the message under way. */
  readonly #separators: [string, string] = ['|^', '|^'];

  constructor(speaker: Speaker) {
    this.#speaker = speaker;
    this.#gathers = [
      new Gather(HEADER_LIMIT, (n) => speaker.hold(n)),
      new Gather(HEADER_LIMIT, (n) => speaker.hold(n)),
    ];
  }

  push(from: Side, chunk: Uint8Array, at: number): boolean {
    let rest = chunk;
    while (rest.length > 0) {
      switch (this.#places[from]) {
        case 'outside': {
          const start = rest.indexOf(START_BLOCK);
          if (start < 0) return false;
          rest = rest.subarray(start + 1);
          this.#places[from] = 'header';
          break;
        }
        case 'header':
          rest = this.#header(from, rest, at);
          break;
        case 'inside':
        case 'kept':
        case 'passed':
          rest = this.#segment(from, rest, at);
          break;
      }
    }
    return false;
  }

  ended(from: Side): void {
    this.#gathers[from].release();
  }

  /** The bytes after what was taken. */
  #header(from: Side, bytes: Uint8Array, at: number): Uint8Array {
    const gather = this.#gathers[from];
    const end = bytes.findIndex((b) => b === CARRIAGE_RETURN || b === LINE_FEED || b === END_BLOCK);
    const part = end < 0 ? bytes : bytes.subarray(0, end);
    if (!gather.add(part)) {
      this.#speaker.weird('hl7_header_too_long');
      this.#places[from] = 'inside';
    } else if (end >= 0) {
      this.#read(from, decode(gather.bytes), at);
      this.#places[from] = bytes[end] === END_BLOCK ? 'outside' : 'inside';
    }
    if (this.#places[from] !== 'header') gather.release();
    return end < 0 ? bytes.subarray(bytes.length) : bytes.subarray(end + 1);
  }

  /** A segment after the header: its name decides whether it is gathered. */
  #segment(from: Side, bytes: Uint8Array, at: number): Uint8Array {
    const gather = this.#gathers[from];
    const end = bytes.findIndex((b) => b === CARRIAGE_RETURN || b === LINE_FEED || b === END_BLOCK);
    let part = end < 0 ? bytes : bytes.subarray(0, end);
    if (this.#places[from] === 'inside') {
      const name = part.subarray(0, SEGMENT_NAME - gather.length);
      gather.add(name);
      part = part.subarray(name.length);
      if (gather.length === SEGMENT_NAME) {
        const kept = isEquipmentSegment(decode(gather.bytes));
        this.#places[from] = kept ? 'kept' : 'passed';
        if (!kept) gather.release();
      }
    }
    // A segment longer than the limit is passed over.
    if (this.#places[from] === 'kept' && !gather.add(part)) {
      this.#places[from] = 'passed';
      gather.release();
    }
    if (end < 0) return bytes.subarray(bytes.length);
    if (this.#places[from] === 'kept') {
      for (const [field, value] of equipmentOf(decode(gather.bytes), this.#separators[from]))
        this.#speaker.say(from, field, value, at);
    }
    gather.release();
    this.#places[from] = bytes[end] === END_BLOCK ? 'outside' : 'inside';
    return bytes.subarray(end + 1);
  }

  #read(from: Side, header: string, at: number): void {
    if (!header.startsWith('MSH') || header.length < 4) return this.#speaker.weird('hl7_no_msh');
    const fields = header.split(header.charAt(3), 13);
    this.#separators[from] = header.slice(3, 5);
    const to: Side = from === 0 ? 1 : 0;
    for (const n of senderFields) this.#speaker.say(from, `MSH-${n}`, fields[n - 1], at);
    for (const n of receiverFields) this.#speaker.say(to, `MSH-${n}`, fields[n - 1], at);
    const acknowledges = fields[8]?.startsWith('ACK') === true;
    // Who listens: the server; with the start unseen, who acknowledges.
    if (this.#speaker.opened ? from === 1 : acknowledges) this.#speaker.serves(from);
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    // Not UTF-8: the older character sets agree on ASCII, which is what the names are in.
    return latin1.decode(bytes);
  }
}
