/**
 * A small site for a test machine: its configuration, the gateway's key and its network, as credentials that
 * systemd's own tools put in place (systemd.system-credentials(7)): tmpfiles.extra, network.link.*, network.network.*.
 */
import { generateKeyPairSync } from 'node:crypto';

const file = (path: string, mode: string, owner: string, content: string): string =>
  `f~ ${path} ${mode} ${owner} ${owner} - ${Buffer.from(content).toString('base64')}`;

export function siteCredentials(): Record<string, string> {
  const { privateKey } = generateKeyPairSync('x25519');
  const key = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32).toString('base64');
  const config = {
    site: { id: 'test-clinic', name: 'Test Clinic' },
    tunnel: { privateKeyFile: '/var/lib/anteroom/tunnel/gateway.key', addresses: ['100.96.0.1/17'] },
    devices: [{ id: 'pacs', name: 'PACS', class: 'pacs', unit: 'imaging', address: '10.20.0.11' }],
    resources: [
      {
        id: 'pacs-dicom',
        device: 'pacs',
        protocol: 'dicom',
        virtual: { address: '100.96.128.11', port: 104 },
        port: 4242,
      },
    ],
    policy: { file: '/etc/anteroom/policy/clinic.cedar' },
    status: { listen: { address: '10.10.0.1', port: 8420 } },
  };
  const cards = ['uplink0', 'mgmt0', 'enclave0'];
  const networks = { mgmt0: '10.10.0.1/24', enclave0: '10.20.0.1/24' };
  return {
    'tmpfiles.extra': [
      file('/var/lib/anteroom/config.json', '0644', 'root', JSON.stringify(config)),
      file('/var/lib/anteroom/tunnel/gateway.key', '0600', 'anteroom-tunnel', `${key}\n`),
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
        `network.network.20-${name}`,
        `[Match]\nName=${name}\n[Network]\nAddress=${address}\nLinkLocalAddressing=no\n`,
      ]),
    ),
  };
}
