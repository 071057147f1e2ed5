/** Decision tables: what is read from a file, what is refused with its line, and what a run tells. */
import t from 'tap';
import { loadPolicySet } from '../../src/policy/policy-set.ts';
import { readInstant, requestOf } from '../../src/policy/table-facts.ts';
import { parseTable, runTable } from '../../src/policy/table-test.ts';
import type { TableFile } from '../../src/policy/table-file.ts';
import { shipped } from './question.ts';

const clinic = loadPolicySet(shipped('clinic.cedar'), 'clinic.cedar');

const good = `# Nurses and pumps

A nurse works the pumps of her own unit.
* This list is prose.

Policies: \`clinic.cedar\`

Given:
- class = infusion-pump; unit = icu

Who:
- nina: roles = nurse; units = icu
- Eric of the ER: roles = nurse; units = er

Circumstances:
- an old laptop: posture = major

| case                  | who            | circumstances | class | may          | rules          | refused by    | because | advice |
|-----------------------|----------------|---------------|-------|--------------|----------------|---------------|---------|--------|
| her own unit          | nina           |               |       | view, modify | \`bedside.nurse\` | -          | print: No policy | - |
| an old laptop         | nina           | an old laptop |       | view         | bedside.nurse  | posture.major | modify: The posture | warn |
| another unit          | Eric of the ER |               |       | nothing      | -              | -             |         |        |
| another kind          | nina           |               | pacs  | nothing      |                |               |         |        |

Given:
- roles = biomedical-engineer

| case     | session | idle | until | may                | advice | says |
|----------|---------|------|-------|--------------------|--------|------|
| a closet | 1h      | 10m  | end   | administer, view   | -      |      |
`;

const read = (text: string): TableFile => {
  const reading = parseTable(text);
  if (reading.kind === 'malformed') throw new Error(JSON.stringify(reading.problems));
  return reading.table;
};

void t.test('a file is read and its cases hold', (t) => {
  const table = read(good);
  t.same(table.policies, ['clinic.cedar']);
  t.equal(table.cases.length, 5);
  const [first] = table.cases;
  t.equal(first?.line, 20);
  t.same(Object.fromEntries([...(first?.facts ?? [])].map(([name, { text }]) => [name, text])), {
    class: 'infusion-pump',
    unit: 'icu',
    roles: 'nurse',
    units: 'icu',
    user: 'nina',
  });
  const { outcomes, problems, used } = runTable(clinic, table);
  t.same(problems, []);
  t.same(
    outcomes.map(({ name, differences }) => [name, differences]),
    table.cases.map(({ name }) => [name, []]),
  );
  t.same([...used].sort(), ['bedside.nurse', 'biomed.administer', 'posture.major', 'posture.major.warn']);
  t.end();
});

void t.test('a wrong expectation is told in words, with the reasons', (t) => {
  const table = read(
    good
      .replace('| view, modify |', '| view, print |')
      .replace('| posture.major |', '| - |')
      .replace('10m  | end', '11m  | Wed 10:30'),
  );
  const { outcomes } = runTable(clinic, table);
  t.match(outcomes[0], {
    name: 'her own unit',
    line: 20,
    differences: [{ what: 'may', expected: 'view, print', found: 'view, modify' }],
    why: [
      'administer: No policy permits it.',
      'download: No policy permits it.',
      'print: No policy permits it.',
    ],
  });
  t.same(outcomes[1]?.differences, [{ what: 'refused by', expected: 'nothing', found: 'posture.major' }]);
  t.same(outcomes[4]?.differences, [
    { what: 'idle', expected: '11m', found: '10m' },
    { what: 'until', expected: '2026-01-07 10:30', found: '2026-01-07 11:00' },
  ]);
  t.end();
});

void t.test('each slip is named with its line', (t) => {
  const head = '| case | roles | may |\n|---|---|---|\n';
  const slips: readonly (readonly [string, number, string])[] = [
    ['case | roles | may |\n', 1, 'stray-pipe'],
    ['Prose with | in it.\n', 1, 'stray-pipe'],
    ['Givn:\n- posture = good\n', 2, 'stray-item'],
    ['Given:\n- posture: good\n', 2, 'bad-item'],
    ['Given:\n- posture =\n', 2, 'bad-item'],
    ['Given:\n- postur = good\n', 2, 'unknown-column'],
    ['Given:\n- posture = good\n- posture = good\n', 3, 'column-twice'],
    ['Who:\n- nina\n', 2, 'bad-item'],
    ['Who:\n- nina: roles = nurse\n- nina: roles = vendor\n', 3, 'name-twice'],
    ['Policies: clinic\n', 1, 'bad-policies'],
    ['Policies: ../clinic.cedar\n', 1, 'bad-policies'],
    ['Policies: a.cedar\nPolicies: b.cedar\n', 2, 'bad-policies'],
    ['| case | may |\n', 1, 'no-delimiter'],
    ['| case | may |\n| a | view |\n', 2, 'no-delimiter'],
    ['| case | may |\n|---|---|---|\n', 2, 'no-delimiter'],
    ['| case | rolls | may |\n|---|---|---|\n', 1, 'unknown-column'],
    ['| case | roles | roles | may |\n|---|---|---|---|\n', 1, 'column-twice'],
    ['| case | roles |\n|---|---|\n', 1, 'column-missing'],
    ['| roles | may |\n|---|---|\n', 1, 'column-missing'],
    [`${head}| a | nurse |\n`, 3, 'bad-row'],
    [`${head}| | nurse | view |\n`, 3, 'name-missing'],
    [`${head}| a | nurse | view |\n| a | vendor | view |\n`, 4, 'name-twice'],
    [`${head}| a | nurse | |\n`, 3, 'bad-expectation'],
    [`${head}| a | nurse | look |\n`, 3, 'bad-expectation'],
    ['| case | advice | may |\n|---|---|---|\n| a | shout | view |\n', 3, 'bad-expectation'],
    ['| case | idle | may |\n|---|---|---|\n| a | soon | view |\n', 3, 'bad-expectation'],
    ['| case | who | may |\n|---|---|---|\n| a | nina | view |\n', 3, 'name-unknown'],
    ['Nothing but prose.\n', 1, 'no-cases'],
  ];
  for (const [text, line, name] of slips) {
    const reading = parseTable(text);
    t.equal(reading.kind, 'malformed', text);
    if (reading.kind === 'malformed') t.match(reading.problems[0], { line, name }, text);
  }
  t.end();
});

void t.test('facts that can not be read are problems of their line', (t) => {
  const wrong: readonly (readonly [string, string])[] = [
    ['posture', 'great'],
    ['score', 'many'],
    ['score', '101'],
    ['ephi', 'perhaps'],
    ['when', 'Wed'],
    ['when', '25:00'],
    ['when', '2026-02-30 10:00'],
    ['source', 'home'],
    ['kex', 'quantum'],
    ['user', '-'],
    ['authentication.method', '-'],
    ['risk', '101'],
    ['ticket.actions', 'look'],
    ['location', 'here'],
  ];
  for (const [fact, value] of wrong) {
    const table = read(`| case | ${fact} | may |\n|---|---|---|\n| a | ${value} | view |\n`);
    const { problems, outcomes } = runTable(clinic, table);
    t.same(outcomes, [], `${fact} ${value}`);
    t.match(problems, [{ line: 3, name: 'bad-fact', text: new RegExp(`^${fact}: `) }], `${fact} ${value}`);
  }
  t.end();
});

const asked = (facts: Record<string, string>): ReturnType<typeof requestOf> =>
  requestOf(new Map(Object.entries(facts).map(([name, text]) => [name, { text, line: 1 }])));

void t.test('every kind of fact has its place in the request', (t) => {
  t.match(
    asked({
      roles: 'nurse, medic',
      'authentication.method': 'password',
      'authentication age': '90',
      'phishing-resistant': 'no',
      clearance: '3',
      zone: 'sterile',
      edr: 'fail',
      networks: '-',
      ticket: 'CHG-7',
      approvals: '2',
      windows: 'siemens-sunday',
      shift: 'night',
      'break-glass': 'yes',
      scenario: 'cardiac-arrest',
      admin: 'yes',
      when: 'Sun 01:10',
    }),
    {
      now: Date.UTC(2026, 0, 11, 1, 10),
      request: {
        subject: { roles: ['nurse', 'medic'] },
        authentication: {
          method: 'password',
          age: 90,
          phishingResistant: false,
          at: Date.UTC(2026, 0, 10, 23, 40),
        },
        principal: { clearance: 3, kind: 'person' },
        device: { zone: 'sterile' },
        signals: { edr: 'fail', tamper: 'pass' },
        location: { networks: [], country: 'unknown' },
        ticket: { number: 'CHG-7', approvals: 2, kind: 'change' },
        windows: ['siemens-sunday'],
        shift: 'night',
        breakGlass: true,
        scenario: 'cardiac-arrest',
        resource: { admin: true, sensitivity: 0 },
        time: { minute: 70, weekday: 7 },
      },
    },
  );
  const without = asked({ authentication: '-', ticket: '-', location: '-', risk: '-' });
  t.ok('request' in without);
  if ('request' in without)
    for (const name of ['authentication', 'ticket', 'location', 'risk', 'shift'])
      t.notOk(Object.hasOwn(without.request, name), name);
  t.end();
});

void t.test('instants', (t) => {
  t.equal(readInstant('Mon 00:00'), Date.UTC(2026, 0, 5));
  t.equal(readInstant('sun 23:59'), Date.UTC(2026, 0, 11, 23, 59));
  t.equal(readInstant('2026-03-29 02:30'), Date.UTC(2026, 2, 29, 2, 30));
  for (const text of ['', 'Mon', 'Mon 24:00', 'Mon 1:5', 'Day 10:00', '2026-13-01 10:00'])
    t.equal(readInstant(text), undefined, text);
  t.end();
});
