/**
 * The cables of the clinic: who is joined to whom, with which address.
 *
 *   radiologist ─┐                       ┌─ management (10.10.0.2)
 *   nurse ───────┼─ internet ── gateway ─┤
 *   vendor ──────┘  (a router)           └─ enclave: a switch ─┬─ pacs     10.20.0.11
 *                                                              ├─ archive  10.20.0.12
 *                                                              └─ pump     10.20.0.21
 *
 * The switch forgets every address at once (ageing time 0), so it floods: the gateway's port is a mirror port too,
 * which is what a clinic's switch would be set up to give the sensor. Devices send frames of 1,514 bytes at most,
 * as a wire would carry (veth would pass 64 KB at a time otherwise).
 */
import type { Lease } from './lease.ts';
import { Namespace } from './namespace.ts';

export const userNames = ['radiologist', 'nurse', 'vendor'] as const;
export type UserName = (typeof userNames)[number];

/** Devices, with addresses of real makers' blocks: Dell, Siemens Healthcare, B. Braun. */
export const devicePlan = {
  pacs: { address: '10.20.0.11', mac: '00:14:22:5a:10:0b' },
  archive: { address: '10.20.0.12', mac: '08:00:06:5a:10:0c' },
  pump: { address: '10.20.0.21', mac: '00:12:21:a4:c7:01' },
} as const;
export type DeviceName = keyof typeof devicePlan;

export const addresses = {
  uplink: '198.51.100.2',
  uplinkRouter: '198.51.100.1',
  enclave: '10.20.0.1',
  enclavePrefix: '10.20.0.0/24',
  management: '10.10.0.1',
  managementStation: '10.10.0.2',
} as const;

/** The uplink address of a user's own machine. */
export const userAddress = (user: UserName): string => `192.0.2.${4 * userNames.indexOf(user) + 2}`;

export interface Network {
  readonly internet: Namespace;
  readonly gateway: Namespace;
  readonly enclave: Namespace;
  readonly management: Namespace;
  readonly users: Readonly<Record<UserName, Namespace>>;
  readonly devices: Readonly<Record<DeviceName, Namespace>>;
}

/** A cable between two namespaces. */
function join(a: Namespace, nameA: string, b: Namespace, nameB: string): void {
  a.ip('link', 'add', nameA, 'type', 'veth', 'peer', 'name', nameB, 'netns', b.name);
}

function up(namespace: Namespace, name: string, address?: string): void {
  if (address !== undefined) namespace.ip('addr', 'add', address, 'dev', name);
  namespace.ip('link', 'set', name, 'up');
}

export function buildNetwork(lease: Lease): Network {
  const make = (name: string): Namespace => Namespace.create(`${lease.prefix}-${name}`);
  const [internet, gateway, enclave, management] = [
    make('internet'),
    make('gateway'),
    make('enclave'),
    make('management'),
  ];

  internet.sysctl('net.ipv4.ip_forward', '1');
  join(internet, 'gateway', gateway, 'uplink0');
  up(internet, 'gateway', `${addresses.uplinkRouter}/24`);
  up(gateway, 'uplink0', `${addresses.uplink}/24`);
  gateway.ip('route', 'add', 'default', 'via', addresses.uplinkRouter);

  join(gateway, 'mgmt0', management, 'eth0');
  up(gateway, 'mgmt0', `${addresses.management}/24`);
  up(management, 'eth0', `${addresses.managementStation}/24`);

  // A switch has no address of its own and says nothing by itself.
  enclave.sysctl('net.ipv6.conf.all.disable_ipv6', '1');
  enclave.sysctl('net.ipv6.conf.default.disable_ipv6', '1');
  enclave.ip('link', 'add', 'switch', 'type', 'bridge', 'ageing_time', '0', 'mcast_snooping', '0');
  up(enclave, 'switch');
  const plug = (name: string, to: Namespace, port: string): void => {
    join(enclave, name, to, port);
    enclave.ip('link', 'set', name, 'master', 'switch');
    up(enclave, name);
    to.ip('link', 'set', port, 'gso_max_segs', '1');
  };
  plug('gateway', gateway, 'enclave0');
  up(gateway, 'enclave0', `${addresses.enclave}/24`);

  const devices = Object.fromEntries(
    Object.entries(devicePlan).map(([name, { address, mac }]) => {
      const device = make(name);
      plug(name, device, 'eth0');
      device.ip('link', 'set', 'eth0', 'address', mac);
      up(device, 'eth0', `${address}/24`);
      // Devices keep the default route that they have; it leads nowhere through a gateway that doesn't route.
      device.ip('route', 'add', 'default', 'via', addresses.enclave);
      return [name, device];
    }),
  ) as unknown as Record<DeviceName, Namespace>;

  const users = Object.fromEntries(
    userNames.map((name) => {
      const user = make(name);
      const router = `192.0.2.${4 * userNames.indexOf(name) + 1}`;
      join(internet, name, user, 'eth0');
      up(internet, name, `${router}/30`);
      up(user, 'eth0', `${userAddress(name)}/30`);
      user.ip('route', 'add', 'default', 'via', router);
      return [name, user];
    }),
  ) as unknown as Record<UserName, Namespace>;

  return { internet, gateway, enclave, management, users, devices };
}
