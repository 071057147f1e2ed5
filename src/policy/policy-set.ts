/**
 * A policy set: Cedar text, checked, named and ready to decide. https://docs.cedarpolicy.com/policies/syntax-policy.html
 *
 * Checked means: it parses, it fits the schema (Cedar's strict validation; its warnings count too, since a policy
 * that can never apply is a mistake in a gateway), it has no templates, and each policy carries `@id` (unique) and
 * `@reason` and passes `lint.ts`. Anything else is a Fault POLICY_INVALID with file, line, column, policy and message.
 *
 * Surprises: Cedar names unnamed policies `policy0`, `policy1` … by place, and lists them sorted as text
 * (`policy10` before `policy2`). Its source locations count bytes. Its JSON carries numbers as doubles, so a number
 * beyond 2^53 can't be read exactly and refuses the set.
 *
 * cedar-wasm reads and validates; what decides is compiled from its JSON (`compile.ts`).
 */
import {
  checkParsePolicySet,
  policySetTextToParts,
  policyToJson,
  validate,
} from '@cedar-policy/cedar-wasm/nodejs';
import type { DetailedError, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { createHash } from 'node:crypto';
import { actions } from '../wire/action.ts';
import type { Action } from '../wire/action.ts';
import { Fault } from '../wire/errors.ts';
import { compile, UnknownPolicy } from './compile.ts';
import type { Engine } from './compile.ts';
import type { Question } from './entities.ts';
import { clockOf, finding as lint, obligationKinds, subjectOf } from './lint.ts';
import type { ObligationKind } from './lint.ts';
import { schemaText } from './schema.ts';
import { timeMarks } from './time-marks.ts';
import type { TimeMarks } from './time-marks.ts';

/** Longest text of a policy set, and most policies in one. */
export const MAX_POLICY_BYTES = 4 * 1024 * 1024;
export const MAX_POLICIES = 4096;

const POLICY_ID = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const MAX_REASON = 200;

export interface Policy {
  readonly id: string;
  readonly effect: 'permit' | 'forbid';
  /** For a user who is refused. */
  readonly reason: string;
  /** A permit's own clocks, ms: how long a session lasts at most, and how long without traffic. */
  readonly session?: number;
  readonly idle?: number;
}

/** What the set says of one action. `errors`: ids of policies that could not be evaluated. */
export type Verdict =
  | { readonly kind: 'answer'; readonly allow: boolean; readonly determining: readonly string[] }
  | { readonly kind: 'failed'; readonly policies: readonly string[]; readonly detail: string };

/** Line and column, both from 1, of a byte offset. */
function place(text: string, byte: number): string {
  const before = Buffer.from(text, 'utf8').subarray(0, byte).toString('utf8');
  const lines = before.split('\n');
  return `${lines.length}:${(lines.at(-1)?.length ?? 0) + 1}`;
}

function invalid(file: string, where: string, policy: string, message: string): Fault {
  const named = policy === '' ? '' : `policy ${policy}: `;
  return new Fault('POLICY_INVALID', `${file}:${where}: ${named}${message}`);
}

function describe(error: DetailedError): string {
  const label = error.sourceLocations?.[0]?.label ?? undefined;
  return [error.message, label, error.help ?? undefined].filter((part) => part !== undefined).join('; ');
}

const placeOf = (text: string, error: DetailedError): string =>
  place(text, error.sourceLocations?.[0]?.start ?? 0);

function policyOf(id: string, { effect, annotations }: PolicyJson): Policy {
  const session = clockOf(annotations?.['session'] ?? '');
  const idle = clockOf(annotations?.['idle'] ?? '');
  return {
    id,
    effect,
    reason: annotations?.['reason'] ?? '',
    ...(session === undefined ? {} : { session }),
    ...(idle === undefined ? {} : { idle }),
  };
}

export class PolicySet {
  readonly file: string;
  readonly text: string;
  /** SHA-256 of the policy bytes followed by the schema's, hexadecimal. */
  readonly digest: string;
  /** The first 12 digits of it: what grants and audit records name. */
  readonly revision: string;
  readonly policies: ReadonlyMap<string, Policy>;
  /** Where in the day an answer may change. */
  readonly times: TimeMarks;
  readonly #actions: Engine;
  readonly #obligations: Engine;
  #closed = false;

  /** Use `loadPolicySet`. */
  constructor(file: string, text: string, parts: ReadonlyMap<string, { readonly json: PolicyJson }>) {
    this.file = file;
    this.text = text;
    this.digest = createHash('sha256').update(text, 'utf8').update(schemaText, 'utf8').digest('hex');
    this.revision = this.digest.slice(0, 12);
    this.policies = new Map([...parts].map(([id, { json }]) => [id, policyOf(id, json)]));
    this.times = timeMarks([...parts.values()].map(({ json }) => json));
    const about = (subject: 'actions' | 'obligations'): Map<string, PolicyJson> =>
      new Map(
        [...parts].filter(([, { json }]) => subjectOf(json) === subject).map(([id, { json }]) => [id, json]),
      );
    this.#actions = compile(about('actions'), actions);
    this.#obligations = compile(about('obligations'), obligationKinds);
  }

  /** Ask for one action. Never throws: a failure is a verdict, and whoever asks refuses on it. */
  authorize(question: Question, action: Action): Verdict {
    return this.#ask(this.#actions, question, action);
  }

  /** Ask for one obligation. Never throws: a failure is a verdict, and whoever asks requires the obligation on it. */
  obliges(question: Question, kind: ObligationKind): Verdict {
    return this.#ask(this.#obligations, question, kind);
  }

  #ask(engine: Engine, question: Question, action: string): Verdict {
    if (this.#closed) return { kind: 'failed', policies: [], detail: 'the policy set is closed' };
    try {
      const { allow, determining, errors } = engine.ask(question, action);
      // Cedar skips a policy that fails, a forbid too. Here it is a failure of the whole question.
      const [first] = errors;
      if (first) return { kind: 'failed', policies: errors.map((each) => each.policy), detail: first.detail };
      return { kind: 'answer', allow, determining };
    } catch (cause) {
      return { kind: 'failed', policies: [], detail: cause instanceof Error ? cause.message : String(cause) };
    }
  }

  /** Verdicts after this are failures. */
  close(): void {
    this.#closed = true;
  }
}

/** Check `text`, read from `file`, and make it ready. Fault POLICY_INVALID. Nothing is changed by a failure. */
export function loadPolicySet(text: string, file: string): PolicySet {
  if (Buffer.byteLength(text, 'utf8') > MAX_POLICY_BYTES)
    throw invalid(file, '1:1', '', `larger than ${MAX_POLICY_BYTES} bytes`);
  const parsed = checkParsePolicySet({ staticPolicies: text });
  if (parsed.type === 'failure') {
    const error = parsed.errors[0] as DetailedError;
    throw invalid(file, placeOf(text, error), '', parsed.errors.map(describe).join('; '));
  }
  const split = policySetTextToParts(text);
  if (split.type === 'failure') throw invalid(file, '1:1', '', split.errors.map(describe).join('; '));
  if (split.policies.length > MAX_POLICIES)
    throw invalid(file, '1:1', '', `more than ${MAX_POLICIES} policies`);

  const parts = new Map<string, { json: PolicyJson; at: number }>();
  const places = split.policies.map((_, i) => `policy${i}`).sort();
  const byPlace = new Map<string, string>();
  split.policies.forEach((part, i) => {
    const fault = (message: string, id = ''): Fault => {
      const byte = Buffer.byteLength(text.slice(0, Math.max(0, text.lastIndexOf(part))), 'utf8');
      return invalid(file, place(text, byte), id, message);
    };
    const json = policyToJson(part);
    if (json.type === 'failure') throw fault(json.errors.map(describe).join('; '));
    const { id, reason } = json.json.annotations ?? {};
    if (id === undefined) throw fault('has no @id');
    if (!POLICY_ID.test(id)) throw fault('its @id must be a name: a-z 0-9 . _ -, at most 64 characters', id);
    if (parts.has(id)) throw fault('its @id is used twice', id);
    if (reason === undefined || reason.trim() === '') throw fault('has no @reason', id);
    if (reason.length > MAX_REASON) throw fault(`its @reason is longer than ${MAX_REASON} characters`, id);
    const wrong = lint(json.json);
    if (wrong !== undefined) throw fault(wrong, id);
    parts.set(id, { json: json.json, at: Math.max(0, text.lastIndexOf(part)) });
    byPlace.set(places[i] ?? '', id);
  });

  const checked = validate({ schema: schemaText, policies: { staticPolicies: text } });
  if (checked.type === 'failure') throw invalid(file, '1:1', '', checked.errors.map(describe).join('; '));
  const finding = checked.validationErrors[0] ?? checked.validationWarnings[0];
  if (finding) {
    const id = byPlace.get(finding.policyId) ?? finding.policyId;
    const message = describe(finding.error).replaceAll(/for policy `policy\d+`[,:] /g, '');
    throw invalid(file, placeOf(text, finding.error), id, message);
  }
  try {
    return new PolicySet(file, text, parts);
  } catch (error) {
    if (!(error instanceof UnknownPolicy)) throw error;
    const { policy, message } = error;
    const byte = Buffer.byteLength(text.slice(0, parts.get(policy)?.at ?? 0), 'utf8');
    throw invalid(file, place(text, byte), policy, `the engine can't decide it: ${message}`);
  }
}
