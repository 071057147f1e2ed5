/**
 * Waiting for a condition, never for a time. The patience is no measurement: a machine may stand still for many seconds
 * (a disk that is slow to flush, a neighbour that takes the processor), so what must be quick is asserted apart.
 */
import { setTimeout as pause } from 'node:timers/promises';

const PATIENCE_MS = 60_000;
const POLL_MS = 20;

/** Wait until `condition` gives something other than undefined or false; an error naming `what` after the patience. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  patienceMs = PATIENCE_MS,
): Promise<Exclude<T, false | undefined>> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const value = await condition();
    if (value !== false && value !== undefined) return value as Exclude<T, false | undefined>;
    if (performance.now() > end) throw new Error(`${what}: not within ${patienceMs} ms`);
    await pause(POLL_MS);
  }
}
