/**
 * The host table: one row a network card (MAC), or an address where a capture has no MACs, bounded by
 * `limits.HOSTS`. What a row may hold is bounded too, so the whole table is.
 *
 * Which addresses are a host's own:
 * - what it claims on the link itself, by ARP or neighbour discovery, whatever the prefix: neither is routed;
 * - the IP source of its frames when that is private, link-local or unique local *and* the hop limit is one
 *   that senders start with, so the frame was not forwarded. Public sources come from elsewhere, through a
 *   router, until they are claimed.
 * A card with more than `ROUTER_ADDRESSES` unclaimed addresses is a router and keeps its claimed ones alone.
 * An address belongs to one row: a later claim moves it, being merely seen as a source doesn't.
 *
 * When the table is full the row that goes is the least recently seen of those that nobody knows anything
 * about but a MAC and addresses; a flood of invented MACs displaces itself before it displaces a device.
 */
import { initialHopLimits, limits } from './constants.ts';
import type { Frame } from './frame.ts';
import { isHostAddress, isPrivate, isUnicast, isUnicastMac, NO_MAC } from './frame.ts';
import { HostQueue } from './host-queue.ts';
import { Host, Shared } from './host.ts';
import type { HostKey } from './host.ts';
import { sanitize } from './text.ts';
import type { VendorOf } from './vendor.ts';

/** How old `last` may be before a row moves to the young end of its queue. */
const TOUCH_MS = 1_000;

/** Hosts that are found without a look into the maps; a power of two. */
const LATELY = 1024;
const LATELY_SHIFT = 22;

/** Protocols that carry another, which says more of a port than they do. */
const wrappers: ReadonlySet<string> = new Set(['http', 'tls']);

export interface HostTableOptions {
  readonly vendorOf: VendorOf;
  /** The gateway's own cards: they are no hosts of the enclave. */
  readonly own?: ReadonlySet<number>;
  readonly capacity?: number;
  /** Identities that are kept. */
  readonly identities?: number;
}

export class HostTable {
  readonly #rows = new Map<HostKey, Host>();
  /** The same, those known by nothing but addresses, and the others. */
  readonly #plain = new HostQueue();
  readonly #known = new HostQueue();
  /** Whose an address is. An entry here has one in that host's `addresses`, so the bound is theirs. */
  readonly #owners = new Map<string, Host>();
  readonly #shared: Shared;
  readonly #vendorOf: VendorOf;
  #own: ReadonlySet<number>;
  readonly #capacity: number;
  /** Rows that had to go because the table was full, and rows ever made. */
  evicted = 0;
  created = 0;
  /** Hosts that were heard or said something since they were last asked for. */
  #stirred: Host[] = [];
  /** Hosts that came since the last `forgetNewest`; no more than there are rows. */
  #newest: Host[] = [];
  /** By their cards, those that were asked for lately. */
  readonly #lately: (Host | undefined)[] = Array.from({ length: LATELY });

  constructor(options: HostTableOptions) {
    this.#vendorOf = options.vendorOf;
    this.#shared = new Shared(options.identities);
    this.#own = options.own ?? new Set();
    this.#capacity = options.capacity ?? limits.HOSTS;
  }

  get size(): number {
    return this.#rows.size;
  }

  /** The gateway's own cards may change; rows of them go. */
  setOwn(macs: ReadonlySet<number>): void {
    this.#own = macs;
    for (const mac of macs) {
      const host = this.#rows.get(mac);
      if (host !== undefined) this.#remove(host);
    }
  }

  /** A card of the gateway itself. */
  isOwn(mac: number): boolean {
    return this.#own.has(mac);
  }

  each(visit: (host: Host) => void): void {
    for (const host of this.all()) visit(host);
  }

  /** Those that were heard, or of which more is known, since this was last asked; rows that went meanwhile aren't told. */
  stirred(visit: (host: Host) => void): void {
    const hosts = this.#stirred;
    this.#stirred = [];
    const all = hosts.length >= this.#capacity;
    for (const host of hosts) {
      host.stirred = false;
      if (!all && !host.gone) visit(host);
    }
    if (all) this.each(visit);
  }

  /** Those that came since `forgetNewest`, where they still are. */
  newest(visit: (host: Host) => void): void {
    if (this.#newest.length >= this.#capacity) return this.each(visit);
    for (const host of this.#newest) if (!host.gone) visit(host);
  }

  forgetNewest(): void {
    this.#newest = [];
  }

  #stir(host: Host): void {
    if (host.stirred || this.#stirred.length >= this.#capacity) return;
    host.stirred = true;
    this.#stirred.push(host);
  }

  *all(): Generator<Host> {
    yield* this.#known.all();
    yield* this.#plain.all();
  }

  /** Note the sender of a decoded frame. */
  see(frame: Frame, at: number): void {
    const host =
      frame.sourceMac === NO_MAC
        ? this.#withoutMac(frame, at)
        : this.#row(frame.sourceMac, frame.sourceMac, at);
    if (host === undefined) return;
    if (frame.claim !== '') this.#address(host, frame.claim, true);
    if (frame.source === '' || host.addresses.has(frame.source)) return;
    if (host.mac === NO_MAC) this.#address(host, frame.source, false);
    else if (!host.router && isOwnSource(frame)) this.#address(host, frame.source, false);
  }

  /** The host that sends from `mac` and owns `address`; undefined for what lies behind a router. */
  at(mac: number, address: string): Host | undefined {
    const host = mac === NO_MAC ? this.#rows.get(address) : this.#ofCard(mac);
    return host?.addresses.has(address) === true ? host : undefined;
  }

  /** The row of a card, whatever its addresses: for what is said on the link itself and isn't forwarded. */
  card(mac: number): Host | undefined {
    return mac === NO_MAC ? undefined : this.#ofCard(mac);
  }

  #ofCard(mac: number): Host | undefined {
    const place = Math.imul(mac | 0, 0x9e3779b1) >>> LATELY_SHIFT;
    const last = this.#lately[place];
    if (last?.mac === mac && !last.gone) return last;
    const host = this.#rows.get(mac);
    if (host !== undefined) this.#lately[place] = host;
    return host;
  }

  /** What a card sent from an address besides the frames that were seen. */
  count(mac: number, address: string, at: number): void {
    const host = mac === NO_MAC ? this.#rows.get(address) : this.card(mac);
    if (host === undefined || at <= host.last) return;
    host.last = at;
    this.#stir(host);
  }

  /** The card was answered. */
  talks(mac: number): void {
    const host = this.card(mac);
    if (host === undefined || host.talked) return;
    host.talked = true;
    host.changed = true;
    this.#promote(host);
  }

  /** A port of the host answers; `protocol` when its content told what it speaks. */
  service(host: Host, transport: 'tcp' | 'udp', port: number, protocol?: string): void {
    const { services } = host;
    if (services.has(transport, port)) {
      const known = services.protocol(transport, port);
      if (protocol === undefined || known === protocol) return;
      // What wraps others doesn't hide what is known to be inside.
      if (known !== undefined && wrappers.has(protocol)) return;
    } else if (port === 0 || services.size >= limits.SERVICES) return;
    services.set(transport, port, protocol);
    this.#learnt(host);
  }

  /** The host said `value` in `field`, or another said it of the host. Blank values say nothing. */
  say(host: Host, protocol: string, field: string, value: string, at: number): void {
    const clean = sanitize(value);
    if (clean === '') return;
    if (!host.say(protocol, field, clean, at)) return;
    if (protocol === 'tcp') {
      host.learnt++;
      host.changed = true;
      this.#stir(host);
    } else this.#learnt(host);
  }

  #withoutMac(frame: Frame, at: number): Host | undefined {
    return isHostAddress(frame.source) ? this.#row(frame.source, NO_MAC, at) : undefined;
  }

  #row(key: HostKey, mac: number, at: number): Host | undefined {
    let host = mac === NO_MAC ? this.#rows.get(key) : this.#ofCard(mac);
    if (host === undefined) {
      if (mac !== NO_MAC && (!isUnicastMac(mac) || this.#own.has(mac))) return undefined;
      host = new Host(mac, this.#vendorOf(mac), at, this.#shared, key);
      this.created++;
      if (this.size >= this.#capacity) this.#makeRoom();
      this.#rows.set(key, host);
      this.#plain.add(host);
      if (this.#newest.length < this.#capacity) this.#newest.push(host);
      this.#stir(host);
      return host;
    }
    if (at - host.last > TOUCH_MS) this.#queueOf(host).touch(host);
    if (at > host.last) host.last = at;
    if (!host.stirred) this.#stir(host);
    return host;
  }

  /** Something new: to be reported, and kept in preference to rows of which nothing is known. */
  #learnt(host: Host): void {
    host.learnt++;
    host.changed = true;
    this.#stir(host);
    this.#promote(host);
  }

  #promote(host: Host): void {
    if (host.known) return;
    host.known = true;
    if (host.gone) return;
    this.#plain.remove(host);
    this.#known.add(host);
  }

  #address(host: Host, address: string, claimed: boolean): void {
    const row = host.addresses.find(address);
    if (row !== undefined) {
      row.claimed ||= claimed;
      return;
    }
    const owner = this.#owners.get(address);
    if (owner !== undefined) {
      if (!claimed) return;
      owner.addresses.remove(address);
      owner.changed = true;
    }
    if (host.addresses.size >= limits.ADDRESSES) {
      if (owner !== undefined) this.#owners.delete(address);
      return;
    }
    host.addresses.add(address, claimed);
    this.#owners.set(address, host);
    host.changed = true;
    if (!claimed) this.#checkRouter(host);
  }

  #checkRouter(host: Host): void {
    let unclaimed = 0;
    for (const row of host.addresses.rows()) if (!row.claimed) unclaimed++;
    if (unclaimed <= limits.ROUTER_ADDRESSES) return;
    host.router = true;
    for (const { packed, claimed } of host.addresses.rows()) {
      if (claimed) continue;
      host.addresses.remove(packed);
      this.#owners.delete(packed);
    }
  }

  #makeRoom(): void {
    const host = this.#plain.oldest ?? this.#known.oldest;
    if (host === undefined) return;
    this.#remove(host);
    this.evicted++;
  }

  #queueOf(host: Host): HostQueue {
    return host.known ? this.#known : this.#plain;
  }

  #remove(host: Host): void {
    this.#rows.delete(host.key);
    this.#queueOf(host).remove(host);
    for (const address of host.addresses.packed()) this.#owners.delete(address);
    host.forget();
  }
}

/** The IP source is an address of the sending card itself, by what the frame alone tells. */
function isOwnSource(frame: Frame): boolean {
  return isPrivate(frame.source) && isUnicast(frame.source) && initialHopLimits.has(frame.hopLimit);
}
