/** `anteroom policy diff OLD NEW`: what differs between two revisions, and whom it would concern. */
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { differences } from '../policy/difference.ts';
import type { PolicyDifference } from '../policy/difference.ts';
import { Replayer } from '../policy/replay.ts';
import type { ChangedDecision, Replay } from '../policy/replay.ts';
import { paragraph, plural, printJson } from './console.ts';
import { DAY_MS, readRecords } from './policy-records.ts';
import { readSource, setOf } from './policy-files.ts';

const marks = { new: '+', gone: '-', changed: '~', reworded: ' ' } as const;

function differenceText({ id, kind, effect, reason, lines }: PolicyDifference): string {
  const head = `${marks[kind]} ${id}  (${kind}, ${effect})\n`;
  const shown = lines.filter((line) => !line.startsWith('  '));
  const body =
    lines.length > 0
      ? shown.map((line) => paragraph(line.slice(2), 6, `    ${line.slice(0, 1)}`)).join('')
      : paragraph(reason, 4);
  return `${head}${body}`;
}

export function structureText(list: readonly PolicyDifference[]): string {
  if (list.length === 0) return 'The two say the same.\n';
  const count = (kind: PolicyDifference['kind']): number => list.filter((each) => each.kind === kind).length;
  return `${list.map(differenceText).join('')}\n${count('new')} new, ${count('gone')} gone, ${count('changed')} changed, ${count('reworded')} reworded.\n`;
}

const words = (label: string, list: readonly string[]): string[] =>
  list.length > 0 ? [`${label} ${list.join(', ')}`] : [];

export function changedText({
  user,
  roles,
  resource,
  count,
  gains,
  loses,
  asks,
  asksNoMore,
  reasons,
}: Omit<ChangedDecision, 'first' | 'last' | 'time'>): string {
  const effects = [
    ...words('loses', loses),
    ...words('gains', gains),
    ...words('is asked to', asks),
    ...words('is no longer asked to', asksNoMore),
  ];
  const why = loses.length > 0 ? reasons.map((reason) => paragraph(reason, 6)).join('') : '';
  return `${paragraph(`${user} (${roles.join(', ')}) on ${resource}, ${count} times: ${effects.join('; ')}`, 4, '  ')}${why}`;
}

export function replayText(replay: Replay, days: number): string {
  const { decisions, replayed, changed, lacking, unlike, revisions } = replay;
  const differing = changed.reduce((sum, { count }) => sum + count, 0);
  let text = paragraph(
    `${plural(decisions, 'decision')} in the last ${plural(days, 'day')}, under ${plural(revisions.size, 'revision')}; ` +
      `${replayed} put again: ${differing === 0 ? 'none would change' : `${differing} would change`}.`,
    0,
  );
  for (const each of changed) text += changedText(each);
  for (const [what, count] of lacking)
    text += paragraph(`${plural(count, 'record')} could not be put again: no ${what} in them.`, 0);
  if (unlike > 0)
    text += paragraph(
      `${plural(unlike, 'decision')} went otherwise then than OLD says: another revision decided, or a policy failed.`,
      0,
    );
  return text;
}

export const daysOf = (text: string): number => {
  const days = Number(text);
  if (!/^\d{1,4}$/.test(text) || days < 1) throw new InvalidArgumentError('a number of days');
  return days;
};

interface Options {
  readonly replay?: boolean;
  readonly days: number;
  readonly store?: string;
  readonly json?: boolean;
}

export function register(policy: Command): void {
  policy
    .command('diff')
    .description('what differs between two revisions, and which recorded decisions would')
    .argument('<old>', 'a folder of .cedar files, or one file')
    .argument('<new>', 'the same')
    .option('--replay', 'put recorded decisions to both')
    .option('--days <count>', 'how far back', daysOf, 30)
    .option('--store <file>', "read this audit store, or a copy of one, instead of asking the gateway's log")
    .option('--json', 'as JSON')
    .action(async (old: string, candidate: string, { replay, days, store, json }: Options) => {
      const [before, after] = [setOf(readSource(old)), setOf(readSource(candidate))];
      const list = differences(before, after);
      let replayed: Replay | undefined;
      if (replay === true) {
        const replayer = new Replayer(before, after);
        await readRecords({ since: Date.now() - days * DAY_MS, store }, (record) => replayer.put(record));
        replayed = replayer.result();
      }
      if (json === true)
        printJson({
          differences: list,
          ...(replayed
            ? {
                replay: {
                  ...replayed,
                  lacking: Object.fromEntries(replayed.lacking),
                  revisions: [...replayed.revisions],
                },
              }
            : {}),
        });
      else process.stdout.write(`${structureText(list)}${replayed ? `\n${replayText(replayed, days)}` : ''}`);
    });
}
