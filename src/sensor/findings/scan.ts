/**
 * Scanning: one port of many hosts (horizontal), many ports of one host (vertical), and asking the link for many
 * addresses that nobody has, which is what a horizontal scan looks like where the hosts aren't.
 *
 * Counted are attempts of the last window that nobody answered: who finds what it looks for is no scanner. Outside
 * the site only the ports count that worms try: a program with many far peers that don't answer is no scanner either.
 */
import { isPrivate, printAddress } from '../frame.ts';
import type { Frame } from '../frame.ts';
import type { Host } from '../host.ts';
import type { Findings } from './findings.ts';

const WINDOW_MS = 60_000;
const SOURCES = 1024;
/** Distinct things of one source that are remembered. */
const REMEMBERED = 256;
export const PORTS = 20;
export const HOSTS = 20;
export const ASKED = 100;
/** Share of attempts that fail. */
const FAILED = 0.8;

/** Ports that worms try on whatever address: SSH, Telnet, RPC, SMB, databases, Remote Desktop, debug bridges. */
const wormPorts: ReadonlySet<number> = new Set([
  22, 23, 135, 139, 445, 1433, 2323, 3306, 3389, 5555, 5900, 7547,
]);

interface Source {
  since: number;
  /** `address port` as asked for; true once it answered. */
  readonly tried: Map<string, boolean>;
  /** Addresses asked for on the link; true once somebody had it. */
  readonly asked: Map<string, boolean>;
}

export class ScanWatch {
  readonly #findings: Findings;
  readonly #sources = new Map<Host, Source>();

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  get size(): number {
    return this.#sources.size;
  }

  /** A SYN was sent, and it wasn't the first one of a connection that was answered before. */
  tried(host: Host, address: string, port: number, at: number): void {
    if (!isPrivate(address) && !wormPorts.has(port)) return;
    const source = this.#source(host, at);
    const key = address + String.fromCharCode(port);
    if (source.tried.has(key) || source.tried.size >= REMEMBERED) return;
    source.tried.set(key, false);
    if (source.tried.size >= Math.min(PORTS, HOSTS)) this.#judge(host, source, address, port, at);
  }

  answered(host: Host, address: string, port: number): void {
    const source = this.#sources.get(host);
    const key = address + String.fromCharCode(port);
    if (source?.tried.has(key) === true) source.tried.set(key, true);
  }

  arp(host: Host, frame: Frame, at: number): void {
    if (frame.arp === 'request') {
      // A gratuitous one announces, and a router asks for whomever it has packets for.
      if (frame.destination === frame.claim || host.router) return;
      const { asked } = this.#source(host, at);
      if (asked.has(frame.destination) || asked.size >= REMEMBERED) return;
      asked.set(frame.destination, false);
      if (asked.size >= ASKED) this.#sweeps(host, asked, at);
      return;
    }
    for (const source of this.#sources.values())
      if (source.asked.has(frame.claim)) source.asked.set(frame.claim, true);
  }

  #source(host: Host, at: number): Source {
    let source = this.#sources.get(host);
    if (source === undefined) {
      source = { since: at, tried: new Map(), asked: new Map() };
      this.#sources.set(host, source);
      if (this.#sources.size > SOURCES)
        for (const [oldest] of this.#sources) {
          this.#sources.delete(oldest);
          break;
        }
    } else if (at - source.since > WINDOW_MS) {
      source.since = at;
      source.tried.clear();
      source.asked.clear();
    }
    return source;
  }

  #judge(host: Host, { tried }: Source, address: string, port: number, at: number): void {
    let ports = 0;
    let portsOpen = 0;
    let hosts = 0;
    let hostsOpen = 0;
    for (const [key, open] of tried) {
      if (key.startsWith(address) && key.length === address.length + 1) {
        ports++;
        if (open) portsOpen++;
      }
      if (key.charCodeAt(key.length - 1) === port) {
        hosts++;
        if (open) hostsOpen++;
      }
    }
    if (ports >= PORTS && portsOpen <= ports * (1 - FAILED)) {
      const target = printAddress(address);
      const evidence = `tcp syn to ${ports} ports of ${target} in a minute, ${portsOpen} answered`;
      this.#findings.raise({ kind: 'scan-vertical', about: host, key: target, evidence, at });
    }
    if (hosts >= HOSTS && hostsOpen <= hosts * (1 - FAILED)) {
      const evidence = `tcp syn to port ${port} of ${hosts} hosts in a minute, ${hostsOpen} answered`;
      this.#findings.raise({ kind: 'scan-horizontal', about: host, key: `tcp/${port}`, evidence, at });
    }
  }

  #sweeps(host: Host, asked: ReadonlyMap<string, boolean>, at: number): void {
    let there = 0;
    for (const answered of asked.values()) if (answered) there++;
    if (there > asked.size * (1 - FAILED)) return;
    const evidence = `arp requests for ${asked.size} addresses in a minute, ${there} of them in use`;
    this.#findings.raise({
      kind: 'scan-horizontal',
      about: host,
      key: 'arp',
      evidence,
      at,
      severity: 'medium',
    });
  }
}
