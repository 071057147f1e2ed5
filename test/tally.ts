/**
 * Adds up the TAP files of a test run: `node test/tally.ts FILE.tap…`. Prints what failed with its diagnostics, the end
 * of what the tests of that file said on standard error (FILE.stderr, where there is one), and, as its last line,
 * `N passed, N failed, N skipped`. Exit 1 when anything failed, was skipped or left to do, when a file is missing
 * or broken off, and when nothing ran.
 *
 * A test file that throws outside its tests has only "not ok" in TAP: why stands on standard error alone.
 */
import { existsSync, readFileSync } from 'node:fs';

/** tap's closing comment: `# { total: 29, pass: 28, fail: 1 }`. */
const CLOSING = /^# \{ total: \d+(?:, [a-z]+: \d+)* \}$/m;
/** Lines of one failure's diagnostics, and of standard error. */
const DIAGNOSTIC_LINES = 30;
const STDERR_LINES = 60;

const sum = { pass: 0, fail: 0, skip: 0, todo: 0 };
const faults: string[] = [];

/** The YAML block below line `at`, as far as it is worth reading. */
function diagnostics(lines: readonly string[], at: number): string[] {
  if (lines[at + 1]?.trim() !== '---') return [];
  const block = lines.slice(at + 2, at + 2 + DIAGNOSTIC_LINES);
  const end = block.findIndex((line) => line.trim() === '...');
  return end === -1 ? block : block.slice(0, end);
}

/** What failed, was skipped or left to do in the TAP of one run. */
function faultsOf(text: string): string[] {
  const found: string[] = [];
  let name = '';
  const lines = text.split('\n');
  for (const [i, line] of lines.entries()) {
    name = /^# Subtest: (.*)$/.exec(line)?.[1] ?? name;
    const outcome = /^\s*(not )?ok /.exec(line);
    if (!outcome) continue;
    const left = /# (?:SKIP|TODO)/i.test(line);
    if (outcome[1] !== undefined || left) found.push(`${name}: ${line.trim()}`);
    if (outcome[1] !== undefined && !left) found.push(...diagnostics(lines, i));
  }
  return found;
}

for (const file of process.argv.slice(2)) {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const closing = CLOSING.exec(text)?.[0];
  const found = faultsOf(text);
  if (closing === undefined) {
    found.push(`${file}: the run did not end`);
    sum.fail++;
  }
  for (const key of Object.keys(sum) as (keyof typeof sum)[]) {
    sum[key] += Number(new RegExp(`\\b${key}: (\\d+)`).exec(closing ?? '')?.[1] ?? 0);
  }
  const said = file.replace(/\.tap$/, '.stderr');
  if (found.length > 0 && existsSync(said)) {
    const lines = readFileSync(said, 'utf8').trimEnd().split('\n');
    found.push(`the end of ${said}:`, ...lines.slice(-STDERR_LINES));
  }
  faults.push(...found);
}

for (const fault of faults) console.log(fault);
console.log(`${sum.pass} passed, ${sum.fail} failed, ${sum.skip + sum.todo} skipped`);
process.exitCode = sum.pass === 0 || sum.fail + sum.skip + sum.todo > 0 ? 1 : 0;
