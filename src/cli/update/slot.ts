/**
 * The slot that isn't running: which partitions it is, and writing them so that what is read back from the disk is what
 * was signed.
 */
import { createReadStream, fsyncSync, writeSync } from 'node:fs';
import { createZstdDecompress } from 'node:zlib';
import { Fault } from '../../wire/errors.ts';
import type { Partition } from './gpt.ts';
import { slotIds } from './manifest.ts';
import type { Part } from './manifest.ts';
import { digest } from './staging.ts';

export interface Slot {
  readonly root: Partition;
  readonly verity: Partition;
}

/** The two partitions that the running version doesn't use. */
export function otherSlot(partitions: readonly Partition[], rootHash: string): Slot {
  const running = slotIds(rootHash);
  const ours = partitions.find(({ id }) => id === running.root);
  const oursVerity = partitions.find(({ id }) => id === running.verity);
  const root = partitions.find(({ type, id }) => type === ours?.type && id !== running.root);
  const verity = partitions.find(({ type, id }) => type === oursVerity?.type && id !== running.verity);
  if (!root || !verity) throw new Fault('UPDATE_DISK', 'The disk has no second slot.');
  return { root, verity };
}

/** Expand a verified file into a partition, sync it, read it back. */
export async function writeSlot(
  disk: number,
  at: Partition,
  file: string,
  part: Part,
  forgetCaches: () => void,
): Promise<void> {
  if (part.expanded.size > at.length)
    throw new Fault('UPDATE_REFUSED', 'The slot on this disk is too small.');
  let written = 0;
  for await (const piece of createReadStream(file).pipe(createZstdDecompress())) {
    const bytes = piece as Buffer;
    if (written + bytes.length > part.expanded.size)
      throw new Fault('UPDATE_CONTENT', `${part.name} expands too far.`);
    writeSync(disk, bytes, 0, bytes.length, at.start + written);
    written += bytes.length;
  }
  fsyncSync(disk);
  forgetCaches();
  if (written !== part.expanded.size || digest(disk, at.start, written) !== part.expanded.sha256)
    throw new Fault(
      'UPDATE_DISK',
      `What was written to partition ${at.index + 1} isn't what is read from it.`,
    );
}
