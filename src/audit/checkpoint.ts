/**
 * Checkpoints: a tree head as a C2SP tlog-checkpoint, to be signed as a note. https://c2sp.org/tlog-checkpoint
 *
 *   anteroom/clinic-north/audit                       origin: names the log
 *   8192                                              size, decimal
 *   CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=      root, base64
 *
 * Lines after these are extensions and are ignored, as the specification asks. A checkpoint holds no time: when it was
 * made is the time of the record before it.
 */
import { decodeBase64, openNote } from './note.ts';
import type { NoteSigner, VerifierKey } from './note.ts';
import { HASH_BYTES } from './tree.ts';

export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
}

/** The origin of a site's log, and the name of its key. */
export const originOf = (site: string): string => `anteroom/${site}/audit`;

export function signCheckpoint({ origin, size, root }: Checkpoint, signer: NoteSigner): string {
  return signer.sign(`${origin}\n${size}\n${Buffer.from(root).toString('base64')}\n`);
}

export type OpenedCheckpoint =
  | { readonly kind: 'checkpoint'; readonly checkpoint: Checkpoint; readonly signed: boolean }
  | { readonly kind: 'malformed'; readonly detail: string };

/** Read a checkpoint; `signed` tells whether `key` signed it, false without a key. */
export function openCheckpoint(note: string, key?: VerifierKey): OpenedCheckpoint {
  const malformed = (detail: string): OpenedCheckpoint => ({ kind: 'malformed', detail });
  const opened = openNote(note, key);
  if (opened.kind === 'malformed') return opened;
  const [origin = '', size = '', root = ''] = opened.text.split('\n');
  const rootBytes = decodeBase64(root);
  if (origin === '') return malformed('no origin');
  if (!/^(0|[1-9]\d{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) return malformed('no size');
  if (rootBytes?.length !== HASH_BYTES) return malformed('no root');
  return {
    kind: 'checkpoint',
    checkpoint: { origin, size: Number(size), root: rootBytes },
    signed: opened.signed,
  };
}
