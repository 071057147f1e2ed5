/**
 * DICOM's own port, 104, listened on by a broker with the appliance's uid and without any capability, in a network
 * namespace where the overlay's prefix is made local (AnyIP) only later. dcmtk is the user and the device.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import t from 'tap';
import { setprivArguments } from '../../src/platform/supervise/privilege.ts';
import { Station } from '../broker/station.ts';
import { Namespace, stopChild } from '../support/clinic/namespace.ts';
import { until } from '../support/until.ts';

const BROKER_UID = 973;
const VIRTUAL = { address: '100.96.128.10', port: 104 };
const DEVICE = '127.0.0.9';
const USER = '100.96.0.7';

void t.test('port 104 without privilege, as soon as its address is there', async (t) => {
  const name = `ar-brk-${process.pid}`;
  const namespace = Namespace.create(name);
  const station = new Station({
    decide: (question) => {
      const decision = station.permit(question);
      if (decision.decision === 'permit') decision.grant.target.dial = { address: DEVICE, port: 11_112 };
      return decision;
    },
  });
  t.teardown(async () => {
    await station.close();
    execFileSync('ip', ['netns', 'delete', name]);
  });
  const [resource] = station.config.resources.filter((r) => r.id === 'dicom');
  if (!resource) throw new Error('no resource');
  resource.virtual = VIRTUAL;
  station.config.resources = [resource];
  Object.assign(station.config.overlay, { prefix: '100.96.0.0/16', resources: '100.96.128.0/17' });
  station.config.uids.broker = BROKER_UID;
  chmodSync(station.folder, 0o755);
  mkdirSync(dirname(station.config.runtimeDir), { recursive: true });
  station.launch = ([program = '', ...args], env) =>
    namespace.spawn('setpriv', [...setprivArguments('broker', station.config.uids), program, ...args], {
      env,
    });

  // As the kernel comes: ports below 1024 are for the privileged.
  namespace.ip('route', 'add', 'local', '100.96.128.0/17', 'dev', 'lo');
  namespace.sysctl('net.ipv4.ip_unprivileged_port_start', '1024');
  await station.open();
  const listeners = (): string => station.health.find(({ item }) => item === 'broker.listeners')?.text ?? '';
  await station.until(() => /dicom on 100\.96\.128\.10:104: EACCES/.test(listeners()), 'EACCES is named');

  // As the appliance sets it, and with the address gone as before the tunnel is up.
  namespace.ip('route', 'del', 'local', '100.96.128.0/17', 'dev', 'lo');
  namespace.sysctl('net.ipv4.ip_unprivileged_port_start', '0');
  await station.until(
    () => /dicom on 100\.96\.128\.10:104: EADDRNOTAVAIL/.test(listeners()),
    'EADDRNOTAVAIL is named',
  );
  t.notOk(namespace.listens(104));

  namespace.ip('route', 'add', 'local', '100.96.128.0/17', 'dev', 'lo');
  await station.until(() => listeners().startsWith('All 1 resources'), 'it listens by itself');
  t.ok(namespace.listens(104));

  namespace.ip('addr', 'add', `${USER}/32`, 'dev', 'lo');
  const environment = { TCP_NODELAY: '1' };
  const scp = namespace.spawn('storescp', ['-dhl', '-aet', 'DEVSCP', '11112'], {
    env: { ...process.env, ...environment },
  });
  t.teardown(() => stopChild(scp));
  await until('storescp listens', () => namespace.listens(11_112));
  // The source has to be inside the overlay: the kernel takes it from the route.
  namespace.ip('route', 'replace', 'local', '100.96.128.0/17', 'dev', 'lo', 'src', USER);
  const echo = await namespace.run('echoscu', ['-v', '-aec', 'DEVSCP', VIRTUAL.address, '104'], {
    environment,
  });
  t.equal(echo.code, 0, echo.stdout + echo.stderr);
  await station.until(() => station.recorded('session.end').length === 1, 'the session is recorded');
  t.equal(station.questions[0]?.source.address, USER);
  t.ok(station.recorded('session.unit').some(({ unit }) => unit === 'C-ECHO'));
  const status = await namespace.run('cat', [`/proc/${station.brokerPid}/status`]);
  t.match(status.stdout, /CapEff:\s+0{16}/, 'no capability');
  t.match(status.stdout, /Uid:\s+973/);
});
