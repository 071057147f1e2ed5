/** `anteroom policy inspect`, `verify`, `install` and `status`: what is in a bundle, whether it holds, what is in force. */
import type { Command } from 'commander';
import { loadConfig } from '../platform/config.ts';
import { prepareBundle } from '../policy/bundle-content.ts';
import { readContent, readSigners, verifyBundle } from '../policy/bundle-verify.ts';
import { contentDigest, unframe } from '../policy/bundle.ts';
import type { BundleContent } from '../wire/bundle.ts';
import { MAX_BUNDLE_BYTES } from '../wire/bundle.ts';
import { Fault } from '../wire/errors.ts';
import type { BundleSummary, PolicyStatus } from '../wire/messages.ts';
import { plain, printJson, withControl } from './console.ts';
import { readBytes, readSignerText } from './policy-signer.ts';

/** Verifying and compiling a large bundle takes a while on a small machine. */
const INSTALL_TIMEOUT_MS = 30_000;
const STATUS_TIMEOUT_MS = 3_000;

const iso = (at: number): string => new Date(at).toISOString();
const lines = (rows: readonly (readonly [string, string])[]): string =>
  rows.map(([name, value]) => `${name.padEnd(12)}${plain(value)}\n`).join('');

function describe(content: BundleContent, digest: string, signers: readonly string[]): string {
  const { revision, audience, notBefore, notAfter, directory, vectors, keys, destructive } = content;
  const counted = directory
    ? `${directory.users.length} users, ${directory.devices.length} devices, ${directory.resources.length} resources`
    : 'none: the configured one holds';
  return lines([
    ['revision', String(revision)],
    ['digest', digest],
    ['audience', audience.join(', ')],
    ['not before', iso(notBefore)],
    ['not after', iso(notAfter)],
    ['directory', counted],
    ['vectors', String(vectors.length)],
    ['signed by', signers.join(', ')],
    ...(keys ? ([['signers then', keys.map((key) => key.split(':')[1] ?? '').join(', ')]] as const) : []),
    ...(destructive ? ([['destructive', 'yes']] as const) : []),
  ]);
}

function inspect(file: string, { json, policies }: { json?: boolean; policies?: boolean }): void {
  const framed = unframe(readBytes(file));
  if (framed.kind === 'too-large') throw new Fault('BUNDLE_TOO_LARGE', file);
  if (framed.kind === 'malformed')
    throw new Fault('BUNDLE_MALFORMED', `${file}: at byte ${framed.offset}: ${framed.detail}`);
  const content = readContent(framed.content);
  const signers = framed.signatures.map(({ signer }) => signer);
  if (policies === true) process.stdout.write(content.policies);
  else if (json === true) printJson({ digest: contentDigest(framed.content), signers, content });
  else {
    process.stdout.write(describe(content, contentDigest(framed.content), signers));
    process.stdout.write('Nothing of it was verified: anteroom policy verify does that.\n');
  }
}

function verify(file: string, { key, audience }: { key?: string[]; audience?: string }): void {
  const files = key ?? loadConfig().policy.keys;
  if (files.length === 0) throw new Fault('BUNDLE_NO_KEYS', 'name one with --key, or pin it in policy.keys');
  const pinned = readSigners(files.map((from) => ({ text: readSignerText(from), from })));
  const bundle = verifyBundle(readBytes(file), { pinned });
  const site = audience ?? (key ? undefined : loadConfig().site.id);
  if (site !== undefined && !bundle.content.audience.some((each) => each === site))
    throw new Fault('BUNDLE_AUDIENCE', `${bundle.content.audience.join(', ')}; not ${site}`);
  const { set } = prepareBundle(bundle);
  process.stdout.write(describe(bundle.content, bundle.digest, bundle.signers));
  process.stdout.write(
    `Every signature is right, ${set.policies.size} policies are valid, every vector comes out.\n`,
  );
}

const summaryText = ({ revision, digest, activated, notAfter, signers }: BundleSummary): string =>
  `${revision}, activated ${iso(activated)}, until ${iso(notAfter)}, by ${signers.join(', ')}, ${digest}`;

function statusText(status: PolicyStatus): string {
  const { mode, revision, active, previous, highest, signers, faults } = status;
  return lines([
    ['from', mode === 'file' ? 'a plain file, unsigned' : 'signed bundles'],
    ['in force', revision ?? 'nothing: every session is refused'],
    ...(active ? ([['bundle', summaryText(active)]] as const) : []),
    ...(previous ? ([['before it', summaryText(previous)]] as const) : []),
    ...(highest === undefined ? [] : ([['seen', `up to revision ${highest}`]] as const)),
    ...(signers.length > 0 ? ([['signers', signers.join(', ')]] as const) : []),
    ...faults.map((fault) => ['fault', fault] as const),
  ]);
}

async function install(file: string): Promise<void> {
  const bytes = readBytes(file);
  if (bytes.length > MAX_BUNDLE_BYTES) throw new Fault('BUNDLE_TOO_LARGE', `${bytes.length} bytes`);
  const bundle = bytes.toString('base64');
  const timeoutMs = INSTALL_TIMEOUT_MS;
  const status = await withControl((control) =>
    control.call('operator.policy.install', { bundle }, { timeoutMs }),
  );
  process.stdout.write(statusText(status));
}

async function status({ json }: { json?: boolean }): Promise<void> {
  const timeoutMs = STATUS_TIMEOUT_MS;
  const answer = await withControl((control) => control.call('operator.policy.status', {}, { timeoutMs }));
  if (json === true) printJson(answer);
  else process.stdout.write(statusText(answer));
}

export function register(policy: Command): void {
  policy
    .command('inspect')
    .description('what is in a bundle; trusts nothing and verifies nothing')
    .argument('<bundle>')
    .option('--policies', 'its Cedar text alone')
    .option('--json', 'all of it, as JSON')
    .action(inspect);
  policy
    .command('verify')
    .description('whether a bundle would hold: signatures, audience, policies, vectors')
    .argument('<bundle>')
    .option(
      '--key <file>',
      'a .pub to verify with in place of the configured ones; again for more',
      (text, before) => [...((before as string[] | undefined) ?? []), text],
    )
    .option('--audience <site>', 'the site that it has to be for')
    .action(verify);
  policy
    .command('install')
    .description('have the gateway verify and activate a bundle')
    .argument('<bundle>')
    .action(install);
  policy
    .command('status')
    .description('what decides here, what did before, who may sign')
    .option('--json', 'as JSON')
    .action(status);
}
