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
import type { DeviceBaseline } from './baseline/device.ts';
import type { FlowNews } from './batch.ts';
import { cleartextDatagramRules, cleartextRules, wantsMore } from './findings/cleartext.ts';
import { Look } from './findings/content.ts';
import type { Charge, ContentRule } from './findings/content.ts';
import { hardCoded } from './findings/destination.ts';
import { exploitRules } from './findings/exploit.ts';
import { Findings } from './findings/findings.ts';
import { LinkWatch } from './findings/link.ts';
import { ScanWatch } from './findings/scan.ts';
import type { Prober } from './findings/scan.ts';
import { LOOKED, Units } from './findings/unit.ts';
import { weaknesses } from './findings/weak.ts';
import type { Flow, Side } from './flow.ts';
import { isPrivate, isUnicast, NO_MAC, printAddress } from './frame.ts';
import type { Frame } from './frame.ts';
import type { HostTable } from './host-table.ts';
import type { Host } from './host.ts';
import type { Reading } from './identify.ts';
import { versionFields } from './identity.ts';

/** Datagrams of one side whose content is looked at. */
const DATAGRAMS = 64;
const SWEEP_MS = 10_000;
const DHCP_SERVER = 67;
/** Ports from which on a port without a known protocol, or any at all, is another each time. */
const ANY_PORT = 32_768;
const DYNAMIC = 49_152;
/** What carries patients whatever is said; DICOM may be but an echo. */
const patients: ReadonlySet<string> = new Set(['hl7', 'fhir', 'dicomweb']);
/** An association without an image is smaller. */
const DICOM_BYTES = 8192;
/** Words of weight in `knowledge/rule.ts` from which on a host itself says its version. */
const OWN_WORD = 70;

/** Calls that wait for a sweep. */
const DIALLED = 1024;

/** Characters of kept baselines that are written at a time, or one device more. */
const PIECE = 65_536;
/** Where such a word may be. */
const versions = versionFields(OWN_WORD);

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

/** One account of a flow: the port that serves, and what is spoken. */
interface Call {
  readonly news: FlowNews;
  readonly port: number;
  readonly protocol: string | undefined;
  readonly at: number;
}

/** A call outside, by a host of which more has been said than was considered. */
interface Dial {
  readonly host: Host;
  readonly address: string;
  readonly transport: 'tcp' | 'udp';
  readonly port: number;
  readonly mutual: boolean;
  readonly at: number;
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
  readonly #units = new Units();
  /** Calls outside since the last sweep. */
  readonly #dialled: Dial[] = [];
  #at = 0;
  #sweptAt = -Infinity;

  constructor(hosts: HostTable, options: BehaviourOptions = {}) {
    this.#hosts = hosts;
    this.#prefixes = options.prefixes ?? [];
    this.baselines = new Baselines(options.baseline ?? { days: 14, mode: 'rolling' }, this.findings);
    this.#scan = new ScanWatch(this.findings);
    this.#link = new LinkWatch(this.findings, hosts);
  }

  /** Cards that the stage held back. */
  held(count: number): void {
    this.#link.held += count;
  }

  /** Since when new cards appear faster than cards can; undefined while they don't. */
  get floodedSince(): number | undefined {
    return this.#link.floodedSince;
  }

  /** A decoded frame, and its flow where its content is of interest. */
  frame(frame: Frame, flow: Flow<Reading> | undefined, at: number): void {
    if (frame.arp !== 'none') this.#arp(frame, at);
    else if (frame.transport === 'udp' && frame.sourcePort === DHCP_SERVER) this.#link.dhcp(frame, at);
    if (flow?.transport !== 'udp' || frame.payloadEnd === frame.payloadStart) return;
    const end = flow.ends[flow.from];
    if (end.looked >= DATAGRAMS) return;
    end.looked++;
    this.#look(flow, flow.from, frame.payload, cleartextDatagramRules, at);
  }

  /** In-order bytes of a TCP flow. */
  chunk(flow: Flow<Reading>, from: Side, chunk: Uint8Array, at: number): void {
    const protocol = flow.protocol ?? UNKNOWN;
    const rules = tcpRules.get(protocol);
    if (rules === undefined || !wantsMore(flow, from, protocol)) return;
    this.#units.push(flow, from, chunk, protocol, (unit) => this.#look(flow, from, unit, rules, at));
  }

  /** What the stage tells of a flow; `protocol`: what it speaks. */
  flow(news: FlowNews, protocol: string | undefined): void {
    if (news.isNew) this.#opened(news);
    if (news.isMutual) {
      const target = { transport: news.transport, address: news.server, port: news.serverPort };
      this.#scan.answered(this.#prober(news), target);
    }
    if (news.isMutual || (news.isAccount && news.mutual)) {
      this.#hosts.talks(news.clientMac);
      this.#hosts.talks(news.serverMac);
    }
    if (news.isAccount) this.#account(news, protocol);
  }

  /** Fragments as no system makes them: `what` is the stage's word for it. */
  fragments(what: string, mac: number, source: string, destination: string, at: number): void {
    const evidence = `${what.replaceAll('_', ' ')}: ${printAddress(source)} to ${printAddress(destination)}`;
    const about = this.#hosts.at(mac, source) ?? (mac === NO_MAC ? undefined : mac);
    this.findings.raise({ kind: 'evasive-fragments', about, key: printAddress(destination), evidence, at });
  }

  #arp(frame: Frame, at: number): void {
    this.#link.arp(frame, at);
    const host = this.#hosts.card(frame.sourceMac);
    if (host === undefined) return;
    const asker = this.#hosts.card(frame.destinationMac);
    if (frame.arp === 'request') this.#scan.asks(host, frame, at);
    else this.#scan.has(asker, frame.claim);
    // Who is told to whom asked is there, unless cards are being invented.
    if (frame.arp === 'reply' && this.floodedSince === undefined && asker !== undefined)
      this.#hosts.talks(frame.sourceMac);
  }

  #opened(news: FlowNews): void {
    const { clientMac, server, transport, at } = news;
    const prober = this.#prober(news);
    const { host } = prober;
    // One that is seen first by its answer wasn't begun now.
    const begun = transport === 'udp' || (news.opened && !news.isAnswered);
    if (begun && isUnicast(server) && !this.#hosts.isOwn(clientMac)) {
      const inside = !this.#outside(server);
      const target = { transport, address: server, port: news.serverPort, from: news.clientPort, inside };
      this.#scan.tried(prober, target, at);
    }
    if (host === undefined) return;
    const known = hardCoded(server);
    if (known === undefined) return;
    const evidence = `${printAddress(server)}: ${known.what}`;
    const key = `${printAddress(server)} ${transport}/${news.serverPort}`;
    this.findings.raise({ kind: 'hard-coded-destination', about: host, key, evidence, at });
  }

  #prober({ clientMac, client }: FlowNews): Prober {
    return { host: this.#hosts.at(clientMac, client), address: client, mac: clientMac };
  }

  #look(flow: Flow<Reading>, from: Side, bytes: Uint8Array, rules: readonly ContentRule[], at: number): void {
    this.#at = at;
    const look = this.#lookAt;
    look.flow = flow;
    look.from = from;
    look.bytes = bytes;
    look.protocol = flow.protocol;
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
    if (flow.ends[from].looked >= LOOKED || flow.ends[from].rest === Infinity) return false;
    const protocol = flow.protocol ?? UNKNOWN;
    return tcpRules.has(protocol) && wantsMore(flow, from, protocol);
  }

  /** Bring baselines up to date; not more often than that is worth. */
  sweep(at: number, now = false): void {
    if (!now && at - this.#sweptAt < SWEEP_MS && at >= this.#sweptAt) return;
    this.#sweptAt = at;
    this.#hosts.stirred((host) => {
      if (host.last > host.heard || host.judged !== host.learnt) this.#judge(host, at);
    });
    for (const dial of this.#dialled.splice(0))
      if (!dial.host.gone && dial.host.medical) this.#dialsOut(dial);
    this.#link.sweep(at);
    this.baselines.sweep(at, (mac) => this.#hosts.card(Number.parseInt(mac.replaceAll(':', ''), 16)));
  }

  /** What a flow brought since it was last counted, to both its ends. */
  #account(news: FlowNews, spoken: string | undefined): void {
    const { at, transport, mutual, clientMac, serverMac, client, server: far } = news;
    const fresh = !news.entered;
    if (!fresh && news.clientBytes === 0 && news.serverBytes === 0) return;
    const answered = mutual || transport === 'udp';
    const serves: Side = news.opened || news.serverPort <= news.clientPort ? 1 : 0;
    const port = serves === 1 ? news.serverPort : news.clientPort;
    const hosts = [this.#hosts.at(clientMac, client), this.#hosts.at(serverMac, far)] as const;
    const protocol = spoken ?? hosts[serves]?.services.protocol(transport, port) ?? news.spoken;
    const call: Call = { news, port, protocol, at };
    for (const side of [0, 1] as const) {
      const host = hosts[side];
      const address = side === 0 ? far : client;
      if (host === undefined || host.router || !isUnicast(address)) continue;
      const peer = hosts[side === 0 ? 1 : 0];
      // Where the gateway is the other end a decision was made, and is on record.
      const gateway = this.#hosts.isOwn(side === 0 ? serverMac : clientMac);
      const outside = peer === undefined && !gateway && this.#outside(address);
      const role = side === serves ? 'server' : 'client';
      if (role === 'client' && outside && fresh) this.#dials(call, host, address);
      if (answered && peer === undefined && !gateway) this.#clear(call, host, address, outside);
      if (!answered || host.mac === NO_MAC || !host.established) continue;
      const dynamic = port >= DYNAMIC || (port >= ANY_PORT && protocol === undefined);
      const text = peer?.addresses.find(address)?.text ?? printAddress(address);
      const conduct = {
        role,
        peer: peer !== undefined && peer.mac !== NO_MAC ? peer.macText : outside ? network(address) : text,
        address: text,
        outside,
        gateway,
        transport,
        port: dynamic ? 0 : port,
        protocol,
        out: side === 0 ? news.clientBytes : news.serverBytes,
        in: side === 0 ? news.serverBytes : news.clientBytes,
        fresh,
      } as const;
      this.baselines.note(host.macText, host, conduct, at);
    }
  }

  /** A call outside, learnt or not, answered or not. What the caller is may have to wait for the next sweep. */
  #dials({ news, port, at }: Call, host: Host, address: string): void {
    const medical = this.#dialled.length < DIALLED ? host.medicalBefore : host.medical;
    if (medical === false) return;
    const { transport, mutual } = news;
    const dial = { host, address, transport, port, mutual, at };
    if (medical === true) this.#dialsOut(dial);
    else this.#dialled.push(dial);
  }

  /** A medical device that calls outside. */
  #dialsOut({ host, address, transport, port, mutual, at }: Dial): void {
    const service = `${transport}/${port}`;
    const evidence = `calls ${printAddress(address)} ${service}${mutual ? '' : ', which does not answer'}`;
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
  #clear({ news, protocol, at }: Call, host: Host, address: string, outside: boolean): void {
    const bytes = news.clientBytes + news.serverBytes;
    const carries = (protocol === 'dicom' && bytes >= DICOM_BYTES) || patients.has(protocol ?? UNKNOWN);
    // Where a capture has no cards, only what is outside is surely elsewhere.
    if (!carries || news.transport !== 'tcp' || (host.mac === NO_MAC && !outside)) return;
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
    return !this.#prefixes.some((prefix) => inPrefix(printAddress(address), prefix));
  }

  /** What a host says of itself, when it said something new. */
  #judge(host: Host, at: number): void {
    let device: DeviceBaseline | undefined;
    if (host.mac !== NO_MAC) {
      device = this.baselines.heard(host.macText, host.last);
      host.heard = host.last;
    }
    if (host.judged === host.learnt) return;
    host.judged = host.learnt;
    const rows = host.evidenceRows();
    const tells = rows.some(({ protocol, field }) => versions.get(protocol)?.has(field) === true);
    if (device !== undefined && tells) this.#versions(host, device, at);
    if (host.router) return;
    for (const { key, evidence } of weaknesses(rows, host.serviceRows()))
      this.findings.raise({ kind: 'weak-protocol', about: host, key, evidence, at });
    const twins = twoClients(rows);
    if (twins !== undefined)
      this.findings.raise({ kind: 'two-identities', about: host, key: 'dhcp', evidence: twins, at });
  }

  /** What it runs, by its own word, is not what it ran. */
  #versions(host: Host, device: DeviceBaseline, at: number): void {
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

  /** Everything is to be told again. */
  reconnected(): void {
    this.findings.reconnected();
    this.baselines.reconnected();
  }

  reports(): FindingReport[] {
    return this.findings.all();
  }

  kept(): KeptBehaviour {
    return { version: 1, devices: [...this.baselines.kept()], servers: this.#link.servers };
  }

  /** The same as JSON, in pieces: whole it would take more room than all that it tells of. */
  *keptText(): Generator<string> {
    let piece = `{"version":1,"servers":${JSON.stringify(this.#link.servers)},"devices":[`;
    let between = '';
    for (const device of this.baselines.kept()) {
      piece += `${between}${JSON.stringify(device)}`;
      between = ',\n';
      if (piece.length < PIECE) continue;
      yield piece;
      piece = '';
    }
    yield `${piece}]}`;
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
  if (address.length !== 2) return `${printAddress(`${address.slice(0, 3)}\0\0\0\0\0`)}/48`;
  return `${printAddress(String.fromCharCode(address.charCodeAt(0), address.charCodeAt(1) & 0xff00))}/24`;
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
