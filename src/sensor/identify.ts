/**
 * What a flow speaks, told by its content on any port, and what its ends say of themselves.
 *
 * The first bytes of a direction go to each protocol's `recognize`; the first that says yes reads the flow as
 * a conversation and says things of its two ends to the host table. In a flow whose start was not seen, a
 * direction that isn't recognized is tried again at some segments: messages begin where segments do.
 *
 * Equipment-level facts only leave a conversation: names of systems, versions, sizes. No conversation keeps
 * payload beyond the header it reads, and all of them share one budget for that.
 *
 * Evidence is about an end only when that end's frames come from a card that owns the address (`HostTable.at`):
 * what a station behind a router says is not the router's.
 */
import { limits } from './constants.ts';
import { DicomConversation, recognizeDicom } from './dicom-conversation.ts';
import type { DirectionEnd, Flow, FlowListener, Side } from './flow.ts';
import { isPrivate, isUnicast } from './frame.ts';
import { greetings } from './greetings.ts';
import { Hl7Conversation, recognizeHl7 } from './hl7-conversation.ts';
import type { HostTable } from './host-table.ts';
import type { Host } from './host.ts';

/** Is it this protocol? `more`: too few bytes to tell. */
export type Recognition = 'yes' | 'no' | 'more';

/** What a conversation may do: say something of an end, name what the server's port speaks. */
export interface Speaker {
  /** Port of an end. */
  port(side: Side): number;
  /** Client and server are known, not guessed. */
  readonly opened: boolean;
  say(side: Side, field: string, value: string | undefined, at: number): void;
  /** The port of `side` is where this protocol is served. */
  serves(side: Side): void;
  weird(name: string): void;
  /** The same, in the name of a protocol that this one carries. */
  as(protocol: string): Speaker;
  /** Take `count` more bytes of the common budget; false when there are none. Negative gives back. */
  hold(count: number): boolean;
}

/** One flow, read. `push` says whether that direction has told all it can. */
export interface Conversation {
  push(from: Side, chunk: Uint8Array, at: number): boolean;
  /** No more bytes will come from that direction. */
  ended(from: Side): void;
}

export interface ProtocolRow {
  readonly name: string;
  /** Bytes that it can begin with; absent: any. */
  readonly starts?: readonly number[];
  readonly recognize: (head: Uint8Array) => Recognition;
  readonly converse: (speaker: Speaker) => Conversation;
}

const protocols: readonly ProtocolRow[] = [
  {
    name: 'dicom',
    starts: [1, 2],
    recognize: recognizeDicom,
    converse: (speaker) => new DicomConversation(speaker),
  },
  {
    name: 'hl7',
    starts: [0x0b],
    recognize: recognizeHl7,
    converse: (speaker) => new Hl7Conversation(speaker),
  },
  ...greetings,
];

/** The protocols that can begin with each byte: few are asked for any one. */
const byStart: readonly (readonly ProtocolRow[])[] = Array.from({ length: 256 }, (_, byte) =>
  protocols.filter((protocol) => protocol.starts?.includes(byte) ?? true),
);

/** Ports that any host goes to, and where ports of clients begin (RFC 6335 section 6). */
const isEveryones = (port: number): boolean => port === 80 || port === 443 || port === 53;
const EPHEMERAL = 49_152;

/** Bytes after which every protocol has said yes or no. */
const HEAD = 128;
/** Segments of a flow whose start wasn't seen in which a message is looked for. */
const STRANGE = 64;

export interface Reading {
  conversation: Conversation | undefined;
  /** Segments that nobody recognized. */
  strange: number;
}

/** Who else reads flows. */
export type Others = Required<Pick<FlowListener<Reading>, 'chunk' | 'wants'>>;

export class Identifier implements FlowListener<Reading> {
  readonly #hosts: HostTable;
  readonly #weird: (name: string) => void;
  readonly #others: Others | undefined;
  #held = 0;

  constructor(hosts: HostTable, weird: (name: string) => void, others?: Others) {
    this.#hosts = hosts;
    this.#weird = weird;
    this.#others = others;
  }

  chunk(flow: Flow<Reading>, from: Side, chunk: Uint8Array, at: number): void {
    this.#others?.chunk(flow, from, chunk, at);
  }

  wants(flow: Flow<Reading>, from: Side): boolean {
    return this.#others?.wants(flow, from) === true;
  }

  /** Bytes that conversations keep, all together. */
  get held(): number {
    return this.#held;
  }

  data(flow: Flow<Reading>, from: Side, chunk: Uint8Array, at: number): boolean {
    if (flow.reading === undefined) {
      flow.reading = { conversation: undefined, strange: 0 };
      this.#destination(flow, at);
    }
    const reading = flow.reading;
    const end = flow.ends[from];
    const bytes = end.head === undefined ? chunk : join(end.head, chunk);
    end.head = undefined;
    if (reading.conversation !== undefined) return reading.conversation.push(from, bytes, at);
    let unsure = false;
    for (const protocol of byStart[bytes[0] ?? 0] ?? protocols) {
      const answer = protocol.recognize(bytes);
      if (answer === 'yes') {
        flow.protocol = protocol.name;
        reading.conversation = protocol.converse(new FlowSpeaker(this, flow, protocol.name));
        return reading.conversation.push(from, bytes, at);
      }
      unsure ||= answer === 'more';
    }
    if (unsure && bytes.length < HEAD) {
      end.head = new Uint8Array(bytes);
      return false;
    }
    return !end.midstream || ++reading.strange > STRANGE;
  }

  ended(flow: Flow<Reading>, from: Side, _why: DirectionEnd): void {
    if (flow.reading === undefined) return;
    flow.ends[from].head = undefined;
    flow.reading.conversation?.ended(from);
  }

  /** A port far away that a host goes to, when few things go there. */
  #destination(flow: Flow<Reading>, at: number): void {
    const [client, server] = flow.ends;
    // In a flow whose start wasn't seen the higher port is the client's.
    const side: Side = flow.opened || client.port > server.port ? 0 : 1;
    const [own, other] = side === 0 ? [client, server] : [server, client];
    if (
      !isUnicast(other.address) ||
      isPrivate(other.address) ||
      isEveryones(other.port) ||
      other.port >= EPHEMERAL
    )
      return;
    const host = this.#hosts.at(own.mac, own.address);
    if (host !== undefined) this.#hosts.say(host, 'tcp', 'remotePort', String(other.port), at);
  }

  /** What a conversation says of an end. */
  say(flow: Flow<Reading>, side: Side, protocol: string, field: string, value: string, at: number): void {
    const host = this.#about(flow, side);
    if (host !== undefined) this.#hosts.say(host, protocol, field, value, at);
  }

  serves(flow: Flow<Reading>, side: Side, protocol: string): void {
    // What HTTP was found to carry says more.
    if (protocol !== 'http') flow.protocol = protocol;
    const host = this.#about(flow, side);
    if (host !== undefined) this.#hosts.service(host, flow.transport, flow.ends[side].port, protocol);
  }

  weird(name: string): void {
    this.#weird(name);
  }

  hold(count: number): boolean {
    if (count > 0 && this.#held + count > limits.HELD_BYTES) {
      this.#weird('conversation_budget_spent');
      return false;
    }
    this.#held += count;
    return true;
  }

  #about(flow: Flow<Reading>, side: Side): Host | undefined {
    const end = flow.ends[side];
    return this.#hosts.at(end.mac, end.address);
  }
}

/** One flow's way to say things, in the name of one protocol. */
class FlowSpeaker implements Speaker {
  readonly #identifier: Identifier;
  readonly #flow: Flow<Reading>;
  readonly #protocol: string;

  constructor(identifier: Identifier, flow: Flow<Reading>, protocol: string) {
    this.#identifier = identifier;
    this.#flow = flow;
    this.#protocol = protocol;
  }

  get opened(): boolean {
    return this.#flow.opened;
  }

  port(side: Side): number {
    return this.#flow.ends[side].port;
  }

  say(side: Side, field: string, value: string | undefined, at: number): void {
    if (value !== undefined) this.#identifier.say(this.#flow, side, this.#protocol, field, value, at);
  }

  serves(side: Side): void {
    this.#identifier.serves(this.#flow, side, this.#protocol);
  }

  weird(name: string): void {
    this.#identifier.weird(name);
  }

  as(protocol: string): Speaker {
    return new FlowSpeaker(this.#identifier, this.#flow, protocol);
  }

  hold(count: number): boolean {
    return this.#identifier.hold(count);
  }
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}
