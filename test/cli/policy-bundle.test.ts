/** `anteroom policy keygen|sign|cosign|inspect|verify`, as somebody runs them. */
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';

const run = promisify(execFile);
const program = fileURLToPath(new URL('../../src/cli/anteroom.ts', import.meta.url));

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

async function policy(folder: string, ...args: string[]): Promise<Outcome> {
  try {
    const { stdout, stderr } = await run(process.execPath, [program, 'policy', ...args], { cwd: folder });
    return { code: 0, out: stdout, error: stderr };
  } catch (failure) {
    const { code, stdout, stderr } = failure as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, error: stderr };
  }
}

void t.test('from a new signer to a verified bundle', { timeout: 120_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'anteroom-sign-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const at = (name: string): string => join(folder, name);
  const text =
    '@id("imaging") @reason("Imaging.")\npermit (principal in Role::"radiologist", action == Action::"view", resource);\n';
  writeFileSync(at('clinic.cedar'), text);

  const made = await policy(folder, 'keygen', 'officer');
  t.match(made, { code: 0, error: '' });
  t.equal(statSync(at('officer.key')).mode & 0o777, 0o600, 'the secret is its owner’s alone');
  const secret = readFileSync(at('officer.key'), 'utf8').trim().split(':')[1] ?? '';
  t.notMatch(made.out, secret.slice(0, 20), 'and isn’t printed');
  t.match(await policy(folder, 'keygen', 'officer'), { code: 65, error: /EEXIST/ }, 'nor overwritten');
  await policy(folder, 'keygen', 'second');

  const common = ['sign', 'clinic.cedar', '--audience', 'clinic', '--key', 'officer.key'];
  const signed = await policy(folder, ...common, '--revision', '7', '--output', '7.bundle');
  t.match(signed, { code: 0, error: '' });
  t.match(await policy(folder, 'inspect', '7.bundle'), {
    code: 0,
    out: /revision +7\n[^]*Nothing of it was verified/,
  });
  t.equal((await policy(folder, 'inspect', '7.bundle', '--policies')).out, text);
  const pinned = ['--key', 'officer.pub'];
  t.match(await policy(folder, 'verify', '7.bundle', ...pinned, '--audience', 'clinic'), {
    code: 0,
    out: /every vector/,
  });
  t.match(await policy(folder, 'verify', '7.bundle', ...pinned, '--audience', 'other'), {
    code: 65,
    error: /other sites/,
  });
  t.match(await policy(folder, 'verify', '7.bundle', '--key', 'second.pub'), {
    code: 65,
    error: /No signer/,
  });

  const bytes = readFileSync(at('7.bundle'));
  bytes[bytes.length - 9] = (bytes[bytes.length - 9] ?? 0) ^ 1;
  writeFileSync(at('touched.bundle'), bytes);
  t.match(await policy(folder, 'verify', 'touched.bundle', ...pinned), { code: 65, error: /signature/ });

  const rotation = [...common, '--revision', '8', '--rotate', 'second.pub', '--output', 'half.bundle'];
  t.match(await policy(folder, ...rotation), { code: 0 });
  t.match(await policy(folder, 'verify', 'half.bundle', ...pinned), { code: 65, error: /did not sign it/ });
  t.match(await policy(folder, 'cosign', 'half.bundle', '--key', 'second.key', '--output', '8.bundle'), {
    code: 0,
  });
  t.match(await policy(folder, 'verify', '8.bundle', ...pinned), { code: 0, out: /signers then/ });

  chmodSync(at('officer.key'), 0o640);
  const open = await policy(folder, ...common, '--revision', '9', '--output', '9.bundle');
  t.match(open, { code: 65, error: /owner's alone/ }, 'a secret that others may read');
  t.match(await policy(folder, ...common, '--revision', '0', '--output', 'x'), { code: 64 });
  writeFileSync(at('clinic.cedar'), 'permit (principal, action');
  chmodSync(at('officer.key'), 0o600);
  t.match(
    await policy(folder, ...common, '--revision', '9', '--output', '9.bundle'),
    { code: 78 },
    'no policy',
  );
});
