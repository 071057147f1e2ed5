/** `anteroom sessions`: the session table, and ending a session. */
import type { Command } from 'commander';
import { formatEndpoint } from '../wire/address.ts';
import { Fault } from '../wire/errors.ts';
import { sessionId } from '../wire/ids.ts';
import type { SessionRow } from '../wire/messages.ts';
import { bytes, fetchOverview, printJson, revokeSession, span, table } from './console.ts';

const headings = [
  'SESSION',
  'STATE',
  'USER',
  'RESOURCE',
  'DEVICE AT',
  'MAY',
  'DUTIES',
  'KEX',
  'AGE',
  'TO DEVICE',
  'TO USER',
  'REFUSED',
  'ENDED BECAUSE',
];

export function sessionsTable(rows: readonly SessionRow[], now: number): string {
  return table(
    headings,
    rows.map(({ grant, progress, ended }) => [
      grant.session,
      ended ? 'ended' : 'live',
      grant.subject.user,
      grant.target.resource,
      formatEndpoint(grant.target.dial),
      grant.actions.join(','),
      [...new Set(grant.obligations.map(({ kind }) => kind))].join(','),
      grant.subject.kex,
      span((ended?.at ?? now) - progress.startedAt),
      bytes(progress.bytesToDevice),
      bytes(progress.bytesToUser),
      String(progress.refused),
      ended?.reason ?? '',
    ]),
  );
}

export function register(program: Command): void {
  const sessions = program
    .command('sessions')
    .description('the sessions that are open, and the latest that ended')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const overview = await fetchOverview();
      if (json === true) printJson(overview.sessions);
      else if (overview.sessions.length === 0) process.stdout.write('No sessions.\n');
      else process.stdout.write(sessionsTable(overview.sessions, overview.now));
    });
  sessions
    .command('revoke')
    .description('end a session now')
    .argument('<id>', 'the session, or the beginning of its name where only one live session has it')
    .requiredOption('--reason <text>', 'why, for the user and the audit log')
    .action(async (id: string, { reason }: { reason: string }) => {
      const session = await resolve(id);
      await revokeSession(session, reason);
      process.stdout.write(`${session} is revoked.\n`);
    });
}

async function resolve(id: string): Promise<SessionRow['grant']['session']> {
  const whole = sessionId.safeParse(id);
  if (whole.success) return whole.data;
  const { sessions } = await fetchOverview();
  const found = sessions.filter(({ grant, ended }) => !ended && grant.session.startsWith(id));
  if (id === '' || found.length === 0) throw new Fault('SESSION_UNKNOWN', id);
  if (found.length > 1) throw new Fault('SESSION_UNKNOWN', `${found.length} sessions begin with ${id}`);
  return (found[0] as SessionRow).grant.session;
}
