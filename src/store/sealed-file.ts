/**
 * A short text that is there whole or not at all, and that says so when it was damaged: what the gateway must not
 * forget, apart from its databases.
 *
 *   anteroom-seal 1 <SHA-256 of the text, hexadecimal>\n
 *   <text>
 *
 * Written beside, synced, renamed over the old one, folder synced (rename(2), fsync(2)): after a power cut it is the
 * old text or the new. The digest finds damage; it keeps nobody out who may write the file.
 */
import { hash } from 'node:crypto';
import {
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { Fault } from '../wire/errors.ts';

const MAX_BYTES = 256 * 1024;
const HEAD = /^anteroom-seal 1 ([0-9a-f]{64})\n/;

export type SealReading =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'damaged'; readonly detail: string };

const why = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export class SealedFile {
  readonly file: string;

  constructor(file: string) {
    this.file = file;
  }

  read(): SealReading {
    let whole: string;
    try {
      if (statSync(this.file).size > MAX_BYTES) return { kind: 'damaged', detail: 'it is too long' };
      whole = readFileSync(this.file, 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { kind: 'missing' };
      return { kind: 'damaged', detail: why(error) };
    }
    const [head = '', digest] = HEAD.exec(whole) ?? [];
    const text = whole.slice(head.length);
    if (digest !== hash('sha256', text, 'hex')) return { kind: 'damaged', detail: 'its digest is wrong' };
    return { kind: 'text', text };
  }

  /** When this returns, `text` is on the disk. Fault SEAL_UNAVAILABLE; the old text stays then. */
  write(text: string): void {
    const folder = dirname(this.file);
    const beside = `${this.file}.new`;
    const bytes = Buffer.from(`anteroom-seal 1 ${hash('sha256', text, 'hex')}\n${text}`, 'utf8');
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const fd = openSync(
        beside,
        constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
        0o600,
      );
      try {
        for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      renameSync(beside, this.file);
      const folderFd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
      try {
        fsyncSync(folderFd);
      } finally {
        closeSync(folderFd);
      }
    } catch (cause) {
      throw new Fault('SEAL_UNAVAILABLE', `${this.file}: ${why(cause)}`, { cause });
    }
  }
}
