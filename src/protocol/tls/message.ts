/**
 * The first flight of TLS: who the client wants to reach.
 *
 *   record 16 · version 2 · length 2 · handshake type 1 · length 3
 *   ClientHello  version 2 · random 32 · session 1+n · ciphers 2+n · compression 1+n · extensions 2+n
 */
import { malformed, message, text, u8, u16 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import {
  clientHello,
  extensionLimit,
  handshake,
  recordHeader,
  serverHello,
  serverNameExtension,
} from './constants.ts';

export interface TlsHello {
  readonly client: boolean;
  readonly serverName?: string;
}

export function recognizeTls(bytes: Uint8Array): 'yes' | 'no' | 'more' {
  if (u8(bytes, 0) !== handshake) return 'no';
  if (bytes.length < recordHeader + 1) return 'more';
  const type = u8(bytes, recordHeader);
  const plausible = u8(bytes, 1) === 3 && u8(bytes, 2) <= 4 && u16(bytes, 3) <= 0x4000;
  return plausible && (type === clientHello || type === serverHello) ? 'yes' : 'no';
}

/** Reads what is there: a hello that is cut short has no name. */
export function decodeTls(bytes: Uint8Array): Parsed<TlsHello> {
  if (recognizeTls(bytes) !== 'yes') return malformed('tls_no_hello', 0);
  if (u8(bytes, recordHeader) !== clientHello) return message({ client: false });
  let at = recordHeader + 4 + 34;
  at += 1 + u8(bytes, at);
  at += 2 + u16(bytes, at);
  at += 1 + u8(bytes, at);
  const end = Math.min(bytes.length, at + 2 + u16(bytes, at));
  at += 2;
  for (let n = 0; n < extensionLimit && at + 4 <= end; n++) {
    const length = u16(bytes, at + 2);
    if (u16(bytes, at) === serverNameExtension && length > 5 && at + 4 + length <= end) {
      const start = at + 9;
      return message({ client: true, serverName: text(bytes, start, start + u16(bytes, at + 7)) });
    }
    at += 4 + length;
  }
  return message({ client: true });
}
