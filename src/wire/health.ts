/** One item of the health list: what it is about, how bad, and what to do. Page, CLI and audit read the same list. */
import * as z from 'zod';
import { anyText, integer } from './scalar.ts';

export const healthItem = z.strictObject({
  /** Stable name, `room.thing`: `tunnel.link`, `audit.disk`, `sensor.drops`. */
  item: anyText,
  level: z.enum(['ok', 'warning', 'critical']),
  /** What holds, and when it isn't `ok` what still works and what to do. */
  text: anyText,
  since: integer,
});
export type HealthItem = z.infer<typeof healthItem>;

/** The health list alone, with how much goes on: what the console's screen asks the status page for. */
export const healthSummary = z.strictObject({
  health: z.array(healthItem),
  /** Live ones. */
  sessions: integer,
  /** Devices that were seen. */
  devices: integer,
});
export type HealthSummary = z.infer<typeof healthSummary>;
