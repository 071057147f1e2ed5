/**
 * What an update is: `manifest.json`, signed whole, beside the files that it lists.
 *
 *   manifest.json   the text below, at most 16 KiB
 *   manifest.sig    64 bytes: Ed25519 (RFC 8032) over "anteroom update 1\n" and manifest.json's bytes
 *   NAME            each file, by size and SHA-256 as it is stored
 *
 * `root` and `verity` are partitions, compressed with zstd (RFC 8878); `expanded` is what must stand in the slot. `kernel` is the
 * unified kernel image. The partitions' identities are the halves of the root hash, which the kernel's command line
 * carries (Discoverable Partitions Specification): so only the right pair is ever opened.
 */
import { createPublicKey, verify } from 'node:crypto';
import * as z from 'zod';
import { Fault } from '../../wire/errors.ts';
import { integer } from '../../wire/scalar.ts';

export const MANIFEST_MAX = 16 * 1024;
const CONTEXT = Buffer.from('anteroom update 1\n');
const MAX_FILE = 1024 * 1024 * 1024;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const size = integer.min(1).max(MAX_FILE);
const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/);
const part = z.strictObject({ name, size, sha256, expanded: z.strictObject({ size, sha256 }) });

const manifestSchema = z.strictObject({
  format: z.literal(1),
  product: z.literal('anteroom'),
  version: integer.min(1).max(999_999_999),
  arch: z.enum(['amd64', 'arm64']),
  /** The oldest version that may still run once this one is confirmed: for a hole that an older one must not reopen. */
  minimum: integer.min(1).max(999_999_999).optional(),
  rootHash: sha256,
  kernel: z.strictObject({ name, size, sha256 }),
  root: part,
  verity: part,
});
export type Manifest = z.infer<typeof manifestSchema>;
export type Part = z.infer<typeof part>;

/** What is signed. */
export const signedBytes = (manifest: Uint8Array): Buffer => Buffer.concat([CONTEXT, manifest]);

/** The manifest, when the key made the signature. Faults UPDATE_SIGNATURE and UPDATE_MALFORMED. */
export function openManifest(bytes: Uint8Array, signature: Uint8Array, publicKey: string): Manifest {
  if (bytes.length > MANIFEST_MAX || signature.length !== 64)
    throw new Fault('UPDATE_MALFORMED', 'manifest.json or manifest.sig has the wrong size.');
  const key = createPublicKey(publicKey);
  if (key.asymmetricKeyType !== 'ed25519')
    throw new Fault('UPDATE_MALFORMED', 'The pinned key is not Ed25519.');
  if (!verify(null, signedBytes(bytes), key, signature)) throw new Fault('UPDATE_SIGNATURE');
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new Fault('UPDATE_MALFORMED', 'manifest.json is not JSON.', { cause });
  }
  const parsed = manifestSchema.safeParse(value);
  if (!parsed.success) throw new Fault('UPDATE_MALFORMED', z.prettifyError(parsed.error));
  return parsed.data;
}

/** Identities of the two partitions of a slot. */
export function slotIds(rootHash: string): { readonly root: string; readonly verity: string } {
  const guid = (hex: string): string => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return { root: guid(rootHash.slice(0, 32)), verity: guid(rootHash.slice(32)) };
}
