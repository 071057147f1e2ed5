/** `anteroom policy check` and `policy fmt`: what is wrong with a set, what is doubtful, and one layout for all. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { check } from '../policy/check.ts';
import type { Finding, Report } from '../policy/check.ts';
import { formatPolicies } from '../policy/format.ts';
import { Fault } from '../wire/errors.ts';
import { paragraph, plain, plural, printJson } from './console.ts';
import { readSource } from './policy-files.ts';

function findingText({ file, line, column, level, name, policy, message }: Finding): string {
  const subject = policy === '' ? '' : `${policy}: `;
  return `${plain(file)}:${line}:${column}: ${level} ${name}\n${paragraph(`${subject}${message}`, 2)}`;
}

export function checkText({ findings, set }: Report, files: number): string {
  const errors = findings.filter(({ level }) => level === 'error').length;
  const counted = set
    ? `${plural(set.policies.size, 'policy', 'policies')} in ${plural(files, 'file')}: `
    : '';
  const verdict =
    findings.length === 0
      ? 'no findings'
      : `${plural(errors, 'error')}, ${plural(findings.length - errors, 'warning')}`;
  return `${findings.map(findingText).join('')}${counted}${verdict}.\n`;
}

export function register(policy: Command): void {
  policy
    .command('check')
    .description('what is wrong with policies, and what is doubtful')
    .argument('<path>', 'a folder of .cedar files, or one file')
    .option('--strict', 'exit 65 for warnings too')
    .option('--json', 'as JSON')
    .action((path: string, { json, strict }: { json?: boolean; strict?: boolean }) => {
      const { files } = readSource(path);
      const report = check(files);
      const { findings, set } = report;
      if (json === true)
        printJson({ policies: set?.policies.size ?? null, revision: set?.revision ?? null, findings });
      else process.stdout.write(checkText(report, files.length));
      if (!set) throw new Fault('POLICY_INVALID', path);
      if (strict === true && findings.length > 0)
        throw new Fault('POLICY_FINDINGS', `${path}: ${plural(findings.length, 'finding')}`);
    });
  policy
    .command('fmt')
    .description('lay policies out in the one way of Cedar; comments stay')
    .argument('<path>', 'a folder of .cedar files, or one file')
    .option('--check', 'write nothing; exit 65 when a file would change')
    .action((path: string, options: { check?: boolean }) => {
      const source = readSource(path);
      const whole = source.files.length === 1 && path.endsWith('.cedar');
      const changed: string[] = [];
      for (const { name, text } of source.files) {
        const formatted = formatPolicies(text, name);
        if (formatted === text) continue;
        changed.push(name);
        if (options.check !== true) writeFileSync(whole ? path : join(path, name), formatted);
      }
      for (const name of changed) process.stdout.write(`${plain(name)}\n`);
      if (options.check === true && changed.length > 0)
        throw new Fault('POLICY_FINDINGS', `${plural(changed.length, 'file')} would change`);
    });
}
