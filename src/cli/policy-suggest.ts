/** `anteroom policy suggest`: a draft of least privilege from recorded sessions, checked and tested before it is shown. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { check } from '../policy/check.ts';
import { Suggester } from '../policy/suggest.ts';
import type { Draft } from '../policy/suggest.ts';
import { loadConfig } from '../platform/config.ts';
import type { Config } from '../wire/config.ts';
import { Fault, isFault } from '../wire/errors.ts';
import type { BaselineFlow } from '../wire/finding.ts';
import { paragraph, plain, plural, printJson } from './console.ts';
import { daysOf } from './policy-diff.ts';
import { DAY_MS, readRecords } from './policy-records.ts';
import { runTables, testText } from './policy-test.ts';
import { fetchFlows } from './sensor-east-west.ts';

/** The draft is a set without findings, and decides as its own table says. Fault INTERNAL otherwise. */
export function verify({ cedar, cases }: Draft): void {
  const files = [{ name: 'suggested.cedar', text: cedar }];
  const { findings } = check(files);
  const [finding] = findings;
  if (finding) throw new Fault('INTERNAL', `the draft has a finding: ${finding.policy}: ${finding.message}`);
  const result = runTables({ path: '', files, tables: [{ name: 'suggested.cases.md', text: cases }] });
  if (result.tables.some(({ failed, problems }) => failed.length + problems.length > 0))
    throw new Fault('INTERNAL', `the draft fails its own table:\n${testText(result)}`);
}

/** How many users of a service are named. */
const USERS = 4;

/** Who was seen to use a service, by the flows that the sensor learnt. */
function usersOf(flows: readonly BaselineFlow[], addresses: readonly string[], port: number): string {
  const users = new Set(
    flows
      .filter(
        (f) =>
          f.role === 'client' && f.port === port && f.transport === 'tcp' && addresses.includes(f.address),
      )
      .map(({ mac }) => mac),
  );
  if (users.size === 0) return '';
  const named = [...users].slice(0, USERS).join(', ');
  return `, used by ${named}${users.size > USERS ? ` and ${users.size - USERS} more` : ''}`;
}

/** What the sensor saw answering that no resource of the configuration publishes, and who uses it. */
export function unpublished(
  { seen }: Draft,
  config: Pick<Config, 'devices' | 'resources'>,
  flows: readonly BaselineFlow[] = [],
): string[] {
  const published = new Set(
    config.resources.map(({ device, port }) => {
      const address = config.devices.find(({ id }) => id === device)?.address ?? '';
      return `${address} ${port}`;
    }),
  );
  return seen
    .filter(({ addresses, port }) => !addresses.some((address) => published.has(`${address} ${port}`)))
    .map(
      ({ addresses, service, port }) =>
        `${addresses.join(', ')} answers on ${service}${usersOf(flows, addresses, port)}`,
    )
    .sort();
}

const LISTED = 10;

export function draftText(draft: Draft, days: number, unused: readonly string[]): string {
  const { suggestions, sessions, exceptional, lacking, roleless, refused } = draft;
  let text = paragraph(
    `${plural(sessions, 'session')} of the last ${plural(days, 'day')} come to ${plural(suggestions.length, 'policy', 'policies')}.`,
    0,
  );
  for (const {
    role,
    class: className,
    actions,
    own,
    local,
    postureGood,
    sessions: n,
    users,
  } of suggestions) {
    const only = [
      ...(own ? ['their own unit'] : []),
      ...(local ? ['from inside'] : []),
      ...(postureGood ? ['good posture'] : []),
    ];
    const narrowed = only.length > 0 ? `; only ${only.join(', ')}` : '';
    text += paragraph(
      `${role} on ${className}: ${actions.join(', ')}${narrowed}; ${plural(n, 'session')} of ${plural(users, 'user')}`,
      4,
      '  ',
    );
  }
  const left = [
    ...(exceptional > 0
      ? [`${plural(exceptional, 'session')} by break-glass or in an emergency: they stay exceptions.`]
      : []),
    ...(lacking > 0
      ? [`${plural(lacking, 'record')} without facts, of a version before they were kept.`]
      : []),
    ...(roleless > 0 ? [`${plural(roleless, 'session')} of users without a role.`] : []),
    ...[...refused]
      .sort(([, a], [, b]) => b - a)
      .slice(0, 10)
      .map(([what, count]) => `${plain(what)}: refused ${plural(count, 'time')}.`),
  ];
  if (left.length > 0)
    text += `\nNot in the draft:\n${left.map((each) => paragraph(each, 4, '  ')).join('')}`;
  if (unused.length > 0) {
    text += '\nSeen by the sensor, published as no resource:\n';
    for (const each of unused.slice(0, LISTED)) text += paragraph(plain(each), 4, '  ');
    if (unused.length > LISTED) text += `    and ${unused.length - LISTED} more\n`;
  }
  return text;
}

/** The flows that the sensor learnt; none while control is away. */
async function flowsIfThere(): Promise<BaselineFlow[]> {
  try {
    return await fetchFlows();
  } catch (error) {
    if (isFault(error, 'IPC_UNREACHABLE') || isFault(error, 'IPC_TIMEOUT')) return [];
    throw error;
  }
}

interface Options {
  readonly days: number;
  readonly store?: string;
  readonly out?: string;
  readonly json?: boolean;
}

export function register(policy: Command): void {
  policy
    .command('suggest')
    .description('a draft of least privilege from what recorded sessions really did')
    .option('--days <count>', 'how far back', daysOf, 30)
    .option('--store <file>', "read this audit store, or a copy of one, instead of asking the gateway's log")
    .option('--out <folder>', 'write suggested.cedar and suggested.cases.md there; nothing is overwritten')
    .option('--json', 'as JSON')
    .action(async ({ days, store, out, json }: Options) => {
      const suggester = new Suggester();
      await readRecords({ since: Date.now() - days * DAY_MS, store }, (record) => suggester.put(record));
      const draft = suggester.draft();
      if (draft.suggestions.length === 0)
        throw new Fault('POLICY_UNREADABLE', `no session of the last ${plural(days, 'day')} did anything`);
      verify(draft);
      if (out !== undefined) {
        mkdirSync(out, { recursive: true });
        for (const [name, text] of [
          ['suggested.cedar', draft.cedar],
          ['suggested.cases.md', draft.cases],
        ] as const) {
          if (existsSync(join(out, name)))
            throw new Fault('POLICY_UNREADABLE', `${join(out, name)} is there already`);
          writeFileSync(join(out, name), text);
        }
      }
      const flows = store === undefined ? await flowsIfThere() : [];
      const unused = unpublished(draft, loadConfig(), flows);
      if (json === true)
        printJson({ ...draft, refused: Object.fromEntries(draft.refused), unpublished: unused });
      else {
        process.stdout.write(draftText(draft, days, unused));
        if (out === undefined) process.stdout.write(`\n${draft.cedar}`);
      }
    });
}
