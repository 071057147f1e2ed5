/**
 * Files and folders that are there whole or not at all: written beside, synced, renamed, folder synced (rename(2),
 * fsync(2)). And what is destroyed: overwritten, synced, unlinked.
 *
 * Surprise: overwriting reaches the old bytes only where a file system writes in place. On flash it need not; that the
 * disk's own key is destroyed too is the image's part.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

export { readBounded } from '../platform/bounded-file.ts';
export type { BoundedRead } from '../platform/bounded-file.ts';

export function syncFolder(folder: string): void {
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** A file that isn't there yet, synced; the folder is the caller's to sync. */
export function writeNew(file: string, content: string | Uint8Array, mode: number): void {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const fd = openSync(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  try {
    fchmodSync(fd, mode);
    const bytes = Buffer.from(content);
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** In place of what was there; when this returns it is on the disk. */
export function replaceFile(file: string, content: string | Uint8Array, mode: number): void {
  const beside = `${file}.new`;
  rmSync(beside, { force: true });
  writeNew(beside, content, mode);
  renameSync(beside, file);
  syncFolder(dirname(file));
}

/** Overwrite and unlink one file; a link is unlinked alone. Nothing where there is none. */
export function destroyFile(file: string): void {
  let size: number;
  try {
    const stat = lstatSync(file);
    size = stat.isFile() ? stat.size : 0;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw error;
  }
  if (size > 0) {
    const fd = openSync(file, constants.O_WRONLY | constants.O_NOFOLLOW);
    try {
      // Keys are short. What is long (a database) is only unlinked.
      if (size <= 65_536) writeSync(fd, randomBytes(size), 0, size, 0);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }
  unlinkSync(file);
}

/** Everything below `folder`, which stays: it has an owner. Nothing where there is none. */
export function destroyContent(folder: string): void {
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw error;
  }
  for (const entry of entries) {
    const at = join(folder, entry.name);
    if (entry.isDirectory()) destroyTree(at);
    else destroyFile(at);
  }
  syncFolder(folder);
}

/** The folder too. */
export function destroyTree(folder: string): void {
  destroyContent(folder);
  rmSync(folder, { recursive: true, force: true });
}
