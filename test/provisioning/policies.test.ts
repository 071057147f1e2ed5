/** The policy library: it has no findings, its tables hold, and every policy of it decides some case. */
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { readSource, setOf } from '../../src/cli/policy-files.ts';
import { runTables } from '../../src/cli/policy-test.ts';
import { check } from '../../src/policy/check.ts';
import { parseTable } from '../../src/policy/table-test.ts';

const source = readSource(fileURLToPath(new URL('../../provisioning/policies', import.meta.url)));

void t.test('nothing is doubtful', (t) => {
  t.same(check(source.files).findings, []);
  t.ok(setOf(source).policies.size > 40);
  t.end();
});

void t.test('the tables hold, and leave no policy out', (t) => {
  const { tables, untested } = runTables(source);
  for (const { file, problems, failed } of tables)
    t.same({ problems, failed }, { problems: [], failed: [] }, file);
  t.same(untested, []);
  t.equal(tables.length, source.files.length, 'a table a file');
  t.ok(tables.reduce((sum, { cases }) => sum + cases, 0) >= 200);
  t.end();
});

void t.test('no case is trivial: none asks what another of its file asks', (t) => {
  for (const { name, text } of source.tables) {
    const reading = parseTable(text);
    if (reading.kind === 'malformed') throw new Error(name);
    const asked = reading.table.cases.map(({ facts, expected }) => {
      const values = [...facts].map(([fact, { text: value }]) => `${fact}=${value}`).sort();
      return JSON.stringify([values, Object.keys(expected).sort()]);
    });
    t.equal(new Set(asked).size, asked.length, name);
  }
  t.end();
});
