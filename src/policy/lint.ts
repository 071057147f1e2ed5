/**
 * What a policy of a gateway has to be besides valid Cedar.
 *
 * A policy is about actions or about obligations, never both: an obligation is an action of its own to Cedar, and a
 * policy that permits everything must not require everything with it, nor one that forbids everything take the
 * recording away. So a scope that names no action is about the actions alone. Break-glass is a third subject: a policy
 * that lets someone break the glass names that action and no other.
 *
 * `@tier` says whether a forbid gives way. A soft one has an exit, an alternative of an `unless` that is exactly
 * `context.emergency` or `context.breakGlass`; a hard one (also one without `@tier`) never reads either.
 *
 * `@stepup` on a forbid says which authentication makes it give way; a refusal by it carries that for machines.
 *
 * `@session` and `@idle` on a permit of actions are its two clocks; `decide.ts` says how they add up.
 */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { obligation } from '../wire/grant.ts';
import type { Obligation, StepUp } from '../wire/grant.ts';
import { actionsOf } from './compile.ts';
import { emergencyFinding } from './emergency-exit.ts';

export type ObligationKind = Obligation['kind'];
export const obligationKinds: readonly ObligationKind[] = obligation.shape.kind.options;

/** The action of opening a session by break-glass. */
export const BREAK_GLASS = 'breakGlass';

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

export type PolicySubject = 'actions' | 'obligations' | 'break-glass';

/** What the policy is about, or wrongly about more than one. */
export function subjectOf(policy: PolicyJson): PolicySubject | 'several' {
  const named = actionsOf(policy);
  if (!named || named.length === 0) return 'actions';
  const subjects = new Set<PolicySubject>();
  for (const { id } of named) {
    if (id === BREAK_GLASS) subjects.add('break-glass');
    else subjects.add((obligationKinds as readonly string[]).includes(id) ? 'obligations' : 'actions');
  }
  const [only] = subjects;
  return only !== undefined && subjects.size === 1 ? only : 'several';
}

const CLOCK = /^([1-9][0-9]{0,3})([mh])$/;
const LONGEST_MS = 24 * 3_600_000;

/** Ms of a clock as `@session` and `@idle` give it: "90m", "12h", at most a day. */
export function clockOf(text: string): number | undefined {
  const [, count, unit] = CLOCK.exec(text) ?? [];
  const ms = Number(count) * (unit === 'h' ? 3_600_000 : 60_000);
  return count !== undefined && ms <= LONGEST_MS ? ms : undefined;
}

function clockFinding(policy: PolicyJson, subject: PolicySubject): string | undefined {
  for (const name of ['session', 'idle']) {
    const text = policy.annotations?.[name];
    if (text === undefined) continue;
    if (policy.effect !== 'permit' || subject !== 'actions') return `only a permit of actions has a @${name}`;
    if (clockOf(text) === undefined) return `its @${name} is no time such as "15m" or "12h", at most a day`;
  }
  return undefined;
}

const STEP_UP = /^(?:(phishing-resistant)|(any))(?: ([1-9][0-9]{0,3}[mh]))?$/;

/** `@stepup("phishing-resistant 15m")`: the authentication that would do. */
export function stepUpOf(text: string): { method: StepUp['method']; maxAge?: number } | undefined {
  const [, resistant, any, age] = STEP_UP.exec(text) ?? [];
  const maxAge = age === undefined ? undefined : clockOf(age);
  if ((resistant ?? any) === undefined || (age !== undefined && maxAge === undefined)) return undefined;
  // "any" of any age is no demand.
  if (any !== undefined && maxAge === undefined) return undefined;
  return { method: resistant ? 'phishing-resistant' : 'any', ...(maxAge === undefined ? {} : { maxAge }) };
}

/** Reads `context.authentication`. */
function mentionsAuthentication(value: unknown): boolean {
  if (!isNode(value)) return false;
  const read = value['.'];
  if (isNode(read) && read['attr'] === 'authentication' && isNode(read['left']))
    return read['left']['Var'] === 'context';
  return Object.values(value).some(mentionsAuthentication);
}

function stepUpFinding(policy: PolicyJson, subject: PolicySubject): string | undefined {
  const text = policy.annotations?.['stepup'];
  if (text === undefined) return undefined;
  if (policy.effect !== 'forbid' || subject !== 'actions') return 'only a forbid of actions has a @stepup';
  if (stepUpOf(text) === undefined)
    return 'its @stepup is no demand such as "phishing-resistant", "any 15m" or "phishing-resistant 4h"';
  return mentionsAuthentication(policy.conditions)
    ? undefined
    : 'has a @stepup and never reads context.authentication';
}

/** `{findings}` in a @reason is what the user's device has to put right. */
export const FINDINGS = '{findings}';

function reasonFinding(policy: PolicyJson): string | undefined {
  const unknown = (policy.annotations?.['reason'] ?? '').replaceAll(FINDINGS, '');
  return /[{}]/.test(unknown) ? `its @reason may have ${FINDINGS} and no other braces` : undefined;
}

function tierFinding(policy: PolicyJson, subject: PolicySubject): string | undefined {
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

/** What is wrong with it, or undefined. */
export function finding(policy: PolicyJson): string | undefined {
  const subject = subjectOf(policy);
  if (subject === 'several') return 'its scope names actions, obligations or break-glass together';
  return (
    clockFinding(policy, subject) ??
    stepUpFinding(policy, subject) ??
    reasonFinding(policy) ??
    tierFinding(policy, subject) ??
    (subject === 'obligations' ? undefined : emergencyFinding(policy))
  );
}
