/**
 * A signed text of one signer: Ed25519 (RFC 8032) and ML-DSA-65 (FIPS 204) together, over canonical JSON (RFC 8785).
 *
 *   <magic, one line>\n
 *   signature <signer id> <base64 Ed25519, 64 bytes> <base64 ML-DSA-65, 3309 bytes>\n
 *   <content: canonical JSON, UTF-8>                                                      to the last byte
 *
 * Both signatures cover the magic followed by the content: what was signed as one thing is never another. Nothing of
 * the content is parsed before they verify.
 *
 * Surprise: a receipt is signed by a key that it brings itself. `openBrought` then parses first, to find the key, and
 * verifies after; what it returns is verified all the same.
 */
import { canonicalJson } from '../wire/canonical-json.ts';
import { ML_DSA_SIGNATURE_BYTES } from './ml-dsa.ts';
import { ED25519_SIGNATURE_BYTES, Signer } from './signer.ts';
import type { SignaturePair, SigningKey } from './signer.ts';

const SIGNATURE_LINE = /^signature ([0-9a-f]{16}) ([A-Za-z0-9+/]+={0,2}) ([A-Za-z0-9+/]+={0,2})$/;

export type Opened =
  | { readonly kind: 'value'; readonly value: unknown; readonly signer: Signer }
  | { readonly kind: 'malformed'; readonly detail: string }
  | { readonly kind: 'stranger'; readonly id: string }
  | { readonly kind: 'forged'; readonly id: string };

const signedText = (magic: string, content: string): Buffer => Buffer.from(`${magic}${content}`, 'utf8');
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** Base64 in its one form, of so many bytes. */
function decode(text: string, length: number): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === length && bytes.toString('base64') === text ? Uint8Array.from(bytes) : undefined;
}

export function signEnvelope(magic: string, content: unknown, key: SigningKey): Buffer {
  const text = canonicalJson(content);
  const { ed25519, mlDsa65 } = key.sign(signedText(magic, text));
  return Buffer.from(
    `${magic}signature ${key.signer.id} ${base64(ed25519)} ${base64(mlDsa65)}\n${text}`,
    'utf8',
  );
}

interface Parts {
  readonly id: string;
  readonly signatures: SignaturePair;
  readonly content: string;
}

function split(magic: string, bytes: Uint8Array): Parts | string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return 'it is not UTF-8';
  }
  if (!text.startsWith(magic)) return 'it does not begin as one does';
  const end = text.indexOf('\n', magic.length);
  if (end < 0) return 'it ends in its signature';
  const [, id, first = '', second = ''] = SIGNATURE_LINE.exec(text.slice(magic.length, end)) ?? [];
  const ed25519 = decode(first, ED25519_SIGNATURE_BYTES);
  const mlDsa65 = decode(second, ML_DSA_SIGNATURE_BYTES);
  if (id === undefined || !ed25519 || !mlDsa65) return 'it has no whole signature';
  return { id, signatures: { ed25519, mlDsa65 }, content: text.slice(end + 1) };
}

function parse(content: string): { readonly value: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(content);
    return canonicalJson(value) === content && !content.includes('"__proto__":') ? { value } : undefined;
  } catch {
    return undefined;
  }
}

/** Never throws. */
export function openEnvelope(magic: string, bytes: Uint8Array, signers: readonly Signer[]): Opened {
  const parts = split(magic, bytes);
  if (typeof parts === 'string') return { kind: 'malformed', detail: parts };
  const signer = signers.find(({ id }) => id === parts.id);
  if (!signer) return { kind: 'stranger', id: parts.id };
  if (!signer.verify(signedText(magic, parts.content), parts.signatures))
    return { kind: 'forged', id: parts.id };
  const read = parse(parts.content);
  return read
    ? { kind: 'value', ...read, signer }
    : { kind: 'malformed', detail: 'it is not canonical JSON' };
}

/** As `openEnvelope`, of a signer whose text `find` takes from the content. Never throws. */
export function openBrought(
  magic: string,
  bytes: Uint8Array,
  find: (value: unknown) => string | undefined,
): Opened {
  const parts = split(magic, bytes);
  if (typeof parts === 'string') return { kind: 'malformed', detail: parts };
  const read = parse(parts.content);
  if (!read) return { kind: 'malformed', detail: 'it is not canonical JSON' };
  const signer = Signer.fromText(find(read.value) ?? '');
  return signer ? openEnvelope(magic, bytes, [signer]) : { kind: 'malformed', detail: 'it brings no key' };
}
