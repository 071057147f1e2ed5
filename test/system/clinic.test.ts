/**
 * The main job, end to end: remote users with stock WireGuard, the gateway's five processes, unmodified devices.
 * What is asserted is what the far ends saw and what the log holds, not what was configured.
 */
import { existsSync, readdirSync } from 'node:fs';
import t from 'tap';
import { startClinic } from '../support/clinic/clinic.ts';
import { people, statusPort } from '../support/clinic/gateway.ts';
import { doJob } from '../support/clinic/job.ts';
import { until } from '../support/until.ts';
import { addresses, devicePlan } from '../support/clinic/network.ts';
import { decisionsOf } from '../support/clinic/report.ts';

const clinic = await startClinic();
t.teardown(() => clinic.stop());
const { gateway, devices } = clinic;

await t.test('every step of the job goes as it should', async (t) => {
  const { steps, series } = await doJob(clinic);
  for (const step of steps) t.equal(step.happened, step.expected, `${step.who}: ${step.what}: ${step.words}`);
  const studies = (await devices.orthanc('/studies?expand')) as {
    MainDicomTags: { StudyInstanceUID: string };
    Series: string[];
  }[];
  t.equal(studies.length, 1, 'the PACS holds one study');
  t.equal(studies[0]?.MainDicomTags.StudyInstanceUID, series.studyUid, 'and it is the one that was sent');
  const instances = (await devices.orthanc('/instances')) as unknown[];
  t.equal(instances.length, series.files.length, 'with every slice once; the refused one is not there');
});

await t.test('each session is decided and written down before it runs', async (t) => {
  const overview = await until('sessions over', async () => {
    const now = await gateway.overview();
    return now.sessions.length >= 7 && now.sessions.every((row) => row.ended) ? now : undefined;
  });
  const records = await gateway.records();
  const starts = records.flatMap((record) =>
    record.event.kind === 'session.start' ? [record.event.body.grant] : [],
  );
  t.equal(starts.length, overview.sessions.length, 'one record of a start for each session of the table');
  for (const grant of starts) {
    t.equal(grant.subject.kex, 'classical+psk', 'the kex mode is what ran');
    t.match(grant.subject.tunnelSession, /^[0-9a-f]{32}$/, 'with the tunnel session that carried it');
    const person = people[grant.subject.user as keyof typeof people];
    t.same(grant.subject.posture, person.posture, 'the posture of the device that asked');
    t.equal(grant.subject.userDevice, person.device);
    t.equal(grant.subject.source.address, person.address);
    t.ok(grant.rules.length > 0 && grant.revision !== '', 'rule and revision');
    const about = records.filter(
      ({ event }) =>
        (event.kind === 'session.unit' || event.kind === 'session.end') &&
        event.body.session === grant.session,
    );
    const start = records.find(
      ({ event }) => event.kind === 'session.start' && event.body.grant.session === grant.session,
    );
    t.ok(
      about.length > 0 && about.every(({ seq }) => seq > (start?.seq ?? Infinity)),
      'the start comes first',
    );
  }
  const images = starts.find(
    (grant) => grant.target.resource === 'pacs-dicom' && grant.subject.user === 'radiologist',
  );
  t.same(images?.rules, ['imaging.radiologist']);
  t.same([...(images?.actions ?? [])].sort(), ['download', 'modify', 'view']);
  const units = records.flatMap(({ event }) => (event.kind === 'session.unit' ? [event.body] : []));
  t.ok(
    units.some((u) => u.unit.startsWith('C-STORE') && u.action === 'modify'),
    'C-STORE as modify',
  );
  t.ok(
    units.some((u) => u.unit.startsWith('C-FIND') && u.action === 'view'),
    'C-FIND as view',
  );
  t.ok(
    units.some((u) => u.unit.startsWith('RGV') && u.action === 'modify'),
    'the order as modify',
  );
});

await t.test('refusals are in the log with who, what and why', async (t) => {
  const refused = decisionsOf(await gateway.records()).filter((d) => d.decision === 'deny');
  const pump = refused.find((d) => d.user === 'radiologist');
  t.equal(pump?.resource, 'pump-3-hl7', 'the radiologist at the pump: no policy permits it');
  t.same(pump?.rules, [], 'default deny names no rule');
  t.ok((pump?.reasons.length ?? 0) > 0);
  const store = refused.find((d) => d.user === 'vendor');
  t.match(store?.unit, /^C-STORE/, "the vendor's C-STORE inside a session that may view");
});

await t.test('the log verifies and holds no patient', async (t) => {
  const verify = await gateway.cli('audit', 'verify');
  t.equal(verify.code, 0, `${verify.stdout}${verify.stderr}`);
  const head = await gateway.auditHead();
  t.match(head.root, /^[0-9a-f]{64}$/);
  t.ok(head.size >= 20);
  const text = JSON.stringify(await gateway.records());
  for (const word of ['Petra', 'INV0042', 'INV-1001']) t.notOk(text.includes(word), `no ${word}`);
  const tail = await gateway.cli('audit', 'tail');
  t.equal(tail.code, 0);
  t.match(tail.stdout, /radiologist/);
});

await t.test('the devices are named by what they say', async (t) => {
  const rows = await until('three devices identified', async () => {
    const { devices: seen } = await gateway.overview();
    const known = seen.filter(
      (row) => row.device && row.observation?.evidence.some((e) => /dicom|hl7/.test(e.protocol)),
    );
    return known.length === 3 ? known : undefined;
  });
  const row = (id: string): (typeof rows)[number]['observation'] =>
    rows.find((r) => r.device?.id === id)?.observation;
  const says = (id: string): string => JSON.stringify(row(id)?.evidence);
  t.equal(row('pacs')?.mac, devicePlan.pacs.mac);
  t.equal(row('pump-3')?.mac, devicePlan.pump.mac);
  t.match(row('pump-3')?.vendor, /braun/i, 'vendor by OUI');
  t.ok(
    row('pacs')?.services.some((s) => s.port === 4242 && s.protocol === 'dicom'),
    'Orthanc as a DICOM endpoint',
  );
  t.ok(row('archive')?.services.some((s) => s.port === 11112 && s.protocol === 'dicom'));
  t.ok(row('pump-3')?.services.some((s) => s.port === 2575 && s.protocol === 'hl7'));
  t.match(
    says('pacs'),
    /OFFIS_DCMTK_\d+/,
    'implementation version name of the toolkit that Orthanc is built on',
  );
  t.match(says('pump-3'), /PAT_DEVICE_BBRAUN/, 'MSH-3 of the pump');
});

await t.test('the status page answers in the management network', async (t) => {
  const script = `fetch(process.argv[1]).then(async (a) => { process.stdout.write(a.status + ' ' + (await a.text())); })`;
  const url = `http://${addresses.management}:${statusPort}/`;
  const page = await clinic.network.management.run(process.execPath, ['-e', script, url]);
  t.match(page.stdout, /^200 /, page.stderr);
  t.match(page.stdout, /anteroom/i);
});

await t.test('it stops and leaves nothing', async (t) => {
  const { prefix, folder } = clinic.lease;
  await clinic.stop();
  t.notOk(
    readdirSync('/run/netns').some((name) => name.startsWith(prefix)),
    'no namespace',
  );
  t.notOk(existsSync(folder), 'no files');
  const sockets = existsSync('/var/run/wireguard') ? readdirSync('/var/run/wireguard') : [];
  t.notOk(
    sockets.some((name) => name.startsWith(prefix)),
    'no socket of wireguard-go',
  );
});
