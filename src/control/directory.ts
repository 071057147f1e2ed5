/**
 * The desired state: peers, users, devices and resources, indexed for looking up. Peers are the configuration's; the
 * rest is too, unless a policy bundle brought a directory, which replaces it as a whole while everything runs.
 *
 * A source address inside the tunnel belongs to the peer with the longest matching prefix of its allowed IPs, as
 * in WireGuard's own cryptokey routing; the tunnel has already checked that the packet came from that peer.
 */
import { addressBytes, addressText } from '../wire/address.ts';
import type { Config, DeviceConfig, PeerConfig, ResourceConfig, UserConfig } from '../wire/config.ts';

interface Prefix {
  readonly base: Uint8Array;
  readonly length: number;
  readonly peer: PeerConfig;
}

function covers({ base, length }: Prefix, address: Uint8Array): boolean {
  if (base.length !== address.length) return false;
  for (let i = 0; 8 * i < length; i++) {
    const mask = (0xff << (8 - Math.min(8, length - 8 * i))) & 0xff;
    if (((base[i] ?? 0) & mask) !== ((address[i] ?? 0) & mask)) return false;
  }
  return true;
}

/** What can be replaced. */
export type Lists = Pick<Config, 'users' | 'devices' | 'resources'>;

const byId = <Row extends { readonly id: string }>(rows: readonly Row[]): ReadonlyMap<string, Row> =>
  new Map(rows.map((row) => [row.id, row]));

export class Directory {
  readonly peers: ReadonlyMap<string, PeerConfig>;
  readonly #configured: Lists;
  readonly #hosts = new Map<string, PeerConfig>();
  readonly #prefixes: readonly Prefix[];
  #users: ReadonlyMap<string, UserConfig> = new Map();
  #devices: ReadonlyMap<string, DeviceConfig> = new Map();
  #resources: ReadonlyMap<string, ResourceConfig> = new Map();
  #deviceByAddress: ReadonlyMap<string, DeviceConfig> = new Map();

  constructor(config: Pick<Config, 'peers'> & Lists) {
    this.peers = byId(config.peers);
    this.#configured = config;
    this.replace(undefined);
    const prefixes: Prefix[] = [];
    for (const peer of config.peers) {
      for (const prefix of peer.allowedIps) {
        const [address = '', length = ''] = prefix.split('/');
        const base = addressBytes(address);
        if (!base) continue;
        if (Number(length) === base.length * 8) this.#hosts.set(addressText(base), peer);
        else prefixes.push({ base, length: Number(length), peer });
      }
    }
    this.#prefixes = prefixes.sort((a, b) => b.length - a.length);
  }

  get users(): ReadonlyMap<string, UserConfig> {
    return this.#users;
  }

  get devices(): ReadonlyMap<string, DeviceConfig> {
    return this.#devices;
  }

  get resources(): ReadonlyMap<string, ResourceConfig> {
    return this.#resources;
  }

  /** Take these lists instead, or (undefined) the configured ones again. */
  replace(lists: Lists | undefined): void {
    const { users, devices, resources } = lists ?? this.#configured;
    this.#users = byId(users);
    this.#devices = byId(devices);
    this.#resources = byId(resources);
    this.#deviceByAddress = new Map(
      devices.flatMap((device) => {
        const address = canonical(device.address);
        return address === undefined ? [] : [[address, device] as const];
      }),
    );
  }

  /** The peer that may use `address` as its source. */
  peerAt(address: string): PeerConfig | undefined {
    const text = canonical(address);
    const bytes = text === undefined ? undefined : addressBytes(text);
    if (text === undefined || !bytes) return undefined;
    return this.#hosts.get(text) ?? this.#prefixes.find((p) => covers(p, bytes))?.peer;
  }

  /** The configured device with `address` in the enclave. */
  deviceAt(address: string): DeviceConfig | undefined {
    const text = canonical(address);
    return text === undefined ? undefined : this.#deviceByAddress.get(text);
  }
}

/** One spelling for each address; IPv4-mapped IPv6 as IPv4, which is how a dual-stack socket sees a peer. */
export function canonical(address: string): string | undefined {
  const bytes = addressBytes(address);
  return bytes && addressText(bytes);
}
