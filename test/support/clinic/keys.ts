/** Keys of a run, made when it starts and gone with its folder: what `wg genkey`, `wg pubkey` and `wg genpsk` make. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';

export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

export function makeKeyPair(): KeyPair {
  const { privateKey } = generateKeyPairSync('x25519');
  const jwk = privateKey.export({ format: 'jwk' });
  const base64 = (text = ''): string => Buffer.from(text, 'base64url').toString('base64');
  return { privateKey: base64(jwk.d), publicKey: base64(jwk.x) };
}

export const makePresharedKey = (): string => randomBytes(32).toString('base64');
