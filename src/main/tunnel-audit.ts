/**
 * The tunnel's way to the audit log. Traffic never waits for a record: events queue here, bounded, and are
 * appended in order when the log answers, again and again until it does. What finds the queue full is dropped,
 * and counted for the health list.
 *
 * An append whose acknowledgement was lost is sent again: a record may then be there twice, never not at all.
 */
import type { Logger } from '../platform/log.ts';
import type { AuditEvent } from '../wire/audit-event.ts';
import { isFault } from '../wire/errors.ts';

const MAX_WAITING = 4096;
const MAX_BATCH = 256;
const RETRY_MS = 1000;

/** Calls `f` once, later, unless the function it returns is called first. */
export type Later = (f: () => void) => () => void;

const inASecond: Later = (f) => {
  const timer = setTimeout(f, RETRY_MS);
  return () => clearTimeout(timer);
};

export class AuditBacklog {
  readonly #append: (events: AuditEvent[]) => Promise<unknown>;
  readonly #log: Logger;
  readonly #later: Later;
  readonly #waiting: AuditEvent[] = [];
  #running: Promise<void> | undefined;
  #cancelRetry: (() => void) | undefined;
  #closed = false;
  #failing = false;
  dropped = 0;

  constructor(append: (events: AuditEvent[]) => Promise<unknown>, log: Logger, later: Later = inASecond) {
    this.#append = append;
    this.#log = log;
    this.#later = later;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  add(event: AuditEvent): void {
    if (this.#waiting.length >= MAX_WAITING) {
      this.dropped++;
      return;
    }
    this.#waiting.push(event);
    this.#start();
  }

  /** One last try; resolves when it is over, whatever came of it. */
  async close(): Promise<void> {
    this.#stopRetry();
    await this.#running;
    if (this.#waiting.length > 0 && !this.#failing) {
      this.#start();
      await this.#running;
    }
    this.#closed = true;
    this.#stopRetry();
  }

  #stopRetry(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
  }

  #start(): void {
    if (this.#closed || this.#running || this.#cancelRetry) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, MAX_BATCH);
      try {
        await this.#append(batch);
        this.#waiting.splice(0, batch.length);
        this.#failing = false;
      } catch (err) {
        if (isFault(err) && err.blame === 'caller' && !err.retry) {
          this.#waiting.splice(0, batch.length);
          this.dropped += batch.length;
          this.#log.error({ err, events: batch.length }, 'the audit log refused tunnel events');
          continue;
        }
        if (!this.#failing) this.#log.warn({ err }, 'the audit log is away; tunnel events wait');
        this.#failing = true;
        if (!this.#closed)
          this.#cancelRetry = this.#later(() => {
            this.#cancelRetry = undefined;
            this.#start();
          });
        return;
      }
    }
  }
}
