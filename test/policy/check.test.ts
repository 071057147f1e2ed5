/** What `check` finds, what it leaves alone, and that what it claims of a policy holds for the engine too. */
import fc from 'fast-check';
import t from 'tap';
import { check } from '../../src/policy/check.ts';
import type { Finding } from '../../src/policy/check.ts';
import { examine } from '../../src/policy/examine.ts';
import { evaluate } from '../../src/policy/evaluate.ts';
import { coverOf, covers } from '../../src/policy/region.ts';
import { loadPolicySet } from '../../src/policy/policy-set.ts';
import { question, shipped } from './question.ts';

const policy = (id: string, body: string, more = ''): string =>
  `@id("${id}") @reason("Because of ${id}.") ${more}\n${body}\n`;
const found = (...texts: string[]): readonly Finding[] =>
  check([{ name: 'site.cedar', text: texts.join('') }]).findings;
const short = (findings: readonly Finding[]): string[] =>
  findings.map(({ level, name, policy: id, line }) => `${level} ${name} ${id} ${line}`);

const nurse = policy('nurse', 'permit (principal in Role::"nurse", action == Action::"view", resource);');

void t.test('the shipped set has no finding', (t) => {
  t.same(short(check([{ name: 'clinic.cedar', text: shipped('clinic.cedar') }]).findings), []);
  t.end();
});

void t.test('policies that can never hold', (t) => {
  const never = [
    'resource.class == "pacs" && resource.class == "monitor"',
    'resource.class == "pacs" && !["pacs", "monitor"].contains(resource.class)',
    'context.posture.score > 100',
    'context.time.minute >= 600 && context.time.minute < 600',
    'context.time.weekday == 8',
    '60 < context.posture.score && context.posture.score <= 60',
    '60 >= context.posture.score && context.posture.score > 60',
    '!(context.posture.score < 50) && 50 > context.posture.score',
    'context.breakGlass && !context.breakGlass',
    'principal.units.contains("icu") && !principal.units.contains("icu")',
    '!(context.kex == Kex::"hybrid") && context.kex != Kex::"classical" && context.kex != Kex::"classical+psk"',
    'if context.breakGlass then !context.breakGlass else context.breakGlass',
  ];
  for (const when of never)
    t.match(
      short(
        found(
          nurse,
          policy(
            'a',
            `permit (principal in Role::"a", action == Action::"view", resource) when { ${when} };`,
          ),
        ),
      ),
      ['warning never-holds a 3'],
      when,
    );
  const may = [
    'resource.class == "pacs" || resource.class == "monitor"',
    'context.time.minute >= 600 && context.time.minute < 601',
    'context.kex != Kex::"classical"',
    'context.posture.score >= 100',
    '!(context.posture.score < 50) && context.posture.score <= 50',
    '!(context.posture.score > 50) && context.posture.score >= 50',
    '60 < context.posture.score && context.posture.score > 70',
    '60 <= context.posture.score && context.posture.score <= 60',
    '60 >= context.posture.score && context.posture.score < 10',
    '!(60 > context.posture.score) && context.posture.score > 99',
  ];
  for (const when of may)
    t.same(
      found(
        nurse,
        policy('a', `permit (principal in Role::"a", action == Action::"view", resource) when { ${when} };`),
      ),
      [],
      when,
    );
  t.end();
});

void t.test('a permit under a forbid, whole or in part, by one or by several together', (t) => {
  const permit = policy(
    'look',
    'permit (principal in Role::"nurse", action in [Action::"view", Action::"modify"], resource) when { resource.class == "pacs" };',
  );
  const all = policy(
    'none',
    'forbid (principal, action, resource) when { ["pacs", "monitor"].contains(resource.class) };',
  );
  t.match(found(permit, all), [
    { name: 'shadowed', policy: 'look', line: 1, message: 'whatever it permits is forbidden by none' },
  ]);
  const part = policy(
    'no-modify',
    'forbid (principal in Role::"nurse", action == Action::"modify", resource);',
  );
  t.match(found(permit, part), [
    { name: 'shadowed', message: 'its modify is always forbidden by no-modify' },
  ]);
  const unless = policy(
    'only-view',
    'forbid (principal, action, resource) unless { action == Action::"view" };',
  );
  t.match(found(permit, unless), [
    { name: 'shadowed', message: 'its modify is always forbidden by only-view' },
  ]);
  const exit = policy(
    'soft',
    'forbid (principal, action, resource) unless { context.breakGlass };',
    '@tier("soft")',
  );
  t.same(found(permit, exit), [], 'a forbid with an exit');
  const either = policy(
    'either',
    'permit (principal in Role::"nurse", action == Action::"view", resource) when { resource.class == "pacs" || resource.class == "monitor" };',
  );
  const pacs = policy('no-pacs', 'forbid (principal, action, resource) when { resource.class == "pacs" };');
  const monitor = policy(
    'no-monitor',
    'forbid (principal, action, resource) when { resource.class == "monitor" };',
  );
  t.match(found(either, pacs, monitor), [
    { name: 'shadowed', message: 'whatever it permits is forbidden by no-monitor, no-pacs' },
  ]);
  t.same(found(either, pacs), []);
  t.end();
});

void t.test('duplicates, said in another way too', (t) => {
  const a = policy(
    'a',
    'permit (principal in Role::"nurse", action == Action::"view", resource) when { resource.class == "pacs" && resource.unit == "icu" };',
  );
  const b = policy(
    'b',
    'permit (principal, action == Action::"view", resource) when { principal in Role::"nurse" && "icu" == resource.unit && ["pacs"].contains(resource.class) };',
  );
  t.match(found(a, b), [{ name: 'duplicate', policy: 'b', line: 3, message: 'says the same as a' }]);
  const c = policy(
    'c',
    'permit (principal in Role::"nurse", action == Action::"view", resource) when { resource.class == "pacs" };',
  );
  t.same(found(a, c), [], 'a wider one is not the same');
  t.end();
});

void t.test('permits that are too broad', (t) => {
  t.match(found(policy('a', 'permit (principal, action == Action::"view", resource);')), [
    { name: 'over-broad' },
  ]);
  t.match(found(policy('a', 'permit (principal is User, action == Action::"view", resource is Resource);')), [
    { name: 'over-broad' },
  ]);
  t.match(
    found(
      policy(
        'a',
        'permit (principal, action == Action::"modify", resource) when { resource.class == "pacs" };',
      ),
    ),
    [{ name: 'everyone-changes', message: /everyone modify/ }],
  );
  t.same(
    found(
      policy(
        'a',
        'permit (principal, action == Action::"view", resource) when { resource.class == "pacs" };',
      ),
    ),
    [],
  );
  t.same(
    found(
      policy(
        'a',
        'permit (principal, action == Action::"modify", resource) when { principal in Role::"x" };',
      ),
    ),
    [],
  );
  const download = policy('a', 'permit (principal in Role::"x", action == Action::"download", resource);');
  t.match(found(download), [{ name: 'ephi-download' }]);
  t.same(
    found(
      download,
      policy(
        'b',
        'forbid (principal, action == Action::"download", resource) when { context.posture.level != Level::"good" };',
      ),
    ),
    [],
    'a forbid looks at the circumstances',
  );
  t.same(
    found(
      policy(
        'a',
        'permit (principal in Role::"x", action == Action::"download", resource) when { !resource.ephi };',
      ),
    ),
    [],
  );
  t.same(
    found(policy('a', 'permit (principal, action == Action::"record", resource);')),
    [],
    'an obligation for everyone',
  );
  t.end();
});

void t.test('mistakes of every file, and places in it', (t) => {
  const files = [
    {
      name: 'a.cedar',
      text: policy(
        'a',
        'permit (principal in Role::"a", action == Action::"view", resource) when { resource.x };',
      ),
    },
    { name: 'b.cedar', text: 'permit (principal,' },
    {
      name: 'c.cedar',
      text: `// first\n${nurse}${policy('d', 'permit (principal in Role::"d", action, resource) when { 1 == "1" };')}`,
    },
  ];
  t.match(check(files).findings, [
    { file: 'a.cedar', level: 'error', name: 'invalid', policy: 'a' },
    { file: 'b.cedar', line: 1, level: 'error' },
    { file: 'c.cedar', line: 4, level: 'error', policy: 'd' },
  ]);
  const twice = [
    { name: 'a.cedar', text: nurse.trimEnd() },
    { name: 'b.cedar', text: `\n\n${nurse}` },
  ];
  t.match(check(twice).findings, [{ file: 'b.cedar', line: 3, message: 'its @id is used twice' }]);
  const warned = [
    { name: 'a.cedar', text: nurse.trimEnd() },
    { name: 'b.cedar', text: `\n${policy('x', 'permit (principal, action == Action::"view", resource);')}` },
  ];
  t.match(check(warned).findings, [{ file: 'b.cedar', line: 2, name: 'over-broad' }]);
  t.ok(check(warned).set, 'a set with findings is still a set');
  t.end();
});

void t.test('what is claimed of two policies holds for the engine', (t) => {
  const atom = fc.constantFrom(
    'resource.class == "pacs"',
    'resource.class != "pacs"',
    '["pacs", "monitor"].contains(resource.class)',
    'context.posture.score > 50',
    'context.posture.score <= 40',
    '60 < context.posture.score',
    'context.posture.level == Level::"good"',
    'context.posture.level != Level::"good"',
    'context.time.minute < 600',
    'context.breakGlass',
    'principal in Role::"nurse"',
    'principal.units.contains(resource.unit)',
    'action == Action::"view"',
    'action in [Action::"modify"]',
    'true',
  );
  const { expression } = fc.letrec<{ expression: string }>((tie) => ({
    expression: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      atom,
      fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `(${a} && ${b})`),
      fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `(${a} || ${b})`),
      tie('expression').map((a) => `!(${a})`),
      fc
        .tuple(atom, tie('expression'), tie('expression'))
        .map(([a, b, c]) => `(if ${a} then ${b} else ${c})`),
    ),
  }));
  const asked = fc.record({
    roles: fc.constantFrom(['nurse'], ['medic'], []),
    class: fc.constantFrom('pacs', 'monitor', 'pump'),
    score: fc.constantFrom(0, 40, 41, 50, 51, 60, 61, 100),
    posture: fc.constantFrom('good', 'minor', 'major', 'unknown'),
    minute: fc.constantFrom(0, 599, 600),
    units: fc.constantFrom(['icu'], []),
    emergency: fc.boolean(),
  });
  let claims = 0;
  fc.assert(
    fc.property(
      expression,
      expression,
      fc.array(asked, { minLength: 40, maxLength: 40 }),
      (a, b, questions) => {
        const permit = policy(
          'p',
          `permit (principal, action in [Action::"view", Action::"modify"], resource) when { ${a} };`,
        );
        const other = policy(
          'q',
          `permit (principal, action in [Action::"view", Action::"modify"], resource) when { ${b} };`,
        );
        const { parts } = examine(permit + other);
        const [one, two] = [parts.get('p')?.json, parts.get('q')?.json];
        if (!one || !two) throw new Error(`${permit}${other}`);
        // Some generated policies never apply by their types alone: those don't load.
        if (examine(permit).mistakes.length > 0 || examine(other).mistakes.length > 0) return;
        const [first, second] = [loadPolicySet(permit, 'p'), loadPolicySet(other, 'q')];
        for (const action of ['view', 'modify'] as const) {
          const [mine, theirs] = [coverOf(one, action), coverOf(two, action)];
          if (!mine || !theirs) continue;
          const inside = covers(theirs, mine);
          if (inside || mine.length === 0) claims++;
          for (const each of questions) {
            const permitted = evaluate(first, question(each)).permitted.includes(action);
            if (permitted && mine.length === 0) throw new Error(`never: ${a}`);
            if (permitted && inside && !evaluate(second, question(each)).permitted.includes(action))
              throw new Error(`covers: ${a} in ${b}`);
          }
        }
      },
    ),
    { numRuns: 60 },
  );
  t.ok(claims > 8, `${claims} claims`);
  t.end();
});
