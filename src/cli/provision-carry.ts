/**
 * From a mounted stick to a folder in memory, and the receipt back. The mount is read once, within the limits of
 * `readStick`; what is judged later is the copy, so a stick that answers a second read differently gains nothing.
 * Runs without any privilege: the mounting is the unit's.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { BODY_FILE, HEAD_FILE, MAX_HEAD_BYTES, STICK_FOLDER } from '../wire/provision.ts';
import { readBounded, replaceFile, writeNew } from './durable-file.ts';
import { readStick } from './provision-stick.ts';

export type Carried =
  | { readonly kind: 'copied' }
  | { readonly kind: 'empty' }
  | { readonly kind: 'unreadable'; readonly detail: string };

/** What a gateway wrote: of an enrolment, and of its end. */
const RECEIPT = /^(?:receipt|farewell)-[0-9a-f]{32}$/;

/** Copy what may be ours; nothing is written for a stick that isn't. `to` is made. */
export function copyStick(from: string, to: string): Carried {
  const reading = readStick(from);
  if (reading.kind !== 'stick') return reading;
  const folder = join(to, STICK_FOLDER);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  for (const { name, bytes } of reading.answers) writeNew(join(folder, name), bytes, 0o644);
  if (reading.head) writeNew(join(folder, HEAD_FILE), reading.head, 0o644);
  if (reading.body) writeNew(join(folder, BODY_FILE), reading.body, 0o644);
  // With the receipt that is there already, so that nothing is written where nothing has to be.
  for (const name of readdirSync(join(from, STICK_FOLDER)).filter((each) => RECEIPT.test(each))) {
    const read = readBounded(join(from, STICK_FOLDER, name), MAX_HEAD_BYTES);
    if (read.kind === 'bytes') writeNew(join(folder, name), read.bytes, 0o644);
  }
  return { kind: 'copied' };
}

/** Names of receipts that the copy has and the stick has not. */
export function receiptsToReturn(copy: string, stick: string): string[] {
  const at = (root: string, name: string): Buffer | undefined => {
    const read = readBounded(join(root, STICK_FOLDER, name), MAX_HEAD_BYTES);
    return read.kind === 'bytes' ? read.bytes : undefined;
  };
  return readdirSync(join(copy, STICK_FOLDER))
    .filter((name) => RECEIPT.test(name))
    .filter((name) => {
      const made = at(copy, name);
      return made !== undefined && at(stick, name)?.equals(made) !== true;
    })
    .toSorted();
}

/** Write them back, synced. How many. */
export function returnReceipts(copy: string, stick: string): number {
  const names = receiptsToReturn(copy, stick);
  for (const name of names) {
    const read = readBounded(join(copy, STICK_FOLDER, name), MAX_HEAD_BYTES);
    if (read.kind === 'bytes') replaceFile(join(stick, STICK_FOLDER, name), read.bytes, 0o644);
  }
  return names.length;
}
