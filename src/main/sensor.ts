/**
 * The sensor process: a capture ring on each configured interface, `sensor/` behind it, and what it learns to
 * `control`. Holds CAP_NET_RAW and nothing worth stealing; it opens no port, resolves no name and has no
 * code that could send a frame.
 *
 * What is normal for each device is kept in `${stateDir}/sensor/baseline.json`, written whole beside and renamed. Lost,
 * devices are learnt again.
 */
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { connect } from '../ipc/client.ts';
import { addon } from '../platform/addon.ts';
import { socketPath } from '../platform/config.ts';
import { runProcess } from '../platform/process.ts';
import { vendorRegistry } from '../platform/vendor-registry.ts';
import { version } from '../platform/version.ts';
import { Captures } from '../sensor/captures.ts';
import type { OpenCapture } from '../sensor/captures.ts';
import { limits } from '../sensor/constants.ts';
import { SensorHealth } from '../sensor/health.ts';
import { Reporter } from '../sensor/report.ts';
import { Sensor } from '../sensor/sensor.ts';
import { signatureFile, synSystems } from '../sensor/syn-signature.ts';
import type { SystemOf } from '../sensor/syn-signature.ts';
import { vendorTable } from '../sensor/vendor.ts';
import type { AuditEvent } from '../wire/audit-event.ts';
import { Fault } from '../wire/errors.ts';
import { auditPushes, auditVerbs, controlPushes, controlVerbs } from '../wire/messages.ts';

const TICK_MS = 250;
/** How often the gateway's own cards are looked up again. */
const OWN_MS = 60_000;
const STOP_NOTE_MS = 2_000;
/** How often baselines are written. */
const KEEP_MS = 300_000;

/** MAC addresses of this machine's cards that have an IP address: the only ones that send. */
function ownMacs(): Set<number> {
  const macs = new Set<number>();
  for (const rows of Object.values(networkInterfaces())) {
    for (const row of rows ?? []) macs.add(Number.parseInt(row.mac.replaceAll(':', ''), 16));
  }
  return macs;
}

/** Signatures of TCP stacks, where they are installed. */
async function installedSystems(): Promise<SystemOf | undefined> {
  try {
    return synSystems(await readFile(signatureFile, 'utf8'));
  } catch {
    // Not installed, or not for this user: the shapes remain as evidence.
    return undefined;
  }
}

/** Replace the file by one that is whole: a power cut leaves the old one or the new one. */
async function replaceFile(folder: string, name: string, pieces: Iterable<string>): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const beside = join(folder, `${name}.new`);
  const file = await open(beside, 'w', 0o600);
  try {
    for (const piece of pieces) await file.appendFile(piece);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(beside, join(folder, name));
}

runProcess('sensor', async (context) => {
  const { config, log, clock } = context;
  const audit = connect({ path: socketPath(config, 'audit'), verbs: auditVerbs, pushes: auditPushes, log });
  const note = async (event: AuditEvent, timeoutMs?: number): Promise<void> => {
    try {
      await audit.call('audit.append', { events: [event] }, timeoutMs === undefined ? {} : { timeoutMs });
    } catch (err) {
      log.warn({ err, kind: event.kind }, 'not written to the audit log');
    }
  };

  const { interfaces, baseline, prefixes } = config.sensor;
  const sensor = new Sensor({
    vendorOf: vendorTable(vendorRegistry()),
    stage: addon().openStage({ flows: limits.FLOWS, sightings: limits.SIGHTINGS }),
    systemOf: await installedSystems(),
    behaviour: { baseline, prefixes: [...prefixes, config.overlay.prefix] },
  });
  const folder = join(config.stateDir, 'sensor');
  try {
    sensor.behaviour.restore(JSON.parse(await readFile(join(folder, 'baseline.json'), 'utf8')), clock.now());
  } catch (err) {
    // A first start has none; without those that were damaged devices are learnt anew.
    if (err instanceof Error && 'code' in err && err.code === 'ENOENT') log.info({}, 'no baselines yet');
    else log.warn({ err }, 'the baselines were not read: devices are learnt anew');
  }
  let keeping: Promise<void> = Promise.resolve();
  const keep = (): Promise<void> => {
    keeping = keeping.then(async () => {
      try {
        await replaceFile(folder, 'baseline.json', sensor.behaviour.keptText());
      } catch (err) {
        log.warn({ err }, 'baselines were not written');
      }
    });
    return keeping;
  };
  const health = new SensorHealth(interfaces, clock.now());
  const reporter = new Reporter(
    sensor.hosts,
    (at) => health.items(at),
    async (batch) => {
      try {
        await control.call('sensor.observed', batch);
      } catch (err) {
        log.warn({ err, hosts: batch.hosts.length }, 'hosts were not taken by control');
        throw err;
      }
    },
    sensor.behaviour,
  );

  /** What operators made normal is so from now on. */
  const accept = async (): Promise<void> => {
    try {
      const { rows, withdrawn } = await control.call('sensor.accepted', {});
      if (sensor.behaviour.baselines.accept(rows, withdrawn) > 0) await keep();
    } catch (err) {
      // Asked again at the next connection.
      log.warn({ err }, 'what operators made normal is not known');
    }
  };
  // Not before what it tells exists: loading the vendors takes longer than connecting.
  const control = connect({
    path: socketPath(config, 'control'),
    verbs: controlVerbs,
    pushes: controlPushes,
    log,
    onConnect: () => {
      reporter.reconnected();
      void accept();
    },
    onPush: (event) => {
      if (event === 'baseline.accepted') void accept();
    },
  });

  const open: OpenCapture = (interfaceName, failed) =>
    addon().openCapture({
      interfaceName,
      snapLength: limits.SNAP,
      onFrames: (bytes) => sensor.takeBatch(bytes),
      onFailure: failed,
    });
  const captures = new Captures(interfaces, open, health, (interfaceName, err) => {
    if (err === undefined) log.info({ interfaceName }, 'listening');
    else log.warn({ err, interfaceName }, 'the capture ended; trying again');
  });

  let ownAt = -Infinity;
  let keptAt = clock.now();
  const tick = (): void => {
    const at = clock.now();
    if (at - ownAt >= OWN_MS) {
      sensor.hosts.setOwn(ownMacs());
      ownAt = at;
    }
    sensor.idle(at);
    if (at - keptAt >= KEEP_MS || at < keptAt) {
      keptAt = at;
      void keep();
    }
    try {
      captures.tick(at);
    } catch (cause) {
      const text = `CAP_NET_RAW: ${cause instanceof Error ? cause.message : String(cause)}`;
      throw new Fault('CAPABILITY_MISSING', text, { cause });
    }
    health.losses(captures.drops(), sensor.hosts.evicted + sensor.flows.evicted, at);
    void reporter.tick(at);
  };
  tick();
  const ticker = setInterval(() => {
    try {
      tick();
    } catch (error) {
      context.stop(
        'the capture failed',
        error instanceof Fault ? error : new Fault('INTERNAL', String(error)),
      );
    }
  }, TICK_MS);
  void note({
    kind: 'process.start',
    at: clock.now(),
    origin: 'sensor',
    body: { process: 'sensor', version },
  });

  return async () => {
    clearInterval(ticker);
    captures.close();
    sensor.settle(clock.now());
    await keep();
    const body = { process: 'sensor', reason: 'stopped in good order' } as const;
    await note({ kind: 'process.stop', at: clock.now(), origin: 'sensor', body }, STOP_NOTE_MS);
    control.close();
    audit.close();
  };
});
