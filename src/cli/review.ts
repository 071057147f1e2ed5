/** `anteroom review`: what broken glass and emergencies left to be looked at; closing a review; attesting an entitlement. */
import { Option } from 'commander';
import type { Command } from 'commander';
import type { Review } from '../wire/life.ts';
import { printJson, table, withControl } from './console.ts';
import { LIFE_TIMEOUT_MS, fetchLife, relative } from './life.ts';

const findings = ['justified', 'not-justified', 'unclear'] as const;
const headings = ['REVIEW', 'STATE', 'DUE', 'ABOUT', 'SESSIONS', 'SUMMARY'];

export function reviewTable(rows: readonly Review[], now: number): string {
  return table(
    headings,
    rows.map((row) => [
      row.id,
      row.closed ? `${row.closed.finding}, by ${row.closed.actor.by}` : row.due < now ? 'overdue' : 'open',
      row.closed ? '-' : relative(row.due, now),
      row.about,
      String(row.sessions.length),
      row.summary,
    ]),
  );
}

export function register(program: Command): void {
  const group = program.command('review').description('reviews of break-glass and emergencies; attestations');
  group
    .command('list', { isDefault: true })
    .description('open ones first, by their due date')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const { reviews, now } = await fetchLife();
      if (json === true) printJson(reviews);
      else process.stdout.write(reviews.length === 0 ? 'No reviews.\n' : reviewTable(reviews, now));
    });
  group
    .command('close')
    .description('say what came of one; somebody else than whom it is about')
    .argument('<id>', 'as listed')
    .addOption(new Option('--finding <word>', 'what came of it').choices(findings).makeOptionMandatory())
    .requiredOption('--note <text>', 'in a sentence')
    .action(
      async (review: string, { finding, note }: { finding: (typeof findings)[number]; note: string }) => {
        await withControl((control) =>
          control.call('review.close', { review, finding, note }, { timeoutMs: LIFE_TIMEOUT_MS }),
        );
        process.stdout.write(`${review} is closed: ${finding}.\n`);
      },
    );
  group
    .command('attest')
    .description('answer for something being needed still, or no longer')
    .argument('<object>', 'exception:NAME, or an entitlement as an access review lists it')
    .addOption(
      new Option('--outcome <word>', 'what is to become of it')
        .choices(['keep', 'remove'])
        .makeOptionMandatory(),
    )
    .option('--note <text>', 'why', '')
    .action(async (object: string, { outcome, note }: { outcome: 'keep' | 'remove'; note: string }) => {
      await withControl((control) =>
        control.call('review.attest', { object, outcome, note }, { timeoutMs: LIFE_TIMEOUT_MS }),
      );
      process.stdout.write(`${object}: ${outcome}.\n`);
    });
}
