/**
 * What a test machine's three network cards are plugged into, when a test wants neighbours instead of QEMU's own
 * network: three namespaces, one tap each. The machine can't tell them from cables.
 *
 *   peer   10.0.2.2   ── uplink0   the internet's side: stock wireguard-go, then DCMTK through the tunnel
 *   desk   10.10.0.2  ── mgmt0     the clinic's own network, as far as the management port
 *   pacs   10.20.0.11 ── enclave0  a device: DCMTK's storescp, which knows nothing of any of this
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { Namespace } from '../support/clinic/namespace.ts';
import { until } from '../support/until.ts';
import { takeLease } from '../support/clinic/lease.ts';
import type { Lease } from '../support/clinic/lease.ts';
import { startRemote } from '../support/clinic/remote.ts';
import type { Remote } from '../support/clinic/remote.ts';
import type { Site } from './site.ts';

const cards = {
  uplink: { place: 'peer', address: '10.0.2.2/24' },
  mgmt: { place: 'desk', address: '10.10.0.2/24' },
  enclave: { place: 'pacs', address: '10.20.0.11/24' },
} as const;
type Card = keyof typeof cards;

export const uplinkAddress = '10.0.2.15';
export const statusAddress = '10.10.0.1';
export const pacsPort = 4242;

export class Cables {
  readonly lease: Lease = takeLease();
  readonly peer = Namespace.create(`${this.lease.prefix}-peer`);
  readonly desk = Namespace.create(`${this.lease.prefix}-desk`);
  readonly pacs = Namespace.create(`${this.lease.prefix}-pacs`);
  #device: ChildProcess | undefined;

  /** QEMU runs in the peer's namespace, makes its taps there, and keeps them when they are moved. */
  get command(): readonly string[] {
    return ['nsenter', `--net=/run/netns/${this.peer.name}`];
  }

  netdev(card: Card): string {
    return `tap,id=${card},ifname=${card},script=no,downscript=no`;
  }

  /** Once QEMU has made its taps, which it does after it wrote its number. */
  async plug(): Promise<void> {
    const made = (card: string): boolean =>
      spawnSync('ip', ['-n', this.peer.name, 'link', 'show', card], { stdio: 'ignore' }).status === 0;
    await until('QEMU makes its taps', () => Object.keys(cards).every(made));
    for (const [card, { place, address }] of Object.entries(cards)) {
      if (place !== 'peer') this.peer.ip('link', 'set', card, 'netns', this[place].name);
      this[place].ip('addr', 'add', address, 'dev', card);
      this[place].ip('link', 'set', card, 'up');
    }
  }

  /** The device answers C-ECHO and C-STORE. */
  async startDevice(): Promise<void> {
    const folder = join(this.lease.folder, 'pacs');
    mkdirSync(folder);
    this.#device = this.pacs.spawn('storescp', ['-dhl', '-od', folder, String(pacsPort)], {
      env: { ...process.env, TCP_NODELAY: '1' },
      stdio: 'ignore',
    });
    await until('the PACS listens', () => this.pacs.listens(pacsPort));
  }

  /** The user's own machine calls the gateway. */
  startPeer(site: Site): Promise<Remote> {
    return startRemote(this.lease, this.peer, {
      name: 'r',
      privateKey: site.user.privateKey,
      address: site.userAddress,
      gateway: {
        publicKey: site.gateway.publicKey,
        endpoint: `${uplinkAddress}:51820`,
        allowedIps: ['100.96.0.0/16'],
      },
    });
  }

  stop(): void {
    this.#device?.kill('SIGKILL');
  }
}
