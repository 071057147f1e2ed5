/**
 * Flows as the native stage tells of them (`native/sensor/stage.h`): the stage knows which frame is of which flow, puts
 * segments in order, counts, and bounds the table; here are, by the stage's row, the flows whose content is being read.
 *
 * A flow is an object as long as somebody wants more of it. What stays of it then is two bytes: what it speaks, and what
 * is noted of it. When nobody wants more of a direction the stage is told, and its payload no longer comes.
 *
 * The client is who sent the SYN; in a flow whose start was not seen, who spoke first (a guess that content
 * may correct, see `identify.ts`).
 */
import type { StageEnd, Totals } from './batch.ts';
import { tcpFlag } from './constants.ts';
import { NO_ROW } from './frame.ts';
import type { Frame } from './frame.ts';

/** Index of the end that sends: 0 the client, 1 the server. */
export type Side = 0 | 1;

/** Why a direction is no longer looked at: its reader had enough, or as the stage says, or the flow is over. */
export type DirectionEnd = StageEnd | 'enough' | 'closed';

/** One end of a flow, and what it sends. */
export class FlowEnd {
  readonly address: string;
  readonly port: number;
  /** The card that its frames come from: a router's for an end that is further away. */
  mac: number;
  /** The start of what it sends was not seen. */
  midstream = false;
  ended: DirectionEnd | undefined;
  /** The stage was told that no more is wanted. */
  released = false;
  /**
   * Bytes that were looked at for `findings/` (of a UDP flow, packets), and how many more belong to a unit that was
   * (`findings/unit.ts`).
   */
  looked = 0;
  rest = 0;
  /** What it began with, while no protocol is sure. */
  head: Uint8Array | undefined;

  constructor(address: string, port: number, mac: number) {
    this.address = address;
    this.port = port;
    this.mac = mac;
  }
}

export class Flow<Reading> {
  /** The stage's row, and what tells this flow from others that had it. */
  readonly row: number;
  readonly generation: number;
  readonly transport: 'tcp' | 'udp';
  readonly ends: readonly [FlowEnd, FlowEnd];
  /** The start was seen, so the client is known. */
  readonly opened: boolean;
  /** Who sent the last packet. */
  from: Side = 0;
  /** What it speaks, once its content told. */
  protocol: string | undefined;
  /** What the reader of the content keeps here. */
  reading: Reading | undefined;
  /** What is noted of it (`findings/content.ts`). */
  mark = 0;

  constructor(frame: Frame) {
    this.row = frame.row;
    this.generation = frame.generation;
    this.transport = frame.transport === 'udp' ? 'udp' : 'tcp';
    const source = new FlowEnd(frame.source, frame.sourcePort, frame.sourceMac);
    const destination = new FlowEnd(frame.destination, frame.destinationPort, frame.destinationMac);
    this.ends = frame.side === 0 ? [source, destination] : [destination, source];
    this.opened = frame.opened;
  }
}

export interface FlowListener<Reading> {
  /** In-order bytes of a TCP direction; `chunk` is valid only during the call. True when that was enough. */
  data(flow: Flow<Reading>, from: Side, chunk: Uint8Array, at: number): boolean;
  /** The same bytes for others than the reader of the content, for as long as they want more. */
  chunk?(flow: Flow<Reading>, from: Side, chunk: Uint8Array, at: number): void;
  /** A TCP direction won't be looked at any further. */
  ended(flow: Flow<Reading>, from: Side, why: DirectionEnd): void;
  /** Others than the reader of the content want more of a direction. */
  wants?(flow: Flow<Reading>, from: Side): boolean;
}

/** Bits above the marks: a direction is done with. */
const DONE = [64, 128] as const;
const FIRST_ROWS = 1024;
/** What flows speak, by number: rows keep the number. */
const PROTOCOLS = 255;

export class FlowTable<Reading> {
  /** Flows that are being read, by row. */
  readonly #active = new Map<number, Flow<Reading>>();
  #marks = new Uint8Array(FIRST_ROWS);
  #spoken = new Uint8Array(FIRST_ROWS);
  readonly #protocols: (string | undefined)[] = [undefined];
  readonly #listener: FlowListener<Reading>;
  /** Directions of which the stage isn't told yet that no more is wanted. */
  #released: number[] = [];
  /** Flows, those that had to go because the table was full, and bytes that wait for earlier ones: the stage's. */
  size = 0;
  evicted = 0;
  pendingBytes = 0;

  constructor(listener: FlowListener<Reading>) {
    this.#listener = listener;
  }

  /** Flows that are being read. */
  get reading(): number {
    return this.#active.size;
  }

  /** Take a frame of the stage, and give its flow when its content is of interest. */
  take(frame: Frame, at: number): Flow<Reading> | undefined {
    const { row } = frame;
    if (row === NO_ROW) return undefined;
    if (frame.transport === 'udp') return this.#noted(frame);
    let flow = this.#active.get(row);
    if (flow !== undefined && flow.generation !== frame.generation) {
      this.#close(flow);
      this.#active.delete(row);
      flow = undefined;
    }
    const from = frame.side;
    if (frame.chunkEnd > frame.chunkStart) {
      if (flow === undefined) {
        if (((this.#marks[row] ?? 0) & DONE[from]) !== 0) return undefined;
        flow = this.#noted(frame);
        this.#active.set(row, flow);
      }
      flow.from = from;
      flow.ends[from].mac = frame.sourceMac;
      flow.ends[from].midstream = frame.midstream;
      this.#data(flow, from, frame.chunk, at);
    } else if (flow !== undefined) {
      flow.from = from;
      flow.ends[from].mac = frame.sourceMac;
    }
    if ((frame.tcpFlags & tcpFlag.RST) !== 0 && flow !== undefined) this.#close(flow);
    return flow;
  }

  /** The frame of a flow was looked at: what isn't wanted any more is let go. */
  looked(flow: Flow<Reading>): void {
    if (flow.transport === 'udp') return this.#note(flow);
    for (const side of [0, 1] as const) this.#release(flow, side);
    const [a, b] = flow.ends;
    if (!a.released || !b.released) return;
    this.#note(flow);
    this.#active.delete(flow.row);
  }

  /** What waited for the frame before. */
  data(row: number, generation: number, side: Side, chunk: Uint8Array, at: number): void {
    const flow = this.#active.get(row);
    if (flow?.generation !== generation) return;
    this.#data(flow, side, chunk, at);
    this.looked(flow);
  }

  /** The stage looks no further at a direction. */
  ended(row: number, generation: number, side: Side, why: StageEnd): void {
    const flow = this.#active.get(row);
    if (flow?.generation !== generation) return;
    this.#end(flow, side, why);
    flow.ends[side].released = true;
    this.looked(flow);
  }

  /** What the flow of a row speaks, as far as its content told. */
  protocol(row: number): string | undefined {
    return this.#active.get(row)?.protocol ?? this.#protocols[this.#spoken[row] ?? 0];
  }

  /** The flow is over, and what it spoke is still known. */
  close(row: number, generation: number): void {
    const flow = this.#active.get(row);
    if (flow === undefined) return;
    if (flow.generation === generation) {
      this.#close(flow);
      this.#note(flow);
    }
    this.#active.delete(row);
  }

  /** The row is free. */
  forget(row: number): void {
    if (row >= this.#marks.length) return;
    this.#marks[row] = 0;
    this.#spoken[row] = 0;
  }

  totals(totals: Totals): void {
    this.size = totals.flows;
    this.evicted = totals.flowsEvicted;
    this.pendingBytes = totals.pendingBytes;
  }

  /** Directions of which no more is wanted since this was last asked, as the stage takes them. */
  takeReleased(): Uint8Array | undefined {
    if (this.#released.length === 0) return undefined;
    const list = new Uint8Array(new Uint32Array(this.#released).buffer);
    this.#released = [];
    return list;
  }

  /** A flow with what is noted of its row. */
  #noted(frame: Frame): Flow<Reading> {
    const flow = new Flow<Reading>(frame);
    const marks = this.#marks[frame.row] ?? 0;
    flow.from = frame.side;
    flow.mark = marks & (DONE[0] - 1);
    flow.protocol = this.#protocols[this.#spoken[frame.row] ?? 0] ?? frame.spoken;
    for (const side of [0, 1] as const) {
      if ((marks & DONE[side]) === 0 && !(frame.otherDone && side !== frame.side)) continue;
      flow.ends[side].ended = 'enough';
      flow.ends[side].released = true;
    }
    return flow;
  }

  #note(flow: Flow<Reading>): void {
    const { row, ends, protocol } = flow;
    if (row >= this.#marks.length) this.#grow(row);
    this.#marks[row] = flow.mark | (ends[0].released ? DONE[0] : 0) | (ends[1].released ? DONE[1] : 0);
    let number = this.#protocols.indexOf(protocol);
    if (number < 0) number = this.#protocols.length < PROTOCOLS ? this.#protocols.push(protocol) - 1 : 0;
    this.#spoken[row] = number;
  }

  #grow(row: number): void {
    const larger = (of: Uint8Array): Uint8Array<ArrayBuffer> => {
      const rows = new Uint8Array(Math.max(row + 1, of.length * 2));
      rows.set(of);
      return rows;
    };
    this.#marks = larger(this.#marks);
    this.#spoken = larger(this.#spoken);
  }

  #data(flow: Flow<Reading>, from: Side, chunk: Uint8Array, at: number): void {
    if (flow.ends[from].ended === undefined && this.#listener.data(flow, from, chunk, at))
      this.#end(flow, from, 'enough');
    this.#listener.chunk?.(flow, from, chunk, at);
  }

  #release(flow: Flow<Reading>, from: Side): void {
    const end = flow.ends[from];
    if (end.ended === undefined || end.released) return;
    if (end.ended !== 'closed' && this.#listener.wants?.(flow, from) === true) return;
    end.released = true;
    this.#released.push(flow.row, flow.generation * 2 + from);
  }

  #end(flow: Flow<Reading>, side: Side, why: DirectionEnd): void {
    const end = flow.ends[side];
    if (end.ended !== undefined) return;
    end.ended = why;
    this.#listener.ended(flow, side, why);
  }

  #close(flow: Flow<Reading>): void {
    this.#end(flow, 0, 'closed');
    this.#end(flow, 1, 'closed');
  }
}
