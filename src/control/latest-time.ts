/**
 * The time by which dated things end: exceptions, tickets, the last occurrence of a window. It is the wall clock, but
 * never earlier than it has been: a clock that is set back revives nothing that was over.
 *
 * Where the wall clock is behind it goes on by the machine's own time, so that what is dated still ends. It is kept on
 * disk and holds over restarts, short of what passed since it was written down and while the machine was off.
 *
 * What surprises: a clock that was wrongly set forward and then put right leaves it ahead. Nobody here can tell that from a
 * clock set back, so what is dated stays over, and the health list says so, until a new policy set is put in force: whoever
 * signs one says anew what holds (`settle`).
 */
import { epochMillis, millis, minutes, seconds } from '../wire/units.ts';
import type { Clock, EpochMillis } from '../wire/units.ts';
import type { MachineTime } from './machine-time.ts';
import type { Finding } from './own-health.ts';
import type { StateStore } from './state-store.ts';

/** How often it is written down. */
const SAVE_EVERY = seconds(60);
/** Less is the doing of a time service. */
const DRIFT = minutes(1);
const MARK = 'latest-time';

export interface LatestTimeOptions {
  readonly clock: Clock;
  readonly time: MachineTime;
  readonly store: Pick<StateStore, 'mark' | 'saveMarks'>;
}

export class LatestTime {
  readonly #options: LatestTimeOptions;
  /** The latest time seen, and the machine's own time then. */
  #seen: { readonly wall: number; readonly machine: number };
  #saved = -Infinity;

  constructor(options: LatestTimeOptions) {
    this.#options = options;
    const kept = Number(options.store.mark(MARK) ?? NaN);
    this.#seen = { wall: kept >= 0 ? kept : options.clock.now(), machine: options.time.now };
  }

  get now(): EpochMillis {
    const { clock, time } = this.#options;
    const wall = clock.now();
    const machine = time.now;
    const going = this.#seen.wall + machine - this.#seen.machine;
    if (wall >= going) this.#seen = { wall, machine };
    return epochMillis(Math.max(wall, Math.round(going)));
  }

  /** A policy set of `issued` is in force: the wall clock counts again, but for a time before the set was made. */
  settle(issued: EpochMillis | undefined): void {
    const { clock, time } = this.#options;
    this.#seen = { wall: Math.max(clock.now(), issued ?? 0), machine: time.now };
    this.flush();
  }

  /** Write it down when it is due. */
  tick(): void {
    if (this.#options.time.now - this.#saved >= SAVE_EVERY) this.flush();
  }

  flush(): void {
    this.#options.store.saveMarks({ [MARK]: String(this.now) });
    this.#saved = this.#options.time.now;
  }

  finding(): Finding {
    const behind = millis(this.now - this.#options.clock.now());
    if (behind <= DRIFT) return { level: 'ok', text: 'The clock goes forward.' };
    const hours = behind / 3_600_000;
    const span = hours >= 48 ? `${Math.round(hours / 24)} days` : `${Math.ceil(behind / 60_000)} min`;
    return {
      level: 'critical',
      text: `The clock is ${span} behind the latest time it showed. Exceptions, tickets and windows that were over stay over. Set it right; if it was ahead before, put a new policy set in force.`,
    };
  }
}
