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
import type { Evidence, HostObservation, Service } from '../wire/observation.ts';
import { initialHopLimits, limits } from './constants.ts';
import { EvidenceTable, NO_EVIDENCE } from './evidence.ts';
import type { Frame } from './frame.ts';
import { isHostAddress, isPrivate, isUnicast, isUnicastMac, macText, NO_MAC } from './frame.ts';
import { Addresses, Services } from './host-rows.ts';
import { identify, identityRows } from './identity.ts';
import type { Identity } from './identity.ts';
import { sanitize } from './text.ts';
import type { VendorOf } from './vendor.ts';

/** Who hosts are, of as many as are kept; of others it is found again when it is asked for. */
class Identities {
  readonly #rows = new Map<Host, { readonly learnt: number; readonly value: Identity }>();
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  of(host: Host): Identity {
    const known = this.#rows.get(host);
    if (known?.learnt === host.learnt) return known.value;
    const value = identify({
      evidence: host.evidenceRows(),
      services: host.serviceRows(),
      vendor: host.vendor,
    });
    this.#rows.delete(host);
    this.#rows.set(host, { learnt: host.learnt, value });
    if (this.#rows.size > this.#capacity)
      for (const oldest of this.#rows.keys()) {
        this.#rows.delete(oldest);
        break;
      }
    return value;
  }

  forget(host: Host): void {
    this.#rows.delete(host);
  }
}

/** What the rows of all hosts share. */
class Shared {
  readonly evidence = new EvidenceTable();
  readonly identities: Identities;

  constructor(identities: number = limits.IDENTITIES) {
    this.identities = new Identities(identities);
  }
}

/** One host. Other files read it; the table writes it. */
export class Host {
  readonly mac: number;
  readonly vendor: string | undefined;
  readonly addresses = new Addresses();
  readonly services = new Services();
  /** The chain of what it said, and how much that is. */
  #said = NO_EVIDENCE;
  evidence = 0;
  router = false;
  readonly first: number;
  last: number;
  /** Something new since the last report; `reported` is when that was. */
  changed = true;
  reported = -Infinity;
  /** Counts what was learnt. */
  learnt = 0;
  /** `learnt` when it was last judged (`behaviour.ts`). */
  judged = -1;
  /** When it was last heard, as `behaviour.ts` knows. */
  heard = -Infinity;
  /** Heard, or more is known of it, since that was last asked of the table. */
  stirred = false;
  /** More is known than a MAC, addresses and the shape of its packets, which anyone can invent; or it is answered. */
  known = false;
  /** It has no row any more. */
  gone = false;
  /** Somebody answers it: it isn't merely a sender's invention. */
  talked = false;
  #macText: string | undefined;
  readonly #shared: Shared;
  /** Whether it is a medical device, and `learnt` when that was known. */
  #medical = false;
  #medicalAt = -1;

  constructor(mac: number, vendor: string | undefined, at: number, shared = new Shared()) {
    this.#shared = shared;
    this.mac = mac;
    this.vendor = vendor;
    this.first = at;
    this.last = at;
  }

  /**
   * Enough is known for a row of the inventory: it talks with somebody, or says what it is in more than requests for
   * an address, which anyone can send in anyone's name.
   */
  get established(): boolean {
    if (this.talked || this.services.size > 0) return true;
    let dhcp = false;
    const { evidence } = this.#shared;
    for (let row = this.#said; row !== NO_EVIDENCE; row = evidence.next(row)) {
      const protocol = evidence.protocol(row);
      if (protocol === 'dhcp' || protocol === 'dhcpv6') dhcp = true;
      else if (protocol !== 'tcp') return true;
    }
    // It uses the address that it asked for.
    return dhcp && this.addresses.size > 0;
  }

  get macText(): string {
    this.#macText ??= macText(this.mac);
    return this.#macText;
  }

  /** The host as `control` gets it; undefined for a host without a MAC. */
  observation(): HostObservation | undefined {
    if (this.mac === NO_MAC) return undefined;
    const identity = identityRows(this.identity());
    return {
      mac: this.macText,
      ...(this.vendor === undefined ? {} : { vendor: this.vendor }),
      addresses: this.addressTexts(),
      services: this.serviceRows(),
      evidence: this.evidenceRows(),
      ...(identity.length === 0 ? {} : { identity }),
      first: Math.round(this.first),
      last: Math.round(this.last),
    };
  }

  /** Who it is. */
  identity(): Identity {
    return this.#shared.identities.of(this);
  }

  /** What it was when that was last asked; undefined when more is known since. */
  get medicalBefore(): boolean | undefined {
    return this.#medicalAt === this.learnt ? this.#medical : undefined;
  }

  get medical(): boolean {
    if (this.#medicalAt !== this.learnt) {
      this.#medical = this.identity().medical;
      this.#medicalAt = this.learnt;
    }
    return this.#medical;
  }

  addressTexts(): string[] {
    return this.addresses.rows().map((row) => row.text);
  }

  serviceRows(): Service[] {
    return this.services.rows().toSorted((a, b) => a.port - b.port || a.transport.localeCompare(b.transport));
  }

  evidenceRows(): Evidence[] {
    return this.#shared.evidence.rows(this.#said);
  }

  /** It said `value` in `field`; false when that is no news, or more than is kept. */
  say(protocol: string, field: string, value: string, at: number): boolean {
    const { evidence } = this.#shared;
    const common = talk.has(protocol);
    let values = 0;
    let talked = 0;
    let tail = NO_EVIDENCE;
    for (let row = this.#said; row !== NO_EVIDENCE; row = evidence.next(row)) {
      if (evidence.says(row, protocol, field)) {
        if (evidence.value(row) === value) {
          evidence.again(row, at);
          return false;
        }
        values++;
      }
      if (common && talk.has(evidence.protocol(row))) talked++;
      tail = row;
    }
    if (this.evidence >= limits.EVIDENCE || values >= limits.VALUES || talked >= limits.TALK) return false;
    if (evidence.size >= limits.EVIDENCE_ALL && this.evidence >= limits.EVIDENCE_LEAST) return false;
    const row = evidence.add(protocol, field, value, at, tail);
    if (tail === NO_EVIDENCE) this.#said = row;
    this.evidence++;
    return true;
  }

  /** The row goes, and with it what it said. */
  forget(): void {
    this.gone = true;
    this.#shared.evidence.remove(this.#said);
    this.#shared.identities.forget(this);
    this.#said = NO_EVIDENCE;
    this.evidence = 0;
  }
}

/** How old `last` may be before a row moves to the young end of the table: spares a map write a packet. */
const TOUCH_MS = 1_000;

type Key = number | string;

/** Hosts that are found without a look into the maps; a power of two. */
const LATELY = 1024;
const LATELY_SHIFT = 22;

/** What everybody speaks, which tells little: it may not take the room of what equipment says. */
const talk: ReadonlySet<string> = new Set(['tcp', 'dns', 'ntp', 'http', 'tls', 'quic', 'ssh', 'smb', 'ntlm']);

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
  /** Rows by key, least recently seen first: those known by nothing but addresses, and the others. */
  readonly #plain = new Map<Key, Host>();
  readonly #known = new Map<Key, Host>();
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
    return this.#plain.size + this.#known.size;
  }

  /** The gateway's own cards may change; rows of them go. */
  setOwn(macs: ReadonlySet<number>): void {
    this.#own = macs;
    for (const mac of macs) {
      for (const rows of [this.#plain, this.#known]) {
        const host = rows.get(mac);
        if (host === undefined) continue;
        rows.delete(mac);
        this.#disown(host);
      }
    }
  }

  /** A card of the gateway itself. */
  isOwn(mac: number): boolean {
    return this.#own.has(mac);
  }

  each(visit: (host: Host) => void): void {
    this.#known.forEach(visit);
    this.#plain.forEach(visit);
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
    yield* this.#known.values();
    yield* this.#plain.values();
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
    const host = mac === NO_MAC ? this.#at(address) : this.#ofCard(mac);
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
    const host = this.#at(mac);
    if (host !== undefined) this.#lately[place] = host;
    return host;
  }

  /** What a card sent from an address besides the frames that were seen. */
  count(mac: number, address: string, at: number): void {
    const host = mac === NO_MAC ? this.#at(address) : this.card(mac);
    if (host === undefined || at <= host.last) return;
    host.last = at;
    this.#stir(host);
  }

  #at(key: Key): Host | undefined {
    return this.#known.get(key) ?? this.#plain.get(key);
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

  #row(key: Key, mac: number, at: number): Host | undefined {
    let host = mac === NO_MAC ? this.#at(key) : this.#ofCard(mac);
    if (host === undefined) {
      if (mac !== NO_MAC && (!isUnicastMac(mac) || this.#own.has(mac))) return undefined;
      host = new Host(mac, this.#vendorOf(mac), at, this.#shared);
      this.created++;
      if (this.size >= this.#capacity) this.#makeRoom();
      this.#plain.set(key, host);
      if (this.#newest.length < this.#capacity) this.#newest.push(host);
      this.#stir(host);
      return host;
    }
    if (at - host.last > TOUCH_MS) {
      const rows = host.known ? this.#known : this.#plain;
      rows.delete(key);
      rows.set(key, host);
    }
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
    const key = keyOf(host);
    if (key === undefined || this.#plain.get(key) !== host) return;
    this.#plain.delete(key);
    this.#known.set(key, host);
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
    const rows = this.#plain.size > 0 ? this.#plain : this.#known;
    for (const [key, host] of rows) {
      rows.delete(key);
      this.#disown(host);
      this.evicted++;
      return;
    }
  }

  #disown(host: Host): void {
    for (const address of host.addresses.packed()) this.#owners.delete(address);
    host.forget();
  }
}

function keyOf(host: Host): Key | undefined {
  if (host.mac !== NO_MAC) return host.mac;
  const [address] = host.addresses.packed();
  return address;
}

/** The IP source is an address of the sending card itself, by what the frame alone tells. */
function isOwnSource(frame: Frame): boolean {
  return isPrivate(frame.source) && isUnicast(frame.source) && initialHopLimits.has(frame.hopLimit);
}
