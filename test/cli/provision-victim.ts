/**
 * Takes a stick or an order in a process of its own, for a test that kills it: `node provision-victim.ts FILE`, where
 * the file says what (`Errand`). Whatever happens is in the state; nothing is said.
 */
import { readFileSync } from 'node:fs';
import { applySticks } from '../../src/cli/provision-apply.ts';
import { Signer } from '../../src/crypto/signer.ts';

export interface Errand {
  readonly state: string;
  readonly root: string;
  /** As text. */
  readonly signer: string;
  readonly now: number;
}

const [file] = process.argv.slice(2);
if (import.meta.main && file !== undefined) {
  const { state, root, signer, now } = JSON.parse(readFileSync(file, 'utf8')) as Errand;
  const known = Signer.fromText(signer);
  await applySticks([root], {
    state,
    signers: known ? [known] : [],
    version: '0.1.0',
    model: 'test',
    tpm: true,
    now,
    clockTrusted: true,
  });
}
