/**
 * The health list: control's own items, whether the other processes are there, and the items they report. The page,
 * the command line and the audit log all read this one.
 *
 * A process that is gone takes its items with it: its last word isn't what holds now; `NAME.process` says so instead.
 * A change of level goes to the audit log, for one item at most once a SETTLE, with the level it then has: an
 * item that flaps shows as one change, not as a flood. Nothing is told in the first moments after a start, while
 * the processes find each other.
 */
import type { AuditBody } from '../wire/audit-event.ts';
import type { HealthItem } from '../wire/health.ts';
import { between, seconds } from '../wire/units.ts';
import type { Clock, MonotonicMillis } from '../wire/units.ts';

/** Items a process may report. */
const MAX_REMOTE_ITEMS = 32;
const SETTLE = seconds(10);
const START_QUIET = seconds(5);

export type Level = HealthItem['level'];

/** Control's own items, in the order they are listed. */
export const ownItems = [
  'control.coordinator',
  'control.policy',
  'control.decisions',
  'control.store',
  'control.journal',
  'control.clock',
  'control.data',
  'control.emergency',
  'control.break-glass',
  'control.reviews',
  'control.exceptions',
  'control.findings',
  'control.simulation',
  'control.advisories',
  'tunnel.process',
  'broker.process',
  'audit.process',
  'sensor.process',
] as const;
export type OwnItem = (typeof ownItems)[number];

export type Reporter = 'tunnel' | 'broker' | 'sensor' | 'audit';
type Change = AuditBody<'health.changed'>;

export class HealthList {
  readonly #clock: Clock;
  readonly #began: MonotonicMillis;
  readonly #own = new Map<OwnItem, HealthItem>();
  readonly #remote = new Map<Reporter, readonly HealthItem[]>();
  /** What the audit log was last told, by item, and when. */
  readonly #told = new Map<string, { level: Level; at: MonotonicMillis }>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#began = clock.monotonic();
  }

  set(item: OwnItem, level: Level, text: string): void {
    const before = this.#own.get(item);
    const since = before?.level === level ? before.since : this.#clock.now();
    this.#own.set(item, { item, level, text, since });
  }

  level(item: OwnItem): Level | undefined {
    return this.#own.get(item)?.level;
  }

  /** What `reporter` says of itself; replaces what it said before. Names of another room are not its to use. */
  report(reporter: Reporter, items: readonly HealthItem[]): void {
    const own = items.filter(({ item }) => item.startsWith(`${reporter}.`) && item !== `${reporter}.process`);
    this.#remote.set(reporter, own.slice(0, MAX_REMOTE_ITEMS));
  }

  forget(reporter: Reporter): void {
    this.#remote.delete(reporter);
  }

  list(): HealthItem[] {
    const own = ownItems.flatMap((item) => this.#own.get(item) ?? []);
    return [...own, ...[...this.#remote.values()].flat()];
  }

  /** Changes of level to be audited now. An item that begins as `ok` is no change. */
  changes(): Change[] {
    const now = this.#clock.monotonic();
    const changes: Change[] = [];
    if (between(this.#began, now) < START_QUIET) return changes;
    const listed = this.list();
    for (const { item, level, text } of listed) {
      const told = this.#told.get(item);
      if (level === (told?.level ?? 'ok')) continue;
      if (told && between(told.at, now) < SETTLE) continue;
      this.#told.set(item, { level, at: now });
      changes.push({ item, level, text });
    }
    // Forget names that aren't listed and were last told to be in order, so that the table stays small.
    if (this.#told.size > 4 * MAX_REMOTE_ITEMS) {
      const names = new Set(listed.map(({ item }) => item));
      for (const item of this.#told.keys()) if (!names.has(item)) this.#told.delete(item);
    }
    return changes;
  }
}
