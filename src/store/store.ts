/**
 * A SQLite database file: opened safely, brought to its schema by numbered migrations, durable at every commit.
 * https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html
 *
 * Journal in WAL mode with `synchronous=FULL`: when `transaction` returns, the WAL has been synced to the disk.
 * The file is 0600 (its `-wal` and `-shm` get the same from SQLite) in a folder that nobody else can write to.
 *
 * Surprise: SQLite syncs the folder when it makes a WAL but not when it makes the database itself, so a new
 * store syncs its folder here; without that a power cut soon after the first start could lose the whole file.
 */
import Database from 'better-sqlite3';
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { Fault } from '../wire/errors.ts';
import { storeFault } from './fault.ts';
import { Statement } from './statement.ts';
import type { SqlRow, SqlValue } from './statement.ts';

/** What a store is: four bytes that mark its file, and the steps that built its tables. */
export interface Schema {
  /** SQLite's `application_id`, so that one store's file can't be taken for another's. */
  readonly applicationId: number;
  /** Step n (from 0) leads from `user_version` n to n + 1, in one transaction. Never edit one that was released. */
  readonly migrations: readonly string[];
}

export interface StoreOptions {
  readonly file: string;
  readonly schema: Schema;
  /** `read` changes nothing, makes nothing, and takes a file of any version up to ours. Default `write`. */
  readonly access?: 'write' | 'read';
}

/** A file larger than this isn't read whole at every start; SQLite still reports damage where it meets it. */
const QUICK_CHECK_BYTES = 256 * 1024 * 1024;
/** How long a writer waits for another one, ms: a command line tool next to the process. */
const BUSY_MS = 5_000;
/** The WAL is cut back to this after a checkpoint. */
const WAL_KEEP_BYTES = 16 * 1024 * 1024;

export class Store {
  readonly file: string;
  readonly #database: Database.Database;
  readonly #writes: boolean;

  /** Use `openStore`. */
  constructor(database: Database.Database, file: string, writes: boolean) {
    this.#database = database;
    this.file = file;
    this.#writes = writes;
  }

  /** Compile one statement. Keep it: preparing costs more than running. */
  prepare<Parameters extends readonly SqlValue[] = [], Row extends object = SqlRow>(
    sql: string,
  ): Statement<Parameters, Row> {
    try {
      return new Statement<Parameters, Row>(this.#database.prepare<SqlValue[], SqlValue[]>(sql), this.file);
    } catch (e) {
      throw storeFault(e, this.file);
    }
  }

  /**
   * Run `work` and commit; when this returns, what it wrote is on the disk. A throw from `work` or from the commit
   * undoes everything and is rethrown. Transactions don't nest.
   */
  transaction<T>(work: () => T): T {
    const database = this.#database;
    try {
      database.exec('BEGIN IMMEDIATE');
      const result = work();
      database.exec('COMMIT');
      return result;
    } catch (e) {
      // SQLite has rolled back by itself after some faults (SQLITE_FULL, SQLITE_IOERR) and not after others.
      if (database.inTransaction) database.exec('ROLLBACK');
      throw storeFault(e, this.file);
    }
  }

  /** Run `work` on one state of the database, whatever another process commits meanwhile. */
  snapshot<T>(work: () => T): T {
    const database = this.#database;
    try {
      database.exec('BEGIN DEFERRED');
      return work();
    } catch (e) {
      throw storeFault(e, this.file);
    } finally {
      if (database.inTransaction) database.exec('ROLLBACK');
    }
  }

  /** Move the WAL into the database file; what was committed is durable without it. */
  checkpoint(): void {
    try {
      this.#database.pragma('wal_checkpoint(TRUNCATE)');
    } catch (e) {
      throw storeFault(e, this.file);
    }
  }

  /** Checkpoint and close. Safe to call twice. */
  close(): void {
    if (!this.#database.open) return;
    try {
      if (this.#writes) this.#database.pragma('wal_checkpoint(TRUNCATE)');
    } catch {
      // The WAL stays next to the file and is read at the next start: nothing is lost by a checkpoint that failed.
    } finally {
      this.#database.close();
    }
  }
}

/** Open, check and migrate. Faults: STORE_CORRUPT, STORE_FOREIGN, STORE_NEWER, STORE_FULL, STORE_UNAVAILABLE. */
export function openStore(options: StoreOptions): Store {
  const { file, schema } = options;
  const writes = options.access !== 'read';
  let database: Database.Database | undefined;
  try {
    const size = writes ? prepareFile(file) : statSync(file).size;
    database = new Database(file, { readonly: !writes, fileMustExist: true, timeout: BUSY_MS });
    const applicationId = pragmaNumber(database, 'application_id');
    const version = pragmaNumber(database, 'user_version');
    const fresh = writes && applicationId === 0 && version === 0 && isEmpty(database);
    if (!fresh && applicationId !== schema.applicationId) {
      throw new Fault('STORE_FOREIGN', `${file}: application id ${applicationId}`);
    }
    if (version > schema.migrations.length) {
      throw new Fault('STORE_NEWER', `${file}: version ${version}, known to ${schema.migrations.length}`);
    }
    database.pragma('foreign_keys = ON');
    database.pragma('trusted_schema = OFF');
    // Without it REPLACE deletes rows behind the back of triggers.
    database.pragma('recursive_triggers = ON');
    if (writes) {
      if (fresh) database.pragma(`application_id = ${schema.applicationId}`);
      database.pragma('journal_mode = WAL');
      database.pragma('synchronous = FULL');
      database.pragma(`journal_size_limit = ${WAL_KEEP_BYTES}`);
    }
    if (size > 0 && size <= QUICK_CHECK_BYTES) quickCheck(database, file);
    if (writes) {
      migrate(database, schema, version);
      if (fresh) syncFolder(dirname(file));
    }
    return new Store(database, file, writes);
  } catch (e) {
    database?.close();
    throw storeFault(e, file);
  }
}

/** Make folder and file where they are missing, refuse what others could swap; the file's size. */
function prepareFile(file: string): number {
  const folder = dirname(file);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if ((statSync(folder).mode & 0o022) !== 0) {
    throw new Fault('STORE_UNAVAILABLE', `${folder}: is writable by others`);
  }
  const fd = openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    const { size, mode } = fstatSync(fd);
    if ((mode & 0o077) !== 0) fchmodSync(fd, 0o600);
    return size;
  } finally {
    closeSync(fd);
  }
}

function migrate(database: Database.Database, schema: Schema, from: number): void {
  for (let version = from; version < schema.migrations.length; version++) {
    database.exec('BEGIN IMMEDIATE');
    try {
      database.exec(schema.migrations[version] ?? '');
      database.pragma(`user_version = ${version + 1}`);
      database.exec('COMMIT');
    } catch (e) {
      if (database.inTransaction) database.exec('ROLLBACK');
      throw e;
    }
  }
}

function quickCheck(database: Database.Database, file: string): void {
  const answer = database.pragma('quick_check(1)', { simple: true });
  if (answer !== 'ok') throw new Fault('STORE_CORRUPT', `${file}: ${String(answer)}`);
}

function isEmpty(database: Database.Database): boolean {
  return database.prepare('SELECT count(*) FROM sqlite_schema').pluck(true).get() === 0;
}

function pragmaNumber(database: Database.Database, name: string): number {
  return Number(database.pragma(name, { simple: true }));
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
