/**
 * Where an update comes from: a folder (a stick), or the coordinator (download.ts). Neither is believed: whoever reads
 * counts the bytes and checks them against what was signed.
 */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '../../wire/errors.ts';

const CHUNK = 1024 * 1024;

export interface Source {
  /** A small file, whole. Fault UPDATE_MALFORMED when it is longer than `limit`. */
  small(name: string, limit: number): Promise<Buffer>;
  /** What follows `from` in a file of `size` bytes, in pieces. It may end early. */
  read(name: string, from: number, size: number): AsyncIterable<Buffer>;
}

function open(file: string): number {
  try {
    return openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (cause) {
    throw new Fault('UPDATE_UNREADABLE', file, { cause });
  }
}

export function folderSource(folder: string): Source {
  return {
    small(name, limit) {
      const file = join(folder, name);
      const handle = open(file);
      try {
        const bytes = Buffer.alloc(limit + 1);
        const length = readSync(handle, bytes, 0, bytes.length, 0);
        if (length > limit) throw new Fault('UPDATE_MALFORMED', `${file} is too long.`);
        return Promise.resolve(bytes.subarray(0, length));
      } finally {
        closeSync(handle);
      }
    },
    async *read(name, from, size) {
      const handle = open(join(folder, name));
      try {
        for (let at = from; at < size;) {
          const piece = Buffer.alloc(Math.min(CHUNK, size - at));
          const got = readSync(handle, piece, 0, piece.length, at);
          if (got === 0) return;
          at += got;
          yield await Promise.resolve(piece.subarray(0, got));
        }
      } finally {
        closeSync(handle);
      }
    },
  };
}
