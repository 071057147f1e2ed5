/**
 * A time line that nobody can set: how long this machine has been on, added up over restarts. What has to end by itself
 * ends by it (the grace without a coordinator, a broken glass, an emergency, a lock after wrong credentials), so that
 * a clock set back doesn't prolong it and one set forward doesn't end it.
 *
 *   same boot     the difference of two readings of CLOCK_BOOTTIME, whether or not the process lived in between
 *   another boot  the time since that boot, and SAVE_EVERY for what the last run may not have written down
 *
 * Surprise: the time while the power was off isn't counted. Nobody could tell how long it was without trusting a
 * clock, and a gateway without power lets nobody in. Switching it off and on gains nothing: each time costs SAVE_EVERY.
 * Without a store the line begins anew with the process.
 */
import { millis, seconds } from '../wire/units.ts';
import type { Millis } from '../wire/units.ts';
import type { StateStore } from './state-store.ts';

/** How often it is written down. */
export const SAVE_EVERY = seconds(60);
const MARK = 'machine-time';

/** The machine's own clock: which boot, and how long since then. */
export interface BootClock {
  readonly boot: string;
  readonly uptime: () => Millis;
}

/** `total` ms as of `uptime` of `boot`. */
interface Kept {
  readonly total: number;
  readonly boot: string;
  readonly uptime: number;
}

function read(text: string | undefined): Kept | undefined {
  if (text === undefined) return undefined;
  const [total, uptime, boot = ''] = text.split(' ');
  const kept = { total: Number(total), uptime: Number(uptime), boot };
  return kept.total >= 0 && kept.uptime >= 0 && boot !== '' ? kept : undefined;
}

export class MachineTime {
  readonly #clock: BootClock;
  readonly #store: Pick<StateStore, 'mark' | 'saveMarks'>;
  #total: number;
  #at: number;
  #saved = -Infinity;

  constructor(clock: BootClock, store: Pick<StateStore, 'mark' | 'saveMarks'>) {
    this.#clock = clock;
    this.#store = store;
    const kept = read(store.mark(MARK));
    const now = clock.uptime();
    this.#at = now;
    if (!kept) this.#total = 0;
    else if (kept.boot === clock.boot && now >= kept.uptime) this.#total = kept.total + now - kept.uptime;
    else this.#total = kept.total + now + SAVE_EVERY;
    this.flush();
  }

  get now(): Millis {
    const now = this.#clock.uptime();
    this.#total += Math.max(0, now - this.#at);
    this.#at = now;
    return millis(this.#total);
  }

  /** Until `ends`, never below 0. */
  left(ends: number): Millis {
    return millis(Math.max(0, ends - this.now));
  }

  /** Write it down when it is due. */
  tick(): void {
    if (this.now - this.#saved >= SAVE_EVERY) this.flush();
  }

  flush(): void {
    const total = Math.round(this.now);
    this.#store.saveMarks({ [MARK]: `${total} ${Math.round(this.#at)} ${this.#clock.boot}` });
    this.#saved = total;
  }
}
