/**
 * The order of system calls, seen by strace: between the last write to the write-ahead log and the acknowledgement there
 * is a sync of that file, for every acknowledgement. What `kill -9` can't show, since the kernel survives it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const appender = fileURLToPath(new URL('../audit/appender.ts', import.meta.url));

void t.test('written, synced, acknowledged', async (t) => {
  const folder = t.testdir();
  const trace = join(folder, 'trace');
  const file = join(folder, 'state', 'audit.db');
  const child = spawn(
    'strace',
    [
      '-f',
      '-y',
      '-s',
      '24',
      '-e',
      'trace=pwrite64,write,fsync,fdatasync',
      '-o',
      trace,
      process.execPath,
      appender,
      file,
      '60',
      '4',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  await once(child, 'close');
  t.equal(child.exitCode, 0);

  // A call during which another thread makes one is told of in two lines: an acknowledgement counts from the first.
  const begun = new Map<string, string>();
  let unsynced = false;
  let acknowledgements = 0;
  let syncs = 0;
  let folderSynced = false;
  for (const told of readFileSync(trace, 'utf8').split('\n')) {
    const [thread = ''] = told.split(' ');
    if (told.includes(' <unfinished ...>')) begun.set(thread, told.replace(/ <unfinished \.\.\.>$/, ''));
    const line = told.replace(/^\d+ +<\.\.\. \w+ resumed>/, () => begun.get(thread) ?? '');
    const resumed = line !== told;
    if (/(pwrite64|write)\(\d+<[^>]*audit\.db-wal>/.test(line)) unsynced = true;
    if (/f(data)?sync\(\d+<[^>]*audit\.db-wal>\)\s+= 0/.test(line)) {
      unsynced = false;
      syncs++;
    }
    if (/fsync\(\d+<[^>]*\/state>\)\s+= 0/.test(line)) folderSynced = true;
    if (!resumed && /write\(1<[^>]*>, "\d+ \d+\\n"/.test(line)) {
      acknowledgements++;
      if (unsynced) t.fail(`acknowledged before the sync: ${line}`);
    }
  }
  t.equal(acknowledgements, 60);
  t.ok(syncs >= 15, `${syncs} syncs for 60 appends, 4 at a time`);
  t.ok(syncs < 60, 'appends that wait together share one');
  t.ok(folderSynced, 'a new store is synced into its folder');
});
