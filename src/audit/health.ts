/**
 * What the audit process says of itself on the health list: whether the log takes records, and how much room is
 * left. Control asks for it; a full disk is announced before it is full.
 */
import type { HealthItem } from '../wire/health.ts';
import type { Clock } from '../wire/units.ts';

/** Below this many times the reserve the list warns. */
const WARN_RESERVES = 8;

export interface AuditCondition {
  /** Why the log takes no records, when it doesn't. */
  readonly refusing: string | undefined;
  /** Bytes free on the file system of the store; undefined when nobody can tell. */
  readonly freeBytes: number | undefined;
  readonly reserveBytes: number;
  readonly size: number;
}

type Said = Pick<HealthItem, 'level' | 'text'>;

const mebibytes = (bytes: number): string => `${(bytes / 1048576).toFixed(1)} MiB`;

function logOf({ refusing, size }: AuditCondition): Said {
  if (refusing === undefined) return { level: 'ok', text: `The log takes records; it has ${size}.` };
  return { level: 'critical', text: `New sessions are refused, open ones go on: ${refusing}` };
}

function diskOf({ freeBytes, reserveBytes }: AuditCondition): Said {
  if (freeBytes === undefined) return { level: 'warning', text: 'The free space of the store is not known.' };
  const free = mebibytes(freeBytes);
  const reserve = mebibytes(reserveBytes);
  if (freeBytes < reserveBytes)
    return { level: 'critical', text: `${free} free, ${reserve} are kept back: make room for the log.` };
  if (freeBytes < WARN_RESERVES * reserveBytes)
    return { level: 'warning', text: `${free} free; below ${reserve} new sessions are refused. Make room.` };
  return { level: 'ok', text: `${free} free.` };
}

export class AuditHealth {
  readonly #clock: Clock;
  readonly #before = new Map<string, HealthItem>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  list(condition: AuditCondition): HealthItem[] {
    return [this.#item('audit.log', logOf(condition)), this.#item('audit.disk', diskOf(condition))];
  }

  #item(item: string, { level, text }: Said): HealthItem {
    const before = this.#before.get(item);
    const since = before?.level === level ? before.since : this.#clock.now();
    const now: HealthItem = { item, level, text, since };
    this.#before.set(item, now);
    return now;
  }
}
