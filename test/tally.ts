/**
 * Adds up the TAP files of a test run: `node test/tally.ts FILE…`. Prints what failed and, as its last line,
 * `N passed, N failed, N skipped`. Exit 1 when anything failed, was skipped or left to do, when a file is
 * missing or broken off, and when nothing ran.
 */
import { existsSync, readFileSync } from 'node:fs';

/** tap's closing comment: `# { total: 29, pass: 28, fail: 1 }`. */
const CLOSING = /^# \{ total: \d+(?:, [a-z]+: \d+)* \}$/m;

const sum = { pass: 0, fail: 0, skip: 0, todo: 0 };
const faults: string[] = [];

for (const file of process.argv.slice(2)) {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const closing = CLOSING.exec(text)?.[0];
  if (closing === undefined) {
    faults.push(`${file}: the run did not end`);
    sum.fail++;
    continue;
  }
  for (const key of Object.keys(sum) as (keyof typeof sum)[]) {
    sum[key] += Number(new RegExp(`\\b${key}: (\\d+)`).exec(closing)?.[1] ?? 0);
  }
  let name = '';
  for (const line of text.split('\n')) {
    const subtest = /^# Subtest: (.*)$/.exec(line);
    if (subtest?.[1] !== undefined) name = subtest[1];
    if (/^\s*not ok /.test(line) && !/# (?:SKIP|TODO)/i.test(line)) faults.push(`${name}: ${line.trim()}`);
    else if (/^\s*(?:not )?ok .*# (?:SKIP|TODO)/i.test(line)) faults.push(`${name}: ${line.trim()}`);
  }
}

for (const fault of faults) console.log(fault);
console.log(`${sum.pass} passed, ${sum.fail} failed, ${sum.skip + sum.todo} skipped`);
process.exitCode = sum.pass === 0 || sum.fail + sum.skip + sum.todo > 0 ? 1 : 0;
