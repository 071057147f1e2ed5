/** `anteroom request`: requests for access, and deciding on them. All local accounts together count as one person. */
import type { Command } from 'commander';
import type { LifeRequest } from '../wire/life.ts';
import { printJson, table, withControl } from './console.ts';
import { LIFE_TIMEOUT_MS, fetchLife, relative } from './life.ts';

const headings = [
  'REQUEST',
  'STATE',
  'USER',
  'DEVICE',
  'RESOURCE',
  'ACTIONS',
  'FOR',
  'AGREED',
  'TICKET',
  'REASON',
];

export function requestTable(rows: readonly LifeRequest[], now: number): string {
  return table(
    headings,
    rows.map((row) => [
      row.id,
      row.state,
      row.user,
      row.peer,
      row.resource,
      row.actions.join(','),
      row.state === 'approved' && row.until !== undefined ? relative(row.until, now) : `${row.hours} h`,
      `${row.approvals.length} of ${row.needs}: ${row.approvals.map((each) => each.actor.by).join(', ')}`,
      row.ticket ?? '-',
      row.reason,
    ]),
  );
}

export function register(program: Command): void {
  const group = program.command('request').description('requests for access');
  group
    .command('list', { isDefault: true })
    .description('all of them, what is open first')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const { requests, now } = await fetchLife();
      if (json === true) printJson(requests);
      else process.stdout.write(requests.length === 0 ? 'No requests.\n' : requestTable(requests, now));
    });
  for (const [name, approve] of [
    ['approve', true],
    ['deny', false],
  ] as const)
    group
      .command(name)
      .description(`${name} one`)
      .argument('<id>', 'as listed')
      .option('--note <text>', 'why', '')
      .action(async (request: string, { note }: { note: string }) => {
        const answer = await withControl((control) =>
          control.call('request.decide', { request, approve, note }, { timeoutMs: LIFE_TIMEOUT_MS }),
        );
        const { state, approvals, needs } = answer.request;
        process.stdout.write(`${request}: ${state}, ${approvals.length} of ${needs} agreed.\n`);
      });
  group
    .command('end')
    .description('end access that was approved, before its time')
    .argument('<id>', 'as listed')
    .requiredOption('--reason <text>', 'why')
    .action(async (request: string, { reason }: { reason: string }) => {
      await withControl((control) =>
        control.call('request.end', { request, reason }, { timeoutMs: LIFE_TIMEOUT_MS }),
      );
      process.stdout.write(`${request} is over.\n`);
    });
}
