/**
 * A small site for a test machine: its configuration, the gateway's key, one user and the network, as credentials that
 * systemd's own tools put in place (systemd.system-credentials(7)): tmpfiles.extra, network.link.*, network.network.*.
 */
import { makeKeyPair } from '../support/clinic/keys.ts';
import type { KeyPair } from '../support/clinic/keys.ts';

export interface Site {
  readonly gateway: KeyPair;
  readonly user: KeyPair;
  /** The user's address inside the tunnel. */
  readonly userAddress: string;
  /** The PACS inside the tunnel. */
  readonly pacs: { readonly address: string; readonly port: number };
}

export const makeSite = (): Site => ({
  gateway: makeKeyPair(),
  user: makeKeyPair(),
  userAddress: '100.96.0.10',
  pacs: { address: '100.96.128.11', port: 104 },
});

/** Written anew at each start: systemd-tmpfiles doesn't flush, and a power cut leaves an empty file. */
const file = (path: string, mode: string, owner: string, content: string): string =>
  `f+~ ${path} ${mode} ${owner} ${owner} - ${Buffer.from(content).toString('base64')}`;

export function siteCredentials(site: Site = makeSite()): Record<string, string> {
  const config = {
    site: { id: 'test-clinic', name: 'Test Clinic' },
    interfaces: { uplink: 'uplink0', management: 'mgmt0' },
    sensor: { interfaces: ['enclave0'] },
    tunnel: { privateKeyFile: '/var/lib/anteroom/tunnel/gateway.key', addresses: ['100.96.0.1/17'] },
    users: [{ id: 'r.okafor', name: 'Rana Okafor', roles: ['radiologist'], units: ['imaging'] }],
    peers: [
      {
        id: 'r.okafor-workstation',
        publicKey: site.user.publicKey,
        allowedIps: [`${site.userAddress}/32`],
        user: 'r.okafor',
        userDevice: 'workstation',
        posture: { level: 'good', score: 96 },
      },
    ],
    devices: [{ id: 'pacs', name: 'PACS', class: 'pacs', unit: 'imaging', address: '10.20.0.11' }],
    resources: [{ id: 'pacs-dicom', device: 'pacs', protocol: 'dicom', virtual: site.pacs, port: 4242 }],
    policy: { file: '/etc/anteroom/policy/clinic.cedar' },
    status: { listen: { address: '10.10.0.1', port: 8420 } },
  };
  const cards = ['uplink0', 'mgmt0', 'enclave0'];
  const networks = {
    uplink0: '10.0.2.15/24\nGateway=10.0.2.2',
    mgmt0: '10.10.0.1/24',
    enclave0: '10.20.0.1/24',
  };
  return {
    'tmpfiles.extra': [
      file('/var/lib/anteroom/config.json', '0644', 'root', JSON.stringify(config)),
      file('/var/lib/anteroom/tunnel/gateway.key', '0600', 'anteroom-tunnel', `${site.gateway.privateKey}\n`),
      '',
    ].join('\n'),
    ...Object.fromEntries(
      cards.map((name, i) => [
        `network.link.05-${name}`,
        `[Match]\nMACAddress=52:54:00:00:00:0${i + 1}\n[Link]\nName=${name}\n`,
      ]),
    ),
    ...Object.fromEntries(
      Object.entries(networks).map(([name, address]) => [
        `network.network.05-${name}`,
        `[Match]\nName=${name}\n[Network]\nAddress=${address}\nLinkLocalAddressing=no\n`,
      ]),
    ),
  };
}
