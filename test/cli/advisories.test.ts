/** `anteroom advisories` and `devices document` against a running control process: folders, bundles, documents, hostile files. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { AdvisoryList } from '../../src/cli/advisories.ts';
import { filesUnder, makeBundle, openBundle, readFile } from '../../src/cli/advisory-source.ts';
import { SigningKey } from '../../src/crypto/signer.ts';
import { signerMap } from '../../src/policy/bundle-verify.ts';
import { unframe } from '../../src/policy/bundle.ts';
import type { HostObservation } from '../../src/wire/observation.ts';
import { callControl, makeSite, startAudit, startControl, until } from '../main/control-process.ts';
import { mds2Workbook } from '../sensor/advisory/workbook-builder.ts';
import { catalogueBytes, csafFolder, csafFiles } from '../sensor/advisory/samples.ts';

const anteroom = fileURLToPath(new URL('../../src/cli/anteroom.ts', import.meta.url));

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}
const runner =
  (config: string) =>
  (...args: string[]): Promise<Ran> =>
    new Promise((resolve) => {
      execFile(
        process.execPath,
        [anteroom, '--config', config, ...args],
        { maxBuffer: 64 * 1024 * 1024 },
        (error, out, err) => resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
      );
    });

const host = (mac: string, address: string, identity: Record<string, string>): HostObservation => ({
  mac,
  addresses: [address],
  services: [],
  evidence: [],
  identity: Object.entries(identity).map(([attribute, value]) => ({
    attribute: attribute as 'vendor',
    value,
    because: 'dicom equipment',
    conflicts: [],
  })),
  first: 1,
  last: 2,
});

void t.test('from CISA’s files to what is wrong with a device', async (t) => {
  const site = makeSite();
  const audit = await startAudit(site);
  const control = await startControl(site);
  const caller = callControl(site);
  t.teardown(async () => {
    caller.control.close();
    await control.kill();
    await audit.close();
    site.remove();
  });
  const run = runner(site.configFile);
  const kev = join(site.folder, 'kev.json');
  writeFileSync(kev, catalogueBytes());
  await caller.control.call('sensor.observed', {
    hosts: [
      host('02:00:00:00:00:10', '10.20.0.10', { vendor: 'Philips', model: 'Vue PACS', software: '12.2.1.3' }),
      host('02:00:00:00:00:11', '10.20.0.11', { vendor: 'OFFIS', model: 'DCMTK', software: '3.6.7' }),
      host('02:00:00:00:00:12', '10.20.0.12', {}),
    ],
    health: [],
  });

  const broken = join(site.folder, 'broken');
  mkdirSync(broken);
  writeFileSync(join(broken, 'a.json'), '{"document":{"csaf_version":"2.0"}}');
  writeFileSync(join(broken, 'ignored.txt'), 'not looked at');
  const first = await run('advisories', 'import', csafFolder, kev, broken);
  t.match(first.out, /^144 stored, 0 unchanged, 0 older.* Known exploited: 2025\.08\.25 stored\.$/m);
  t.match(first.err, /a\.json: document\.tracking\.id: is missing/);
  t.equal(first.code, 65, 'one file was not understood, and the others are there');
  const second = await run('advisories', 'import', '--json', csafFolder);
  t.match(JSON.parse(second.out), { stored: 0, unchanged: 144, refused: [] });
  t.equal(second.code, 0);

  const listed = JSON.parse((await run('advisories', '--json')).out) as {
    matches: Record<string, unknown>[];
  };
  const ghostcat = listed.matches.find(({ cve }) => cve === 'CVE-2020-1938');
  t.match(ghostcat, {
    device: 'pacs',
    status: 'affected',
    exploited: true,
    severity: 'critical',
    advisory: 'ICSMA-21-187-01',
  });
  t.notOk(
    listed.matches.some(({ device }) => device === '02:00:00:00:00:11'),
    'the fixed DCMTK has nothing',
  );
  const ask = (device: string, all = false): Promise<AdvisoryList> =>
    caller.control.call('operator.advisories.list', { device, all });
  const fixed = (await ask('10.20.0.11', true)).matches;
  t.ok(fixed.some(({ cve, status }) => cve === 'CVE-2022-2119' && status === 'not affected'));
  const one = await run('advisories', '--device', 'pacs');
  t.match(one.out, /affected +CVE-2020-1938 +critical 9\.8 EXPLOITED +ICSMA-21-187-01/);
  t.match(one.out, /ICSMA-21-187-01: Philips Vue PACS.*\n +- /);
  await t.rejects(ask('nobody'), { code: 'DEVICE_UNKNOWN' });

  const item = await until('the health item', async () => {
    const overview = await caller.control.call('operator.overview', {});
    return overview.health.find((each) => each.item === 'control.advisories' && each.level === 'warning');
  });
  t.match(item.text, /pacs \(CVE-2020-1938/);
  const findings = await until('the finding', async () => {
    const answer = await caller.control.call('operator.findings.list', { closed: false });
    return answer.findings.find(({ kind }) => kind === 'known-exploited');
  });
  t.match(findings, { device: 'pacs', severity: 'critical', technique: 'T0866' });

  const form = join(site.folder, 'form.xlsx');
  writeFileSync(form, mds2Workbook());
  t.match((await run('devices', 'document', '10.20.0.12', form)).out, /02:00:00:00:00:12: mds2, 7 answers/);
  const contec = (await ask('10.20.0.12')).matches;
  t.ok(contec.some(({ advisory, status }) => advisory === 'ICSMA-22-244-01' && status === 'affected'));
  const bill = join(site.folder, 'bill.json');
  writeFileSync(
    bill,
    JSON.stringify({
      bomFormat: 'CycloneDX',
      specVersion: '1.5',
      components: [{ name: 'log4j2', version: '2.14.1', supplier: { name: 'Apache' } }],
    }),
  );
  t.match((await run('devices', 'document', '10.20.0.12', bill)).out, /sbom, 1 component\./);
  const show = (await run('devices', 'show', '10.20.0.12')).out;
  t.match(show, /MDS2 of Contec & Sons CMS8000, 7 answers: form\.xlsx/);
  t.match(show, /CycloneDX 1\.5 bill of materials, 1 component/);
  t.match(show, /possible +CVE-2021-44228 +high EXPLOITED +KEV +log4j2 2\.14\.1/);
  t.match((await run('devices', 'document', '10.20.0.12')).out, /AUTH-1 +See Notes +Only with a PIN/);
  t.match((await run('devices', 'document', '10.20.0.12', '--remove', 'sbom')).out, /sbom removed/);
  const wrong = await run('devices', 'document', '10.20.0.12', kev);
  t.equal(wrong.code, 65);
  t.match(wrong.err, /kev\.json: \(top level\): is no MDS2 form/);
  t.ok(
    audit.of('operator.action').some((each) => (each.body as { verb?: string }).verb === 'advisories.import'),
    'on record',
  );

  await control.stop();
  const restarted = await startControl(site);
  t.teardown(() => restarted.kill());
  t.ok(
    (await ask('pacs')).matches.some(({ cve }) => cve === 'CVE-2020-1938'),
    'after a restart',
  );
});

void t.test('signed bundles', async (t) => {
  const site = makeSite();
  const audit = await startAudit(site);
  const control = await startControl(site);
  t.teardown(async () => {
    await control.kill();
    await audit.close();
    site.remove();
  });
  const run = runner(site.configFile);
  const at = (name: string): string => join(site.folder, name);
  await run('policy', 'keygen', at('mine'));
  await run('policy', 'keygen', at('theirs'));
  const files = csafFiles().slice(0, 5);
  const bundle = at('advisories.bundle');
  t.match((await run('advisories', 'sign', ...files, '--key', at('mine.key'), '-o', bundle)).out, /5 files/);
  t.match((await run('advisories', 'import', bundle, '--key', at('mine.pub'))).out, /^5 stored/);
  const stranger = await run('advisories', 'import', bundle, '--key', at('theirs.pub'));
  t.equal(stranger.code, 65);
  t.match(stranger.err, /No signer of the policy bundle is pinned here/);
  t.equal((await run('advisories', 'import', bundle)).code, 78, 'nobody is pinned');
  const bytes = readFileSync(bundle);
  bytes[bytes.length - 100] = 0x20;
  const changed = at('changed.bundle');
  writeFileSync(changed, bytes);
  t.match((await run('advisories', 'import', changed, '--key', at('mine.pub'))).err, /signature .* is wrong/);
  t.equal(unframe(readFileSync(bundle)).kind, 'malformed', 'it is no policy bundle');
});

void t.test('files and folders have bounds', (t) => {
  const site = makeSite();
  t.teardown(() => site.remove());
  const at = (...names: string[]): string => join(site.folder, ...names);
  const folder = at('f');
  mkdirSync(join(folder, 'sub'), { recursive: true });
  writeFileSync(join(folder, 'b.json'), '{}');
  writeFileSync(join(folder, 'sub', 'a.JSON'), '{}');
  symlinkSync('/etc', join(folder, 'link'));
  symlinkSync('/etc/hostname', join(folder, 'link.json'));
  t.same(
    filesUnder([folder]),
    [join(folder, 'b.json'), join(folder, 'sub', 'a.JSON')],
    'links are not followed',
  );
  writeFileSync(at('large.json'), '');
  truncateSync(at('large.json'), 50 * 1024 * 1024 + 1);
  t.throws(() => readFile(at('large.json')), {
    code: 'ADVISORY_UNREADABLE',
    message: /large\.json: 52428801 bytes/,
  });
  t.throws(() => readFile(folder), { code: 'ADVISORY_UNREADABLE' });
  t.throws(() => filesUnder([at('nowhere')]), { code: 'ADVISORY_UNREADABLE', message: /nowhere/ });
  let deep = at('deep');
  for (let i = 0; i < 17; i++) deep = join(deep, 'd');
  mkdirSync(deep, { recursive: true });
  t.throws(() => filesUnder([at('deep')]), { code: 'ADVISORY_UNREADABLE', message: /deeper than 16/ });
  t.throws(() => filesUnder(Array.from({ length: 10_001 }, () => join(folder, 'b.json'))), {
    message: /more than 10000 files/,
  });

  const key = new SigningKey(Buffer.alloc(64, 7));
  const signers = signerMap([key.signer]);
  const good = makeBundle([{ name: '/x/a.json', bytes: Buffer.from('{}') }], [key]);
  t.same(openBundle(good, signers), [{ name: 'a.json', bytes: Buffer.from('{}') }]);
  t.throws(() => openBundle(good.subarray(0, good.length - 1), signers), { code: 'BUNDLE_MALFORMED' });
  t.throws(() => makeBundle([{ name: 'x', bytes: Buffer.from([0xff]) }], [key]), {
    code: 'ADVISORY_INVALID',
  });
  t.end();
});
