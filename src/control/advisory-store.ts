/**
 * Advisories, the catalogue of exploited vulnerabilities and the documents of devices, `${stateDir}/control/advisories.db`:
 * a file of its own, since it is large, comes from outside and can be imported again. Every change is one transaction;
 * what can't be kept is a fault to whoever imports, and stops nothing else.
 *
 * An advisory is found again by terms (`advisory_term`), which whoever understands advisories makes: its makers, the words
 * of its products, their identifiers.
 */
import type { Statement } from '../store/statement.ts';
import type { Schema, Store } from '../store/store.ts';
import { MAX_ADVISORIES, advisory, exploited, keptDocument } from '../wire/advisory.ts';
import type {
  Advisory,
  DocumentKind,
  Exploited,
  ExploitedCatalogue,
  KeptDocument,
} from '../wire/advisory.ts';
import { Fault } from '../wire/errors.ts';

/** All advisories, and all documents, as JSON. */
const MAX_STORED_BYTES = 256 * 1024 * 1024;
/** Advisories of one search. */
const MAX_FOUND = 2048;
/** Parsed advisories that are kept at hand. */
const CACHED = 256;

export const advisorySchema: Schema = {
  // "ARAv"
  applicationId: 0x41524176,
  migrations: [
    `CREATE TABLE advisory(
       id TEXT PRIMARY KEY,
       released INTEGER NOT NULL,
       body TEXT NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE advisory_term(
       term TEXT NOT NULL,
       id TEXT NOT NULL REFERENCES advisory(id) ON DELETE CASCADE,
       PRIMARY KEY(term, id)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX advisory_term_id ON advisory_term(id);
     CREATE TABLE exploited(
       cve TEXT PRIMARY KEY,
       body TEXT NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE catalogue(
       one INTEGER PRIMARY KEY CHECK (one = 1),
       version TEXT NOT NULL,
       released TEXT NOT NULL
     ) STRICT;
     CREATE TABLE document(
       device TEXT NOT NULL,
       kind TEXT NOT NULL,
       head TEXT NOT NULL,
       body TEXT NOT NULL,
       PRIMARY KEY(device, kind)
     ) STRICT, WITHOUT ROWID;`,
  ],
};

/** What became of what was given. */
export type Stored = 'stored' | 'unchanged' | 'older';

interface Statements {
  readonly get: Statement<[string], { readonly released: number; readonly body: string }>;
  readonly put: Statement<[string, number, string]>;
  readonly dropTerms: Statement<[string]>;
  readonly putTerm: Statement<[string, string]>;
  readonly find: Statement<[string, number], { readonly id: string }>;
  readonly size: Statement<[], { readonly count: number; readonly bytes: number }>;
  readonly exploited: Statement<[], { readonly body: string }>;
  readonly dropExploited: Statement<[]>;
  readonly putExploited: Statement<[string, string]>;
  readonly catalogue: Statement<[], { readonly version: string; readonly released: string }>;
  readonly putCatalogue: Statement<[string, string]>;
  readonly documents: Statement<[string], { readonly body: string }>;
  readonly heads: Statement<[], { readonly device: string; readonly head: string }>;
  readonly putDocument: Statement<[string, string, string, string]>;
  readonly dropDocument: Statement<[string, string]>;
  readonly documentBytes: Statement<[], { readonly bytes: number }>;
}

const dateOf = (text: string): number => {
  const at = Date.parse(text);
  return Number.isNaN(at) ? 0 : at;
};

export class AdvisoryStore {
  readonly #store: Store | undefined;
  readonly #statements: Statements | undefined;
  readonly #parsed = new Map<string, Advisory>();
  /** Why there is no store. */
  readonly fault: Fault | undefined;

  /** `store` is undefined when it could not be opened, for the reason `fault`. */
  constructor(store: Store | undefined, fault?: Fault) {
    this.#store = store;
    this.fault = fault;
    this.#statements = store && {
      get: store.prepare('SELECT released, body FROM advisory WHERE id = ?'),
      put: store.prepare(
        'INSERT INTO advisory VALUES (?, ?, ?) ON CONFLICT(id) DO UPDATE SET released = excluded.released, body = excluded.body',
      ),
      dropTerms: store.prepare('DELETE FROM advisory_term WHERE id = ?'),
      putTerm: store.prepare('INSERT OR IGNORE INTO advisory_term VALUES (?, ?)'),
      find: store.prepare('SELECT id FROM advisory_term WHERE term = ? ORDER BY id DESC LIMIT ?'),
      size: store.prepare(
        'SELECT count(*) AS count, coalesce(sum(length(CAST(body AS BLOB))), 0) AS bytes FROM advisory',
      ),
      exploited: store.prepare('SELECT body FROM exploited ORDER BY cve'),
      dropExploited: store.prepare('DELETE FROM exploited'),
      putExploited: store.prepare('INSERT OR REPLACE INTO exploited VALUES (?, ?)'),
      catalogue: store.prepare('SELECT version, released FROM catalogue'),
      putCatalogue: store.prepare(
        'INSERT INTO catalogue VALUES (1, ?, ?) ON CONFLICT(one) DO UPDATE SET version = excluded.version, released = excluded.released',
      ),
      documents: store.prepare('SELECT body FROM document WHERE device = ? ORDER BY kind'),
      heads: store.prepare('SELECT device, head FROM document'),
      putDocument: store.prepare(
        'INSERT INTO document VALUES (?, ?, ?, ?) ON CONFLICT(device, kind) DO UPDATE SET head = excluded.head, body = excluded.body',
      ),
      dropDocument: store.prepare('DELETE FROM document WHERE device = ? AND kind = ?'),
      documentBytes: store.prepare(
        'SELECT coalesce(sum(length(CAST(body AS BLOB))), 0) AS bytes FROM document',
      ),
    };
  }

  /** Fault STORE_UNAVAILABLE, or why it could not be opened. */
  get #open(): { readonly store: Store; readonly s: Statements } {
    if (!this.#store || !this.#statements) throw this.fault ?? new Fault('STORE_UNAVAILABLE');
    return { store: this.#store, s: this.#statements };
  }

  get count(): number {
    return this.#statements?.size.get()?.count ?? 0;
  }

  /** All of them or none. An older version of an advisory doesn't replace a newer one. */
  put(list: readonly Advisory[], termsOf: (advisory: Advisory) => readonly string[]): Stored[] {
    const { store, s } = this.#open;
    return store.transaction(() => {
      const outcome = list.map((each): Stored => {
        const body = JSON.stringify(each);
        const released = dateOf(each.released);
        const before = s.get.get(each.id);
        if (before?.body === body) return 'unchanged';
        if (before && before.released > released) return 'older';
        s.put.run(each.id, released, body);
        s.dropTerms.run(each.id);
        for (const term of termsOf(each)) s.putTerm.run(term, each.id);
        this.#parsed.delete(each.id);
        return 'stored';
      });
      const size = s.size.get();
      if (size && size.count > MAX_ADVISORIES)
        throw new Fault('ADVISORY_INVALID', `more than ${MAX_ADVISORIES} advisories in all`);
      if (size && size.bytes > MAX_STORED_BYTES)
        throw new Fault('ADVISORY_INVALID', `more than ${MAX_STORED_BYTES} bytes of advisories in all`);
      return outcome;
    });
  }

  /** Advisories under one of these terms. */
  find(terms: readonly string[]): Advisory[] {
    const s = this.#statements;
    if (!s) return [];
    const ids = new Set<string>();
    for (const term of terms) {
      for (const { id } of s.find.all(term, MAX_FOUND)) ids.add(id);
      if (ids.size >= MAX_FOUND) break;
    }
    return [...ids].flatMap((id) => this.#advisory(id, s) ?? []);
  }

  #advisory(id: string, s: Statements): Advisory | undefined {
    const cached = this.#parsed.get(id);
    if (cached) return cached;
    const row = s.get.get(id);
    const read = row && advisory.safeParse(JSON.parse(row.body));
    if (!read?.success) return undefined;
    this.#parsed.set(id, read.data);
    if (this.#parsed.size > CACHED) {
      const [oldest] = this.#parsed.keys();
      if (oldest !== undefined) this.#parsed.delete(oldest);
    }
    return read.data;
  }

  get catalogue(): { readonly version: string; readonly released: string } | undefined {
    return this.#statements?.catalogue.get();
  }

  exploited(): Exploited[] {
    return (this.#statements?.exploited.all() ?? []).flatMap(({ body }) => {
      const read = exploited.safeParse(JSON.parse(body));
      return read.success ? [read.data] : [];
    });
  }

  /** The whole catalogue takes the place of the one before, unless that is newer. */
  putCatalogue({ version, released, rows }: ExploitedCatalogue): Stored {
    const { store, s } = this.#open;
    const before = s.catalogue.get();
    if (before?.version === version && before.released === released) return 'unchanged';
    if (before && dateOf(before.released) > dateOf(released)) return 'older';
    store.transaction(() => {
      s.dropExploited.run();
      for (const row of rows) s.putExploited.run(row.cve, JSON.stringify(row));
      s.putCatalogue.run(version, released);
    });
    return 'stored';
  }

  /** Of a device, by any of its keys. */
  documents(devices: readonly string[]): KeptDocument[] {
    const found = new Map<DocumentKind, KeptDocument>();
    for (const device of devices)
      for (const { body } of this.#statements?.documents.all(device) ?? []) {
        const read = keptDocument.safeParse(JSON.parse(body));
        if (!read.success) continue;
        const { kind } = read.data.document;
        const before = found.get(kind);
        if (!before || before.at < read.data.at) found.set(kind, read.data);
      }
    return [...found.values()];
  }

  /** Every document without its answers or components, by device. */
  heads(): Map<string, KeptDocument[]> {
    const found = new Map<string, KeptDocument[]>();
    for (const { device, head } of this.#statements?.heads.all() ?? []) {
      const read = keptDocument.safeParse(JSON.parse(head));
      if (!read.success) continue;
      const list = found.get(device);
      if (list) list.push(read.data);
      else found.set(device, [read.data]);
    }
    return found;
  }

  putDocument(device: string, kept: KeptDocument): void {
    const { store, s } = this.#open;
    store.transaction(() => {
      const { document } = kept;
      const empty = document.kind === 'mds2' ? { answers: [] } : { components: [] };
      const head = JSON.stringify({ ...kept, document: { ...document, ...empty } });
      s.putDocument.run(device, document.kind, head, JSON.stringify(kept));
      if ((s.documentBytes.get()?.bytes ?? 0) > MAX_STORED_BYTES)
        throw new Fault('ADVISORY_INVALID', `more than ${MAX_STORED_BYTES} bytes of documents in all`);
    });
  }

  /** True when there was one. */
  dropDocument(devices: readonly string[], kind: DocumentKind): boolean {
    const { store, s } = this.#open;
    return store.transaction(
      () => devices.filter((device) => s.dropDocument.run(device, kind).changes > 0).length > 0,
    );
  }

  close(): void {
    this.#store?.close();
  }
}
