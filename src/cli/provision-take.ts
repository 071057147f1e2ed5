/**
 * `anteroom provision apply|refuse`: judge the sticks that were found, and take the one that is right. Exit code of `apply`:
 * 0 for OK1 to OK5, 65 for a refusal, whose code, sentence and next action are printed.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { keepRefusal } from '../platform/refusal-tray.ts';
import { version } from '../platform/version.ts';
import { configSchema } from '../wire/config.ts';
import { Fault } from '../wire/errors.ts';
import { isRefusal, provisionCode, provisionCodes } from '../wire/provision-code.ts';
import { printJson } from './console.ts';
import { applySticks } from './provision-apply.ts';
import type { Outcome } from './provision-apply.ts';
import {
  SIGNERS,
  SYS,
  boxOptions,
  outcomeText,
  readSignerFolder,
  stopProcesses,
  wholeNumber,
} from './provision-box.ts';
import type { BoxOptions } from './provision-box.ts';
import { mayAttempt, mayTellLimit, takeTypedCode, writeStickState } from './provision-facts.ts';
import { readSecrets } from './secret.ts';

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

interface ApplyCommand extends BoxOptions {
  readonly signers: string;
  readonly sys: string;
  readonly clock?: 'trusted' | 'floor';
  readonly floor?: number;
  readonly codeStdin?: boolean;
  readonly hold?: boolean;
  readonly json?: boolean;
}

/** Say what came of it, to page and screen and here; a refusal goes to the audit log as well, as `recorded`. */
function finish(
  said: BoxOptions & Pick<ApplyCommand, 'hold' | 'json'>,
  outcome: Outcome,
  now: number,
  recorded = outcome,
): void {
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
  record(said, recorded, now);
  process.exitCode = 65;
}

async function apply(roots: readonly string[], said: ApplyCommand): Promise<void> {
  const now = Math.max(Date.now(), said.floor ?? 0);
  if (!mayAttempt(said.runDir, now)) {
    finish(said, { code: 'E18' }, now);
    return;
  }
  writeStickState(said.runDir, { state: 'checking' });
  const [asked] = said.codeStdin === true ? await readSecrets(['One-time code']) : [];
  const code = asked ?? takeTypedCode(said.runDir);
  const outcome = await applySticks(roots, {
    state: said.stateDir,
    signers: readSignerFolder(said.signers),
    version,
    model: modelOf(said.sys),
    tpm: hasTpm(said.sys),
    now,
    clockTrusted: said.clock === undefined ? clockIsTrusted(said.sys) : said.clock === 'trusted',
    stopProcesses,
    ...(code === undefined ? {} : { code }),
  });
  finish(said, outcome, now);
}

export function registerTake(group: Command): void {
  boxOptions(
    group.command('apply').description('judge the sticks that are mounted, and take the one that is right'),
  )
    .argument('<dir...>', 'mounted sticks')
    .option('--signers <dir>', 'who may sign sticks: a folder of .pub files', SIGNERS)
    .option('--sys <dir>', 'where the kernel tells of the hardware', SYS)
    .option('--clock <kind>', 'trusted or floor, in place of looking')
    .option('--floor <ms>', 'no earlier than this is it now: the image’s own date', wholeNumber)
    .option('--code-stdin', 'ask for the one-time code')
    .option('--hold', 'the folders are copies: say nothing of the receipt until it is on the stick')
    .option('--json', 'as JSON')
    .action(apply);
  boxOptions(group.command('refuse').description('say that a stick could not even be mounted'))
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
      finish(said, outcome, now, mayAttempt(said.runDir, now) ? outcome : { code: 'E18' });
    });
}
