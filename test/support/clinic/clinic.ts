/**
 * A whole clinic on this machine, for `make run` and for the system tests: namespaces, real devices, the gateway,
 * remote users with stock WireGuard. `startClinic` gives it running, `stop` leaves nothing of it.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { formatEndpoint } from '../../../src/wire/address.ts';
import { Agent } from './agent.ts';
import { requireCapabilities } from './capability.ts';
import { startDevices } from './devices.ts';
import type { Devices } from './devices.ts';
import { Gateway, overlayPrefix, people, prepareGateway, tunnelPort } from './gateway.ts';
import type { ConfigInput } from './gateway.ts';
import { clearStale, removeAll, takeLease } from './lease.ts';
import type { Lease } from './lease.ts';
import { until } from '../until.ts';
import type { Namespace } from './namespace.ts';
import { addresses, buildNetwork, userNames } from './network.ts';
import type { Network, UserName } from './network.ts';
import { startRemote } from './remote.ts';
import type { Remote } from './remote.ts';

export interface ClinicOptions {
  /** One short line a step. */
  readonly say?: (text: string) => void;
  readonly adjust?: (config: ConfigInput) => void;
  /** Put the audit store on a file system of its own, of this size, so that it can be filled. */
  readonly auditDiskBytes?: number;
  /** Who is connected; everyone unless told. */
  readonly users?: readonly UserName[];
}

export interface Clinic {
  readonly lease: Lease;
  readonly network: Network;
  readonly devices: Devices;
  readonly gateway: Gateway;
  readonly remotes: ReadonlyMap<UserName, Remote>;
  /** A TCP agent inside a namespace, stopped with the clinic. */
  agent(namespace: Namespace): Agent;
  stop(): Promise<void>;
}

export async function startClinic(options: ClinicOptions = {}): Promise<Clinic> {
  const { say = () => undefined, users = userNames } = options;
  requireCapabilities();
  for (const prefix of clearStale()) say(`removed what the run ${prefix} had left behind`);
  const lease = takeLease();
  const closers: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    const faults: unknown[] = [];
    for (const close of closers.splice(0).reverse())
      await close().catch((error: unknown) => faults.push(error));
    removeAll(lease.prefix);
    if (faults.length > 0) throw new AggregateError(faults, 'the clinic did not stop cleanly');
  };
  try {
    say('cabling remote users, internet, gateway and enclave');
    const network = buildNetwork(lease);
    say('starting the devices: Orthanc, dcmqrscp, an infusion pump');
    const devicesStarting = startDevices(lease, network).then((devices) => {
      closers.push(() => devices.stop());
      return devices;
    });
    const files = prepareGateway(lease, options.adjust);
    if (options.auditDiskBytes !== undefined) {
      const folder = join(files.config.stateDir, 'audit');
      mkdirSync(folder, { recursive: true });
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${options.auditDiskBytes}`, 'none', folder]);
    }
    const devices = await devicesStarting;
    say('starting the gateway: audit, control, tunnel, broker, sensor');
    const gateway = new Gateway(lease, network, files, (line) => say(`  ${line}`));
    closers.push(() => gateway.stop());
    await gateway.ready();
    const wanted = files.config.resources.map(({ virtual }) => formatEndpoint(virtual));
    await until('every resource is listened on', async () => {
      const { stdout } = await network.gateway.run('ss', ['-Hltn']);
      return wanted.every((endpoint) => stdout.includes(` ${endpoint} `));
    });
    const remotes = new Map<UserName, Remote>();
    for (const name of users) {
      say(`connecting the ${name} by wireguard-go`);
      const keys = files.users[name];
      const remote = await startRemote(lease, network.users[name], {
        name: String(userNames.indexOf(name)),
        privateKey: keys.pair.privateKey,
        address: people[name].address,
        gateway: {
          publicKey: files.publicKey,
          presharedKey: keys.presharedKey,
          endpoint: `${addresses.uplink}:${tunnelPort}`,
          allowedIps: [overlayPrefix],
        },
      });
      closers.push(() => remote.stop());
      remotes.set(name, remote);
    }
    return {
      lease,
      network,
      devices,
      gateway,
      remotes,
      agent: (namespace) => {
        const agent = new Agent(namespace);
        closers.push(() => agent.stop());
        return agent;
      },
      stop,
    };
  } catch (error) {
    await stop().catch((also: unknown) => say(`while stopping: ${String(also)}`));
    throw error;
  }
}
