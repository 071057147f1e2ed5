/**
 * The reference that the native stage's flows are compared with. The flow table: TCP connections and UDP exchanges by VLAN, addresses and ports, least recently used first
 * out, never more than its capacity.
 *
 * The client is who sent the SYN; in a flow whose start was not seen, who spoke first (a guess that content
 * may correct, see `identify.ts`). A port has answered when a SYN-ACK came from it or, over UDP, when it
 * replied to a datagram; a UDP reply from a higher port than the question's is taken for the question.
 * Segments without data open no flow, so the last ACK of a closed connection doesn't come back as a new one.
 */
import { tcpFlag } from '../../../src/sensor/constants.ts';
import { limits } from './constants.ts';
import type { Frame } from './frame.ts';
import { isHostAddress } from '../../../src/sensor/frame.ts';
import { Direction } from './reassembly.ts';
import type { DirectionEnd, PendingBudget } from './reassembly.ts';

/** One end of a flow. `mac` is the card that its frames come from: a router's for an end that is further away. */
export interface FlowEnd {
  readonly address: string;
  readonly port: number;
  mac: number;
}

/** Index of the end that sends: 0 the client, 1 the server. */
export type Side = 0 | 1;

export class Flow<Reading> {
  readonly transport: 'tcp' | 'udp';
  readonly ends: readonly [FlowEnd, FlowEnd];
  readonly directions: readonly [Direction, Direction] = [new Direction(), new Direction()];
  /** The start was seen, so the client is known. */
  readonly opened: boolean;
  answered = false;
  /** Sequence number of the client's SYN: tells a repeated SYN from a new connection on the same ports. */
  syn: number | undefined;
  readonly first: number;
  last: number;
  /** Who sent the last packet; payload bytes and packets with payload of each side. */
  from: Side = 0;
  readonly bytes: [number, number] = [0, 0];
  /** What the reader of the content keeps here. */
  reading: Reading | undefined;
  /** What the watch of behaviour keeps here. */
  watched: FlowWatch | undefined;

  constructor(transport: 'tcp' | 'udp', client: FlowEnd, server: FlowEnd, opened: boolean, at: number) {
    this.transport = transport;
    this.ends = [client, server];
    this.opened = opened;
    this.first = at;
    this.last = at;
  }
}

/** What is noted of a flow besides its content (`behaviour.ts`). */
export interface FlowWatch {
  /** Both ends have sent. */
  mutual: boolean;
  /** Bytes of each side, and whether the flow itself, that the baseline has counted. */
  readonly counted: [number, number];
  entered: boolean;
  /** Packets whose content was looked at, of each side. */
  readonly looked: [number, number];
  /** What is known of the content for the rules on it: a small state of their own. */
  mark: number;
}

export interface FlowListener<Reading> {
  /** The server end answered for the first time in this flow. */
  answered(flow: Flow<Reading>, at: number): void;
  /** In-order bytes of a TCP direction; `chunk` is valid only during the call. True when that was enough. */
  data(flow: Flow<Reading>, from: Side, chunk: Uint8Array, at: number): boolean;
  /** A TCP direction won't be looked at any further. */
  ended(flow: Flow<Reading>, from: Side, why: DirectionEnd): void;
  /** The flow leaves the table. */
  removed?(flow: Flow<Reading>): void;
}

/** How old `last` may be before a flow moves to the young end of the table: spares a map write a packet. */
const TOUCH_MS = 1_000;

export class FlowTable<Reading> {
  readonly #flows = new Map<string, Flow<Reading>>();
  readonly #listener: FlowListener<Reading>;
  readonly #capacity: number;
  readonly #budget: PendingBudget = { bytes: 0 };
  /** Flows that had to go because the table was full. */
  evicted = 0;

  constructor(listener: FlowListener<Reading>, capacity: number = limits.FLOWS) {
    this.#listener = listener;
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#flows.size;
  }

  get pendingBytes(): number {
    return this.#budget.bytes;
  }

  all(): Iterable<Flow<Reading>> {
    return this.#flows.values();
  }

  /** Take a decoded frame, and give its flow; anything but TCP and UDP between two hosts is passed over. */
  take(frame: Frame, at: number): Flow<Reading> | undefined {
    if (frame.transport !== 'tcp' && frame.transport !== 'udp') return undefined;
    const low =
      frame.source < frame.destination ||
      (frame.source === frame.destination && frame.sourcePort <= frame.destinationPort);
    const key = keyOf(frame, low);
    let flow = this.#flows.get(key);
    const syn = frame.transport === 'tcp' && (frame.tcpFlags & (tcpFlag.SYN | tcpFlag.ACK)) === tcpFlag.SYN;
    // The same ports again: a new connection, unless it is the SYN repeated or overtaken by its answer.
    if (flow !== undefined && syn) {
      if (!flow.opened || (flow.syn !== undefined && flow.syn !== frame.sequence)) {
        this.#remove(key, flow);
        flow = undefined;
      } else flow.syn = frame.sequence;
    }
    if (flow === undefined) {
      const opened = this.#open(frame, at);
      if (opened === undefined) return undefined;
      flow = opened;
      if (syn) flow.syn = frame.sequence;
      this.#flows.set(key, flow);
      this.#makeRoom();
    } else if (at - flow.last > TOUCH_MS) {
      this.#flows.delete(key);
      this.#flows.set(key, flow);
      flow.last = at;
    }
    const client = flow.ends[0];
    const from: Side = frame.source === client.address && frame.sourcePort === client.port ? 0 : 1;
    flow.ends[from].mac = frame.sourceMac;
    flow.from = from;
    flow.bytes[from] += frame.payloadEnd + frame.payloadMissing - frame.payloadStart;
    if (frame.transport === 'tcp') this.#tcp(flow, from, frame, at);
    else this.#udp(flow, from, at);
    return flow;
  }

  /** Forget flows that were silent for long. */
  expire(at: number): void {
    for (const [key, flow] of this.#flows) {
      if (at - flow.last < limits.FLOW_IDLE_MS) return;
      this.#remove(key, flow);
    }
  }

  #tcp(flow: Flow<Reading>, from: Side, frame: Frame, at: number): void {
    const direction = flow.directions[from];
    let sequence = frame.sequence;
    if ((frame.tcpFlags & tcpFlag.SYN) !== 0) {
      direction.synchronize(sequence);
      sequence = (sequence + 1) >>> 0;
      if (from === 1 && !flow.answered && (frame.tcpFlags & tcpFlag.ACK) !== 0) {
        flow.answered = true;
        this.#listener.answered(flow, at);
      }
    }
    if (direction.ended === undefined && frame.payloadEnd + frame.payloadMissing > frame.payloadStart) {
      const payload = frame.bytes.subarray(frame.payloadStart, frame.payloadEnd);
      direction.push(sequence, payload, frame.payloadMissing, this.#budget, (chunk) =>
        this.#listener.data(flow, from, chunk, at),
      );
      if (direction.ended !== undefined) this.#listener.ended(flow, from, direction.ended);
    }
    if ((frame.tcpFlags & tcpFlag.RST) !== 0) this.#close(flow);
  }

  #udp(flow: Flow<Reading>, from: Side, at: number): void {
    if (from === 0 || flow.answered) return;
    flow.answered = true;
    if (flow.ends[1].port <= flow.ends[0].port) this.#listener.answered(flow, at);
  }

  #open(frame: Frame, at: number): Flow<Reading> | undefined {
    if (!isHostAddress(frame.source) || !isHostAddress(frame.destination)) return undefined;
    const source = { address: frame.source, port: frame.sourcePort, mac: frame.sourceMac };
    const destination = {
      address: frame.destination,
      port: frame.destinationPort,
      mac: frame.destinationMac,
    };
    if (frame.transport === 'udp') return new Flow('udp', source, destination, true, at);
    const flags = frame.tcpFlags & (tcpFlag.SYN | tcpFlag.ACK | tcpFlag.RST);
    if (flags === tcpFlag.SYN) return new Flow('tcp', source, destination, true, at);
    if (flags === (tcpFlag.SYN | tcpFlag.ACK)) return new Flow('tcp', destination, source, true, at);
    if ((flags & tcpFlag.RST) !== 0 || frame.payloadEnd === frame.payloadStart) return undefined;
    return new Flow('tcp', source, destination, false, at);
  }

  #close(flow: Flow<Reading>): void {
    for (const side of [0, 1] as const) {
      if (flow.directions[side].ended !== undefined) continue;
      flow.directions[side].end('closed', this.#budget);
      this.#listener.ended(flow, side, 'closed');
    }
  }

  #remove(key: string, flow: Flow<Reading>): void {
    this.#close(flow);
    this.#flows.delete(key);
    this.#listener.removed?.(flow);
  }

  #makeRoom(): void {
    if (this.#flows.size <= this.#capacity) return;
    for (const [key, flow] of this.#flows) {
      this.#remove(key, flow);
      this.evicted++;
      return;
    }
  }
}

function keyOf(frame: Frame, low: boolean): string {
  const tag = frame.transport === 'tcp' ? frame.vlan : frame.vlan | 0x1000;
  return low
    ? frame.source + frame.destination + String.fromCharCode(frame.sourcePort, frame.destinationPort, tag)
    : frame.destination + frame.source + String.fromCharCode(frame.destinationPort, frame.sourcePort, tag);
}
