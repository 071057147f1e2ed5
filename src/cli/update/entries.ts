/**
 * The kernels on the ESP as the boot loader sees them: `anteroom_VERSION[+LEFT[-DONE]].efi` in EFI/Linux.
 * Automatic Boot Assessment, https://systemd.io/AUTOMATIC_BOOT_ASSESSMENT: a counter is in the file's name, a start takes one
 * from LEFT, a good start drops the counter, LEFT 0 is a bad version that is taken only when nothing else is there.
 * File names need no firmware variable, so this holds on boards that have none.
 */
import { readdirSync } from 'node:fs';

export interface Entry {
  readonly file: string;
  readonly version: number;
  /** Starts left while on trial; undefined for a version that has been confirmed. */
  readonly left?: number;
}

const pattern = /^anteroom_(\d{1,9})(?:\+(\d{1,3})(?:-\d{1,3})?)?\.efi$/;

export function parseEntry(file: string): Entry | undefined {
  const [, version, left] = pattern.exec(file) ?? [];
  if (version === undefined) return undefined;
  return { file, version: Number(version), ...(left === undefined ? {} : { left: Number(left) }) };
}

/** Newest first. */
export function readEntries(folder: string): Entry[] {
  return readdirSync(folder)
    .flatMap((file) => parseEntry(file) ?? [])
    .toSorted((a, b) => b.version - a.version);
}

/** `confirmed`, `on trial, 2 starts left` or `failed`. */
export function entryState({ left }: Entry): string {
  if (left === undefined) return 'confirmed';
  return left === 0 ? 'failed' : `on trial, ${left} starts left`;
}
