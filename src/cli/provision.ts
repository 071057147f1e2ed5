/**
 * `anteroom provision …`. At the office: create, inspect, accept, order (`provision-office.ts`). On the gateway, where the
 * image's units call them: here what is looked at, in `provision-take.ts` and `provision-leave.ts` what changes it.
 */
import { writeFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { provisioningSteps } from '../control/provisioning.ts';
import { readAnnounced } from '../platform/announced.ts';
import { version } from '../platform/version.ts';
import { handoverSheet } from '../status/provision-page.ts';
import { Fault, isFault } from '../wire/errors.ts';
import { MAX_HEAD_BYTES } from '../wire/provision.ts';
import type { ProvisionFacts, Step } from '../wire/provision-status.ts';
import { fetchOverview, plain, printJson } from './console.ts';
import { readBounded, writeNew } from './durable-file.ts';
import { registerAppliance } from './provision-appliance.ts';
import { SYS, boxOptions, wholeNumber } from './provision-box.ts';
import type { BoxOptions } from './provision-box.ts';
import { gatherFacts, writeSelfTest, writeTypedCode } from './provision-facts.ts';
import { registerLeave } from './provision-leave.ts';
import { deviceCodeOf, openDeviceKey, placesOf, readEnrolled } from './provision-memory.ts';
import { registerOffice } from './provision-office.ts';
import { selfTest } from './provision-selftest.ts';
import { registerTake } from './provision-take.ts';

const PAGE_PORT = 8420;

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

const stepsText = (facts: ProvisionFacts, steps: readonly Step[]): string =>
  [
    `Device code  ${facts.device}`,
    ...(facts.site ? [`Site         ${plain(facts.site.name)} (${facts.site.id})`] : []),
    ...steps.map(({ state, title, text }) => `${`[${state}]`.padEnd(10)} ${title.padEnd(14)} ${plain(text)}`),
    ...steps.flatMap(({ title, action }) => (action === undefined ? [] : [`${title}: ${plain(action)}`])),
    '',
  ].join('\n');

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

export function register(program: Command): void {
  const group = program.command('provision').description('setting up a gateway with a stick');
  registerOffice(group);
  registerTake(group);

  boxOptions(
    group.command('identity').description('the device code, which the office can make a stick for'),
  ).action((said: BoxOptions) => {
    process.stdout.write(`${deviceCodeOf(openDeviceKey(placesOf(said.stateDir)))}\n`);
  });
  boxOptions(group.command('status').description('how far the set-up is'))
    .option('--json', 'as JSON')
    .action(async (said: BoxOptions & { json?: boolean }) => {
      const facts = gather(said, await countDevices());
      const steps = provisioningSteps(facts);
      if (said.json === true) printJson({ facts, steps });
      else process.stdout.write(stepsText(facts, steps));
    });
  boxOptions(group.command('selftest').description('try the network, the clock, the ports and the disk'))
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
  boxOptions(group.command('serve').description('the technician’s page, on the management port'))
    .option('--address <ip>', 'where to listen', '127.0.0.1')
    .option('--port <n>', 'and on which port', wholeNumber, PAGE_PORT)
    .option('--code', 'take the one-time code on the page')
    .option('--announced', 'show what was announced, without reading the box’s memory')
    .action(serve);
  boxOptions(group.command('handover').description('the hand-over sheet'))
    .requiredOption('--out <file>', 'where to write it')
    .action(async (said: BoxOptions & { out: string }) => {
      const facts = gather(said, await countDevices());
      writeFileSync(said.out, handoverSheet(facts, provisioningSteps(facts)), { mode: 0o644 });
      process.stdout.write(`${said.out}\n`);
    });
  boxOptions(group.command('export').description('write the receipt of this gateway once more'))
    .requiredOption('--out <file>', 'where to write it')
    .action((said: BoxOptions & { out: string }) => {
      const read = readBounded(join(placesOf(said.stateDir).site, 'receipt'), MAX_HEAD_BYTES);
      if (read.kind !== 'bytes') throw new Fault('PROVISION_REFUSED', 'this gateway is not enrolled');
      writeNew(said.out, read.bytes, 0o644);
      process.stdout.write(`${said.out}\n`);
    });
  registerLeave(group);
  registerAppliance(group);
}
