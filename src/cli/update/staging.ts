/**
 * The copy of an update on the data partition, before anything of the system changes: STATE/staging/MANIFEST, where
 * MANIFEST is the start of the manifest's SHA-256, so that what is left of another update is never taken for this one's.
 * `NAME.partial` grows; it becomes NAME when its bytes, read again from the disk, are what was signed. Cut off, it is
 * gone on with; where that comes out wrong it is fetched once more from the start.
 */
import {
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { Fault } from '../../wire/errors.ts';
import { syncFolder } from '../durable-file.ts';
import type { Source } from './source.ts';

const CHUNK = 1024 * 1024;
/** What the update leaves of the data partition: the log and the stores go on meanwhile. */
const RESERVE = 64 * 1024 * 1024;

export interface StagedFile {
  readonly name: string;
  readonly size: number;
  readonly sha256: string;
}

/** SHA-256 of a stretch of an open file. */
export function digest(handle: number, start: number, length: number): string {
  const hash = createHash('sha256');
  const chunk = Buffer.alloc(CHUNK);
  for (let at = 0; at < length;) {
    const got = readSync(handle, chunk, 0, Math.min(CHUNK, length - at), start + at);
    if (got === 0) break;
    hash.update(chunk.subarray(0, got));
    at += got;
  }
  return hash.digest('hex');
}

export function holds(file: string, size: number, sha256: string): boolean {
  if (!existsSync(file) || statSync(file).size !== size) return false;
  const handle = openSync(file, constants.O_RDONLY);
  try {
    return digest(handle, 0, size) === sha256;
  } finally {
    closeSync(handle);
  }
}

/** The folder for this manifest; what is there of others is removed. Fault UPDATE_REFUSED when there is no room. */
export function openStaging(state: string, manifest: Uint8Array, files: readonly StagedFile[]): string {
  const all = join(state, 'staging');
  const own = createHash('sha256').update(manifest).digest('hex').slice(0, 16);
  const folder = join(all, own);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(all)) if (name !== own) rmSync(join(all, name), { recursive: true });
  const names = new Set(files.flatMap(({ name }) => [name, `${name}.partial`]));
  for (const name of readdirSync(folder))
    if (!names.has(name)) rmSync(join(folder, name), { recursive: true });
  const there = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  const needed = files.reduce((sum, { size }) => sum + size, 0) - there + RESERVE;
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < needed)
    throw new Fault(
      'UPDATE_REFUSED',
      `It needs ${Math.ceil(needed / 1e6)} MB on the data partition, ${Math.floor((bavail * bsize) / 1e6)} MB are free.`,
    );
  return folder;
}

/** The file in the folder, whole and verified. `forgetCaches` makes the reading back go to the disk. */
export async function stage(
  source: Source,
  { name, size, sha256 }: StagedFile,
  folder: string,
  forgetCaches: () => void,
): Promise<string> {
  const file = join(folder, name);
  if (holds(file, size, sha256)) return file;
  const partial = `${file}.partial`;
  for (;;) {
    const handle = openSync(partial, constants.O_RDWR | constants.O_CREAT, 0o600);
    let from = 0;
    try {
      from = statSync(partial).size;
      if (from > size) {
        ftruncateSync(handle, 0);
        from = 0;
      }
      let at = from;
      for await (const piece of source.read(name, from, size)) {
        if (at + piece.length > size) throw new Fault('UPDATE_CONTENT', `${name} is too long.`);
        writeSync(handle, piece, 0, piece.length, at);
        at += piece.length;
      }
      if (at < size) throw new Fault('UPDATE_CONTENT', `${name} is too short.`);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    forgetCaches();
    if (holds(partial, size, sha256)) break;
    rmSync(partial);
    if (from === 0) throw new Fault('UPDATE_CONTENT', `${name} isn't what was signed.`);
  }
  renameSync(partial, file);
  syncFolder(folder);
  return file;
}
