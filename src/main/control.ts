/**
 * The control process: serves the control socket to broker, sensor and operators and the local status page, asks the
 * tunnel and the audit log, keeps its store, and between them `control/`. SIGHUP reads the policy file again.
 *
 * It serves from the first moment, whichever of the other processes are there, and reaches no farther than them.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readAnnounced } from '../platform/announced.ts';
import { Control } from '../control/control.ts';
import { dataKey } from '../control/data-key.ts';
import type { Ports } from '../control/ports.ts';
import { provisioningSteps } from '../control/provisioning.ts';
import { StateStore, stateSchema } from '../control/state-store.ts';
import { checkCredential, readCredential } from '../crypto/offline-credential.ts';
import { connect } from '../ipc/client.ts';
import { serve } from '../ipc/server.ts';
import { bootClock } from '../platform/clock.ts';
import { socketPath } from '../platform/config.ts';
import { EmergencyJournal } from '../platform/emergency-journal.ts';
import type { Logger } from '../platform/log.ts';
import { runProcess } from '../platform/process.ts';
import { version } from '../platform/version.ts';
import { startStatus } from '../status/server.ts';
import { openStore } from '../store/store.ts';
import { Fault, isFault } from '../wire/errors.ts';
import {
  auditPushes,
  auditVerbs,
  controlPushes,
  controlVerbs,
  tunnelPushes,
  tunnelVerbs,
} from '../wire/messages.ts';
import { openAdvisories } from './advisories.ts';
import { openBundles } from './policy-bundles.ts';

const TICK_MS = 1_000;
/** How long the audit log is asked how it is, and given to take events at the end. */
const HEAD_TIMEOUT_MS = 1_000;
const APPEND_TIMEOUT_MS = 3_000;

/** The state store, or none: a damaged one is reported and left as it is, for a person to look at. */
function openState(file: string, log: Logger): StateStore {
  try {
    return new StateStore(openStore({ file, schema: stateSchema }));
  } catch (error) {
    if (!isFault(error)) throw error;
    log.error({ err: error }, 'the state store cannot be opened; working from memory');
    return new StateStore(undefined, error);
  }
}

/** What opened the data partition; nothing where there is no appliance to say it. */
function openedBy(file: string): Pick<Ports, 'dataKey'> {
  const key = existsSync(file) ? dataKey(readFileSync(file, 'utf8')) : undefined;
  return key === undefined ? {} : { dataKey: key };
}

runProcess('control', async ({ config, log, clock }) => {
  const state = openState(join(config.stateDir, 'control', 'control.db'), log);
  const audit = connect({
    path: socketPath(config, 'audit'),
    verbs: auditVerbs,
    pushes: auditPushes,
    log,
    onConnect: () => control.auditConnected(),
    onDisconnect: () => control.auditLost(),
  });
  const tunnel = connect({
    path: socketPath(config, 'tunnel'),
    verbs: tunnelVerbs,
    pushes: tunnelPushes,
    log,
    onConnect: () => void control.tunnelConnected(),
    onDisconnect: () => control.tunnelLost(),
    onPush: (_event, session) => control.tunnelSession(session),
  });

  // Nobody is there to be told before the socket is served; the broker asks when it connects.
  let tellDirectory = (): void => undefined;
  let tellAccepted = (): void => undefined;
  const emergency = new EmergencyJournal({
    file: join(config.stateDir, 'control', 'emergency.journal'),
    fallback: join(config.runtimeDir, 'control', 'emergency.journal'),
  });
  if (emergency.fault) log.error({ err: emergency.fault }, 'the emergency journal is in memory only');
  const ports: Ports = {
    clock,
    log,
    version,
    localTime: (at) => {
      const local = new Date(at);
      return { minute: local.getHours() * 60 + local.getMinutes(), weekday: local.getDay() || 7 };
    },
    machine: bootClock(join(config.runtimeDir, 'control')),
    random: randomBytes,
    emergency,
    ...openedBy(join(config.runtimeDir, 'data')),
    checkCredential: (kept, typed, spent) =>
      checkCredential(kept === undefined ? undefined : readCredential(kept), typed, spent),
    delay: (ms) => delay(ms, undefined, { ref: false }),
    readPolicy: () => readFileSync(config.policy.file ?? '', 'utf8'),
    ...(config.policy.keys.length > 0 ? { bundles: openBundles(config, log) } : {}),
    advisories: openAdvisories(config, log),
    tunnel: {
      status: (timeoutMs) => tunnel.call('tunnel.status', {}, { timeoutMs }),
      hint: async (peer, endpoint) => {
        await tunnel.call('tunnel.hint', { peer, endpoint });
      },
    },
    audit: {
      append: async (events) => {
        if (!audit.connected) throw new Fault('IPC_UNREACHABLE', 'audit');
        await audit.call('audit.append', { events: [...events] }, { timeoutMs: APPEND_TIMEOUT_MS });
      },
      status: () => audit.call('audit.status', {}, { timeoutMs: HEAD_TIMEOUT_MS }),
    },
    broker: {
      revoke: (session, reason) => server.push('session.revoke', { session, reason }, 'broker'),
      regrant: (grant) => server.push('session.regrant', { grant }, 'broker'),
      directoryChanged: () => tellDirectory(),
    },
    sensor: { acceptedChanged: () => tellAccepted() },
  };
  const control = new Control(config, ports, state);
  // Early: without a listener the signal would end the process.
  process.on('SIGHUP', () => control.reloadPolicy('SIGHUP'));

  const server = await serve({
    path: socketPath(config, 'control'),
    verbs: controlVerbs,
    pushes: controlPushes,
    access: {
      'session.authorize': ['broker'],
      'session.started': ['broker'],
      'session.progress': ['broker'],
      'session.ended': ['broker'],
      'broker.health': ['broker'],
      'sensor.observed': ['sensor'],
      'sensor.accepted': ['sensor'],
      'operator.overview': ['operator'],
      'operator.revoke': ['operator'],
      'broker.directory': ['broker'],
      'operator.policy.install': ['operator'],
      'operator.policy.status': ['operator'],
      'operator.policy.content': ['operator'],
      'operator.facts': ['operator'],
      'operator.device.confirm': ['operator'],
      'operator.device.set': ['operator'],
      'operator.device.retire': ['operator'],
      'operator.findings.list': ['operator'],
      'operator.findings.ack': ['operator'],
      'operator.findings.unlearn': ['operator'],
      'operator.findings.suppress': ['operator'],
      'operator.flows': ['operator'],
      'operator.advisories.import': ['operator'],
      'operator.advisories.list': ['operator'],
      'operator.device.document': ['operator'],
      'operator.device.documents': ['operator'],
      'operator.device.documentRemove': ['operator'],
      'simulation.start': ['operator'],
      'simulation.stop': ['operator'],
      'simulation.report': ['operator'],
      'portal.access': ['broker'],
      'portal.breakGlass': ['broker'],
      'portal.request': ['broker'],
      'portal.decide': ['broker'],
      'portal.posture': ['broker'],
      'life.status': ['operator'],
      'breakGlass.end': ['operator'],
      'emergency.start': ['operator'],
      'emergency.end': ['operator'],
      'order.apply': ['operator'],
      'request.decide': ['operator'],
      'request.end': ['operator'],
      'review.close': ['operator'],
      'review.attest': ['operator'],
    },
    uids: config.uids,
    handlers: control.handlers,
    log,
    onDisconnect: (caller) => control.callerGone(caller),
  });

  tellDirectory = () => server.push('directory.changed', {}, 'broker');
  tellAccepted = () => server.push('baseline.accepted', {}, 'sensor');

  const page = await startStatus({
    listen: config.status.listen,
    overview: () => Promise.resolve(control.overview()),
    findings: () => Promise.resolve(control.findings()),
    setup: (devicesSeen) => {
      const facts = readAnnounced(join(config.runtimeDir, 'provision'), { now: Date.now(), devicesSeen });
      return facts && { facts, steps: provisioningSteps(facts) };
    },
    log,
  });

  let ticking = false;
  const tick = async (): Promise<void> => {
    if (ticking) return;
    ticking = true;
    await control.tick().finally(() => {
      ticking = false;
    });
  };
  const ticker = setInterval(() => void tick(), TICK_MS);
  void tick();

  return async () => {
    clearInterval(ticker);
    await page.close();
    await server.close();
    await control.stop('stopped in good order');
    tunnel.close();
    audit.close();
    emergency.close();
  };
});
