/**
 * What control keeps on disk, `${stateDir}/control/control.db`: hosts of the enclave, where peers were last seen,
 * the policy sets that were in force, reported facts, and what people opened and closed (break-glass, emergency,
 * requests, reviews). Most of it is there to be whole again after a restart, and the configuration and the policy
 * stay the origin of what is wanted; the last is nowhere else but in the audit log.
 *
 * Reading and writing never stop control: without a store, or with one that fails, it works on from memory, and
 * `fault` says what is wrong. Writers keep what was not written and try again.
 */
import type { Statement } from '../store/statement.ts';
import type { Schema, Store } from '../store/store.ts';
import { isFault } from '../wire/errors.ts';
import type { Fault } from '../wire/errors.ts';
import type { FactRow } from './facts.ts';

/** Policy sets kept. */
const POLICIES_KEPT = 8;
/** Of each kind, closed rows kept. */
const LIFE_KEPT = 2048;

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
    // What people open and close: one row a glass, emergency, request, review, attestation. Bodies are checked when read.
    `CREATE TABLE life(
       kind TEXT NOT NULL,
       id TEXT NOT NULL,
       at INTEGER NOT NULL,
       open INTEGER NOT NULL CHECK(open IN (0, 1)),
       body TEXT NOT NULL,
       PRIMARY KEY(kind, id)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE mark(
       name TEXT PRIMARY KEY,
       value TEXT NOT NULL
     ) STRICT, WITHOUT ROWID;`,
    // Reported facts, the latest of each kind (`facts.ts`).
    `CREATE TABLE fact(
       key TEXT PRIMARY KEY,
       held TEXT NOT NULL
     ) STRICT, WITHOUT ROWID;`,
    // Devices as things that last, and what is held against them. Bodies are checked when read.
    `CREATE TABLE device_record(
       id TEXT PRIMARY KEY,
       body TEXT NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE finding(
       id TEXT PRIMARY KEY,
       body TEXT NOT NULL
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
/** `body`: JSON. */
export type BodyRow = { readonly id: string; readonly body: string };
/** `body`: JSON. `open`: 1 while it is not over. */
export type LifeRow = {
  readonly kind: string;
  readonly id: string;
  readonly at: number;
  readonly open: number;
  readonly body: string;
};

interface Statements {
  readonly facts: Statement<[], FactRow>;
  readonly putFact: Statement<[string, string]>;
  readonly hosts: Statement<[], HostRow>;
  readonly putHost: Statement<[string, string, number, string]>;
  readonly dropHost: Statement<[string]>;
  readonly endpoints: Statement<[], EndpointRow>;
  readonly putEndpoint: Statement<[string, string, number, number]>;
  readonly policy: Statement<[], PolicyRow>;
  readonly putPolicy: Statement<[string, string, string, number]>;
  readonly prunePolicies: Statement<[number]>;
  readonly life: Statement<[], LifeRow>;
  readonly putLife: Statement<[string, string, number, number, string]>;
  readonly pruneLife: Statement<[string, string, number]>;
  readonly mark: Statement<[string], { readonly value: string }>;
  readonly putMark: Statement<[string, string]>;
  readonly records: Statement<[], BodyRow>;
  readonly putRecord: Statement<[string, string]>;
  readonly dropRecord: Statement<[string]>;
  readonly findings: Statement<[], BodyRow>;
  readonly putFinding: Statement<[string, string]>;
  readonly dropFinding: Statement<[string]>;
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
      facts: store.prepare('SELECT key, held FROM fact ORDER BY key'),
      putFact: store.prepare(
        'INSERT INTO fact VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET held = excluded.held',
      ),
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
      life: store.prepare('SELECT kind, id, at, open, body FROM life ORDER BY at, id'),
      putLife: store.prepare(
        'INSERT INTO life VALUES (?, ?, ?, ?, ?) ON CONFLICT(kind, id) DO UPDATE SET open = excluded.open, body = excluded.body',
      ),
      pruneLife: store.prepare(
        'DELETE FROM life WHERE kind = ? AND open = 0 AND id NOT IN (SELECT id FROM life WHERE kind = ? AND open = 0 ORDER BY at DESC, id LIMIT ?)',
      ),
      mark: store.prepare('SELECT value FROM mark WHERE name = ?'),
      putMark: store.prepare(
        'INSERT INTO mark VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value',
      ),
      records: store.prepare('SELECT id, body FROM device_record ORDER BY id'),
      putRecord: store.prepare(
        'INSERT INTO device_record VALUES (?, ?) ON CONFLICT(id) DO UPDATE SET body = excluded.body',
      ),
      dropRecord: store.prepare('DELETE FROM device_record WHERE id = ?'),
      findings: store.prepare('SELECT id, body FROM finding ORDER BY id'),
      putFinding: store.prepare(
        'INSERT INTO finding VALUES (?, ?) ON CONFLICT(id) DO UPDATE SET body = excluded.body',
      ),
      dropFinding: store.prepare('DELETE FROM finding WHERE id = ?'),
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

  facts(): FactRow[] {
    return this.#try((s) => s.facts.all()) ?? [];
  }

  saveFacts(rows: readonly FactRow[]): boolean {
    return this.#write((s) => {
      for (const { key, held } of rows) s.putFact.run(key, held);
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

  /** Everything people opened, the oldest first. */
  life(): LifeRow[] {
    return this.#try((s) => s.life.all()) ?? [];
  }

  /** Write rows in one transaction; of those that are over, the latest stay. False when nothing was written. */
  saveLife(rows: readonly LifeRow[]): boolean {
    return this.#write((s) => {
      for (const row of rows) s.putLife.run(row.kind, row.id, row.at, row.open, row.body);
      for (const kind of new Set(rows.map((row) => row.kind))) s.pruneLife.run(kind, kind, LIFE_KEPT);
    });
  }

  /** A single value under a name. */
  mark(name: string): string | undefined {
    return this.#try((s) => s.mark.get(name))?.value;
  }

  saveMarks(marks: Readonly<Record<string, string>>): boolean {
    return this.#write((s) => {
      for (const [name, value] of Object.entries(marks)) s.putMark.run(name, value);
    });
  }

  records(): BodyRow[] {
    return this.#try((s) => s.records.all()) ?? [];
  }

  saveRecords(put: readonly BodyRow[], drop: readonly string[]): boolean {
    return this.#write((s) => {
      for (const { id, body } of put) s.putRecord.run(id, body);
      for (const id of drop) s.dropRecord.run(id);
    });
  }

  findings(): BodyRow[] {
    return this.#try((s) => s.findings.all()) ?? [];
  }

  saveFindings(put: readonly BodyRow[], drop: readonly string[]): boolean {
    return this.#write((s) => {
      for (const { id, body } of put) s.putFinding.run(id, body);
      for (const id of drop) s.dropFinding.run(id);
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
