/**
 * The inner half of `test/system/audit-storage.test.ts`, alone in a mount namespace: fills a tmpfs of 3 MB under the
 * audit process and prints what it found, one JSON object a line.
 */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  rmSync,
  statfsSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { auditSchema } from '../../src/audit/schema.ts';
import { verifyStore } from '../../src/audit/verify.ts';
import { openStore } from '../../src/store/store.ts';
import { isFault } from '../../src/wire/errors.ts';
import { connectAudit, makeSite, startAudit } from '../main/audit-process.ts';
import { sessionStart } from './sample.ts';

const found = (what: Record<string, unknown>): void => void process.stdout.write(`${JSON.stringify(what)}\n`);
const reserve = process.argv[2] === 'reserve';

const disk = mkdtempSync(join(tmpdir(), 'anteroom-disk-'));
const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'none', disk]);
if (mount.status !== 0) throw new Error(`mount: ${String(mount.stderr)}`);
const ballast = join(disk, 'ballast');
/** Take the room that is left, down to the last byte. */
function fill(): void {
  const fd = openSync(ballast, 'w');
  for (let size = 65_536; size >= 1; size = Math.floor(size / 2)) {
    try {
      for (;;) writeSync(fd, Buffer.alloc(size));
    } catch (e) {
      if (!(e instanceof Error && 'code' in e && e.code === 'ENOSPC')) throw e;
    }
  }
  fsyncSync(fd);
  closeSync(fd);
}

const site = makeSite({ stateDir: disk, reserveBytes: reserve ? 512 * 1024 : 0 });
let audit = await startAudit(site);
const client = connectAudit(site);
const acknowledged = new Map<number, number>();
let mark = 0;
const append = async (): Promise<string> => {
  const at = ++mark;
  try {
    const { first } = await client.call('audit.append', { events: [sessionStart(at), sessionStart(at)] });
    acknowledged.set(first, at).set(first + 1, at);
    return 'acknowledged';
  } catch (e) {
    if (isFault(e)) return e.code;
    throw e;
  }
};
const appendUntilRefused = async (limit: number): Promise<string> => {
  for (let i = 0; i < limit; i++) {
    const answers = await Promise.all([append(), append(), append(), append()]);
    const refused = answers.find((answer) => answer !== 'acknowledged');
    if (refused !== undefined) return refused;
  }
  return 'never';
};

// The log itself fills the disk with a reserve; without one, the last bytes are taken by something else as well.
const before = await appendUntilRefused(reserve ? 5000 : 30);
if (!reserve) fill();
const refusedWith = before === 'never' ? await appendUntilRefused(5000) : before;
found({ acknowledgedBefore: acknowledged.size, refusedWith, refusedAgainWith: await append() });
const { bavail, bsize } = statfsSync(disk);
if (reserve && bavail * bsize < 128 * 1024) throw new Error('the reserve was eaten');
const { records } = await client.call('audit.read', { from: 0, limit: 100 });
found({ readWhileFull: records.length > 0 });

// kill -9 while the disk is full; it starts again on the full disk.
if (reserve) fill();
audit.child.kill('SIGKILL');
audit = await startAudit(site);
const onFullDisk = await append();
unlinkSync(ballast);
if (reserve) spawnSync('mount', ['-o', 'remount,size=6m', disk]);
const deadline = performance.now() + 20_000;
let after = await append();
while (after !== 'acknowledged' && performance.now() < deadline) {
  await audit.logged('the log is open');
  after = await append();
}
found({ afterKill: onFullDisk !== 'acknowledged', appendAfterRoom: after === 'acknowledged' });
client.close();
await audit.stop();

const store = openStore({ file: site.store, schema: auditSchema, access: 'read' });
found({ verified: verifyStore(store).fault === undefined });
const rows = store.prepare<[], { seq: number; canonical: string }>('SELECT seq, canonical FROM record').all();
const marks = new Map(rows.map(({ seq, canonical }) => [seq, Number(/"at":(\d+)/.exec(canonical)?.[1])]));
found({ lost: [...acknowledged].filter(([seq, at]) => marks.get(seq) !== at) });
store.close();
site.remove();
spawnSync('umount', [disk]);
rmSync(disk, { recursive: true });
