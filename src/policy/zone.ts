/**
 * Local times of an IANA time zone, both ways. Offsets come from the runtime's own zone data (Intl, CLDR/tzdata).
 *
 * Where a local time isn't one instant, RFC 5545 section 3.3.5 decides: one that occurs twice (clocks set back) is
 * the first; one that doesn't occur (clocks set forward) is read with the offset before the gap, so it is as much
 * later on the clock as the gap is wide.
 */
import { epochMillis } from '../wire/units.ts';
import type { EpochMillis } from '../wire/units.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;

export interface LocalDate {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  readonly day: number;
}

/** A reading of a wall clock with its calendar. */
export interface LocalMoment extends LocalDate {
  /** Minute of the day, 0 to 1439. */
  readonly minute: number;
  /** 1 (Monday) to 7. */
  readonly weekday: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
      era: 'short',
    });
    formats.set(zone, format);
  }
  return format;
}

/** A name that the runtime's zone data knows. Offsets ("+01:00") and abbreviations with no daylight saving aren't. */
export function isZone(zone: string): boolean {
  if (!/^(UTC|[A-Z][A-Za-z_-]+(\/[A-Za-z0-9_+-]+)+)$/.test(zone)) return false;
  try {
    formatOf(zone);
    return true;
  } catch {
    return false;
  }
}

/** The wall clock's reading, as if it were UTC, ms. */
function wall(instant: number, zone: string): number {
  const parts: Record<string, number> = {};
  for (const { type, value } of formatOf(zone).formatToParts(instant)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** How far the zone's clock is ahead of UTC, ms. */
export function offsetAt(instant: number, zone: string): number {
  return wall(instant, zone) - Math.floor(instant / 1000) * 1000;
}

/** Date arithmetic without a zone. */
export function addDays({ year, month, day }: LocalDate, days: number): LocalDate {
  const moved = new Date(Date.UTC(year, month - 1, day) + days * DAY);
  return { year: moved.getUTCFullYear(), month: moved.getUTCMonth() + 1, day: moved.getUTCDate() };
}

export const weekdayOf = ({ year, month, day }: LocalDate): number =>
  new Date(Date.UTC(year, month - 1, day)).getUTCDay() || 7;

export function localOf(instant: EpochMillis, zone: string): LocalMoment {
  const read = new Date(wall(instant, zone));
  const date = { year: read.getUTCFullYear(), month: read.getUTCMonth() + 1, day: read.getUTCDate() };
  return { ...date, minute: read.getUTCHours() * 60 + read.getUTCMinutes(), weekday: weekdayOf(date) };
}

/** The instant of a local time, RFC 5545 section 3.3.5. `minute` may lie beyond the day. */
export function instantOf(date: LocalDate, minute: number, zone: string): EpochMillis {
  const local = Date.UTC(date.year, date.month - 1, date.day) + minute * MINUTE;
  // No zone changes its clock twice within two days: these are the offsets before and after any change.
  const before = offsetAt(local - DAY, zone);
  const later = offsetAt(local + DAY, zone);
  const early = local - before;
  if (offsetAt(early, zone) === before) return epochMillis(early);
  const late = local - later;
  if (offsetAt(late, zone) === later) return epochMillis(late);
  // In the gap: the offset before it.
  return epochMillis(early);
}
