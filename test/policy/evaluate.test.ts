/**
 * Decisions: tables (clinic.json, roles.json and ladder.json for the shipped set, obligations.json and
 * conditions.json for every word of the context), a model of the shipped set written a second time in TypeScript,
 * policies that fail while they are evaluated.
 */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { decide } from '../../src/policy/decide.ts';
import { evaluate } from '../../src/policy/evaluate.ts';
import type { Evaluation } from '../../src/policy/evaluate.ts';
import { loadPolicySet } from '../../src/policy/policy-set.ts';
import { actions } from '../../src/wire/action.ts';
import type { Action } from '../../src/wire/action.ts';
import { decision as decisionSchema } from '../../src/wire/grant.ts';
import { after, epochMillis, hours, minutes } from '../../src/wire/units.ts';
import { question, session, shipped } from './question.ts';
import type { Circumstances } from './question.ts';

interface Case extends Circumstances {
  readonly name: string;
  readonly permitted: readonly Action[];
  readonly rules?: readonly string[];
  readonly refusedBy?: readonly string[];
  readonly reasons?: readonly string[];
  /** Kinds, each once. */
  readonly obligations?: readonly string[];
}
interface Table {
  readonly policy: string | readonly string[];
  readonly cases: readonly Case[];
}

/** `action: reason`, one for each action and reason, sorted: as the tables have it. */
const reasonsOf = (answer: Evaluation): string[] =>
  answer.denials.flatMap((each) => each.actions.map((action) => `${action}: ${each.reason}`)).sort();

const now = epochMillis(1_800_000_000_000);
const limits = { idle: 900_000, session: 12 * 3_600_000 };
const clinic = loadPolicySet(shipped('clinic.cedar'), 'clinic.cedar');

const tables = ['clinic', 'roles', 'ladder', 'obligations', 'conditions'];
const casesOf = (name: string): Table =>
  JSON.parse(readFileSync(new URL(`${name}.json`, import.meta.url), 'utf8')) as Table;

void t.test('the tables have 200 cases, no two of one table the same', (t) => {
  t.ok(tables.reduce((sum, name) => sum + casesOf(name).cases.length, 0) >= 200);
  for (const name of tables) {
    const { cases } = casesOf(name);
    t.equal(new Set(cases.map((each) => each.name)).size, cases.length, `${name}: names`);
    const asked = cases.map((each) => JSON.stringify(question(each)));
    t.equal(new Set(asked).size, asked.length, `${name}: questions`);
  }
  t.end();
});

for (const name of tables) {
  void t.test(`decision table ${name}`, (t) => {
    const table = casesOf(name);
    const text = typeof table.policy === 'string' ? shipped(table.policy) : table.policy.join('\n');
    const set = loadPolicySet(text, name);
    t.ok(table.cases.length > 15);
    for (const row of table.cases) {
      const answer = evaluate(set, question(row));
      t.same(answer.permitted, row.permitted, row.name);
      if (row.rules) t.same(answer.rules, row.rules, `${row.name}: rules`);
      if (row.refusedBy) t.same(answer.refusedBy, row.refusedBy, `${row.name}: refused by`);
      if (row.reasons) t.same(reasonsOf(answer), row.reasons, `${row.name}: reasons`);
      if (row.obligations) {
        const kinds = new Set(answer.obligations.map((each) => each.kind));
        t.same([...kinds], row.obligations, `${row.name}: obligations`);
      }
      t.same(answer.failures, [], `${row.name}: nothing failed`);
    }
    set.close();
    t.end();
  });
}

/** The shipped set in other words. */
function expected(
  c: Required<Pick<Circumstances, 'roles' | 'units' | 'class' | 'unit' | 'posture'>>,
): Action[] {
  const permitted = new Set<Action>();
  const is = (role: string): boolean => c.roles.includes(role);
  const imaging = c.class === 'pacs' || c.class === 'modality';
  const bedside = (c.class === 'infusion-pump' || c.class === 'monitor') && c.units.includes(c.unit);
  const add = (...list: Action[]): void => list.forEach((a) => permitted.add(a));
  if (is('radiologist') && imaging) add('view', 'modify', 'download');
  if (is('radiographer') && imaging) add('view', 'modify');
  if (is('clinician') && c.class === 'pacs') add('view');
  if ((is('nurse') || is('clinician')) && bedside) add('view', 'modify');
  if (is('biomedical-engineer')) add('view', 'administer');
  if (is('vendor')) add('view');
  if (is('vendor') || c.posture === 'major') for (const a of actions) if (a !== 'view') permitted.delete(a);
  if (c.posture === 'unknown') permitted.delete('administer');
  if (c.posture === 'critical') permitted.clear();
  return actions.filter((a) => permitted.has(a));
}

void t.test('the shipped set and its model agree on generated questions', (t) => {
  const roles = [
    'radiologist',
    'radiographer',
    'clinician',
    'nurse',
    'biomedical-engineer',
    'vendor',
    'visitor',
  ];
  const circumstances = fc.record({
    roles: fc.uniqueArray(fc.constantFrom(...roles), { minLength: 1, maxLength: 3 }),
    units: fc.uniqueArray(fc.constantFrom('icu', 'er', 'radiology'), { maxLength: 2 }),
    class: fc.constantFrom('pacs', 'modality', 'infusion-pump', 'monitor', 'analyser'),
    unit: fc.constantFrom('icu', 'er', 'unassigned'),
    posture: fc.constantFrom('good', 'minor', 'major', 'critical', 'unknown'),
    score: fc.integer({ min: 0, max: 100 }),
    kex: fc.constantFrom('classical', 'classical+psk', 'hybrid'),
    protocol: fc.constantFrom('dicom', 'hl7', 'tcp'),
    ephi: fc.boolean(),
    minute: fc.integer({ min: 0, max: 1439 }),
    weekday: fc.integer({ min: 1, max: 7 }),
  });
  let permits = 0;
  let denials = 0;
  fc.assert(
    fc.property(circumstances, (c) => {
      const { decision, evaluation } = decide(clinic, question(c), session, now, limits);
      if (evaluation.failures.length > 0) return false;
      const wanted = expected(c);
      decisionSchema.parse(decision);
      if (decision.decision === 'deny') {
        denials++;
        return wanted.length === 0 && decision.refusal.reasons.length > 0;
      }
      permits++;
      const { grant } = decision;
      // What isn't granted is explained, and what is granted is never refused.
      for (const a of actions) {
        const explained = grant.denials.some((each) => each.actions.includes(a));
        if (explained === grant.actions.includes(a)) return false;
      }
      return (
        JSON.stringify(grant.actions) === JSON.stringify(wanted) &&
        grant.rules.length > 0 &&
        grant.rules.every((r) => clinic.policies.get(r)?.effect === 'permit') &&
        grant.expiresAt <= grant.limits.end
      );
    }),
    { numRuns: 600 },
  );
  t.ok(permits > 100, `${permits} permits`);
  t.ok(denials > 50, `${denials} denials`);
  t.end();
});

void t.test('an empty set denies everything', (t) => {
  const set = loadPolicySet('// nothing\n', 'empty');
  const { decision } = decide(set, question({}), session, now, limits);
  t.equal(decision.decision, 'deny');
  if (decision.decision === 'deny') {
    t.same(decision.refusal.rules, [], 'the default deny has no rule');
    t.same(decision.refusal.reasons, ['No policy permits it.']);
    t.equal(decision.refusal.code, 'POLICY_DENIED');
  }
  set.close();
  t.end();
});

void t.test('a policy that fails refuses the action it fails on', (t) => {
  const permitAll = '@id("all") @reason("All.") permit (principal, action, resource);\n';
  const failing = 'context.posture.score * 9007199254740991 * 9007199254740991 > 0';
  const cases: [string, string][] = [
    [
      'a forbid that fails',
      `@id("broken") @reason("B.") forbid (principal, action == Action::"modify", resource) when { ${failing} };`,
    ],
    [
      'a permit that fails',
      `@id("broken") @reason("B.") permit (principal, action == Action::"modify", resource) when { ${failing} };`,
    ],
    [
      'an unless that fails',
      `@id("broken") @reason("B.") forbid (principal, action == Action::"modify", resource) unless { ${failing} };`,
    ],
  ];
  for (const [name, text] of cases) {
    const set = loadPolicySet(permitAll + text, 'failing');
    const answer = evaluate(set, question({}));
    t.same(answer.permitted, ['view', 'download', 'print', 'administer'], name);
    t.same(answer.refusedBy, ['broken'], name);
    t.same(reasonsOf(answer), ['modify: A policy could not be evaluated (broken), so it is refused.'], name);
    t.equal(answer.failures.length, 1, name);
    t.match(answer.failures[0], /overflow/, name);
    set.close();
  }
  t.end();
});

void t.test('obligations: permits of their own, and required where a policy fails', (t) => {
  const policies = (...list: string[]): string =>
    list.map((text, i) => `@id("p${i}") @reason("Reason ${i}.") ${text}`).join('\n');
  const obligations = (...list: string[]): unknown => {
    const set = loadPolicySet(policies('permit (principal, action, resource);', ...list), 'obligations');
    const answer = evaluate(set, question({}));
    set.close();
    return answer.obligations;
  };
  t.same(obligations(), [], 'who permits every action requires nothing');
  t.same(
    obligations(
      'permit (principal, action == Action::"step-up", resource);',
      'permit (principal, action in [Action::"record", Action::"warn"], resource);',
      'permit (principal, action == Action::"record", resource);',
    ),
    [
      { kind: 'warn', text: 'Reason 2.' },
      { kind: 'record', text: 'Reason 2.' },
      { kind: 'record', text: 'Reason 3.' },
      { kind: 'step-up', text: 'Reason 1.' },
    ],
  );
  const record = 'permit (principal, action == Action::"record", resource);';
  t.same(
    obligations(record, 'forbid (principal, action, resource) when { action == Action::"administer" };'),
    [{ kind: 'record', text: 'Reason 1.' }],
    'a forbid of actions takes no obligation away',
  );
  t.same(obligations(record, 'forbid (principal, action == Action::"record", resource);'), []);
  const fails = 'context.posture.score * 9007199254740991 * 9007199254740991 > 0';
  for (const effect of ['permit', 'forbid'])
    t.same(
      obligations(`${effect} (principal, action == Action::"watch", resource) when { ${fails} };`),
      [{ kind: 'watch', text: 'A policy could not be evaluated (p1), so it is required.' }],
      effect,
    );
  t.end();
});

void t.test('two clocks: the longest permit of an action, the shortest action of the session', (t) => {
  const policies = {
    staff:
      '@id("staff") @reason("S.") permit (principal in Role::"staff", action == Action::"view", resource);',
    guest:
      '@id("guest") @reason("G.") @session("1h") @idle("5m") permit (principal in Role::"guest", action == Action::"view", resource);',
    long: '@id("long") @reason("L.") @session("20h") @idle("60m") permit (principal in Role::"long", action == Action::"view", resource);',
    admin:
      '@id("admin") @reason("A.") @session("30m") permit (principal in Role::"admin", action == Action::"administer", resource);',
  };
  const grant = (
    roles: string[],
    end?: typeof now,
    from: (keyof typeof policies)[] = ['staff', 'guest', 'long', 'admin'],
  ) => {
    const set = loadPolicySet(from.map((name) => policies[name]).join('\n'), 'clocks');
    const { decision } = decide(set, question({ roles }), session, now, {
      ...limits,
      ...(end ? { end } : {}),
    });
    set.close();
    if (decision.decision === 'deny') throw new Error('refused');
    return decision.grant;
  };
  const configured = { idle: 900_000, end: after(now, hours(12)) };
  t.same(grant(['staff']).limits, configured);
  t.same(grant(['guest']).limits, { idle: 300_000, end: after(now, hours(1)) });
  t.same(grant(['guest', 'staff']).limits, configured, 'either permit would do');
  t.same(grant(['long', 'staff']).limits, { idle: 3_600_000, end: after(now, hours(20)) });
  t.same(grant(['staff', 'admin']).limits, { idle: 900_000, end: after(now, minutes(30)) });
  t.equal(grant(['guest']).expiresAt, after(now, hours(1)), 'it is decided again no later than that');

  const opened = after(now, hours(2));
  t.equal(grant(['staff'], opened).limits.end, opened, 'deciding again puts nothing off');
  t.equal(
    grant(['guest', 'staff'], opened, ['guest']).limits.end,
    after(now, hours(1)),
    'with the longer permit gone the session lives on with the other limits',
  );
  t.end();
});

void t.test('the ladder of the shipped set', (t) => {
  const at = (posture: string, more: Circumstances = {}): Evaluation =>
    evaluate(clinic, question({ roles: ['radiologist'], posture, ...more }));
  const kinds = (e: Evaluation): string[] => e.obligations.map((each) => each.kind);
  const full = ['view', 'modify', 'download'];
  t.same([at('good').permitted, kinds(at('good'))], [full, []]);
  t.same([at('minor').permitted, kinds(at('minor'))], [full, ['warn']]);
  t.match(at('minor').obligations[0]?.text, /updates, screen lock.* in time\.$/);
  t.same([at('major').permitted, kinds(at('major'))], [['view'], ['warn']]);
  t.same([at('critical').permitted, kinds(at('critical'))], [[], ['quarantine']]);
  t.same(at('major', { breakGlass: true }).permitted, ['view'], 'break-glass is no relaxation of posture');
  const emergency = at('major', { emergency: true });
  t.same(emergency.permitted, full, 'emergency mode relaxes posture');
  t.same(kinds(emergency), ['warn', 'record', 'review'], 'and is recorded and reviewed');
  const vendor = at('good', { roles: ['vendor'], emergency: true });
  t.same(vendor.permitted, ['view'], 'and relaxes nothing else');
  t.same(kinds(at('good', { roles: ['vendor'] })), ['record']);
  const lasts = (role: string): number => {
    const { decision } = decide(clinic, question({ roles: [role] }), session, now, limits);
    return decision.decision === 'permit' ? decision.grant.limits.end - now : 0;
  };
  t.same(
    ['clinician', 'vendor', 'biomedical-engineer'].map(lasts),
    [12, 1, 1].map((h) => h * 3_600_000),
  );
  t.same(at('major', { roles: ['visitor'] }).obligations, [], 'nothing is asked of who may do nothing');
  t.end();
});

void t.test('a question that does not fit the schema is refused, action by action', (t) => {
  const q = question({});
  const bad = { ...q, subject: { ...q.subject, posture: { level: 'fine' as 'good', score: 90 } } };
  const answer = evaluate(clinic, bad);
  t.same(answer.permitted, []);
  t.equal(answer.failures.length, actions.length);
  const badSource = { ...q, subject: { ...q.subject, source: { address: 'fe80::1%eth0', port: 1 } } };
  t.same(evaluate(clinic, badSource).permitted, []);
  t.end();
});

void t.test('a closed set permits nothing', (t) => {
  const permitAll = loadPolicySet('@id("all") @reason("All.") permit (principal, action, resource);', 'a');
  t.same(evaluate(permitAll, question({})).permitted, actions);
  permitAll.close();
  t.same(evaluate(permitAll, question({})).permitted, []);
  const next = loadPolicySet(
    '@id("view") @reason("V.") permit (principal, action == Action::"view", resource);',
    'b',
  );
  t.same(evaluate(next, question({})).permitted, ['view']);
  t.same(evaluate(permitAll, question({})).permitted, [], 'the closed one stays closed');
  permitAll.close();
  t.same(evaluate(next, question({})).permitted, ['view'], 'closing twice takes nothing from another set');
  next.close();
  t.end();
});
