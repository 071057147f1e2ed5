/**
 * The offline credential of a security officer: a passphrase and a sheet of printed one-time codes. Both are needed,
 * neither needs a network or a clock, so they work on the day when the coordinator is away and the time is wrong (a
 * time-based code, RFC 6238, would fail on just that day).
 *
 * Kept are scrypt hashes only (RFC 7914), in the text form
 *
 *   scrypt$<log2 N>$<r>$<p>$<salt, base64>$<hash, base64>
 *
 * A code is `<number>-XXXXX-XXXXX`: its number on the sheet, then 50 random bits in Crockford's base 32
 * (https://www.crockford.com/base32.html), read without regard to case, with I and L as 1 and O as 0.
 *
 * Surprise: a check always costs two hashes of the same size, also for an officer or a number that isn't there, and
 * says only yes or no: which part was wrong shows neither in the answer nor in its time. The hash is made off the
 * main thread.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

// ── specification ────────────────────────────────────────────────────────────────────────────────────

/** RFC 7914 section 2: N = 2^15, r = 8, p = 1 take 32 MiB and some 50 ms. */
const COST = { log2N: 15, r: 8, p: 1 } as const;

// ── implementation ───────────────────────────────────────────────────────────────────────────────────

const SALT_BYTES = 16;
const HASH_BYTES = 32;
const CODE_CHARACTERS = 10;
/** Longest secret that is hashed. */
const MAX_SECRET = 1024;
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const HASH_TEXT = /^scrypt\$15\$8\$1\$([A-Za-z0-9+/]{22}==)\$([A-Za-z0-9+/]{43}=)$/;

/** The form of a kept hash, for schemas. */
export const isSecretHash = (text: string): boolean => HASH_TEXT.test(text);

/** What the gateway keeps of an officer's credential. */
export interface OfflineCredential {
  readonly passphrase: string;
  /** Hashes of the codes; the first is number 1. */
  readonly codes: readonly string[];
}

/** A kept credential as one text: its hashes with a space between, the passphrase's first. */
export const credentialText = ({ passphrase, codes }: OfflineCredential): string =>
  [passphrase, ...codes].join(' ');

/** Undefined for text that is none. */
export function readCredential(text: string): OfflineCredential | undefined {
  const [passphrase = '', ...codes] = text.split(' ');
  return [passphrase, ...codes].every(isSecretHash) ? { passphrase, codes } : undefined;
}

function derive(secret: string, salt: Uint8Array): Promise<Buffer> {
  const { log2N, r, p } = COST;
  const N = 2 ** log2N;
  return new Promise((resolve, reject) => {
    scrypt(secret.normalize('NFKC'), salt, HASH_BYTES, { N, r, p, maxmem: 256 * N * r }, (error, key) => {
      if (error) reject(error);
      else resolve(key);
    });
  });
}

/** Hash a secret for keeping. */
export async function hashSecret(secret: string, random = randomBytes): Promise<string> {
  const salt = random(SALT_BYTES);
  const hash = await derive(secret, salt);
  const { log2N, r, p } = COST;
  return `scrypt$${log2N}$${r}$${p}$${Buffer.from(salt).toString('base64')}$${hash.toString('base64')}`;
}

/** Whether `secret` is what `kept` was made of. Without `kept` the same work is done, and the answer is no. */
async function matches(secret: string, kept: string | undefined): Promise<boolean> {
  const [, salt = '', hash = ''] = HASH_TEXT.exec(kept ?? '') ?? [];
  const known = hash !== '' && secret.length <= MAX_SECRET;
  const wanted = known ? Buffer.from(hash, 'base64') : Buffer.alloc(HASH_BYTES);
  const made = await derive(
    secret.slice(0, MAX_SECRET),
    known ? Buffer.from(salt, 'base64') : Buffer.alloc(SALT_BYTES),
  );
  return timingSafeEqual(made, wanted) && known;
}

/** A new code, without its number. */
export function newCode(random = randomBytes): string {
  let text = '';
  for (const byte of random(CODE_CHARACTERS)) text += ALPHABET[byte & 31];
  return `${text.slice(0, 5)}-${text.slice(5)}`;
}

/** A typed code: its number and its characters in their one spelling. */
export function readCode(typed: string): { readonly number: number; readonly code: string } | undefined {
  const parts = /^\s*([1-9][0-9]{0,2})[\s-]+([0-9A-Za-z]{5})[\s-]?([0-9A-Za-z]{5})\s*$/.exec(typed);
  if (!parts) return undefined;
  const [, number = '', left = '', right = ''] = parts;
  const plain = `${left}${right}`.toUpperCase().replaceAll(/[IL]/g, '1').replaceAll('O', '0');
  if (Array.from(plain).some((c) => !ALPHABET.includes(c))) return undefined;
  return { number: Number(number), code: `${plain.slice(0, 5)}-${plain.slice(5)}` };
}

export type CredentialCheck =
  | { readonly kind: 'valid'; /** The number of the code, spent by this use. */ readonly code: number }
  | { readonly kind: 'invalid' };

/** Check both parts. `spent` says which numbers were used before. `credential` is undefined for an unknown officer. */
export async function checkCredential(
  credential: OfflineCredential | undefined,
  typed: { readonly passphrase: string; readonly code: string },
  spent: (number: number) => boolean,
): Promise<CredentialCheck> {
  const read = readCode(typed.code);
  const kept = read && credential?.codes[read.number - 1];
  // One after the other, both always: no short cut, and no more memory than one hash takes.
  const passphrase = await matches(typed.passphrase, credential?.passphrase);
  const code = await matches(read?.code ?? '', kept);
  if (!read || !passphrase || !code || spent(read.number)) return { kind: 'invalid' };
  return { kind: 'valid', code: read.number };
}

/** A new credential and the sheet to print; the sheet exists nowhere else. */
export async function newCredential(
  passphrase: string,
  count: number,
  random = randomBytes,
): Promise<{ readonly credential: OfflineCredential; readonly sheet: readonly string[] }> {
  const codes = Array.from({ length: count }, () => newCode(random));
  const hashes: string[] = [];
  for (const code of codes) hashes.push(await hashSecret(code, random));
  return {
    credential: { passphrase: await hashSecret(passphrase, random), codes: hashes },
    sheet: codes.map((code, i) => `${i + 1}-${code}`),
  };
}
