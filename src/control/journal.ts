/**
 * Control's own audit events on their way to the audit process: kept in order, sent in batches, one batch under
 * way at a time, kept until acknowledged. Decisions never wait for it.
 *
 * A batch whose acknowledgement got lost is sent again, so an event may stand twice in the log; it never stands
 * nowhere. When the log stays away, the oldest events give way past MAX_WAITING and are counted.
 *
 * What must not be lost with the process either (break-glass, emergency, what reviews say) is made durable in the
 * emergency journal at once, and leaves it when the log has everything.
 */
import { auditEvent } from '../wire/audit-event.ts';
import type { AuditBody, AuditEvent, AuditKind } from '../wire/audit-event.ts';
import { isFault } from '../wire/errors.ts';
import type { Clock } from '../wire/units.ts';
import type { AuditPort, EmergencyPort, Log } from './ports.ts';

const BATCH = 256;
export const MAX_WAITING = 4096;
/** Kinds that the emergency journal keeps too. */
const LOUD: ReadonlySet<AuditKind> = new Set<AuditKind>([
  'breakGlass.opened',
  'breakGlass.refused',
  'breakGlass.ended',
  'emergency.started',
  'emergency.ended',
  'emergency.refused',
  'review.opened',
  'review.closed',
]);

export class Journal {
  readonly #audit: AuditPort;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #emergency: EmergencyPort | undefined;
  #waiting: AuditEvent[] = [];
  #sending: Promise<void> | undefined;
  #dropped = 0;

  constructor(audit: AuditPort, clock: Clock, log: Log, emergency?: EmergencyPort) {
    this.#audit = audit;
    this.#clock = clock;
    this.#log = log;
    this.#emergency = emergency;
    const left = (emergency?.left ?? []).flatMap((record) => auditEvent.safeParse(record).data ?? []);
    if (left.length === 0) return;
    const body = { process: 'control', records: left.length } as const;
    this.#waiting.push({ kind: 'journal.replayed', at: clock.now(), origin: 'control', body }, ...left);
  }

  /** Events in the emergency journal. */
  get kept(): number {
    return this.#emergency?.held ?? 0;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Events that were given up. */
  get dropped(): number {
    return this.#dropped;
  }

  write<K extends AuditKind>(kind: K, body: AuditBody<K>): void {
    const event = { kind, at: this.#clock.now(), origin: 'control', body } as AuditEvent;
    if (LOUD.has(kind)) this.#emergency?.append(event);
    this.#waiting.push(event);
    if (this.#waiting.length > MAX_WAITING) {
      this.#waiting.shift();
      this.#dropped++;
    }
  }

  /** Send what waits; resolves when that has succeeded or failed. Call it again later: what failed still waits. */
  flush(): Promise<void> {
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined;
    });
    return this.#sending;
  }

  async #send(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, BATCH);
      try {
        await this.#audit.append(batch);
      } catch (error) {
        if (isFault(error) && error.retry) return;
        // The log will never take this batch: trying again would hold up everything behind it.
        this.#log.error({ err: error, kinds: batch.map((e) => e.kind) }, 'audit events were refused');
        this.#dropped += batch.length;
      }
      const sent = new Set(batch);
      this.#waiting = this.#waiting.filter((event) => !sent.has(event));
    }
    this.#emergency?.clear();
  }
}
