/**
 * What a policy of a gateway has to be besides valid Cedar.
 *
 * A policy is about actions or about obligations, never both: an obligation is an action of its own to Cedar, and a
 * policy that permits everything must not require everything with it, nor one that forbids everything take the
 * recording away. So a scope that names no action is about the actions alone.
 *
 * `@tier` says whether a forbid gives way. A soft one has an exit, an alternative of an `unless` that is exactly
 * `context.emergency` or `context.breakGlass`; a hard one (also one without `@tier`) never reads either.
 *
 * `@session` and `@idle` on a permit of actions are its two clocks; `decide.ts` says how they add up.
 */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { obligation } from '../wire/grant.ts';
import type { Obligation } from '../wire/grant.ts';
import { actionsOf } from './compile.ts';

export type ObligationKind = Obligation['kind'];
export const obligationKinds: readonly ObligationKind[] = obligation.shape.kind.options;

const EXITS = ['emergency', 'breakGlass'];

type Node = Readonly<Record<string, unknown>>;
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null;

/** True for `context.emergency` and `context.breakGlass`. */
function isExit(expression: unknown): boolean {
  if (!isNode(expression)) return false;
  const read = expression['.'];
  if (!isNode(read) || !EXITS.includes(String(read['attr']))) return false;
  return isNode(read['left']) && read['left']['Var'] === 'context';
}

const mentionsExit = (value: unknown): boolean =>
  isExit(value) || (isNode(value) && Object.values(value).some(mentionsExit));

/** One of the alternatives of `expression` is an exit. */
function offersExit(expression: unknown): boolean {
  if (isExit(expression)) return true;
  const or = isNode(expression) ? expression['||'] : undefined;
  return isNode(or) && (offersExit(or['left']) || offersExit(or['right']));
}

/** Whether the policy is about obligations, or about actions, or wrongly about both. */
export function subjectOf(policy: PolicyJson): 'actions' | 'obligations' | 'both' {
  const named = actionsOf(policy);
  if (!named) return 'actions';
  const obliging = named.filter(({ id }) => (obligationKinds as readonly string[]).includes(id)).length;
  if (obliging === 0) return 'actions';
  return obliging === named.length ? 'obligations' : 'both';
}

const CLOCK = /^([1-9][0-9]{0,3})([mh])$/;
const LONGEST_MS = 24 * 3_600_000;

/** Ms of a clock as `@session` and `@idle` give it: "90m", "12h", at most a day. */
export function clockOf(text: string): number | undefined {
  const [, count, unit] = CLOCK.exec(text) ?? [];
  const ms = Number(count) * (unit === 'h' ? 3_600_000 : 60_000);
  return count !== undefined && ms <= LONGEST_MS ? ms : undefined;
}

function clockFinding(policy: PolicyJson, subject: 'actions' | 'obligations'): string | undefined {
  for (const name of ['session', 'idle']) {
    const text = policy.annotations?.[name];
    if (text === undefined) continue;
    if (policy.effect !== 'permit' || subject !== 'actions') return `only a permit of actions has a @${name}`;
    if (clockOf(text) === undefined) return `its @${name} is no time such as "15m" or "12h", at most a day`;
  }
  return undefined;
}

/** What is wrong with it, or undefined. */
export function finding(policy: PolicyJson): string | undefined {
  const subject = subjectOf(policy);
  if (subject === 'both') return 'its scope names actions and obligations together';
  const clock = clockFinding(policy, subject);
  if (clock !== undefined) return clock;
  const tier = policy.annotations?.['tier'];
  if (tier !== undefined && (policy.effect !== 'forbid' || subject !== 'actions'))
    return 'only a forbid of actions has a @tier';
  if (tier !== undefined && tier !== 'soft' && tier !== 'hard')
    return 'its @tier is neither "soft" nor "hard"';
  if (tier === 'soft') {
    const exits = policy.conditions.some(({ kind, body }) => kind === 'unless' && offersExit(body));
    return exits ? undefined : 'soft without an exit: unless { context.emergency } or { context.breakGlass }';
  }
  if (policy.effect === 'forbid' && subject === 'actions' && mentionsExit(policy.conditions))
    return 'gives way to emergency mode or break-glass, so it needs @tier("soft")';
  return undefined;
}
