/**
 * Hostile and broken sticks, many of each: refused, and the state byte for byte as it was. And that a refusal through
 * the command is in the tray of the audit log, once, with nothing of the stick in it.
 */
import { execFile, execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { deviceCodeOf, openDeviceKey, placesOf } from '../../src/cli/provision-memory.ts';
import { imageAt, writeMedium } from '../../src/cli/provision-medium.ts';
import { mayAttempt, mayTellLimit } from '../../src/cli/provision-facts.ts';
import { readTray } from '../../src/platform/refusal-tray.ts';
import { clinic, newKey, treeDigest } from './provision-sample.ts';
import type { Clinic } from './provision-sample.ts';

// A test has no longer than its file has.
const TIMEOUT_MS = 240_000;
t.setTimeout(TIMEOUT_MS);

const program = fileURLToPath(new URL('../../src/cli/anteroom.ts', import.meta.url));

/** The clinic's own gateway, a stick for it, and a copy of that stick to spoil. */
async function spoiling(c: Clinic): Promise<{ good: string; copy: (name: string) => string }> {
  const device = deviceCodeOf(openDeviceKey(placesOf(c.state())));
  const { root } = await c.stick({ device });
  return {
    good: root,
    copy: (name) => {
      const to = join(c.folder, name);
      rmSync(to, { recursive: true, force: true });
      cpSync(root, to, { recursive: true });
      return to;
    },
  };
}

void t.test('cut at every 64th byte', async (t) => {
  const c = clinic(t);
  const { good, copy } = await spoiling(c);
  const before = treeDigest(c.state());
  const codes = new Set<string>();
  let cuts = 0;
  for (const name of ['enrolment', 'enrolment.sealed']) {
    const { size } = statSync(join(good, 'anteroom', name));
    for (let length = 0; length < size; length += 64) {
      const cut = copy('cut');
      truncateSync(join(cut, 'anteroom', name), length);
      codes.add((await c.apply([cut])).code);
      if (treeDigest(c.state()) !== before) t.fail(`${name} cut at ${length} changed something`);
      cuts++;
    }
  }
  t.ok(cuts > 40, `${cuts} cuts`);
  t.same(
    [...codes].filter((code) => code !== 'E02' && code !== 'E03'),
    [],
  );
  t.equal(treeDigest(c.state()), before);
});

void t.test('shapes that no stick of ours has', async (t) => {
  const c = clinic(t);
  const { good, copy } = await spoiling(c);
  const before = treeDigest(c.state());
  const refused = async (what: string, code: string, root: string): Promise<void> => {
    t.equal((await c.apply([root])).code, code, what);
    t.equal(treeDigest(c.state()), before, `${what}: nothing changed`);
  };
  const many = copy('many');
  for (let i = 0; i < 10_000; i++) writeFileSync(join(many, `f${i}`), '');
  await refused('10,000 files beside it', 'E02', many);
  for (const name of ['enrolment', 'enrolment.sealed', `credential-${'0'.repeat(32)}`]) {
    const huge = copy('huge');
    if (!existsSync(join(huge, 'anteroom', name))) writeFileSync(join(huge, 'anteroom', name), '');
    truncateSync(join(huge, 'anteroom', name), 4 * 2 ** 30 - 1);
    await refused(`${name} of 4 GiB`, 'E02', huge);
  }
  const deep = join(c.folder, 'deep');
  const path = join(deep, 'anteroom', ...Array.from({ length: 400 }, () => 'enrolment'));
  mkdirSync(path, { recursive: true });
  await refused('folders 400 deep where the head should be', 'E02', deep);
  const fifo = copy('fifo');
  rmSync(join(fifo, 'anteroom/enrolment'));
  execFileSync('mkfifo', [join(fifo, 'anteroom/enrolment')]);
  await refused('a pipe that nobody writes to', 'E02', fifo);
  t.match(await c.apply([good]), { code: 'OK2' }, 'and the right one is still taken');
});

void t.test('a stick pulled out while the office writes it', { timeout: TIMEOUT_MS }, async (t) => {
  const c = clinic(t);
  const { good } = await spoiling(c);
  const before = treeDigest(c.state());
  const bin = join(c.folder, 'bin');
  const image = join(c.folder, 'stick.img');
  mkdirSync(bin);
  const count = join(c.folder, 'count');
  // The file of that number is half there when the tool dies.
  const pullOutAt = (n: number): void => {
    rmSync(count, { force: true });
    const script = `#!/bin/bash
echo x >>${count}
[ "$(wc -l <${count})" -lt ${n} ] && exec /usr/bin/mcopy "$@"
head -c $(($(stat -c %s "$3") / 2)) "$3" >${count}.half
/usr/bin/mcopy "$1" "$2" ${count}.half "$4"
kill -9 $$
`;
    writeFileSync(join(bin, 'mcopy'), script, { mode: 0o755 });
  };
  const path = process.env['PATH'];
  t.teardown(() => {
    process.env['PATH'] = path;
  });
  process.env['PATH'] = `${bin}:${path}`;
  const codes: string[] = [];
  for (let at = 1; at <= 4; at++) {
    pullOutAt(at);
    t.throws(
      () => writeMedium(imageAt(image), good),
      { code: 'PROVISION_INVALID', detail: /^mcopy: / },
      `file ${at}`,
    );
    const back = join(c.folder, `back-${at}`);
    mkdirSync(back);
    execFileSync('/usr/bin/mcopy', ['-s', '-n', '-i', `${image}@@1M`, '::/', back]);
    const { code } = await c.apply([back]);
    codes.push(code);
    t.equal(treeDigest(c.state()), before, `pulled out at file ${at}: nothing changed`);
  }
  t.same(codes, ['E01', 'E01', 'E01', 'E02'], 'no head is no enrolment; half a head is unreadable');
});

interface Said {
  readonly code: number | string | null | undefined;
  readonly out: string;
  readonly error: string;
}

void t.test('a refusal through the command waits for the audit log', { timeout: TIMEOUT_MS }, async (t) => {
  const c = clinic(t);
  const state = c.state();
  const at = (...names: string[]): string => join(c.folder, ...names);
  mkdirSync(at('sys/class/tpm/tpm0'), { recursive: true });
  mkdirSync(at('signers'));
  mkdirSync(at('empty'));
  writeFileSync(at('signers/office.pub'), `${c.office.signer.text}\n`);
  const run = (...args: string[]): Promise<Said> =>
    new Promise((resolve) => {
      execFile(process.execPath, [program, ...args], { cwd: c.folder }, (failure, out, error) =>
        resolve({ code: failure ? (failure.code ?? failure.signal) : 0, out, error }),
      );
    });
  const box = ['--state-dir', state, '--run-dir', at('run')];
  const apply = (root: string): Promise<Said> =>
    run('provision', 'apply', root, ...box, '--signers', 'signers', '--sys', 'sys', '--clock', 'trusted');
  const { root: strange } = await c.stick({}, newKey());
  const tray = join(state, 'audit/refused');
  const heard = (): unknown[] => readTray(state).map(({ record }) => record);

  t.match(await run('provision', 'refuse', 'E02', '--detail', 'not FAT: ntfs', ...box), { code: 65 });
  const before = treeDigest(state, tray);
  t.match(await apply('empty'), { code: 65, error: '', out: /^E01/ });
  t.match(await apply(strange), { code: 65, error: '', out: /^E04/ });
  t.match(await apply(strange), { code: 65, out: /^E04/ });
  t.equal(treeDigest(state, tray), before, 'nothing changed but the tray');
  t.match(heard(), [
    { code: 'E02', count: 1, digest: undefined },
    { code: 'E01', count: 1 },
    { code: 'E04', count: 1, digest: /^[0-9a-f]{64}$/ },
    { code: 'E04', count: 1 },
  ]);
  const said = readdirSync(tray)
    .map((name) => readFileSync(join(tray, name), 'utf8'))
    .join('');
  t.notMatch(said, /Riverside|ntfs|signer/i, 'nothing of the stick, nor of the file system');

  // What may be looked at within a minute is used up by now; the clock of this test is the machine's.
  const now = Date.now();
  while (mayAttempt(at('run'), now)) t.pass('one more attempt of this minute');
  const refusals = readTray(state).length;
  t.match(await apply(strange), { code: 65, out: /^E18/ });
  t.match(await run('provision', 'refuse', 'E02', ...box), { code: 65, out: /^E02/ });
  t.match(readTray(state).at(-1), { record: { code: 'E18' } });
  t.equal(readTray(state).length, refusals + 1, 'that there were too many is said once a minute');
  t.same(
    [0, 1, 59_999, 60_000].map((ms) => mayTellLimit(at('other'), now + ms)),
    [true, false, false, true],
  );
  rmSync(tray, { recursive: true });
  writeFileSync(tray, '');
  rmSync(at('run'), { recursive: true });
  t.match(await apply('empty'), { code: 65, out: /^E01/, error: /E01 could not be recorded: / });
});
