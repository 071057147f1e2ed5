/**
 * Who may sign policy: a signer is a pair of public keys, Ed25519 (RFC 8032) and ML-DSA-65 (FIPS 204), that sign
 * together. Neither signature counts without the other.
 *
 *   anteroom-signer:<id>:<base64 of Ed25519 key (32 bytes) || ML-DSA-65 key (1952 bytes)>
 *
 * The id is the first 8 bytes, in hexadecimal, of SHA-256 over the 1984 bytes: it names a signer, it doesn't vouch
 * for one. Base64 has its one canonical form (RFC 4648 section 3.5).
 */
import * as z from 'zod';

/** A signer by the digest of its keys. */
export const signerId = z
  .string()
  .regex(/^[0-9a-f]{16}$/, 'must be a signer id: 16 hexadecimal digits')
  .brand<'SignerId'>();
export type SignerId = z.infer<typeof signerId>;

/** Both public keys as text, in one line. */
export const signerText = z
  .string()
  .regex(
    /^anteroom-signer:[0-9a-f]{16}:[A-Za-z0-9+/]{2645}[AQgw]==$/,
    'must be a signer: anteroom-signer:<id>:<base64>',
  )
  .brand<'SignerText'>();
export type SignerText = z.infer<typeof signerText>;
