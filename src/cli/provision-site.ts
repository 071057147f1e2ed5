/**
 * The files of one enrolment, `<state>/site/`, as text: the configuration of the five processes, the network's, time's
 * and coordinator's settings. Pure: what to write, not the writing. Paths in them are those after the rename.
 *
 *   config.json                    what ANTEROOM_CONFIG names; checked by `configSchema` before it is written
 *   network/10-<name>.link|network systemd.link(5) where a port is known by its address, systemd.network(5)
 *   time.conf                      time servers, chrony.conf(5)
 *   nftables.nft                   values of the packet filter that differ from the image's, nft(8)
 *   coordinator.json, proxy.env    for what speaks to the coordinator
 *   policy/signers/<n>.pub, policy/initial.bundle
 */
import { join } from 'node:path';
import { configSchema } from '../wire/config.ts';
import { Fault } from '../wire/errors.ts';
import type { CredentialContent, EnrolmentHead, EnrolmentPlan, PortPlan } from '../wire/provision.ts';

/** Names that the image gives the ports. */
export const portNames = { uplink: 'uplink0', management: 'mgmt0', enclave: 'enclave0' } as const;
/** Where the technician's and later the status page is, when the management port has no address of its own. */
export const DEFAULT_MANAGEMENT = { address: '10.10.0.1', port: 8420 } as const;

export interface SiteFile {
  readonly name: string;
  readonly content: string;
}

function managementAddress({ addressing }: PortPlan): string {
  return addressing.method === 'static'
    ? (addressing.addresses[0]?.split('/')[0] ?? DEFAULT_MANAGEMENT.address)
    : DEFAULT_MANAGEMENT.address;
}

/** `site` is the folder's final path. Fault PROVISION_INVALID with the place that is wrong. */
export function siteConfig(
  head: Pick<EnrolmentHead, 'site'>,
  body: EnrolmentPlan,
  { state, site }: { readonly state: string; readonly site: string },
  credential?: Pick<CredentialContent, 'users' | 'peers'>,
): string {
  const users = credential?.users ?? body.directory?.users ?? [];
  const config = {
    site: head.site,
    stateDir: state,
    interfaces: { uplink: portNames.uplink, management: portNames.management },
    sensor: { interfaces: [portNames.enclave] },
    tunnel: {
      listen: { port: body.tunnel.port },
      privateKeyFile: join(site, 'keys', 'tunnel.key'),
      addresses: body.tunnel.addresses,
    },
    peers: credential?.peers ?? [],
    users,
    devices: body.directory?.devices ?? [],
    resources: body.directory?.resources ?? [],
    policy: {
      keys: body.policySigners.map((_, i) => join(site, 'policy', 'signers', `${i + 1}.pub`)),
      bundle: join(site, 'policy', 'initial.bundle'),
    },
    ...(body.coordinator ? { coordinator: { name: body.coordinator.name } } : {}),
    status: {
      listen: { address: managementAddress(body.interfaces.management), port: DEFAULT_MANAGEMENT.port },
    },
  };
  const checked = configSchema.safeParse(config);
  if (!checked.success) {
    const { path = [], message = '' } = checked.error.issues[0] ?? {};
    throw new Fault('PROVISION_INVALID', `${path.map(String).join('.')}: ${message}`);
  }
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

/** A technician's own port: only the box and who is plugged into it. Nobody else's network gets addresses from here. */
const isOwnPort = ({ addressing }: PortPlan): boolean =>
  addressing.method === 'static' &&
  addressing.addresses.length === 1 &&
  addressing.addresses[0] === `${DEFAULT_MANAGEMENT.address}/24`;

function networkFile(name: string, plan: PortPlan, uplink: boolean): string {
  const { addressing } = plan;
  const lines = ['[Match]', `Name=${name}`, '', '[Network]', 'LLMNR=no', 'MulticastDNS=no'];
  // Only the uplink takes part in IPv6 by itself; to the devices this box is as silent as it can be.
  if (!uplink) lines.push('LinkLocalAddressing=no', 'IPv6AcceptRA=no');
  if (addressing.method === 'dhcp') {
    lines.push('DHCP=yes');
    if (name === portNames.management) lines.push(`Address=${DEFAULT_MANAGEMENT.address}/24`);
    // Routes and name servers come from the uplink alone.
    if (!uplink) lines.push('', '[DHCPv4]', 'UseRoutes=no', 'UseGateway=no', 'UseDNS=no', 'UseNTP=no');
  } else {
    lines.push('DHCP=no', ...addressing.addresses.map((address) => `Address=${address}`));
    if (uplink && addressing.gateway !== undefined) lines.push(`Gateway=${addressing.gateway}`);
    if (uplink) lines.push(...addressing.dns.map((address) => `DNS=${address}`));
    if (name === portNames.management && isOwnPort(plan)) lines.push('DHCPServer=yes', '', ...addressServer);
  }
  if (!uplink) lines.push('', '[Link]', 'RequiredForOnline=no');
  return `${lines.join('\n')}\n`;
}

/** Of a telephone or a laptop at the management port: an address, and nothing that would send its traffic here. */
const addressServer = [
  '[DHCPServer]',
  'PoolOffset=100',
  'PoolSize=16',
  'DefaultLeaseTimeSec=5min',
  'MaxLeaseTimeSec=5min',
  'EmitDNS=no',
  'EmitNTP=no',
  'EmitSIP=no',
  'EmitPOP3=no',
  'EmitSMTP=no',
  'EmitLPR=no',
  'EmitRouter=no',
  'EmitTimezone=no',
  'PersistLeases=no',
];

/** Values of the image's `nftables.conf`. */
const IMAGE_FILTER = { port: 51820, addresses: ['100.96.0.1/17'] } as const;

/** What of `nftables.conf` the site decides, in nft's own language; included after the image's values. Empty: nothing. */
function filterValues({ tunnel }: EnrolmentPlan): string {
  const lines: string[] = [];
  if (tunnel.port !== IMAGE_FILTER.port) lines.push(`redefine tunnel_port = ${tunnel.port}`);
  const own = tunnel.addresses.filter((prefix) => prefix.includes('.'));
  if (own.length > 0 && own.join() !== IMAGE_FILTER.addresses.join())
    lines.push(
      `redefine gateway = { ${own.map((prefix) => prefix.split('/')[0] ?? '').join(', ')} }`,
      `redefine peers = { ${own.join(', ')} }`,
    );
  return lines.map((line) => `${line}\n`).join('');
}

export function siteFiles(body: EnrolmentPlan): SiteFile[] {
  const files: SiteFile[] = [];
  for (const role of ['uplink', 'management', 'enclave'] as const) {
    const plan = body.interfaces[role];
    const name = portNames[role];
    if (plan.mac !== undefined)
      files.push({
        name: `network/10-${name}.link`,
        content: `[Match]\nPermanentMACAddress=${plan.mac}\n\n[Link]\nName=${name}\n`,
      });
    files.push({ name: `network/10-${name}.network`, content: networkFile(name, plan, role === 'uplink') });
  }
  files.push({
    name: 'time.conf',
    content: [
      ...body.nts.map((server) => `server ${server} iburst nts\n`),
      ...body.ntp.map((server) => `server ${server} iburst\n`),
    ].join(''),
  });
  files.push({ name: 'nftables.nft', content: filterValues(body) });
  if (body.coordinator)
    files.push({ name: 'coordinator.json', content: `${JSON.stringify(body.coordinator, undefined, 2)}\n` });
  if (body.proxy !== undefined)
    files.push({ name: 'proxy.env', content: `HTTPS_PROXY=${body.proxy}\nhttps_proxy=${body.proxy}\n` });
  body.policySigners.forEach((text, i) => {
    files.push({ name: `policy/signers/${i + 1}.pub`, content: `${text}\n` });
  });
  return files;
}
