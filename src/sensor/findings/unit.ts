/**
 * Units of a TCP stream as the rules on content get them: in-order bytes cut where each protocol's messages begin and end,
 * however they were packed into segments. So a command that comes a byte at a time, two that come at once, and a request
 * whose head is split are seen whole.
 *
 *   lines (FTP, POP3)       up to LF                          NetBIOS session (SMB)   0 · length 3 · message
 *   HTTP                    head up to an empty line, body    DCE/RPC                 … fragment length at 8 · …
 *   LDAP                    tag 30 · length · …               MQTT                    10 · length · …
 *
 * Bounded: the first `LOOKED` bytes of a direction, `UNIT` of a unit, `UNITS` a segment; `CARRIED` unfinished units are kept
 * in all, the oldest gives way. A stream that was joined midway, or that lost its thread, is taken up again where a segment
 * begins, which is where messages mostly do.
 */
import type { Flow, Side } from '../flow.ts';
import type { Reading } from '../identify.ts';

export const LOOKED = 16 * 1024;
const UNIT = 4096;
const UNITS = 64;
export const CARRIED = 1024;
/** Of a unit that goes on, what rules want to see. */
const HEAD = 1024;
/** Of what a Telnet server said last: a question may be in two segments. */
const TAIL = 32;
const LINE = 512;
const LF = 0x0a;

/** Bytes to look at, and how long the unit is. */
interface Unit {
  readonly head: number;
  readonly length: number;
}

/** `more`: too few bytes to tell; `none`: nothing that begins here is known. */
export type Cut = Unit | 'more' | 'none';

const view = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

/** A unit whose length is known: enough of it is there, or not yet. */
const sized = (bytes: Uint8Array, length: number, wanted = HEAD): Cut => {
  const head = Math.min(length, wanted);
  return bytes.length < head ? 'more' : { head: Math.min(bytes.length, length, HEAD), length };
};

function lines(bytes: Uint8Array): Cut {
  const end = bytes.indexOf(LF);
  if (end >= 0) return { head: end + 1, length: end + 1 };
  return bytes.length < LINE ? 'more' : { head: bytes.length, length: bytes.length };
}

function http(bytes: Uint8Array): Cut {
  const first = bytes[0] ?? 0;
  if (first < 0x41 || first > 0x5a) return 'none';
  const end = view(bytes).indexOf('\r\n\r\n');
  // Who sends a head without an end sends nothing else that is looked at.
  if (end < 0) return bytes.length < UNIT ? 'more' : { head: bytes.length, length: Infinity };
  const head = end + 4;
  const text = view(bytes).toString('latin1', 0, Math.min(head, UNIT));
  if (/\r\n(?:transfer-encoding|upgrade):/i.test(text)) return { head, length: Infinity };
  const [, length = '0'] = /\r\ncontent-length: *(\d{1,12})/i.exec(text) ?? [];
  return { head, length: head + Number(length) };
}

const isSmb = (bytes: Uint8Array): boolean =>
  (bytes[4] ?? 0) >= 0xfc && bytes[5] === 0x53 && bytes[6] === 0x4d && bytes[7] === 0x42;

function netbios(bytes: Uint8Array): Cut {
  if (bytes.length < 4) return 'more';
  const length = 4 + (bytes[1] as number) * 65_536 + (bytes[2] as number) * 256 + (bytes[3] as number);
  // Session requests and keep-alives carry no message.
  if ((bytes[0] as number) >= 0x81 && (bytes[0] as number) <= 0x85) return { head: 4, length };
  if (bytes[0] !== 0) return 'none';
  if (bytes.length < 8) return 'more';
  return isSmb(bytes) ? sized(bytes, length) : 'none';
}

function rpc(bytes: Uint8Array): Cut {
  if (bytes.length < 10) return 'more';
  const length = (bytes[8] as number) + (bytes[9] as number) * 256;
  return bytes[1] === 0 && bytes[4] === 0x10 && length >= 16 ? sized(bytes, length) : 'none';
}

const isText = (byte: number): boolean => byte >= 0x20 && byte < 0x7f;

function ber(bytes: Uint8Array): Cut {
  const first = bytes[1];
  if (first === undefined) return 'more';
  const octets = first < 0x80 ? 0 : first & 0x7f;
  if (octets > 4) return 'none';
  if (bytes.length < 3 + octets) return 'more';
  // The message id comes first, or it is text that begins with the digit 0.
  if (bytes[2 + octets] !== 0x02) return isText(first) ? lines(bytes) : 'none';
  let length = octets === 0 ? first : 0;
  for (let i = 0; i < octets; i++) length = length * 256 + (bytes[2 + i] as number);
  return sized(bytes, 2 + octets + length, LINE);
}

function mqtt(bytes: Uint8Array): Cut {
  let length = 0;
  for (let at = 1; at <= 4; at++) {
    const byte = bytes[at];
    if (byte === undefined) return 'more';
    length += (byte & 0x7f) * 128 ** (at - 1);
    // The variable header of CONNECT is all that is looked at.
    if (byte < 0x80) return sized(bytes, at + 1 + length, 12);
  }
  return 'none';
}

/** The unit that `bytes` begin with, in a flow that speaks `protocol`, or nobody knows yet what. */
export function unitOf(protocol: string, bytes: Uint8Array): Cut {
  switch (protocol) {
    case 'ftp':
      return lines(bytes);
    case 'telnet':
      return { head: bytes.length, length: bytes.length };
    case 'http':
    case 'fhir':
    case 'dicomweb':
      return http(bytes);
    case 'smb':
      return netbios(bytes);
  }
  const first = bytes[0] ?? 0;
  if (first === 0) return netbios(bytes);
  if (first === 5) return rpc(bytes);
  if (first === 0x10) return mqtt(bytes);
  if (first === 0x30) return ber(bytes);
  return isText(first) ? lines(bytes) : 'none';
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

interface Carried {
  readonly generation: number;
  readonly bytes: Uint8Array;
}

export class Units {
  /** Unfinished units by row and side of their flows, the oldest first. */
  readonly #carried = new Map<number, Carried>();

  /** Unfinished units that are kept. */
  get size(): number {
    return this.#carried.size;
  }

  /** In-order bytes of a direction: `look` gets each unit that they complete. Told is what the flow speaks. */
  push(
    flow: Flow<Reading>,
    from: Side,
    chunk: Uint8Array,
    protocol: string,
    look: (unit: Uint8Array) => void,
  ): void {
    const end = flow.ends[from];
    if (end.looked >= LOOKED) return;
    end.looked += chunk.length;
    const skipped = Math.min(end.rest, chunk.length);
    end.rest -= skipped;
    if (skipped === chunk.length) return;
    let bytes = this.#joined(flow, from, skipped === 0 ? chunk : chunk.subarray(skipped));
    for (let n = 0; n < UNITS && bytes.length > 0; n++) {
      let cut = unitOf(protocol, bytes);
      if (cut === 'none') return;
      if (cut === 'more') {
        if (bytes.length < UNIT) return this.#keep(flow, from, bytes);
        cut = { head: bytes.length, length: bytes.length };
      }
      look(bytes.subarray(0, cut.head));
      if (cut.length > bytes.length) {
        end.rest = cut.length - bytes.length;
        return;
      }
      if (protocol === 'telnet') return this.#keep(flow, from, bytes.subarray(-TAIL));
      bytes = bytes.subarray(cut.length);
    }
  }

  #joined(flow: Flow<Reading>, from: Side, bytes: Uint8Array): Uint8Array {
    const key = flow.row * 2 + from;
    const before = this.#carried.get(key);
    if (before === undefined) return bytes;
    this.#carried.delete(key);
    return before.generation === flow.generation ? joined(before.bytes, bytes) : bytes;
  }

  /** Of a stream whose start wasn't seen nothing is kept: the next segment begins anew. */
  #keep(flow: Flow<Reading>, from: Side, bytes: Uint8Array): void {
    if (flow.ends[from].midstream) return;
    if (this.#carried.size >= CARRIED)
      for (const oldest of this.#carried.keys()) {
        this.#carried.delete(oldest);
        break;
      }
    this.#carried.set(flow.row * 2 + from, { generation: flow.generation, bytes: new Uint8Array(bytes) });
  }
}
