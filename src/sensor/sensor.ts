/**
 * The sensor: frames in, hosts out. Live batches and capture files take the same path:
 *
 *   frame → Frame.decode → HostTable.see → FlowTable.take → Identifier → HostTable.say, .service
 *                                        → Announcements ↗
 *                                        → Behaviour → findings, baselines
 *
 * A frame that carries another is seen twice: as itself, and as what is inside.
 *
 * It has no way to send, resolves no names and keeps no payload but the few bytes a reader waits for.
 * Whatever the bytes, `take` doesn't throw and the tables keep their bounds.
 */
import { synShape, synText } from '../protocol/tcp/message.ts';
import { Announcements } from './announcement.ts';
import { Behaviour } from './behaviour.ts';
import type { BehaviourOptions } from './behaviour.ts';
import { walkBatch } from './capture-batch.ts';
import { limits, linkType, tcpFlag } from './constants.ts';
import { FlowTable } from './flow.ts';
import { Frame } from './frame.ts';
import { HostTable } from './host.ts';
import { Identifier } from './identify.ts';
import type { Reading } from './identify.ts';
import type { SystemOf } from './syn-signature.ts';
import type { VendorOf } from './vendor.ts';

export interface SensorOptions {
  readonly vendorOf: VendorOf;
  /** Systems by the shape of their SYNs, where signatures are installed. */
  readonly systemOf?: SystemOf | undefined;
  /** The gateway's own cards, which are not listed. */
  readonly own?: ReadonlySet<number>;
  readonly behaviour?: BehaviourOptions;
  /** Smaller tables, for tests. */
  readonly hosts?: number;
  readonly flows?: number;
}

export interface SensorCounters {
  frames: number;
  bytes: number;
  fragments: number;
}

const EXPIRE_MS = 10_000;
/** SYNs of a host that are looked at: the first of them, and then each of so many. */
const SYNS = 16;

export class Sensor {
  readonly hosts: HostTable;
  readonly flows: FlowTable<Reading>;
  readonly behaviour: Behaviour;
  readonly counters: SensorCounters = { frames: 0, bytes: 0, fragments: 0 };
  /** How often each weird was met. The names are the decoders' own, so the map is as small as their list. */
  readonly weirds = new Map<string, number>();
  readonly #identifier: Identifier;
  readonly #announcements: Announcements;
  readonly #systemOf: SystemOf | undefined;
  /** One for each level of tunnels. */
  readonly #frames: readonly Frame[] = Array.from({ length: limits.TUNNELS + 1 }, () => new Frame());
  #expired = 0;

  constructor(options: SensorOptions) {
    const { vendorOf, own } = options;
    this.#systemOf = options.systemOf;
    const capacity = options.hosts ?? limits.HOSTS;
    this.hosts = new HostTable({ vendorOf, capacity, ...(own === undefined ? {} : { own }) });
    const behaviour = new Behaviour(this.hosts, options.behaviour);
    this.behaviour = behaviour;
    this.#identifier = new Identifier(
      this.hosts,
      (name) => this.weird(name),
      (flow) => behaviour.removed(flow),
    );
    this.#announcements = new Announcements(this.hosts, (name) => this.weird(name));
    this.flows = new FlowTable(this.#identifier, options.flows ?? limits.FLOWS);
  }

  /** Bytes that conversations keep while a header is incomplete. */
  get held(): number {
    return this.#identifier.held;
  }

  /** A frame as captured: `at` is epoch ms. */
  take(link: number, bytes: Uint8Array, wireLength: number, at: number): void {
    this.counters.frames++;
    this.counters.bytes += wireLength;
    for (const frame of this.#frames) {
      frame.decode(link, bytes);
      this.#observe(frame, at);
      if (frame.inner === undefined) break;
      link = frame.inner.link;
      bytes = bytes.subarray(frame.inner.start, frame.inner.end);
    }
    this.idle(at);
  }

  /** Time passes, with frames or without. */
  idle(at: number): void {
    if (at - this.#expired <= EXPIRE_MS && at >= this.#expired) return;
    this.#expired = at;
    this.flows.expire(at);
    this.behaviour.sweep(at, this.flows.all());
  }

  /** No more comes for now: what is known of flows under way counts. */
  settle(at: number): void {
    this.behaviour.sweep(at, this.flows.all(), true);
  }

  #observe(frame: Frame, at: number): void {
    if (frame.transport === 'fragment') this.counters.fragments++;
    if (frame.weird !== undefined) this.weird(frame.weird);
    this.hosts.see(frame, at);
    if (frame.transport === 'tcp' && (frame.tcpFlags & tcpFlag.SYN) !== 0) this.#stack(frame, at);
    const flow = this.flows.take(frame, at);
    this.#announcements.take(frame, at);
    this.behaviour.frame(frame, flow, at);
  }

  /** What a SYN tells of its sender's system. */
  #stack(frame: Frame, at: number): void {
    const host = this.hosts.at(frame.sourceMac, frame.source);
    // Shapes change seldom: after the first few, some.
    if (host === undefined || (host.syns++ >= SYNS && host.syns % SYNS !== 0)) return;
    const payload = frame.payloadEnd > frame.payloadStart;
    const shape = synShape(frame.bytes, frame.networkStart, frame.transportStart, payload);
    if (shape === undefined) return;
    const reply = (frame.tcpFlags & tcpFlag.ACK) !== 0;
    this.hosts.say(host, 'tcp', reply ? 'synAck' : 'syn', synText(shape), at);
    const system = this.#systemOf?.(shape, reply);
    if (system !== undefined) this.hosts.say(host, 'tcp', system.tool ? 'tool' : 'system', system.name, at);
  }

  /** A batch of the capture ring. */
  takeBatch(batch: Uint8Array, count: number): void {
    const end = walkBatch(batch, count, (bytes, wireLength, at) =>
      this.take(linkType.ETHERNET, bytes, wireLength, at),
    );
    if (end.kind === 'malformed') this.weird(end.weird);
  }

  weird(name: string): void {
    this.weirds.set(name, (this.weirds.get(name) ?? 0) + 1);
  }
}
