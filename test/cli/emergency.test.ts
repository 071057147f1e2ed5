/** `anteroom emergency enrol` and `order`, which need no gateway: what they write is what a gateway takes. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { emergencyText } from '../../src/cli/emergency.ts';
import { checkCredential, readCredential } from '../../src/crypto/offline-credential.ts';
import { SIGNER_SEED_BYTES, SigningKey, secretText } from '../../src/crypto/signer.ts';
import { checkOrder } from '../../src/policy/order.ts';
import { siteData } from '../../src/wire/site-data.ts';
import { epochMillis } from '../../src/wire/units.ts';

const cli = new URL('../../src/cli/anteroom.ts', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'emergency-cli-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const run = (args: readonly string[], input = ''): { status: number | null; out: string; err: string } => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'emergency', ...args], {
    input,
    encoding: 'utf8',
  });
  return { status, out: stdout, err: stderr };
};

void t.test('enrol: hashes for the site, codes for the officer, no secret in a file', async (t) => {
  const out = join(folder, 'chief.json');
  const made = run(['enrol', 'chief', '--out', out, '--codes', '2'], 'correct horse battery\n');
  t.equal(made.status, 0, made.err);
  const [, , code = ''] = made.out.split('\n').map((line) => line.trim());
  const text = readFileSync(out, 'utf8');
  t.equal(statSync(out).mode & 0o777, 0o600);
  t.notMatch(text, /correct horse/);
  t.notOk(text.includes(code));
  const [officer] = siteData.parse({ emergency: { officers: [JSON.parse(text)] } }).emergency.officers;
  const kept = readCredential(officer?.credential ?? '');
  t.same(await checkCredential(kept, { passphrase: 'correct horse battery', code }, () => false), {
    kind: 'valid',
    code: 1,
  });
  t.equal(run(['enrol', 'chief', '--out', out], 'short\n').status, 77);
  t.equal(run(['enrol', 'chief', '--out', out], '').status, 77);
});

void t.test('order: signed, for the sites named, for a while', (t) => {
  const seed = randomBytes(SIGNER_SEED_BYTES);
  const keyFile = join(folder, 'signer.key');
  writeFileSync(keyFile, `${secretText(seed)}\n`, { mode: 0o600 });
  const { signer } = SigningKey.fromText(secretText(seed));
  const out = join(folder, 'order');
  const args = [
    'order',
    'emergency.start',
    '--key',
    keyFile,
    '--site',
    'clinic',
    '--officer',
    'chief',
    '--reason',
    'Ransomware',
    '--out',
    out,
  ];
  const made = run([...args, '--hours', '4']);
  t.equal(made.status, 0, made.err);
  const checked = checkOrder(readFileSync(out), [signer], 'clinic', epochMillis(Date.now()));
  t.match(checked, { kind: 'order', order: { order: 'emergency.start', officer: 'chief', hours: 4 } });
  t.equal(run([...args, '--hours', '4000']).status, 77);
  t.end();
});

void t.test('status in words', (t) => {
  const common = { glasses: [], requests: [], reviews: [], exceptions: [], attestations: [] };
  t.equal(
    emergencyText({ ...common, now: 0, offline: { state: 'standalone', usedMs: 0 } }),
    'No emergency.\nCoordinator: standalone.\n',
  );
  t.match(
    emergencyText({ ...common, now: 0, offline: { state: 'grace', usedMs: 7_200_000, leftMs: 79_200_000 } }),
    /grace, last heard of 2 h ago, 22 h left/,
  );
  t.end();
});
