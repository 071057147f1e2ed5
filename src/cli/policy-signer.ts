/**
 * `anteroom policy keygen`, `sign` and `cosign`: where policy is signed, which is never the gateway. Secret keys are in
 * files that their owner alone may read; none is ever an argument or printed.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { SIGNER_SEED_BYTES, SigningKey, secretText } from '../crypto/signer.ts';
import { questionsAbout } from '../policy/bundle-questions.ts';
import { makeVectors } from '../policy/bundle-vectors.ts';
import { readSigners } from '../policy/bundle-verify.ts';
import { contentDigest, frame, signBundle, unframe } from '../policy/bundle.ts';
import type { BundleSource } from '../wire/bundle.ts';
import { Fault } from '../wire/errors.ts';
import { readSource, setOf } from './policy-files.ts';

const DAY_MS = 86_400_000;
const MAX_KEY_FILE_BYTES = 4096;

const why = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/** Fault SIGNER_INVALID, also for a file that others may read; it says nothing of the content. */
export function readSigningKey(file: string): SigningKey {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (cause) {
    throw new Fault('SIGNER_INVALID', why(cause), { cause });
  }
  try {
    const { mode, size } = fstatSync(fd);
    if ((mode & 0o077) !== 0)
      throw new Fault(
        'SIGNER_INVALID',
        `${file}: must be its owner's alone (mode ${(mode & 0o777).toString(8)})`,
      );
    if (size > MAX_KEY_FILE_BYTES) throw new Fault('SIGNER_INVALID', `${file}: not a signing key`);
    return SigningKey.fromText(readFileSync(fd, 'utf8').trim());
  } finally {
    closeSync(fd);
  }
}

/** A signer's public key from its file. Fault SIGNER_INVALID. */
export function readSignerText(file: string): string {
  try {
    const text = readFileSync(file, 'utf8').trim();
    readSigners([{ text, from: file }]);
    return text;
  } catch (cause) {
    throw cause instanceof Fault ? cause : new Fault('SIGNER_INVALID', why(cause), { cause });
  }
}

export function readBytes(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new Fault('POLICY_UNREADABLE', why(cause), { cause });
  }
}

function readJson(file: string): Record<string, unknown> {
  try {
    return JSON.parse(readBytes(file).toString('utf8')) as Record<string, unknown>;
  } catch (cause) {
    throw cause instanceof Fault
      ? cause
      : new Fault('POLICY_UNREADABLE', `${file}: ${why(cause)}`, { cause });
  }
}

function write(file: string, content: string | Uint8Array, mode: number): void {
  try {
    writeFileSync(file, content, { flag: 'wx', mode });
  } catch (cause) {
    throw new Fault('SIGNER_INVALID', why(cause), { cause });
  }
}

function keygen(name: string): void {
  const seed = randomBytes(SIGNER_SEED_BYTES);
  const secret = secretText(seed);
  const { signer } = new SigningKey(seed);
  write(`${name}.key`, `${secret}\n`, 0o600);
  write(`${name}.pub`, `${signer.text}\n`, 0o644);
  process.stdout.write(`${signer.id}  ${name}.key (secret)  ${name}.pub\n`);
}

interface SignOptions {
  readonly revision: number;
  readonly audience: string[];
  readonly key: string[];
  readonly notBefore?: number;
  readonly days: number;
  readonly site?: string;
  readonly directory?: string;
  readonly rotate?: string[];
  readonly destructive?: boolean;
  readonly output: string;
}

function sourceOf(path: string, options: SignOptions): BundleSource {
  const source = readSource(path);
  setOf(source);
  const policies = source.files.map(({ text }) => text).join('\n');
  const notBefore = options.notBefore ?? Math.floor(Date.now() / 1000) * 1000;
  const lists = options.directory === undefined ? undefined : readJson(options.directory);
  const { users = [], devices = [], resources = [] } = lists ?? {};
  return {
    format: 1,
    revision: options.revision,
    audience: options.audience,
    notBefore,
    notAfter: notBefore + options.days * DAY_MS,
    ...(options.destructive === true ? { destructive: true } : {}),
    ...(options.rotate ? { keys: options.rotate.map(readSignerText) } : {}),
    policies,
    ...(options.site === undefined ? {} : { site: readJson(options.site) }),
    ...(lists ? { directory: { users, devices, resources } as never } : {}),
    vectors: makeVectors(policies, questionsAbout(policies)),
  };
}

function say(file: string, bytes: Uint8Array): void {
  const framed = unframe(bytes);
  const digest = framed.kind === 'bundle' ? contentDigest(framed.content) : '';
  process.stdout.write(`${file}  ${bytes.length} bytes  ${digest}\n`);
}

function sign(path: string, options: SignOptions): void {
  const keys = options.key.map(readSigningKey);
  try {
    const bytes = signBundle(sourceOf(path, options), keys);
    write(options.output, bytes, 0o644);
    say(options.output, bytes);
  } finally {
    for (const key of keys) key.wipe();
  }
}

function cosign(file: string, { key: files, output }: Pick<SignOptions, 'key' | 'output'>): void {
  const framed = unframe(readBytes(file));
  if (framed.kind !== 'bundle') throw new Fault('BUNDLE_MALFORMED', file);
  const keys = files.map(readSigningKey);
  try {
    const bytes = frame(framed.content, keys, framed.signatures);
    write(output, bytes, 0o644);
    say(output, bytes);
  } finally {
    for (const key of keys) key.wipe();
  }
}

function whole(text: string): number {
  const n = Number(text);
  if (!/^[1-9]\d*$/.test(text) || !Number.isSafeInteger(n)) throw new InvalidArgumentError('a whole number');
  return n;
}

function instant(text: string): number {
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw new InvalidArgumentError('an instant such as 2026-03-01T00:00:00Z');
  return at;
}

const more = (text: string, before: string[] = []): string[] => [...before, ...text.split(',')];
const another = (text: string, before: string[] = []): string[] => [...before, text];

export function register(policy: Command): void {
  policy
    .command('keygen')
    .description('a new signer: NAME.key (secret, for whoever signs) and NAME.pub (for gateways to pin)')
    .argument('<name>', 'path of the two files, without their endings')
    .action(keygen);
  policy
    .command('sign')
    .description('check policies, make test vectors with cedar-wasm, and sign them as a bundle')
    .argument('<path>', 'a folder of .cedar files, or one file')
    .requiredOption('--revision <n>', 'higher than that of any bundle before', whole)
    .requiredOption('--audience <site>', 'sites it is for, with commas or again', more)
    .requiredOption('--key <file>', 'a signing key; again for more signers', another)
    .requiredOption('--output <file>', 'where the bundle goes; no file is overwritten')
    .option('--not-before <instant>', 'when it may be activated first (default: now)', instant)
    .option('--days <n>', 'for how long it may be activated', whole, 90)
    .option('--site <file>', 'JSON of what policy reads besides: calendars, scenarios, exceptions')
    .option('--directory <file>', 'JSON with users, devices and resources, which replace the configured ones')
    .option('--rotate <file>', 'a .pub of who may sign from then on; again for more', another)
    .option('--destructive', 'it is meant to drop more than a fifth of what is in force')
    .action(sign);
  policy
    .command('cosign')
    .description('add signatures to a bundle, as a change of signers needs')
    .argument('<bundle>')
    .requiredOption('--key <file>', 'a signing key; again for more signers', another)
    .requiredOption('--output <file>', 'where the bundle goes; no file is overwritten')
    .action(cosign);
}
