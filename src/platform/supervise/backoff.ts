/**
 * How long to wait before an ended process is started again: 100 ms, doubled at each end up to 5 s, and 100 ms
 * again after a process that held for a while. The same figures as RestartSec, RestartSteps and
 * RestartMaxDelaySec of the systemd units.
 */
import { millis, seconds } from '../../wire/units.ts';
import type { Millis } from '../../wire/units.ts';

const FIRST = millis(100);
const MOST = seconds(5);
/** A process that ran this long had no trouble starting. */
const HELD = seconds(10);

export class Backoff {
  #next: Millis = FIRST;

  /** The wait after a process that ran for `ran`. */
  after(ran: Millis): Millis {
    if (ran >= HELD) this.#next = FIRST;
    const wait = this.#next;
    this.#next = millis(Math.min(MOST, this.#next * 2));
    return wait;
  }
}
