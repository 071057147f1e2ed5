/** The machine's clocks, as the rooms want them handed in. The monotonic one counts suspended time too where Node's does. */
import { epochMillis, monotonicMillis } from '../wire/units.ts';
import type { Clock } from '../wire/units.ts';

export const systemClock: Clock = {
  now: () => epochMillis(Date.now()),
  monotonic: () => monotonicMillis(performance.now()),
};
