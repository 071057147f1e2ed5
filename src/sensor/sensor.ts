/**
 * The sensor: frames in, hosts out. Live batches and capture files take the same path:
 *
 *   bytes → Stage (native) → batch → HostTable.see → FlowTable.take → Identifier → HostTable.say, .service
 *                                                  → Announcements ↗
 *                                                  → Behaviour → findings, baselines
 *
 * The stage hands over the frames that may tell something and counts the others. A frame that carries another comes
 * twice: as itself, and as what is inside.
 *
 * It has no way to send, resolves no names and keeps no payload but the few bytes a reader waits for.
 * Whatever the bytes, `take` doesn't throw and the tables keep their bounds.
 */
import { synShape, synText } from '../protocol/tcp/message.ts';
import { Announcements } from './announcement.ts';
import { Behaviour } from './behaviour.ts';
import type { BehaviourOptions } from './behaviour.ts';
import { readBatch } from './batch.ts';
import type { BatchReader, FlowNews, StageEnd, Totals } from './batch.ts';
import { limits, tcpFlag } from './constants.ts';
import { isLookedAt } from './findings/cleartext.ts';
import { FlowTable } from './flow.ts';
import type { Side } from './flow.ts';
import { Frame } from './frame.ts';
import { HostTable } from './host-table.ts';
import { Identifier } from './identify.ts';
import type { Reading } from './identify.ts';
import type { Stage } from './stage.ts';
import type { SystemOf } from './syn-signature.ts';
import type { VendorOf } from './vendor.ts';

export interface SensorOptions {
  readonly vendorOf: VendorOf;
  readonly stage: Stage;
  /** Systems by the shape of their SYNs, where signatures are installed. */
  readonly systemOf?: SystemOf | undefined;
  /** The gateway's own cards, which are not listed. */
  readonly own?: ReadonlySet<number>;
  readonly behaviour?: BehaviourOptions;
  /** A smaller table, for tests. */
  readonly hosts?: number;
  /** Hosts whose identity is kept: all, where it is asked for at the end. */
  readonly identities?: number;
}

export interface SensorCounters {
  frames: number;
  bytes: number;
  fragments: number;
}

const SWEEP_MS = 10_000;
/** Of one capture file. */
const FILE_WEIRDS = 1000;

/** Something wrong with a capture file. */
export interface FileWeird {
  readonly weird: string;
  readonly offset: number;
}

export class Sensor implements BatchReader {
  readonly hosts: HostTable;
  readonly flows: FlowTable<Reading>;
  readonly behaviour: Behaviour;
  readonly counters: SensorCounters = { frames: 0, bytes: 0, fragments: 0 };
  /** How often each weird was met. The names are the decoders' own, so the map is as small as their list. */
  readonly weirds = new Map<string, number>();
  readonly #identifier: Identifier;
  readonly #announcements: Announcements;
  readonly #systemOf: SystemOf | undefined;
  readonly #stage: Stage;
  readonly #frame = new Frame();
  #fileWeirds: FileWeird[] = [];
  #swept = 0;
  /** Time of the last frame. */
  #at = 0;

  constructor(options: SensorOptions) {
    const { vendorOf, own, identities = limits.IDENTITIES } = options;
    this.#systemOf = options.systemOf;
    this.#stage = options.stage;
    const capacity = options.hosts ?? limits.HOSTS;
    this.hosts = new HostTable({ vendorOf, capacity, identities, ...(own === undefined ? {} : { own }) });
    const behaviour = new Behaviour(this.hosts, options.behaviour);
    this.behaviour = behaviour;
    this.#identifier = new Identifier(this.hosts, (name) => this.weird(name), behaviour);
    this.#announcements = new Announcements(this.hosts, (name) => this.weird(name));
    this.flows = new FlowTable(this.#identifier);
  }

  /** Bytes that conversations keep while a header is incomplete. */
  get held(): number {
    return this.#identifier.held;
  }

  /** A frame as captured: `at` is epoch ms. */
  take(link: number, bytes: Uint8Array, wireLength: number, at: number): void {
    this.#read(this.#stage.frame(link, bytes, wireLength, at));
  }

  /** A batch of the capture ring. */
  takeBatch(records: Uint8Array): void {
    for (let from = 0; from < records.length; from = this.#stage.walked())
      this.#read(this.#stage.walk(records, from));
  }

  /** The next piece of a capture file, of any size. */
  read(bytes: Uint8Array): void {
    this.#stage.push(bytes);
    this.#rest();
  }

  /** The capture file is over: what was wrong with it. */
  endFile(): FileWeird[] {
    this.#stage.end();
    this.#rest();
    const weirds = this.#fileWeirds;
    this.#fileWeirds = [];
    return weirds;
  }

  /** Time passes without frames. */
  idle(at: number): void {
    if (this.#due(at)) {
      this.expire(at);
      this.#tell();
    }
    this.#sweep(at);
  }

  /** Forget flows that were silent for long. */
  expire(at: number): void {
    for (let length = this.#stage.expire(at); length > 0; length = this.#stage.expire(at)) this.#read(length);
  }

  /** No more comes for now: what is known of flows under way counts. */
  settle(at = this.#at): void {
    this.#tell();
    this.behaviour.sweep(at, true);
  }

  frame(frame: Frame, at: number): void {
    this.#at = at;
    this.hosts.see(frame, at);
    if (frame.transport === 'tcp' && (frame.tcpFlags & tcpFlag.SYN) !== 0) this.#stack(frame, at);
    const flow = isLookedAt(frame) ? this.flows.take(frame, at) : undefined;
    this.#announcements.take(frame, at);
    this.behaviour.frame(frame, flow, at);
    if (flow !== undefined) this.flows.looked(flow);
    this.#sweep(at);
  }

  data(row: number, generation: number, side: Side, chunk: Uint8Array, at: number): void {
    this.flows.data(row, generation, side, chunk, at);
  }

  ended(row: number, generation: number, side: Side, why: StageEnd): void {
    this.flows.ended(row, generation, side, why);
  }

  flow(news: FlowNews): void {
    if (news.isRemoved) {
      this.flows.close(news.row, news.generation);
      if (news.spent) return this.flows.forget(news.row);
    }
    if (news.isAnswered) {
      const host = this.hosts.at(news.serverMac, news.server);
      if (host !== undefined) this.hosts.service(host, news.transport, news.serverPort);
    }
    this.behaviour.flow(news, this.flows.protocol(news.row));
    if (news.isRemoved) this.flows.forget(news.row);
  }

  sighting(mac: number, address: string, _packets: number, _bytes: number, at: number): void {
    this.hosts.count(mac, address, at);
  }

  totals(totals: Totals): void {
    this.counters.frames += totals.frames;
    this.counters.bytes += totals.bytes;
    this.counters.fragments += totals.fragments;
    this.flows.totals(totals);
    this.behaviour.held(totals.held);
  }

  against(name: string, mac: number, source: string, destination: string, at: number): void {
    this.behaviour.fragments(name, mac, source, destination, at);
  }

  weird(name: string, count = 1, offset?: number): void {
    if (offset === undefined) this.weirds.set(name, (this.weirds.get(name) ?? 0) + count);
    else if (this.#fileWeirds.length < FILE_WEIRDS) this.#fileWeirds.push({ weird: name, offset });
  }

  #tell(): void {
    for (let length = this.#stage.tell(); length > 0; length = this.#stage.tell()) this.#read(length);
  }

  #rest(): void {
    for (let length = this.#stage.next(); length > 0; length = this.#stage.next()) this.#read(length);
  }

  #read(length: number): void {
    if (!readBatch(this.#stage.batch.subarray(0, length), this.#frame, this)) this.weird('batch_malformed');
    const released = this.flows.takeReleased();
    if (released !== undefined) this.#stage.done(released);
  }

  #due(at: number): boolean {
    // A frame that was held back is a little older than the one before it.
    return Math.abs(at - this.#swept) > SWEEP_MS;
  }

  #sweep(at: number): void {
    if (!this.#due(at)) return;
    this.#swept = at;
    this.behaviour.sweep(at);
  }

  /** What a SYN tells of its sender's system. */
  #stack(frame: Frame, at: number): void {
    const host = this.hosts.at(frame.sourceMac, frame.source);
    if (host === undefined) return;
    const payload = frame.payloadEnd > frame.payloadStart;
    const shape = synShape(frame.bytes, frame.networkStart, frame.transportStart, payload);
    if (shape === undefined) return;
    const reply = (frame.tcpFlags & tcpFlag.ACK) !== 0;
    const text = synText(shape);
    this.hosts.say(host, 'tcp', reply ? 'synAck' : 'syn', text, at);
    const system = this.#systemOf?.(shape, reply, text);
    if (system !== undefined) this.hosts.say(host, 'tcp', system.tool ? 'tool' : 'system', system.name, at);
  }
}
