/**
 * `anteroom provision inspect|accept|order`, and `create` of its own file: the office's half. Signing keys are files that
 * their owner alone may read.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { z } from 'zod';
import { signEnvelope } from '../crypto/envelope.ts';
import { Fault } from '../wire/errors.ts';
import {
  FAREWELL_MAGIC,
  HEAD_MAGIC,
  MAX_HEAD_BYTES,
  RESET_MAGIC,
  STICK_FOLDER,
  credentialContent,
  enrolmentHead,
  resetOrder,
} from '../wire/provision.ts';
import { plain, printJson } from './console.ts';
import { readBounded, replaceFile, writeNew } from './durable-file.ts';
import { readSigningKey } from './policy-signer.ts';
import { acceptFarewell, acceptReceipt, makeCredential, peerLines } from './provision-accept.ts';
import { registerCreate } from './provision-office-create.ts';
import { readRegistry, withRegistry } from './provision-registry.ts';
import { readStick } from './provision-stick.ts';
import { DAY_MS, EARLY_MS, days, readJsonFile } from './provision-terms.ts';

/** What a stick says of itself; verifies nothing. */
function inspect(root: string, { json }: { json?: boolean }): void {
  const reading = readStick(root);
  if (reading.kind === 'empty') throw new Fault('PROVISION_REFUSED', `E01: nothing of ours on ${root}`);
  if (reading.kind === 'unreadable') throw new Fault('PROVISION_REFUSED', `E02: ${reading.detail}`);
  const answers = reading.answers.map(({ name }) => name);
  if (!reading.head) {
    process.stdout.write(`No enrolment; ${answers.join(', ')}\n`);
    return;
  }
  const text = reading.head.toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text.slice(text.indexOf('\n', HEAD_MAGIC.length) + 1));
  } catch (cause) {
    throw new Fault('PROVISION_REFUSED', 'E02: its head is not understood', { cause });
  }
  const head = enrolmentHead.safeParse(value);
  if (!head.success) throw new Fault('PROVISION_REFUSED', 'E02: its head is not understood');
  const signer = /^signature ([0-9a-f]{16}) /.exec(text.slice(HEAD_MAGIC.length))?.[1] ?? '?';
  if (json === true) {
    printJson({ signer, answers, head: head.data });
    return;
  }
  const { id, site, notBefore, notAfter, minVersion, model, recipient, softKey, reprovision } = head.data;
  const rows: readonly (readonly [string, string])[] = [
    ['number', id],
    ['site', `${site.name} (${site.id})`],
    ['not before', new Date(notBefore).toISOString()],
    ['not after', new Date(notAfter).toISOString()],
    ['software', `${minVersion} or newer`],
    ['model', model ?? 'any'],
    ['opens with', recipient.kind === 'code' ? 'the one-time code' : `device ${recipient.device}`],
    ['without TPM', softKey ? 'allowed' : 'refused'],
    ...(reprovision ? ([['was in service', reprovision.from]] as const) : []),
    ['signed by', signer],
    ['answers', answers.join(', ') || 'none'],
  ];
  process.stdout.write(rows.map(([name, said]) => `${name.padEnd(16)}${plain(said)}\n`).join(''));
  process.stdout.write('Nothing of it was verified: the gateway does that.\n');
}

interface AcceptOptions {
  readonly registry: string;
  readonly key?: string;
  readonly out?: string;
  readonly peers?: string;
}

const startLists = credentialContent.pick({ users: true, peers: true });

function readLists(file: string): z.output<typeof startLists> {
  const read = startLists.safeParse(readJsonFile(file));
  if (read.success) return read.data;
  const { path = [], message = '' } = read.error.issues[0] ?? {};
  throw new Fault('PROVISION_INVALID', `${file}: ${path.map(String).join('.')}: ${message}`);
}

async function accept(file: string, said: AcceptOptions): Promise<void> {
  const read = readBounded(file, MAX_HEAD_BYTES);
  if (read.kind !== 'bytes')
    throw new Fault('RECEIPT_REFUSED', `${file}: ${read.kind === 'missing' ? 'there is none' : read.detail}`);
  if (read.bytes.subarray(0, FAREWELL_MAGIC.length).equals(Buffer.from(FAREWELL_MAGIC))) {
    const farewell = await withRegistry(said.registry, (registry) => acceptFarewell(registry, read.bytes));
    process.stdout.write(
      `${farewell.site}: ${farewell.what} at ${new Date(farewell.at).toISOString()}, ${plain(farewell.reason)}\nTake its key out of the peers' configurations.\n`,
    );
    return;
  }
  if (said.key === undefined || said.out === undefined)
    throw new Fault('RECEIPT_REFUSED', 'the answer needs --key and --out');
  const key = readSigningKey(said.key);
  const lists = said.peers === undefined ? { peers: [] } : readLists(said.peers);
  const { out } = said;
  const now = Date.now();
  try {
    const acceptance = await withRegistry(said.registry, (registry) => {
      const [next, accepted] = acceptReceipt(registry, read.bytes, now);
      const answer = makeCredential(accepted, lists, key, now);
      const folder = join(out, STICK_FOLDER);
      const name = `credential-${accepted.receipt.bundle}`;
      // On a stick beside the receipt, elsewhere as it is.
      const onStick = statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true;
      replaceFile(join(onStick ? folder : out, name), answer, 0o644);
      return [next, accepted] as const;
    });
    const { receipt } = acceptance;
    process.stdout.write(
      `${receipt.site}: accepted. Identity ${receipt.keys.identity.split(':')[1]}, ${receipt.tpm ? 'keys under a TPM' : 'keys in a file, no TPM'}, software ${plain(receipt.version)}.\nAudit key: ${plain(receipt.keys.audit)}\n\n${peerLines(acceptance)}`,
    );
  } finally {
    key.wipe();
  }
}

interface OrderOptions {
  readonly registry: string;
  readonly key: string;
  readonly site: string;
  readonly reason: string;
  readonly days: number;
  readonly out: string;
}

function order(what: string, said: OrderOptions): void {
  const gateway = readRegistry(said.registry).gateways.findLast(
    ({ site, left }) => site === said.site && left === undefined,
  );
  if (!gateway) throw new Fault('PROVISION_INVALID', `${said.site}: no gateway of it is accepted`);
  const now = Date.now();
  const content = resetOrder.safeParse({
    format: 1,
    id: randomBytes(16).toString('hex'),
    site: said.site,
    gateway: gateway.keys.identity.split(':')[1],
    order: what,
    reason: said.reason,
    notBefore: now - EARLY_MS,
    notAfter: now + said.days * DAY_MS,
  });
  if (!content.success) {
    const { path = [], message = '' } = content.error.issues[0] ?? {};
    throw new Fault('PROVISION_INVALID', `${path.map(String).join('.')}: ${message}`);
  }
  const key = readSigningKey(said.key);
  const onStick = statSync(said.out, { throwIfNoEntry: false })?.isDirectory() === true;
  const file = onStick ? join(said.out, STICK_FOLDER, `order-${content.data.id}`) : said.out;
  if (onStick) mkdirSync(join(said.out, STICK_FOLDER), { recursive: true });
  writeNew(file, signEnvelope(RESET_MAGIC, content.data, key), 0o644);
  key.wipe();
  process.stdout.write(`${file}: ${what} of ${said.site}\n`);
}

export function registerOffice(group: Command): void {
  registerCreate(group);
  group
    .command('inspect')
    .description('what a stick says of itself; trusts nothing and verifies nothing')
    .argument('<dir>', 'the mounted stick')
    .option('--json', 'as JSON')
    .action(inspect);
  group
    .command('accept')
    .description('pin a gateway by its receipt and write its answer; or take note of a reset or decommission')
    .argument('<receipt>')
    .requiredOption('--registry <file>', 'the office’s list of sticks and gateways')
    .option('--key <file>', 'signing key that the image pins')
    .option('--out <dir>', 'a stick or a folder, for the answer')
    .option('--peers <file>', 'JSON with users and peers to start with')
    .action(accept);
  group
    .command('order')
    .description('sign an order for a gateway that is in service')
    .argument('<what>', 'reset or decommission')
    .requiredOption('--site <id>', 'whose gateway')
    .requiredOption('--reason <text>', 'why')
    .requiredOption('--registry <file>', 'the office’s list of sticks and gateways')
    .requiredOption('--key <file>', 'signing key that the image pins')
    .requiredOption('--out <file>', 'where to write it; a folder is a mounted stick')
    .option('--days <n>', 'how long it may be carried out', days, 7)
    .action(order);
}
