/**
 * The sensor process on a mirror port: two hosts and the sensor on a hub, dcmtk's echoscu and storescu against
 * its storescp, and an MLLP exchange. A control of the test's own gets what the sensor learns. The sensor runs
 * as its own user with CAP_NET_RAW alone, in a namespace in which anything it sent would be counted.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Access } from '../../src/ipc/access.ts';
import { serve } from '../../src/ipc/server.ts';
import type { Handlers, Server } from '../../src/ipc/server.ts';
import { parseConfig, socketPath } from '../../src/platform/config.ts';
import { silentLog } from '../../src/platform/log.ts';
import { setprivArguments } from '../../src/platform/supervise/privilege.ts';
import type { AuditEvent } from '../../src/wire/audit-event.ts';
import { Fault } from '../../src/wire/errors.ts';
import type { HealthItem } from '../../src/wire/health.ts';
import { auditPushes, auditVerbs, controlPushes, controlVerbs } from '../../src/wire/messages.ts';
import type { Pushes, Verbs } from '../../src/wire/messages.ts';
import type { HostObservation } from '../../src/wire/observation.ts';
import { planted } from '../sensor/mllp-peer.ts';
import { writeCtSeries } from '../support/clinic/ct-series.ts';
import { clearStale, removeAll, takeLease } from '../support/clinic/lease.ts';
import { Namespace, stopChild } from '../support/clinic/namespace.ts';
import { until } from '../support/until.ts';

const DEADLINE = 60_000;
const modality = { mac: '08:00:06:21:25:41', ip: '10.80.0.21' };
const archive = { mac: '00:25:90:12:34:10', ip: '10.80.0.10' };
const peer = fileURLToPath(new URL('../sensor/mllp-peer.ts', import.meta.url));
const sensorMain = fileURLToPath(new URL('../../src/main/sensor.ts', import.meta.url));
const dcmtk = { environment: { TCP_NODELAY: '1' } };

clearStale();
const lease = takeLease();
t.teardown(() => removeAll(lease.prefix));
const namespace = (name: string): Namespace => {
  const made = Namespace.create(`${lease.prefix}-${name}`);
  // No autoconfiguration anywhere: a port that says nothing says nothing.
  made.sysctl('net.ipv6.conf.all.disable_ipv6', '1');
  made.sysctl('net.ipv6.conf.default.disable_ipv6', '1');
  return made;
};
const hub = namespace('hub');
const scanner = namespace('scanner');
const pacs = namespace('pacs');
const sensorSide = namespace('sensor');

function plug(port: string, into: Namespace, name: string): void {
  hub.ip('link', 'add', port, 'type', 'veth', 'peer', 'name', name, 'netns', into.name);
  hub.ip('link', 'set', port, 'master', 'hub0', 'up');
}
/** Addresses that age at once make a bridge a hub: each port sees every frame, as a mirror port does. */
hub.ip('link', 'add', 'hub0', 'type', 'bridge', 'ageing_time', '0', 'mcast_snooping', '0');
hub.ip('link', 'set', 'hub0', 'up');
for (const [port, into, station] of [
  ['scanner', scanner, modality],
  ['pacs', pacs, archive],
] as const) {
  plug(port, into, 'eth0');
  into.ip('link', 'set', 'eth0', 'address', station.mac);
  into.ip('addr', 'add', `${station.ip}/24`, 'dev', 'eth0');
  into.ip('link', 'set', 'eth0', 'up');
}
const plugSensor = (): void => {
  plug('mirror', sensorSide, 'mirror0');
  sensorSide.ip('link', 'set', 'mirror0', 'up');
};
plugSensor();

const configText = JSON.stringify({
  site: { id: 'test', name: 'Test' },
  runtimeDir: join(lease.folder, 'run'),
  stateDir: join(lease.folder, 'lib'),
  tunnel: { privateKeyFile: join(lease.folder, 'none'), addresses: ['100.96.0.1/17'] },
  policy: { file: join(lease.folder, 'none') },
  sensor: { interfaces: ['mirror0'] },
});
const configFile = join(lease.folder, 'config.json');
writeFileSync(configFile, configText);
chmodSync(configFile, 0o644);
const config = parseConfig(configText, configFile);

/** The latest word on each host and health item, and everything that ever came, as text. */
const hosts = new Map<string, HostObservation>();
const health = new Map<string, HealthItem>();
const events: AuditEvent[] = [];
let said = '';

/** Serves `verbs` to the sensor; those that `own` doesn't answer are refused. */
function stand<V extends Verbs, P extends Pushes>(
  name: 'control' | 'audit',
  verbs: V,
  pushes: P,
  own: Partial<Handlers<V>>,
): Promise<Server<P>> {
  const refuse = (): never => {
    throw new Fault('IPC_REFUSED', 'not in this test');
  };
  const rows = Object.keys(verbs).map((verb) => [verb, own[verb] ?? refuse]);
  return serve({
    path: socketPath(config, name),
    verbs,
    pushes,
    uids: config.uids,
    log: silentLog,
    access: Object.fromEntries(Object.keys(verbs).map((verb) => [verb, ['sensor']])) as unknown as Access<V>,
    handlers: Object.fromEntries(rows) as Handlers<V>,
  });
}
const startControl = (): Promise<Server<typeof controlPushes>> =>
  stand('control', controlVerbs, controlPushes, {
    'sensor.observed': (batch) => {
      said += JSON.stringify(batch);
      for (const host of batch.hosts) hosts.set(host.mac, host);
      for (const item of batch.health) health.set(item.item, item);
      return {};
    },
  });
let control = await startControl();
const audit = await stand('audit', auditVerbs, auditPushes, {
  'audit.append': (body) => {
    events.push(...body.events);
    return { first: 0, head: { size: 0, root: '', time: 0 } };
  },
});

const children: ChildProcess[] = [];
t.teardown(async () => {
  for (const child of children) await stopChild(child);
  await control.close();
  await audit.close();
});

let log = '';
const sensor = sensorSide.spawn(
  'setpriv',
  [...setprivArguments('sensor', config.uids), process.execPath, sensorMain],
  { env: { PATH: process.env['PATH'], ANTEROOM_CONFIG: configFile } },
);
children.push(sensor);
sensor.stdout?.setEncoding('utf8').on('data', (text: string) => (log += text));
sensor.stderr?.setEncoding('utf8').on('data', (text: string) => (log += text));

const words = (mac: string): string[] =>
  (hosts.get(mac)?.evidence ?? []).map((e) => `${e.protocol} ${e.field}=${e.value}`);
const serves = (mac: string, port: number): string | undefined =>
  hosts.get(mac)?.services.find((s) => s.transport === 'tcp' && s.port === port)?.protocol;

/** Frames that the sensor's port sent since it was made. */
function sent(): number {
  const [link] = JSON.parse(sensorSide.ip('-s', '-j', 'link', 'show', 'mirror0')) as [
    { stats64: { tx: { packets: number }; rx: { packets: number } } },
  ];
  t.ok(link.stats64.rx.packets > 0, 'the mirror port hears');
  return link.stats64.tx.packets;
}

await t.test('the sensor listens, and says so to control and audit', async (t) => {
  await until('health', () => health.get('sensor.capture')?.level === 'ok', DEADLINE);
  await until('the audit event', () => events.length > 0, DEADLINE);
  t.match(events[0], { kind: 'process.start', origin: 'sensor', body: { process: 'sensor' } });
  await until('the log line', () => log.includes('"listening"'), DEADLINE);
  const listening = await sensorSide.run('ss', ['-Hlntu']);
  t.equal(listening.stdout, '', 'it opens no port');
});

await t.test('DICOM and HL7 endpoints are named while real software talks', async (t) => {
  const received = join(lease.folder, 'received');
  mkdirSync(received);
  children.push(
    pacs.spawn('storescp', ['-dhl', '-aet', 'ARCHIVE1', '-od', received, '11112'], {
      env: { ...process.env, ...dcmtk.environment },
    }),
    pacs.spawn(process.execPath, [peer, 'listen', '2575']),
  );
  await until('storescp', () => pacs.listens(11112), DEADLINE);
  await until('the HL7 listener', () => pacs.listens(2575), DEADLINE);
  const echo = await scanner.run(
    'echoscu',
    ['-aet', 'MRC25641', '-aec', 'ARCHIVE1', archive.ip, '11112'],
    dcmtk,
  );
  t.equal(echo.code, 0, echo.stderr);
  const series = writeCtSeries(lease.folder, 1);
  const store = await scanner.run(
    'storescu',
    ['-aet', 'MRC25641', '-aec', 'ARCHIVE1', archive.ip, '11112', ...series.files],
    dcmtk,
  );
  t.equal(store.code, 0, store.stderr);
  const message = await scanner.run(process.execPath, [peer, 'send', archive.ip, '2575']);
  t.match(message.stdout, /MSA\|AA/);

  await until(
    'the DICOM requestor',
    () => words(modality.mac).includes('dicom callingAeTitle=MRC25641'),
    DEADLINE,
  );
  await until('the DICOM acceptor', () => serves(archive.mac, 11112) === 'dicom', DEADLINE);
  await until('the HL7 sender', () => words(modality.mac).includes('hl7 MSH-4=BBRAUN'), DEADLINE);
  await until('the HL7 receiver', () => serves(archive.mac, 2575) === 'hl7', DEADLINE);

  t.match(hosts.get(modality.mac), { vendor: /SIEMENS/i, addresses: [modality.ip], services: [] });
  t.match(hosts.get(archive.mac), { vendor: /Super Micro/, addresses: [archive.ip] });
  const requestor = words(modality.mac);
  t.ok(requestor.some((w) => w.startsWith('dicom implementationClassUid=1.2.276.0.7230010.3.0.3.')));
  t.ok(requestor.some((w) => w.startsWith('dicom implementationVersionName=OFFIS_DCMTK_')));
  t.ok(requestor.includes('hl7 MSH-3=PUMP_7^0012210000000007^EUI-64'));
  const acceptor = words(archive.mac);
  for (const word of ['dicom calledAeTitle=ARCHIVE1', 'hl7 MSH-3=EHR_IN', 'hl7 MSH-5=EHR_IN']) {
    t.ok(acceptor.includes(word), word);
  }
  t.equal(sent(), 0, 'and the sensor sent nothing');
  const patients = [...planted, 'Sample', 'Petra', series.patientId, 'Okafor'];
  for (const word of patients) t.notOk(said.includes(word) || log.includes(word), `${word} is nowhere`);
});

await t.test('a control that comes back is told everything again', async (t) => {
  await control.close();
  hosts.clear();
  control = await startControl();
  await until('both hosts', () => hosts.has(modality.mac) && hosts.has(archive.mac), DEADLINE);
  t.ok(words(modality.mac).includes('dicom callingAeTitle=MRC25641'));
});

await t.test('an interface that disappears and comes back', async (t) => {
  hub.ip('link', 'del', 'mirror');
  await until('the alarm', () => health.get('sensor.capture')?.level === 'critical', DEADLINE);
  plugSensor();
  await until('the end of the alarm', () => health.get('sensor.capture')?.level === 'ok', DEADLINE);
  const echo = await scanner.run(
    'echoscu',
    ['-aet', 'LATER', '-aec', 'ARCHIVE1', archive.ip, '11112'],
    dcmtk,
  );
  t.equal(echo.code, 0, echo.stderr);
  await until(
    'what it heard then',
    () => words(modality.mac).includes('dicom callingAeTitle=LATER'),
    DEADLINE,
  );
  t.equal(sent(), 0, 'still nothing was sent');
});

await t.test('a sensor that may not capture says which capability it lacks', async (t) => {
  const outcome = await sensorSide.run(
    'setpriv',
    ['--bounding-set=-all', '--inh-caps=-all', process.execPath, sensorMain],
    { environment: { ANTEROOM_CONFIG: configFile } },
  );
  t.equal(outcome.code, 77, outcome.stderr);
  t.match(outcome.stderr, /CAPABILITY_MISSING.*CAP_NET_RAW/);
});

await t.test('it stops in good order', async (t) => {
  const ended = once(sensor, 'exit');
  sensor.kill('SIGTERM');
  t.same(await ended, [0, null]);
  t.match(events.at(-1), { kind: 'process.stop', body: { process: 'sensor' } });
});
