/**
 * The system group in SNMP v1 and v2c responses (RFC 1157 section 4, RFC 3416 section 4, RFC 3418).
 *
 *   SEQUENCE { version, community, [2] { request-id, error, index, SEQUENCE { SEQUENCE { OID, value }* } } }
 *
 * The community is passed over: it is a password. Only what an agent answers is read.
 */
import { tlv } from '../ber.ts';
import { malformed, message, text, u8 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { bindingLimit, system, systemGroup, tags } from './constants.ts';

export interface SystemGroup {
  readonly description?: string;
  readonly name?: string;
}

export function decodeSnmp(bytes: Uint8Array): Parsed<SystemGroup | undefined> {
  const outer = tlv(bytes, 0, bytes.length);
  if (outer?.tag !== tags.sequence) return malformed('snmp_not_a_message', 0);
  const version = tlv(bytes, outer.start, outer.end);
  if (version?.tag !== tags.integer || version.end - version.start !== 1 || u8(bytes, version.start) > 1)
    return malformed('snmp_version', outer.start);
  const community = tlv(bytes, version.end, outer.end);
  if (community?.tag !== tags.octets) return malformed('snmp_community', version.end);
  const pdu = tlv(bytes, community.end, outer.end);
  if (pdu === undefined) return malformed('snmp_pdu', community.end);
  if (pdu.tag !== tags.response) return message(undefined);
  let at = pdu.start;
  for (let i = 0; i < 3; i++) {
    const number = tlv(bytes, at, pdu.end);
    if (number?.tag !== tags.integer) return malformed('snmp_pdu', at);
    at = number.end;
  }
  const list = tlv(bytes, at, pdu.end);
  if (list?.tag !== tags.sequence) return malformed('snmp_bindings', at);
  const found: { description?: string; name?: string } = {};
  at = list.start;
  for (let n = 0; at < list.end && n < bindingLimit; n++) {
    const binding = tlv(bytes, at, list.end);
    const oid = binding === undefined ? undefined : tlv(bytes, binding.start, binding.end);
    const value = binding === undefined || oid === undefined ? undefined : tlv(bytes, oid.end, binding.end);
    if (binding === undefined || oid?.tag !== tags.oid || value === undefined)
      return malformed('snmp_binding', at);
    const inGroup = oid.end - oid.start === 8 && systemGroup.every((b, i) => bytes[oid.start + i] === b);
    if (inGroup && value.tag === tags.octets) {
      const number = u8(bytes, oid.start + 6);
      if (number === system.description) found.description = text(bytes, value.start, value.end);
      else if (number === system.name) found.name = text(bytes, value.start, value.end);
    }
    at = binding.end;
  }
  return message(found);
}
