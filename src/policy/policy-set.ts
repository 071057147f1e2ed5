/**
 * A policy set: Cedar text, checked, named and ready to decide. https://docs.cedarpolicy.com/policies/syntax-policy.html
 *
 * Checked means: it parses, it fits the schema (Cedar's strict validation; its warnings count too, since a policy
 * that can never apply is a mistake in a gateway), it has no templates, and each policy carries `@id` (unique) and
 * `@reason` and passes `lint.ts`. Anything else is a Fault POLICY_INVALID with file, line, column, policy and message.
 *
 * cedar-wasm reads and validates (`examine.ts`); what decides is compiled from its JSON (`compile.ts`).
 *
 * Surprise: Cedar's JSON carries numbers as doubles, so a number beyond 2^53 can't be read exactly and refuses the set.
 */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { createHash } from 'node:crypto';
import { actions } from '../wire/action.ts';
import type { Action } from '../wire/action.ts';
import { Fault } from '../wire/errors.ts';
import type { StepUp } from '../wire/grant.ts';
import { compile, UnknownPolicy } from './compile.ts';
import type { Engine } from './compile.ts';
import type { Question } from './entities.ts';
import { examine } from './examine.ts';
import type { Place } from './examine.ts';
import { BREAK_GLASS, clockOf, obligationKinds, stepUpOf, subjectOf } from './lint.ts';
import type { ObligationKind, PolicySubject } from './lint.ts';
import { schemaText } from './schema.ts';
import { ageMarks, timeMarks } from './time-marks.ts';
import type { TimeMarks } from './time-marks.ts';

export interface Policy {
  readonly id: string;
  readonly effect: 'permit' | 'forbid';
  /** For a user who is refused. */
  readonly reason: string;
  /** A permit's own clocks, ms: how long a session lasts at most, and how long without traffic. */
  readonly session?: number;
  readonly idle?: number;
  readonly about: PolicySubject;
  /** A forbid's: a soft one gives way in emergency mode or by break-glass. */
  readonly tier?: 'soft' | 'hard';
  /** The authentication that makes a forbid give way. */
  readonly stepUp?: { readonly method: StepUp['method']; readonly maxAge?: number };
}

/** What the set says of one action. `errors`: ids of policies that could not be evaluated. */
export type Verdict =
  | {
      readonly kind: 'answer';
      readonly allow: boolean;
      readonly determining: readonly string[];
      /** A forbid took away what a permit gave. */
      readonly overridden: boolean;
    }
  | { readonly kind: 'failed'; readonly policies: readonly string[]; readonly detail: string };

function invalid(file: string, { line, column }: Place, policy: string, message: string): Fault {
  const named = policy === '' ? '' : `policy ${policy}: `;
  return new Fault('POLICY_INVALID', `${file}:${line}:${column}: ${named}${message}`);
}

function policyOf(id: string, policy: PolicyJson): Policy {
  const { effect, annotations } = policy;
  const about = subjectOf(policy);
  const stepUp = stepUpOf(annotations?.['stepup'] ?? '');
  const session = clockOf(annotations?.['session'] ?? '');
  const idle = clockOf(annotations?.['idle'] ?? '');
  return {
    id,
    effect,
    reason: annotations?.['reason'] ?? '',
    about: about === 'several' ? 'actions' : about,
    ...(effect === 'forbid' && about === 'actions'
      ? { tier: annotations?.['tier'] === 'soft' ? ('soft' as const) : ('hard' as const) }
      : {}),
    ...(stepUp === undefined ? {} : { stepUp }),
    ...(session === undefined ? {} : { session }),
    ...(idle === undefined ? {} : { idle }),
  };
}

export class PolicySet {
  readonly file: string;
  readonly text: string;
  /** SHA-256 of the policy bytes followed by the schema's, hexadecimal. */
  readonly digest: string;
  /** What grants and audit records name: the first 12 digits of it, or the revision of the bundle it came in. */
  readonly revision: string;
  readonly policies: ReadonlyMap<string, Policy>;
  /** Where in the day an answer may change. */
  readonly times: TimeMarks;
  /** At which ages of an authentication, in minutes, it may. */
  readonly ages: TimeMarks;
  readonly #actions: Engine;
  readonly #obligations: Engine;
  readonly #breakGlass: Engine;
  #closed = false;

  /** Use `loadPolicySet`. */
  constructor(
    file: string,
    text: string,
    parts: ReadonlyMap<string, { readonly json: PolicyJson }>,
    revision?: string,
  ) {
    this.file = file;
    this.text = text;
    this.digest = createHash('sha256').update(text, 'utf8').update(schemaText, 'utf8').digest('hex');
    this.revision = revision ?? this.digest.slice(0, 12);
    this.policies = new Map([...parts].map(([id, { json }]) => [id, policyOf(id, json)]));
    const all = [...parts.values()].map(({ json }) => json);
    this.times = timeMarks(all);
    this.ages = ageMarks(all);
    const about = (subject: PolicySubject): Map<string, PolicyJson> =>
      new Map(
        [...parts].filter(([, { json }]) => subjectOf(json) === subject).map(([id, { json }]) => [id, json]),
      );
    this.#actions = compile(about('actions'), actions);
    this.#obligations = compile(about('obligations'), obligationKinds);
    this.#breakGlass = compile(about('break-glass'), [BREAK_GLASS]);
  }

  /** Ask for one action. Never throws: a failure is a verdict, and whoever asks refuses on it. */
  authorize(question: Question, action: Action): Verdict {
    return this.#ask(this.#actions, question, action);
  }

  /** Ask for one obligation. Never throws: a failure is a verdict, and whoever asks requires the obligation on it. */
  obliges(question: Question, kind: ObligationKind): Verdict {
    return this.#ask(this.#obligations, question, kind);
  }

  /** Ask whether a session may be opened by break-glass. Never throws: a failure is a verdict, and refuses. */
  mayBreakGlass(question: Question): Verdict {
    return this.#ask(this.#breakGlass, question, BREAK_GLASS);
  }

  #ask(engine: Engine, question: Question, action: string): Verdict {
    if (this.#closed) return { kind: 'failed', policies: [], detail: 'the policy set is closed' };
    try {
      const { allow, determining, overridden, errors } = engine.ask(question, action);
      // Cedar skips a policy that fails, a forbid too. Here it is a failure of the whole question.
      const [first] = errors;
      if (first) return { kind: 'failed', policies: errors.map((each) => each.policy), detail: first.detail };
      return { kind: 'answer', allow, determining, overridden };
    } catch (cause) {
      return { kind: 'failed', policies: [], detail: cause instanceof Error ? cause.message : String(cause) };
    }
  }

  /** Verdicts after this are failures. */
  close(): void {
    this.#closed = true;
  }
}

/** Check `text`, read from `file`, and make it ready under the name `revision`. Fault POLICY_INVALID. Nothing is changed by a failure. */
export function loadPolicySet(text: string, file: string, revision?: string): PolicySet {
  const { mistakes, parts } = examine(text);
  const [first] = mistakes;
  if (first) throw invalid(file, first, first.policy, first.message);
  try {
    return new PolicySet(file, text, parts, revision);
  } catch (error) {
    if (!(error instanceof UnknownPolicy)) throw error;
    const { policy, message } = error;
    const at = parts.get(policy)?.place() ?? { line: 1, column: 1 };
    throw invalid(file, at, policy, `the engine can't decide it: ${message}`);
  }
}
