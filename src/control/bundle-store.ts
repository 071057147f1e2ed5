/**
 * The bundles that were activated, `${stateDir}/control/policy.db`: the one in force and the one before it, as the
 * bytes that were signed. One transaction puts a bundle in force; whenever the power goes, the old one is there or the
 * new one, whole.
 *
 * A file of its own beside control's other store, so that what is wrong with one of them stops nothing of the other.
 * Unlike that one it isn't worked around: a bundle that can't be kept isn't activated.
 */
import type { Statement } from '../store/statement.ts';
import type { Schema, Store } from '../store/store.ts';
import { Fault } from '../wire/errors.ts';

export const bundleSchema: Schema = {
  // "ARPb"
  applicationId: 0x41525062,
  migrations: [
    `CREATE TABLE bundle(
       revision INTEGER PRIMARY KEY,
       digest TEXT NOT NULL,
       bytes BLOB NOT NULL,
       activated INTEGER NOT NULL
     ) STRICT;
     CREATE TABLE in_force(
       one INTEGER PRIMARY KEY CHECK (one = 1),
       active INTEGER NOT NULL REFERENCES bundle(revision),
       previous INTEGER REFERENCES bundle(revision)
     ) STRICT;`,
  ],
};

export type BundleRow = {
  readonly revision: number;
  /** Of the content, hexadecimal. */
  readonly digest: string;
  readonly bytes: Uint8Array;
  readonly activated: number;
};

interface Statements {
  readonly active: Statement<[], BundleRow>;
  readonly previous: Statement<[], BundleRow>;
  readonly put: Statement<[number, string, Uint8Array, number]>;
  readonly force: Statement<[number]>;
  readonly prune: Statement<[]>;
}

export class BundleStore {
  readonly #store: Store | undefined;
  readonly #statements: Statements | undefined;
  /** Why there is no store. */
  readonly fault: Fault | undefined;

  /** `store` is undefined when it could not be opened, for the reason `fault`. */
  constructor(store: Store | undefined, fault?: Fault) {
    this.#store = store;
    this.fault = fault;
    const columns = 'b.revision, b.digest, b.bytes, b.activated';
    this.#statements = store && {
      active: store.prepare(`SELECT ${columns} FROM bundle b JOIN in_force f ON b.revision = f.active`),
      previous: store.prepare(`SELECT ${columns} FROM bundle b JOIN in_force f ON b.revision = f.previous`),
      put: store.prepare(
        'INSERT INTO bundle VALUES (?, ?, ?, ?) ON CONFLICT(revision) DO UPDATE SET digest = excluded.digest, bytes = excluded.bytes, activated = excluded.activated',
      ),
      force: store.prepare(
        'INSERT INTO in_force VALUES (1, ?, NULL) ON CONFLICT(one) DO UPDATE SET previous = CASE WHEN active = excluded.active THEN previous ELSE active END, active = excluded.active',
      ),
      prune: store.prepare(
        'DELETE FROM bundle WHERE revision NOT IN (SELECT active FROM in_force UNION SELECT previous FROM in_force WHERE previous IS NOT NULL)',
      ),
    };
  }

  /** Faults STORE_…; undefined when nothing was ever activated, or there is no store. */
  active(): BundleRow | undefined {
    return this.#statements?.active.get();
  }

  previous(): BundleRow | undefined {
    return this.#statements?.previous.get();
  }

  /** Put `row` in force; what was in force is the previous one then. Faults STORE_…, and nothing has changed. */
  activate(row: BundleRow): void {
    const statements = this.#statements;
    if (!this.#store || !statements) throw this.fault ?? new Fault('STORE_UNAVAILABLE');
    this.#store.transaction(() => {
      statements.put.run(row.revision, row.digest, row.bytes, row.activated);
      statements.force.run(row.revision);
      statements.prune.run();
    });
  }

  close(): void {
    this.#store?.close();
  }
}
