/**
 * A file that somebody else may have put there: read once, up to a limit, never through a link, never waiting for the
 * other end of a pipe (open(2): O_NOFOLLOW, O_NONBLOCK).
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

export type BoundedRead =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'missing' }
  | { readonly kind: 'unreadable'; readonly detail: string };

/** A regular file of at most `max` bytes, read once. Never follows a link, never throws. */
export function readBounded(file: string, max: number): BoundedRead {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'error';
    return code === 'ENOENT' ? { kind: 'missing' } : { kind: 'unreadable', detail: code };
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) return { kind: 'unreadable', detail: 'not a file' };
    if (stat.size > max) return { kind: 'unreadable', detail: `longer than ${max} bytes` };
    const bytes = Buffer.alloc(stat.size + 1);
    let length = 0;
    for (;;) {
      const got = readSync(fd, bytes, length, bytes.length - length, null);
      length += got;
      if (got === 0 || length === bytes.length) break;
    }
    if (length !== stat.size) return { kind: 'unreadable', detail: 'its length changed' };
    return { kind: 'bytes', bytes: bytes.subarray(0, length) };
  } catch (error) {
    return {
      kind: 'unreadable',
      detail: error instanceof Error && 'code' in error ? String(error.code) : 'error',
    };
  } finally {
    closeSync(fd);
  }
}
