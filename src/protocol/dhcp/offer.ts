/**
 * What a DHCP server hands out (RFC 2131 section 2; options 3, 6, 53 and 54 of RFC 2132): an OFFER or ACK with its
 * server identifier and the router it names. What it repeats of the client is left out.
 */
import { malformed, message, u8, u32 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { offsets, optionLimit, options } from './constants.ts';
import { isDhcp } from './message.ts';

const reply = 2;
const offer = { router: 3, messageType: 53, server: 54, OFFER: 2, ACK: 5 } as const;
/** `yiaddr`: the address that is handed out. */
const yourAddress = 16;

export interface DhcpOffer {
  /** Addresses as numbers; 0 where there is none. */
  readonly server: number;
  readonly router: number;
  readonly given: number;
}

export function decodeDhcpOffer(bytes: Uint8Array): Parsed<DhcpOffer | undefined> {
  if (!isDhcp(bytes)) return malformed('dhcp_no_cookie', offsets.cookie);
  if (u8(bytes, offsets.op) !== reply) return message(undefined);
  let at = offsets.cookie + 4;
  let type = 0;
  let server = 0;
  let router = 0;
  for (let n = 0; at < bytes.length && n < optionLimit; n++) {
    const option = u8(bytes, at);
    if (option === options.end) break;
    if (option === options.pad) {
      at++;
      n--;
      continue;
    }
    const start = at + 2;
    const end = start + u8(bytes, at + 1);
    if (at + 1 >= bytes.length || end > bytes.length) return malformed('dhcp_option_truncated', at);
    if (option === offer.messageType && end > start) type = u8(bytes, start);
    else if (option === offer.server && end - start === 4) server = u32(bytes, start);
    else if (option === offer.router && end - start >= 4) router = u32(bytes, start);
    at = end;
  }
  if ((type !== offer.OFFER && type !== offer.ACK) || server === 0) return message(undefined);
  return message({ server, router, given: u32(bytes, yourAddress) });
}
