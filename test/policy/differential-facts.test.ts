/**
 * The engine against cedar-wasm over the whole schema: every attribute, every fact there or missing, mistyped requests
 * and policies. Both the request as the engine builds it and the same in Cedar's JSON are compared by their answers.
 *
 * ANTEROOM_FUZZ_FACTS: how many comparisons; ANTEROOM_FUZZ_SEED: the first seed.
 */
import {
  policyToJson,
  preparsePolicySet,
  preparseSchema,
  statefulIsAuthorized,
} from '@cedar-policy/cedar-wasm/nodejs';
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import t from 'tap';
import { compile } from '../../src/policy/compile.ts';
import type { Engine } from '../../src/policy/compile.ts';
import type { Question } from '../../src/policy/entities.ts';
import { cedarRequest, readQuestion } from '../../src/policy/request.ts';
import type { AccessRequest } from '../../src/policy/request.ts';
import { schemaText } from '../../src/policy/schema.ts';
import { EvaluationError } from '../../src/policy/values.ts';
import { actions } from '../../src/wire/action.ts';
import { Chance } from './generate.ts';
import { accessRequest, factPolicy, mistyped, places } from './generate-request.ts';

const COMPARISONS = Number(process.env['ANTEROOM_FUZZ_FACTS'] ?? 10_000);
const FIRST_SEED = Number(process.env['ANTEROOM_FUZZ_SEED'] ?? 1);
const POLICIES = 12;
const QUESTIONS = 50;
const SET = 'facts';
const SCHEMA = 'facts';

interface Tally {
  compared: number;
  allowed: number;
  failed: number;
  mistyped: number;
  unreadable: number;
  mismatches: string[];
}

type Theirs = { readonly said: string; readonly allow: boolean } | 'refused';

function theirs(request: AccessRequest, action: string, validateRequest: boolean): Theirs {
  const answer = statefulIsAuthorized({
    ...cedarRequest(request),
    action: { type: 'Action', id: action },
    preparsedPolicySetId: SET,
    preparsedSchemaName: SCHEMA,
    validateRequest,
  });
  if (answer.type === 'failure') return 'refused';
  const { decision, diagnostics } = answer.response;
  const errors = diagnostics.errors.map((each) => each.policyId).sort();
  return {
    allow: decision === 'allow',
    said: JSON.stringify([decision === 'allow', diagnostics.reason.toSorted(), errors]),
  };
}

function ours(engine: Engine, question: Question, action: string): string {
  const { allow, determining, errors } = engine.ask(question, action);
  return JSON.stringify([allow, determining, errors.map((each) => each.policy)]);
}

function read(request: AccessRequest): Question | undefined {
  try {
    return readQuestion(request);
  } catch (error) {
    if (error instanceof EvaluationError) return undefined;
    throw error;
  }
}

function compareSet(seed: number, tally: Tally): void {
  const c = new Chance(seed);
  const texts: Record<string, string> = {};
  const json = new Map<string, PolicyJson>();
  for (let i = 0; i < POLICIES; i++) {
    const text = factPolicy(c, c.one(4) ? 'forbid' : 'permit');
    const parsed = policyToJson(text);
    if (parsed.type === 'failure') throw new Error(`seed ${seed}: ${text}: ${parsed.errors[0]?.message}`);
    texts[`p${i}`] = text;
    json.set(`p${i}`, parsed.json);
  }
  const parsed = preparsePolicySet(SET, { staticPolicies: texts });
  if (parsed.type === 'failure') throw new Error(parsed.errors[0]?.message);
  const engine = compile(json, actions);

  for (let i = 0; i < QUESTIONS && tally.compared < COMPARISONS; i++) {
    const action = c.of(actions);
    const good = accessRequest(c);
    const slip = c.one(4) ? mistyped(c, good) : undefined;
    const request = slip?.request ?? good;
    const question = read(request);
    tally.compared++;
    const wrong = (cedar: string, engineSaid: string): void => {
      if (tally.mismatches.length < 5)
        tally.mismatches.push(
          `seed ${seed}, question ${i}, ${slip?.what ?? 'well typed'}: cedar ${cedar}, ours ${engineSaid}\n${Object.entries(texts).join('\n')}\n${JSON.stringify(request)}`,
        );
    };
    if (slip) tally.mistyped++;
    const checked = theirs(request, action, true);
    if (!question) {
      tally.unreadable++;
      if (checked !== 'refused') wrong(checked.said, 'refused');
      continue;
    }
    if (!slip && checked === 'refused') wrong('refused', 'read');
    // What Cedar's check of the request refuses and the engine reads is still decided as Cedar would without the check.
    const cedar = checked === 'refused' ? theirs(request, action, false) : checked;
    const mine = ours(engine, question, action);
    if (cedar === 'refused') wrong('refused', mine);
    else {
      if (cedar.said !== mine) wrong(cedar.said, mine);
      if (cedar.allow) tally.allowed++;
      if (!cedar.said.endsWith('[]]')) tally.failed++;
    }
  }
}

void t.test(`${COMPARISONS} comparisons over the whole schema`, { timeout: 1_800_000 }, (t) => {
  t.ok(places.length >= 45, `${places.length} attributes`);
  t.equal(preparseSchema(SCHEMA, schemaText).type, 'success');
  const tally: Tally = { compared: 0, allowed: 0, failed: 0, mistyped: 0, unreadable: 0, mismatches: [] };
  for (let seed = FIRST_SEED; tally.compared < COMPARISONS && tally.mismatches.length === 0; seed++)
    compareSet(seed, tally);
  t.same(tally.mismatches, []);
  t.equal(tally.compared, COMPARISONS);
  const share = (count: number): number => count / tally.compared;
  t.ok(share(tally.allowed) > 0.1, `${tally.allowed} allowed`);
  t.ok(share(tally.failed) > 0.1, `${tally.failed} with a policy that failed`);
  t.ok(share(tally.mistyped) > 0.2, `${tally.mistyped} mistyped requests`);
  t.ok(share(tally.unreadable) > 0.02, `${tally.unreadable} of them unreadable`);
  t.end();
});
