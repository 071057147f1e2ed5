/**
 * `make run`: a whole clinic in one terminal. Starts it, does the radiologist's job through it, prints what happened,
 * and stays with the status page open until Ctrl-C. Without a terminal on standard input it does the job once.
 *
 * Either way build/run/summary.json is written, and the exit code is 0 only if everything happened as it should.
 * Codes: 1 something went otherwise, 69 a program is missing, 77 a right or kernel capability is missing.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MissingCapability } from './capability.ts';
import { startClinic } from './clinic.ts';
import type { Clinic } from './clinic.ts';
import { statusPort } from './gateway.ts';
import { doJob } from './job.ts';
import type { Step } from './job.ts';
import { until } from '../until.ts';
import { addresses } from './network.ts';
import { decisionTable, decisionsOf, deviceTable, peerTable, sessionTable, table } from './report.ts';
import { forwardStatus } from './status-forward.ts';

const summaryFile = fileURLToPath(new URL('../../../build/run/summary.json', import.meta.url));
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const heading = (text: string): void => say(`\n${text}`);

/** Everything that happened, once it is complete: sessions over, devices named, the log verified. */
async function conclude(clinic: Clinic, steps: readonly Step[]): Promise<boolean> {
  const { gateway } = clinic;
  const identified = (devices: Awaited<ReturnType<typeof gateway.overview>>['devices']): boolean =>
    devices.filter((row) => row.device).length === 3 &&
    devices
      .filter((row) => row.device)
      .every((row) => row.observation?.evidence.some((e) => e.protocol === 'dicom' || e.protocol === 'hl7'));
  const overview = await until('sessions over and devices identified', async () => {
    const now = await gateway.overview();
    const settled = now.sessions.every((row) => row.ended) && now.peers.every((peer) => peer.session);
    return settled && identified(now.devices) ? now : undefined;
  }).catch(() => gateway.overview());

  const verification = await gateway.cli('audit', 'verify');
  const head = await gateway.auditHead();
  const decisions = decisionsOf(await gateway.records());
  const stored = (await clinic.devices.orthanc('/instances')) as unknown[];

  heading('Sessions');
  say(sessionTable(overview.sessions));
  heading('Decisions');
  say(decisionTable(decisions));
  heading('Peers of the tunnel');
  say(peerTable(overview.peers));
  heading('Devices discovered');
  say(deviceTable(overview.devices));
  heading('Audit log, its end (anteroom audit tail)');
  say((await gateway.cli('audit', 'tail')).stdout.trimEnd());
  heading('Audit log, verified (anteroom audit verify)');
  say(`${verification.stdout}${verification.stderr}`.trimEnd());

  const faults = [
    ...steps
      .filter((step) => step.happened !== step.expected)
      .map((step) => `${step.who}, ${step.what}: ${step.happened}, expected ${step.expected}`),
    ...(verification.code === 0 ? [] : [`audit verify ended with ${verification.code}`]),
    ...(identified(overview.devices) ? [] : ['not every device was identified']),
    ...(overview.sessions.length > 0 && overview.sessions.every((row) => row.ended)
      ? []
      : ['a session is not over']),
    ...(stored.length === 8 ? [] : [`the PACS holds ${stored.length} images, expected 8`]),
  ];
  const summary = {
    ok: faults.length === 0,
    faults,
    steps,
    sessions: overview.sessions.map(({ grant, progress, ended }) => ({
      session: grant.session,
      user: grant.subject.user,
      peer: grant.subject.peer,
      kex: grant.subject.kex,
      resource: grant.target.resource,
      device: grant.target.device,
      protocol: grant.target.protocol,
      actions: grant.actions,
      rules: grant.rules,
      units: progress.units,
      refused: progress.refused,
      bytesToDevice: progress.bytesToDevice,
      bytesToUser: progress.bytesToUser,
      ended: ended?.reason ?? null,
    })),
    decisions,
    audit: { size: head.size, root: head.root, verified: verification.code === 0 },
    devices: overview.devices,
  };
  mkdirSync(fileURLToPath(new URL('.', `file://${summaryFile}`)), { recursive: true });
  writeFileSync(summaryFile, `${JSON.stringify(summary, undefined, 2)}\n`);
  for (const fault of faults) say(`NOT AS IT SHOULD BE: ${fault}`);
  return faults.length === 0;
}

/** Resolves at the first signal that asks to end. Before the clinic stands, the exit hook of its lease cleans up. */
const asked = Promise.withResolvers<void>();
let standing = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    if (!standing) process.exit(130);
    asked.resolve();
  });

async function run(): Promise<number> {
  const began = performance.now();
  const clinic = await startClinic({
    say: (text) => say(`[${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s] ${text}`),
  });
  standing = true;
  let good = false;
  try {
    const work = async (): Promise<boolean> => {
      heading('The job, through the tunnel');
      const { steps } = await doJob(clinic, (step) => {
        const mark = step.happened === step.expected ? 'ok ' : 'NOT';
        say(`  ${mark}  ${step.who}: ${step.what}: ${step.happened}\n         ${step.words}`);
      });
      return conclude(clinic, steps);
    };
    const working = work();
    const finished = await Promise.race([working, asked.promise.then(() => undefined)]);
    good = finished ?? false;
    if (finished === undefined) working.catch(() => undefined);
    else if (process.stdin.isTTY) {
      const page = await forwardStatus(
        clinic.lease,
        clinic.network.management,
        { address: addresses.management, port: statusPort },
        statusPort,
      );
      heading(good ? 'Everything happened as it should.' : 'Not everything happened as it should.');
      say(
        table(
          ['', ''],
          [
            ['status page', page.url],
            ['summary', summaryFile],
            ['namespaces', `${clinic.lease.prefix}-…  (ip netns exec ${clinic.network.gateway.name} …)`],
          ],
        )
          .split('\n')
          .slice(2)
          .join('\n'),
      );
      say('\nRunning. Ctrl-C stops everything.');
      await asked.promise;
      await page.stop();
    } else heading(good ? `Everything happened as it should: ${summaryFile}` : `See ${summaryFile}`);
  } finally {
    say('\nstopping');
    await clinic.stop();
    say('stopped: no namespace, process or file left');
  }
  return good ? 0 : 1;
}

try {
  process.exit(await run());
} catch (error) {
  process.stderr.write(`run: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(error instanceof MissingCapability ? error.code : 1);
}
