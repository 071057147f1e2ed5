/**
 * Offline grace: how long this gateway has been without its coordinator, and what that means.
 *
 *   standalone  no coordinator is configured: nothing runs out
 *   online      heard of within ONLINE_FOR
 *   grace       decides with what it has: sessions go on, new ones of enrolled peers and known users too;
 *               new enrolments wait
 *   expired     new sessions need an authentication made since, or a local path, as policy says; break-glass always
 *               works, and what is open goes on to its own end
 *
 * It runs by the machine's own time, so that a changed clock neither extends nor ends it.
 */
import { hours, millis, minutes } from '../wire/units.ts';
import type { Millis } from '../wire/units.ts';
import type { Level } from './health.ts';
import type { MachineTime } from './machine-time.ts';
import type { StateStore } from './state-store.ts';

/** How long a contact counts as being online. */
export const ONLINE_FOR = minutes(5);
/** Less than this left is critical. */
const NEAR_END = hours(4);
const MARK = 'coordinator-contact';

export type GraceState = 'standalone' | 'online' | 'grace' | 'expired';

export interface GraceStatus {
  readonly state: GraceState;
  /** Since the last contact. */
  readonly used: Millis;
  /** Until the state changes by itself; absent where it doesn't. */
  readonly left?: Millis;
}

export interface GraceOptions {
  readonly time: MachineTime;
  readonly store: Pick<StateStore, 'mark' | 'saveMarks'>;
  /** A coordinator is configured. */
  readonly coordinated: boolean;
  /** How long it lasts, by the site's data. */
  readonly length: () => Millis;
}

export class Grace {
  readonly #options: GraceOptions;
  /** Machine time of the last contact; of the first start where there was none. */
  #contact: number;
  #told: GraceState;

  constructor(options: GraceOptions) {
    this.#options = options;
    const { time, store } = options;
    const kept = Number(store.mark(MARK) ?? NaN);
    // A contact in the future is of another time line: a store that was put back.
    if (kept >= 0 && kept <= time.now) this.#contact = kept;
    else {
      this.#contact = time.now;
      store.saveMarks({ [MARK]: String(Math.round(this.#contact)) });
    }
    this.#told = this.status.state;
  }

  /** The coordinator was heard of: by a signed order or a new valid bundle. */
  contact(): void {
    const { time, store } = this.#options;
    this.#contact = time.now;
    store.saveMarks({ [MARK]: String(Math.round(this.#contact)) });
  }

  get status(): GraceStatus {
    const { time, coordinated, length } = this.#options;
    const used = millis(Math.max(0, time.now - this.#contact));
    if (!coordinated) return { state: 'standalone', used };
    const whole = length();
    if (used < Math.min(ONLINE_FOR, whole)) return { state: 'online', used, left: millis(ONLINE_FOR - used) };
    if (used < whole) return { state: 'grace', used, left: millis(whole - used) };
    return { state: 'expired', used };
  }

  /** The new status where its state is another than it last was here. */
  changed(): GraceStatus | undefined {
    const { status } = this;
    if (status.state === this.#told) return undefined;
    this.#told = status.state;
    return status;
  }
}

const span = (ms: number): string =>
  ms >= 2 * 3_600_000 ? `${Math.floor(ms / 3_600_000)} h` : `${Math.ceil(ms / 60_000)} min`;

/** For the health list: which state holds, and for how long. */
export function graceFinding({ state, used, left }: GraceStatus): {
  readonly level: Level;
  readonly text: string;
} {
  switch (state) {
    case 'standalone':
      return { level: 'ok', text: 'standalone: no coordinator configured' };
    case 'online':
      return { level: 'ok', text: 'The coordinator was heard of within five minutes.' };
    case 'grace':
      return {
        level: (left ?? 0) < NEAR_END ? 'critical' : 'warning',
        text: `Without the coordinator for ${span(used)}: sessions go on, new ones are decided by the policy at hand, new enrolments wait. ${span(left ?? 0)} of grace left.`,
      };
    case 'expired':
      return {
        level: 'critical',
        text: `Without the coordinator for ${span(used)}, and the grace is over: open sessions go on; new ones need a new authentication or a local path, as policy says. Break-glass works. Restore the connection, or load a newer bundle.`,
      };
  }
}
