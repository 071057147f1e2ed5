/**
 * `anteroom policy review`: who may what and who did, exceptions near their end, and what people have said to it.
 * `policy review attest` records that somebody keeps an entitlement or takes it away; taking away is then a change of
 * policy or of the directory, by whoever may.
 */
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { entitlements, unusedPolicies, Usage } from '../policy/entitlement.ts';
import type { Entitlement } from '../policy/entitlement.ts';
import type { AccessRequest } from '../policy/request.ts';
import { requestOf } from '../policy/table-facts.ts';
import type { Config } from '../wire/config.ts';
import { Fault, isFault } from '../wire/errors.ts';
import type { Attestation, ExceptionRow, LifeStatus } from '../wire/life.ts';
import { paragraph, plain, plural, printJson, span, withControl } from './console.ts';
import { configured } from './policy-directory.ts';
import { daysOf } from './policy-diff.ts';
import { DAY_MS, readRecords } from './policy-records.ts';
import { inForce } from './policy-in-force.ts';

/** More pairs of a user and a resource than this are asked for one by one. */
const MAX_PAIRS = 200_000;

/** What an attestation is about, as `review.attest` names it. */
export const objectOf = ({ user, resource }: Pick<Entitlement, 'user' | 'resource'>): string =>
  `access:${user}:${resource}`;

export interface Review {
  readonly days: number;
  readonly now: number;
  readonly entitlements: readonly Entitlement[];
  readonly unusedPolicies: readonly string[];
  /** Missing where control can't be asked. */
  readonly exceptions: readonly ExceptionRow[] | undefined;
  readonly attestations: readonly Attestation[] | undefined;
}

function* requestsOf(config: Config, user?: string, resource?: string): Generator<AccessRequest> {
  const users = config.users.filter(({ id }) => user === undefined || id === user);
  const resources = config.resources.filter(({ id }) => resource === undefined || id === resource);
  if (users.length * resources.length > MAX_PAIRS)
    throw new Fault(
      'POLICY_FINDINGS',
      `${users.length} users on ${resources.length} resources: name a --user or a --resource`,
    );
  for (const who of users)
    for (const what of resources) {
      const read = requestOf(configured(config, who.id, what.id).cells);
      if ('length' in read) throw new Fault('POLICY_TABLE_INVALID', read.map(({ text }) => text).join('; '));
      yield read.request;
    }
}

function entitlementText(each: Entitlement, { now, days, attestations }: Review): string {
  const { resource, actions, unused, lastUsed } = each;
  const used =
    lastUsed === undefined
      ? `not used in ${plural(days, 'day')}`
      : `used ${span(now - lastUsed)} ago${unused.length > 0 ? `, never to ${unused.join(', ')}` : ''}`;
  const said = attestations?.find(({ object }) => object === objectOf(each));
  const words = said
    ? `; ${said.outcome === 'keep' ? 'kept' : 'to be removed'} by ${said.actor.by} ${span(now - said.at)} ago`
    : '';
  return paragraph(`${actions.join(', ')}; ${used}${words}`, 18, `  ${plain(resource).padEnd(15)} `);
}

export function reviewText(review: Review): string {
  const { entitlements: all, unusedPolicies: policies, exceptions, days, now, attestations } = review;
  const byUser = Map.groupBy(all, ({ user }) => user);
  let text = '';
  for (const [user, list] of byUser)
    text += `${plain(user)}\n${list.map((each) => entitlementText(each, review)).join('')}`;
  const unused = all.filter(({ lastUsed }) => lastUsed === undefined).length;
  text += `${all.length > 0 ? '\n' : ''}${paragraph(
    `${plural(all.length, 'entitlement')} of ${plural(byUser.size, 'user')}, ${unused} not used in ${plural(days, 'day')}. ` +
      'What only a ticket, a window, break-glass or an emergency permits is not listed.',
    0,
  )}`;
  if (policies.length > 0)
    text += paragraph(`Policies that permitted nothing that was done: ${policies.join(', ')}.`, 0);
  if (!exceptions || !attestations)
    return `${text}${paragraph('Control cannot be asked: no exceptions and no attestations here.', 0)}`;
  const due = exceptions.filter(
    ({ state }) => state !== 'in force' && state !== 'coming' && state !== 'over',
  );
  text += `\n${plural(exceptions.length, 'exception')}, ${due.length === 0 ? 'none of them needs anybody' : `${due.length} to look at`}.\n`;
  for (const { name, owner, reason, end, certifyBy, state } of due)
    text += paragraph(
      `${name}: ${state}; ${certifyBy === undefined ? `ends in ${span(end - now)}` : `to be certified within ${span(certifyBy - now)}`}; ${owner}: ${reason}`,
      4,
      '  ',
    );
  return text;
}

interface Options {
  readonly days: number;
  readonly store?: string;
  readonly user?: string;
  readonly resource?: string;
  readonly unused?: boolean;
  readonly json?: boolean;
}

/** What people said, or undefined where control isn't there: the list is worth something without it. */
async function lifeStatus(): Promise<LifeStatus | undefined> {
  try {
    return await withControl((control) => control.call('life.status', {}, { timeoutMs: 3_000 }));
  } catch (error) {
    if (isFault(error, 'IPC_UNREACHABLE') || isFault(error, 'IPC_TIMEOUT')) return undefined;
    throw error;
  }
}

async function review(path: string | undefined, options: Options): Promise<void> {
  const { days, store, user, resource, unused, json } = options;
  const { set, config } = await inForce(path);
  const usage = new Usage();
  await readRecords({ since: Date.now() - days * DAY_MS, store }, (record) => usage.put(record));
  const status = await lifeStatus();
  const all = entitlements(set, requestsOf(config, user, resource), usage);
  const result: Review = {
    days,
    now: Date.now(),
    entitlements: unused === true ? all.filter((each) => each.unused.length > 0) : all,
    unusedPolicies: unusedPolicies(set, usage),
    exceptions: status?.exceptions,
    attestations: status?.attestations,
  };
  if (json === true) printJson(result);
  else process.stdout.write(reviewText(result));
}

const outcomeOf = (text: string): 'keep' | 'remove' => {
  if (text !== 'keep' && text !== 'remove') throw new InvalidArgumentError('keep or remove');
  return text;
};

export function register(policy: Command): void {
  const command = policy
    .command('review')
    .description('who may what, who did, exceptions near their end, and what was attested')
    .argument('[path]', 'a folder of .cedar files, or one file (default: what decides here)')
    .option('--days <count>', 'what counts as used', daysOf, 90)
    .option('--unused', 'only entitlements with an action that was not used')
    .option('--user <id>', 'of one user')
    .option('--resource <id>', 'on one resource')
    .option('--store <file>', "read this audit store, or a copy of one, instead of asking the gateway's log")
    .option('--json', 'as JSON')
    .action(review);
  command
    .command('attest')
    .description('record that access, a policy or an exception is still needed, or is not')
    .argument('<object>', 'access:USER:RESOURCE, policy:ID or exception:NAME')
    .argument('<outcome>', 'keep or remove', outcomeOf)
    .option('--note <text>', 'why', '')
    .action(async (object: string, outcome: 'keep' | 'remove', { note }: { note: string }) => {
      if (!/^(?:access:[^:]+:[^:]+|policy:[^:]+|exception:[^:]+)$/.test(object))
        throw new InvalidArgumentError('access:USER:RESOURCE, policy:ID or exception:NAME');
      const { attestation } = await withControl((control) =>
        control.call('review.attest', { object, outcome, note }),
      );
      process.stdout.write(`${plain(attestation.object)}: ${attestation.outcome}, on record.\n`);
    });
}
