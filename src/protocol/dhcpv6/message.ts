/**
 * What a DHCPv6 client says of itself (RFC 8415 section 8).
 *
 *   type 1 · transaction 3 · [option 2 · length 2 · value]*
 *   vendor class  enterprise 4 · [length 2 · text]*         DUID  kind 2 · …, of which enterprise 4 for kind 2
 *
 * Relays wrap what clients say in messages of their own types, which are not read.
 */
import { malformed, message, text, u8, u16, u32 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { clientMessages, duid, limits, options } from './constants.ts';

export interface Dhcpv6Request {
  readonly hostName?: string;
  readonly vendorClass?: string;
  /** Private enterprise number of the maker, from the vendor class or the DUID. */
  readonly enterprise?: number;
  /** Requested options, decimal, in the client's order. */
  readonly parameters?: string;
  /** Kind of the DUID. */
  readonly duid?: number;
  /** The DUID itself in hexadecimal (section 11): one a machine, whichever card it uses. */
  readonly client?: string;
}

/** Labels of RFC 1035 section 3.1, without pointers. */
function domainName(bytes: Uint8Array, start: number, end: number): string {
  const labels: string[] = [];
  for (let at = start; at < end;) {
    const length = u8(bytes, at);
    if (length === 0 || length > 63 || at + 1 + length > end) break;
    labels.push(text(bytes, at + 1, at + 1 + length));
    at += 1 + length;
  }
  return labels.join('.');
}

export function decodeDhcpv6(bytes: Uint8Array): Parsed<Dhcpv6Request | undefined> {
  if (bytes.length < 4) return malformed('dhcpv6_truncated', bytes.length);
  if (!clientMessages.has(u8(bytes, 0))) return message(undefined);
  const found: { -readonly [K in keyof Dhcpv6Request]: Dhcpv6Request[K] } = {};
  let at = 4;
  for (let n = 0; n < limits.options && at + 4 <= bytes.length; n++) {
    const start = at + 4;
    const end = start + u16(bytes, at + 2);
    if (end > bytes.length) return malformed('dhcpv6_option_truncated', at);
    const kind = u16(bytes, at);
    if (kind === options.clientId && end >= start + 2) {
      found.duid = u16(bytes, start);
      found.client = Buffer.from(bytes.subarray(start, Math.min(end, start + 48))).toString('hex');
      if (found.duid === duid.enterprise && end >= start + 6) found.enterprise ??= u32(bytes, start + 2);
    } else if (kind === options.request) {
      const list: number[] = [];
      for (let here = start; here + 2 <= end && list.length < limits.requested; here += 2)
        list.push(u16(bytes, here));
      found.parameters = list.join(',');
    } else if (kind === options.vendorClass && end >= start + 6) {
      found.enterprise = u32(bytes, start);
      found.vendorClass = text(bytes, start + 6, Math.min(end, start + 6 + u16(bytes, start + 4)));
    } else if (kind === options.clientName && end > start + 1) {
      const name = domainName(bytes, start + 1, end);
      if (name !== '') found.hostName = name;
    }
    at = end;
  }
  return message(found);
}
