/**
 * Verification of a whole log from nothing but its records: canonical bytes → leaf hash → tree → head → signed
 * checkpoint. Says what the first fault is and at which record. Memory doesn't grow with the log.
 *
 * What tells where: a record whose bytes don't hash to its leaf is found exactly. When the leaf was computed anew as
 * well, the stored tree nodes narrow it to 256 records; when the nodes were too, only the head or a checkpoint that was
 * signed before still knows, and then the range is everything it covers. Keep checkpoints elsewhere.
 */
import type { Store } from '../store/store.ts';
import type { TreeHead } from '../wire/audit-event.ts';
import { openCheckpoint } from './checkpoint.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { VerifierKey } from './note.ts';
import { parseRecord } from './record.ts';
import { NODE_LEVELS } from './schema.ts';
import { Frontier, emptyRoot, leafHash } from './tree.ts';

/**
 * changed     content isn't what was appended        removed    a record is missing in the middle
 * inserted    a record that was never appended       reordered  records changed places
 * truncated   records at the end are missing         head       the head isn't that of the records
 * tree        a stored tree node is wrong, the records aren't
 * checkpoint  the checkpoint isn't one, or its signature is wrong
 */
export type VerifyFaultKind =
  | 'changed'
  | 'removed'
  | 'inserted'
  | 'reordered'
  | 'truncated'
  | 'head'
  | 'tree'
  | 'checkpoint';

export interface VerifyFault {
  readonly kind: VerifyFaultKind;
  /** The first record concerned. */
  readonly seq: number;
  /** The last one, when it is a range. */
  readonly through?: number;
  readonly text: string;
}

export interface Verification {
  /** Records read, and the root computed from them. With a fault, as far as it went. */
  readonly size: number;
  readonly root: string;
  readonly head: TreeHead | undefined;
  /** The checkpoint that was compared, and whether the key given signed it. */
  readonly checkpoint?: { readonly origin: string; readonly size: number; readonly signed: boolean };
  readonly fault?: VerifyFault;
}

export interface VerifyOptions {
  /** A checkpoint from elsewhere; the store's own is compared in any case. */
  readonly checkpoint?: string;
  /** The log's verifier key; without one signatures aren't checked. */
  readonly key?: VerifierKey;
}

interface Row {
  readonly seq: number;
  readonly time: number;
  readonly bytes: Uint8Array | null;
  readonly leaf: Uint8Array | null;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const same = (a: Uint8Array | null | undefined, b: Uint8Array): boolean => !!a && Buffer.from(a).equals(b);

/** Read everything and compare. Never throws for what is wrong with the records; only when the store can't be read. */
export function verifyStore(store: Store, options: VerifyOptions = {}): Verification {
  return store.snapshot(() => verifySnapshot(store, options));
}

function verifySnapshot(store: Store, options: VerifyOptions): Verification {
  const head = readHead(store);
  const stored = store.prepare<[], { note: string }>('SELECT note FROM checkpoint WHERE id = 0').get()?.note;
  const notes = [options.checkpoint, stored].filter((note) => note !== undefined);
  const opened = notes.map((note) => openCheckpoint(note, options.key));
  const checkpoints = opened.flatMap((o) => (o.kind === 'checkpoint' ? [o.checkpoint] : []));

  const walk = walkRecords(store, new Set(checkpoints.map((c) => c.size)));
  const size = walk.frontier.size;
  const root = hex(walk.frontier.root());
  const first = opened.find((o) => o.kind === 'checkpoint');
  const shown = first && {
    checkpoint: { origin: first.checkpoint.origin, size: first.checkpoint.size, signed: first.signed },
  };
  const fault =
    walk.fault ??
    compareHead(walk, head, checkpoints) ??
    compareCheckpoints(walk, opened, options.key !== undefined) ??
    (walk.wrongNode && {
      kind: 'tree',
      seq: walk.wrongNode.seq,
      through: walk.wrongNode.through,
      text: 'a stored tree node is not that of its records',
    });
  return { size, root, head, ...shown, ...(fault && { fault }) };
}

function readHead(store: Store): TreeHead | undefined {
  const row = store
    .prepare<[], { size: number; root: Uint8Array; time: number }>(
      'SELECT size, root, time FROM head WHERE id = 0',
    )
    .get();
  return row && { size: row.size, root: hex(row.root), time: row.time };
}

interface Walk {
  readonly frontier: Frontier;
  /** Roots at the sizes asked for, as far as the records go. */
  readonly roots: ReadonlyMap<number, Uint8Array>;
  /** The records under the first stored node that isn't theirs. */
  readonly wrongNode: { readonly seq: number; readonly through: number } | undefined;
  readonly fault: VerifyFault | undefined;
}

/** Every record in order, each checked by itself, into a new tree. */
function walkRecords(store: Store, sizes: ReadonlySet<number>): Walk {
  const rows = store.prepare<[], Row>(
    'SELECT seq, time, CAST(canonical AS BLOB) AS bytes, leaf FROM record ORDER BY seq',
  );
  const node = store.prepare<[number, number], { hash: Uint8Array }>(
    'SELECT hash FROM node WHERE level = ? AND idx = ?',
  );
  const frontier = new Frontier();
  const roots = new Map<number, Uint8Array>([[0, emptyRoot()]]);
  let wrongNode: Walk['wrongNode'];
  let fault: VerifyFault | undefined;
  let time = 0;
  for (const row of rows.iterate()) {
    fault = checkRow(row, frontier.size, time);
    if (fault) break;
    time = row.time;
    frontier.append(row.leaf as Uint8Array, (level, index, hash) => {
      if (level % NODE_LEVELS !== 0 || wrongNode || same(node.get(level, index)?.hash, hash)) return;
      wrongNode = { seq: index * 2 ** level, through: (index + 1) * 2 ** level - 1 };
    });
    if (sizes.has(frontier.size)) roots.set(frontier.size, frontier.root());
  }
  if (fault?.kind === 'reordered') fault = classifyMisplaced(store, fault.seq);
  return { frontier, roots, wrongNode, fault };
}

/** One row where record `expected` should be. A record out of its place is named `reordered` until classified. */
function checkRow(row: Row, expected: number, earliest: number): VerifyFault | undefined {
  const { seq, time, bytes, leaf } = row;
  if (seq > expected) {
    return { kind: 'removed', seq: expected, through: seq - 1, text: `the next record is ${seq}` };
  }
  if (seq < expected) return { kind: 'inserted', seq, text: 'there is no such number' };
  const changed = (text: string): VerifyFault => ({ kind: 'changed', seq, text });
  if (!(bytes instanceof Uint8Array)) return changed('there is no content');
  const text = decodeUtf8(bytes);
  const parsed = text === undefined ? undefined : parseRecord(text);
  if (!parsed) return changed('not UTF-8');
  if (parsed.kind === 'malformed') return changed(parsed.detail);
  if (parsed.seq !== seq) return { kind: 'reordered', seq, text: `it says it is record ${parsed.seq}` };
  if (!same(leaf, leafHash(bytes))) return changed('the content does not hash to its leaf');
  if (parsed.time !== time) return changed('the column `time` differs from the content');
  if (time < earliest) return changed('its time is before that of the record before it');
  return undefined;
}

/** Record `at` is the first whose content gives another number: was one taken out, put in, or did they change places? */
function classifyMisplaced(store: Store, at: number): VerifyFault {
  const rows = store.prepare<[number], { seq: number; canonical: string }>(
    'SELECT seq, canonical FROM record WHERE seq >= ? ORDER BY seq',
  );
  const inner = (canonical: string): number => {
    const [, seq = '-1'] = /"seq":(\d+),"time":\d+\}$/.exec(canonical) ?? [];
    return Number(seq);
  };
  const row = rows.get(at);
  const says = inner(row?.canonical ?? '');
  if (says < at) {
    const copy = rows.get(says)?.canonical === row?.canonical;
    return {
      kind: 'inserted',
      seq: copy ? at : says,
      text: copy ? `a copy of record ${says}` : `record ${at} says it is ${says} as well`,
    };
  }
  for (const later of rows.iterate(at + 1)) {
    if (inner(later.canonical) === at) {
      return { kind: 'reordered', seq: at, text: `it is in the place of record ${later.seq}` };
    }
  }
  return { kind: 'removed', seq: at, text: `in its place is record ${says}` };
}

function compareHead(
  { frontier, wrongNode }: Walk,
  head: TreeHead | undefined,
  checkpoints: readonly Checkpoint[],
): VerifyFault | undefined {
  const size = frontier.size;
  if (!head) return { kind: 'head', seq: size, text: 'there is no head' };
  if (size < head.size) {
    return { kind: 'truncated', seq: size, through: head.size - 1, text: `the head counts ${head.size}` };
  }
  if (size > head.size) {
    return { kind: 'inserted', seq: head.size, through: size - 1, text: `the head counts ${head.size}` };
  }
  const root = frontier.root();
  if (head.root === hex(root)) return undefined;
  // Who is wrong, the head or the records? A stored node or a checkpoint is a second witness.
  const text = 'the records and the head do not belong together';
  if (wrongNode) return { kind: 'changed', ...wrongNode, text };
  const witness = checkpoints.find((c) => c.size === size);
  if (witness && hex(witness.root) === head.root) {
    const tile = 2 ** NODE_LEVELS;
    return { kind: 'changed', seq: Math.floor((size - 1) / tile) * tile, through: size - 1, text };
  }
  return { kind: 'head', seq: size, text };
}

function compareCheckpoints(
  { frontier, roots }: Walk,
  opened: readonly ReturnType<typeof openCheckpoint>[],
  haveKey: boolean,
): VerifyFault | undefined {
  const size = frontier.size;
  for (const o of opened) {
    if (o.kind === 'malformed') return { kind: 'checkpoint', seq: size, text: o.detail };
    if (haveKey && !o.signed) return { kind: 'checkpoint', seq: size, text: 'not signed by the key' };
    const signed = o.checkpoint;
    if (signed.size > size) {
      return {
        kind: 'truncated',
        seq: size,
        through: signed.size - 1,
        text: `a checkpoint was signed over ${signed.size} records`,
      };
    }
    const root = roots.get(signed.size);
    if (!root || !same(root, signed.root)) {
      return {
        kind: 'changed',
        seq: 0,
        through: signed.size - 1,
        text: `the records are not those that the checkpoint of ${signed.size} was signed over`,
      };
    }
  }
  return undefined;
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
