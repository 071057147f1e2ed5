/** What the commands on the gateway have in common: where they read and write, and how they say what came of it. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { Signer } from '../crypto/signer.ts';
import { Fault } from '../wire/errors.ts';
import { provisionCodes } from '../wire/provision-code.ts';
import { plain } from './console.ts';
import type { Outcome } from './provision-apply.ts';

const STATE = '/var/lib/anteroom';
const RUN = '/run/anteroom/provision';
/** Signers of sticks that the read-only image pins. */
export const SIGNERS = '/usr/lib/anteroom/provision-signers';
export const SYS = '/sys';

export interface BoxOptions {
  readonly stateDir: string;
  readonly runDir: string;
}

export const boxOptions = (command: Command): Command =>
  command
    .option('--state-dir <dir>', 'where the gateway keeps its state', STATE)
    .option('--run-dir <dir>', 'where it keeps what a restart may forget', RUN);

export const wholeNumber = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('not a whole number');
  return value;
};

/** Every `.pub` of the folder. Fault SIGNER_INVALID for one that isn't a signer. */
export function readSignerFolder(folder: string): Signer[] {
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

export function outcomeText({ code, detail, site }: Outcome): string {
  const { sentence, action } = provisionCodes[code];
  const more = detail === undefined ? '' : `Detail: ${plain(detail)}\n`;
  return `${code}  ${sentence}\n${site === undefined ? '' : `Site: ${plain(site)}\n`}${more}${action}\n`;
}

/** The five processes have open what a reset destroys. Fault PROVISION_STATE where systemd doesn't stop them. */
export function stopProcesses(): void {
  if (!existsSync('/run/systemd/system')) return;
  const { status, stderr } = spawnSync('systemctl', ['stop', 'anteroom.target'], { encoding: 'utf8' });
  if (status !== 0) throw new Fault('PROVISION_STATE', `anteroom.target cannot be stopped: ${stderr.trim()}`);
}
