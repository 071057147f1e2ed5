/**
 * Cisco Discovery Protocol.
 *
 *   version 1 · TTL 1 · checksum 2 · [type 2 · length 2 · value]*      lengths count the TLV's own header
 */
import { malformed, message, text, u16, u32 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { types } from './constants.ts';

export interface CdpUnit {
  readonly deviceId?: string;
  readonly platform?: string;
  readonly version?: string;
  readonly capabilities: number;
}

export function decodeCdp(bytes: Uint8Array): Parsed<CdpUnit> {
  if (bytes.length < 4) return malformed('cdp_truncated', 0);
  const fields: { deviceId?: string; platform?: string; version?: string; capabilities: number } = {
    capabilities: 0,
  };
  for (let at = 4; at + 4 <= bytes.length;) {
    const type = u16(bytes, at);
    const start = at + 4;
    const end = at + u16(bytes, at + 2);
    if (end < start || end > bytes.length) return malformed('cdp_bad_length', at);
    if (type === types.deviceId) fields.deviceId = text(bytes, start, end);
    else if (type === types.platform) fields.platform = text(bytes, start, end);
    else if (type === types.version) fields.version = text(bytes, start, end);
    else if (type === types.capabilities && end - start === 4) fields.capabilities = u32(bytes, start);
    at = end;
  }
  return message(fields);
}
