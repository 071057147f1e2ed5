/** Loading a policy set: what is refused and with which words, the schema for authors, revisions, time marks. */
import t from 'tap';
import { MAX_POLICIES } from '../../src/policy/examine.ts';
import { loadPolicySet } from '../../src/policy/policy-set.ts';
import { schemaText } from '../../src/policy/schema.ts';
import { nextMark } from '../../src/policy/time-marks.ts';
import { isFault } from '../../src/wire/errors.ts';
import { epochMillis } from '../../src/wire/units.ts';
import { shipped } from './question.ts';

const policy = (id: string, rest = 'permit (principal, action, resource);'): string =>
  `@id("${id}")\n@reason("Because.")\n${rest}\n`;

void t.test('the shipped set loads, and the schema for authors is the schema in force', (t) => {
  const set = loadPolicySet(shipped('clinic.cedar'), 'clinic.cedar');
  t.equal(set.policies.size, 19);
  t.equal(set.policies.get('posture.major')?.effect, 'forbid');
  t.match(set.revision, /^[0-9a-f]{12}$/);
  t.ok(set.digest.startsWith(set.revision));
  t.equal(shipped('schema.cedarschema'), schemaText);
  set.close();
  t.end();
});

void t.test('the revision follows the bytes', (t) => {
  const a = loadPolicySet(policy('a'), 'x');
  const b = loadPolicySet(policy('a'), 'y');
  const c = loadPolicySet(`${policy('a')} `, 'x');
  t.equal(a.revision, b.revision);
  t.not(a.revision, c.revision);
  for (const set of [a, b, c]) set.close();
  t.end();
});

void t.test('more than ten policies keep their names', (t) => {
  const ids = Array.from({ length: 25 }, (_, i) => `p${i}`);
  const set = loadPolicySet(ids.map((id) => policy(id)).join(''), 'many');
  t.same([...set.policies.keys()].sort(), [...ids].sort());
  set.close();
  t.end();
});

void t.test('what is refused, and where', (t) => {
  const many = Array.from({ length: 12 }, (_, i) => policy(`p${i}`)).join('');
  const cases: [string, string, RegExp][] = [
    ['syntax', `${policy('a')}permit (principal, action resource);`, /^site\.cedar:4:27: .*unexpected token/],
    ['not closed', 'permit (principal', /^site\.cedar:1:\d+: /],
    ['no id', '@reason("x") permit (principal, action, resource);', /^site\.cedar:1:1: has no @id$/],
    [
      'no reason',
      `${policy('a')}\n@id("b") permit (principal, action, resource);`,
      /^site\.cedar:5:1: policy b: has no @reason$/,
    ],
    [
      'empty reason',
      '@id("b") @reason(" ") permit (principal, action, resource);',
      /policy b: has no @reason$/,
    ],
    [
      'long reason',
      `@id("b") @reason("${'x'.repeat(201)}") permit (principal, action, resource);`,
      /longer than 200/,
    ],
    ['an id that is no name', policy('A b'), /policy A b: its @id must be a name/],
    ['an id twice', policy('a') + policy('a'), /^site\.cedar:4:1: policy a: its @id is used twice$/],
    [
      'an annotation twice',
      '@id("a") @id("b") @reason("x") permit (principal, action, resource);',
      /^site\.cedar:1:10: .*duplicate annotation/,
    ],
    [
      'unknown attribute, after a comment in two-byte letters',
      `// é\n${many}${policy('late', 'permit (principal, action, resource) when { context.nope };')}`,
      /^site\.cedar:40:45: policy late: attribute `nope`.* not found/,
    ],
    [
      'unknown action',
      policy('a', 'permit (principal, action == Action::"wiew", resource);'),
      /policy a: unrecognized action .*did you mean/,
    ],
    [
      'unknown entity type',
      policy('a', 'permit (principal in Team::"x", action, resource);'),
      /policy a: unrecognized entity type/,
    ],
    [
      'unknown level',
      policy('a', 'forbid (principal, action, resource) when { context.posture.level == Level::"mjaor" };'),
      /policy a: .*not declared as a valid eid/,
    ],
    [
      'types',
      policy('a', 'permit (principal, action, resource) when { resource.unit == 3 };'),
      /policy a: the types/,
    ],
    [
      'a policy that can never apply',
      policy('a', 'forbid (principal is Peer, action, resource);'),
      /policy a: /,
    ],
    [
      'a number that Cedar cannot hand over exactly',
      policy('a') +
        policy(
          'b',
          'permit (principal, action, resource) when { context.posture.score < 9007199254740993 };',
        ),
      /^site\.cedar:4:1: policy b: the engine can't decide it: the number 9007199254740992 can't be read exactly/,
    ],
    [
      'an extension function that the engine has not',
      policy('a', 'permit (principal, action, resource) when { decimal("1.0").lessThan(decimal("2.0")) };'),
      /policy a: the engine can't decide it: unknown operator `lessThan`/,
    ],
    [
      'an action and an obligation in one policy',
      policy('a', 'permit (principal, action in [Action::"view", Action::"record"], resource);'),
      /policy a: its scope names actions, obligations or break-glass together$/,
    ],
    ['a tier on a permit', `@tier("soft") ${policy('a')}`, /policy a: only a forbid of actions has a @tier$/],
    [
      'a tier of another name',
      `@tier("firm") ${policy('a', 'forbid (principal, action, resource);')}`,
      /policy a: its @tier is neither "soft" nor "hard"$/,
    ],
    [
      'a soft forbid without an exit',
      `@tier("soft") ${policy('a', 'forbid (principal, action, resource) unless { resource.ephi };')}`,
      /policy a: soft without an exit/,
    ],
    [
      'a soft forbid whose exit needs more than the emergency',
      `@tier("soft") ${policy('a', 'forbid (principal, action, resource) unless { context.emergency && resource.ephi };')}`,
      /policy a: soft without an exit/,
    ],
    [
      'a soft forbid whose exit is no exit',
      `@tier("soft") ${policy('a', 'forbid (principal, action, resource) when { context.emergency };')}`,
      /policy a: soft without an exit/,
    ],
    [
      'a hard forbid with an exit',
      `@tier("hard") ${policy('a', 'forbid (principal, action, resource) unless { resource.ephi || context.breakGlass };')}`,
      /policy a: gives way to emergency mode or break-glass/,
    ],
    [
      'a forbid with an exit and no tier',
      policy('a', 'forbid (principal, action, resource) unless { context.emergency };'),
      /policy a: gives way to emergency mode or break-glass/,
    ],
    [
      'a clock on a forbid',
      `@session("1h") ${policy('a', 'forbid (principal, action, resource);')}`,
      /policy a: only a permit of actions has a @session$/,
    ],
    ['a clock without a unit', `@idle("15") ${policy('a')}`, /policy a: its @idle is no time/],
    ['a clock of more than a day', `@session("25h") ${policy('a')}`, /policy a: its @session is no time/],
    ['a template', policy('a', 'permit (principal == ?principal, action, resource);'), /template/],
    [
      'too many',
      Array.from({ length: MAX_POLICIES + 1 }, (_, i) => policy(`p${i}`)).join(''),
      /more than 4096 policies/,
    ],
  ];
  for (const [name, text, wanted] of cases) {
    try {
      loadPolicySet(text, 'site.cedar');
      t.fail(`${name} was accepted`);
    } catch (e) {
      if (!isFault(e, 'POLICY_INVALID')) throw e;
      t.match(e.detail, wanted, name);
      t.notMatch(e.detail, /policy\d+`/, `${name}: no invented names`);
    }
  }
  t.end();
});

void t.test('when the clock may change an answer', (t) => {
  const when = (condition: string): ReturnType<typeof loadPolicySet> =>
    loadPolicySet(policy('a', `permit (principal, action, resource) when { ${condition} };`), 'x');
  const marks = (condition: string): unknown => {
    const set = when(condition);
    set.close();
    return set.times;
  };
  t.same(marks('context.posture.score > 420'), { kind: 'never' });
  t.same(marks('context has time'), { kind: 'never' });
  t.same(marks('context.time.minute >= 420'), { kind: 'marks', minutes: [0, 420, 421] });
  t.same(marks('1260 > context.time.minute && resource.ephi'), { kind: 'marks', minutes: [0, 1260, 1261] });
  t.same(marks('context.time.weekday == 6'), { kind: 'marks', minutes: [0] });
  t.same(marks('[1, 7].contains(context.time.weekday)'), { kind: 'marks', minutes: [0] });
  t.same(marks('context.time.minute + 5 > 420'), { kind: 'every-minute' });
  t.same(marks('[1, 2].contains(context.time.minute)'), { kind: 'every-minute' });
  t.same(marks('context.time == {minute: 5, weekday: 3}'), { kind: 'every-minute' });

  // 2027-01-15T08:00:20Z, taken as 10:20 local time.
  const now = epochMillis(1_800_000_020_000);
  const top = now - 20_000;
  const at = (minutes: number): number => top + minutes * 60_000;
  const day = { kind: 'marks', minutes: [0, 420, 630] } as const;
  t.equal(nextMark({ kind: 'never' }, now, { minute: 620, weekday: 5 }), undefined);
  t.equal(nextMark({ kind: 'every-minute' }, now, { minute: 620, weekday: 5 }), at(1));
  t.equal(nextMark(day, now, { minute: 620, weekday: 5 }), at(10));
  t.equal(nextMark(day, now, { minute: 630, weekday: 5 }), at(60), 'at most an hour ahead');
  t.equal(nextMark(day, now, { minute: 1439, weekday: 5 }), at(1), 'over midnight');
  t.end();
});
