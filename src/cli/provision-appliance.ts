/**
 * The verbs of `anteroom provision` that only the image's units call: announce, copy, return, watch, ask. Each does one step
 * with the privileges of its own unit; `rootfs-overlay/usr/lib/anteroom/stick` and `site` put them in order.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import { version } from '../platform/version.ts';
import { exitCodes } from '../wire/errors.ts';
import type { SelfTestItem } from '../wire/provision-status.ts';
import { announce } from './provision-announce.ts';
import { SYS, boxOptions } from './provision-box.ts';
import type { BoxOptions } from './provision-box.ts';
import { copyStick, returnReceipts } from './provision-carry.ts';
import { mend } from './provision-enrol.ts';
import { readReachability, writeReachability, writeSelfTest } from './provision-facts.ts';
import { placesOf, readEnrolled } from './provision-memory.ts';
import { askDevices } from './provision-reachability.ts';
import { PING_TIMEOUT_MS, selfTest } from './provision-selftest.ts';
import { portNames } from './provision-site.ts';

/** While a gateway is set up, somebody looks at the steps: how often they are tried, and for how long at most. */
const WATCH_EVERY_MS = 20_000;
const WATCH_MS = 3_600_000;
/** Once nothing is left to wait for. */
const WATCH_CALM_MS = 300_000;
/** Devices that don't answer are asked again: a cable may follow. */
const ASK_EVERY_MS = 60_000;
const ASK_TIMES = 10;

const settled = (items: readonly SelfTestItem[]): boolean =>
  items.every(({ level }) => level === 'ok' || level === 'off');

async function watch(said: BoxOptions & { sys: string; disk?: string; once?: boolean }): Promise<void> {
  const until = performance.now() + WATCH_MS;
  for (;;) {
    const enrolled = readEnrolled(placesOf(said.stateDir));
    if (!enrolled) return;
    const items = await selfTest({
      plan: enrolled.plan,
      state: said.disk ?? said.stateDir,
      now: Date.now,
      sys: said.sys,
      // It may neither open the packet filter nor a raw socket: `ask` does.
      ask: () => Promise.resolve(readReachability(said.runDir)),
    });
    writeSelfTest(said.runDir, items);
    if (said.once === true || performance.now() > until) return;
    await pause(settled(items) ? WATCH_CALM_MS : WATCH_EVERY_MS);
  }
}

/** Ask the devices that the stick names until each has answered, and write down what came of it. */
async function ask(said: BoxOptions & { once?: boolean }): Promise<void> {
  const addresses = readEnrolled(placesOf(said.stateDir))?.plan.reachability ?? [];
  if (addresses.length === 0) return;
  for (let time = 1; ; time++) {
    const found = await askDevices(addresses, portNames.enclave, PING_TIMEOUT_MS);
    writeReachability(said.runDir, found);
    const answered = found.kind === 'asked' && found.silent.length === 0;
    if (answered || said.once === true || time === ASK_TIMES) return;
    await pause(ASK_EVERY_MS);
  }
}

export function registerAppliance(group: Command): void {
  boxOptions(
    group.command('announce').description('mend what a power cut left, and say what is public of this box'),
  )
    .option('--keep <file>', 'write it here too, for the next start')
    .action((said: BoxOptions & { keep?: string }) => {
      const places = placesOf(said.stateDir);
      mend(places);
      const { phase, site } = announce(places, said.runDir, {
        version,
        now: Date.now(),
        ...(said.keep === undefined ? {} : { keep: said.keep }),
      });
      process.stdout.write(`${phase}${site ? ` ${site.id}` : ''}\n`);
    });
  group
    .command('copy')
    .description('read a mounted stick once, within limits; exit 65 and why for one that is not readable')
    .argument('<mounted>', 'where the stick is mounted')
    .argument('<to>', 'folder to copy to')
    .action((mounted: string, to: string) => {
      const carried = copyStick(mounted, to);
      if (carried.kind === 'copied') return;
      if (carried.kind === 'unreadable') process.stdout.write(`${carried.detail}\n`);
      process.exitCode = carried.kind === 'unreadable' ? exitCodes.dataErr : exitCodes.unavailable;
    });
  group
    .command('return')
    .description('write the receipts in the copy back to the stick')
    .argument('<copy>', 'the copied stick')
    .argument('<mounted>', 'where the stick is mounted, writable')
    .action((copy: string, mounted: string) => {
      process.stdout.write(`${returnReceipts(copy, mounted)}\n`);
    });
  boxOptions(group.command('watch').description('repeat the self-test while the gateway is set up'))
    .option('--sys <dir>', 'where the kernel tells of the hardware', SYS)
    .option('--disk <dir>', 'a folder on the data partition that may be written here')
    .option('--once', 'once')
    .action(watch);
  boxOptions(group.command('ask').description('ask the devices that the stick names whether they answer'))
    .option('--once', 'once')
    .action(ask);
}
