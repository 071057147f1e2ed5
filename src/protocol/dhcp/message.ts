/**
 * What a DHCP client says of itself (RFC 2131 section 2, options RFC 2132).
 *
 *   op 1 · htype 1 · hlen 1 · hops 1 · xid 4 · secs 2 · flags 2 · addresses 16 · chaddr 16 · sname 64 · file 128
 *   cookie 4 · [option 1 · length 1 · value]*
 *
 * Requests only: what a server repeats of a client is not its own. Padding (option 0) has no length.
 */
import { malformed, message, text, u8, u32 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { ethernet, magicCookie, offsets, optionLimit, options, request } from './constants.ts';

export interface DhcpRequest {
  /** The client's card, as a number. */
  readonly client: number;
  readonly hostName?: string;
  readonly vendorClass?: string;
  /** Option 55, decimal, in the client's order: clients of one make ask for the same in the same order. */
  readonly parameters?: string;
  /** Option 61 in hexadecimal, where it isn't merely the card (RFC 2132 section 9.14, RFC 4361). */
  readonly clientId?: string;
}

export const isDhcp = (bytes: Uint8Array): boolean =>
  bytes.length > offsets.cookie + 4 && u32(bytes, offsets.cookie) === magicCookie;

/** Where each option's value begins and ends. Returns where an option is cut off, undefined where none is. */
export function eachOption(
  bytes: Uint8Array,
  found: (option: number, start: number, end: number) => void,
): number | undefined {
  let at = offsets.cookie + 4;
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
    if (at + 1 >= bytes.length || end > bytes.length) return at;
    found(option, start, end);
    at = end;
  }
  return undefined;
}

export function decodeDhcp(bytes: Uint8Array): Parsed<DhcpRequest | undefined> {
  if (!isDhcp(bytes)) return malformed('dhcp_no_cookie', offsets.cookie);
  const own =
    u8(bytes, offsets.op) === request &&
    u8(bytes, offsets.hardwareType) === ethernet &&
    u8(bytes, offsets.hardwareLength) === 6;
  if (!own) return message(undefined);
  const hardware = offsets.clientHardware;
  const client =
    ((u8(bytes, hardware) << 8) | u8(bytes, hardware + 1)) * 0x1_0000_0000 + u32(bytes, hardware + 2);
  const values = new Map<number, { start: number; end: number }>();
  const broken = eachOption(bytes, (option, start, end) => {
    if (!values.has(option)) values.set(option, { start, end });
  });
  if (broken !== undefined) return malformed('dhcp_option_truncated', broken);
  const textOf = (option: number, skip = 0): string | undefined => {
    const value = values.get(option);
    return value === undefined ? undefined : text(bytes, value.start + skip, value.end);
  };
  const hostName = textOf(options.hostName) ?? textOf(options.clientName, 3);
  const vendorClass = textOf(options.vendorClass);
  const list = values.get(options.parameters);
  const id = values.get(options.clientId);
  const named = id !== undefined && id.end - id.start > 2 && u8(bytes, id.start) !== ethernet;
  const clientId = named
    ? Buffer.from(bytes.subarray(id.start, Math.min(id.end, id.start + 48))).toString('hex')
    : '';
  return message({
    client,
    ...(hostName === undefined ? {} : { hostName }),
    ...(vendorClass === undefined ? {} : { vendorClass }),
    ...(clientId === '' ? {} : { clientId }),
    ...(list === undefined ? {} : { parameters: [...bytes.subarray(list.start, list.end)].join(',') }),
  });
}
