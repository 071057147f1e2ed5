/**
 * Bytes for one reader: ChaCha20-Poly1305 (RFC 8439) under a key that is used once, so its nonce is zero.
 *
 *   to a device    ephemeral X25519 key, 32 bytes ‖ ciphertext ‖ tag, 16 bytes
 *                  key = HKDF-SHA-256 (RFC 5869) of the shared secret, salt = ephemeral ‖ device, info = the context
 *   to a code      ciphertext ‖ tag; key = scrypt (RFC 7914, N = 2^15, r = 8, p = 1) of the code, with a random salt
 *
 * `context` is authenticated with it. Nothing here says who sent it: the caller verifies a signature over the whole.
 *
 * Surprise: X25519 alone. The code of a device has to fit a screen and a QR code, which an ML-KEM key doesn't; what is
 * sealed holds a one-time token and a site's addresses, no key.
 */
import { hkdfSync, randomBytes, scrypt } from 'node:crypto';
import { counterNonce, open, seal } from './aead.ts';
import { PUBLIC_KEY_BYTES, PublicKey } from './public-key.ts';
import { SecretKey } from './secret-key.ts';
import { dh, generateKeyPair } from './x25519.ts';
import type { KeyPair } from './x25519.ts';

const KEY_BYTES = 32;
const SCRYPT = { N: 2 ** 15, r: 8, p: 1, maxmem: 256 * 2 ** 15 * 8 } as const;
const NONCE = (): Uint8Array => counterNonce(0);
const contextBytes = (context: string): Buffer => Buffer.from(context, 'utf8');

/** The key of both sides: `secret` is one's own, `remote` the other's public key. Undefined for a point of small order. */
function exchanged(
  secret: SecretKey,
  remote: PublicKey,
  { ephemeral, device }: { readonly ephemeral: PublicKey; readonly device: PublicKey },
  context: string,
): SecretKey | undefined {
  const shared = dh(secret, remote);
  if (!shared) return undefined;
  const salt = Buffer.concat([ephemeral.bytes, device.bytes]);
  const key = shared.use((bytes) => hkdfSync('sha256', bytes, salt, contextBytes(context), KEY_BYTES));
  shared.wipe();
  return SecretKey.take(new Uint8Array(key));
}

function ofCode(code: string, salt: Uint8Array): Promise<SecretKey> {
  return new Promise((resolve, reject) => {
    scrypt(code, salt, KEY_BYTES, SCRYPT, (error, key) => {
      if (error) reject(error);
      else resolve(SecretKey.take(key));
    });
  });
}

function sealWith(key: SecretKey, context: string, plain: Uint8Array): Uint8Array {
  try {
    return key.use((bytes) => seal(bytes, NONCE(), contextBytes(context), plain));
  } finally {
    key.wipe();
  }
}

function openWith(key: SecretKey, context: string, sealed: Uint8Array): Uint8Array | undefined {
  try {
    return key.use((bytes) => open(bytes, NONCE(), contextBytes(context), sealed));
  } finally {
    key.wipe();
  }
}

/** Undefined for a device key that is a point of small order. */
export function sealToDevice(
  device: PublicKey,
  context: string,
  plain: Uint8Array,
  random = randomBytes,
): Uint8Array | undefined {
  const { secret, public: ephemeral } = generateKeyPair(random(KEY_BYTES));
  const key = exchanged(secret, device, { ephemeral, device }, context);
  secret.wipe();
  return key && Buffer.concat([ephemeral.bytes, sealWith(key, context, plain)]);
}

/** Undefined for anything that isn't authentic. */
export function openAsDevice(own: KeyPair, context: string, sealed: Uint8Array): Uint8Array | undefined {
  const ephemeral = PublicKey.fromBytes(sealed.subarray(0, PUBLIC_KEY_BYTES));
  const key = ephemeral && exchanged(own.secret, ephemeral, { ephemeral, device: own.public }, context);
  return key && openWith(key, context, sealed.subarray(PUBLIC_KEY_BYTES));
}

/** `salt` is random, for this code alone. */
export async function sealToCode(
  code: string,
  salt: Uint8Array,
  context: string,
  plain: Uint8Array,
): Promise<Uint8Array> {
  return sealWith(await ofCode(code, salt), context, plain);
}

/** Undefined for a wrong code and for anything that isn't authentic. */
export async function openWithCode(
  code: string,
  salt: Uint8Array,
  context: string,
  sealed: Uint8Array,
): Promise<Uint8Array | undefined> {
  return openWith(await ofCode(code, salt), context, sealed);
}
