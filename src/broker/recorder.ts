/**
 * The way from the sessions to the audit log: one ordered queue for the whole process, one call under way.
 *
 * Two kinds of entry. A *start* waits for its acknowledgement (promise 3 of the design: durable, then dial) and
 * fails with the log's own fault; when the log can't be written every waiting start fails at once, so a user
 * hears the reason instead of a time-out. Everything else is kept and offered again until the log takes it.
 *
 * What surprises: a call that timed out may have been written, so an event can be in the log twice: at least
 * once, never lost. The queue is bounded. Past `CAPACITY` a unit is not taken and its session must end: an
 * unrecorded unit is worse than an interrupted session. An end is always taken: there are no more of them than
 * sessions that were open, and no session opens while the log is down. A refusal past the bound is counted.
 *
 * The exception is break-glass: when the log fails or is slow, its start goes to the emergency journal
 * (`emergency-record.ts`), and counts as durable then.
 */
import type { AuditEvent } from '../wire/audit-event.ts';
import { isFault } from '../wire/errors.ts';
import type { ErrorCode } from '../wire/errors.ts';
import type { EmergencyRecord, EmergencyState } from './emergency-record.ts';
import type { Cancel, Log, Schedule } from './surroundings.ts';

/** Events in one append; the log takes up to 1024. */
const BATCH = 256;
/** Events that wait at most, ends apart. */
const CAPACITY = 8192;
/** How long a start waits for its acknowledgement, ms. */
const START_LIMIT = 5_000;
/** And one of break-glass, before it goes to the emergency journal. */
const GLASS_START_LIMIT = 2_000;
const FIRST_BACKOFF = 100;
const LAST_BACKOFF = 2_000;

/** Writes events and resolves when they are durable; rejects with a Fault. */
export type Append = (events: AuditEvent[]) => Promise<void>;

/** The log's answer to a start. */
export type StartAnswer = { kind: 'durable' } | { kind: 'not-durable'; code: ErrorCode };

export interface RecorderOptions {
  readonly append: Append;
  readonly schedule: Schedule;
  readonly log: Log;
  readonly capacity?: number;
  readonly emergency?: EmergencyRecord;
}

interface Entry {
  readonly event: AuditEvent;
  /** Set for a start that is still waited for. */
  answer?: ((answer: StartAnswer) => void) | undefined;
  cancel?: Cancel;
  dropped?: boolean;
}

/** What the health list says of the way to the log. */
export interface RecorderState {
  /** Why the last append failed, undefined when it didn't. */
  readonly failing: ErrorCode | undefined;
  readonly waiting: number;
  /** Refusals that were not kept because too many waited. */
  readonly uncounted: number;
  /** What the emergency journal holds for the log. */
  readonly emergency?: EmergencyState;
}

export class Recorder {
  readonly #options: RecorderOptions;
  readonly #capacity: number;
  #queue: Entry[] = [];
  #underWay = 0;
  #failing: ErrorCode | undefined;
  #uncounted = 0;
  #backoff = FIRST_BACKOFF;
  #batch = BATCH;
  #retry: Cancel | undefined;
  #idle: (() => void)[] = [];

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#capacity = options.capacity ?? CAPACITY;
  }

  get state(): RecorderState {
    const emergency = this.#options.emergency?.state;
    return {
      failing: this.#failing,
      waiting: this.#queue.length,
      uncounted: this.#uncounted,
      ...(emergency ? { emergency } : {}),
    };
  }

  /** Record a `session.start` and tell `answer`, once, whether it is durable. */
  start(event: AuditEvent, answer: (answer: StartAnswer) => void): void {
    const glass = this.#options.emergency?.isBreakGlass(event) ?? false;
    if (this.#queue.length >= this.#capacity) {
      if (glass && this.#options.emergency?.start(event) === true) {
        this.#queue.push({ event });
        answer({ kind: 'durable' });
        return;
      }
      answer({ kind: 'not-durable', code: this.#failing ?? 'AUDIT_UNAVAILABLE' });
      return;
    }
    const entry: Entry = { event, answer };
    entry.cancel = this.#options.schedule(glass ? GLASS_START_LIMIT : START_LIMIT, () => {
      if (this.#journalled(entry)) return;
      // Under way it may still be written; the session's refusal follows it in the log.
      if (this.#queue.indexOf(entry) >= this.#underWay) entry.dropped = true;
      this.#settle(entry, { kind: 'not-durable', code: 'AUDIT_UNAVAILABLE' });
    });
    this.#queue.push(entry);
    // A start doesn't wait for a back-off: its user is waiting.
    this.#retry?.();
    this.#retry = undefined;
    this.#write();
  }

  /** Keep `event` for the log, in order. False when the queue is full and the event was not taken. */
  add(event: AuditEvent): boolean {
    if (this.#queue.length >= this.#capacity && event.kind !== 'session.end') {
      if (event.kind === 'session.refused') this.#uncounted++;
      if (this.#options.emergency?.keep(event) !== true) return false;
      this.#queue.push({ event });
      return true;
    }
    if (this.#failing !== undefined) this.#options.emergency?.keep(event);
    this.#queue.push({ event });
    if (!this.#retry) this.#write();
    return true;
  }

  /** Resolves when everything that waits now has been acknowledged. */
  async drained(): Promise<void> {
    if (this.#queue.length === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #settle(entry: Entry, answer: StartAnswer): void {
    entry.cancel?.();
    const tell = entry.answer;
    entry.answer = undefined;
    tell?.(answer);
  }

  /** A waiting start of break-glass, made durable in the emergency journal; from then on an event like others. */
  #journalled(entry: Entry): boolean {
    const { emergency } = this.#options;
    if (!entry.answer || !emergency?.isBreakGlass(entry.event) || !emergency.start(entry.event)) return false;
    this.#settle(entry, { kind: 'durable' });
    delete entry.cancel;
    return true;
  }

  #write(): void {
    if (this.#underWay > 0) return;
    if (this.#queue.some((entry) => entry.dropped)) this.#queue = this.#queue.filter((e) => !e.dropped);
    const batch = this.#queue.slice(0, this.#batch);
    if (batch.length === 0) {
      this.#batch = BATCH;
      this.#options.emergency?.settled();
      for (const resolve of this.#idle.splice(0)) resolve();
      return;
    }
    this.#underWay = batch.length;
    this.#options.append(batch.map((entry) => entry.event)).then(
      () => this.#written(batch),
      (error: unknown) => this.#failed(batch, error),
    );
  }

  #written(batch: readonly Entry[]): void {
    this.#queue.splice(0, batch.length);
    this.#underWay = 0;
    this.#failing = undefined;
    this.#backoff = FIRST_BACKOFF;
    for (const entry of batch) this.#settle(entry, { kind: 'durable' });
    this.#write();
  }

  #failed(batch: readonly Entry[], error: unknown): void {
    const said = isFault(error) ? error.code : 'INTERNAL';
    const code = said === 'AUDIT_STORAGE_FULL' ? said : 'AUDIT_UNAVAILABLE';
    if (this.#failing !== code) {
      const fields = { err: error, waiting: this.#queue.length };
      this.#options.log.error(fields, 'the audit log does not take records');
    }
    this.#failing = code;
    for (const entry of this.#queue) this.#journalled(entry);
    const starts = this.#queue.filter((entry) => entry.cancel !== undefined);
    this.#queue = this.#queue.filter((entry) => entry.cancel === undefined);
    this.#underWay = 0;
    // A record that the log will never understand must not hold back all that follow: offered one by one,
    // the culprit is found and left out, loudly.
    if (said === 'IPC_MALFORMED' && batch.length === 1) {
      this.#options.log.error({ err: error, event: batch[0]?.event }, 'a record was not understood');
      this.#queue = this.#queue.filter((entry) => entry !== batch[0]);
    }
    if (said === 'IPC_MALFORMED') this.#batch = 1;
    if (this.#queue.length > 0) {
      this.#retry = this.#options.schedule(this.#backoff, () => {
        this.#retry = undefined;
        this.#write();
      });
      this.#backoff = Math.min(this.#backoff * 2, LAST_BACKOFF);
    }
    for (const entry of starts) this.#settle(entry, { kind: 'not-durable', code });
  }
}
