/** Recorded decisions put again, revisions compared, use counted, and drafts made of it. */
import t from 'tap';
import { check } from '../../src/policy/check.ts';
import { differences, lineDifference } from '../../src/policy/difference.ts';
import { entitlements, unusedPolicies, Usage } from '../../src/policy/entitlement.ts';
import { loadPolicySet } from '../../src/policy/policy-set.ts';
import { Replayer, decisionOf } from '../../src/policy/replay.ts';
import { Suggester } from '../../src/policy/suggest.ts';
import { parseTable, runTable } from '../../src/policy/table-test.ts';
import { shipped } from './question.ts';
import { Records, requestFrom } from './recorded.ts';

const text = shipped('clinic.cedar');
const clinic = loadPolicySet(text, 'clinic.cedar');
const nina = {
  user: 'nina',
  roles: ['nurse'],
  units: ['icu'],
  class: 'infusion-pump',
  unit: 'icu',
  resource: 'pump-3',
  path: 'local',
};
const noel = { ...nina, user: 'noel' };
const rita = { user: 'rita', roles: ['radiologist'], class: 'pacs', unit: 'radiology', resource: 'archive' };
const eric = { ...nina, user: 'eric', units: ['er'] };

void t.test('a recorded decision comes to the same answer again', (t) => {
  const records = new Records(clinic);
  records.session(nina, ['view']);
  records.session({ ...rita, posture: 'major' }, ['view']);
  records.session(eric);
  const replayer = new Replayer(clinic, clinic);
  for (const record of records.all) replayer.put(record);
  t.match(replayer.result(), { decisions: 3, replayed: 3, unlike: 0, changed: [] });
  const [first, , , second] = records.all;
  t.match(first && decisionOf(first), {
    user: 'nina',
    resource: 'pump-3',
    permitted: ['view', 'modify'],
    lacks: [],
  });
  t.match(second && decisionOf(second), { user: 'rita', permitted: ['view'] });
  t.end();
});

void t.test('what a new revision would change, by user and resource, and what records lack', (t) => {
  const records = new Records(clinic);
  for (let i = 0; i < 3; i++) records.session(nina, ['view']);
  records.session(rita, ['view', 'download']);
  records.session(eric);
  records.session(nina, [], true);
  records.session(eric, [], true);
  const unknown = {
    session: `s-${'f'.repeat(32)}`,
    code: 'UNKNOWN_PEER',
    rules: [],
    reasons: ['Nobody.'],
    revision: 'x',
  };
  records.put({ kind: 'session.refused', body: { refusal: unknown } });
  const after = loadPolicySet(
    `${text.replace('["infusion-pump", "monitor"].contains(resource.class) && principal.units', 'principal.units')}
     @id("no-orders") @reason("Orders go through the pharmacy.") forbid (principal in Role::"nurse", action == Action::"modify", resource);
     @id("pacs.watch") @reason("Watched.") permit (principal in Role::"radiologist", action == Action::"watch", resource);`,
    'after.cedar',
  );
  const replayer = new Replayer(clinic, after);
  for (const record of records.all) replayer.put(record);
  const { decisions, replayed, unlike, lacking, revisions, changed } = replayer.result();
  t.same([decisions, replayed, unlike], [8, 5, 0]);
  t.same(Object.fromEntries(lacking), { facts: 2, 'subject, target, facts': 1 });
  t.same([...revisions].sort(), [clinic.revision, 'x'].sort());
  t.match(changed, [
    {
      user: 'nina',
      resource: 'pump-3',
      count: 3,
      loses: ['modify'],
      gains: [],
      reasons: ['Orders go through the pharmacy.'],
    },
    { user: 'rita', resource: 'archive', count: 1, loses: [], gains: [], asks: ['watch'] },
  ]);
  t.equal(changed.length, 2);
  t.end();
});

void t.test('a decision that the old set answers otherwise is counted', (t) => {
  const other = loadPolicySet(
    text.replace('action in [Action::"view", Action::"modify"]', 'action == Action::"view"'),
    'other',
  );
  const records = new Records(
    loadPolicySet(
      `${text} @id("x") @reason("x") permit (principal in Role::"nurse", action == Action::"print", resource);`,
      'x',
    ),
  );
  records.session(nina);
  const replayer = new Replayer(clinic, other);
  for (const record of records.all) replayer.put(record);
  t.equal(replayer.result().unlike, 1);
  t.end();
});

void t.test('policies of two revisions: new, gone, changed, reworded', (t) => {
  const policy = (id: string, reason: string, when: string): string =>
    `@id("${id}") @reason("${reason}") permit (principal in Role::"a", action == Action::"view", resource) when { ${when} };\n`;
  const before = loadPolicySet(
    policy('a', 'A.', 'resource.ephi') +
      policy('b', 'B.', 'resource.ephi') +
      policy('c', 'C.', 'resource.ephi'),
    'one',
  );
  const after = loadPolicySet(
    policy('a', 'A.', '!resource.ephi') +
      policy('b', 'Better.', 'resource.ephi') +
      policy('d', 'D.', 'resource.ephi'),
    'two',
  );
  const found = differences(before, after);
  t.same(
    found.map(({ id, kind }) => `${id} ${kind}`),
    ['a changed', 'b reworded', 'c gone', 'd new'],
  );
  t.ok(found[0]?.lines.some((line) => line.startsWith('+ ') && line.includes('!')));
  t.ok(found[1]?.lines.some((line) => line.startsWith('- ') && line.includes('B.')));
  t.same(differences(before, before), []);
  t.same(lineDifference(['a', 'b', 'c'], ['a', 'x', 'c', 'd']), ['  a', '- b', '+ x', '  c', '+ d']);
  const clocked = loadPolicySet(before.text.replace('@id("a")', '@id("a") @session("1h")'), 'three');
  t.match(differences(before, clocked), [{ id: 'a', kind: 'changed' }]);
  t.end();
});

void t.test('a draft from a permissive pilot permits what was done and no more', (t) => {
  const open = loadPolicySet(
    '@id("pilot") @reason("The pilot.") permit (principal, action, resource) unless { principal in Role::"visitor" };',
    'pilot',
  );
  const records = new Records(open);
  records.session(nina, ['view', 'modify']);
  records.session(noel, ['view']);
  records.session({ ...nina, unit: 'er', units: ['er'], user: 'eva' }, ['view']);
  records.session({ ...rita, posture: 'minor' }, ['view', 'download']);
  records.session({ ...rita, user: 'ravi', roles: ['radiologist', 'teacher'], posture: 'unknown' }, ['view']);
  records.session(
    { ...rita, user: 'nina', roles: ['nurse'], class: 'pacs', 'break-glass': true, scenario: 'danger' },
    ['view'],
  );
  records.session({ ...rita, user: 'mallory', roles: ['visitor'] });
  records.session(noel, ['view'], true);
  const suggester = new Suggester();
  for (const record of records.all) suggester.put(record);
  const draft = suggester.draft();
  t.match(draft.suggestions, [
    {
      id: 'suggested.nurse.infusion-pump',
      actions: ['view', 'modify'],
      own: true,
      local: true,
      postureGood: true,
      users: 3,
      sessions: 3,
    },
    { role: 'radiologist', class: 'pacs', actions: ['download'], own: false, postureGood: true },
    { role: 'radiologist', class: 'pacs', actions: ['view'], own: false, postureGood: false, users: 2 },
  ]);
  t.equal(draft.suggestions.length, 3);
  t.same([draft.exceptional, draft.lacking, draft.roleless], [1, 1, 0]);
  t.same(Object.fromEntries(draft.refused), { 'mallory on archive': 1 });

  const { findings, set } = check([{ name: 'suggested.cedar', text: draft.cedar }]);
  t.same(findings, []);
  const table = parseTable(draft.cases);
  t.equal(table.kind, 'table');
  if (table.kind === 'table' && set) {
    const { outcomes, problems } = runTable(set, table.table);
    t.ok(outcomes.length >= 8, `${outcomes.length} cases`);
    t.same([problems, outcomes.filter(({ differences }) => differences.length > 0)], [[], []]);
    // What was done is still permitted, and what nobody did isn't.
    const replayer = new Replayer(open, set);
    for (const record of records.all) replayer.put(record);
    const lost = replayer.result().changed.filter(({ user }) => user === 'nina' || user === 'rita');
    t.match(
      lost.map(({ user, resource, loses }) => [user, resource, loses]),
      [
        ['nina', 'archive', ['view', 'modify', 'download', 'print', 'administer']],
        ['nina', 'pump-3', ['download', 'print', 'administer']],
        ['rita', 'archive', ['modify', 'print', 'administer']],
      ],
    );
  }
  t.end();
});

void t.test('a draft of hostile names is still valid', (t) => {
  const open = loadPolicySet(
    '@id("pilot") @reason("The pilot.") permit (principal, action, resource);',
    'pilot',
  );
  const records = new Records(open);
  records.session({ ...nina, roles: ['"; permit(principal, action, resource); //'], class: 'x | y `z`' }, [
    'view',
  ]);
  records.session({ ...nina, roles: ['x'.repeat(64)], class: 'y'.repeat(64) }, ['view', 'download']);
  records.session({ ...nina, roles: ['Ärztin'], class: 'röntgen' }, ['view']);
  const suggester = new Suggester();
  for (const record of records.all) suggester.put(record);
  const draft = suggester.draft();
  const { findings, set } = check([{ name: 'suggested.cedar', text: draft.cedar }]);
  t.same(findings, []);
  t.equal(set?.policies.size, 3);
  t.equal(parseTable(draft.cases).kind, 'table');
  t.end();
});

void t.test('entitlements, used and not', (t) => {
  const records = new Records(clinic);
  records.session(nina, ['view']);
  const usage = new Usage();
  for (const record of records.all) usage.put(record);
  const found = entitlements(
    clinic,
    [nina, noel, eric, rita].map((facts) => requestFrom(facts)),
    usage,
  );
  t.match(found, [
    {
      user: 'nina',
      resource: 'pump-3',
      actions: ['view', 'modify'],
      unused: ['modify'],
      lastUsed: 1_800_000_001_000,
    },
    { user: 'noel', unused: ['view', 'modify'] },
    { user: 'rita', unused: ['view', 'modify', 'download'] },
  ]);
  t.equal(found.length, 3);
  t.notOk(Object.hasOwn(found[1] ?? {}, 'lastUsed'));
  const unused = unusedPolicies(clinic, usage);
  t.ok(unused.includes('imaging.radiologist'));
  t.notOk(unused.includes('bedside.nurse'));
  t.notOk(unused.includes('posture.major'), 'only permits of actions');
  t.end();
});
