/**
 * The engine against cedar-wasm: generated policies and questions, mistyped ones too. For each question the two
 * have to agree on the decision, the policies that made it, the policies that failed and what kind of failure it
 * was.
 *
 * ANTEROOM_FUZZ_POLICY: how many comparisons (default below); ANTEROOM_FUZZ_SEED: the first seed.
 */
import {
  policySetTextToParts,
  policyToJson,
  preparsePolicySet,
  preparseSchema,
  schemaToJson,
  statefulIsAuthorized,
} from '@cedar-policy/cedar-wasm/nodejs';
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { readFileSync, readdirSync } from 'node:fs';
import t from 'tap';
import { compile } from '../../src/policy/compile.ts';
import { questionFromJson } from '../../src/policy/entities.ts';
import type { Question } from '../../src/policy/entities.ts';
import { BREAK_GLASS, obligationKinds, subjectOf } from '../../src/policy/lint.ts';
import type { PolicySubject } from '../../src/policy/lint.ts';
import { loadPolicySet } from '../../src/policy/policy-set.ts';
import { cedarRequest, readQuestion } from '../../src/policy/request.ts';
import type { AccessRequest } from '../../src/policy/request.ts';
import { schemaText } from '../../src/policy/schema.ts';
import { keyOf, uidFromJson } from '../../src/policy/values.ts';
import { actions, kexModes, protocols } from '../../src/wire/action.ts';
import {
  authenticationMethods,
  contacts,
  owners,
  paths,
  requestFacts,
  signalNames,
  signalState,
} from '../../src/wire/facts.ts';
import { Chance, actionIds, policy, question } from './generate.ts';
import { question as accessQuestion, shipped } from './question.ts';

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

const folder = new URL('../../provisioning/policies/', import.meta.url);
const library = readdirSync(folder)
  .filter((name) => name.endsWith('.cedar'))
  .map((name) => readFileSync(new URL(name, folder), 'utf8'))
  .join('\n');

/** Facts by chance, some of them left out. */
function someFacts(c: Chance): Partial<AccessRequest> {
  const signals = Object.fromEntries(signalNames.map((name) => [name, c.of(signalState.options)]));
  const maybe = <T extends object>(facts: T): Partial<T> => (c.one(4) ? {} : facts);
  return requestFacts.partial().parse({
    ...maybe({ scenario: c.of(['patient-in-danger', 'boredom']) }),
    ...maybe({
      principal: {
        kind: c.of(['person', 'person', 'service']),
        groups: c.one(2) ? ['vendor-acme'] : [],
        assigned: c.one(2) ? ['orthanc', 'pump'] : [],
        clearance: c.below(4),
      },
    }),
    ...maybe({ userDevice: { owner: c.of(owners), shared: c.one(2) } }),
    ...maybe({ resource: { sensitivity: c.below(4), admin: c.one(3), remediation: c.one(3) } }),
    ...maybe({ signals }),
    ...maybe({ patchDays: c.below(200) }),
    ...maybe({ outer: c.of(['192.0.2.1', '2001:db8::1']) }),
    ...maybe({
      location: {
        site: c.of(['', 'clinic']),
        networks: c.one(2) ? ['vendor-offices'] : [],
        country: c.of(['DE', 'US', 'unknown']),
      },
    }),
    ...maybe({ path: c.of(paths) }),
    ...maybe({ shift: c.of(['day', 'night']) }),
    ...maybe({
      authentication: { method: c.of(authenticationMethods), phishingResistant: c.one(2), age: c.below(600) },
    }),
    ...maybe({ risk: c.below(101) }),
    ...maybe({
      ticket: {
        number: `T-${c.below(3)}`,
        kind: c.of(['change', 'incident', 'request']),
        actions: actions.filter((_, i) => i === 0 || c.one(2)),
        approvals: c.below(4),
      },
    }),
    ...maybe({ windows: c.one(2) ? ['sunday-night'] : [] }),
    ...maybe({ exceptions: c.one(2) ? ['old-printer'] : [] }),
    ...maybe({ contact: c.of(contacts) }),
  }) as Partial<AccessRequest>;
}

for (const [name, text] of [
  ['the shipped set', shipped('clinic.cedar')],
  ['the library', library],
] as const)
  void t.test(`${name}, its questions checked against the schema by cedar-wasm`, (t) => {
    const schema = preparseSchema('differential', schemaText);
    t.equal(schema.type, 'success');
    const set = loadPolicySet(text, name);
    const split = policySetTextToParts(text);
    if (split.type === 'failure') throw new Error(split.errors[0]?.message);
    const about: Record<PolicySubject, Record<string, string>> = {
      actions: {},
      obligations: {},
      'break-glass': {},
    };
    for (const part of split.policies) {
      const parsed = policyToJson(part);
      if (parsed.type === 'failure') throw new Error(parsed.errors[0]?.message);
      const subject = subjectOf(parsed.json);
      if (subject === 'several') throw new Error(part);
      about[subject][parsed.json.annotations?.['id'] ?? ''] = part;
    }
    for (const [subject, staticPolicies] of Object.entries(about))
      t.equal(preparsePolicySet(subject, { staticPolicies }).type, 'success');

    const c = new Chance(7);
    const roles = [
      'radiologist',
      'clinician',
      'nurse',
      'biomedical-engineer',
      'vendor',
      'billing',
      'results-router',
      'visitor',
    ];
    let differences = 0;
    let allowed = 0;
    for (let i = 0; i < 150; i++) {
      const asked = {
        ...accessQuestion({
          roles: [c.of(roles), c.of(roles)],
          units: [c.of(['icu', 'er'])],
          unit: c.of(['icu', 'er']),
          class: c.of(['pacs', 'modality', 'infusion-pump', 'monitor', 'ehr', 'billing', 'analyser']),
          posture: c.of(['good', 'good', 'minor', 'major', 'critical', 'unknown']),
          score: c.below(101),
          kex: c.of(kexModes),
          protocol: c.of(protocols),
          source: c.of(['100.96.0.7', '10.1.2.3', 'fd00::7']),
          emergency: c.one(3),
          breakGlass: c.one(3),
        }),
        ...someFacts(c),
      };
      const engineQuestion = readQuestion(asked);
      const questions = [
        ...actions.map((id) => ['actions', id, set.authorize(engineQuestion, id)] as const),
        ...obligationKinds.map((id) => ['obligations', id, set.obliges(engineQuestion, id)] as const),
        ['break-glass', BREAK_GLASS, set.mayBreakGlass(engineQuestion)] as const,
      ];
      // Made without the detour over JSON, and the same.
      const cedar = cedarRequest(asked);
      const detour = questionFromJson(cedar);
      const parts = ({ context, entities }: Question): string =>
        JSON.stringify([
          keyOf(context),
          cedar.entities.map(({ uid }) => [
            keyOf(entities.attributes(uidFromJson(uid)) ?? ''),
            [...entities.ancestors(uidFromJson(uid))].sort(),
          ]),
        ]);
      if (parts(engineQuestion) !== parts(detour)) differences++;
      for (const [preparsedPolicySetId, id, verdict] of questions) {
        const theirs = statefulIsAuthorized({
          ...cedarRequest(asked),
          action: { type: 'Action', id },
          preparsedPolicySetId,
          preparsedSchemaName: 'differential',
          validateRequest: true,
        });
        if (theirs.type === 'failure') throw new Error(theirs.errors[0]?.message);
        const { decision, diagnostics } = theirs.response;
        const said = {
          kind: 'answer',
          allow: decision === 'allow',
          determining: diagnostics.reason.toSorted(),
        };
        const mine = verdict.kind === 'answer' ? { ...verdict, overridden: undefined } : verdict;
        if (said.allow) allowed++;
        if (JSON.stringify(mine) !== JSON.stringify(said) || diagnostics.errors.length > 0) differences++;
      }
    }
    t.equal(differences, 0);
    t.ok(allowed > 100, `${allowed} allowed`);
    set.close();
    t.end();
  });

void t.test('no action of the schema is in a group: the engine knows no groups of actions', (t) => {
  const schema = schemaToJson(schemaText);
  if (schema.type === 'failure') throw new Error(schema.errors[0]?.message);
  const declared = schema.json['']?.actions ?? {};
  t.same(Object.keys(declared).sort(), [...actions, ...obligationKinds, BREAK_GLASS].sort());
  for (const [name, { memberOf }] of Object.entries(declared)) t.same(memberOf ?? [], [], name);
  t.end();
});
