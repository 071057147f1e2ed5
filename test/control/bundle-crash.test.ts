/**
 * kill -9 while bundles are activated: what is there afterwards is the old one or the new one, whole, and what was
 * said to be in force is never taken back. At every step by itself, and many times from outside.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { SealedFile } from '../../src/store/sealed-file.ts';
import { signed } from '../policy/sample-bundle.ts';
import { clock, openGateway, steps } from './activator.ts';
import type { Step } from './activator.ts';

const program = fileURLToPath(new URL('./activator.ts', import.meta.url));
/** ANTEROOM_KILLS: how many from outside. */
const KILLS = Number(process.env['ANTEROOM_KILLS'] ?? 8);
/** What of tap is used below. */
type Checks = Pick<typeof t, 'same' | 'equal'>;

/** Let it run from `first` on until `enough`, then kill it; the highest revision that it said is in force. */
async function killed(
  folder: string,
  first: number,
  step: Step,
  /** After which line it is killed, and how many ms later. */
  enough: (line: string) => number | undefined,
): Promise<number> {
  const child = spawn(process.execPath, [program, folder, String(first), step], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const over = once(child, 'exit');
  let said = first - 1;
  for await (const line of createInterface(child.stdout)) {
    said = Number(line);
    const later = enough(line);
    if (later !== undefined) setTimeout(() => child.kill('SIGKILL'), later);
  }
  const [, signal] = (await over) as [number | null, string | null];
  t.equal(signal, 'SIGKILL');
  return said;
}

/** What is in force after it, after a look at whether its parts belong together. */
function found(t: Checks, folder: string): { active: number; highest: number } {
  const { policy, close } = openGateway(folder);
  const { active, highest = 0, faults } = policy.status();
  const n = active?.revision ?? 0;
  t.same(faults, []);
  t.equal(policy.set?.policies.get('imaging')?.reason, `Imaging ${n}.`, 'policies of it');
  t.equal(policy.directory?.users[0]?.name, `Ada ${n}`, 'directory of it');
  t.equal(policy.install(readFileSync(join(folder, 'older')), clock.now(), 'a test').kind, 'refused');
  close();
  return { active: n, highest };
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'anteroom-activation-'));
  try {
    writeFileSync(join(folder, 'older'), signed({ revision: 1 }));
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const step of steps.filter((each) => each !== 'none'))
  void t.test(`killed by itself: ${step}`, (t) =>
    inFolder(async (folder) => {
      const said = await killed(folder, 10, step, () => undefined);
      t.equal(said, 10, 'the second one never was said to be in force');
      const { active, highest } = found(t, folder);
      const committed = step === 'after-commit' || step === 'after-settle';
      t.equal(active, committed ? 11 : 10);
      t.equal(highest, step === 'before-intent' ? 10 : 11, 'what was sealed counts as seen');
    }),
  );

void t.test(`killed ${KILLS} times at any moment`, { timeout: 180_000 }, (t) =>
  inFolder(async (folder) => {
    let next = 10;
    for (let i = 0; i < KILLS; i++) {
      let left = 1 + (i % 4);
      const said = await killed(folder, next, 'none', () => (--left === 0 ? (i * 7) % 20 : undefined));
      const { active, highest } = found(t, folder);
      t.ok(active === said || active === said + 1, `said ${said}, found ${active}`);
      t.ok(highest >= active && highest <= active + 1);
      next = highest + 1;
    }
  }),
);

void t.test('the sealed file: whole or as before, and damage is seen', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'anteroom-seal-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'deep', 'seal');
  const seal = new SealedFile(file);
  t.same(seal.read(), { kind: 'missing' });
  seal.write('first');
  seal.write('second');
  t.same(seal.read(), { kind: 'text', text: 'second' });
  writeFileSync(`${file}.new`, 'anteroom-seal 1 half a wr');
  t.same(seal.read(), { kind: 'text', text: 'second' }, 'what a crash left beside it is nothing');
  const whole = readFileSync(file);
  for (let at = 0; at < whole.length; at++) {
    const touched = Buffer.from(whole);
    touched[at] = (touched[at] ?? 0) ^ 1;
    writeFileSync(file, touched);
    t.equal(seal.read().kind, 'damaged');
  }
  writeFileSync(file, Buffer.alloc(300_000));
  t.equal(seal.read().kind, 'damaged');
  const nowhere = new SealedFile(join(file, 'below', 'a', 'file'));
  t.throws(() => nowhere.write('x'), { code: 'SEAL_UNAVAILABLE' });
  t.end();
});
