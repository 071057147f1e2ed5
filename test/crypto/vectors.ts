/**
 * Published test vectors, which stand beside the repository, not in it. A missing file is a failure that names it.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Parsed content of `../shared/vectors/<path>`, seen from the repository's root. */
export function readVectors(path: string): unknown {
  const file = fileURLToPath(new URL(`../../../shared/vectors/${path}`, import.meta.url));
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new Error(`test vectors are needed and can't be read: ${file}`, { cause });
  }
}

export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
export const toHex = (bytes: Uint8Array | undefined): string | undefined =>
  bytes && Buffer.from(bytes).toString('hex');

export interface NoiseVector {
  readonly protocol_name: string;
  readonly init_prologue: string;
  readonly init_psks?: readonly string[];
  readonly init_static: string;
  readonly init_ephemeral: string;
  readonly init_remote_static: string;
  readonly resp_static: string;
  readonly resp_ephemeral: string;
  readonly handshake_hash: string;
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[];
}

export function noiseVector(name: string): NoiseVector {
  const file = readVectors('noise/ik-25519-chachapoly-blake2s.json') as { vectors: NoiseVector[] };
  const vector = file.vectors.find((v) => v.protocol_name === name);
  if (!vector) throw new Error(`no vector for ${name}`);
  return vector;
}
