/**
 * The X.224 connection request and confirm that begin Remote Desktop.
 *
 *   TPKT 3 · 0 · length 2 · X.224 length 1 · E0|D0 · references 4 · class 1
 *   request   ["Cookie: " text CR LF] · [1 · flags 1 · 8 0 · protocols 4 LE]
 *   confirm   [2|3 · flags 1 · 8 0 · protocol or failure code 4 LE]
 *
 * The cookie holds a user's name, so that there is one is all that is told. Siemens S7 begins with the same
 * PDU but with parameters of its own.
 */
import { malformed, message, text, u8, u16, u16le, u32le } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { cookie, negotiation, pdu, pduLimit, protocols, tpkt } from './constants.ts';

export interface RdpConnection {
  readonly client: boolean;
  /** The request has a cookie, which names a user or a session of a farm. */
  readonly cookie: boolean;
  /** Protocols that the client offers, or the one that the server chose; `RDP` is the old encryption. */
  readonly security?: string;
}

const FIRST = tpkt.header + pdu.fixed;

export function recognizeRdp(bytes: Uint8Array): 'yes' | 'no' | 'more' {
  if (u8(bytes, 0) !== tpkt.version || u8(bytes, 1) !== 0) return 'no';
  if (bytes.length < FIRST) return 'more';
  const length = u16(bytes, 2);
  const type = u8(bytes, 5);
  if (length < FIRST || length > pduLimit || u8(bytes, 4) !== length - tpkt.header - 1) return 'no';
  if (type !== pdu.request && type !== pdu.confirm) return 'no';
  if (length === FIRST) return 'yes';
  if (bytes.length < FIRST + 4) return 'more';
  const kind = u8(bytes, FIRST);
  const negotiates = kind >= negotiation.request && kind <= negotiation.failure;
  if (negotiates && u16le(bytes, FIRST + 2) === negotiation.length) return 'yes';
  return cookie.startsWith(text(bytes, FIRST, FIRST + 4)) ? 'yes' : 'no';
}

const named = (bits: number): string =>
  protocols
    .filter(([bit]) => (bits & bit) !== 0)
    .map(([, name]) => name)
    .join('+') || 'RDP';

export function decodeRdp(bytes: Uint8Array): Parsed<RdpConnection> {
  if (recognizeRdp(bytes) !== 'yes') return malformed('rdp_no_connection', 0);
  const end = u16(bytes, 2);
  if (end > bytes.length) return malformed('rdp_truncated', bytes.length);
  const client = u8(bytes, 5) === pdu.request;
  let at: number = FIRST;
  const hasCookie = text(bytes, at, at + cookie.length) === cookie;
  if (hasCookie) {
    const line = bytes.indexOf(0x0a, at);
    if (line < 0 || line >= end) return malformed('rdp_cookie_open', at);
    at = line + 1;
  }
  const kind = at + negotiation.length <= end ? u8(bytes, at) : 0;
  const security =
    kind === negotiation.request || kind === negotiation.response
      ? named(u32le(bytes, at + 4))
      : kind === 0
        ? 'RDP'
        : undefined;
  return message({ client, cookie: hasCookie, ...(security === undefined ? {} : { security }) });
}
