/**
 * The tables of the audit store, and the tree nodes kept in them.
 *
 *   record      one row a record: its canonical text and leaf hash; `time` again as a column, to find by
 *   node        roots of perfect subtrees at levels 8, 16, 24 …: a 255th of the hashes, enough to tell any other
 *               node from at most 255 reads, so that opening and proving don't read the whole log
 *   head        one row: size, root and time of the tree, written in the transaction that wrote the records
 *   checkpoint  one row: the latest signed one
 *
 * Triggers forbid what an append-only log never does. They guard against our own mistakes and a careless hand at the
 * `sqlite3` prompt; against a hostile one there is the tree, and `verify`.
 */
import type { Store } from '../store/store.ts';
import type { Schema } from '../store/store.ts';
import { Fault } from '../wire/errors.ts';
import { Frontier } from './tree.ts';
import type { NodeReader } from './tree.ts';

/** Levels of the tree that are stored: multiples of this. */
export const NODE_LEVELS = 8;

const tables = `
CREATE TABLE record(
  seq INTEGER PRIMARY KEY CHECK(seq >= 0),
  time INTEGER NOT NULL,
  canonical TEXT NOT NULL,
  leaf BLOB NOT NULL CHECK(length(leaf) = 32)
) STRICT;
CREATE TABLE node(
  level INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  hash BLOB NOT NULL CHECK(length(hash) = 32),
  PRIMARY KEY(level, idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE head(
  id INTEGER PRIMARY KEY CHECK(id = 0),
  size INTEGER NOT NULL,
  root BLOB NOT NULL CHECK(length(root) = 32),
  time INTEGER NOT NULL
) STRICT;
CREATE TABLE checkpoint(
  id INTEGER PRIMARY KEY CHECK(id = 0),
  size INTEGER NOT NULL,
  note TEXT NOT NULL
) STRICT;
INSERT INTO head(id, size, root, time)
  VALUES(0, 0, x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 0);

CREATE TRIGGER record_order BEFORE INSERT ON record
  WHEN NEW.seq <> (SELECT coalesce(max(seq) + 1, 0) FROM record)
  BEGIN SELECT RAISE(ABORT, 'records are appended in order'); END;
CREATE TRIGGER record_update BEFORE UPDATE ON record
  BEGIN SELECT RAISE(ABORT, 'records never change'); END;
CREATE TRIGGER record_delete BEFORE DELETE ON record
  BEGIN SELECT RAISE(ABORT, 'records are never deleted'); END;
CREATE TRIGGER node_update BEFORE UPDATE ON node
  BEGIN SELECT RAISE(ABORT, 'tree nodes never change'); END;
CREATE TRIGGER node_delete BEFORE DELETE ON node
  BEGIN SELECT RAISE(ABORT, 'tree nodes are never deleted'); END;
CREATE TRIGGER head_update BEFORE UPDATE ON head
  WHEN NEW.size <= OLD.size OR NEW.time < OLD.time
  BEGIN SELECT RAISE(ABORT, 'the tree only grows'); END;
CREATE TRIGGER head_delete BEFORE DELETE ON head
  BEGIN SELECT RAISE(ABORT, 'the head is never deleted'); END;
CREATE TRIGGER checkpoint_update BEFORE UPDATE ON checkpoint
  WHEN NEW.size < OLD.size
  BEGIN SELECT RAISE(ABORT, 'checkpoints only grow'); END;
CREATE TRIGGER checkpoint_delete BEFORE DELETE ON checkpoint
  BEGIN SELECT RAISE(ABORT, 'the checkpoint is never deleted'); END;
`;

/** `ANTA`. */
export const auditSchema: Schema = { applicationId: 0x414e5441, migrations: [tables] };

/** Any perfect subtree that the store can tell. Fault AUDIT_CORRUPT when rows it needs are missing. */
export function storedNodes(store: Store): NodeReader {
  const leaves = store.prepare<[number, number], { hash: Uint8Array }>(
    'SELECT leaf AS hash FROM record WHERE seq >= ? AND seq < ? ORDER BY seq',
  );
  const nodes = store.prepare<[number, number, number], { hash: Uint8Array }>(
    'SELECT hash FROM node WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx',
  );
  return (level, index) => {
    const span = 2 ** (level % NODE_LEVELS);
    const base = level - (level % NODE_LEVELS);
    const first = index * span;
    const rows = base === 0 ? leaves.all(first, first + span) : nodes.all(base, first, first + span);
    if (rows.length !== span) {
      throw new Fault('AUDIT_CORRUPT', `${store.file}: tree node ${level}/${index} lacks what is under it`);
    }
    const subtree = new Frontier();
    for (const { hash } of rows) subtree.append(hash);
    return subtree.root();
  };
}
