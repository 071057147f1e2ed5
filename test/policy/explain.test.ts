/** Explanations: what is said of an answer, and that each fact it hangs on really turns it. */
import { readFileSync, readdirSync } from 'node:fs';
import t from 'tap';
import { joinFiles } from '../../src/policy/check.ts';
import { evaluate } from '../../src/policy/evaluate.ts';
import { explain, mentionsOf } from '../../src/policy/explain.ts';
import type { Effect } from '../../src/policy/explain.ts';
import { loadPolicySet } from '../../src/policy/policy-set.ts';
import { requestOf } from '../../src/policy/table-facts.ts';
import { parseTable } from '../../src/policy/table-test.ts';
import { variations } from '../../src/policy/variations.ts';
import { shipped } from './question.ts';
import { requestFrom } from './recorded.ts';

const clinic = loadPolicySet(shipped('clinic.cedar'), 'clinic.cedar');
const nurse = { roles: ['nurse'], units: ['icu'], class: 'infusion-pump', unit: 'icu' };

const effectOf = (effects: readonly Effect[], fact: string, value: string): Effect | undefined =>
  effects.find(
    ({ changes: [change] }) => change?.fact === fact && change.value.split(' or ').includes(value),
  );

void t.test('a nurse with an old laptop', (t) => {
  const { permitted, refused, obligations, effects } = explain(
    clinic,
    requestFrom({ ...nurse, posture: 'major' }),
  );
  t.same(permitted, [
    {
      actions: ['view'],
      rules: ['bedside.nurse'],
      reason: 'Nurses read and order on the infusion pumps and monitors of their own units.',
    },
  ]);
  t.match(
    refused.find(({ rules }) => rules.includes('posture.major')),
    { actions: ['modify', 'download', 'print', 'administer'] },
  );
  t.same(
    obligations.map(({ kind }) => kind),
    ['warn'],
  );
  t.match(effectOf(effects, 'the posture of the device', 'good'), {
    gains: ['modify'],
    loses: [],
    asksNoMore: ['warn'],
  });
  t.match(effectOf(effects, 'work in the unit icu', 'no'), { gains: [], loses: ['view'] });
  t.match(effectOf(effects, 'the role nurse', 'no'), { loses: ['view'] });
  t.match(effectOf(effects, 'emergency mode of the site', 'yes'), { gains: ['modify'] });
  t.equal(effectOf(effects, 'the path', 'local'), undefined, 'a fact that nothing hangs on');
  t.end();
});

void t.test('hours, days, shifts, authentication, tickets and windows of a set that reads them', (t) => {
  const set = loadPolicySet(
    `@id("day") @reason("By day.") permit (principal in Role::"clerk", action == Action::"view", resource)
     when { context.time.minute >= 420 && context.time.minute < 1140 && context.time.weekday < 6 };
     @id("shift") @reason("On shift.") permit (principal in Role::"nurse", action == Action::"view", resource)
     when { context.shift == "night" };
     @id("fresh") @reason("Fresh.") permit (principal in Role::"nurse", action == Action::"modify", resource)
     when { context.authentication.phishingResistant && context.authentication.age <= 5 };
     @id("window") @reason("Window.") permit (principal in Role::"vendor", action == Action::"administer", resource)
     when { context.windows.contains("sunday") && context has ticket && context.ticket.approvals >= 2 };`,
    'hours.cedar',
  );
  const clerk = explain(set, requestFrom({ roles: ['clerk'], when: 'Mon 22:00' })).effects;
  t.match(effectOf(clerk, 'the hour', '07:00 to 19:00'), { gains: ['view'] });
  const atNoon = explain(set, requestFrom({ roles: ['clerk'], when: 'Mon 12:00' })).effects;
  t.match(effectOf(atNoon, 'the hour', '19:00 to 07:00'), { loses: ['view'] });
  t.match(effectOf(atNoon, 'the day', 'Saturday'), { loses: ['view'] });
  const nursing = explain(set, requestFrom({ roles: ['nurse'] })).effects;
  t.match(effectOf(nursing, 'the shift', 'night'), { gains: ['view'] });
  t.match(effectOf(nursing, 'authentication just now', 'passkey'), { gains: ['modify'] });
  t.match(effectOf(nursing, 'minutes since authentication', '5'), { gains: ['modify'] });
  const vendor = explain(set, requestFrom({ roles: ['vendor'] }));
  t.same(
    vendor.effects.filter(({ gains }) => gains.includes('administer')),
    [],
    'no single fact is enough',
  );
  t.same(
    vendor.pairs.at(-1)?.changes.map(({ fact }) => fact),
    ['a ticket for it', 'the maintenance window sunday open'],
  );
  t.end();
});

const library = new URL('../../provisioning/policies/', import.meta.url);

void t.test(
  'every case of the library: what is said turns the answer does, and nothing else tried does',
  (t) => {
    const read = (name: string): string => readFileSync(new URL(name, library), 'utf8');
    const names = readdirSync(library).sort();
    let [cases, turned, tried] = [0, 0, 0];
    for (const name of names.filter((each) => each.endsWith('.cases.md'))) {
      const reading = parseTable(read(name));
      if (reading.kind === 'malformed') throw new Error(JSON.stringify(reading.problems));
      const files = names
        .filter((each) => each.endsWith('.cedar') && (reading.table.policies?.includes(each) ?? true))
        .map((each) => ({ name: each, text: read(each) }));
      const { text } = joinFiles(files);
      const set = loadPolicySet(text, name);
      const mentions = mentionsOf(set);
      for (const each of reading.table.cases.slice(0, 6)) {
        const asked = requestOf(each.facts);
        if ('length' in asked) throw new Error(each.name);
        const { effects, permitted, refused } = explain(set, asked.request, mentions);
        const answer = evaluate(set, asked.request);
        t.same(
          new Set(permitted.flatMap(({ actions }) => actions)),
          new Set(answer.permitted),
          `${name}: ${each.name}: permitted`,
        );
        t.equal(
          new Set([...permitted, ...refused].flatMap(({ actions }) => actions)).size,
          5,
          'each action has a reason',
        );
        cases++;
        for (const { fact, value, apply } of variations(asked.request, mentions)) {
          tried++;
          const after = evaluate(set, apply(asked.request)).permitted;
          const said = effectOf(effects, fact, value);
          const gains = after.filter((action) => !answer.permitted.includes(action));
          const loses = answer.permitted.filter((action) => !after.includes(action));
          if (gains.length + loses.length > 0) turned++;
          if (
            said
              ? `${said.gains.join()} ${said.loses.join()}` !== `${gains.join()} ${loses.join()}`
              : gains.length + loses.length > 0
          )
            t.fail(`${name}: ${each.name}: ${fact}: ${value}`);
        }
      }
      set.close();
    }
    t.ok(cases >= 50, `${cases} cases`);
    t.ok(turned > 5 * cases, `${turned} of ${tried} changes turn an answer`);
    t.end();
  },
);
