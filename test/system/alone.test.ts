/**
 * The gateway works alone. There is no coordinator yet, so what is cut is everything that control could reach: the uplink
 * carries the tunnel's own packets to the peers and nothing else, then the policy's source is gone and control starts
 * again from what it kept. Established and new sessions don't notice.
 */
import { rmSync, writeFileSync } from 'node:fs';
import t from 'tap';
import type { Test } from 'tap';
import { processNames } from '../../src/wire/ids.ts';
import { Association } from '../support/clinic/association.ts';
import { startClinic } from '../support/clinic/clinic.ts';
import { virtual } from '../support/clinic/gateway.ts';
import { exchange, order, query } from '../support/clinic/hl7.ts';
import { dicom, words } from '../support/clinic/job.ts';
import { until } from '../support/until.ts';
import { addresses, userAddress, userNames } from '../support/clinic/network.ts';

const clinic = await startClinic();
t.teardown(() => clinic.stop());
const { gateway, network } = clinic;
const radiologist = clinic.agent(network.users.radiologist);
const nurse = clinic.agent(network.users.nurse);
const association = await Association.open(radiologist, virtual.pacs, 'RADIOLOGIST', 'PACS');
const revision = (await gateway.overview()).policy?.revision;

/** What must hold: the old association, a new session of each protocol, a refusal, records of all of it. */
async function works(t: Test, when: string): Promise<void> {
  const { size } = await gateway.auditHead();
  await association.echo(60_000);
  t.pass(`${when}: the established association goes on`);
  const echo = await dicom(clinic, 'radiologist', 'echoscu', virtual.archive, 'ARCHIVE');
  t.equal(echo.code, 0, `${when}: a new DICOM session: ${words(echo)}`);
  const answer = await exchange(nurse, virtual.pump, query(), 30_000);
  t.equal(answer?.field('MSA', 1), 'AA', `${when}: a new HL7 session`);
  const refused = await exchange(radiologist, virtual.pump, order(500, 500), 30_000);
  t.equal(refused?.field('MSA', 1), 'AR', `${when}: the policy still refuses`);
  const { policy } = await gateway.overview();
  t.equal(policy?.revision, revision, `${when}: by the same policy`);
  const records = await gateway.records(size);
  const kinds = records.map(({ event }) => event.kind);
  t.ok(kinds.filter((kind) => kind === 'session.start').length >= 2, `${when}: starts are recorded`);
  t.ok(kinds.includes('session.refused'), `${when}: and the refusal`);
}

await t.test('with the remote link up', async (t) => works(t, 'before'));

await t.test('with nothing reachable but the peers', async (t) => {
  network.gateway.ip('route', 'del', 'default');
  for (const user of userNames)
    network.gateway.ip('route', 'add', `${userAddress(user)}/32`, 'via', addresses.uplinkRouter);
  const away = await network.gateway.run('ip', ['route', 'get', '203.0.113.1']);
  t.not(away.code, 0, 'the gateway has no way to anywhere else');
  await works(t, 'cut off');
});

await t.test('with control started again while cut off', async (t) => {
  const before = gateway.pid('control');
  gateway.kill('control');
  await gateway.ready(['control']);
  t.not(gateway.pid('control'), before);
  await works(t, 'after control came back');
});

await t.test(
  'with the policy’s source gone, then broken: the set that was in force last decides',
  async (t) => {
    const { file = '' } = gateway.files.config.policy;
    for (const [how, spoil] of [
      ['gone', () => rmSync(file)],
      ['broken', () => writeFileSync(file, 'permit (principal, action')],
    ] as const) {
      spoil();
      gateway.kill('control');
      await gateway.ready(['control']);
      await works(t, `with the source ${how}`);
      const item = await until('health says so', async () =>
        (await gateway.overview()).health.find((h) => h.item === 'control.policy' && h.level !== 'ok'),
      );
      t.ok(item.text.length > 0, item.text);
    }
  },
);

await t.test('with every process started again while cut off', async (t) => {
  association.connection.destroy();
  for (const name of processNames) gateway.kill(name);
  await gateway.ready();
  await until(
    'a session',
    async () => (await exchange(nurse, virtual.pump, query(), 30_000))?.field('MSA', 1) === 'AA',
    60_000,
  );
  const echo = await dicom(clinic, 'radiologist', 'echoscu', virtual.pacs, 'PACS');
  t.equal(echo.code, 0, words(echo));
  t.equal((await gateway.overview()).policy?.revision, revision);
  const verify = await gateway.cli('audit', 'verify');
  t.equal(verify.code, 0, `${verify.stdout}${verify.stderr}`);
});
