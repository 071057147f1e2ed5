/**
 * Flows as the native stage tells of them (`native/sensor/stage.h`): the stage knows which frame is of which flow, puts
 * segments in order and bounds the table; here is what is known of each, by the stage's row.
 *
 * The client is who sent the SYN; in a flow whose start was not seen, who spoke first (a guess that content
 * may correct, see `identify.ts`). When nobody wants more of a direction the stage is told, and its payload no
 * longer comes.
 */
import type { StageEnd, Totals } from './batch.ts';
import { tcpFlag } from './constants.ts';
import { NO_ROW } from './frame.ts';
import type { Frame } from './frame.ts';

/** One end of a flow. `mac` is the card that its frames come from: a router's for an end that is further away. */
export interface FlowEnd {
  readonly address: string;
  readonly port: number;
  mac: number;
}

/** Index of the end that sends: 0 the client, 1 the server. */
export type Side = 0 | 1;

/** Why a direction is no longer looked at: its reader had enough, or as the stage says, or the flow is over. */
export type DirectionEnd = StageEnd | 'enough' | 'closed';

export interface Direction {
  /** Its start was not seen. */
  midstream: boolean;
  ended: DirectionEnd | undefined;
  /** The stage was told that no more is wanted. */
  released: boolean;
}

const direction = (): Direction => ({ midstream: false, ended: undefined, released: false });

export class Flow<Reading> {
  /** Tells this flow from others that had its row. */
  readonly generation: number;
  readonly transport: 'tcp' | 'udp';
  readonly ends: readonly [FlowEnd, FlowEnd];
  readonly directions: readonly [Direction, Direction] = [direction(), direction()];
  /** The start was seen, so the client is known. */
  readonly opened: boolean;
  answered = false;
  /** Sequence number of the client's SYN, when that opened it. */
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

  constructor(frame: Frame, at: number) {
    this.generation = frame.generation;
    this.transport = frame.transport === 'udp' ? 'udp' : 'tcp';
    const source = { address: frame.source, port: frame.sourcePort, mac: frame.sourceMac };
    const destination = {
      address: frame.destination,
      port: frame.destinationPort,
      mac: frame.destinationMac,
    };
    this.ends = frame.side === 0 ? [source, destination] : [destination, source];
    this.opened = frame.opened;
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
  /** Others than the reader of the content want more of a direction. */
  wants?(flow: Flow<Reading>, from: Side): boolean;
  /** The flow leaves the table. */
  removed?(flow: Flow<Reading>): void;
}

export class FlowTable<Reading> {
  readonly #rows: (Flow<Reading> | undefined)[] = [];
  readonly #listener: FlowListener<Reading>;
  /** Directions of which the stage isn't told yet that no more is wanted. */
  #released: number[] = [];
  size = 0;
  /** Flows that had to go because the table was full, and bytes that wait for earlier ones: the stage's. */
  evicted = 0;
  pendingBytes = 0;

  constructor(listener: FlowListener<Reading>) {
    this.#listener = listener;
  }

  *all(): Generator<Flow<Reading>> {
    for (const flow of this.#rows) if (flow !== undefined) yield flow;
  }

  /** Take a frame of the stage, and give its flow where it has one. */
  take(frame: Frame, at: number): Flow<Reading> | undefined {
    if (frame.row === NO_ROW) return undefined;
    let flow = this.#rows[frame.row];
    if (flow?.generation !== frame.generation) {
      if (flow !== undefined) this.#remove(frame.row, flow);
      flow = new Flow<Reading>(frame, at);
      const flags = frame.tcpFlags & (tcpFlag.SYN | tcpFlag.ACK);
      if (flow.transport === 'tcp' && flags === tcpFlag.SYN) flow.syn = frame.sequence;
      // Rows are given out in order, so the array has no holes but where a row is told late.
      while (this.#rows.length < frame.row) this.#rows.push(undefined);
      this.#rows[frame.row] = flow;
      this.size++;
    }
    flow.last = Math.max(flow.last, at);
    const from = frame.side;
    flow.from = from;
    flow.ends[from].mac = frame.sourceMac;
    flow.bytes[0] += frame.clientBytes;
    flow.bytes[1] += frame.serverBytes;
    if (flow.transport === 'udp') {
      if (from === 1) flow.answered = true;
      if (frame.answered) this.#listener.answered(flow, at);
      return flow;
    }
    if (frame.answered) {
      flow.answered = true;
      this.#listener.answered(flow, at);
    }
    flow.directions[from].midstream = frame.midstream;
    if (frame.chunkEnd > frame.chunkStart)
      this.#data(frame.row, flow, from, frame.bytes.subarray(frame.chunkStart, frame.chunkEnd), at);
    if ((frame.tcpFlags & tcpFlag.RST) !== 0) this.#close(flow);
    return flow;
  }

  /** What waited for the frame before. */
  data(row: number, generation: number, side: Side, chunk: Uint8Array, at: number): void {
    const flow = this.#rows[row];
    if (flow?.generation === generation) this.#data(row, flow, side, chunk, at);
  }

  /** The stage looks no further at a direction. */
  ended(row: number, generation: number, side: Side, why: StageEnd): void {
    const flow = this.#rows[row];
    if (flow?.generation !== generation) return;
    this.#end(flow, side, why);
    flow.directions[side].released = true;
  }

  removed(row: number, generation: number, bytes: readonly [number, number]): void {
    const flow = this.#rows[row];
    if (flow?.generation !== generation) return;
    flow.bytes[0] += bytes[0];
    flow.bytes[1] += bytes[1];
    this.#remove(row, flow);
  }

  totals(totals: Totals): void {
    this.evicted = totals.flowsEvicted;
    this.pendingBytes = totals.pendingBytes;
  }

  /** Directions of which no more is wanted since this was last asked, as the stage takes them. */
  takeReleased(): Uint8Array | undefined {
    if (this.#released.length === 0) return undefined;
    const list = new Uint8Array(Uint32Array.from(this.#released).buffer);
    this.#released = [];
    return list;
  }

  #data(row: number, flow: Flow<Reading>, from: Side, chunk: Uint8Array, at: number): void {
    const direction = flow.directions[from];
    if (direction.ended === undefined && this.#listener.data(flow, from, chunk, at))
      this.#end(flow, from, 'enough');
    if (direction.ended === undefined || direction.released) return;
    if (this.#listener.wants?.(flow, from) === true) return;
    direction.released = true;
    this.#released.push(row, flow.generation * 2 + from);
  }

  #end(flow: Flow<Reading>, side: Side, why: DirectionEnd): void {
    const direction = flow.directions[side];
    if (direction.ended !== undefined) return;
    direction.ended = why;
    this.#listener.ended(flow, side, why);
  }

  #close(flow: Flow<Reading>): void {
    this.#end(flow, 0, 'closed');
    this.#end(flow, 1, 'closed');
  }

  #remove(row: number, flow: Flow<Reading>): void {
    this.#close(flow);
    this.#rows[row] = undefined;
    this.size--;
    this.#listener.removed?.(flow);
  }
}
