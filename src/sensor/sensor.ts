/**
 * The sensor: frames in, hosts out. Live batches and capture files take the same path:
 *
 *   frame → Frame.decode → HostTable.see → FlowTable.take → Identifier → HostTable.say, .service
 *                                        → Announcements ↗
 *
 * It has no way to send, resolves no names and keeps no payload but the few bytes a reader waits for.
 * Whatever the bytes, `take` doesn't throw and the tables keep their bounds.
 */
import { Announcements } from './announcement.ts';
import { walkBatch } from './capture-batch.ts';
import { limits, linkType } from './constants.ts';
import { FlowTable } from './flow.ts';
import { Frame } from './frame.ts';
import { HostTable } from './host.ts';
import { Identifier } from './identify.ts';
import type { Reading } from './identify.ts';
import type { VendorOf } from './vendor.ts';

export interface SensorOptions {
  readonly vendorOf: VendorOf;
  /** The gateway's own cards, which are not listed. */
  readonly own?: ReadonlySet<number>;
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

export class Sensor {
  readonly hosts: HostTable;
  readonly flows: FlowTable<Reading>;
  readonly counters: SensorCounters = { frames: 0, bytes: 0, fragments: 0 };
  /** How often each weird was met. The names are the decoders' own, so the map is as small as their list. */
  readonly weirds = new Map<string, number>();
  readonly #identifier: Identifier;
  readonly #announcements: Announcements;
  readonly #frame = new Frame();
  #expired = 0;

  constructor(options: SensorOptions) {
    const { vendorOf, own } = options;
    const capacity = options.hosts ?? limits.HOSTS;
    this.hosts = new HostTable({ vendorOf, capacity, ...(own === undefined ? {} : { own }) });
    this.#identifier = new Identifier(this.hosts, (name) => this.weird(name));
    this.#announcements = new Announcements(this.hosts, (name) => this.weird(name));
    this.flows = new FlowTable(this.#identifier, options.flows ?? limits.FLOWS);
  }

  /** Bytes that conversations keep while a header is incomplete. */
  get held(): number {
    return this.#identifier.held;
  }

  /** A frame as captured: `at` is epoch ms. */
  take(link: number, bytes: Uint8Array, wireLength: number, at: number): void {
    const frame = this.#frame;
    frame.decode(link, bytes);
    this.counters.frames++;
    this.counters.bytes += wireLength;
    if (frame.transport === 'fragment') this.counters.fragments++;
    if (frame.weird !== undefined) this.weird(frame.weird);
    this.hosts.see(frame, at);
    this.flows.take(frame, at);
    this.#announcements.take(frame, at);
    if (at - this.#expired > EXPIRE_MS || at < this.#expired) {
      this.#expired = at;
      this.flows.expire(at);
    }
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
