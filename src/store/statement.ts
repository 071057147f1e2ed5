/**
 * A prepared statement with the types of its parameters and of its row. Rows come back as plain objects, keyed by
 * column name; blobs as `Uint8Array`, NULL as `null`.
 *
 * Surprise: better-sqlite3 compiles its object rows from text with `new Function`, which a process started with
 * `--disallow-code-generation-from-strings` may not do, so rows are read raw and built here.
 */
import type { Statement as SqliteStatement } from 'better-sqlite3';
import { storeFault } from './fault.ts';

/** What SQLite holds. Integers beyond 2^53 aren't used; a boolean is 0 or 1. */
export type SqlValue = number | string | Uint8Array | null;
export type SqlRow = Record<string, SqlValue>;

/** `Parameters`: a tuple in the order of the `?` marks. `Row`: the columns by name. */
export class Statement<Parameters extends readonly SqlValue[], Row extends object = SqlRow> {
  readonly #statement: SqliteStatement<SqlValue[], SqlValue[]>;
  readonly #columns: readonly string[];
  readonly #file: string;

  constructor(statement: SqliteStatement<SqlValue[], SqlValue[]>, file: string) {
    this.#statement = statement.reader ? statement.raw(true) : statement;
    this.#columns = statement.reader ? statement.columns().map((column) => column.name) : [];
    this.#file = file;
  }

  /** Execute; `changes` counts the rows inserted, updated or deleted. */
  run(...parameters: Parameters): { readonly changes: number } {
    try {
      return { changes: this.#statement.run(...parameters).changes };
    } catch (e) {
      throw storeFault(e, this.#file);
    }
  }

  /** The first row. */
  get(...parameters: Parameters): Row | undefined {
    try {
      const values = this.#statement.get(...parameters);
      return values && this.#row(values);
    } catch (e) {
      throw storeFault(e, this.#file);
    }
  }

  all(...parameters: Parameters): Row[] {
    try {
      return this.#statement.all(...parameters).map((values) => this.#row(values));
    } catch (e) {
      throw storeFault(e, this.#file);
    }
  }

  /** Row after row, for results that shouldn't be in memory whole. The store is busy until the loop is left. */
  *iterate(...parameters: Parameters): Generator<Row, void, void> {
    try {
      for (const values of this.#statement.iterate(...parameters)) yield this.#row(values);
    } catch (e) {
      throw storeFault(e, this.#file);
    }
  }

  #row(values: SqlValue[]): Row {
    const row: SqlRow = {};
    for (let i = 0; i < this.#columns.length; i++) row[this.#columns[i] ?? ''] = values[i] ?? null;
    return row as Row;
  }
}
