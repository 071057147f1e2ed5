/**
 * What hosts do, as against what they are: every frame and its flow come by here. Flows become rows of baselines,
 * contents go to the rules on them, and what either holds against a host is a finding.
 *
 *   frame → link (ARP, DHCP) · flow → scan, destinations, content · from time to time: flows → baselines, hosts → versions
 *
 * It sends nothing and keeps no payload. A host that isn't known to be on the link (it is behind a router) has no
 * baseline here: what it does is its own link's to see.
 */
import { inPrefix } from '../wire/address.ts';
import type { FindingReport } from '../wire/finding.ts';
import { Baselines } from './baseline/baseline.ts';
import type { BaselineRules } from './baseline/baseline.ts';
import { cleartextDatagramRules, cleartextRules } from './findings/cleartext.ts';
import { Look } from './findings/content.ts';
import type { Charge, ContentRule } from './findings/content.ts';
import { hardCoded } from './findings/destination.ts';
import { exploitRules } from './findings/exploit.ts';
import { Findings } from './findings/findings.ts';
import { LinkWatch } from './findings/link.ts';
import { ScanWatch } from './findings/scan.ts';
import type { Prober } from './findings/scan.ts';
import { weaknesses } from './findings/weak.ts';
import type { Flow, FlowEnd, FlowWatch, Side } from './flow.ts';
import { isPrivate, isUnicast, macText, NO_MAC, printAddress } from './frame.ts';
import type { Frame } from './frame.ts';
import type { Host, HostTable } from './host.ts';
import type { Reading } from './identify.ts';

/** Packets of one side whose content is looked at. */
const LOOKED = 64;
const SWEEP_MS = 10_000;
const DHCP_SERVER = 67;
/** Ports from which on a port without a known protocol, or any at all, is another each time. */
const ANY_PORT = 32_768;
const DYNAMIC = 49_152;
/** An association without an image is smaller. */
const DICOM_BYTES = 8192;
/** Words of weight in `knowledge/rule.ts` from which on a host itself says its version. */
const OWN_WORD = 70;

const UNKNOWN = 'unknown';
/** Rules by what a flow speaks. */
const tcpRules: ReadonlyMap<string, readonly ContentRule[]> = new Map(
  [...new Set([...Object.keys(cleartextRules), ...Object.keys(exploitRules)])].map((protocol) => [
    protocol,
    [...(cleartextRules[protocol] ?? []), ...(exploitRules[protocol] ?? [])],
  ]),
);

export interface BehaviourOptions {
  readonly baseline?: BaselineRules;
  /** Prefixes of the site besides private addresses. */
  readonly prefixes?: readonly string[];
}

/** What is kept over a restart. */
export interface KeptBehaviour {
  readonly version: 1;
  readonly devices: readonly unknown[];
  readonly servers: readonly unknown[];
}

export class Behaviour {
  readonly findings = new Findings();
  readonly baselines: Baselines;
  readonly #hosts: HostTable;
  readonly #prefixes: readonly string[];
  readonly #scan: ScanWatch;
  readonly #link: LinkWatch;
  readonly #lookAt = new Look((side, charge) => this.#against(side, charge));
  #at = 0;
  #sweptAt = -Infinity;

  constructor(hosts: HostTable, options: BehaviourOptions = {}) {
    this.#hosts = hosts;
    this.#prefixes = options.prefixes ?? [];
    this.baselines = new Baselines(options.baseline ?? { days: 14, mode: 'rolling' }, this.findings);
    this.#scan = new ScanWatch(this.findings);
    this.#link = new LinkWatch(this.findings, hosts);
  }

  /** Since when new cards appear faster than cards can; undefined while they don't. */
  get floodedSince(): number | undefined {
    return this.#link.floodedSince;
  }

  /** A decoded frame, and its flow where it has one. */
  frame(frame: Frame, flow: Flow<Reading> | undefined, at: number): void {
    if (frame.arp !== 'none') this.#arp(frame, at);
    else if (frame.transport === 'udp' && frame.sourcePort === DHCP_SERVER) this.#link.dhcp(frame, at);
    if (flow === undefined) return;
    let watch = flow.watched;
    if (watch === undefined) {
      watch = { mutual: false, counted: [0, 0], entered: false, looked: [0, 0], mark: 0 };
      flow.watched = watch;
      this.#opened(flow, at);
    }
    if (!watch.mutual && (flow.answered || (flow.bytes[0] > 0 && flow.bytes[1] > 0))) {
      watch.mutual = true;
      const [client, server] = flow.ends;
      this.#hosts.talks(client.mac);
      this.#hosts.talks(server.mac);
      const { address, port } = server;
      this.#scan.answered(this.#prober(client), { transport: flow.transport, address, port });
    }
    if (frame.payloadEnd > frame.payloadStart && watch.looked[flow.from] < LOOKED) {
      watch.looked[flow.from]++;
      this.#look(flow, watch, frame, at);
    }
  }

  #arp(frame: Frame, at: number): void {
    this.#link.arp(frame, at);
    const host = this.#hosts.card(frame.sourceMac);
    if (host === undefined) return;
    if (frame.arp === 'request') this.#scan.asks(host, frame, at);
    else this.#scan.has(this.#hosts.card(frame.destinationMac), frame.claim);
    // Who is told to whom asked is there, unless cards are being invented.
    if (
      frame.arp === 'reply' &&
      this.floodedSince === undefined &&
      this.#hosts.card(frame.destinationMac) !== undefined
    )
      this.#hosts.talks(frame.sourceMac);
  }

  #opened(flow: Flow<Reading>, at: number): void {
    const [client, server] = flow.ends;
    const { address, port } = server;
    const begun = flow.transport === 'udp' || (flow.opened && flow.syn !== undefined);
    if (begun && isUnicast(address) && !this.#hosts.isOwn(client.mac)) {
      const inside = !this.#outside(address);
      const target = { transport: flow.transport, address, port, from: client.port, inside };
      this.#scan.tried(this.#prober(client), target, at);
    }
    const host = this.#hosts.at(client.mac, client.address);
    if (host === undefined) return;
    const known = hardCoded(server.address);
    if (known === undefined) return;
    const evidence = `${printAddress(server.address)}: ${known.what}`;
    const key = `${printAddress(server.address)} ${flow.transport}/${server.port}`;
    this.findings.raise({ kind: 'hard-coded-destination', about: host, key, evidence, at });
  }

  #prober({ mac, address }: FlowEnd): Prober {
    return { host: this.#hosts.at(mac, address), address, mac };
  }

  #look(flow: Flow<Reading>, watch: FlowWatch, frame: Frame, at: number): void {
    const protocol = flow.reading?.protocol;
    const rules = flow.transport === 'udp' ? cleartextDatagramRules : tcpRules.get(protocol ?? UNKNOWN);
    if (rules === undefined) return;
    this.#at = at;
    const look = this.#lookAt;
    look.flow = flow;
    look.watch = watch;
    look.from = flow.from;
    look.bytes = frame.bytes.subarray(frame.payloadStart, frame.payloadEnd);
    look.protocol = protocol;
    for (const rule of rules) rule(look);
  }

  /** A finding against one end, where that is a host of the link; else against the other, who is in it too. */
  #against(side: Side, charge: Charge): void {
    const { flow } = this.#lookAt;
    const at = this.#at;
    const end = flow.ends[side];
    const host = this.#hosts.at(end.mac, end.address);
    if (host !== undefined) return this.findings.raise({ ...charge, at, about: host });
    const other = flow.ends[side === 0 ? 1 : 0];
    const near = this.#hosts.at(other.mac, other.address);
    if (near === undefined) return;
    const far = printAddress(end.address);
    const key = `${far} ${charge.key}`;
    const evidence = `${far}: ${charge.evidence}`;
    this.findings.raise({ kind: charge.kind, key, evidence, at, about: near });
  }

  /** There are rules that haven't looked at enough of a direction. */
  wants(flow: Flow<Reading>, from: Side): boolean {
    const protocol = flow.reading?.protocol;
    if (protocol === 'tls' || protocol === 'ssh') return false;
    return (flow.watched?.looked[from] ?? 0) < LOOKED;
  }

  /** The flow leaves the table. */
  removed(flow: Flow<Reading>): void {
    this.#account(flow, flow.last);
  }

  /** Bring baselines up to date; not more often than that is worth. */
  sweep(at: number, flows: Iterable<Flow<Reading>>, now = false): void {
    if (!now && at - this.#sweptAt < SWEEP_MS && at >= this.#sweptAt) return;
    this.#sweptAt = at;
    for (const flow of flows) this.#account(flow, flow.last);
    for (const host of this.#hosts.all()) this.#judge(host, at);
    this.#link.sweep(at);
    this.baselines.sweep(at, (mac) => this.#hosts.card(Number.parseInt(mac.replaceAll(':', ''), 16)));
  }

  /** What a flow brought since it was last counted, to both its ends. */
  #account(flow: Flow<Reading>, at: number): void {
    const watch = flow.watched;
    if (watch === undefined) return;
    const news = [flow.bytes[0] - watch.counted[0], flow.bytes[1] - watch.counted[1]] as const;
    const fresh = !watch.entered;
    if (!fresh && news[0] === 0 && news[1] === 0) return;
    const answered = watch.mutual || flow.transport === 'udp';
    const server: Side = flow.opened || flow.ends[1].port <= flow.ends[0].port ? 1 : 0;
    const hosts = [0, 1].map((side) => {
      const end = flow.ends[side as Side];
      return this.#hosts.at(end.mac, end.address);
    });
    const protocol = flow.reading?.protocol ?? this.#spoken(flow, server, hosts[server]);
    for (const side of [0, 1] as const) {
      const host = hosts[side];
      const other: Side = side === 0 ? 1 : 0;
      const far = flow.ends[other];
      if (host === undefined || host.router || !isUnicast(far.address)) continue;
      const peer = hosts[other];
      // Where the gateway is the other end a decision was made, and is on record.
      const gateway = this.#hosts.isOwn(far.mac);
      const outside = peer === undefined && !gateway && this.#outside(far.address);
      const role = side === server ? 'server' : 'client';
      if (role === 'client' && outside) this.#dials(flow, host, far.address, server, at);
      if (answered && peer === undefined && !gateway)
        this.#clear(flow, host, far.address, protocol, outside, at);
      if (!answered || host.mac === NO_MAC || !host.established) continue;
      const port = flow.ends[server].port;
      const dynamic = port >= DYNAMIC || (port >= ANY_PORT && protocol === undefined);
      const conduct = {
        role,
        peer:
          peer !== undefined && peer.mac !== NO_MAC
            ? macText(peer.mac)
            : outside
              ? network(far.address)
              : printAddress(far.address),
        address: printAddress(far.address),
        outside,
        gateway,
        transport: flow.transport,
        port: dynamic ? 0 : port,
        protocol,
        out: news[side],
        in: news[other],
        fresh,
      } as const;
      this.baselines.note(macText(host.mac), host, conduct, at);
    }
    if (answered) watch.entered = true;
    watch.counted[0] = flow.bytes[0];
    watch.counted[1] = flow.bytes[1];
  }

  #spoken(flow: Flow<Reading>, server: Side, host: Host | undefined): string | undefined {
    return host?.services.get(`${flow.transport}/${flow.ends[server].port}`)?.protocol;
  }

  /** A medical device that calls outside, learnt or not, answered or not. */
  #dials(flow: Flow<Reading>, host: Host, address: string, server: Side, at: number): void {
    if (flow.watched?.entered === true || !host.identity().medical) return;
    const { port } = flow.ends[server];
    const service = `${flow.transport}/${port}`;
    const evidence = `calls ${printAddress(address)} ${service}${flow.watched?.mutual === true ? '' : ', which does not answer'}`;
    const harmless = port === 53 || port === 123;
    this.findings.raise({
      kind: 'dials-out',
      about: host,
      key: `${network(address)} ${service}`,
      evidence,
      at,
      ...(harmless ? { severity: 'low' as const } : {}),
    });
  }

  /** Patient data that leaves the enclave unencrypted: that it does, not what it says. */
  #clear(
    flow: Flow<Reading>,
    host: Host,
    address: string,
    protocol: string | undefined,
    outside: boolean,
    at: number,
  ): void {
    const bytes = flow.bytes[0] + flow.bytes[1];
    const carries = protocol === 'hl7' || (protocol === 'dicom' && bytes >= DICOM_BYTES);
    // Where a capture has no cards, only what is outside is surely elsewhere.
    if (!carries || flow.transport !== 'tcp' || (host.mac === NO_MAC && !outside)) return;
    const evidence = `${protocol} unencrypted with ${printAddress(address)}, ${outside ? 'outside the site' : 'beyond the enclave'}`;
    this.findings.raise({
      kind: 'phi-in-clear',
      about: host,
      key: `${protocol} ${outside ? network(address) : printAddress(address)}`,
      evidence,
      at,
      ...(outside ? {} : { severity: 'medium' as const }),
    });
  }

  #outside(address: string): boolean {
    if (isPrivate(address) || !isUnicast(address)) return false;
    if (address.length === 2 && address.charCodeAt(0) >> 8 === 127) return false;
    const text = printAddress(address);
    return !this.#prefixes.some((prefix) => inPrefix(text, prefix));
  }

  /** What a host says of itself, when it said something new. */
  #judge(host: Host, at: number): void {
    if (host.mac !== NO_MAC) {
      const device = this.baselines.heard(macText(host.mac), host.last);
      if (device !== undefined && host.judged !== host.learnt) {
        for (const claim of host.identity().attributes.software?.claims ?? []) {
          const cut = claim.because.indexOf('=');
          if (claim.weight < OWN_WORD || cut < 0) continue;
          const field = claim.because.slice(0, cut);
          const before = device.version(field.slice(0, 64), claim.value.slice(0, 128), host.last);
          if (before === undefined) continue;
          const evidence = `${field}: ${before} before, ${claim.value} now`;
          this.findings.raise({
            kind: 'software-change',
            about: host,
            key: `${field} ${claim.value}`,
            evidence,
            at,
          });
        }
      }
    }
    if (host.judged === host.learnt) return;
    host.judged = host.learnt;
    if (host.router) return;
    const rows = host.evidenceRows();
    for (const { key, evidence } of weaknesses(rows, host.serviceRows()))
      this.findings.raise({ kind: 'weak-protocol', about: host, key, evidence, at });
    const twins = twoClients(rows);
    if (twins !== undefined)
      this.findings.raise({ kind: 'two-identities', about: host, key: 'dhcp', evidence: twins, at });
  }

  /** Everything is to be told again. */
  reconnected(): void {
    this.findings.reconnected();
    this.baselines.reconnected();
  }

  reports(): FindingReport[] {
    return this.findings.all();
  }

  kept(): KeptBehaviour {
    return { version: 1, devices: this.baselines.kept(), servers: this.#link.servers };
  }

  /** Take back what was kept; what isn't in order is left out. */
  restore(kept: unknown, at: number): void {
    if (typeof kept !== 'object' || kept === null) return;
    const { version, devices, servers } = kept as Partial<KeptBehaviour>;
    if (version !== 1) return;
    if (Array.isArray(devices)) this.baselines.restore(devices, at);
    if (Array.isArray(servers)) this.#link.restore(servers);
  }
}

/** /24 of IPv4, /48 of IPv6: what is outside changes its addresses within one. */
function network(address: string): string {
  const text = printAddress(address);
  if (address.length === 2) return `${text.split('.').slice(0, 3).join('.')}.0/24`;
  return `${printAddress(`${address.slice(0, 3)}\0\0\0\0\0`)}/48`;
}

/** What starts from the network says so before its system does; small clients say their own name until they are told another. */
const starters = /^(PXEClient|HTTPClient|docsis|d-i|anaconda|iPXE|udhcp|dhcpcd)/i;

/** Two families of DHCP clients on one card, which a change of the system explains and an impostor too. */
function twoClients(rows: readonly { protocol: string; field: string; value: string }[]): string | undefined {
  const families = new Set<string>();
  const names: string[] = [];
  for (const { protocol, field, value } of rows) {
    if (protocol !== 'dhcp' || field !== 'vendorClass' || starters.test(value)) continue;
    const family = /^[A-Za-z]{3,}/.exec(value)?.[0].toLowerCase() ?? value;
    if (!families.has(family)) names.push(value.slice(0, 40));
    families.add(family);
  }
  return families.size > 1 ? `dhcp: asks as ${names.slice(0, 3).join(' and as ')}` : undefined;
}
