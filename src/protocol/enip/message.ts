/**
 * EtherNet/IP: its encapsulation, and the answer to List Identity, which engineering tools ask the whole link for.
 *
 *   header   command 2 · length 2 · session 4 · status 4 · context 8 · options 4 (zero)
 *   answer   items 2 · [type 2 (0C) · length 2 · version 2 · family 2, port 2, address 4, zeros 8 (big-endian)
 *            · vendor 2 · device type 2 · product code 2 · revision 1.1 · status 2 · serial 4 · length 1 · product name · state 1]
 *
 * All little-endian but the socket address. Identities that are asked for through a backplane (Unconnected Send) are those
 * of other modules and not read.
 */
import { malformed, message, text, u8, u16le, u32le } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { commands, header, identityItem, itemLimit, lengths, statuses } from './constants.ts';

export interface EnipIdentity {
  readonly vendorId: number;
  readonly deviceType: number;
  readonly productCode: number;
  readonly revision: string;
  /** Eight hexadecimal digits. */
  readonly serial: string;
  readonly product: string;
}

export interface EnipUnit {
  /** Bytes of the unit. */
  readonly length: number;
  /** Of an answer to List Identity. */
  readonly identity?: EnipIdentity;
}

/** The header has no mark of its own: command, length, status and the zeros must agree. */
export function recognizeEnip(bytes: Uint8Array): 'yes' | 'no' | 'more' {
  const allowed = lengths[u8(bytes, 0)];
  if (allowed === undefined || (bytes.length > 1 && u8(bytes, 1) !== 0)) return 'no';
  if (bytes.length < header.bytes) return 'more';
  const length = u16le(bytes, header.lengthAt);
  const [least, most] = allowed;
  const plausible =
    length >= least &&
    length <= most &&
    statuses.has(u32le(bytes, header.statusAt)) &&
    u32le(bytes, header.optionsAt) === 0;
  if (!plausible) return 'no';
  // Version 1, no options.
  if (u8(bytes, 0) !== commands.register) return 'yes';
  if (bytes.length < header.bytes + 4) return 'more';
  return u16le(bytes, header.bytes) === 1 && u16le(bytes, header.bytes + 2) === 0 ? 'yes' : 'no';
}

/** The unit at `at`. */
export function decodeEnip(bytes: Uint8Array, at = 0): Parsed<EnipUnit> {
  const unit = bytes.subarray(at);
  if (recognizeEnip(unit) !== 'yes') return malformed('enip_header', at);
  const length = header.bytes + u16le(unit, header.lengthAt);
  if (u8(unit, 0) !== commands.listIdentity || length === header.bytes) return message({ length });
  if (unit.length < length) return malformed('enip_truncated', at);
  let here = header.bytes + 2;
  for (let n = Math.min(u16le(unit, header.bytes), itemLimit); n > 0; n--) {
    const end = here + 4 + u16le(unit, here + 2);
    if (end > length) return malformed('enip_item', at + here);
    if (u16le(unit, here) === identityItem.type) {
      const identity = readIdentity(unit.subarray(here + 4, end));
      return identity === undefined ? malformed('enip_identity', at + here) : message({ length, identity });
    }
    here = end;
  }
  return message({ length });
}

function readIdentity(item: Uint8Array): EnipIdentity | undefined {
  const { nameAt, revisionAt } = identityItem;
  const end = nameAt + 1 + u8(item, nameAt);
  if (item.length < end) return undefined;
  return {
    vendorId: u16le(item, identityItem.vendorAt),
    deviceType: u16le(item, identityItem.typeAt),
    productCode: u16le(item, identityItem.codeAt),
    revision: `${u8(item, revisionAt)}.${String(u8(item, revisionAt + 1)).padStart(3, '0')}`,
    serial: u32le(item, identityItem.serialAt).toString(16).padStart(8, '0'),
    product: text(item, nameAt + 1, end).trim(),
  };
}
