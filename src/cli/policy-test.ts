/** `anteroom policy test`: run the decision tables of a folder against its policies, by the engine of a gateway. */
import type { Command } from 'commander';
import type { SourceFile } from '../policy/check.ts';
import { parseTable, runTable } from '../policy/table-test.ts';
import type { CaseOutcome } from '../policy/table-test.ts';
import type { Problem } from '../policy/table-file.ts';
import { Fault } from '../wire/errors.ts';
import { paragraph, plain, plural, printJson } from './console.ts';
import { readSource, setOf } from './policy-files.ts';
import type { PolicyFiles } from './policy-files.ts';

export interface TableResult {
  readonly file: string;
  readonly cases: number;
  readonly problems: readonly Problem[];
  readonly failed: readonly CaseOutcome[];
}

export interface TestResult {
  readonly tables: readonly TableResult[];
  /** Policies that decided nothing in any case. */
  readonly untested: readonly string[];
}

/** Fault POLICY_INVALID for policies that don't load. */
export function runTables(source: PolicyFiles): TestResult {
  const whole = setOf(source);
  const used = new Set<string>();
  const run = ({ name, text }: SourceFile): TableResult => {
    const reading = parseTable(text);
    if (reading.kind === 'malformed') return { file: name, cases: 0, problems: reading.problems, failed: [] };
    const { policies, cases } = reading.table;
    let set = whole;
    if (policies) {
      const missing = policies.find((file) => !source.files.some((each) => each.name === file));
      if (missing !== undefined)
        return {
          file: name,
          cases: cases.length,
          problems: [{ line: 1, name: 'bad-policies', text: `there is no ${missing}` }],
          failed: [],
        };
      set = setOf({ ...source, files: source.files.filter((each) => policies.includes(each.name)) });
    }
    const outcome = runTable(set, reading.table);
    for (const id of outcome.used) used.add(id);
    return {
      file: name,
      cases: cases.length,
      problems: outcome.problems,
      failed: outcome.outcomes.filter(({ differences }) => differences.length > 0),
    };
  };
  const tables = source.tables.map(run);
  return { tables, untested: [...whole.policies.keys()].filter((id) => !used.has(id)).sort() };
}

function failureText(file: string, { name, line, differences, why }: CaseOutcome): string {
  const lines = differences.map(
    ({ what, expected, found }) =>
      `${paragraph(`${what}: expected ${expected}`, 2)}${paragraph(`found ${found}`, 4 + what.length)}`,
  );
  const reasons = why.length > 0 ? `  not permitted:\n${why.map((each) => paragraph(each, 4)).join('')}` : '';
  return `${plain(file)}:${line}: ${plain(name)}\n${lines.join('')}${reasons}\n`;
}

export function testText({ tables, untested }: TestResult): string {
  let text = '';
  for (const { file, problems, failed } of tables) {
    for (const { line, name, text: what } of problems)
      text += `${plain(file)}:${line}: ${name}\n${paragraph(what, 2)}`;
    for (const each of failed) text += failureText(file, each);
  }
  const width = Math.max(0, ...tables.map(({ file }) => file.length));
  for (const { file, cases, problems, failed } of tables) {
    const held =
      problems.length > 0
        ? `not understood, ${plural(problems.length, 'problem')}`
        : failed.length === 0
          ? 'all hold'
          : `${failed.length} decided otherwise`;
    text += `${plain(file).padEnd(width)}  ${plural(cases, 'case')}, ${held}\n`;
  }
  if (untested.length > 0) text += paragraph(`No case is decided by: ${untested.join(', ')}.`, 0);
  return text;
}

export function register(policy: Command): void {
  policy
    .command('test')
    .description('run the decision tables (.cases.md) that stand beside policies')
    .argument('<folder>', 'a folder of .cedar files with their tables')
    .option('--strict', 'exit 65 also when a policy decides no case')
    .option('--json', 'as JSON')
    .action((folder: string, { json, strict }: { json?: boolean; strict?: boolean }) => {
      const source = readSource(folder);
      if (source.tables.length === 0)
        throw new Fault('POLICY_UNREADABLE', `${folder}: there is no .cases.md table`);
      const result = runTables(source);
      if (json === true) printJson(result);
      else process.stdout.write(testText(result));
      const problems = result.tables.reduce((sum, each) => sum + each.problems.length, 0);
      const failed = result.tables.reduce((sum, each) => sum + each.failed.length, 0);
      if (problems > 0) throw new Fault('POLICY_TABLE_INVALID', plural(problems, 'problem'));
      if (failed > 0) throw new Fault('POLICY_TEST_FAILED', plural(failed, 'case'));
      if (strict === true && result.untested.length > 0)
        throw new Fault(
          'POLICY_FINDINGS',
          `${plural(result.untested.length, 'policy', 'policies')} untested`,
        );
    });
}
