/**
 * SQLite's result codes as Faults of the error table. https://www.sqlite.org/rescode.html
 *
 * Surprise: a full disk shows as SQLITE_FULL when a page is written, but as SQLITE_IOERR_SHMSIZE or
 * SQLITE_CANTOPEN when the `-shm` or `-wal` file can't be made; callers that care ask the file system as well.
 */
import Database from 'better-sqlite3';
import { Fault } from '../wire/errors.ts';

/** `e` as a Fault when SQLite or the file system said no; anything else (a mistake in our SQL) as it is. */
export function storeFault(e: unknown, file: string): unknown {
  if (e instanceof Fault) return e;
  if (e instanceof Database.SqliteError) {
    const detail = `${file}: ${e.code}: ${e.message}`;
    const [, primary = ''] = /^SQLITE_([A-Z]+)/.exec(e.code) ?? [];
    switch (primary) {
      case 'FULL':
        return new Fault('STORE_FULL', detail, { cause: e });
      case 'CORRUPT':
      case 'NOTADB':
        return new Fault('STORE_CORRUPT', detail, { cause: e });
      case 'CONSTRAINT':
        return new Fault('STORE_CONSTRAINT', detail, { cause: e });
      case 'IOERR':
      case 'READONLY':
      case 'CANTOPEN':
      case 'BUSY':
      case 'LOCKED':
      case 'PERM':
      case 'PROTOCOL':
      case 'AUTH':
        return new Fault('STORE_UNAVAILABLE', detail, { cause: e });
      default:
        return e;
    }
  }
  if (e instanceof Error && 'code' in e && typeof e.code === 'string' && 'syscall' in e) {
    const code = e.code === 'ENOSPC' || e.code === 'EDQUOT' ? 'STORE_FULL' : 'STORE_UNAVAILABLE';
    return new Fault(code, `${file}: ${e.message}`, { cause: e });
  }
  return e;
}
