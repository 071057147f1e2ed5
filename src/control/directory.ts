/**
 * The desired state: peers, users, devices and resources as configured, indexed for looking up.
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

export class Directory {
  readonly peers: ReadonlyMap<string, PeerConfig>;
  readonly users: ReadonlyMap<string, UserConfig>;
  readonly devices: ReadonlyMap<string, DeviceConfig>;
  readonly resources: ReadonlyMap<string, ResourceConfig>;
  readonly #hosts = new Map<string, PeerConfig>();
  readonly #prefixes: readonly Prefix[];
  readonly #deviceByAddress = new Map<string, DeviceConfig>();

  constructor(config: Pick<Config, 'peers' | 'users' | 'devices' | 'resources'>) {
    this.peers = new Map(config.peers.map((p) => [p.id, p]));
    this.users = new Map(config.users.map((u) => [u.id, u]));
    this.devices = new Map(config.devices.map((d) => [d.id, d]));
    this.resources = new Map(config.resources.map((r) => [r.id, r]));
    for (const device of config.devices) {
      const address = canonical(device.address);
      if (address !== undefined) this.#deviceByAddress.set(address, device);
    }
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
