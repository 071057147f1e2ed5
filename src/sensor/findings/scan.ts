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

interface Trial {
  first: number;
  last: number;
  tries: number;
  open: boolean;
}

interface Source {
  readonly prober: Prober;
  /** By transport, address and port. */
  readonly tried: Map<string, Trial>;
  /** Addresses asked for on the link. */
  asked: Map<string, Trial> | undefined;
  judged: number;
}

/** What trials come to: all of them, those that failed, since when; and the same of the last minute. */
class Count {
  all = 0;
  failed = 0;
  since = Infinity;
  fresh = 0;
  freshFailed = 0;

  add({ first, tries, open }: Trial, at: number): void {
    this.all++;
    this.since = Math.min(this.since, first);
    if (!open && tries <= FEW) this.failed++;
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

const marks = { tcp: 't', udp: 'u' } as const;
const targetKey = ({ transport, address, port }: Omit<Target, 'from' | 'inside'>): string =>
  marks[transport] + address + String.fromCharCode(port);

export class ScanWatch {
  readonly #findings: Findings;
  /** Who tried something lately is last. */
  readonly #sources = new Map<Host | string, Source>();
  #trials = 0;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  get size(): number {
    return this.#sources.size;
  }

  /** Things that are remembered, of all sources. */
  get trials(): number {
    return this.#trials;
  }

  /** A flow was begun: a SYN was sent, or a first datagram. */
  tried(prober: Prober, target: Target, at: number): void {
    if (!isTry(prober, target)) return;
    const source = this.#source(prober);
    const key = targetKey(target);
    if (!this.#note(source.tried, key, at)) return;
    if (source.tried.size < Math.min(PORTS, HOSTS)) return;
    if (source.tried.size >= REMEMBERED && at - source.judged < JUDGE_MS && at >= source.judged) return;
    source.judged = at;
    this.#judge(source, target, at);
  }

  answered({ host, address }: Prober, target: Omit<Target, 'from' | 'inside'>): void {
    const trial = this.#sources.get(host ?? address)?.tried.get(targetKey(target));
    if (trial !== undefined) trial.open = true;
  }

  /** A request by a host of the link. */
  asks(host: Host, frame: Frame, at: number): void {
    // A gratuitous one announces, a router asks for whomever it has packets for, a DHCP server before it gives.
    if (frame.destination === frame.claim || host.router || host.services.has('udp', DHCP_SERVER)) return;
    const source = this.#source({ host, address: frame.claim, mac: host.mac });
    const asked = (source.asked ??= new Map<string, Trial>());
    if (this.#note(asked, frame.destination, at) && asked.size >= ASKED) this.#sweeps(source, asked, at);
  }

  /** Somebody has the address that a host asked for. */
  has(host: Host | undefined, address: string): void {
    const trial = host === undefined ? undefined : this.#sources.get(host)?.asked?.get(address);
    if (trial !== undefined) trial.open = true;
  }

  #source(prober: Prober): Source {
    const key = prober.host ?? prober.address;
    const known = this.#sources.get(key);
    if (known !== undefined) {
      this.#sources.delete(key);
      this.#sources.set(key, known);
      return known;
    }
    const source: Source = { prober, tried: new Map(), asked: undefined, judged: -Infinity };
    this.#sources.set(key, source);
    return source;
  }

  /** True when that is the first time in a day. */
  #note(trials: Map<string, Trial>, key: string, at: number): boolean {
    const known = trials.get(key);
    if (known !== undefined && at - known.last <= DAY_MS) {
      if (at - known.last > AGAIN_MS) known.tries++;
      known.last = at;
      return false;
    }
    if (known === undefined && trials.size >= REMEMBERED) this.#forget(trials);
    if (known === undefined) this.#trials++;
    trials.set(key, { first: at, last: at, tries: 1, open: false });
    for (const [oldest, { tried, asked }] of this.#sources) {
      // The last is the one at hand.
      if (this.#trials <= TRIALS || tried === trials || asked === trials) break;
      this.#trials -= tried.size + (asked?.size ?? 0);
      this.#sources.delete(oldest);
    }
    return true;
  }

  /** One of the oldest gives way, rather one that answered. */
  #forget(trials: Map<string, Trial>): void {
    let victim: string | undefined;
    let looked = 0;
    for (const [key, { open }] of trials) {
      victim ??= key;
      if (open) victim = key;
      if (open || ++looked === 16) break;
    }
    if (victim === undefined) return;
    trials.delete(victim);
    this.#trials--;
  }

  #judge(source: Source, { transport, address, port }: Target, at: number): void {
    const ports = new Count();
    const hosts = new Count();
    const mark = marks[transport];
    const start = mark + address;
    for (const [key, trial] of source.tried) {
      if (at - trial.last > DAY_MS) {
        source.tried.delete(key);
        this.#trials--;
        continue;
      }
      if (key.length === start.length + 1 && key.startsWith(start)) ports.add(trial, at);
      if (key.startsWith(mark) && key.charCodeAt(key.length - 1) === port) hosts.add(trial, at);
    }
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

  #sweeps(source: Source, asked: Map<string, Trial>, at: number): void {
    const count = new Count();
    for (const [key, trial] of asked) {
      if (at - trial.last <= DAY_MS) count.add(trial, at);
      else {
        asked.delete(key);
        this.#trials--;
      }
    }
    const sweep = count.scan(ASKED, at);
    if (sweep === undefined) return;
    const evidence = `arp requests for ${sweep.n} addresses in ${sweep.in}, ${sweep.open} of them in use`;
    this.#raise(source, 'scan-horizontal', 'arp', evidence, at, true);
  }

  #raise(
    { prober: { host, address, mac } }: Source,
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

/** It may be one of a scan: not an answer, nor what is left out. */
function isTry({ host }: Prober, { transport, port, from, inside }: Target): boolean {
  if (!inside) return wormPorts[transport].has(port);
  if (harmless[transport].has(port)) return false;
  if (transport === 'tcp') return true;
  if (port >= DATAGRAM_PORTS) return false;
  if (port < WELL_KNOWN) return true;
  return from >= WELL_KNOWN && !answering.has(from) && host?.services.has('udp', from) !== true;
}
