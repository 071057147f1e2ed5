/**
 * The form of a policy bundle: framing, canonical bytes, making one. The layout is in `wire/bundle.ts`; whether one
 * may be believed is `bundle-verify.ts`, and what is in it `bundle-content.ts`.
 *
 * Canonical bytes are those of RFC 8785: readable, the same for the same content on any machine, and without two
 * readings (no second spelling of a number or a string, no key twice, no white space).
 */
import { hash } from 'node:crypto';
import { ED25519_SIGNATURE_BYTES } from '../crypto/signer.ts';
import type { SignaturePair, SigningKey } from '../crypto/signer.ts';
import { ML_DSA_SIGNATURE_BYTES } from '../crypto/ml-dsa.ts';
import { BUNDLE_MAGIC, MAX_BUNDLE_BYTES, MAX_SIGNATURES, bundleContent } from '../wire/bundle.ts';
import type { BundleSource } from '../wire/bundle.ts';
import { canonicalJson } from '../wire/canonical-json.ts';
import { Fault, isFault } from '../wire/errors.ts';

const SIGNATURE_LINE = /^signature ([0-9a-f]{16}) ([A-Za-z0-9+/]+={0,2}) ([A-Za-z0-9+/]+={0,2})$/;
const CONTENT_LINE = /^content ([1-9][0-9]{0,7})$/;
/** No line before the content is longer. */
const MAX_LINE = 4600;
const NEWLINE = 0x0a;

/** What a kind of bundle begins with, which is signed too, and how long one may be. */
export interface BundleForm {
  readonly magic: string;
  readonly maxBytes: number;
}
const policyForm: BundleForm = { magic: BUNDLE_MAGIC, maxBytes: MAX_BUNDLE_BYTES };

export interface BundleSignature extends SignaturePair {
  readonly signer: string;
}

/** The parts of a bundle, nothing of it believed or parsed yet. */
export interface FramedBundle {
  readonly signatures: readonly BundleSignature[];
  readonly content: Uint8Array;
}

export type Framing =
  | ({ readonly kind: 'bundle' } & FramedBundle)
  | { readonly kind: 'malformed'; readonly offset: number; readonly detail: string }
  | { readonly kind: 'too-large' };

/** The bytes that both signatures of every signer cover. */
export const signedBytes = (content: Uint8Array, { magic } = policyForm): Buffer =>
  Buffer.concat([Buffer.from(magic, 'latin1'), content]);

/** SHA-256 of the content, hexadecimal: the bundle's name, whoever signed it. */
export const contentDigest = (content: Uint8Array): string => hash('sha256', content, 'hex');

/** Base64 in its one canonical form, RFC 4648 section 3.5, of so many bytes; undefined for anything else. */
function decode(text: string, length: number): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === length && bytes.toString('base64') === text ? Uint8Array.from(bytes) : undefined;
}

/** Take the framing off. Copies nothing of the content. */
export function unframe(bytes: Uint8Array, { magic, maxBytes } = policyForm): Framing {
  if (bytes.length > maxBytes) return { kind: 'too-large' };
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const malformed = (offset: number, detail: string): Framing => ({ kind: 'malformed', offset, detail });
  if (!text.subarray(0, magic.length).equals(Buffer.from(magic, 'latin1')))
    return malformed(0, 'it does not begin as a bundle does');
  const signatures: BundleSignature[] = [];
  let at = magic.length;
  for (;;) {
    const end = text.subarray(at, at + MAX_LINE).indexOf(NEWLINE);
    if (end < 0) return malformed(at, 'a line without an end');
    const line = text.toString('latin1', at, at + end);
    const next = at + end + 1;
    const length = CONTENT_LINE.exec(line)?.[1];
    if (length !== undefined) {
      const content = bytes.subarray(next);
      if (content.length !== Number(length))
        return malformed(at, `${length} bytes of content are announced, ${content.length} are there`);
      if (signatures.length === 0) return malformed(at, 'no signature');
      return { kind: 'bundle', signatures, content };
    }
    const [, signer, first = '', second = ''] = SIGNATURE_LINE.exec(line) ?? [];
    const ed25519 = decode(first, ED25519_SIGNATURE_BYTES);
    const mlDsa65 = decode(second, ML_DSA_SIGNATURE_BYTES);
    if (signer === undefined || !ed25519 || !mlDsa65)
      return malformed(at, 'a line that is neither a signature nor the content’s');
    if (signatures.length === MAX_SIGNATURES) return malformed(at, `more than ${MAX_SIGNATURES} signatures`);
    if (signatures.some((each) => each.signer === signer)) return malformed(at, `${signer} signed twice`);
    signatures.push({ signer, ed25519, mlDsa65 });
    at = next;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The value that canonical content holds. Fault BUNDLE_MALFORMED. */
export function contentValue(content: Uint8Array): unknown {
  try {
    const text = utf8.decode(content);
    const value: unknown = JSON.parse(text);
    if (canonicalJson(value) !== text) throw new Fault('BUNDLE_MALFORMED', 'it is not in canonical form');
    // What this name does to an object isn't what a key does.
    if (text.includes('"__proto__":')) throw new Fault('BUNDLE_MALFORMED', 'a key is named __proto__');
    return value;
  } catch (cause) {
    if (isFault(cause, 'BUNDLE_MALFORMED')) throw cause;
    const why = isFault(cause) ? cause.detail : cause instanceof Error ? cause.message : String(cause);
    throw new Fault('BUNDLE_MALFORMED', why, { cause });
  }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** A bundle's bytes. Fault BUNDLE_INVALID for content of another shape, BUNDLE_TOO_LARGE. */
export function signBundle(source: BundleSource, keys: readonly SigningKey[]): Buffer {
  const checked = bundleContent.safeParse(source);
  if (!checked.success) {
    const { path = [], message = '' } = checked.error.issues[0] ?? {};
    throw new Fault('BUNDLE_INVALID', `${path.map(String).join('.')}: ${message}`);
  }
  // As it was written, not as it was read: defaults belong to the version that reads it.
  return frame(Buffer.from(canonicalJson(source), 'utf8'), keys);
}

const signatureLine = ({ signer, ed25519, mlDsa65 }: BundleSignature): string =>
  `signature ${signer} ${base64(ed25519)} ${base64(mlDsa65)}\n`;

/** Sign content that is canonical bytes already, beside those that signed it before. Fault BUNDLE_TOO_LARGE. */
export function frame(
  content: Uint8Array,
  keys: readonly SigningKey[],
  before: readonly BundleSignature[] = [],
  form: BundleForm = policyForm,
): Buffer {
  const message = signedBytes(content, form);
  const added = keys.map((key) => ({ signer: key.signer.id, ...key.sign(message) }));
  const lines = [...before, ...added].map(signatureLine);
  const head = `${form.magic}${lines.join('')}content ${content.length}\n`;
  const bytes = Buffer.concat([Buffer.from(head, 'latin1'), content]);
  if (bytes.length > form.maxBytes) throw new Fault('BUNDLE_TOO_LARGE', `${bytes.length} bytes`);
  return bytes;
}
