/**
 * Test vectors of a bundle: questions with what cedar-wasm answers them. They are made where the bundle is made and
 * have to come out on the gateway before it may be activated, so that an engine that reads a policy otherwise than
 * Cedar does is found before it decides.
 *
 * The answers are verdicts, action by action: allowed or not, by which policies. Decisions are made of those, by code
 * that the vectors don't cover. Policies about actions, about obligations and about breaking the glass are asked apart,
 * as `lint.ts` tells them apart.
 *
 * Checking takes a bounded time: the questions are counted, and whoever checks says when it has been long enough.
 */
import { actions } from '../wire/action.ts';
import type { Asked, PolicyVector } from '../wire/bundle.ts';
import { Fault } from '../wire/errors.ts';
import { preparsePolicySet, preparseSchema, statefulIsAuthorized } from './cedar.ts';
import { questionFromJson } from './entities.ts';
import type { Question } from './entities.ts';
import { examine } from './examine.ts';
import { BREAK_GLASS, obligationKinds, subjectOf } from './lint.ts';
import type { PolicySet, Verdict } from './policy-set.ts';
import type { CedarRequest } from './request.ts';
import { schemaText } from './schema.ts';
import { EvaluationError } from './values.ts';

/** Names under which cedar-wasm keeps what it has parsed; each making overwrites the last. */
const SCHEMA = 'bundle-vectors';
const NAMES = {
  actions: 'bundle-vectors-actions',
  obligations: 'bundle-vectors-obligations',
  'break-glass': 'bundle-vectors-break-glass',
} as const;

type Topic = keyof typeof NAMES;
const asked: readonly (readonly [Topic, Asked])[] = [
  ...actions.map((id) => ['actions', id] as const),
  ...obligationKinds.map((id) => ['obligations', id] as const),
  ['break-glass', BREAK_GLASS],
];

/** Answers of cedar-wasm. Questions that a policy fails on aren't taken over. Fault POLICY_INVALID. */
export function makeVectors(policies: string, requests: readonly CedarRequest[]): PolicyVector[] {
  const { mistakes, parts } = examine(policies);
  const [mistake] = mistakes;
  if (mistake) throw new Fault('POLICY_INVALID', `${mistake.line}:${mistake.column}: ${mistake.message}`);
  const parsed = preparseSchema(SCHEMA, schemaText);
  if (parsed.type === 'failure') throw new Fault('INTERNAL', parsed.errors[0]?.message ?? 'the schema');
  for (const topic of Object.keys(NAMES) as Topic[]) {
    const about = [...parts].filter(([, { json }]) => subjectOf(json) === topic);
    const staticPolicies = Object.fromEntries(about.map(([id, { text }]) => [id, text]));
    const kept = preparsePolicySet(NAMES[topic], { staticPolicies });
    if (kept.type === 'failure') throw new Fault('POLICY_INVALID', kept.errors[0]?.message ?? '');
  }
  return requests.flatMap((request) => {
    const answers = answersOf(request);
    return answers ? [{ ...vectorOf(request), answers }] : [];
  });
}

function answersOf(request: CedarRequest): PolicyVector['answers'] | undefined {
  const answers: PolicyVector['answers'] = {};
  for (const [topic, id] of asked) {
    const answer = statefulIsAuthorized({
      ...request,
      action: { type: 'Action', id },
      preparsedPolicySetId: NAMES[topic],
      preparsedSchemaName: SCHEMA,
      validateRequest: true,
    });
    if (answer.type === 'failure')
      throw new Fault('POLICY_INVALID', `a vector's question: ${answer.errors[0]?.message ?? ''}`);
    const { decision, diagnostics } = answer.response;
    if (diagnostics.errors.length > 0) return undefined;
    answers[id] = { allow: decision === 'allow', rules: diagnostics.reason.toSorted() };
  }
  return answers;
}

/** The question in the shape that a bundle carries, entities of plain type and id. */
const vectorOf = ({ principal, resource, context, entities }: CedarRequest): Omit<PolicyVector, 'answers'> =>
  JSON.parse(JSON.stringify({ principal, resource, context, entities })) as Omit<PolicyVector, 'answers'>;

function verdictOf(set: PolicySet, question: Question, id: Asked): Verdict {
  const action = actions.find((each) => each === id);
  if (action) return set.authorize(question, action);
  const kind = obligationKinds.find((each) => each === id);
  return kind ? set.obliges(question, kind) : set.mayBreakGlass(question);
}

/** What was wrong with the first vector that didn't come out; undefined when all did. */
function failureOf(set: PolicySet, vector: PolicyVector): string | undefined {
  let question: Question;
  try {
    question = questionFromJson(vector as unknown as Parameters<typeof questionFromJson>[0]);
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    return `its question can't be read: ${error.message}`;
  }
  const expected = Object.entries(vector.answers) as [Asked, { allow: boolean; rules: string[] }][];
  if (expected.length === 0) return 'it has no answers';
  for (const [id, answer] of expected) {
    const verdict = verdictOf(set, question, id);
    const said =
      verdict.kind === 'failed'
        ? `fails: ${verdict.detail}`
        : `${verdict.allow ? 'allow' : 'deny'} by ${[...verdict.determining].sort().join(', ') || 'no policy'}`;
    const wanted = `${answer.allow ? 'allow' : 'deny'} by ${answer.rules.toSorted().join(', ') || 'no policy'}`;
    if (said !== wanted) return `${id}: ${said} here, ${wanted} there`;
  }
  return undefined;
}

/** Fault BUNDLE_VECTORS for the first that doesn't come out, or when `late` says so before the last. */
export function checkVectors(
  set: PolicySet,
  vectors: readonly PolicyVector[],
  late: () => boolean = () => false,
): void {
  vectors.forEach((vector, i) => {
    if (late())
      throw new Fault('BUNDLE_VECTORS', `it took too long: ${i} of ${vectors.length} were looked at`);
    const failure = failureOf(set, vector);
    if (failure !== undefined) throw new Fault('BUNDLE_VECTORS', `vector ${i}: ${failure}`);
  });
}
