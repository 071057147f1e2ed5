/**
 * The append-only log. An append is acknowledged when its records, their leaf hashes and the new tree head have been
 * committed in one transaction and synced; never before.
 *
 * Group commit: a commit blocks the event loop while the disk syncs, so whatever arrived meanwhile is read in the
 * next turn and committed together, one sync for all. An append waits for at most the commit under way and its own.
 *
 * When storage fails, the appends of that commit are refused and the log goes back to what the store holds; the next
 * append tries again, so the log recovers by itself when there is room. Whether a refused record is in the log is then
 * not known to its caller, as with any database: it may appear twice when it is sent again.
 *
 * A log whose head doesn't match its records at the start refuses every append with AUDIT_CORRUPT (no new session can
 * start, since its decision can't be written) and still serves reads, so that what is there can be looked at and saved.
 *
 * Surprise: time in the log never goes back. When the wall clock is set back, records keep the last time until the
 * clock has caught up; each event's own `at` still says what its process saw.
 */
import type { Store } from '../store/store.ts';
import type { AuditEvent, AuditRecord, TreeHead } from '../wire/audit-event.ts';
import { Fault, isFault } from '../wire/errors.ts';
import type { Clock } from '../wire/units.ts';
import { canonicalJson, canonicalRecord, parseRecord } from './record.ts';
import { NODE_LEVELS, storedNodes } from './schema.ts';
import { Frontier, consistencyProof, inclusionProof, leafHash } from './tree.ts';
import type { NodeReader } from './tree.ts';

/** Largest canonical event; the gateway's own are below 4 KiB. */
const MAX_EVENT_BYTES = 64 * 1024;
/** Events in one transaction: bounds how long the event loop is blocked. */
const MAX_COMMIT_EVENTS = 4096;
/** Events that may wait for a commit. */
const MAX_WAITING_EVENTS = 16_384;
/** Records checked one by one at the start; the tree vouches for the others. */
const CHECKED_AT_OPEN = 256;
/** A read answers with fewer records than asked for rather than with more text than this. */
const MAX_READ_BYTES = 4 * 1024 * 1024;

export interface LogOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Bytes free on the store's file system, statfs(2). */
  readonly freeBytes: () => number;
  /** Appends are refused when fewer are free. */
  readonly reserveBytes: number;
  /** Run later, after the input that is already there has been read: `setImmediate`. */
  readonly schedule: (work: () => void) => void;
}

export interface Appended {
  /** Seq of the first of the events; the others follow it without a gap. */
  readonly first: number;
  /** A head that covers them. */
  readonly head: TreeHead;
}

interface Waiting {
  readonly events: readonly string[];
  readonly resolve: (appended: Appended) => void;
  readonly reject: (fault: unknown) => void;
}

interface HeadRow {
  readonly size: number;
  readonly root: Uint8Array;
  readonly time: number;
}

interface RecordRow {
  readonly seq: number;
  readonly time: number;
  readonly canonical: string;
  readonly leaf: Uint8Array;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export class AuditLog {
  readonly #options: LogOptions;
  readonly #node: NodeReader;
  readonly #statements;
  #frontier = new Frontier();
  #head: TreeHead = { size: 0, root: '', time: 0 };
  /** What is in memory may not be what the store holds: read it again before the next commit. */
  #stale = true;
  #corrupt: Fault | undefined;
  #waiting: Waiting[] = [];
  #waitingEvents = 0;
  #scheduled = false;
  #closed = false;

  /** Faults STORE_… when the store can't be read at all. A log that doesn't verify opens, with `fault` set. */
  constructor(options: LogOptions) {
    this.#options = options;
    const { store } = options;
    this.#node = storedNodes(store);
    this.#statements = {
      head: store.prepare<[], HeadRow>('SELECT size, root, time FROM head WHERE id = 0'),
      last: store.prepare<[], { size: number }>('SELECT coalesce(max(seq) + 1, 0) AS size FROM record'),
      insert: store.prepare<[number, number, string, Uint8Array]>(
        'INSERT INTO record(seq, time, canonical, leaf) VALUES(?, ?, ?, ?)',
      ),
      node: store.prepare<[number, number, Uint8Array]>('INSERT INTO node(level, idx, hash) VALUES(?, ?, ?)'),
      grow: store.prepare<[number, Uint8Array, number]>(
        'UPDATE head SET size = ?, root = ?, time = ? WHERE id = 0',
      ),
      read: store.prepare<[number, number], RecordRow>(
        'SELECT seq, time, canonical, leaf FROM record WHERE seq >= ? ORDER BY seq LIMIT ?',
      ),
      checkpoint: store.prepare<[], { note: string }>('SELECT note FROM checkpoint WHERE id = 0'),
      keep: store.prepare<[number, string]>(
        `INSERT INTO checkpoint(id, size, note) VALUES(0, ?, ?)
         ON CONFLICT(id) DO UPDATE SET size = excluded.size, note = excluded.note`,
      ),
    };
    try {
      this.#load();
    } catch (e) {
      if (!isFault(e, 'AUDIT_CORRUPT')) throw e;
      this.#corrupt = e;
    }
  }

  /** Set when the log refuses appends for good. */
  get fault(): Fault | undefined {
    return this.#corrupt;
  }

  get head(): TreeHead {
    return this.#head;
  }

  /**
   * Write events, all of them or none, next to each other. Resolves when they are durable. Faults
   * AUDIT_STORAGE_FULL, AUDIT_UNAVAILABLE, AUDIT_CORRUPT, and IPC_MALFORMED for an event with no canonical form.
   */
  append(events: readonly AuditEvent[]): Promise<Appended> {
    const { promise, resolve, reject } = Promise.withResolvers<Appended>();
    try {
      if (this.#closed) throw new Fault('AUDIT_UNAVAILABLE', 'the log is closed');
      if (events.length === 0 || events.length > MAX_COMMIT_EVENTS) {
        throw new Fault('IPC_MALFORMED', `${events.length} events in one append`);
      }
      if (this.#waitingEvents + events.length > MAX_WAITING_EVENTS) {
        throw new Fault('AUDIT_UNAVAILABLE', 'too many events wait to be written');
      }
      const texts = events.map((event) => canonicalEvent(event));
      this.#waiting.push({ events: texts, resolve, reject });
      this.#waitingEvents += texts.length;
      this.#scheduleCommit();
    } catch (e) {
      reject(e);
    }
    return promise;
  }

  /** Records from `from` on, at most `limit`, fewer when they are large. */
  read(from: number, limit: number): AuditRecord[] {
    const records: AuditRecord[] = [];
    let length = 0;
    for (const { seq, time, canonical, leaf } of this.#statements.read.iterate(from, limit)) {
      length += canonical.length;
      if (length > MAX_READ_BYTES && records.length > 0) break;
      const parsed = parseRecord(canonical);
      if (parsed.kind === 'malformed') throw new Fault('AUDIT_CORRUPT', `record ${seq}: ${parsed.detail}`);
      records.push({ seq, time, event: parsed.event as AuditEvent, leaf: hex(leaf) });
    }
    return records;
  }

  /** Proof that record `seq` is in the tree of `size`, RFC 9162 section 2.1.3. */
  inclusion(seq: number, size: number = this.#head.size): Uint8Array[] {
    return inclusionProof(seq, size, this.#node);
  }

  /** Proof that the tree of `size2` extends that of `size1`, RFC 9162 section 2.1.4. */
  consistency(size1: number, size2: number = this.#head.size): Uint8Array[] {
    return consistencyProof(size1, size2, this.#node);
  }

  /** The latest signed checkpoint. */
  get checkpoint(): string | undefined {
    return this.#statements.checkpoint.get()?.note;
  }

  /** Keep a checkpoint over the first `size` records; it replaces an older one. */
  keepCheckpoint(size: number, note: string): void {
    this.#checkRoom();
    this.#options.store.transaction(() => this.#statements.keep.run(size, note));
  }

  /** Write what waits and take nothing more. The store stays open: it is the caller's. */
  close(): void {
    this.#closed = true;
    while (this.#waiting.length > 0) this.#commit();
  }

  #scheduleCommit(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#options.schedule(() => {
      this.#scheduled = false;
      if (this.#waiting.length === 0) return;
      this.#commit();
      if (this.#waiting.length > 0) this.#scheduleCommit();
    });
  }

  /** One transaction for as many waiting appends as fit. Settles each of them. */
  #commit(): void {
    const group = this.#takeGroup();
    try {
      if (this.#corrupt) throw this.#corrupt;
      if (this.#stale) this.#load();
      this.#checkRoom();
      const before = this.#head.size;
      const frontier = this.#frontier.copy();
      const time = Math.max(this.#options.clock.now(), this.#head.time);
      const root = this.#options.store.transaction(() => this.#write(group, frontier, time));
      // Durable from here on.
      this.#frontier = frontier;
      this.#head = { size: frontier.size, root: hex(root), time };
      let first = before;
      for (const append of group) {
        append.resolve({ first, head: this.#head });
        first += append.events.length;
      }
    } catch (e) {
      const fault = this.#failed(e);
      for (const append of group) append.reject(fault);
    }
  }

  #takeGroup(): Waiting[] {
    let events = 0;
    let n = 0;
    for (const append of this.#waiting) {
      if (n > 0 && events + append.events.length > MAX_COMMIT_EVENTS) break;
      events += append.events.length;
      n++;
    }
    this.#waitingEvents -= events;
    return this.#waiting.splice(0, n);
  }

  #write(group: readonly Waiting[], frontier: Frontier, time: number): Uint8Array {
    const { insert, node, grow } = this.#statements;
    for (const append of group) {
      for (const event of append.events) {
        const seq = frontier.size;
        const canonical = canonicalRecord(event, seq, time);
        const leaf = leafHash(Buffer.from(canonical, 'utf8'));
        insert.run(seq, time, canonical, leaf);
        frontier.append(leaf, (level, index, hash) => {
          if (level % NODE_LEVELS === 0) node.run(level, index, hash);
        });
      }
    }
    const root = frontier.root();
    grow.run(frontier.size, root, time);
    return root;
  }

  #checkRoom(): void {
    const free = this.#options.freeBytes();
    if (free < this.#options.reserveBytes) {
      throw new Fault('AUDIT_STORAGE_FULL', `${free} bytes free, ${this.#options.reserveBytes} reserved`);
    }
  }

  /** What a failed commit is to its callers. What is in memory is dropped: the store knows what it holds. */
  #failed(e: unknown): Fault {
    this.#stale = true;
    if (isFault(e, 'AUDIT_CORRUPT') || isFault(e, 'STORE_CORRUPT')) {
      this.#corrupt ??= new Fault('AUDIT_CORRUPT', e.detail, { cause: e });
      return this.#corrupt;
    }
    if (isFault(e, 'AUDIT_STORAGE_FULL')) return e;
    const detail = e instanceof Error ? e.message : String(e);
    if (isFault(e, 'STORE_FULL')) return new Fault('AUDIT_STORAGE_FULL', detail, { cause: e });
    return new Fault('AUDIT_UNAVAILABLE', detail, { cause: e });
  }

  /** Take head and frontier from the store, and check that they and the last records belong together. */
  #load(): void {
    const { store } = this.#options;
    const corrupt = (text: string): Fault => new Fault('AUDIT_CORRUPT', `${store.file}: ${text}`);
    store.snapshot(() => {
      const head = this.#statements.head.get();
      const size = this.#statements.last.get()?.size ?? 0;
      if (!head) throw corrupt('there is no head');
      this.#head = { size: head.size, root: hex(head.root), time: head.time };
      if (size !== head.size) throw corrupt(`${size} records, and a head of ${head.size}`);
      const frontier = Frontier.read(size, this.#node);
      if (hex(frontier.root()) !== this.#head.root) throw corrupt('the head is not the root of the records');
      let expected = Math.max(0, size - CHECKED_AT_OPEN);
      for (const row of this.#statements.read.all(expected, CHECKED_AT_OPEN)) {
        const parsed = parseRecord(row.canonical);
        const sound =
          parsed.kind === 'record' &&
          parsed.seq === expected &&
          row.seq === expected &&
          parsed.time === row.time &&
          hex(leafHash(Buffer.from(row.canonical, 'utf8'))) === hex(row.leaf);
        if (!sound) throw corrupt(`record ${expected} was changed`);
        expected++;
      }
      if (expected !== size) throw corrupt(`record ${expected} is missing`);
      this.#frontier = frontier;
      this.#stale = false;
    });
  }
}

function canonicalEvent(event: AuditEvent): string {
  const text = canonicalJson(event);
  if (text.length > MAX_EVENT_BYTES) {
    throw new Fault('IPC_MALFORMED', `an event of ${text.length} characters is too large to record`);
  }
  return text;
}
