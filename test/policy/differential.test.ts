/**
 * The engine against cedar-wasm: generated policies and questions, mistyped ones too. For each question the two
 * have to agree on the decision, the policies that made it, the policies that failed and what kind of failure it
 * was.
 *
 * ANTEROOM_FUZZ_POLICY: how many comparisons (default below); ANTEROOM_FUZZ_SEED: the first seed.
 */
import { policyToJson, preparsePolicySet, statefulIsAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import t from 'tap';
import { compile } from '../../src/policy/compile.ts';
import { questionFromJson } from '../../src/policy/entities.ts';
import { Chance, actionIds, policy, question } from './generate.ts';

const COMPARISONS = Number(process.env['ANTEROOM_FUZZ_POLICY'] ?? 100_000);
const FIRST_SEED = Number(process.env['ANTEROOM_FUZZ_SEED'] ?? 1);
const POLICIES = 8;
const QUESTIONS = 40;

/** Kinds of failure, by words that both engines' messages have. */
const kinds = [/type error/, /integer overflow/, /does not exist/, /does not have the attribute/, /ipaddr/];
const kindOf = (message: string): number => kinds.findIndex((kind) => kind.test(message));

interface Tally {
  compared: number;
  allowed: number;
  refused: number;
  failed: number;
  mismatches: string[];
  readonly seen: Set<number>;
}

/** One generated set and its questions. */
function compareSet(seed: number, tally: Tally): void {
  const c = new Chance(seed);
  const texts = new Map<string, string>();
  const json = new Map<string, PolicyJson>();
  // Every third set has no forbid, so that each permit's outcome shows.
  const forbids = !c.one(3);
  for (let i = 0; i < POLICIES; i++) {
    const text = policy(c, forbids && c.one(3) ? 'forbid' : 'permit');
    const parsed = policyToJson(text);
    if (parsed.type === 'failure') throw new Error(`seed ${seed}: ${text}: ${parsed.errors[0]?.message}`);
    texts.set(`p${i}`, text);
    json.set(`p${i}`, parsed.json);
  }
  const name = 'differential';
  const parsed = preparsePolicySet(name, { staticPolicies: Object.fromEntries(texts) });
  if (parsed.type === 'failure') throw new Error(parsed.errors[0]?.message);
  const engine = compile(json, actionIds);

  for (let i = 0; i < QUESTIONS && tally.compared < COMPARISONS; i++) {
    const asked = question(c);
    const action = c.of(actionIds);
    const ours = engine.ask(questionFromJson(asked), action);
    const theirs = statefulIsAuthorized({
      ...asked,
      action: { type: 'Action', id: action },
      preparsedPolicySetId: name,
      validateRequest: false,
    });
    if (theirs.type === 'failure') throw new Error(`seed ${seed}: ${theirs.errors[0]?.message}`);
    const { decision, diagnostics } = theirs.response;
    const said = JSON.stringify([
      decision === 'allow',
      diagnostics.reason.toSorted(),
      diagnostics.errors.map((e) => `${e.policyId} ${kindOf(e.error.message)}`).sort(),
    ]);
    const mine = JSON.stringify([
      ours.allow,
      ours.determining,
      ours.errors.map((e) => `${e.policy} ${kindOf(e.detail)}`),
    ]);
    tally.compared++;
    if (ours.allow) tally.allowed++;
    else if (ours.determining.length > 0) tally.refused++;
    if (ours.errors.length > 0) tally.failed++;
    for (const { error } of diagnostics.errors) tally.seen.add(kindOf(error.message));
    if (said !== mine && tally.mismatches.length < 5)
      tally.mismatches.push(
        `seed ${seed}, question ${i}: cedar ${said}, ours ${mine}\n${[...texts].map(([id, text]) => `${id}: ${text}`).join('\n')}\n${JSON.stringify({ action, ...asked })}\n${diagnostics.errors.map((e) => `${e.policyId}: ${e.error.message}`).join('\n')}`,
      );
  }
}

void t.test(`${COMPARISONS} comparisons with cedar-wasm`, { timeout: 1_800_000 }, (t) => {
  const tally: Tally = { compared: 0, allowed: 0, refused: 0, failed: 0, mismatches: [], seen: new Set() };
  const start = process.cpuUsage();
  for (let seed = FIRST_SEED; tally.compared < COMPARISONS && tally.mismatches.length === 0; seed++)
    compareSet(seed, tally);
  const { user, system } = process.cpuUsage(start);
  t.comment(`${tally.compared} compared in ${((user + system) / 1e6).toFixed(0)} s of CPU`);
  t.same(tally.mismatches, []);
  t.equal(tally.compared, COMPARISONS);
  // The generator is worth something: each outcome and each kind of failure is common.
  const share = (count: number): number => count / tally.compared;
  t.ok(share(tally.allowed) > 0.1, `${tally.allowed} allowed`);
  t.ok(share(tally.refused) > 0.1, `${tally.refused} refused by a forbid`);
  t.ok(share(tally.failed) > 0.2, `${tally.failed} with a policy that failed`);
  t.ok(share(tally.failed) < 0.98, 'not all with one');
  t.same(
    [...tally.seen].sort((a, b) => a - b),
    [0, 1, 2, 3, 4],
    'every kind of failure came up, and no other',
  );
  t.end();
});
