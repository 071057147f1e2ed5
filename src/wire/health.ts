/** One item of the health list: what it is about, how bad, and what to do. Page, CLI and audit read the same list. */
import * as z from 'zod';

export const healthItem = z.strictObject({
  /** Stable name, `room.thing`: `tunnel.link`, `audit.disk`, `sensor.drops`. */
  item: z.string(),
  level: z.enum(['ok', 'warning', 'critical']),
  /** What holds, and when it isn't `ok` what still works and what to do. */
  text: z.string(),
  since: z.number().int(),
});
export type HealthItem = z.infer<typeof healthItem>;

/** The health list alone, with how much goes on: what the console's screen asks the status page for. */
export const healthSummary = z.strictObject({
  health: z.array(healthItem),
  /** Live ones. */
  sessions: z.number().int(),
  /** Devices that were seen. */
  devices: z.number().int(),
});
export type HealthSummary = z.infer<typeof healthSummary>;
