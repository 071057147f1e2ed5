/**
 * `anteroom policy explain`: why somebody may or may not, in words, and which facts would change it. About a user and a
 * resource of the configuration, a recorded session, or a case of a decision table.
 *
 * For a user of the site its calendars, exceptions and tickets count as of now, or of `--at`; the rest of the facts is
 * assumed, in good order, and said so. `--fact` sets any.
 */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { explain } from '../policy/explain.ts';
import type { Because, Effect, Explanation } from '../policy/explain.ts';
import type { PolicySet } from '../policy/policy-set.ts';
import { decisionOf } from '../policy/replay.ts';
import type { AccessRequest } from '../policy/request.ts';
import { isFact, requestOf } from '../policy/table-facts.ts';
import type { Cell } from '../policy/table-file.ts';
import { parseTable } from '../policy/table-test.ts';
import { loadConfig } from '../platform/config.ts';
import { Fault } from '../wire/errors.ts';
import { epochMillis } from '../wire/units.ts';
import { paragraph, plain, printJson } from './console.ts';
import { configured, instantAt, zoneOf } from './policy-directory.ts';
import { inForce } from './policy-in-force.ts';
import { readRecords } from './policy-records.ts';
import { readSource, setOf } from './policy-files.ts';

interface Subjects {
  readonly set: PolicySet;
  readonly request: AccessRequest;
  /** Names for people, where they are known. */
  readonly user?: string;
  readonly device?: string;
  /** Facts that nobody told. */
  readonly assumed: boolean;
}

const days = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
const list = (items: readonly string[], last = 'and'): string =>
  items.length < 2 ? (items[0] ?? '') : `${items.slice(0, -1).join(', ')} ${last} ${items.at(-1)}`;

/** Who, what, when and how, in a sentence or two. */
function askedText({ request, user, device, assumed }: Subjects): string {
  const { subject, target, time } = request;
  const clock = `${String(Math.floor(time.minute / 60)).padStart(2, '0')}:${String(time.minute % 60).padStart(2, '0')}`;
  const who = `${user ?? subject.user} (${subject.roles.join(', ') || 'no role'}${request.units.length > 0 ? `; ${request.units.join(', ')}` : ''})`;
  const what = `${target.resource} on ${device ?? target.device} (${request.device.class}, ${request.device.unit})`;
  const facts = [
    `the device ${subject.userDevice} has posture ${subject.posture.level}`,
    `the tunnel is ${subject.kex}`,
    ...(request.authentication
      ? [`authenticated by ${request.authentication.method} ${request.authentication.age} minutes ago`]
      : ['not authenticated']),
    ...(request.path ? [`path ${request.path}`] : []),
    ...(request.shift === undefined ? [] : [`on shift ${request.shift}`]),
    ...(request.ticket ? [`ticket ${request.ticket.number}`] : []),
    ...(request.windows?.length ? [`in the window ${request.windows.join(', ')}`] : []),
    ...(request.emergency ? ['the site is in emergency mode'] : []),
    ...(request.breakGlass ? ['by break-glass'] : []),
  ];
  return (
    paragraph(`${who} asks for ${what}, on ${days[time.weekday - 1]} at ${clock}.`, 0) +
    paragraph(`Facts: ${facts.join(', ')}.`, 0) +
    (assumed
      ? paragraph('What the site does not say is assumed to be in good order; --fact sets it.', 0)
      : '')
  );
}

function becauseText(because: readonly Because[]): string {
  return because
    .map(({ actions, rules, reason }) => {
      const by = rules.length > 0 ? ` [${rules.join(', ')}]` : '';
      return `  ${actions.join(', ')}\n${paragraph(`${reason}${by}`, 6)}`;
    })
    .join('');
}

function effectText({ changes, gains, loses, asks, asksNoMore }: Effect): string {
  const condition = changes
    .map(({ fact, value }) =>
      value === 'yes' ? `with ${fact}` : value === 'no' ? `without ${fact}` : `${fact}: ${value}`,
    )
    .join(', and ');
  const effects = [
    ...(gains.length > 0 ? [`may also ${list(gains)}`] : []),
    ...(loses.length > 0 ? [`may no longer ${list(loses)}`] : []),
    ...(asks.length > 0 ? [`is also subject to ${list(asks)}`] : []),
    ...(asksNoMore.length > 0 ? [`is no longer subject to ${list(asksNoMore)}`] : []),
  ];
  return paragraph(condition, 4, '  ') + paragraph(`→ ${effects.join('; ')}`, 8, '      ');
}

export function explanationText(subjects: Subjects, explanation: Explanation): string {
  const { permitted, refused, obligations, failures, effects, pairs } = explanation;
  let text = askedText(subjects);
  const may = [...new Set(permitted.flatMap(({ actions }) => actions))];
  text += `\n${may.length > 0 ? `May ${list(may)}, because:` : 'May do nothing.'}\n${becauseText(permitted)}`;
  if (refused.length > 0) text += `\nMay not:\n${becauseText(refused)}`;
  if (obligations.length > 0)
    text += `\nComes with it:\n${obligations.map(({ kind, text: words }) => `  ${kind}\n${paragraph(words, 6)}`).join('')}`;
  for (const failure of failures) text += paragraph(`A policy failed: ${failure}`, 0);
  const better = effects.filter(({ gains }) => gains.length > 0);
  const worse = effects.filter(({ gains, loses }) => gains.length === 0 && loses.length > 0);
  const other = effects.filter(({ gains, loses }) => gains.length + loses.length === 0);
  if (better.length > 0) text += `\nAny one of these would permit more:\n${better.map(effectText).join('')}`;
  if (pairs.length > 0)
    text += `\nTwo of these together would permit more:\n${pairs.map(effectText).join('')}`;
  if (worse.length > 0)
    text += `\nAny one of these would take something away:\n${worse.map(effectText).join('')}`;
  if (other.length > 0)
    text += `\nAny one of these would change what comes with it:\n${other.map(effectText).join('')}`;
  if (effects.length + pairs.length === 0) text += '\nNo fact that policies read would change the answer.\n';
  return text;
}

const bad = (detail: string): Fault => new Fault('POLICY_TABLE_INVALID', detail);

interface Options {
  readonly user?: string;
  readonly resource?: string;
  readonly at?: string;
  readonly fact: readonly string[];
  readonly session?: string;
  readonly store?: string;
  readonly case?: string;
  readonly table?: string;
  readonly json?: boolean;
}

function overridden(cells: Map<string, Cell>, options: Options): Map<string, Cell> {
  for (const each of options.fact) {
    const [name = '', value] = each.split(/=(.*)/s).map((part) => part.trim());
    if (value === undefined || !isFact(name)) throw bad(`--fact ${each}: there is no fact "${name}"`);
    cells.set(name, { text: value, line: 0 });
  }
  return cells;
}

function asked(cells: Map<string, Cell>): AccessRequest {
  const read = requestOf(cells);
  if ('length' in read) throw bad(read.map(({ text }) => text).join('; '));
  return read.request;
}

async function recorded(session: string, store: string | undefined): Promise<AccessRequest> {
  let found: AccessRequest | undefined;
  let seen = false;
  await readRecords({ since: 0, store }, (record) => {
    const decision = decisionOf(record);
    if (!decision?.session.startsWith(session)) return;
    seen = true;
    found = decision.request ?? found;
  });
  if (!seen) throw new Fault('SESSION_UNKNOWN', session);
  if (!found) throw new Fault('SESSION_UNKNOWN', `The records of ${session} hold no facts to decide on.`);
  return found;
}

function tabled(path: string, options: Options): AccessRequest {
  const source = readSource(path);
  const tables =
    options.table === undefined
      ? source.tables
      : [{ name: options.table, text: readFileSync(options.table, 'utf8') }];
  for (const { text, name } of tables) {
    const reading = parseTable(text);
    if (reading.kind === 'malformed')
      throw bad(`${name}:${reading.problems[0]?.line}: ${reading.problems[0]?.text}`);
    const found = reading.table.cases.find((each) => each.name === options.case);
    if (!found) continue;
    const cells = new Map(found.facts);
    if (options.at !== undefined) cells.set('when', { text: options.at, line: 0 });
    return asked(overridden(cells, options));
  }
  throw bad(`no table has a case "${options.case}"`);
}

async function subjectsOf(path: string | undefined, options: Options): Promise<Subjects> {
  if (options.case !== undefined) {
    const file = path ?? loadConfig().policy.file;
    if (file === undefined) throw bad('name the folder that --case is in');
    return { set: setOf(readSource(file)), request: tabled(file, options), assumed: false };
  }
  if (options.session !== undefined) {
    const request = await recorded(options.session, options.store);
    return {
      set: path === undefined ? (await inForce()).set : setOf(readSource(path)),
      request,
      assumed: false,
    };
  }
  if (options.user === undefined || options.resource === undefined)
    throw bad('name a --user and a --resource, a --session, or a --case');
  const { set, config } = await inForce(path);
  const now = epochMillis(Date.now());
  const at = options.at === undefined ? now : instantAt(options.at, zoneOf(config), now);
  if (at === undefined) throw bad(`--at ${options.at}: not "Wed 22:30" or "2026-03-29 02:30"`);
  const { cells, names } = configured(config, options.user, options.resource, at);
  return { set, request: asked(overridden(cells, options)), ...names, assumed: true };
}

const collect = (value: string, previous: readonly string[]): readonly string[] => [...previous, value];

export function register(policy: Command): void {
  policy
    .command('explain')
    .description('why somebody may or may not, and which facts would change it')
    .argument('[path]', 'a folder of .cedar files, or one file (default: what decides here)')
    .option('--user <id>', 'a user of the site')
    .option('--resource <id>', 'what the user asks for')
    .option('--at <time>', 'when, such as "Wed 22:30" or "2026-03-29 02:30" (default: now)')
    .option('--fact <name=value>', 'a fact as decision tables name it; may be given again', collect, [])
    .option('--session <id>', 'a recorded session, or the beginning of its name')
    .option('--store <file>', "read this audit store, or a copy of one, instead of asking the gateway's log")
    .option('--case <name>', 'a case of a decision table')
    .option('--table <file>', 'the table it is in, where it is not beside the policies')
    .option('--json', 'as JSON')
    .action(async (path: string | undefined, options: Options) => {
      const subjects = await subjectsOf(path, options);
      const explanation = explain(subjects.set, subjects.request);
      if (options.json === true)
        printJson({ request: subjects.request, revision: subjects.set.revision, ...explanation });
      else process.stdout.write(plainLines(explanationText(subjects, explanation)));
    });
}

const plainLines = (text: string): string => text.split('\n').map(plain).join('\n');
