/**
 * A policy set: Cedar text, checked, named and ready to decide. https://docs.cedarpolicy.com/policies/syntax-policy.html
 *
 * Checked means: it parses, it fits the schema (Cedar's strict validation; its warnings count too, since a policy
 * that can never apply is a mistake in a gateway), it has no templates, and each policy carries `@id` (unique) and
 * `@reason`. Anything else is a Fault POLICY_INVALID with file, line, column, policy and message.
 *
 * Surprises: Cedar names unnamed policies `policy0`, `policy1` … by place, and lists them sorted as text
 * (`policy10` before `policy2`). Its source locations count bytes. A preparsed set lives inside the WebAssembly
 * instance under a name until that name is parsed again, so names are handed out and taken back here.
 */
import {
  checkParsePolicySet,
  policySetTextToParts,
  policyToJson,
  preparsePolicySet,
  preparseSchema,
  statefulIsAuthorized,
  validate,
} from '@cedar-policy/cedar-wasm/nodejs';
import type { DetailedError, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { createHash } from 'node:crypto';
import type { Action } from '../wire/action.ts';
import { Fault } from '../wire/errors.ts';
import type { CedarRequest } from './request.ts';
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
}

/** What Cedar said of one action. `errors`: ids of policies that could not be evaluated. */
export type Verdict =
  | { readonly kind: 'answer'; readonly allow: boolean; readonly determining: readonly string[] }
  | { readonly kind: 'failed'; readonly policies: readonly string[]; readonly detail: string };

const schemaName = 'anteroom';
let schemaReady = false;
const freeNames: string[] = [];
let names = 0;

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
  readonly #name: string;
  #closed = false;

  /** Use `loadPolicySet`. */
  constructor(
    file: string,
    text: string,
    parts: ReadonlyMap<string, { readonly text: string; readonly json: PolicyJson }>,
  ) {
    this.file = file;
    this.text = text;
    this.digest = createHash('sha256').update(text, 'utf8').update(schemaText, 'utf8').digest('hex');
    this.revision = this.digest.slice(0, 12);
    this.policies = new Map(
      [...parts].map(([id, { json }]) => [
        id,
        { id, effect: json.effect, reason: json.annotations?.['reason'] ?? '' },
      ]),
    );
    this.times = timeMarks([...parts.values()].map(({ json }) => json));
    this.#name = freeNames.pop() ?? `set-${++names}`;
    const staticPolicies = Object.fromEntries([...parts].map(([id, part]) => [id, part.text]));
    const parsed = preparsePolicySet(this.#name, { staticPolicies });
    if (parsed.type === 'failure') throw invalid(file, '1:1', '', parsed.errors.map(describe).join('; '));
  }

  /** Ask Cedar for one action. Never throws: a failure is a verdict, and whoever asks refuses on it. */
  authorize(request: CedarRequest, action: Action): Verdict {
    if (this.#closed) return { kind: 'failed', policies: [], detail: 'the policy set is closed' };
    try {
      const answer = statefulIsAuthorized({
        ...request,
        action: { type: 'Action', id: action },
        preparsedPolicySetId: this.#name,
        preparsedSchemaName: schemaName,
        validateRequest: true,
      });
      if (answer.type === 'failure')
        return { kind: 'failed', policies: [], detail: answer.errors.map(describe).join('; ') };
      const { decision, diagnostics } = answer.response;
      // Cedar skips a policy that fails, a forbid too. Here the action is refused instead.
      if (diagnostics.errors.length > 0) {
        const policies = diagnostics.errors.map((e) => e.policyId).sort();
        return { kind: 'failed', policies, detail: describe(diagnostics.errors[0]?.error as DetailedError) };
      }
      return { kind: 'answer', allow: decision === 'allow', determining: diagnostics.reason };
    } catch (cause) {
      return { kind: 'failed', policies: [], detail: cause instanceof Error ? cause.message : String(cause) };
    }
  }

  /** Give the parsed set's place back. Verdicts after this are failures. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    preparsePolicySet(this.#name, { staticPolicies: {} });
    freeNames.push(this.#name);
  }
}

function readySchema(): void {
  if (schemaReady) return;
  const parsed = preparseSchema(schemaName, schemaText);
  if (parsed.type === 'failure') throw new Fault('INTERNAL', parsed.errors.map(describe).join('; '));
  schemaReady = true;
}

/** Check `text`, read from `file`, and make it ready. Fault POLICY_INVALID. Nothing is changed by a failure. */
export function loadPolicySet(text: string, file: string): PolicySet {
  readySchema();
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

  const parts = new Map<string, { text: string; json: PolicyJson }>();
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
    parts.set(id, { text: part, json: json.json });
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
  return new PolicySet(file, text, parts);
}
