/** `anteroom break-glass`: what glass is broken now and was, and ending one before its time. */
import type { Command } from 'commander';
import type { Glass } from '../wire/life.ts';
import { printJson, table, withControl } from './console.ts';
import { LIFE_TIMEOUT_MS, fetchLife, moment, relative } from './life.ts';

const headings = ['GLASS', 'USER', 'DEVICE', 'SCENARIO', 'FROM', 'UNTIL', 'RESOURCES', 'REASON'];

export function glassTable(rows: readonly Glass[], now: number): string {
  return table(
    headings,
    rows.map((row) => [
      row.id,
      row.user,
      row.peer,
      row.scenario,
      moment(row.from),
      row.ended ? `over: ${row.ended.why}` : relative(row.until, now),
      row.resources.join(','),
      row.reason,
    ]),
  );
}

export function register(program: Command): void {
  const group = program.command('break-glass').description('where the glass is broken now, and was');
  group
    .command('list', { isDefault: true })
    .description('all of it, what is open first')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const { glasses, now } = await fetchLife();
      if (json === true) printJson(glasses);
      else process.stdout.write(glasses.length === 0 ? 'No glass was broken.\n' : glassTable(glasses, now));
    });
  group
    .command('end')
    .description('end one before its time; its sessions are decided again at once')
    .argument('<id>', 'as listed')
    .requiredOption('--reason <text>', 'why')
    .action(async (id: string, { reason }: { reason: string }) => {
      await withControl((control) =>
        control.call('breakGlass.end', { glass: id, reason }, { timeoutMs: LIFE_TIMEOUT_MS }),
      );
      process.stdout.write(`${id} is over.\n`);
    });
}
