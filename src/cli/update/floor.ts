/**
 * The record of versions on the data partition: what may run here and what may be installed. Written by
 * `/usr/lib/anteroom/floor` alone, which also binds it to a counter in the TPM and holds each start against it; read here.
 *
 *   runs N
 *   installs N
 *   counter 16 hex digits | new | none
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '../../wire/errors.ts';

export interface Floor {
  /** The oldest version that may run with this data. */
  readonly runs: number;
  /** The newest version that was ever confirmed: nothing up to it is installed. */
  readonly installs: number;
  /** `tpm`: an older copy of the disk doesn't bring an older floor. `disk`: it does. */
  readonly kept: 'tpm' | 'disk';
}

const pattern = /^runs (\d{1,9})\ninstalls (\d{1,9})\ncounter ([0-9a-f]{16}|new|none)\n$/;

/** Fault UPDATE_REFUSED when there is one that can't be understood. */
export function readFloor(state: string): Floor {
  const file = join(state, 'floor');
  if (!existsSync(file)) return { runs: 0, installs: 0, kept: 'disk' };
  const [, runs, installs, counter] = pattern.exec(readFileSync(file, 'latin1')) ?? [];
  if (runs === undefined || installs === undefined || counter === undefined)
    throw new Fault('UPDATE_REFUSED', `${file} can't be understood.`);
  return {
    runs: Number(runs),
    installs: Number(installs),
    kept: counter.length === 16 ? 'tpm' : 'disk',
  };
}
