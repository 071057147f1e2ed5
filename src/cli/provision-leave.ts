/** `anteroom provision reset|decommission`: take leave of the site, by a signed order or by somebody at the box. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { Fault } from '../wire/errors.ts';
import { MAX_HEAD_BYTES } from '../wire/provision.ts';
import { readBounded, replaceFile } from './durable-file.ts';
import { mend } from './provision-enrol.ts';
import { SIGNERS, boxOptions, outcomeText, readSignerFolder, stopProcesses } from './provision-box.ts';
import type { BoxOptions } from './provision-box.ts';
import { placesOf, readMemory } from './provision-memory.ts';
import { farewellFile, leave } from './provision-reset.ts';

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

export function registerLeave(group: Command): void {
  for (const what of ['reset', 'decommission'] as const) {
    const command = boxOptions(
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
