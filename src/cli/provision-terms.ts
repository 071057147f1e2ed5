/** What the office's commands say alike: for how long something is good, and lists in a file. */
import { InvalidArgumentError } from 'commander';
import { Fault } from '../wire/errors.ts';
import { readBytes } from './policy-signer.ts';

export const DAY_MS = 86_400_000;
/** Clocks differ. */
export const EARLY_MS = 300_000;

export const days = (text: string): number => {
  const value = Number(text);
  if (!(value > 0 && value <= 90)) throw new InvalidArgumentError('from a part of a day to 90 days');
  return value;
};

/** Fault PROVISION_INVALID for what isn't JSON. */
export function readJsonFile(file: string): Record<string, unknown> {
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
