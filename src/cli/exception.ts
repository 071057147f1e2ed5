/** `anteroom exception`: the exceptions of the site's data as they stand. */
import type { Command } from 'commander';
import type { ExceptionRow } from '../wire/life.ts';
import { printJson, table } from './console.ts';
import { fetchLife, relative } from './life.ts';

export function exceptionTable(rows: readonly ExceptionRow[], now: number): string {
  return table(
    ['EXCEPTION', 'STATE', 'OWNER', 'ENDS', 'CERTIFY', 'REASON'],
    rows.map((row) => [
      row.name,
      row.state,
      row.owner,
      relative(row.end, now),
      row.certifyBy === undefined ? '-' : relative(row.certifyBy, now),
      row.reason,
    ]),
  );
}

export function register(program: Command): void {
  program
    .command('exception')
    .description('exceptions: in force, near their end, to be certified again')
    .command('list', { isDefault: true })
    .description('what ends next first')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const { exceptions, now } = await fetchLife();
      if (json === true) printJson(exceptions);
      else
        process.stdout.write(exceptions.length === 0 ? 'No exceptions.\n' : exceptionTable(exceptions, now));
    });
}
