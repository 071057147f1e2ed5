/** `anteroom errors [--markdown]`: the error table, from which docs/ERRORS.md is written. */
import type { Command } from 'commander';
import { Fault, errorTable, exitCodeOf } from '../wire/errors.ts';
import type { ErrorCode } from '../wire/errors.ts';

const blameText = {
  caller: 'the caller',
  device: 'the device',
  gateway: 'the gateway',
  configuration: 'the configuration',
} as const;

export function errorsMarkdown(): string {
  const rows = (Object.keys(errorTable) as ErrorCode[]).map((code) => {
    const { text, blame, retry } = errorTable[code];
    return `| \`${code}\` | ${text} | ${blameText[blame]} | ${retry ? 'yes' : 'no'} | ${exitCodeOf(new Fault(code))} |`;
  });
  return [
    '# Errors',
    '',
    'Every error that a process, a command or a local message can name. Generated from `src/wire/errors.ts` by `make docs`.',
    '',
    '| code | text | whose fault | try again | exit code |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

export function register(program: Command): void {
  program
    .command('errors')
    .description('the error table')
    .option('--markdown', 'as docs/ERRORS.md')
    .action(({ markdown }: { markdown?: boolean }) => {
      if (markdown === true) process.stdout.write(errorsMarkdown());
      else
        for (const [code, row] of Object.entries(errorTable))
          process.stdout.write(`${code.padEnd(22)} ${row.text}\n`);
    });
}
