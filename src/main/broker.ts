/**
 * The broker process: a TCP listener for each published resource, the local sockets to control and audit, and
 * between them `broker/`. It holds no capability and no key, and opens connections only where a grant says.
 *
 * Ports below 1024 (DICOM's 104) are listened on without privilege because the appliance's sysctl.d sets
 * `net.ipv4.ip_unprivileged_port_start=0` in the gateway's network namespace.
 */
import { randomBytes } from 'node:crypto';
import { connect as connectTcp, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { PeerDirectory } from '../broker/admission.ts';
import { Broker } from '../broker/broker.ts';
import { Listeners } from '../broker/listeners.ts';
import type { Listen } from '../broker/listeners.ts';
import { Portal } from '../broker/portal/portal.ts';
import { Visits } from '../broker/portal/visit.ts';
import type { Dial } from '../broker/relay.ts';
import type { Schedule } from '../broker/surroundings.ts';
import { connect } from '../ipc/client.ts';
import { socketPath } from '../platform/config.ts';
import { EmergencyJournal } from '../platform/emergency-journal.ts';
import { runProcess } from '../platform/process.ts';
import { version } from '../platform/version.ts';
import { resourcesSchema } from '../wire/config.ts';
import type { ResourceConfig } from '../wire/config.ts';
import { auditPushes, auditVerbs, controlPushes, controlVerbs } from '../wire/messages.ts';

/** Progress and health are told at most this often. */
const TICK_MS = 1_000;
/** Connections the kernel holds for a listener before it is accepted. */
const BACKLOG = 1024;

const schedule: Schedule = (ms, then) => {
  const timer = setTimeout(then, ms);
  return () => clearTimeout(timer);
};

const dial: Dial = ({ address, port }) =>
  connectTcp({ host: address, port, allowHalfOpen: true, noDelay: true, keepAlive: true });

/** The portal as the listeners know it: no device stands behind it. */
const portalAt = (address: string, port: number): ResourceConfig =>
  resourcesSchema.element.parse({
    id: 'portal',
    device: 'portal',
    protocol: 'tcp',
    virtual: { address, port },
    port,
    ephi: false,
  });

runProcess('broker', async ({ config, log, clock }) => {
  const audit = connect({
    path: socketPath(config, 'audit'),
    verbs: auditVerbs,
    pushes: auditPushes,
    log,
  });
  const control = connect({
    path: socketPath(config, 'control'),
    verbs: controlVerbs,
    pushes: controlPushes,
    log,
    onPush: (event, body) => {
      if ('grant' in body) broker.regranted(body.grant);
      else if ('session' in body) broker.revoked(body.session, body.reason);
      else follow();
      log.debug({ event }, 'control pushed');
    },
    onConnect: () => {
      broker.controlConnected();
      follow();
    },
    onDisconnect: () => broker.controlDisconnected(),
  });

  const emergency = new EmergencyJournal({
    file: join(config.stateDir, 'broker', 'emergency.journal'),
    fallback: join(config.runtimeDir, 'broker', 'emergency.journal'),
  });
  if (emergency.fault) log.error({ err: emergency.fault }, 'the emergency journal is in memory only');

  const broker = new Broker({
    config,
    clock,
    schedule,
    random: randomBytes,
    log,
    append: async (events) => {
      await audit.call('audit.append', { events });
    },
    control: {
      authorize: (request) => control.call('session.authorize', request),
      started: (grant, progress) => control.call('session.started', { grant, progress }),
      progress: (sessions) => control.call('session.progress', { sessions }),
      ended: (progress, reason) => control.call('session.ended', { progress, reason }),
      health: (health) => control.call('broker.health', { health }),
    },
    dial,
    emergency,
    failingListeners: () => [...listeners.failing, ...portalListeners.failing],
  });

  const listenWith =
    (accept: (resource: ResourceConfig, socket: Socket) => void): Listen =>
    (resource, failed) =>
      new Promise((resolve, reject) => {
        const server = createServer(
          {
            allowHalfOpen: true,
            pauseOnConnect: true,
            noDelay: true,
            keepAlive: true,
          },
          (socket) => accept(resource, socket),
        );
        server.once('error', reject);
        server.listen(
          { host: resource.virtual.address, port: resource.virtual.port, backlog: BACKLOG },
          () => {
            server.off('error', reject);
            server.on('error', failed);
            // Closing waits for no connection: sessions end on their own.
            resolve({ close: async () => void server.close() });
          },
        );
      });
  const listeners = new Listeners({
    resources: config.resources,
    listen: listenWith((resource, socket) => broker.accept(resource, socket)),
    schedule,
    log,
    onChange: () => broker.tick(),
  });

  const { overlay, peers, portal: page } = config;
  const addresses = config.tunnel.addresses.map((prefix) => prefix.split('/')[0] ?? '');
  const visits = new Visits({
    portal: new Portal({
      control: {
        access: (question) => control.call('portal.access', question),
        breakGlass: (question) => control.call('portal.breakGlass', question),
        request: (question) => control.call('portal.request', question),
        decide: (question) => control.call('portal.decide', question),
        posture: (question) => control.call('portal.posture', question),
      },
      addresses,
      port: page.port,
      log,
    }),
    overlay: overlay.prefix,
    peerOf: (
      (directory) => (address: string) =>
        directory.peerOf(address)
    )(new PeerDirectory(peers)),
    schedule,
    log,
  });
  const portalListeners = new Listeners({
    resources: page.enabled ? addresses.map((address) => portalAt(address, page.port)) : [],
    listen: listenWith((_resource, socket) => visits.accept(socket)),
    schedule,
    log,
    onChange: () => broker.tick(),
  });

  /** Publish what control says is published. Without an answer everything stays as it is. */
  const followDirectory = async (): Promise<void> => {
    const { devices, resources } = await control.call('broker.directory', {});
    broker.publish(devices, resources.length);
    await listeners.replace(resources);
  };
  const follow = (): void => {
    followDirectory().catch((err: unknown) => log.warn({ err }, 'the directory could not be asked for'));
  };

  const noteStart = { process: 'broker', version } as const;
  broker.record({ kind: 'process.start', at: clock.now(), origin: 'broker', body: noteStart });
  await Promise.all([listeners.start(), portalListeners.start()]);
  const ticker = setInterval(() => broker.tick(), TICK_MS);

  return async () => {
    clearInterval(ticker);
    await Promise.all([listeners.stop(), portalListeners.stop()]);
    const noteStop = { process: 'broker', reason: 'stopped in good order' } as const;
    await broker.stop({ kind: 'process.stop', at: clock.now(), origin: 'broker', body: noteStop });
    control.close();
    audit.close();
    emergency.close();
  };
});
