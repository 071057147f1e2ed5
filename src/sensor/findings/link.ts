/**
 * What goes wrong on the link itself: an address that two live cards claim in turn (ARP spoofing), a DHCP server beside
 * the one that was there (rogue), cards that appear faster than people plug them in (a flood of invented MACs).
 *
 * What surprises: an address that moves once is no attack (a lease, a failover); it has to be claimed back and forth,
 * or one card has to take several addresses of cards that are still there. VRRP's and HSRP's virtual cards move.
 * A second DHCP server is only rogue at once when it names another router for the same network.
 */
import * as z from 'zod';
import { decodeDhcpOffer } from '../../protocol/dhcp/offer.ts';
import { count } from '../../wire/scalar.ts';
import { macText, printAddress } from '../frame.ts';
import type { Frame } from '../frame.ts';
import type { HostTable } from '../host-table.ts';
import type { Host } from '../host.ts';
import type { Findings } from './findings.ts';

const CLAIMS = 4096;
const WINDOW_MS = 300_000;
/** The earlier owner counts as there when it sent within this. */
const ALIVE_MS = 60_000;
const FLIPS = 3;
const TAKEN = 3;
/** RFC 9568 section 7.3, and HSRP's. */
const virtualCards = /^00:00:(5e:00:0[12]|0c:(07:ac|9f:f))/;

const SERVERS = 16;
/** A server that was alone for so long is the one that there is. */
const SETTLED_MS = 86_400_000;

const FLOOD_MS = 60_000;
export const FLOOD = 256;
const GENUINE = 0.25;

interface Claim {
  mac: number;
  /** Who had it before the others came. */
  owner: number;
  since: number;
  flips: number;
}

/** A DHCP server as it is kept over a restart. */
const serverRow = z.object({ server: count, router: count, network: count, first: z.number() });
export type ServerRow = z.infer<typeof serverRow>;

const quad = (n: number): string => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255].join('.');

export class LinkWatch {
  readonly #findings: Findings;
  readonly #hosts: HostTable;
  readonly #claims = new Map<string, Claim>();
  /** How many live cards' addresses a card took in the window. */
  readonly #taken = new Map<number, { since: number; addresses: Set<string> }>();
  #servers: ServerRow[] = [];
  #windowAt = -Infinity;
  #windowCreated = 0;
  /** Cards that the stage held back, in all. */
  held = 0;
  /** Since when new cards are being invented; undefined while they aren't. */
  floodedSince: number | undefined;

  constructor(findings: Findings, hosts: HostTable) {
    this.#findings = findings;
    this.#hosts = hosts;
  }

  get servers(): readonly ServerRow[] {
    return this.#servers;
  }

  restore(servers: readonly unknown[]): void {
    this.#servers = servers.flatMap((row) => serverRow.safeParse(row).data ?? []).slice(0, SERVERS);
  }

  arp(frame: Frame, at: number): void {
    const { claim: address, sourceMac: mac } = frame;
    if (address === '') return;
    const claim = this.#claims.get(address);
    if (claim === undefined) {
      if (this.#claims.size >= CLAIMS)
        for (const [oldest] of this.#claims) {
          this.#claims.delete(oldest);
          break;
        }
      this.#claims.set(address, { mac, owner: mac, since: at, flips: 0 });
      return;
    }
    if (claim.mac === mac) return;
    const owner = this.#hosts.card(claim.mac);
    const before = claim.mac;
    claim.flips = at - claim.since > WINDOW_MS ? 1 : claim.flips + 1;
    if (claim.flips === 1) {
      claim.since = at;
      claim.owner = before;
    }
    claim.mac = mac;
    if (owner === undefined || at - owner.last > ALIVE_MS) return;
    if (virtualCards.test(macText(mac)) || virtualCards.test(macText(before))) return;
    const taken = this.#took(mac, address, at);
    if (claim.flips < FLIPS && taken < TAKEN) return;
    const late = mac === claim.owner ? before : mac;
    const evidence = `arp: ${printAddress(address)} claimed by ${macText(late)} while ${macText(claim.owner)} has it`;
    this.#findings.raise({ kind: 'arp-spoofing', about: late, key: printAddress(address), evidence, at });
  }

  #took(mac: number, address: string, at: number): number {
    let row = this.#taken.get(mac);
    if (row === undefined || at - row.since > WINDOW_MS) {
      if (this.#taken.size >= 256) this.#taken.clear();
      row = { since: at, addresses: new Set() };
      this.#taken.set(mac, row);
    }
    if (row.addresses.size < TAKEN) row.addresses.add(address);
    return row.addresses.size;
  }

  /** A datagram from a DHCP server's port. */
  dhcp(frame: Frame, at: number): void {
    const decoded = decodeDhcpOffer(frame.payload);
    if (decoded.kind === 'malformed' || decoded.message === undefined) return;
    const { server, router, given } = decoded.message;
    const network = given >>> 8;
    const mine = this.#servers.find((row) => row.server === server && row.network === network);
    if (mine !== undefined) return;
    const others = this.#servers.filter((row) => row.network === network && row.server !== server);
    const settled = others.some((row) => at - row.first > SETTLED_MS);
    const contradicts = router !== 0 && others.some((row) => row.router !== 0 && row.router !== router);
    if (settled || contradicts) {
      const [known] = others;
      const evidence = `dhcp: ${quad(server)} hands out addresses${contradicts ? ` with router ${quad(router)}` : ''}; ${quad(known?.server ?? 0)} did before`;
      this.#findings.raise({ kind: 'rogue-dhcp', about: frame.sourceMac, key: quad(server), evidence, at });
      return;
    }
    if (this.#servers.length < SERVERS)
      this.#servers = [...this.#servers, { server, router, network, first: at }];
  }

  /** From time to time: are new cards real? */
  sweep(at: number): void {
    const created = this.#hosts.created + this.held;
    const fresh = created - this.#windowCreated;
    if (this.#windowAt === -Infinity) this.#windowAt = at - FLOOD_MS;
    if (fresh >= FLOOD) {
      let genuine = 0;
      let sample: Host | undefined;
      this.#hosts.newest((host) => {
        if (host.first < this.#windowAt) return;
        if (host.talked || host.services.size > 0) genuine++;
        else sample = host;
      });
      const invented = genuine < fresh * GENUINE;
      this.floodedSince = invented ? (this.floodedSince ?? this.#windowAt) : undefined;
      if (invented) {
        const evidence = `${fresh} new cards in ${Math.max(1, Math.round((at - this.#windowAt) / 1000))} s, ${genuine} of them talk; one is ${sample === undefined ? 'gone' : macText(sample.mac)}`;
        this.#findings.raise({ kind: 'mac-flood', about: undefined, key: 'link', evidence, at });
      }
    } else if (at - this.#windowAt > FLOOD_MS) this.floodedSince = undefined;
    if (at - this.#windowAt > FLOOD_MS || at < this.#windowAt || fresh >= 4 * FLOOD) {
      this.#windowAt = at;
      this.#windowCreated = created;
      this.#hosts.forgetNewest();
    }
  }
}
