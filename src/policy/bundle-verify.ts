/**
 * Whether a bundle may be believed: every signature on it has to be of a signer that is known here and has to be
 * right, and one of them has to be of a signer that counts now. Only then is its content read.
 *
 * Known are the pinned signers, those that were pinned before (so that the bundle that replaced them still verifies
 * after a restart; they count no more), and those that the content itself brings in, which all have to have signed it:
 * whoever can't sign with a key can't get it pinned.
 *
 * What surprises: a signature of a signer unknown here refuses the bundle, though another one would do. Nothing is in
 * a bundle that wasn't looked at.
 */
import { Signer } from '../crypto/signer.ts';
import { bundleContent } from '../wire/bundle.ts';
import type { BundleContent } from '../wire/bundle.ts';
import { Fault } from '../wire/errors.ts';
import { contentDigest, contentValue, signedBytes, unframe } from './bundle.ts';

/** Signers by id. */
export type Signers = ReadonlyMap<string, Signer>;

export interface KnownSigners {
  /** Those that count now. */
  readonly pinned: Signers;
  /** Those that did. */
  readonly retired?: Signers;
}

export interface VerifiedBundle {
  readonly content: BundleContent;
  /** SHA-256 of the content, hexadecimal. */
  readonly digest: string;
  /** Ids of all that signed it, sorted. */
  readonly signers: readonly string[];
  /** Who may sign from its activation on, where it says so. */
  readonly keys?: Signers;
}

export const signerMap = (signers: readonly Signer[]): Signers => new Map(signers.map((s) => [s.id, s]));

/** The content in the shape of one, or Fault BUNDLE_INVALID with the place in it. */
export function readContent(content: Uint8Array): BundleContent {
  const parsed = bundleContent.safeParse(contentValue(content));
  if (parsed.success) return parsed.data;
  const { path = [], message = '' } = parsed.error.issues[0] ?? {};
  throw new Fault('BUNDLE_INVALID', `${path.map(String).join('.') || '(top level)'}: ${message}`);
}

function newSigners(texts: readonly string[]): Signers {
  const signers = texts.map((text) => {
    const signer = Signer.fromText(text);
    if (!signer) throw new Fault('BUNDLE_INVALID', 'keys: a signer whose id is not that of its keys');
    return signer;
  });
  const map = signerMap(signers);
  if (map.size !== signers.length) throw new Fault('BUNDLE_INVALID', 'keys: a signer is named twice');
  return map;
}

/**
 * Faults BUNDLE_TOO_LARGE, BUNDLE_MALFORMED, BUNDLE_SIGNER_UNKNOWN, BUNDLE_SIGNATURE_WRONG, BUNDLE_INVALID and
 * BUNDLE_ROTATION. The policies in it aren't read here.
 */
export function verifyBundle(bytes: Uint8Array, { pinned, retired }: KnownSigners): VerifiedBundle {
  const framed = unframe(bytes);
  if (framed.kind === 'too-large') throw new Fault('BUNDLE_TOO_LARGE', `${bytes.length} bytes`);
  if (framed.kind === 'malformed')
    throw new Fault('BUNDLE_MALFORMED', `at byte ${framed.offset}: ${framed.detail}`);
  const { signatures, content } = framed;
  const message = signedBytes(content);

  const strangers = [];
  for (const signature of signatures) {
    const signer = pinned.get(signature.signer) ?? retired?.get(signature.signer);
    if (!signer) strangers.push(signature);
    else if (!signer.verify(message, signature)) throw new Fault('BUNDLE_SIGNATURE_WRONG', signer.id);
  }
  if (!signatures.some(({ signer }) => pinned.has(signer)))
    throw new Fault('BUNDLE_SIGNER_UNKNOWN', signatures.map(({ signer }) => signer).join(', '));

  // From here on the bytes are those that a pinned signer signed.
  const read = readContent(content);
  const keys = read.keys && newSigners(read.keys);
  for (const signature of strangers) {
    const signer = keys?.get(signature.signer);
    if (!signer) throw new Fault('BUNDLE_SIGNER_UNKNOWN', signature.signer);
    if (!signer.verify(message, signature)) throw new Fault('BUNDLE_SIGNATURE_WRONG', signer.id);
  }
  const signers = signatures.map(({ signer }) => signer).sort();
  const missing = [...(keys?.keys() ?? [])].find((id) => !signers.includes(id));
  if (missing !== undefined) throw new Fault('BUNDLE_ROTATION', missing);
  return { content: read, digest: contentDigest(content), signers, ...(keys ? { keys } : {}) };
}

/** Pinned signers, of their texts. Fault SIGNER_INVALID names which. */
export function readSigners(texts: readonly { readonly text: string; readonly from: string }[]): Signers {
  return signerMap(
    texts.map(({ text, from }) => {
      const signer = Signer.fromText(text.trim());
      if (!signer) throw new Fault('SIGNER_INVALID', `${from}: not a signer's public key`);
      return signer;
    }),
  );
}
