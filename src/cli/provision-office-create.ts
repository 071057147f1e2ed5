/**
 * `anteroom provision create`: a stick for one gateway. The one-time code is printed once and stands nowhere: not in the
 * registry, not on the stick.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { version } from '../platform/version.ts';
import { Fault } from '../wire/errors.ts';
import type { Addressing, EnrolmentSource } from '../wire/provision.ts';
import { plain } from './console.ts';
import { readBytes, readSignerText, readSigningKey } from './policy-signer.ts';
import { makeStick, writeStick } from './provision-create.ts';
import type { MadeStick } from './provision-create.ts';
import { imageAt, stickAt, writeMedium } from './provision-medium.ts';
import type { Medium } from './provision-medium.ts';
import { withRegistry } from './provision-registry.ts';
import { DAY_MS, EARLY_MS, days, readJsonFile } from './provision-terms.ts';

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

export function registerCreate(group: Command): void {
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
}
