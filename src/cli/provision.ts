/**
 * `anteroom provision …`. At the office: create, inspect, accept, order. On the gateway: identity, apply, refuse,
 * status, selftest, serve, handover, reset, decommission; the image's units call these. `provision-office.ts` has the
 * office's half.
 *
 * Exit code of `apply`: 0 for OK1 to OK5, 65 for a refusal, whose code, sentence and next action are printed.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, existsSync, writeFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { provisioningSteps } from '../control/provisioning.ts';
import { Signer } from '../crypto/signer.ts';
import { keepRefusal } from '../platform/refusal-tray.ts';
import { version } from '../platform/version.ts';
import { handoverSheet } from '../status/provision-page.ts';
import { configSchema } from '../wire/config.ts';
import { Fault, isFault } from '../wire/errors.ts';
import { MAX_HEAD_BYTES } from '../wire/provision.ts';
import { isRefusal, provisionCode, provisionCodes } from '../wire/provision-code.ts';
import type { ProvisionFacts, Step } from '../wire/provision-status.ts';
import { fetchOverview, plain, printJson } from './console.ts';
import { readBounded, replaceFile, writeNew } from './durable-file.ts';
import { readAnnounced } from '../platform/announced.ts';
import { registerAppliance } from './provision-appliance.ts';
import { applySticks, mend } from './provision-apply.ts';
import type { Outcome } from './provision-apply.ts';
import {
  gatherFacts,
  mayAttempt,
  mayTellLimit,
  takeTypedCode,
  writeSelfTest,
  writeStickState,
  writeTypedCode,
} from './provision-facts.ts';
import { deviceCodeOf, openDeviceKey, placesOf, readEnrolled, readMemory } from './provision-memory.ts';
import { registerOffice } from './provision-office.ts';
import { farewellFile, leave } from './provision-reset.ts';
import { selfTest } from './provision-selftest.ts';
import { readSecrets } from './secret.ts';

const STATE = '/var/lib/anteroom';
const RUN = '/run/anteroom/provision';
/** Signers of sticks that the read-only image pins. */
const SIGNERS = '/usr/lib/anteroom/provision-signers';
const SYS = '/sys';
const PAGE_PORT = 8420;

interface BoxOptions {
  readonly stateDir: string;
  readonly runDir: string;
}

/** Every `.pub` of the folder. Fault SIGNER_INVALID for one that isn't a signer. */
function readSignerFolder(folder: string): Signer[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.pub'))
    .toSorted()
    .map((name) => {
      const signer = Signer.fromText(readFileSync(join(folder, name), 'utf8').trim());
      if (!signer) throw new Fault('SIGNER_INVALID', `${join(folder, name)}: not a signer`);
      return signer;
    });
}

/** The model by the firmware, or by the device tree (a Raspberry Pi). */
function modelOf(sys: string): string {
  for (const file of [join(sys, 'class/dmi/id/product_name'), join(sys, 'firmware/devicetree/base/model')]) {
    const read = existsSync(file) ? readFileSync(file, 'latin1').replaceAll('\0', '').trim() : '';
    if (read !== '') return read.slice(0, 64);
  }
  return 'unknown';
}

/** A battery clock, or a time server that has answered since the start. */
const clockIsTrusted = (sys: string): boolean =>
  existsSync('/run/anteroom/time/synchronized') || existsSync(join(sys, 'class/rtc/rtc0'));

const hasTpm = (sys: string): boolean => existsSync(join(sys, 'class/tpm/tpm0'));

export function outcomeText({ code, detail, site }: Outcome): string {
  const { sentence, action } = provisionCodes[code];
  const more = detail === undefined ? '' : `Detail: ${plain(detail)}\n`;
  return `${code}  ${sentence}\n${site === undefined ? '' : `Site: ${plain(site)}\n`}${more}${action}\n`;
}

/**
 * Write a refusal down for the audit log: at most five a minute, and that there were more. Where even that can't be
 * written, the refusal itself says so.
 */
function record({ stateDir, runDir }: BoxOptions, { code, offered }: Outcome, now: number): void {
  if (code === 'E18' && !mayTellLimit(runDir, now)) return;
  try {
    const { audit } = configSchema.shape.uids.parse({});
    keepRefusal(stateDir, { at: now, code, ...(offered === undefined ? {} : { digest: offered }) }, audit);
  } catch (error) {
    process.stderr.write(
      `anteroom: ${code} could not be recorded: ${error instanceof Error ? error.message : String(error)}\n`,
    );
  }
}

/** The five processes have open what a reset destroys. Fault PROVISION_STATE where systemd doesn't stop them. */
function stopProcesses(): void {
  if (!existsSync('/run/systemd/system')) return;
  const { status, stderr } = spawnSync('systemctl', ['stop', 'anteroom.target'], { encoding: 'utf8' });
  if (status !== 0) throw new Fault('PROVISION_STATE', `anteroom.target cannot be stopped: ${stderr.trim()}`);
}

interface ApplyCommand extends BoxOptions {
  readonly signers: string;
  readonly sys: string;
  readonly clock?: 'trusted' | 'floor';
  readonly floor?: number;
  readonly codeStdin?: boolean;
  readonly hold?: boolean;
  readonly json?: boolean;
}

async function apply(roots: readonly string[], said: ApplyCommand): Promise<void> {
  const now = Math.max(Date.now(), said.floor ?? 0);
  const finish = (outcome: Outcome): void => {
    const { code, detail } = outcome;
    // The receipt is in a copy of the stick: who carries it there says so when it is done.
    const held = said.hold === true && (code === 'OK2' || code === 'OK5');
    writeStickState(
      said.runDir,
      held
        ? { state: 'checking' }
        : {
            state: 'read',
            code,
            ...(detail === undefined ? {} : { detail: detail.slice(0, 300) }),
            at: now,
          },
    );
    if (said.json === true) printJson({ ...outcome, ...provisionCodes[code] });
    else process.stdout.write(outcomeText(outcome));
    if (!isRefusal(code)) return;
    record(said, outcome, now);
    process.exitCode = 65;
  };
  if (!mayAttempt(said.runDir, now)) {
    finish({ code: 'E18' });
    return;
  }
  writeStickState(said.runDir, { state: 'checking' });
  const [asked] = said.codeStdin === true ? await readSecrets(['One-time code']) : [];
  const code = asked ?? takeTypedCode(said.runDir);
  finish(
    await applySticks(roots, {
      state: said.stateDir,
      signers: readSignerFolder(said.signers),
      version,
      model: modelOf(said.sys),
      tpm: hasTpm(said.sys),
      now,
      clockTrusted: said.clock === undefined ? clockIsTrusted(said.sys) : said.clock === 'trusted',
      stopProcesses,
      ...(code === undefined ? {} : { code }),
    }),
  );
}

/** Devices that the sensor has heard; undefined while control can't say. */
async function countDevices(): Promise<number | undefined> {
  try {
    const { devices } = await fetchOverview();
    return devices.filter(({ observation }) => observation !== undefined).length;
  } catch (error) {
    if (isFault(error)) return undefined;
    throw error;
  }
}

const gather = (said: BoxOptions, devicesSeen?: number): ProvisionFacts =>
  gatherFacts(placesOf(said.stateDir), said.runDir, {
    version,
    now: Date.now(),
    ...(devicesSeen === undefined ? {} : { devicesSeen }),
  });

export const stepsText = (facts: ProvisionFacts, steps: readonly Step[]): string =>
  [
    `Device code  ${facts.device}`,
    ...(facts.site ? [`Site         ${plain(facts.site.name)} (${facts.site.id})`] : []),
    ...steps.map(({ state, title, text }) => `${`[${state}]`.padEnd(10)} ${title.padEnd(14)} ${plain(text)}`),
    ...steps.flatMap(({ title, action }) => (action === undefined ? [] : [`${title}: ${plain(action)}`])),
    '',
  ].join('\n');

const wholeNumber = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('not a whole number');
  return value;
};

interface SelfTestCommand extends BoxOptions {
  readonly sys: string;
  readonly ping?: readonly string[];
}

const address4 = (text: string, before: readonly string[] = []): readonly string[] => {
  if (!isIPv4(text)) throw new InvalidArgumentError('not an IPv4 address');
  if (before.length === 8) throw new InvalidArgumentError('eight at most: this is no scan');
  return [...before, text];
};

async function runSelfTest(said: SelfTestCommand): Promise<ReturnType<typeof selfTest>> {
  const enrolled = readEnrolled(placesOf(said.stateDir));
  if (!enrolled) throw new Fault('PROVISION_REFUSED', 'there is nothing to test before the enrolment');
  const { stateDir: state, sys, ping = [] } = said;
  const items = await selfTest({ plan: enrolled.plan, state, now: Date.now, sys, ping });
  writeSelfTest(said.runDir, items);
  return items;
}

/** The page of a process without a privilege, from what was announced; else from the box's memory itself. */
function factsToServe(said: BoxOptions & { announced?: boolean }, devices?: number): ProvisionFacts {
  if (said.announced !== true) return gather(said, devices);
  const facts = readAnnounced(said.runDir, {
    now: Date.now(),
    ...(devices === undefined ? {} : { devicesSeen: devices }),
  });
  if (!facts) throw new Fault('PROVISION_STATE', 'nothing is announced yet');
  return facts;
}

async function serve(
  said: BoxOptions & { address: string; port: number; code?: boolean; announced?: boolean },
): Promise<void> {
  let devices: number | undefined;
  const count = async (): Promise<void> => {
    devices = await countDevices();
  };
  void count();
  setInterval(() => void count(), 5_000).unref();
  // Its framework starts Node's HTTP client, which no other command has to wait for.
  const { startProvisionPage } = await import('../status/provision-server.ts');
  const page = await startProvisionPage({
    listen: { address: said.address, port: said.port },
    facts: () => factsToServe(said, devices),
    steps: provisioningSteps,
    ...(said.code === true ? { onCode: (code: string) => writeTypedCode(said.runDir, code) } : {}),
  });
  process.stdout.write(`http://${said.address}:${page.port}/\n`);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void page.close());
}

function goodbye(
  what: 'reset' | 'decommission',
  said: BoxOptions & { order?: string; present?: boolean; reason: string; out?: string; signers: string },
): void {
  if ((said.order === undefined) === (said.present !== true))
    throw new Fault(
      'ORDER_REFUSED',
      'It takes a signed order, or somebody at the box: --order or --present.',
    );
  const read = said.order === undefined ? undefined : readBounded(said.order, MAX_HEAD_BYTES);
  if (read && read.kind !== 'bytes') throw new Fault('ORDER_REFUSED', `${said.order}: cannot be read`);
  const places = placesOf(said.stateDir);
  const before = readMemory(places);
  let receipt: Buffer;
  if (before.phase === 'leaving' && before.leaving?.what === what) {
    // It began before a power cut: there is nothing left to decide.
    stopProcesses();
    mend(places);
    receipt = readFileSync(farewellFile(places, before.leaving.bundle));
  } else {
    mend(places);
    receipt = leave({
      state: said.stateDir,
      signers: readSignerFolder(said.signers),
      now: Date.now(),
      what,
      by: read?.bytes ?? 'presence',
      reason: said.reason,
      stopProcesses,
    });
  }
  if (said.out !== undefined) replaceFile(said.out, receipt, 0o644);
  process.stdout.write(outcomeText({ code: 'OK5' }));
}

export function register(program: Command): void {
  const group = program.command('provision').description('setting up a gateway with a stick');
  registerOffice(group);
  const box = (command: Command): Command =>
    command
      .option('--state-dir <dir>', 'where the gateway keeps its state', STATE)
      .option('--run-dir <dir>', 'where it keeps what a restart may forget', RUN);
  registerAppliance(group, box);

  box(group.command('identity').description('the device code, which the office can make a stick for')).action(
    (said: BoxOptions) => {
      process.stdout.write(`${deviceCodeOf(openDeviceKey(placesOf(said.stateDir)))}\n`);
    },
  );
  box(group.command('apply').description('judge the sticks that are mounted, and take the one that is right'))
    .argument('<dir...>', 'mounted sticks')
    .option('--signers <dir>', 'who may sign sticks: a folder of .pub files', SIGNERS)
    .option('--sys <dir>', 'where the kernel tells of the hardware', SYS)
    .option('--clock <kind>', 'trusted or floor, in place of looking')
    .option('--floor <ms>', 'no earlier than this is it now: the image’s own date', wholeNumber)
    .option('--code-stdin', 'ask for the one-time code')
    .option('--hold', 'the folders are copies: say nothing of the receipt until it is on the stick')
    .option('--json', 'as JSON')
    .action(apply);
  box(group.command('refuse').description('say that a stick could not even be mounted'))
    .argument('<code>', 'E01 or E02')
    .option('--detail <text>', 'why, in a few words')
    .action((code: string, said: BoxOptions & { detail?: string }) => {
      const read = provisionCode.safeParse(code);
      if (!read.success || !isRefusal(read.data))
        throw new Fault('PROVISION_REFUSED', `no such code: ${code}`);
      const outcome: Outcome = {
        code: read.data,
        ...(said.detail === undefined ? {} : { detail: said.detail.slice(0, 300) }),
      };
      const now = Date.now();
      writeStickState(said.runDir, { state: 'read', at: now, ...outcome });
      process.stdout.write(outcomeText(outcome));
      record(said, mayAttempt(said.runDir, now) ? outcome : { code: 'E18' }, now);
      process.exitCode = 65;
    });
  box(group.command('status').description('how far the set-up is'))
    .option('--json', 'as JSON')
    .action(async (said: BoxOptions & { json?: boolean }) => {
      const facts = gather(said, await countDevices());
      const steps = provisioningSteps(facts);
      if (said.json === true) printJson({ facts, steps });
      else process.stdout.write(stepsText(facts, steps));
    });
  box(group.command('selftest').description('try the network, the clock, the ports and the disk'))
    .option('--sys <dir>', 'where the kernel tells of the hardware', SYS)
    .option('--ping <address>', 'ask this device by ICMP whether it answers; again for more', address4)
    .option('--json', 'as JSON')
    .action(async (said: SelfTestCommand & { json?: boolean }) => {
      const items = await runSelfTest(said);
      if (said.json === true) printJson(items);
      else
        for (const { id, level, text, action } of items)
          process.stdout.write(
            `${id.padEnd(12)}${level.padEnd(9)}${plain(text)}${action === undefined ? '' : ` ${action}`}\n`,
          );
    });
  box(group.command('serve').description('the technician’s page, on the management port'))
    .option('--address <ip>', 'where to listen', '127.0.0.1')
    .option('--port <n>', 'and on which port', wholeNumber, PAGE_PORT)
    .option('--code', 'take the one-time code on the page')
    .option('--announced', 'show what was announced, without reading the box’s memory')
    .action(serve);
  box(group.command('handover').description('the hand-over sheet'))
    .requiredOption('--out <file>', 'where to write it')
    .action(async (said: BoxOptions & { out: string }) => {
      const facts = gather(said, await countDevices());
      writeFileSync(said.out, handoverSheet(facts, provisioningSteps(facts)), { mode: 0o644 });
      process.stdout.write(`${said.out}\n`);
    });
  box(group.command('export').description('write the receipt of this gateway once more'))
    .requiredOption('--out <file>', 'where to write it')
    .action((said: BoxOptions & { out: string }) => {
      const read = readBounded(join(placesOf(said.stateDir).site, 'receipt'), MAX_HEAD_BYTES);
      if (read.kind !== 'bytes') throw new Fault('PROVISION_REFUSED', 'this gateway is not enrolled');
      writeNew(said.out, read.bytes, 0o644);
      process.stdout.write(`${said.out}\n`);
    });
  for (const what of ['reset', 'decommission'] as const) {
    const command = box(
      group
        .command(what)
        .description(
          what === 'reset'
            ? 'destroy the keys and the site’s data; the audit log stays'
            : 'destroy everything, for good',
        ),
    )
      .option('--order <file>', 'a signed order')
      .option('--signers <dir>', 'who may sign orders: a folder of .pub files', SIGNERS)
      .option('--reason <text>', 'why', 'at the box')
      .option('--out <file>', 'where to write the signed receipt, besides the gateway’s own copy');
    if (what === 'reset')
      command.option('--present', 'somebody holds the button: the unit of the button says so');
    command.action((said: Parameters<typeof goodbye>[1]) => goodbye(what, said));
  }
}
