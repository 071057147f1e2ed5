/**
 * The Merkle tree over the log's records: RFC 6962 section 2.1, the same tree as RFC 9162 section 2.1.
 *
 *   leaf hash  SHA-256(0x00 || record)          MTH({})      SHA-256()
 *   node hash  SHA-256(0x01 || left || right)   MTH(D[0:n])  splits at the largest power of two below n
 *
 * A *perfect* subtree of 2^level leaves is named by (level, index) and never changes once its leaves are there;
 * any root and any proof is a few of these. `Frontier` keeps the ones on the right edge, so an append costs two
 * hashes on average. Proofs read the others through a `NodeReader`.
 *
 * Surprise: sizes go beyond 2^32, so nothing here uses JavaScript's 32-bit operators on them.
 */
import { hash, timingSafeEqual } from 'node:crypto';

export const HASH_BYTES = 32;
const LEAF_PREFIX = Uint8Array.of(0x00);
const NODE_PREFIX = Uint8Array.of(0x01);

/** SHA-256 of nothing: the root of the empty tree. */
export const emptyRoot = (): Uint8Array => hash('sha256', new Uint8Array(), 'buffer');

export const leafHash = (record: Uint8Array): Uint8Array =>
  hash('sha256', Buffer.concat([LEAF_PREFIX, record]), 'buffer');

export const nodeHash = (left: Uint8Array, right: Uint8Array): Uint8Array =>
  hash('sha256', Buffer.concat([NODE_PREFIX, left, right]), 'buffer');

/** The hash of the perfect subtree over leaves [index * 2^level, (index + 1) * 2^level). */
export type NodeReader = (level: number, index: number) => Uint8Array;

/** Largest power of two below `n`, for n > 1: RFC 9162's k. */
function splitPoint(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** The right edge of a tree that grows. */
export class Frontier {
  #size = 0;
  /** Roots of the perfect subtrees, one a set bit of `size`; `#levels[l]` covers 2^l leaves. */
  readonly #levels: (Uint8Array | undefined)[] = [];

  get size(): number {
    return this.#size;
  }

  /** The frontier of a tree of `size` leaves whose perfect subtrees `node` can tell. */
  static read(size: number, node: NodeReader): Frontier {
    const frontier = new Frontier();
    frontier.#size = size;
    let start = 0;
    for (let level = Math.floor(Math.log2(Math.max(size, 1))) + 1; level >= 0; level--) {
      const span = 2 ** level;
      if (size - start < span) continue;
      frontier.#levels[level] = node(level, start / span);
      start += span;
    }
    return frontier;
  }

  copy(): Frontier {
    const frontier = new Frontier();
    frontier.#size = this.#size;
    frontier.#levels.push(...this.#levels);
    return frontier;
  }

  /** Add one leaf; `completed` hears of every perfect subtree above it that this leaf finishes. */
  append(leaf: Uint8Array, completed?: (level: number, index: number, hash: Uint8Array) => void): void {
    let carry = leaf;
    let level = 0;
    for (;;) {
      const left = this.#levels[level];
      if (!left) break;
      carry = nodeHash(left, carry);
      this.#levels[level] = undefined;
      level++;
      completed?.(level, (this.#size + 1) / 2 ** level - 1, carry);
    }
    this.#levels[level] = carry;
    this.#size++;
  }

  root(): Uint8Array {
    let root: Uint8Array | undefined;
    for (const subtree of this.#levels) {
      if (subtree) root = root ? nodeHash(subtree, root) : subtree;
    }
    return root ?? emptyRoot();
  }
}

/** MTH(D[start:end]), RFC 9162 section 2.1.1, where `start` is a multiple of the power of two not below the span. */
function rangeRoot(start: number, end: number, node: NodeReader): Uint8Array {
  const span = end - start;
  const level = Math.log2(span);
  if (Number.isInteger(level)) return node(level, start / span);
  const k = splitPoint(span);
  return nodeHash(rangeRoot(start, start + k, node), rangeRoot(start + k, end, node));
}

/** The root of the first `size` leaves. */
export const treeRoot = (size: number, node: NodeReader): Uint8Array =>
  size === 0 ? emptyRoot() : rangeRoot(0, size, node);

/** PATH(index, D[0:size]), RFC 9162 section 2.1.3.1: the proof that leaf `index` is in the tree of `size`. */
export function inclusionProof(index: number, size: number, node: NodeReader): Uint8Array[] {
  if (!isSize(index) || !isSize(size) || index >= size) throw new RangeError('no such leaf in this tree');
  const proof: Uint8Array[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + splitPoint(end - start);
    if (index < middle) {
      proof.push(rangeRoot(middle, end, node));
      end = middle;
    } else {
      proof.push(rangeRoot(start, middle, node));
      start = middle;
    }
  }
  return proof.reverse();
}

/** PROOF(size1, D[0:size2]), RFC 9162 section 2.1.4.1: the tree of `size2` only appended to that of `size1`. */
export function consistencyProof(size1: number, size2: number, node: NodeReader): Uint8Array[] {
  if (!isSize(size1) || !isSize(size2) || size1 > size2) throw new RangeError('the second tree is smaller');
  if (size1 === 0 || size1 === size2) return [];
  const proof: Uint8Array[] = [];
  let start = 0;
  let end = size2;
  // SUBPROOF(m, D[start:end], whole), with m counted from `start`; `whole` while D[0:size1] is what was asked for.
  let whole = true;
  while (size1 !== end) {
    const middle = start + splitPoint(end - start);
    if (size1 <= middle) {
      proof.push(rangeRoot(middle, end, node));
      end = middle;
    } else {
      proof.push(rangeRoot(start, middle, node));
      start = middle;
      whole = false;
    }
  }
  if (!whole) proof.push(rangeRoot(start, end, node));
  return proof.reverse();
}

/** RFC 9162 section 2.1.3.2. */
export function verifyInclusion(
  index: number,
  size: number,
  leaf: Uint8Array,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!isSize(index) || !isSize(size) || index >= size || !areHashes([leaf, ...proof])) return false;
  let fn = index;
  let sn = size - 1;
  let r = leaf;
  for (const p of proof) {
    if (sn === 0) return false;
    if (isOdd(fn) || fn === sn) {
      r = nodeHash(p, r);
      while (!isOdd(fn) && fn !== 0) {
        fn /= 2;
        sn = half(sn);
      }
    } else {
      r = nodeHash(r, p);
    }
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 && equal(r, root);
}

/** RFC 9162 section 2.1.4.2. An empty first tree proves nothing and is refused. */
export function verifyConsistency(
  size1: number,
  size2: number,
  root1: Uint8Array,
  root2: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (!isSize(size1) || !isSize(size2) || size1 === 0 || size1 > size2 || !areHashes(proof)) return false;
  if (size1 === size2) return proof.length === 0 && equal(root1, root2);
  const path = Number.isInteger(Math.log2(size1)) ? [root1, ...proof] : proof;
  const [seed, ...rest] = path;
  if (!seed || proof.length === 0) return false;
  let fn = size1 - 1;
  let sn = size2 - 1;
  while (isOdd(fn)) {
    fn = half(fn);
    sn = half(sn);
  }
  let fr = seed;
  let sr = seed;
  for (const c of rest) {
    if (sn === 0) return false;
    if (isOdd(fn) || fn === sn) {
      fr = nodeHash(c, fr);
      sr = nodeHash(c, sr);
      while (!isOdd(fn) && fn !== 0) {
        fn = half(fn);
        sn = half(sn);
      }
    } else {
      sr = nodeHash(sr, c);
    }
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 && equal(fr, root1) && equal(sr, root2);
}

const half = (n: number): number => Math.floor(n / 2);
const isOdd = (n: number): boolean => n % 2 === 1;
const isSize = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;
const areHashes = (proof: readonly Uint8Array[]): boolean => proof.every((p) => p.length === HASH_BYTES);
const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b);
