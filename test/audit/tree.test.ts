/**
 * The Merkle tree against transparency-dev's vectors and against RFC 6962's own recursive definition.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import t from 'tap';
import {
  Frontier,
  consistencyProof,
  emptyRoot,
  inclusionProof,
  leafHash,
  treeRoot,
  verifyConsistency,
  verifyInclusion,
} from '../../src/audit/tree.ts';
import type { NodeReader } from '../../src/audit/tree.ts';

const vectors = fileURLToPath(new URL('../../../shared/vectors/merkle/', import.meta.url));

function vectorFiles(folder: string): string[] {
  return readdirSync(join(vectors, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .map((name) => join(vectors, folder, name));
}
const bytes = (text: string | null): Uint8Array => Buffer.from(text ?? '', 'base64');

/** RFC 6962 section 2.1, word for word: the slow definition that everything else is compared with. */
function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return createHash('sha256').digest();
  if (leaves.length === 1) return leaves[0] as Uint8Array;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return createHash('sha256')
    .update(Uint8Array.of(1))
    .update(naiveRoot(leaves.slice(0, k)))
    .update(naiveRoot(leaves.slice(k)))
    .digest();
}
const makeLeaves = (n: number): Uint8Array[] =>
  Array.from({ length: n }, (_, i) => leafHash(Buffer.from(`record ${i}`)));
const readerOf =
  (leaves: readonly Uint8Array[]): NodeReader =>
  (level, index) =>
    naiveRoot(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level));
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a).equals(b);

void t.test('transparency-dev vectors', (t) => {
  t.ok(existsSync(vectors), `the vectors must be in ${vectors}`);
  const inclusion = vectorFiles('inclusion');
  const consistency = vectorFiles('consistency');
  t.ok(inclusion.length >= 90 && consistency.length >= 90, `${inclusion.length} + ${consistency.length}`);
  for (const file of inclusion) {
    const v = JSON.parse(readFileSync(file, 'utf8')) as {
      leafIdx: number;
      treeSize: number;
      root: string;
      leafHash: string;
      proof: string[] | null;
      wantErr: boolean;
    };
    const proof = (v.proof ?? []).map(bytes);
    t.equal(
      verifyInclusion(v.leafIdx, v.treeSize, bytes(v.leafHash), proof, bytes(v.root)),
      !v.wantErr,
      file.slice(vectors.length),
    );
  }
  for (const file of consistency) {
    const v = JSON.parse(readFileSync(file, 'utf8')) as {
      size1: number;
      size2: number;
      root1: string;
      root2: string;
      proof: string[] | null;
      wantErr: boolean;
    };
    const proof = (v.proof ?? []).map(bytes);
    t.equal(
      verifyConsistency(v.size1, v.size2, bytes(v.root1), bytes(v.root2), proof),
      !v.wantErr,
      file.slice(vectors.length),
    );
  }
  t.end();
});

void t.test('known roots', (t) => {
  t.equal(
    Buffer.from(emptyRoot()).toString('hex'),
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  );
  t.equal(
    Buffer.from(leafHash(new Uint8Array())).toString('hex'),
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  );
  t.end();
});

void t.test('the frontier, roots and proofs agree with the recursive definition at every size', (t) => {
  const leaves = makeLeaves(70);
  const node = readerOf(leaves);
  const frontier = new Frontier();
  const completed = new Map<string, Uint8Array>();
  for (let size = 0; size <= leaves.length; size++) {
    const root = naiveRoot(leaves.slice(0, size));
    if (!same(frontier.root(), root)) t.fail(`frontier of ${size}`);
    if (!same(treeRoot(size, node), root)) t.fail(`root of ${size}`);
    if (!same(Frontier.read(size, node).root(), root)) t.fail(`frontier read at ${size}`);
    const leaf = leaves[size];
    if (leaf) frontier.append(leaf, (level, index, hash) => completed.set(`${level}/${index}`, hash));
  }
  for (const [name, hash] of completed) {
    const [level, index] = name.split('/').map(Number) as [number, number];
    if (!same(hash, node(level, index))) t.fail(`completed ${name}`);
  }
  t.equal(completed.size, 35 + 17 + 8 + 4 + 2 + 1, 'every perfect subtree is reported once');
  for (let size = 1; size <= 33; size++) {
    const root = naiveRoot(leaves.slice(0, size));
    for (let i = 0; i < size; i++) {
      const proof = inclusionProof(i, size, node);
      if (!verifyInclusion(i, size, leaves[i] as Uint8Array, proof, root))
        t.fail(`inclusion ${i} in ${size}`);
    }
    for (let first = 1; first <= size; first++) {
      const proof = consistencyProof(first, size, node);
      const root1 = naiveRoot(leaves.slice(0, first));
      if (!verifyConsistency(first, size, root1, root, proof)) t.fail(`consistency ${first} to ${size}`);
    }
  }
  t.end();
});

void t.test('a frontier goes on from where it was read', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 60 }), (size, more) => {
      const leaves = makeLeaves(size + more);
      const frontier = Frontier.read(size, readerOf(leaves));
      const untouched = frontier.copy();
      for (const leaf of leaves.slice(size)) frontier.append(leaf);
      return (
        frontier.size === size + more &&
        same(frontier.root(), naiveRoot(leaves)) &&
        same(untouched.root(), naiveRoot(leaves.slice(0, size)))
      );
    }),
    { numRuns: 60 },
  );
  t.end();
});

void t.test('a proof for one thing proves nothing else', (t) => {
  const leaves = makeLeaves(64);
  const node = readerOf(leaves);
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 64 }),
      fc.nat(63),
      fc.nat(200),
      fc.integer({ min: 0, max: 255 }),
      (size, at, where, bit) => {
        const index = at % size;
        const root = naiveRoot(leaves.slice(0, size));
        const proof = inclusionProof(index, size, node);
        const leaf = leaves[index] as Uint8Array;
        const other = leaves[(index + 1) % size] as Uint8Array;
        const flipped = proof.map((p) => Buffer.from(p));
        const victim = flipped[where % flipped.length] as Buffer;
        victim[bit >> 3] = (victim[bit >> 3] as number) ^ (1 << (bit & 7));
        const first = 1 + (where % (size - 1));
        const root1 = naiveRoot(leaves.slice(0, first));
        const extension = consistencyProof(first, size, node);
        return (
          verifyInclusion(index, size, leaf, proof, root) &&
          !verifyInclusion(index, size, other, proof, root) &&
          !verifyInclusion(index, size, leaf, flipped, root) &&
          !verifyInclusion(index, size, leaf, proof.slice(1), root) &&
          verifyConsistency(first, size, root1, root, extension) &&
          !verifyConsistency(first, size, root, root1, extension) &&
          !verifyConsistency(first, size, root1, root, extension.slice(1))
        );
      },
    ),
    { numRuns: 150 },
  );
  t.end();
});

void t.test('sizes beyond 32 bits', (t) => {
  // A tree of 2^40 + 1 equal leaves: every perfect subtree of a level has one hash.
  const levels: Uint8Array[] = [leafHash(Buffer.from('x'))];
  const node: NodeReader = (level) => {
    while (levels.length <= level) {
      const below = levels.at(-1) as Uint8Array;
      levels.push(createHash('sha256').update(Uint8Array.of(1)).update(below).update(below).digest());
    }
    return levels[level] as Uint8Array;
  };
  const size = 2 ** 40 + 1;
  const root = treeRoot(size, node);
  for (const index of [0, 2 ** 33, 2 ** 40 - 1, 2 ** 40]) {
    t.ok(verifyInclusion(index, size, node(0, index), inclusionProof(index, size, node), root), `${index}`);
  }
  const proof = consistencyProof(2 ** 33 + 5, size, node);
  t.ok(verifyConsistency(2 ** 33 + 5, size, treeRoot(2 ** 33 + 5, node), root, proof));
  t.notOk(verifyConsistency(2 ** 33 + 4, size, treeRoot(2 ** 33 + 5, node), root, proof));
  t.throws(() => inclusionProof(5, 5, node), RangeError);
  t.throws(() => consistencyProof(6, 5, node), RangeError);
  t.end();
});
