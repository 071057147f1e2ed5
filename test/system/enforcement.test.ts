/**
 * Nobody gets past the broker. Attackers hold a valid key, sit on the uplink, or own a device; each attempt is shown
 * to have arrived at the gateway (by its drop counters) and to have gone nowhere.
 */
import { readFileSync } from 'node:fs';
import t from 'tap';
import type { Agent, AgentConnection } from '../support/clinic/agent.ts';
import { startClinic } from '../support/clinic/clinic.ts';
import { people, statusPort, tunnelAddress, virtual } from '../support/clinic/gateway.ts';
import { dicom, words } from '../support/clinic/job.ts';
import type { Namespace } from '../support/clinic/namespace.ts';
import { until } from '../support/until.ts';
import { addresses, devicePlan } from '../support/clinic/network.ts';

const clinic = await startClinic();
t.teardown(() => clinic.stop());
const { gateway, network } = clinic;

const sysctl = async (namespace: Namespace, key: string): Promise<string> =>
  (await namespace.run('sysctl', ['-n', key])).stdout.trim();

/** What came back: a connection, a refusal, or nothing at all. */
const answered = (connections: readonly AgentConnection[]): string[] =>
  connections.filter((c) => c.opened || c.error !== undefined).map((c) => `${c.id}: ${c.error ?? 'open'}`);

/**
 * Attempt connections and wait until the gateway's counter says that it dropped each twice: the second packet is TCP
 * trying again a second later, so nothing had come back for the first.
 */
async function attempts(
  agent: Agent,
  counter: string,
  targets: readonly (readonly [string, number])[],
): Promise<AgentConnection[]> {
  const before = gateway.drops()[counter] ?? 0;
  const connections = targets.map(([address, port]) => agent.connect(address, port));
  await until(`${counter} counts two packets of each of ${targets.length} attempts`, () => {
    return (gateway.drops()[counter] ?? 0) >= before + 2 * targets.length;
  });
  return connections;
}

await t.test('forwarding is off, and resources are not announced', async (t) => {
  t.equal(await sysctl(network.gateway, 'net.ipv4.ip_forward'), '0');
  t.equal(await sysctl(network.gateway, 'net.ipv6.conf.all.forwarding'), '0');
  t.equal(await sysctl(network.gateway, 'net.ipv4.conf.all.arp_ignore'), '1');
});

await t.test('a permitted resource is reachable, so that the rest means something', async (t) => {
  const echo = await dicom(clinic, 'radiologist', 'echoscu', virtual.pacs, 'PACS');
  t.equal(echo.code, 0, words(echo));
});

await t.test("another peer's resource is refused in the protocol's words", async (t) => {
  const before = ((await clinic.devices.orthanc('/instances')) as unknown[]).length;
  const echo = await dicom(clinic, 'nurse', 'echoscu', virtual.pacs, 'PACS');
  t.not(echo.code, 0);
  t.match(words(echo), /Reject/i, 'A-ASSOCIATE-RJ');
  t.equal(((await clinic.devices.orthanc('/instances')) as unknown[]).length, before);
  const refused = (await gateway.records()).findLast(({ event }) => event.kind === 'session.refused');
  t.match(refused?.event.body, {
    refusal: { subject: { user: 'nurse' }, target: { resource: 'pacs-dicom' }, code: 'POLICY_DENIED' },
  });
});

await t.test('a peer reaches nothing of the gateway but the resources', async (t) => {
  const attacker = network.users.vendor;
  const device = clinic.remotes.get('vendor')?.interfaceName ?? '';
  // The attacker's own machine routes what it likes into the tunnel.
  const key = gateway.files.publicKey;
  const allowed = ['100.96.0.0/16', addresses.enclavePrefix, `${addresses.management}/32`].join(',');
  t.equal((await attacker.run('wg', ['set', device, 'peer', key, 'allowed-ips', allowed])).code, 0);
  attacker.ip('route', 'add', addresses.enclavePrefix, 'dev', device);
  attacker.ip('route', 'add', `${addresses.management}/32`, 'dev', device);
  const agent = clinic.agent(attacker);

  const local = await attempts(
    agent,
    'tunnel_refused',
    [
      [addresses.management, statusPort],
      [tunnelAddress, statusPort],
      [tunnelAddress, 22],
      [addresses.enclave, 22],
      [people.radiologist.address, 104],
    ].filter(([address]) => address !== people.radiologist.address) as [string, number][],
  );
  t.same(answered(local), [], 'neither management nor tunnel address answers');

  const direct = Object.values(devicePlan).map(({ address }) => agent.connect(address, 4242));
  const ports = [
    agent.connect(devicePlan.archive.address, 11112),
    agent.connect(devicePlan.pump.address, 2575),
  ];
  const peer = agent.connect(people.radiologist.address, 22);
  const dropped = (): number =>
    Number(/^IpInAddrErrors\s+(\d+)/m.exec(nstat())?.[1] ?? 0) +
    Number(/^IpOutNoRoutes\s+(\d+)/m.exec(nstat())?.[1] ?? 0);
  await until('packets for the enclave arrived, twice', () => dropped() >= 12);
  t.same(answered([...direct, ...ports, peer]), [], 'no device answers directly, nor another peer');
  t.match(nstat(), /^IpForwDatagrams\s+0/m, 'nothing was ever forwarded');

  const unpublished = [agent.connect(virtual.pacs.address, 9), agent.connect('100.96.200.200', 104)];
  await until('unpublished addresses settle', () => unpublished.every((c) => c.error ?? c.closed));
  t.notOk(
    unpublished.some((c) => c.opened),
    'an address or port that is not published answers nothing',
  );
  await agent.stop();
});

/** The gateway's IP counters since its start. */
function nstat(): string {
  const pid = gateway.pid('audit');
  const [names = '', values = ''] = readFileSync(`/proc/${pid}/net/snmp`, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('Ip:'));
  const value = values.split(' ');
  return names
    .split(' ')
    .map((name, i) => `Ip${name} ${value[i]}`)
    .join('\n');
}

await t.test('a source address that is not the peer’s own never comes out of the tunnel', async (t) => {
  const attacker = network.users.vendor;
  const device = clinic.remotes.get('vendor')?.interfaceName ?? '';
  attacker.ip('addr', 'add', `${people.radiologist.address}/32`, 'dev', device);
  const agent = clinic.agent(attacker);
  const spoofed = agent.connect(virtual.pacs.address, virtual.pacs.port, people.radiologist.address);
  await until('the attempt is under way', async () => {
    const filter = ['state', 'syn-sent', 'src', people.radiologist.address];
    return (await attacker.run('ss', ['-Htn', ...filter])).stdout !== '';
  });
  const honest = agent.connect(virtual.pacs.address, virtual.pacs.port, people.vendor.address);
  t.ok(await honest.settled(), "with the peer's own address it opens");
  t.notOk(spoofed.opened, "with another peer's address it doesn't");
  for (const { grant } of (await gateway.overview()).sessions)
    t.equal(grant.subject.source.address, people[grant.subject.user as keyof typeof people].address);
  await agent.stop();
});

await t.test('the internet sees one UDP port', async (t) => {
  network.internet.ip('route', 'add', '100.96.0.0/16', 'via', addresses.uplink);
  network.internet.ip('route', 'add', '10.10.0.0/24', 'via', addresses.uplink);
  const agent = clinic.agent(network.internet);
  const local = await attempts(agent, 'uplink_refused', [
    [addresses.uplink, statusPort],
    [addresses.uplink, 104],
    [addresses.uplink, 22],
    [addresses.management, statusPort],
  ]);
  const overlay = await attempts(agent, 'overlay_spoofed', [
    [virtual.pacs.address, virtual.pacs.port],
    [virtual.pump.address, virtual.pump.port],
    [tunnelAddress, statusPort],
  ]);
  t.same(answered([...local, ...overlay]), []);
  await agent.stop();
});

await t.test('a device opens nothing towards the gateway or through it', async (t) => {
  const pump = network.devices.pump;
  const agent = clinic.agent(pump);
  const local = await attempts(agent, 'enclave_refused', [
    [addresses.enclave, 22],
    [addresses.enclave, statusPort],
    [addresses.management, statusPort],
    [addresses.uplink, 22],
  ]);
  const overlay = await attempts(agent, 'overlay_spoofed', [[virtual.pacs.address, virtual.pacs.port]]);
  const through = agent.connect(addresses.uplinkRouter, 22);
  t.same(answered([...local, ...overlay, through]), []);
  const arp = await pump.run('ip', ['neigh', 'show', 'to', virtual.pacs.address]);
  t.notMatch(arp.stdout, /lladdr/, 'nor does the gateway answer ARP for a resource');
  t.match(nstat(), /^IpForwDatagrams\s+0/m);
  await agent.stop();
});

await t.test('only the broker’s user opens connections to a device', async (t) => {
  const { uids } = gateway.files.config;
  const script = `const s = require('node:net').connect(2575, '${devicePlan.pump.address}');
s.setTimeout(3000, () => { process.stdout.write('silence'); process.exit(); });
s.on('connect', () => { process.stdout.write('open'); process.exit(); });
s.on('error', (e) => { process.stdout.write(e.code); process.exit(); });`;
  const as = async (uid: number): Promise<string> => {
    const args = [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', process.execPath, '-e', script];
    return (await network.gateway.run('setpriv', args)).stdout;
  };
  const others = (['control', 'sensor', 'audit', 'tunnel'] as const).map((name) => uids[name]);
  // Root is no exception.
  const [broker, ...rest] = await Promise.all([uids.broker, ...others, 0].map(as));
  t.equal(broker, 'open');
  for (const outcome of rest) t.not(outcome, 'open');
});
