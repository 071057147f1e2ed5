/**
 * One run's own names, so that runs don't meet: a prefix `ar<pid><letter>` for its namespaces and interfaces, a
 * folder `/run/<prefix>` for its files with the owner written in it. What a dead run left is removed when
 * the next one starts, however it died.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { uapiFolder } from '../uapi.ts';

const RUN = '/run';
const NAMESPACES = '/run/netns';
const ours = /^(ar(\d+)[a-z])(?:-|$)/;

export interface Lease {
  readonly prefix: string;
  readonly folder: string;
}

/** Field 22 of /proc/PID/stat: with the pid it names a process for good. Undefined when there is none. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

const list = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);

function alive(prefix: string): boolean {
  const pid = Number(ours.exec(prefix)?.[2]);
  const now = startTime(pid);
  if (now === undefined) return false;
  try {
    return readFileSync(join(RUN, prefix, 'owner'), 'utf8') === now;
  } catch {
    return false;
  }
}

/** Remove everything that carries `prefix`: processes in its namespaces, namespaces, mounts, sockets, files. */
export function removeAll(prefix: string): void {
  for (const name of list(NAMESPACES).filter((entry) => entry.startsWith(`${prefix}-`))) {
    const pids = execFileSync('ip', ['netns', 'pids', name], { encoding: 'utf8' })
      .split('\n')
      .filter(Boolean);
    for (const pid of pids) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
    execFileSync('ip', ['netns', 'del', name]);
  }
  for (const socket of list(uapiFolder).filter((entry) => entry.startsWith(`${prefix}-`)))
    rmSync(join(uapiFolder, socket), { force: true });
  const folder = join(RUN, prefix);
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((point) => point.startsWith(`${folder}/`));
  for (const point of mounts.reverse()) execFileSync('umount', ['--lazy', point]);
  rmSync(folder, { recursive: true, force: true });
  held.delete(prefix);
}

/** Remove what dead runs left behind; their prefixes. */
export function clearStale(): string[] {
  const names = [...list(NAMESPACES), ...list(RUN), ...list(uapiFolder)];
  const prefixes = new Set(names.map((name) => ours.exec(name)?.[1]).filter((p) => p !== undefined));
  const stale = [...prefixes].filter((prefix) => !alive(prefix));
  for (const prefix of stale) removeAll(prefix);
  return stale;
}

let taken = 0;
const held = new Set<string>();

/** The last resort of a run that ends without stopping: synchronous, as the exit event wants it. */
process.on('exit', () => {
  for (const prefix of held) removeAll(prefix);
});

/** Names for a new run of this process. */
export function takeLease(): Lease {
  const prefix = `ar${process.pid}${String.fromCharCode(97 + taken)}`;
  taken += 1;
  const folder = join(RUN, prefix);
  mkdirSync(folder, { mode: 0o755 });
  writeFileSync(join(folder, 'owner'), startTime(process.pid) ?? '');
  held.add(prefix);
  return { prefix, folder };
}
