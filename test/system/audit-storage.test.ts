/**
 * A full disk under the audit store, for real: the audit process on a small tmpfs of its own mount namespace. New
 * records are refused with the reason, nothing acknowledged is lost, and it goes on when there is room.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const inside = fileURLToPath(new URL('../audit/full-disk.ts', import.meta.url));

interface Report {
  readonly [what: string]: unknown;
}

/** Run the other half of this test in a mount namespace that only it sees; its lines are what it found. */
async function fullDisk(mode: 'reserve' | 'no-space'): Promise<Report> {
  const child = spawn('unshare', ['-m', '--propagation', 'private', process.execPath, inside, mode], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let report: Report = {};
  createInterface(child.stdout).on('line', (line) => {
    report = { ...report, ...(JSON.parse(line) as Report) };
  });
  await once(child, 'close');
  return { ...report, exit: child.exitCode };
}

void t.test('mount namespaces work here', (t) => {
  const probe = spawnSync('unshare', ['-m', 'true']);
  t.equal(probe.status, 0, `unshare -m needs root and CAP_SYS_ADMIN: ${String(probe.stderr)}`);
  t.end();
});

for (const [mode, text] of [
  ['reserve', 'less room than the reserve'],
  ['no-space', 'not one byte of room'],
] as const) {
  void t.test(text, async (t) => {
    const report = await fullDisk(mode);
    t.equal(report['exit'], 0);
    t.ok(
      Number(report['acknowledgedBefore']) > 20,
      `${String(report['acknowledgedBefore'])} appends, then full`,
    );
    t.equal(report['refusedWith'], 'AUDIT_STORAGE_FULL');
    t.equal(report['refusedAgainWith'], 'AUDIT_STORAGE_FULL');
    t.equal(report['readWhileFull'], true, 'reads are served meanwhile');
    t.equal(report['appendAfterRoom'], true, 'appends work when there is room, without a restart');
    t.equal(report['afterKill'], true, 'and a kill -9 on the full disk loses nothing');
    t.same(report['lost'], [], 'nothing acknowledged is lost');
    t.equal(report['verified'], true);
  });
}
