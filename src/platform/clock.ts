/** The machine's clocks, as the rooms want them handed in. The monotonic one counts suspended time too where Node's does. */
import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { epochMillis, millis, monotonicMillis } from '../wire/units.ts';
import type { Clock, Millis } from '../wire/units.ts';

export const systemClock: Clock = {
  now: () => epochMillis(Date.now()),
  monotonic: () => monotonicMillis(performance.now()),
};

/**
 * How long the machine has been on, suspended time included (CLOCK_BOOTTIME), and a name for this boot, neither of which
 * can be set: the kernel's (random(4)), or where a sandbox hides that one, a random name in `folder`, which has to be
 * emptied by every boot, as /run is.
 */
export function bootClock(folder: string): { readonly boot: string; readonly uptime: () => Millis } {
  return { boot: bootName(folder), uptime: () => millis(uptime() * 1000) };
}

function bootName(folder: string): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // ProcSubset=pid shows processes and nothing else.
  }
  const file = join(folder, 'boot');
  try {
    writeFileSync(file, `${randomUUID()}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  return readFileSync(file, 'utf8').trim();
}
