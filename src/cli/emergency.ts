/**
 * `anteroom emergency`: emergency mode of the site, with the officer's offline credential or by a signed order; making
 * credentials and orders; the grace without a coordinator.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { credentialText, newCredential } from '../crypto/offline-credential.ts';
import { SigningKey } from '../crypto/signer.ts';
import { signOrder } from '../policy/order.ts';
import { Fault } from '../wire/errors.ts';
import type { LifeStatus } from '../wire/life.ts';
import { orderContent } from '../wire/order.ts';
import { plain, printJson, span, withControl } from './console.ts';
import { LIFE_TIMEOUT_MS, fetchLife, moment, relative } from './life.ts';
import { readSecrets } from './secret.ts';

const MIN_PASSPHRASE = 12;

export function emergencyText({ emergency, offline, now }: LifeStatus): string {
  const alarm = emergency
    ? `Emergency mode since ${moment(emergency.from)}, ends ${relative(emergency.until, now)}: ${plain(emergency.reason)} (${plain(emergency.started.by)}, ${emergency.started.via}).`
    : 'No emergency.';
  const left = offline.leftMs === undefined ? '' : `, ${span(offline.leftMs)} left`;
  return `${alarm}\nCoordinator: ${offline.state}${offline.state === 'standalone' ? '' : `, last heard of ${span(offline.usedMs)} ago${left}`}.\n`;
}

async function typed(): Promise<{ passphrase: string; code: string }> {
  const [passphrase = '', code = ''] = await readSecrets(['Passphrase', 'Code from the sheet']);
  return { passphrase, code };
}

function keyOf(file: string): SigningKey {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new Fault('SIGNER_INVALID', cause instanceof Error ? cause.message : String(cause), { cause });
  }
  return SigningKey.fromText(text.trim());
}

export function register(program: Command): void {
  const group = program
    .command('emergency')
    .description('emergency mode: relaxes posture checks, for a while');
  group
    .command('status', { isDefault: true })
    .description('whether it holds, and how long the coordinator has been away')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const status = await fetchLife();
      const { emergency, offline } = status;
      if (json === true) printJson({ emergency, offline });
      else process.stdout.write(emergencyText(status));
    });
  group
    .command('start')
    .description('start it on the spot; asks for the passphrase and a code of the sheet')
    .requiredOption('--officer <user>', 'who starts it')
    .requiredOption('--reason <text>', 'why')
    .option('--hours <n>', 'how long at most', Number)
    .action(async ({ officer, reason, hours }: { officer: string; reason: string; hours?: number }) => {
      const secrets = await typed();
      const { emergency } = await withControl((control) =>
        control.call(
          'emergency.start',
          { officer, reason, ...secrets, ...(hours === undefined ? {} : { hours }) },
          { timeoutMs: LIFE_TIMEOUT_MS },
        ),
      );
      process.stdout.write(`Emergency mode until ${moment(emergency.until)}.\n`);
    });
  group
    .command('end')
    .description('end it on the spot; asks for the passphrase and a code of the sheet')
    .requiredOption('--officer <user>', 'who ends it')
    .requiredOption('--reason <text>', 'why')
    .action(async ({ officer, reason }: { officer: string; reason: string }) => {
      const secrets = await typed();
      await withControl((control) =>
        control.call('emergency.end', { officer, reason, ...secrets }, { timeoutMs: LIFE_TIMEOUT_MS }),
      );
      process.stdout.write('Emergency mode is over.\n');
    });
  group
    .command('apply')
    .description('apply a signed order')
    .argument('<file>', 'the order')
    .action(async (file: string) => {
      let bytes: Buffer;
      try {
        bytes = readFileSync(file);
      } catch (cause) {
        throw new Fault('ORDER_REFUSED', cause instanceof Error ? cause.message : String(cause), { cause });
      }
      const { done } = await withControl((control) =>
        control.call('order.apply', { order: bytes.toString('base64') }, { timeoutMs: LIFE_TIMEOUT_MS }),
      );
      process.stdout.write(`${done}\n`);
    });
  group
    .command('order')
    .description('make a signed order, away from the gateway')
    .argument('<order>', 'emergency.start, emergency.end or contact')
    .requiredOption('--key <file>', 'signing key of a signer that the gateways pin')
    .requiredOption('--site <ids...>', 'gateways it is for')
    .requiredOption('--officer <user>', 'whose order it is')
    .requiredOption('--reason <text>', 'why')
    .requiredOption('--out <file>', 'where to write it')
    .option('--hours <n>', 'how long an emergency lasts at most', Number)
    .option('--valid-hours <n>', 'how long the order may be applied', Number, 24)
    .action(
      (
        order: string,
        said: {
          key: string;
          site: string[];
          officer: string;
          reason: string;
          out: string;
          hours?: number;
          validHours: number;
        },
      ) => {
        const now = Date.now();
        const content = orderContent.safeParse({
          format: 1,
          id: randomBytes(16).toString('hex'),
          audience: said.site,
          notBefore: now - 300_000,
          notAfter: now + said.validHours * 3_600_000,
          order,
          officer: said.officer,
          reason: said.reason,
          ...(said.hours === undefined ? {} : { hours: said.hours }),
        });
        if (!content.success) {
          const { path = [], message = '' } = content.error.issues[0] ?? {};
          throw new Fault('ORDER_REFUSED', `${path.map(String).join('.')}: ${message}`);
        }
        const key = keyOf(said.key);
        writeFileSync(said.out, signOrder(content.data, key), { mode: 0o644 });
        key.wipe();
        process.stdout.write(`${said.out}: ${order} for ${said.site.join(', ')}.\n`);
      },
    );
  group
    .command('enrol')
    .description("make an officer's offline credential; prints the sheet of one-time codes, once")
    .argument('<officer>', 'the user')
    .requiredOption('--out <file>', "the officer's entry for the site's data: hashes only")
    .option('--codes <n>', 'codes on the sheet', Number, 20)
    .action(async (officer: string, { out, codes }: { out: string; codes: number }) => {
      const count = Math.min(40, Math.max(2, Math.trunc(codes) || 20));
      const [passphrase = ''] = await readSecrets(['New passphrase']);
      if (Array.from(passphrase).length < MIN_PASSPHRASE)
        throw new Fault('CREDENTIAL_REFUSED', `a passphrase has ${MIN_PASSPHRASE} characters at least`);
      const { credential, sheet } = await newCredential(passphrase, count);
      const entry = { user: officer, credential: credentialText(credential) };
      writeFileSync(out, `${JSON.stringify(entry, undefined, 2)}\n`, { mode: 0o600 });
      process.stdout.write(
        `One-time codes of ${officer}. Print them, keep them apart from the passphrase, cross out what was used.\n\n${sheet.map((code) => `  ${code}\n`).join('')}`,
      );
    });
}
