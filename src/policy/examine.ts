/**
 * Everything that is wrong with the text of a policy set, with its place. `policy-set.ts` refuses a set for the first
 * of them; an author is shown all. https://docs.cedarpolicy.com/policies/validation.html
 *
 * In three steps, each only where the one before found nothing: it parses; each policy is named, explained and passes
 * `lint.ts`; the set fits the schema by Cedar's strict validation (its warnings count too).
 *
 * Surprises: Cedar names unnamed policies `policy0`, `policy1` … by place, and lists them sorted as text (`policy10`
 * before `policy2`). Its source locations count bytes.
 */
import type { DetailedError, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { checkParsePolicySet, policySetTextToParts, policyToJson, validate } from './cedar.ts';
import { finding as lint } from './lint.ts';
import { schemaText } from './schema.ts';

/** Longest text of a policy set, and most policies in one. */
export const MAX_POLICY_BYTES = 4 * 1024 * 1024;
export const MAX_POLICIES = 4096;

const POLICY_ID = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const MAX_REASON = 200;

/** Line and column, both from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** `policy`: its id, empty where that isn't known. */
export interface Mistake extends Place {
  readonly policy: string;
  readonly message: string;
}

export interface Part {
  readonly json: PolicyJson;
  readonly text: string;
  /** Where its text begins. */
  readonly place: () => Place;
}

export interface Examined {
  readonly mistakes: readonly Mistake[];
  /** By id; whole where there is no mistake. */
  readonly parts: ReadonlyMap<string, Part>;
}

/** Of a byte offset. */
function place(text: string, byte: number): Place {
  const before = Buffer.from(text, 'utf8').subarray(0, byte).toString('utf8');
  const lines = before.split('\n');
  return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 };
}

function describe(error: DetailedError): string {
  const label = error.sourceLocations?.[0]?.label ?? undefined;
  return [error.message, label, error.help ?? undefined].filter((part) => part !== undefined).join('; ');
}

const placeOf = (text: string, error: DetailedError): Place =>
  place(text, error.sourceLocations?.[0]?.start ?? 0);

/** What a policy lacks besides valid Cedar, or undefined. */
function lacking({ annotations }: PolicyJson, known: ReadonlyMap<string, unknown>): string | undefined {
  const { id, reason } = annotations ?? {};
  if (id === undefined) return 'has no @id';
  if (!POLICY_ID.test(id)) return 'its @id must be a name: a-z 0-9 . _ -, at most 64 characters';
  if (known.has(id)) return 'its @id is used twice';
  if (reason === undefined || reason.trim() === '') return 'has no @reason';
  if (reason.length > MAX_REASON) return `its @reason is longer than ${MAX_REASON} characters`;
  return undefined;
}

export function examine(text: string): Examined {
  const parts = new Map<string, Part>();
  const mistakes: Mistake[] = [];
  const wrong = (at: Place, policy: string, message: string): void => {
    mistakes.push({ ...at, policy, message });
  };
  const start = { line: 1, column: 1 };
  const done = { mistakes, parts };

  if (Buffer.byteLength(text, 'utf8') > MAX_POLICY_BYTES) {
    wrong(start, '', `larger than ${MAX_POLICY_BYTES} bytes`);
    return done;
  }
  const parsed = checkParsePolicySet({ staticPolicies: text });
  if (parsed.type === 'failure') {
    for (const error of parsed.errors) wrong(placeOf(text, error), '', describe(error));
    return done;
  }
  const split = policySetTextToParts(text);
  if (split.type === 'failure') {
    wrong(start, '', split.errors.map(describe).join('; '));
    return done;
  }
  if (split.policies.length > MAX_POLICIES) {
    wrong(start, '', `more than ${MAX_POLICIES} policies`);
    return done;
  }

  const places = split.policies.map((_, i) => `policy${i}`).sort();
  const byPlace = new Map<string, string>();
  split.policies.forEach((part, i) => {
    // Only asked for where something is wrong: it costs as much as the text is long.
    const where = (): Place =>
      place(text, Buffer.byteLength(text.slice(0, Math.max(0, text.lastIndexOf(part))), 'utf8'));
    const json = policyToJson(part);
    if (json.type === 'failure') {
      wrong(where(), '', json.errors.map(describe).join('; '));
      return;
    }
    const id = json.json.annotations?.['id'] ?? '';
    const message = lacking(json.json, parts) ?? lint(json.json);
    if (message !== undefined) wrong(where(), id, message);
    if (!POLICY_ID.test(id) || parts.has(id)) return;
    parts.set(id, { json: json.json, text: part, place: where });
    byPlace.set(places[i] ?? '', id);
  });
  if (mistakes.length > 0) return done;

  const checked = validate({ schema: schemaText, policies: { staticPolicies: text } });
  if (checked.type === 'failure') {
    wrong(start, '', checked.errors.map(describe).join('; '));
    return done;
  }
  for (const { policyId, error } of [...checked.validationErrors, ...checked.validationWarnings]) {
    const message = describe(error).replaceAll(/for policy `policy\d+`[,:] /g, '');
    wrong(placeOf(text, error), byPlace.get(policyId) ?? policyId, message);
  }
  return done;
}
