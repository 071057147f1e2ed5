/** `anteroom provision …` as an office and a gateway run it: from keys to a gateway that is accepted, and its end. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { SIGNER_SEED_BYTES, SigningKey, secretText } from '../../src/crypto/signer.ts';
import { policyBundle } from './provision-sample.ts';

const program = fileURLToPath(new URL('../../src/cli/anteroom.ts', import.meta.url));

interface Outcome {
  /** Or the signal that ended it. */
  readonly code: number | string | null | undefined;
  readonly out: string;
  readonly error: string;
}

const runIn =
  (folder: string) =>
  (args: readonly string[], input = ''): Promise<Outcome> =>
    new Promise((resolve) => {
      const child = execFile(process.execPath, [program, ...args], { cwd: folder }, (failure, out, error) =>
        resolve({ code: failure ? (failure.code ?? failure.signal) : 0, out, error }),
      );
      child.stdin?.end(input);
    });

// Some fifteen starts of the command, one after the other. A test has no longer than its file has.
const TIMEOUT_MS = 540_000;
t.setTimeout(TIMEOUT_MS);

void t.test('the whole way', { timeout: TIMEOUT_MS }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'anteroom-provision-cli-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const run = runIn(folder);
  const at = (...names: string[]): string => join(folder, ...names);
  for (const name of ['stick', 'signers', 'state', 'sys/class/tpm/tpm0'])
    mkdirSync(at(name), { recursive: true });
  const seed = randomBytes(SIGNER_SEED_BYTES);
  writeFileSync(at('office.key'), `${secretText(seed)}\n`, { mode: 0o600 });
  const office = new SigningKey(seed);
  for (const name of ['office.pub', 'signers/office.pub']) writeFileSync(at(name), `${office.signer.text}\n`);
  writeFileSync(at('1.bundle'), policyBundle(office));

  const create = [
    ...'provision create --site riverside --policy 1.bundle --policy-key office.pub --key office.key'.split(
      ' ',
    ),
    ...'--registry registry.json --enclave 10.20.0.1/24 --ntp 192.0.2.1 --endpoint gw.example:51820'.split(
      ' ',
    ),
    '--name',
    'Riverside Clinic',
    '--contact',
    'Office, +1 555 0100',
    '--out',
    'stick',
  ];
  const made = await run(create);
  t.match(made, { code: 0, error: '', out: /One-time code: [0-9A-Z]{5}-[0-9A-Z]{5}/ });
  const code = /One-time code: (\S+)/.exec(made.out)?.[1] ?? '';
  t.equal(statSync(at('registry.json')).mode & 0o777, 0o600);
  t.notMatch(readFileSync(at('registry.json'), 'utf8'), code, 'the code is nowhere');
  t.match(await run(['provision', 'inspect', 'stick']), {
    code: 0,
    out: /Riverside Clinic[^]*Nothing of it was verified/,
  });

  const box = ['--state-dir', at('state'), '--run-dir', at('run')];
  const apply = [
    'provision',
    'apply',
    'stick',
    ...box,
    '--signers',
    'signers',
    '--sys',
    'sys',
    '--clock',
    'trusted',
  ];
  t.match(await run(['provision', 'refuse', 'E02', '--detail', 'not FAT', ...box]), { code: 65, out: /E02/ });
  t.match(await run(['provision', 'status', ...box]), { code: 0, out: /\[red\] +Stick verified +E02/ });
  t.match(await run(apply), { code: 65, out: /^E13/ });
  t.match(await run([...apply, '--code-stdin'], `${code}\n`), { code: 0, out: /^OK2[^]*Riverside Clinic/ });
  t.match(await run([...apply, '--json']), { code: 0, out: /"OK4"/ });

  const status = await run(['provision', 'status', ...box, '--json']);
  t.match(JSON.parse(status.out), {
    facts: { phase: 'enrolled', site: { id: 'riverside' }, accepted: false },
  });
  t.match(await run(['provision', 'handover', '--out', 'sheet.html', ...box]), { code: 0 });
  t.match(readFileSync(at('sheet.html'), 'utf8'), /anteroom:gateway\/riverside/);

  const receipt = readdirSync(at('stick/anteroom')).find((name) => name.startsWith('receipt-')) ?? '';
  const accept = [
    'provision',
    'accept',
    `stick/anteroom/${receipt}`,
    '--registry',
    'registry.json',
    '--key',
    'office.key',
    '--out',
    'stick',
  ];
  t.match(await run(accept), {
    code: 0,
    out: /accepted[^]*\[Peer\]\nPublicKey = [^]*Endpoint = gw.example:51820/,
  });
  t.match(await run(accept), { code: 65, error: /accepted before/ });
  t.match(await run(apply), { code: 0, out: /^OK3/ });
  t.match(JSON.parse((await run(['provision', 'status', ...box, '--json'])).out), {
    facts: { accepted: true },
  });
  const order =
    'provision order decommission --site riverside --registry registry.json --key office.key --out end.order'.split(
      ' ',
    );
  t.match(await run([...order, '--reason', 'sold']), { code: 0 });
  const end = [
    'provision',
    'decommission',
    '--order',
    'end.order',
    '--out',
    'end.receipt',
    '--signers',
    'signers',
    ...box,
  ];
  t.match(await run(['provision', 'decommission', ...box]), { code: 77, error: /signed order/ });
  t.match(await run(end), { code: 0, out: /^OK5/ });
  t.match(await run(['provision', 'accept', 'end.receipt', '--registry', 'registry.json']), {
    code: 0,
    out: /decommission/,
  });
});

void t.test('a stick as an image file, made without being asked only where there was nothing', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'anteroom-provision-image-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const seed = randomBytes(SIGNER_SEED_BYTES);
  const office = new SigningKey(seed);
  writeFileSync(join(folder, 'office.key'), `${secretText(seed)}\n`, { mode: 0o600 });
  writeFileSync(join(folder, 'office.pub'), `${office.signer.text}\n`);
  writeFileSync(join(folder, '1.bundle'), policyBundle(office));
  const create =
    'provision create --site riverside --policy 1.bundle --policy-key office.pub --key office.key --registry registry.json --enclave 10.20.0.1/24 --contact Office'.split(
      ' ',
    );
  const run = runIn(folder);
  t.match(await run([...create, '--force-file', 'stick.img']), { code: 0, out: /^stick.img: for riverside/ });
  const listed = execFileSync('mdir', ['-i', `${join(folder, 'stick.img')}@@1M`, '-/', '-b', '::'], {
    encoding: 'utf8',
  });
  t.match(listed, /anteroom\/enrolment\n/);
  const before = statSync(join(folder, 'stick.img')).mtimeMs;
  t.match(await run([...create, '--force-file', 'stick.img']), { code: 65, error: /add --yes/ });
  t.equal(statSync(join(folder, 'stick.img')).mtimeMs, before, 'it is left as it is');
  t.match(await run([...create, '--force-file', 'stick.img', '--yes']), { code: 0 });
  t.match(await run(create), { code: 65, error: /say where/ });
  t.match(await run([...create, '--out', '/dev/null', '--yes']), { code: 65, error: /neither a folder/ });
  t.match(await run([...create, '--out', 'nowhere']), { code: 65, error: /no such device/ });
  const { sticks } = JSON.parse(readFileSync(join(folder, 'registry.json'), 'utf8')) as { sticks: unknown[] };
  t.equal(sticks.length, 2, 'what was refused is not in the registry');
});
