/**
 * When an answer may change by the clock alone: the minutes of the day that a policy set compares with
 * `context.time.minute`, whether it reads the weekday, and the minutes it compares with `context.authentication.age`.
 * Facts that end by themselves (a ticket, a shift) bring their own instant. Cedar's JSON policy format,
 * https://docs.cedarpolicy.com/policies/json-format.html
 *
 * Over-approximates: a mark where nothing changes costs one more decision. A use that isn't a comparison with a
 * number makes every minute a mark. Marks are at most an hour away, so that a change of the zone's offset
 * (summer time) can't move an answer for longer than that.
 */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { after, minutes } from '../wire/units.ts';
import type { EpochMillis } from '../wire/units.ts';
import type { LocalTime } from './request.ts';

const DAY_MINUTES = 1440;
const FARTHEST_MINUTES = 60;
const MINUTE_MS = 60_000;
const COMPARISONS = ['<', '<=', '>', '>=', '==', '!='];

/** `never`: the clock isn't read. `marks`: sorted minutes of the day. */
export type TimeMarks =
  | { readonly kind: 'never' }
  | { readonly kind: 'every-minute' }
  | { readonly kind: 'marks'; readonly minutes: readonly number[] };

type Node = Readonly<Record<string, unknown>>;
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null;

/** `base.attr` as Cedar writes it, or undefined. */
function access(node: Node): { left: unknown; attr: unknown } | undefined {
  const inner = node['.'];
  return isNode(inner) ? { left: inner['left'], attr: inner['attr'] } : undefined;
}

const isContext = (value: unknown): boolean => isNode(value) && value['Var'] === 'context';

/** `minute` for `context.time.minute`, and so on; `context` attributes other than `time` as `other`. */
function contextPart(value: unknown): 'minute' | 'weekday' | 'time' | 'other' | undefined {
  if (!isNode(value)) return undefined;
  const outer = access(value);
  if (!outer) return undefined;
  if (isContext(outer.left)) return outer.attr === 'time' ? 'time' : 'other';
  if (contextPart(outer.left) !== 'time') return undefined;
  return outer.attr === 'minute' ? 'minute' : 'weekday';
}

const literal = (value: unknown): number | undefined =>
  isNode(value) && typeof value['Value'] === 'number' ? value['Value'] : undefined;

/** How one kind of use of the clock is read. */
interface Use {
  /** The marks of comparing it with a number; undefined where something else is compared. */
  readonly compared: (comparison: string, left: unknown, right: unknown) => readonly number[] | undefined;
  /** Whether `value` tests that a part of the context is there, or reads another part: the clock isn't in it. */
  readonly apart: (value: Node) => boolean;
  /** The marks of a use without a comparison; undefined where `value` is none. */
  readonly alone: (value: Node) => readonly number[] | 'every-minute' | undefined;
}

function marksOf(policies: readonly PolicyJson[], { compared, apart, alone }: Use): TimeMarks {
  const marks = new Set<number>();
  let everyMinute = false;
  const add = (found: readonly number[] | 'every-minute'): void => {
    if (found === 'every-minute') everyMinute = true;
    else for (const mark of found) marks.add(mark);
  };
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) {
      for (const item of value as unknown[]) walk(item);
      return;
    }
    if (!isNode(value)) return;
    for (const comparison of COMPARISONS) {
      const sides = value[comparison];
      const found = isNode(sides) ? compared(comparison, sides['left'], sides['right']) : undefined;
      if (found) return add(found);
    }
    const tested = value['has'];
    if (apart(value) || (isNode(tested) && isContext(tested['left']))) return;
    const found = alone(value);
    if (found) return add(found);
    for (const child of Object.values(value)) walk(child);
  };
  for (const { conditions } of policies) walk(conditions);
  if (everyMinute) return { kind: 'every-minute' };
  if (marks.size === 0) return { kind: 'never' };
  return { kind: 'marks', minutes: [...marks].sort((a, b) => a - b) };
}

/** Minutes of the day at which an answer may change. */
export const timeMarks = (policies: readonly PolicyJson[]): TimeMarks =>
  marksOf(policies, {
    compared: (_comparison, left, right) => {
      const isLeft = contextPart(left) === 'minute';
      const number = isLeft ? literal(right) : literal(left);
      if (number === undefined || !(isLeft || contextPart(right) === 'minute')) return undefined;
      // Any of the six comparisons changes at the number or just after it, and at midnight.
      return [0, number, number + 1].filter((mark) => mark >= 0 && mark < DAY_MINUTES);
    },
    apart: (value) => contextPart(value) === 'other',
    alone: (value) => {
      const part = contextPart(value);
      if (part === 'weekday') return [0];
      return part !== undefined || isContext(value) ? 'every-minute' : undefined;
    },
  });

/** `context.authentication` as a whole. */
function isAuthentication(value: unknown): boolean {
  const read = isNode(value) ? access(value) : undefined;
  return read?.attr === 'authentication' && isContext(read.left);
}

/** `context.authentication.age`. */
function isAge(value: unknown): boolean {
  const read = isNode(value) ? access(value) : undefined;
  return read?.attr === 'age' && isAuthentication(read.left);
}

/** Ages in minutes that policies compare an authentication's with; a use of another kind makes each minute one. */
export const ageMarks = (policies: readonly PolicyJson[]): TimeMarks =>
  marksOf(policies, {
    compared: (comparison, left, right) => {
      const number = isAge(left) ? literal(right) : isAge(right) ? literal(left) : undefined;
      if (number === undefined) return undefined;
      if (comparison === '==' || comparison === '!=') return [number, number + 1];
      // An age only grows: `age < n` and `age >= n` change at n, `<=` and `>` after it; the other way round on the right.
      const at = (isAge(left) ? ['<', '>='] : ['>', '<=']).includes(comparison);
      return [at ? number : number + 1];
    },
    apart: (value) => {
      const read = access(value);
      if (!read) return false;
      return isContext(read.left)
        ? read.attr !== 'authentication'
        : isAuthentication(read.left) && read.attr !== 'age';
    },
    alone: (value) =>
      isAge(value) || isAuthentication(value) || isContext(value) ? 'every-minute' : undefined,
  });

/** The first instant after `now` at which an authentication of `at` has an age that may change an answer. */
export function nextAge(marks: TimeMarks, at: EpochMillis, now: EpochMillis): EpochMillis | undefined {
  if (marks.kind === 'never') return undefined;
  const age = Math.floor((now - at) / MINUTE_MS);
  const next = marks.kind === 'marks' ? marks.minutes.find((mark) => mark > age) : age + 1;
  return next === undefined ? undefined : after(at, minutes(next));
}

/** The first instant after `now` at which an answer may differ, when it can. */
export function nextMark(marks: TimeMarks, now: EpochMillis, local: LocalTime): EpochMillis | undefined {
  if (marks.kind === 'never') return undefined;
  let ahead = 1;
  if (marks.kind === 'marks') {
    const next = marks.minutes.find((m) => m > local.minute) ?? (marks.minutes[0] ?? 0) + DAY_MINUTES;
    ahead = Math.min(next - local.minute, FARTHEST_MINUTES);
  }
  const thisMinute = (now - (now % MINUTE_MS)) as EpochMillis;
  return after(thisMinute, minutes(ahead));
}
