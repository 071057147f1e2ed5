/**
 * Whether a calendar is on at an instant, and when that changes: RFC 5545 section 3.3.10 (recurrence rules) as far as
 * `recurrence` of the site's data goes. Weeks begin on Monday (WKST=MO). A day that a month doesn't have is left out,
 * as section 3.3.10 says.
 *
 * Occurrences start by the wall clock and last for time that passes: a window of four hours lasts four hours, also
 * in the night when the clock changes. Where the start's local time occurs twice or not at all, `zone.ts` says which
 * instant it is.
 *
 * Surprise: it looks ahead for so many days and no farther; past them it names the horizon as the next change, and
 * whoever asks again then is told more. Answers are kept until they change, so that asking costs nothing in a
 * decision; a clock that was set back asks anew.
 */
import type { Recurrence } from '../wire/site-data.ts';
import { epochMillis } from '../wire/units.ts';
import type { EpochMillis } from '../wire/units.ts';
import { addDays, instantOf, localOf, weekdayOf } from './zone.ts';
import type { LocalDate } from './zone.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;
/** How far it looks ahead. */
export const HORIZON_DAYS = 400;

export interface Calendar {
  readonly on: boolean;
  /** The earliest instant at which `on` may be another; absent where it never is. */
  readonly changesAt?: EpochMillis;
}

interface Rule {
  readonly recurrence: Recurrence;
  readonly zone: string;
  readonly first: LocalDate;
  readonly minute: number;
  readonly until: number;
  readonly except: ReadonlySet<number>;
}

/** Days since 1970-01-01. */
const dayNumber = ({ year, month, day }: LocalDate): number => Date.UTC(year, month - 1, day) / DAY;

function dateOf(text: string): LocalDate {
  const [year = 0, month = 1, day = 1] = text.split('-').map(Number);
  return { year, month, day };
}

function ruleOf(recurrence: Recurrence, siteZone: string): Rule {
  const [date = '', time = ''] = recurrence.start.split('T');
  const [hour = 0, minute = 0] = time.split(':').map(Number);
  return {
    recurrence,
    zone: recurrence.zone ?? siteZone,
    first: dateOf(date),
    minute: hour * 60 + minute,
    until: recurrence.until === undefined ? Infinity : dayNumber(dateOf(recurrence.until)),
    except: new Set(recurrence.except.map((text) => dayNumber(dateOf(text)))),
  };
}

/** Does an occurrence start on `date`? */
function startsOn({ recurrence, first, until, except }: Rule, date: LocalDate): boolean {
  const day = dayNumber(date);
  const since = day - dayNumber(first);
  if (since < 0 || day > until || except.has(day)) return false;
  const { every, interval, weekdays, week } = recurrence;
  switch (every) {
    case undefined:
      return since === 0;
    case 'day':
      return since % interval === 0 && (weekdays.length === 0 || weekdays.includes(weekdayOf(date)));
    case 'week': {
      const weeks = (since + weekdayOf(first) - weekdayOf(date)) / 7;
      const days = weekdays.length === 0 ? [weekdayOf(first)] : weekdays;
      return weeks % interval === 0 && days.includes(weekdayOf(date));
    }
    case 'month': {
      const months = (date.year - first.year) * 12 + date.month - first.month;
      if (months % interval !== 0) return false;
      if (weekdays.length === 0) return date.day === first.day;
      if (!weekdays.includes(weekdayOf(date))) return false;
      if (week === undefined) return true;
      if (week === -1) return addDays(date, 7).month !== date.month;
      return Math.ceil(date.day / 7) === week;
    }
  }
}

function read(rule: Rule, now: EpochMillis): Calendar {
  const { recurrence, zone, minute, first, until } = rule;
  const lasts = recurrence.minutes * MINUTE;
  const today = localOf(now, zone);
  // Two days more than it lasts: the clock may change, and the zone may be far from UTC.
  const back = Math.ceil(lasts / DAY) + 2;
  let end = -Infinity;
  for (let days = -back; days <= HORIZON_DAYS; days++) {
    const date = addDays(today, days);
    if (dayNumber(date) > until) break;
    if (!startsOn(rule, date)) continue;
    const start = instantOf(date, minute, zone);
    if (start > now) {
      if (end > now) break;
      return { on: false, changesAt: start };
    }
    end = Math.max(end, start + lasts);
  }
  if (end > now) return { on: true, changesAt: epochMillis(end) };
  const last = recurrence.every === undefined ? dayNumber(first) : until;
  const over = last <= dayNumber(today) + HORIZON_DAYS;
  return over ? { on: false } : { on: false, changesAt: epochMillis(now + HORIZON_DAYS * DAY) };
}

interface Kept {
  readonly zone: string;
  readonly rule: Rule;
  readonly asked: EpochMillis;
  readonly answer: Calendar;
}
const kept = new WeakMap<Recurrence, Kept>();

/** One recurrence at `now`; `siteZone` counts where it has no zone of its own. */
export function occurs(recurrence: Recurrence, siteZone: string, now: EpochMillis): Calendar {
  const before = kept.get(recurrence);
  if (before?.zone === siteZone && now >= before.asked && now < (before.answer.changesAt ?? Infinity))
    return before.answer;
  const rule = before?.zone === siteZone ? before.rule : ruleOf(recurrence, siteZone);
  const answer = read(rule, now);
  kept.set(recurrence, { zone: siteZone, rule, asked: now, answer });
  return answer;
}

/** Several recurrences: on when one is. */
export function calendar(recurrences: readonly Recurrence[], siteZone: string, now: EpochMillis): Calendar {
  let on = false;
  let off = Infinity;
  let next = -Infinity;
  for (const recurrence of recurrences) {
    const each = occurs(recurrence, siteZone, now);
    if (each.on) {
      on = true;
      next = Math.max(next, each.changesAt ?? Infinity);
    } else off = Math.min(off, each.changesAt ?? Infinity);
  }
  const changesAt = on ? next : off;
  return Number.isFinite(changesAt) ? { on, changesAt: epochMillis(changesAt) } : { on };
}
