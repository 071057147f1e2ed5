/**
 * Key files of the tunnel, as `wg genkey` and `wg genpsk` write them: 32 bytes in base64, one line. A file that its
 * group or others may read is refused: whoever can read the key is the gateway.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { SecretKey } from '../crypto/secret-key.ts';
import { Fault } from '../wire/errors.ts';
import { publicKeyText } from '../wire/ids.ts';

const MAX_KEY_FILE_BYTES = 64;

/** Fault CONFIG_INVALID names the file and what is wrong with it, never its content. */
export function readKeyFile(file: string): SecretKey {
  const refuse = (what: string, cause?: unknown): Fault =>
    new Fault('CONFIG_INVALID', `${file}: ${what}`, cause === undefined ? {} : { cause });
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (cause) {
    throw refuse(cause instanceof Error ? cause.message : 'it cannot be opened', cause);
  }
  const bytes = Buffer.alloc(MAX_KEY_FILE_BYTES + 1);
  try {
    const { mode } = fstatSync(fd);
    if ((mode & 0o077) !== 0)
      throw refuse(`a key file must be its owner's alone (mode ${(mode & 0o777).toString(8)})`);
    const length = readSync(fd, bytes);
    const text = bytes.toString('latin1', 0, length).trim();
    // The same form as a public key's: 43 characters that hold 32 bytes exactly, and `=`.
    if (length > MAX_KEY_FILE_BYTES || !publicKeyText.safeParse(text).success)
      throw refuse('not a key: 32 bytes in base64, in one line');
    return SecretKey.take(Buffer.from(text, 'base64'));
  } finally {
    bytes.fill(0);
    closeSync(fd);
  }
}
