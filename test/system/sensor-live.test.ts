/**
 * The sensor hears real software: avahi, samba with its own client, the DHCP clients of ISC and BusyBox with ISC's
 * server, gdcm and dcmtk. Each stands in a namespace of its own on one hub; each is identified within 100 ms of the
 * packet that identifies it, by that packet's capture time.
 */
import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { clearStale, removeAll, takeLease } from '../support/clinic/lease.ts';
import { Namespace, stopChild } from '../support/clinic/namespace.ts';
import { until } from '../support/until.ts';
import type { Told } from '../support/clinic/sensor-watch.ts';

const DEADLINE = 40_000;
/** From the packet to the identity. */
const WITHIN_MS = 100;
const watcher = fileURLToPath(new URL('../support/clinic/sensor-watch.ts', import.meta.url));

interface Station {
  readonly name: string;
  readonly mac: string;
  readonly ip: string | undefined;
}
const camera: Station = { name: 'camera', mac: 'b0:c5:54:00:00:11', ip: '10.81.0.11' };
const files: Station = { name: 'files', mac: '3c:97:0e:00:00:12', ip: '10.81.0.12' };
const reader: Station = { name: 'reader', mac: '3c:97:0e:00:00:13', ip: '10.81.0.13' };
const leases: Station = { name: 'leases', mac: '3c:97:0e:00:00:14', ip: '10.81.0.1' };
const pump: Station = { name: 'pump', mac: '00:12:21:00:00:15', ip: undefined };
const monitor: Station = { name: 'monitor', mac: '00:10:5d:00:00:16', ip: undefined };
const pacs: Station = { name: 'pacs', mac: '00:25:90:00:00:17', ip: '10.81.0.17' };
const stations = [camera, files, reader, leases, pump, monitor, pacs];

clearStale();
const lease = takeLease();
t.teardown(() => removeAll(lease.prefix));
const hub = Namespace.create(`${lease.prefix}-hub`);
hub.ip('link', 'add', 'hub0', 'type', 'bridge', 'ageing_time', '0', 'mcast_snooping', '0');
hub.ip('link', 'set', 'hub0', 'up');

function plug(name: string, mac: string | undefined, ip: string | undefined): Namespace {
  const made = Namespace.create(`${lease.prefix}-${name}`);
  made.sysctl('net.ipv6.conf.default.disable_ipv6', '1');
  hub.ip('link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', made.name);
  hub.ip('link', 'set', name, 'master', 'hub0', 'up');
  if (mac !== undefined) made.ip('link', 'set', 'eth0', 'address', mac);
  if (ip !== undefined) made.ip('addr', 'add', `${ip}/24`, 'brd', '10.81.0.255', 'dev', 'eth0');
  made.ip('link', 'set', 'eth0', 'up');
  return made;
}
const places = new Map(stations.map((station) => [station, plug(station.name, station.mac, station.ip)]));
const at = (station: Station): Namespace => places.get(station) as Namespace;
const ear = plug('ear', undefined, undefined);

const children: ChildProcess[] = [];
t.teardown(async () => {
  for (const child of children) await stopChild(child);
});
/** What the programs wrote, for the message of a failure. */
let log = '';
function start(station: Station, program: string, args: readonly string[]): void {
  const child = at(station).spawn(program, args);
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (log += text));
  children.push(child);
}
const folder = (name: string): string => {
  const path = join(lease.folder, name);
  mkdirSync(path, { recursive: true, mode: 0o755 });
  return path;
};
const file = (name: string, text: string): string => {
  const path = join(lease.folder, name);
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  return path;
};

const heard: Told[] = [];
let listening = false;
const watch = ear.spawn(process.execPath, [watcher, 'eth0']);
children.push(watch);
watch.stderr?.setEncoding('utf8').on('data', (text: string) => (log += text));
if (watch.stdout !== null)
  createInterface({ input: watch.stdout }).on('line', (line) => {
    const row = JSON.parse(line) as Told | { listening: true };
    if ('listening' in row) listening = true;
    else heard.push(row);
  });

/** Wait for a word of a station; its identity then, and how long after the packet it was told. */
async function told(station: Station, word: RegExp): Promise<Told> {
  try {
    return await until(
      `${station.name}: ${word}`,
      () => heard.find((row) => row.mac === station.mac && word.test(row.word)),
      DEADLINE,
    );
  } catch (cause) {
    const words = heard.filter((row) => row.mac === station.mac).map((row) => row.word);
    throw new Error(`${station.name} said ${words.join('; ')}\n${log.slice(-3000)}`, { cause });
  }
}
type Assertions = Pick<typeof t, 'comment' | 'ok'>;
function quick(t: Assertions, row: Told): void {
  const took = row.told - row.captured;
  t.comment(`${row.word}: ${took.toFixed(1)} ms`);
  t.ok(took < WITHIN_MS, `${row.word}: ${took.toFixed(1)} ms after its packet`);
}

await t.test('the sensor listens', async () => {
  await until('the capture', () => listening, DEADLINE);
});

await t.test('avahi: a camera by the name it announces', async (t) => {
  const conf = file(
    'avahi.conf',
    '[server]\nhost-name=DCS-932L\nuse-ipv6=no\nallow-interfaces=eth0\nenable-dbus=no\n[publish]\npublish-hinfo=yes\n[rlimits]\n',
  );
  // Its pid file is at a fixed place, so it gets that place for itself.
  const own = `mkdir -p /run/avahi-daemon && mount -t tmpfs none /run/avahi-daemon && chown avahi /run/avahi-daemon && exec avahi-daemon --file ${conf} --no-chroot --no-rlimits`;
  start(camera, 'unshare', ['--mount', 'sh', '-c', own]);
  const row = await told(camera, /^mdns name=DCS-932L\.local/);
  t.match(row.identity, { class: 'camera', vendor: 'D-Link' });
  quick(t, row);
});

await t.test('samba: a server by its NTLM names and version', async (t) => {
  const state = folder('samba');
  const conf = file(
    'smb.conf',
    `[global]\nnetbios name = RADFILES\nworkgroup = CLINIC\nlock directory = ${state}\nstate directory = ${state}
cache directory = ${state}\npid directory = ${state}\nprivate dir = ${state}\nncalrpc dir = ${state}/rpc
log file = ${state}/log\nmap to guest = bad user\ndisable netbios = yes\ninterfaces = eth0\nbind interfaces only = yes
load printers = no\nserver min protocol = NT1\n`,
  );
  start(files, 'smbd', ['--foreground', '--no-process-group', '--configfile', conf]);
  await until('smbd', () => at(files).listens(445), DEADLINE);
  const listed = await at(reader).run('smbclient', ['-s', conf, '-N', '-L', `//${files.ip}`, '-p', '445']);
  t.equal(listed.code, 0, listed.stdout + listed.stderr);
  const row = await told(files, /^ntlm computer=RADFILES/);
  quick(t, row);
  t.match((await told(files, /^ntlm serverVersion=6\.1\.0/)).identity, { software: 'Samba' });
  await told(files, /^smb dialect=3\.1\.1/);
  const old = await at(reader).run('smbclient', [
    '-s',
    conf,
    '-N',
    '-L',
    `//${files.ip}`,
    '-m',
    'NT1',
    '--option=client min protocol=NT1',
  ]);
  t.equal(old.code, 0, old.stdout + old.stderr);
  quick(t, await told(files, /^smb nativeLanManager=Samba 4\./));
  quick(t, await told(reader, /^ntlm version=/));
});

await t.test(
  'DHCP: a pump with BusyBox\u2019s client and a monitor with ISC\u2019s, by their vendor classes',
  async (t) => {
    const conf = file(
      'dhcpd.conf',
      'subnet 10.81.0.0 netmask 255.255.255.0 { range 10.81.0.100 10.81.0.110; }\n',
    );
    const rows = file('dhcpd.leases', '');
    const server = [
      '-4',
      '-f',
      '-cf',
      conf,
      '-lf',
      rows,
      '-pf',
      join(lease.folder, 'dhcpd.pid'),
      '--no-pid',
      'eth0',
    ];
    start(leases, 'dhcpd', server);
    start(pump, 'udhcpc', [
      '-f',
      '-i',
      'eth0',
      '-s',
      '/bin/true',
      '-t',
      '20',
      '-T',
      '1',
      '-V',
      'B.Braun SpaceCom',
      '-x',
      'hostname:SPACECOM-1',
    ]);
    const client = file(
      'dhclient.conf',
      'send host-name "INFINITY-C700";\nsend vendor-class-identifier "Draeger Infinity";\nrequest subnet-mask, routers;\n',
    );
    start(monitor, 'dhclient', [
      '-4',
      '-d',
      '-cf',
      client,
      '-lf',
      file('dhclient.leases', ''),
      '-sf',
      '/bin/true',
      '--no-pid',
      'eth0',
    ]);
    const braun = await told(pump, /^dhcp vendorClass=B\.Braun SpaceCom/);
    t.match(braun.identity, { class: 'infusion pump system', vendor: 'B. Braun', model: 'SpaceCom' });
    quick(t, braun);
    const drager = await told(monitor, /^dhcp vendorClass=Draeger Infinity/);
    t.match(drager.identity, { class: 'patient monitor', vendor: 'Dr\u00e4ger', model: 'Infinity C700' });
    quick(t, drager);
  },
);

await t.test('gdcm, dcmtk and Orthanc: associations, both ends', async (t) => {
  const store = folder('orthanc');
  const settings = {
    StorageDirectory: store,
    IndexDirectory: store,
    Plugins: [],
    DicomAet: 'MYPACS',
    DicomPort: 4242,
    DicomAlwaysAllowEcho: true,
    HttpServerEnabled: false,
  };
  start(pacs, 'Orthanc', [file('orthanc.json', JSON.stringify(settings))]);
  start(files, 'storescp', ['-aet', 'WORKST1', '-od', folder('received'), '11112']);
  await until('Orthanc', () => at(pacs).listens(4242), DEADLINE);
  await until('storescp', () => at(files).listens(11_112), DEADLINE);
  // This gdcm may give up after the association, which is what tells who it is.
  await at(reader).run('gdcmscu', [
    '--echo',
    '--aetitle',
    'MRC26266',
    '--call',
    'WORKST1',
    files.ip ?? '',
    '11112',
  ]);
  quick(t, await told(reader, /^dicom implementationVersionName=GDCM/));
  await told(reader, /^dicom callingAeTitle=MRC26266/);
  quick(t, await told(files, /^dicom calledAeTitle=WORKST1/));
  const echo = await at(reader).run('echoscu', ['-aet', 'READER', '-aec', 'MYPACS', pacs.ip ?? '', '4242']);
  t.equal(echo.code, 0, echo.stdout + echo.stderr);
  const archive = await told(pacs, /^dicom calledAeTitle=MYPACS/);
  t.match(archive.identity, { class: 'PACS' });
  quick(t, archive);
});
