/**
 * Run decision tables against a policy set: each case is put to the engine itself, the one that decides on a gateway,
 * and what differs from what the table expects is told in words.
 */
import { sessionId } from '../wire/ids.ts';
import { decide } from './decide.ts';
import { evaluateBreakGlass } from './evaluate.ts';
import type { Evaluation } from './evaluate.ts';
import type { PolicySet } from './policy-set.ts';
import { isFact, readInstant, requestOf } from './table-facts.ts';
import { readTable } from './table-file.ts';
import type { Expected, Problem, TableCase, TableFile } from './table-file.ts';

/** What a case's answer should have been, and was. */
export interface Difference {
  readonly what: string;
  readonly expected: string;
  readonly found: string;
}

export interface CaseOutcome {
  readonly name: string;
  readonly line: number;
  readonly differences: readonly Difference[];
  /** `action: reason` for what isn't permitted: the way to the mistake. */
  readonly why: readonly string[];
}

export interface TableOutcome {
  readonly outcomes: readonly CaseOutcome[];
  /** Facts that can't be read; such a case isn't run. */
  readonly problems: readonly Problem[];
  /** Ids of the policies that decided something in some case. */
  readonly used: ReadonlySet<string>;
}

const session = sessionId.parse(`s-${'0'.repeat(32)}`);
/** Clocks of permits that have none of their own, as a gateway has them where it is told nothing. */
const LIMITS = { idle: 900_000, session: 43_200_000 };

/** `administer: No policy permits it.`, one for each action and reason, sorted. */
export const reasonsOf = ({ denials }: Pick<Evaluation, 'denials'>): string[] =>
  denials.flatMap((each) => each.actions.map((action) => `${action}: ${each.reason}`)).sort();

const words = (list: readonly string[]): string => (list.length > 0 ? list.join(', ') : 'nothing');
const clock = (ms: number): string => (ms % 3_600_000 === 0 ? `${ms / 3_600_000}h` : `${ms / 60_000}m`);
const local = (at: number): string => new Date(at).toISOString().slice(0, 16).replace('T', ' ');

/** Parse a table file: `readTable` with the facts a request has. */
export const parseTable = (text: string): ReturnType<typeof readTable> => readTable(text, isFact);

function differencesOf(expected: Expected, decided: ReturnType<typeof decide>, now: number): Difference[] {
  const { decision, evaluation } = decided;
  const found: Difference[] = [];
  const same = (what: string, wanted: readonly string[] | undefined, have: readonly string[]): void => {
    if (wanted && wanted.join('\0') !== have.join('\0'))
      found.push({ what, expected: words(wanted), found: words(have) });
  };
  const within = (what: string, wanted: readonly string[] | undefined, have: readonly string[]): void => {
    for (const part of wanted ?? [])
      if (!have.some((text) => text.includes(part)))
        found.push({ what, expected: part, found: have.length > 0 ? have.join('; ') : 'nothing' });
  };
  same('may', expected.may, evaluation.permitted);
  same('rules', expected.rules, evaluation.rules);
  same('refused by', expected.refusedBy, evaluation.refusedBy);
  within('because', expected.because, reasonsOf(evaluation));
  same('advice', expected.advice, [...new Set(evaluation.obligations.map((each) => each.kind))]);
  within(
    'says',
    expected.says,
    evaluation.obligations.map((each) => each.text),
  );
  const grant = decision.decision === 'permit' ? decision.grant : undefined;
  const times = (what: string, wanted: string | undefined, have: string | undefined): void => {
    if (wanted !== undefined && wanted !== have)
      found.push({ what, expected: wanted, found: have ?? 'no session' });
  };
  const { session, idle, until } = expected;
  times('session', session === undefined ? session : clock(session), grant && clock(grant.limits.end - now));
  times('idle', idle === undefined ? idle : clock(idle), grant && clock(grant.limits.idle));
  if (until) {
    const instant = until.text === 'end' ? grant?.limits.end : readInstant(until.text);
    times('until', instant === undefined ? until.text : local(instant), grant && local(grant.expiresAt));
  }
  if (expected.rung) same('rung', [expected.rung], [evaluation.rung]);
  if (expected.code)
    same('refused with', [expected.code], decision.decision === 'deny' ? [decision.refusal.code] : []);
  if (evaluation.failures.length > 0)
    found.push({ what: 'evaluation', expected: 'no failure', found: evaluation.failures.join('; ') });
  return found;
}

/** One case, or what is wrong with its facts. */
export function runCase(
  set: PolicySet,
  each: TableCase,
  used: Set<string>,
): CaseOutcome | readonly Problem[] {
  const asked = requestOf(each.facts);
  if ('length' in asked) return asked;
  const decided = decide(set, asked.request, session, asked.now, LIMITS);
  const { evaluation } = decided;
  const differences = differencesOf(each.expected, decided, asked.now);
  const glass = evaluateBreakGlass(set, asked.request);
  for (const id of glass.rules) used.add(id);
  if (each.expected.glass !== undefined && each.expected.glass !== glass.allowed) {
    const found = `${glass.allowed ? 'yes' : 'no'}: ${glass.reasons.join(' ')}`;
    differences.push({ what: 'may break the glass', expected: each.expected.glass ? 'yes' : 'no', found });
  }
  for (const id of [...evaluation.rules, ...evaluation.refusedBy, ...evaluation.obligedBy]) used.add(id);
  return {
    name: each.name,
    line: each.line,
    differences,
    why: reasonsOf(evaluation),
  };
}

export function runTable(set: PolicySet, table: TableFile): TableOutcome {
  const outcomes: CaseOutcome[] = [];
  const problems: Problem[] = [];
  const used = new Set<string>();
  for (const each of table.cases) {
    const outcome = runCase(set, each, used);
    if ('length' in outcome) problems.push(...outcome);
    else outcomes.push(outcome);
  }
  return { outcomes, problems, used };
}
