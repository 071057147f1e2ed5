/**
 * `anteroom provision create|inspect|accept|order`: the office's half. Signing keys are files that their owner alone may
 * read. The one-time code is printed once and stands nowhere: not in the registry, not on the stick.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import type { z } from 'zod';
import { signEnvelope } from '../crypto/envelope.ts';
import { version } from '../platform/version.ts';
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
import type { Addressing, EnrolmentSource } from '../wire/provision.ts';
import { plain, printJson } from './console.ts';
import { readBounded, replaceFile, writeNew } from './durable-file.ts';
import { readBytes, readSignerText, readSigningKey } from './policy-signer.ts';
import { acceptFarewell, acceptReceipt, makeCredential, peerLines } from './provision-accept.ts';
import { makeStick, writeStick } from './provision-create.ts';
import type { MadeStick } from './provision-create.ts';
import { imageAt, stickAt, writeMedium } from './provision-medium.ts';
import type { Medium } from './provision-medium.ts';
import { readRegistry, withRegistry } from './provision-registry.ts';
import { readStick } from './provision-stick.ts';

const DAY_MS = 86_400_000;
/** Clocks differ. */
const EARLY_MS = 300_000;
/** Where the broker listens, unless the configuration says otherwise. */
const RESOURCES = '100.96.128.0/17';

/** `dhcp`, or `192.0.2.5/24[,gateway=192.0.2.1][,dns=192.0.2.53]…`. */
export function readAddressing(text: string): Addressing {
  if (text === 'dhcp') return { method: 'dhcp' };
  const addresses: string[] = [];
  const dns: string[] = [];
  let gateway: string | undefined;
  for (const part of text.split(',')) {
    const [name, value] = part.split('=');
    if (value === undefined) addresses.push(part);
    else if (name === 'gateway' && gateway === undefined) gateway = value;
    else if (name === 'dns') dns.push(value);
    else throw new InvalidArgumentError(`not understood: ${part}`);
  }
  return { method: 'static', addresses, dns, ...(gateway === undefined ? {} : { gateway }) };
}

const days = (text: string): number => {
  const value = Number(text);
  if (!(value > 0 && value <= 90)) throw new InvalidArgumentError('from a part of a day to 90 days');
  return value;
};
const again = (text: string, before: string[] | undefined): string[] => [...(before ?? []), text];

interface CreateOptions {
  readonly site: string;
  readonly name?: string;
  readonly coordinator?: string;
  readonly coordinatorName?: string;
  readonly coordinatorKey?: string[];
  readonly policy: string;
  readonly policyKey: string[];
  readonly key: string;
  readonly registry: string;
  readonly out?: string;
  readonly forceFile?: string;
  readonly yes?: boolean;
  readonly device?: string;
  readonly days: number;
  readonly minVersion: string;
  readonly model?: string;
  readonly softKey?: boolean;
  readonly reprovisionFrom?: string;
  readonly uplink: Addressing;
  readonly management: Addressing;
  readonly enclave: Addressing;
  readonly uplinkMac?: string;
  readonly managementMac?: string;
  readonly enclaveMac?: string;
  readonly ntp?: string[];
  readonly nts?: string[];
  readonly proxy?: string;
  readonly tunnelAddress?: string[];
  readonly endpoint?: string;
  readonly directory?: string;
  readonly ping?: string[];
  readonly contact: string;
}

function endpointOf(text: string): { host: string; port: number } {
  const [, bracketed, plainHost, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plainHost;
  if (host === undefined || port === undefined)
    throw new Fault('PROVISION_INVALID', `endpoint: not host:port: ${text}`);
  return { host, port: Number(port) };
}

function bodyOf(said: CreateOptions): Omit<EnrolmentSource, 'format' | 'id' | 'token'> {
  if (said.coordinator !== undefined && !said.coordinatorKey)
    throw new Fault('PROVISION_INVALID', 'coordinator: name its key too, with --coordinator-key');
  const port = (addressing: Addressing, mac?: string): EnrolmentSource['interfaces']['uplink'] => ({
    addressing,
    ...(mac === undefined ? {} : { mac }),
  });
  const lists = said.directory === undefined ? undefined : readJsonFile(said.directory);
  return {
    ...(said.coordinator === undefined
      ? {}
      : {
          coordinator: {
            name: said.coordinatorName ?? new URL(said.coordinator).hostname,
            url: said.coordinator,
            keys: (said.coordinatorKey ?? []).map(readSignerText),
          },
        }),
    interfaces: {
      uplink: port(said.uplink, said.uplinkMac),
      management: port(said.management, said.managementMac),
      enclave: port(said.enclave, said.enclaveMac),
    },
    ntp: said.ntp ?? [],
    nts: said.nts ?? [],
    ...(said.proxy === undefined ? {} : { proxy: said.proxy }),
    tunnel: {
      addresses: said.tunnelAddress ?? ['100.96.0.1/17'],
      ...(said.endpoint === undefined ? {} : { endpoint: endpointOf(said.endpoint) }),
    },
    policySigners: said.policyKey.map(readSignerText),
    ...(lists === undefined ? {} : { directory: { users: [], devices: [], resources: [], ...lists } }),
    contact: said.contact,
    ...(said.ping === undefined ? {} : { reachability: said.ping }),
  };
}

function readJsonFile(file: string): Record<string, unknown> {
  try {
    return JSON.parse(readBytes(file).toString('utf8')) as Record<string, unknown>;
  } catch (cause) {
    throw new Fault(
      'PROVISION_INVALID',
      `${file}: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        cause,
      },
    );
  }
}

/** A folder, or the medium that is erased for it. Fault PROVISION_INVALID. */
function destination({ out, forceFile }: CreateOptions): string | Medium {
  if ((out === undefined) === (forceFile === undefined))
    throw new Fault('PROVISION_INVALID', 'say where: --out for a stick or a folder, or --force-file');
  if (forceFile !== undefined) return imageAt(forceFile);
  if (out !== undefined && statSync(out, { throwIfNoEntry: false })?.isDirectory()) return out;
  return stickAt(out ?? '');
}

/** Fault PROVISION_INVALID unless somebody says yes. */
async function mayErase({ file, what, device }: Medium, yes: boolean): Promise<void> {
  if (yes || (!device && !statSync(file, { throwIfNoEntry: false }))) return;
  if (!process.stdin.isTTY)
    throw new Fault('PROVISION_INVALID', `${file}: everything on it would be erased; add --yes if it may be`);
  const ask = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const said = await ask.question(
      `Everything on ${plain(file)} (${plain(what)}) will be erased. Type yes to go on: `,
    );
    if (said.trim() !== 'yes') throw new Fault('PROVISION_INVALID', `${file}: left as it is`);
  } finally {
    ask.close();
  }
}

/** In a folder first, then on the medium. */
function writeTo(to: string | Medium, made: MadeStick, said: Parameters<typeof writeStick>[2]): void {
  if (typeof to === 'string') {
    writeStick(to, made, said);
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'anteroom-stick-'));
  try {
    writeStick(folder, made, said);
    writeMedium(to, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function create(said: CreateOptions): Promise<void> {
  const to = destination(said);
  if (typeof to !== 'string') await mayErase(to, said.yes === true);
  const key = readSigningKey(said.key);
  const now = Date.now();
  try {
    const body = bodyOf(said);
    const made = await withRegistry(said.registry, async (registry) => {
      const stick = await makeStick(
        {
          site: { id: said.site, name: said.name ?? said.site },
          notBefore: now - EARLY_MS,
          notAfter: now + said.days * DAY_MS,
          minVersion: said.minVersion,
          ...(said.model === undefined ? {} : { model: said.model }),
          softKey: said.softKey === true,
          ...(said.reprovisionFrom === undefined ? {} : { reprovisionFrom: said.reprovisionFrom }),
          ...(said.device === undefined ? {} : { device: said.device }),
          body,
          policy: readBytes(said.policy),
        },
        key,
      );
      const row = {
        id: stick.head.id,
        site: stick.head.site.id,
        made: now,
        notAfter: stick.head.notAfter,
        token: stick.token,
        resources: RESOURCES,
        ...(said.endpoint === undefined ? {} : { endpoint: said.endpoint }),
      };
      return [{ ...registry, sticks: [...registry.sticks, row] }, stick] as const;
    });
    const coordinator = said.coordinatorName ?? said.coordinator ?? 'none';
    writeTo(to, made, { coordinator, contact: said.contact });
    const { head, code } = made;
    process.stdout.write(
      `${typeof to === 'string' ? to : to.file}: for ${plain(head.site.name)}, until ${new Date(head.notAfter).toISOString()}, number ${head.id}\n`,
    );
    if (code !== undefined)
      process.stdout.write(
        `One-time code: ${code}\nTell it to the technician by telephone or message. It is shown this once, and never goes on the stick.\n`,
      );
  } finally {
    key.wipe();
  }
}

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
  group
    .command('create')
    .description('make a stick for one gateway; prints the one-time code, once')
    .requiredOption('--site <id>', 'the site')
    .option('--name <text>', 'and its name, as people say it')
    .option('--coordinator <url>', 'where it is, https')
    .option('--coordinator-name <text>', 'what it is called')
    .option('--coordinator-key <file>', 'a .pub whose answers are the coordinator’s; again for more', again)
    .requiredOption('--policy <bundle>', 'signed policy to start with')
    .requiredOption('--policy-key <file>', 'a .pub that may sign policy there; again for more', again)
    .requiredOption('--key <file>', 'signing key that the image pins')
    .requiredOption('--registry <file>', 'the office’s list of sticks and gateways')
    .option('--out <stick>', 'the stick: its block device, which is erased, or where it is mounted')
    .option('--force-file <file>', 'an image file in place of a stick')
    .option('--yes', 'erase the stick without asking')
    .option('--device <code>', 'the device code, for that gateway alone; without it there is a one-time code')
    .option('--days <n>', 'how long the stick works', days, 7)
    .option('--min-version <x.y.z>', 'the oldest software that may take it', version)
    .option('--model <name>', 'the hardware it is for')
    .option('--soft-key', 'a gateway without a TPM may take it')
    .option('--reprovision-from <site>', 'for a gateway that was reset: where it was in service')
    .option(
      '--uplink <addressing>',
      'dhcp, or 192.0.2.5/24,gateway=192.0.2.1,dns=192.0.2.53',
      readAddressing,
      {
        method: 'dhcp',
      } as const,
    )
    .option('--management <addressing>', 'of the management port', readAddressing, {
      method: 'static',
      addresses: ['10.10.0.1/24'],
      dns: [],
    } as const)
    .requiredOption('--enclave <addressing>', 'of the devices’ port', readAddressing)
    .option('--uplink-mac <mac>', 'which port it is')
    .option('--management-mac <mac>', 'which port it is')
    .option('--enclave-mac <mac>', 'which port it is')
    .option('--ntp <host>', 'a time server; again for more', again)
    .option('--nts <host>', 'a time server that proves who it is (NTS); again for more', again)
    .option('--proxy <url>', 'http://host:port to reach the coordinator by')
    .option('--tunnel-address <prefix>', 'of the gateway inside the tunnel; again for more', again)
    .option('--endpoint <host:port>', 'where peers reach it')
    .option('--directory <file>', 'JSON with users, devices, resources')
    .option('--ping <address>', 'a device that the self-test asks whether it answers; again for more', again)
    .requiredOption('--contact <text>', 'whom the technician calls')
    .action(create);
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
