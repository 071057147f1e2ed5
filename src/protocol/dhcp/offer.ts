/**
 * What a DHCP server hands out (RFC 2131 section 2; options 3, 6, 53 and 54 of RFC 2132): an OFFER or ACK with its
 * server identifier and the router it names. What it repeats of the client is left out.
 */
import { malformed, message, u8, u32 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { offsets } from './constants.ts';
import { eachOption, isDhcp } from './message.ts';

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
  let type = 0;
  let server = 0;
  let router = 0;
  const broken = eachOption(bytes, (option, start, end) => {
    if (option === offer.messageType && end > start) type = u8(bytes, start);
    else if (option === offer.server && end - start === 4) server = u32(bytes, start);
    else if (option === offer.router && end - start >= 4) router = u32(bytes, start);
  });
  if (broken !== undefined) return malformed('dhcp_option_truncated', broken);
  if ((type !== offer.OFFER && type !== offer.ACK) || server === 0) return message(undefined);
  return message({ server, router, given: u32(bytes, yourAddress) });
}
