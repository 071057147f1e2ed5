/**
 * Signed notes: C2SP signed-note with Ed25519 (RFC 8032). https://c2sp.org/signed-note
 *
 *   text, every line of it ended by a newline
 *                                                     empty line
 *   — anteroom/clinic-north/audit Az3grlgtzPICa…      key name, base64 of key id (4 bytes) and signature (64 bytes)
 *
 * The signature covers the text with its last newline. A verifier key is one line,
 * `<name>+<key id in hexadecimal>+<base64 of 0x01 and the public key>`.
 *
 * Surprise: signature lines of keys one doesn't know are skipped, not refused, so that witnesses can add theirs.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, hash, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { Fault } from '../wire/errors.ts';

/** signed-note: signature type of Ed25519, and sizes. */
const TYPE_ED25519 = 0x01;
const KEY_ID_BYTES = 4;
const SIGNATURE_BYTES = 64;
const PUBLIC_KEY_BYTES = 32;
/** DER SubjectPublicKeyInfo of Ed25519 up to the key, RFC 8410 section 4. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
/** A note with a few witnesses is below 4 KiB. */
const MAX_NOTE_CHARACTERS = 64 * 1024;

/** The public half: a name and a key. */
export interface VerifierKey {
  readonly name: string;
  readonly id: Uint8Array;
  readonly key: KeyObject;
}

/** The private half, which only signs. */
export interface NoteSigner {
  readonly verifier: VerifierKey;
  /** The whole note; `text` ends in a newline. */
  sign(text: string): string;
}

/** A new signing key, PKCS#8 in PEM: for a file that one process alone can read. */
export function generateSigningKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

export function openSigner(name: string, pem: string): NoteSigner {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw new Fault('AUDIT_UNAVAILABLE', 'the signing key is not a private key', { cause });
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new Fault('AUDIT_UNAVAILABLE', 'the signing key is not an Ed25519 key');
  }
  const verifier = verifierOf(name, createPublicKey(key));
  return {
    verifier,
    sign: (text) => {
      const signature = sign(null, Buffer.from(text, 'utf8'), key);
      return `${text}\n— ${name} ${Buffer.concat([verifier.id, signature]).toString('base64')}\n`;
    },
  };
}

function rawPublicKey(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' }).subarray(SPKI_PREFIX.length);
}

/** signed-note: the key id is the start of SHA-256(name || 0x0A || type || public key). */
function verifierOf(name: string, key: KeyObject): VerifierKey {
  if (!isKeyName(name)) throw new Fault('AUDIT_UNAVAILABLE', 'a key name has no spaces and no plus sign');
  const id = hash(
    'sha256',
    Buffer.concat([Buffer.from(`${name}\n`, 'utf8'), Uint8Array.of(TYPE_ED25519), rawPublicKey(key)]),
    'buffer',
  ).subarray(0, KEY_ID_BYTES);
  return { name, id, key };
}

const isKeyName = (name: string): boolean => name !== '' && !/[\s+]/u.test(name);

export function formatVerifierKey({ name, id, key }: VerifierKey): string {
  const typed = Buffer.concat([Uint8Array.of(TYPE_ED25519), rawPublicKey(key)]);
  return `${name}+${Buffer.from(id).toString('hex')}+${typed.toString('base64')}`;
}

/** The key in `text`, or undefined when it isn't one or its id doesn't fit its content. */
export function parseVerifierKey(text: string): VerifierKey | undefined {
  const [, name = '', id = '', base64 = ''] =
    /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(text.trim()) ?? [];
  const typed = decodeBase64(base64);
  if (!isKeyName(name) || typed?.length !== 1 + PUBLIC_KEY_BYTES || typed[0] !== TYPE_ED25519)
    return undefined;
  const key = createPublicKey({
    key: Buffer.concat([SPKI_PREFIX, typed.subarray(1)]),
    format: 'der',
    type: 'spki',
  });
  const verifier = verifierOf(name, key);
  return Buffer.from(verifier.id).toString('hex') === id ? verifier : undefined;
}

export type OpenedNote =
  | { readonly kind: 'note'; readonly text: string; readonly signed: boolean }
  | { readonly kind: 'malformed'; readonly detail: string };

/** Read a note; `signed` tells whether `key` signed it, false without a key. A wrong signature of `key` is malformed. */
export function openNote(note: string, key?: VerifierKey): OpenedNote {
  const malformed = (detail: string): OpenedNote => ({ kind: 'malformed', detail });
  if (note.length > MAX_NOTE_CHARACTERS) return malformed('too long');
  const split = note.lastIndexOf('\n\n');
  if (split < 0 || !note.endsWith('\n')) return malformed('not a signed note');
  const text = note.slice(0, split + 1);
  let signed = false;
  for (const line of note.slice(split + 2, -1).split('\n')) {
    const [, name = '', base64 = ''] = /^— (\S+) (\S+)$/u.exec(line) ?? [];
    const bytes = decodeBase64(base64);
    if (!bytes || bytes.length <= KEY_ID_BYTES) return malformed('a line that is no signature');
    if (!key || name !== key.name || !bytes.subarray(0, KEY_ID_BYTES).equals(Buffer.from(key.id))) continue;
    const signature = bytes.subarray(KEY_ID_BYTES);
    if (
      signature.length !== SIGNATURE_BYTES ||
      !verify(null, Buffer.from(text, 'utf8'), key.key, signature)
    ) {
      return malformed('the signature is wrong');
    }
    signed = true;
  }
  return { kind: 'note', text, signed };
}

/** Base64 in its one canonical form, RFC 4648 section 4; undefined for anything else. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return text !== '' && bytes.toString('base64') === text ? bytes : undefined;
}
