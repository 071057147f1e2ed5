/**
 * Why an answer is what it is, and which single facts it hangs on. Each claim is the engine's own answer to the
 * request with that one fact changed; where no single fact would permit an action, pairs are tried.
 */
import { actions } from '../wire/action.ts';
import type { Action } from '../wire/action.ts';
import type { Obligation } from '../wire/grant.ts';
import { evaluate } from './evaluate.ts';
import type { Evaluation } from './evaluate.ts';
import { examine } from './examine.ts';
import type { PolicySet } from './policy-set.ts';
import type { AccessRequest } from './request.ts';
import { Mentions, variations } from './variations.ts';
import type { Variation } from './variations.ts';

export interface Because {
  readonly actions: readonly Action[];
  readonly rules: readonly string[];
  readonly reason: string;
}

/** What the answer would be with facts changed. */
export interface Effect {
  readonly changes: readonly { readonly fact: string; readonly value: string }[];
  readonly gains: readonly Action[];
  readonly loses: readonly Action[];
  readonly asks: readonly Obligation['kind'][];
  readonly asksNoMore: readonly Obligation['kind'][];
}

export interface Explanation {
  readonly permitted: readonly Because[];
  readonly refused: readonly Because[];
  readonly obligations: readonly Obligation[];
  readonly failures: readonly string[];
  /** Single facts; those with the same effect and fact together, in the order they were tried. */
  readonly effects: readonly Effect[];
  /** Two facts together, for actions that no single one would permit. */
  readonly pairs: readonly Effect[];
}

const MAX_PAIRS = 6;
const DAY_MINUTES = 1440;

const kindsOf = ({ obligations }: Evaluation): ReadonlySet<Obligation['kind']> =>
  new Set(obligations.map(({ kind }) => kind));
const less = <T>(all: Iterable<T>, without: ReadonlySet<T>): T[] =>
  [...all].filter((each) => !without.has(each));

function compare(before: Evaluation, after: Evaluation): Omit<Effect, 'changes'> {
  const [had, has] = [new Set(before.permitted), new Set(after.permitted)];
  const [asked, asks] = [kindsOf(before), kindsOf(after)];
  // A refusal asks for nothing: that isn't news.
  const both = had.size > 0 && has.size > 0;
  return {
    gains: less(has, had),
    loses: less(had, has),
    asks: both ? less(asks, asked) : [],
    asksNoMore: both ? less(asked, asks) : [],
  };
}

const isNothing = ({ gains, loses, asks, asksNoMore }: Omit<Effect, 'changes'>): boolean =>
  gains.length + loses.length + asks.length + asksNoMore.length === 0;
const keyOf = ({ gains, loses, asks, asksNoMore }: Omit<Effect, 'changes'>): string =>
  JSON.stringify([gains, loses, asks, asksNoMore]);

const clock = (minute: number): string =>
  `${String(Math.floor(minute / 60) % 24).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;

/** Parts of the day with another answer. */
function hours(set: PolicySet, request: AccessRequest, before: Evaluation): Effect[] {
  const { times } = set;
  if (times.kind === 'never') return [];
  const marks = times.kind === 'marks' ? [...times.minutes] : Array.from({ length: 48 }, (_, i) => i * 30);
  const spans: { from: number; effect: Omit<Effect, 'changes'> }[] = [];
  for (const minute of marks) {
    const effect = compare(before, evaluate(set, { ...request, time: { ...request.time, minute } }));
    const last = spans.at(-1);
    if (!last || keyOf(last.effect) !== keyOf(effect)) spans.push({ from: minute, effect });
  }
  // Round midnight the last part goes on into the first.
  const ends = spans.map((_, i) => spans[i + 1]?.from ?? DAY_MINUTES);
  const first = spans[0];
  const last = spans.at(-1);
  if (first && last && spans.length > 1 && keyOf(first.effect) === keyOf(last.effect)) {
    ends[spans.length - 1] = ends[0] ?? 0;
    spans.shift();
    ends.shift();
  }
  return spans.flatMap(({ from, effect }, i): Effect[] =>
    isNothing(effect)
      ? []
      : [{ changes: [{ fact: 'the hour', value: `${clock(from)} to ${clock(ends[i] ?? 0)}` }], ...effect }],
  );
}

/** Effects of one fact that are the same, as one with all its values. */
function merged(effects: readonly Effect[]): Effect[] {
  const byKey = new Map<string, Effect>();
  for (const effect of effects) {
    const [change] = effect.changes;
    const key = `${change?.fact}\0${keyOf(effect)}`;
    const known = byKey.get(key);
    const [already] = known?.changes ?? [];
    if (known && change && already)
      byKey.set(key, {
        ...known,
        changes: [{ fact: change.fact, value: `${already.value} or ${change.value}` }],
      });
    else byKey.set(key, effect);
  }
  return [...byKey.values()];
}

function together(
  set: PolicySet,
  request: AccessRequest,
  before: Evaluation,
  tried: readonly Variation[],
  wanted: ReadonlySet<Action>,
): Effect[] {
  const found: Effect[] = [];
  const missing = new Set(wanted);
  for (const [i, one] of tried.entries())
    for (const two of tried.slice(i + 1)) {
      if (missing.size === 0 || found.length === MAX_PAIRS) return found;
      if (one.fact === two.fact) continue;
      const effect = compare(before, evaluate(set, two.apply(one.apply(request))));
      const gained = effect.gains.filter((action) => missing.has(action));
      if (gained.length === 0) continue;
      for (const action of gained) missing.delete(action);
      found.push({ changes: [one, two].map(({ fact, value }) => ({ fact, value })), ...effect });
    }
  return found;
}

/** What the policies of a set name; for many requests to one set it is read once. */
export const mentionsOf = (set: PolicySet): Mentions =>
  new Mentions([...examine(set.text).parts.values()].map(({ json }) => json));

export function explain(set: PolicySet, request: AccessRequest, mentions = mentionsOf(set)): Explanation {
  const answer = evaluate(set, request);
  const permitted = new Map<string, Action[]>();
  for (const [action, rules] of answer.permits)
    for (const rule of rules) permitted.set(rule, [...(permitted.get(rule) ?? []), action]);

  const tried = variations(request, mentions);
  const single: Effect[] = [];
  for (const { fact, value, apply } of tried) {
    const effect = compare(answer, evaluate(set, apply(request)));
    if (!isNothing(effect)) single.push({ changes: [{ fact, value }], ...effect });
  }
  const effects = [...merged(single), ...hours(set, request, answer)];
  const gained = new Set(effects.flatMap(({ gains }) => gains));
  const wanted = new Set(actions.filter((action) => !answer.permits.has(action) && !gained.has(action)));
  return {
    permitted: [...permitted].map(([rule, of]) => ({
      actions: of,
      rules: [rule],
      reason: set.policies.get(rule)?.reason ?? rule,
    })),
    refused: answer.denials,
    obligations: answer.obligations,
    failures: answer.failures,
    effects,
    pairs: together(set, request, answer, tried, wanted),
  };
}
