/**
 * Scanning: one port of many hosts (horizontal), many ports of one host (vertical), and asking the link for many
 * addresses that nobody has, which is what a horizontal scan looks like where the hosts aren't. By TCP and by UDP; fast,
 * and slow: a few probes an hour for a day.
 *
 * What is counted is what a source tries for the first time and nobody answers. So these are no scanners:
 *   a poller, a DICOM router, an SNMP manager   is answered by some, and comes back to those that it isn't answered by
 *   a DNS, NTP or discovery server              answers from its own port: a word to a client's port is no try
 *   a DHCP server                               asks for each address before it gives it away
 *   programs that look for others of their kind, those that wake machines, voice: ports left out
 * Outside the site only the ports count that worms try: a program with many far peers that don't answer is no scanner either.
 *
 * A scanner behind a router is held against the router's card, by its address: the card is where to look next.
 *
 * Bounded: `REMEMBERED` things a source, `TRIALS` in all; the source that tried nothing for longest gives way.
 */
import { printAddress } from '../frame.ts';
import type { Frame } from '../frame.ts';
import type { Host } from '../host.ts';
import type { Findings } from './findings.ts';
import { Chain, NO_TRIAL, Trials } from './trials.ts';
import type { Tried } from './trials.ts';

const WINDOW_MS = 60_000;
const DAY_MS = 86_400_000;
/** Distinct things of one source that are remembered, and of all of them. */
const REMEMBERED = 256;
export const TRIALS = 32_768;
/** Distinct ports, hosts and asked addresses, in a minute or in a day. */
export const PORTS = 20;
export const HOSTS = 20;
export const ASKED = 100;
/** Share of attempts that fail. */
const FAILED = 0.8;
/** Who comes back more often wants something of that host; what follows within `AGAIN_MS` is the same try. */
const FEW = 3;
const AGAIN_MS = 30_000;
/** How often a source that has tried all it is remembered for is judged. */
const JUDGE_MS = 100;

/** Ports that worms try on whatever address: SSH, Telnet, RPC, SMB, databases, Remote Desktop, debug bridges. */
const wormPorts = {
  tcp: new Set([22, 23, 135, 139, 445, 1433, 2323, 3306, 3389, 5555, 5900, 7547]),
  udp: new Set([1434]),
} as const satisfies Record<string, ReadonlySet<number>>;

/** Unanswered and harmless: Delivery Optimization's peers; Wake-on-LAN, NetBIOS datagrams. */
const harmless = { tcp: new Set([7680]), udp: new Set([7, 9, 138]) } as const satisfies Record<
  string,
  ReadonlySet<number>
>;
/** Datagrams to higher ports are voice, answers, and where traceroute goes (33434 and on). */
const DATAGRAM_PORTS = 10_000;
const WELL_KNOWN = 1024;
/** Ports above the well-known ones from which discovery answers: SSDP, WS-Discovery, mDNS, LLMNR, CoAP. */
const answering: ReadonlySet<number> = new Set([1900, 3702, 5353, 5355, 5683]);
/** Management asks whole networks; so do scanners. */
const management: ReadonlySet<number> = new Set([137, 161]);
const DHCP_SERVER = 67;

/** Who tries: a host of the link, or an address behind the router with that card. */
export interface Prober {
  readonly host: Host | undefined;
  readonly address: string;
  readonly mac: number;
}

export interface Target {
  readonly transport: 'tcp' | 'udp';
  readonly address: string;
  readonly port: number;
  /** Port that the prober sends from. */
  readonly from: number;
  /** The address is one of the site. */
  readonly inside: boolean;
}

/** One source; its rows, of what it tried and of the addresses that it asked for on the link. */
class Source {
  readonly host: Host | undefined;
  readonly address: string;
  readonly mac: number;
  readonly tried = new Chain();
  asked: Chain | undefined;
  judged = -Infinity;
  /** Who tried something before it lately, and after it. */
  older: Source | undefined;
  younger: Source | undefined;

  constructor({ host, address, mac }: Prober) {
    this.host = host;
    this.address = address;
    this.mac = mac;
  }
}

/** What trials come to: all of them, those that failed, since when; and the same of the last minute. */
class Count {
  all = 0;
  failed = 0;
  since = Infinity;
  fresh = 0;
  freshFailed = 0;

  add(trials: Trials, row: number, at: number): void {
    const first = trials.first(row);
    const open = trials.isOpen(row);
    this.all++;
    this.since = Math.min(this.since, first);
    if (!open && trials.tries(row) <= FEW) this.failed++;
    if (at - first > WINDOW_MS) return;
    this.fresh++;
    if (!open) this.freshFailed++;
  }

  /** How many, and in which time, where that is a scan. */
  scan(
    many: number,
    at: number,
  ): { readonly n: number; readonly in: string; readonly open: number } | undefined {
    if (this.fresh >= many && this.freshFailed >= this.fresh * FAILED)
      return { n: this.fresh, in: 'a minute', open: this.fresh - this.freshFailed };
    if (this.failed < many || this.failed < this.all * FAILED) return undefined;
    const hours = (at - this.since) / 3_600_000;
    const time = hours < 1 ? `${Math.max(1, Math.round(hours * 60))} min` : `${Math.round(hours)} h`;
    return { n: this.all, in: time, open: this.all - this.failed };
  }
}

export class ScanWatch {
  readonly #findings: Findings;
  readonly #sources = new Map<Host | string, Source>();
  #oldest: Source | undefined;
  #youngest: Source | undefined;
  readonly #trials = new Trials();

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  get size(): number {
    return this.#sources.size;
  }

  /** Things that are remembered, of all sources. */
  get trials(): number {
    return this.#trials.size;
  }

  /** A flow was begun: a SYN was sent, or a first datagram. */
  tried(prober: Prober, target: Target, at: number): void {
    if (!isTry(prober, target)) return;
    const source = this.#source(prober);
    if (!this.#note(source.tried, target, at)) return;
    if (source.tried.size < Math.min(PORTS, HOSTS)) return;
    if (source.tried.size >= REMEMBERED && at - source.judged < JUDGE_MS && at >= source.judged) return;
    source.judged = at;
    this.#judge(source, target, at);
  }

  answered({ host, address }: Prober, target: Omit<Target, 'from' | 'inside'>): void {
    this.#open(this.#sources.get(host ?? address)?.tried, target);
  }

  /** A request by a host of the link. */
  asks(host: Host, frame: Frame, at: number): void {
    // A gratuitous one announces, a router asks for whomever it has packets for, a DHCP server before it gives.
    if (frame.destination === frame.claim || host.router || host.services.has('udp', DHCP_SERVER)) return;
    const source = this.#source({ host, address: frame.claim, mac: host.mac });
    const asked = (source.asked ??= new Chain());
    if (this.#note(asked, question(frame.destination), at) && asked.size >= ASKED)
      this.#sweeps(source, asked, at);
  }

  /** Somebody has the address that a host asked for. */
  has(host: Host | undefined, address: string): void {
    if (host !== undefined) this.#open(this.#sources.get(host)?.asked, question(address));
  }

  #open(chain: Chain | undefined, tried: Tried): void {
    const row = chain === undefined ? NO_TRIAL : this.#trials.find(chain, tried);
    if (row !== NO_TRIAL) this.#trials.open(row);
  }

  #source(prober: Prober): Source {
    const key = prober.host ?? prober.address;
    let source = this.#sources.get(key);
    if (source !== undefined && source === this.#youngest) return source;
    if (source === undefined) {
      source = new Source(prober);
      this.#sources.set(key, source);
    } else this.#unlink(source);
    source.older = this.#youngest;
    source.younger = undefined;
    if (this.#youngest === undefined) this.#oldest = source;
    else this.#youngest.younger = source;
    this.#youngest = source;
    return source;
  }

  #unlink({ older, younger }: Source): void {
    if (older === undefined) this.#oldest = younger;
    else older.younger = younger;
    if (younger === undefined) this.#youngest = older;
    else younger.older = older;
  }

  /** True when that is the first time in a day. */
  #note(chain: Chain, tried: Tried, at: number): boolean {
    const trials = this.#trials;
    const known = trials.find(chain, tried);
    if (known !== NO_TRIAL) {
      const last = trials.last(known);
      if (at - last > DAY_MS) trials.begin(known, at);
      else trials.again(known, at, at - last > AGAIN_MS);
      return at - last > DAY_MS;
    }
    if (chain.size >= REMEMBERED) this.#forget(chain);
    trials.add(chain, tried, at);
    // The last is the one at hand.
    for (
      let source = this.#oldest;
      source !== undefined && source !== this.#youngest && trials.size > TRIALS;
      source = this.#oldest
    ) {
      for (const each of [source.tried, source.asked ?? new Chain()])
        while (each.head !== NO_TRIAL) trials.remove(each, each.head, NO_TRIAL);
      this.#unlink(source);
      this.#sources.delete(source.host ?? source.address);
    }
    return true;
  }

  /** One of the oldest gives way, rather one that answered. */
  #forget(chain: Chain): void {
    const trials = this.#trials;
    let [before, victim] = [NO_TRIAL, chain.head];
    let looked = 0;
    for (let row = chain.head, last = NO_TRIAL; row !== NO_TRIAL && looked < 16; looked++) {
      if (trials.isOpen(row)) {
        [before, victim] = [last, row];
        break;
      }
      last = row;
      row = trials.next(row);
    }
    if (victim !== NO_TRIAL) trials.remove(chain, victim, before);
  }

  /** Each row of the last day; those that are older go. */
  #lately(chain: Chain, at: number, visit: (row: number) => void): void {
    const trials = this.#trials;
    let before = NO_TRIAL;
    for (let row = chain.head; row !== NO_TRIAL;) {
      const next = trials.next(row);
      if (at - trials.last(row) > DAY_MS) trials.remove(chain, row, before);
      else {
        visit(row);
        before = row;
      }
      row = next;
    }
  }

  #judge(source: Source, target: Target, at: number): void {
    const { transport, address, port } = target;
    const trials = this.#trials;
    const ports = new Count();
    const hosts = new Count();
    this.#lately(source.tried, at, (row) => {
      if (trials.isOfAddress(row, target)) ports.add(trials, row, at);
      if (trials.isOfPort(row, target)) hosts.add(trials, row, at);
    });
    const how = transport === 'tcp' ? 'tcp syn' : 'udp';
    const vertical = ports.scan(PORTS, at);
    if (vertical !== undefined) {
      const target = printAddress(address);
      const evidence = `${how} to ${vertical.n} ports of ${target} in ${vertical.in}, ${vertical.open} answered`;
      this.#raise(source, 'scan-vertical', target, evidence, at);
    }
    const horizontal = hosts.scan(HOSTS, at);
    if (horizontal === undefined) return;
    const { n, open } = horizontal;
    const evidence = `${how} to port ${port} of ${n} hosts in ${horizontal.in}, ${open} answered`;
    const lesser = transport === 'udp' && management.has(port);
    this.#raise(source, 'scan-horizontal', `${transport}/${port}`, evidence, at, lesser);
  }

  #sweeps(source: Source, asked: Chain, at: number): void {
    const count = new Count();
    this.#lately(asked, at, (row) => count.add(this.#trials, row, at));
    const sweep = count.scan(ASKED, at);
    if (sweep === undefined) return;
    const evidence = `arp requests for ${sweep.n} addresses in ${sweep.in}, ${sweep.open} of them in use`;
    this.#raise(source, 'scan-horizontal', 'arp', evidence, at, true);
  }

  #raise(
    { host, address, mac }: Source,
    kind: 'scan-horizontal' | 'scan-vertical',
    key: string,
    evidence: string,
    at: number,
    lesser = false,
  ): void {
    const far = host === undefined ? `${printAddress(address)} ` : '';
    this.#findings.raise({
      kind,
      about: host ?? mac,
      key: `${far}${key}`,
      evidence: far === '' ? evidence : `${far}behind this router: ${evidence}`,
      at,
      ...(lesser ? { severity: 'medium' as const } : {}),
    });
  }
}

/** Who has an address on the link? */
const question = (address: string): Tried => ({ address, transport: 'arp', port: 0 });

/** It may be one of a scan: not an answer, nor what is left out. */
function isTry({ host }: Prober, { transport, port, from, inside }: Target): boolean {
  if (!inside) return wormPorts[transport].has(port);
  if (harmless[transport].has(port)) return false;
  if (transport === 'tcp') return true;
  if (port >= DATAGRAM_PORTS) return false;
  if (port < WELL_KNOWN) return true;
  return from >= WELL_KNOWN && !answering.has(from) && host?.services.has('udp', from) !== true;
}
