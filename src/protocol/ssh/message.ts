/**
 * The line that both sides of SSH begin with (RFC 4253 section 4.2) and the algorithms they offer (section 7.1).
 *
 *   "SSH-" protocol "-" software [SP comments] CR LF
 *   length 4 · padding 1 · 20 · cookie 16 · [length 4 · names]{10} · first follows 1 · reserved 4 · padding
 *
 * HASSH is MD5 over four of the offered lists (Salesforce's published description): the client's lists to the
 * server, or the server's lists to the client.
 */
import { hash } from 'node:crypto';
import { malformed, message, text, u8, u32 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import {
  cookieBytes,
  keyExchangeInit,
  lineLimit,
  nameLists,
  packetHeader,
  packetLimit,
  start,
} from './constants.ts';

export interface SshBanner {
  readonly protocol: string;
  readonly software: string;
  /** Bytes of the line, its end included; 0 when the end isn't there. */
  readonly length: number;
}

export type Offers = Readonly<Record<(typeof nameLists)[number], string>>;

export function recognizeSsh(bytes: Uint8Array): 'yes' | 'no' | 'more' {
  const head = text(bytes, 0, Math.min(bytes.length, start.length));
  if (!start.startsWith(head)) return 'no';
  return head.length < start.length ? 'more' : 'yes';
}

export function decodeSsh(bytes: Uint8Array): Parsed<SshBanner> {
  const line = /^SSH-([\d.]+)-([^\r\n]+)/.exec(text(bytes, 0, bytes.length, lineLimit));
  if (line === null) return malformed('ssh_banner', 0);
  const end = bytes.indexOf(0x0a);
  return message({ protocol: line[1] ?? '', software: line[2] ?? '', length: end < 0 ? 0 : end + 1 });
}

/** What a side offers, in the packet at `at`; undefined when it isn't all there. */
export function decodeKeyExchange(bytes: Uint8Array, at: number): Parsed<Offers | undefined> {
  if (at + packetHeader + 1 > bytes.length) return message(undefined);
  const length = u32(bytes, at);
  if (length > packetLimit || length < cookieBytes + 2 || u8(bytes, at + packetHeader) !== keyExchangeInit)
    return malformed('ssh_no_key_exchange', at);
  const end = at + 4 + length;
  if (end > bytes.length) return message(undefined);
  let here = at + packetHeader + 1 + cookieBytes;
  const offers: Partial<Record<(typeof nameLists)[number], string>> = {};
  for (const list of nameLists) {
    const stop = here + 4 + u32(bytes, here);
    if (here + 4 > end || stop > end) return malformed('ssh_name_list', here);
    offers[list] = text(bytes, here + 4, stop, packetLimit);
    here = stop;
  }
  return message(offers as Offers);
}

export function hassh(offers: Offers, client: boolean): string {
  const lists = client
    ? [offers.kex, offers.encryptionToServer, offers.macToServer, offers.compressionToServer]
    : [offers.kex, offers.encryptionToClient, offers.macToClient, offers.compressionToClient];
  return hash('md5', lists.join(';'));
}
