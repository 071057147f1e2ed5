/** The machine's clocks, as the rooms want them handed in. The monotonic one counts suspended time too where Node's does. */
import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { epochMillis, millis, monotonicMillis } from '../wire/units.ts';
import type { Clock, Millis } from '../wire/units.ts';

export const systemClock: Clock = {
  now: () => epochMillis(Date.now()),
  monotonic: () => monotonicMillis(performance.now()),
};

/**
 * How long the machine has been on, suspended time included (CLOCK_BOOTTIME, by way of /proc/uptime), and the kernel's
 * name for this boot, random(4). Nobody can set either.
 */
export function bootClock(): { readonly boot: string; readonly uptime: () => Millis } {
  return {
    boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    uptime: () => millis(uptime() * 1000),
  };
}
