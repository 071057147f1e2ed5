/**
 * What control keeps on disk, `${stateDir}/control/control.db`: hosts of the enclave, where peers were last seen,
 * and the policy sets that were in force. All of it is there to be whole again after a restart; the configuration and
 * the policy file stay the origin of what is wanted.
 *
 * Reading and writing never stop control: without a store, or with one that fails, it works on from memory, and
 * `fault` says what is wrong. Writers keep what was not written and try again.
 */
import type { Statement } from '../store/statement.ts';
import type { Schema, Store } from '../store/store.ts';
import { isFault } from '../wire/errors.ts';
import type { Fault } from '../wire/errors.ts';

/** Policy sets kept. */
const POLICIES_KEPT = 8;

export const stateSchema: Schema = {
  // "ARCt"
  applicationId: 0x41524374,
  migrations: [
    `CREATE TABLE host(
       mac TEXT PRIMARY KEY,
       observation TEXT NOT NULL,
       last INTEGER NOT NULL,
       told TEXT NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE peer_endpoint(
       peer TEXT PRIMARY KEY,
       address TEXT NOT NULL,
       port INTEGER NOT NULL,
       seen INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE policy(
       revision TEXT PRIMARY KEY,
       digest TEXT NOT NULL,
       text TEXT NOT NULL,
       activated INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;`,
  ],
};

export type HostRow = {
  readonly mac: string;
  /** `HostObservation` as JSON. */
  readonly observation: string;
  readonly last: number;
  /** Facts that the audit log was last told, '' for none. */
  readonly told: string;
};
export type EndpointRow = {
  readonly peer: string;
  readonly address: string;
  readonly port: number;
  readonly seen: number;
};
export type PolicyRow = {
  readonly revision: string;
  readonly digest: string;
  readonly text: string;
  readonly activated: number;
};

interface Statements {
  readonly hosts: Statement<[], HostRow>;
  readonly putHost: Statement<[string, string, number, string]>;
  readonly dropHost: Statement<[string]>;
  readonly endpoints: Statement<[], EndpointRow>;
  readonly putEndpoint: Statement<[string, string, number, number]>;
  readonly policy: Statement<[], PolicyRow>;
  readonly putPolicy: Statement<[string, string, string, number]>;
  readonly prunePolicies: Statement<[number]>;
}

export class StateStore {
  readonly #store: Store | undefined;
  readonly #statements: Statements | undefined;
  #fault: Fault | undefined;

  /** `store` is undefined when it could not be opened, for the reason `fault`. */
  constructor(store: Store | undefined, fault?: Fault) {
    this.#store = store;
    this.#fault = fault;
    this.#statements = store && {
      hosts: store.prepare('SELECT mac, observation, last, told FROM host ORDER BY last'),
      putHost: store.prepare(
        'INSERT INTO host VALUES (?, ?, ?, ?) ON CONFLICT(mac) DO UPDATE SET observation = excluded.observation, last = excluded.last, told = excluded.told',
      ),
      dropHost: store.prepare('DELETE FROM host WHERE mac = ?'),
      endpoints: store.prepare('SELECT peer, address, port, seen FROM peer_endpoint ORDER BY peer'),
      putEndpoint: store.prepare(
        'INSERT INTO peer_endpoint VALUES (?, ?, ?, ?) ON CONFLICT(peer) DO UPDATE SET address = excluded.address, port = excluded.port, seen = excluded.seen',
      ),
      policy: store.prepare(
        'SELECT revision, digest, text, activated FROM policy ORDER BY activated DESC, revision LIMIT 1',
      ),
      putPolicy: store.prepare(
        'INSERT INTO policy VALUES (?, ?, ?, ?) ON CONFLICT(revision) DO UPDATE SET activated = excluded.activated',
      ),
      prunePolicies: store.prepare(
        'DELETE FROM policy WHERE revision NOT IN (SELECT revision FROM policy ORDER BY activated DESC, revision LIMIT ?)',
      ),
    };
  }

  /** Why the last use failed; undefined in good order. */
  get fault(): Fault | undefined {
    return this.#fault;
  }

  hosts(): HostRow[] {
    return this.#try((s) => s.hosts.all()) ?? [];
  }

  /** Rows to write and rows to drop, in one transaction. False when nothing was written. */
  saveHosts(put: readonly HostRow[], drop: readonly string[]): boolean {
    return this.#write((s) => {
      for (const row of put) s.putHost.run(row.mac, row.observation, row.last, row.told);
      for (const mac of drop) s.dropHost.run(mac);
    });
  }

  endpoints(): EndpointRow[] {
    return this.#try((s) => s.endpoints.all()) ?? [];
  }

  saveEndpoints(rows: readonly EndpointRow[]): boolean {
    return this.#write((s) => {
      for (const row of rows) s.putEndpoint.run(row.peer, row.address, row.port, row.seen);
    });
  }

  /** The policy set that was activated last. */
  lastPolicy(): PolicyRow | undefined {
    return this.#try((s) => s.policy.get());
  }

  savePolicy(row: PolicyRow): boolean {
    return this.#write((s) => {
      s.putPolicy.run(row.revision, row.digest, row.text, row.activated);
      s.prunePolicies.run(POLICIES_KEPT);
    });
  }

  close(): void {
    this.#store?.close();
  }

  #try<T>(work: (statements: Statements) => T): T | undefined {
    if (!this.#statements) return undefined;
    try {
      const result = work(this.#statements);
      this.#fault = undefined;
      return result;
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#fault = error;
      return undefined;
    }
  }

  #write(work: (statements: Statements) => void): boolean {
    const store = this.#store;
    if (!store) return false;
    return (
      this.#try((statements) => {
        store.transaction(() => work(statements));
        return true;
      }) ?? false
    );
  }
}
