/**
 * LLDP data units (IEEE 802.1AB clause 8) with the inventory of LLDP-MED (ANSI/TIA-1057).
 *
 *   [type 7 bits · length 9 bits · value]* · end TLV
 */
import { malformed, message, text, u8, u16, u32 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { med, medOui, types } from './constants.ts';

export interface LldpUnit {
  /** Field by the name of its TLV. */
  readonly fields: ReadonlyMap<string, string>;
  readonly capabilities: number;
}

const inventory = new Map<number, string>(Object.entries(med).map(([name, subtype]) => [subtype, name]));

export function decodeLldp(bytes: Uint8Array): Parsed<LldpUnit> {
  const fields = new Map<string, string>();
  let capabilities = 0;
  let at = 0;
  while (at + 2 <= bytes.length) {
    const head = u16(bytes, at);
    const type = head >> 9;
    const start = at + 2;
    const end = start + (head & 0x1ff);
    if (type === types.end) break;
    if (end > bytes.length) return malformed('lldp_truncated', at);
    if (type === types.systemName) fields.set('systemName', text(bytes, start, end));
    else if (type === types.systemDescription) fields.set('systemDescription', text(bytes, start, end));
    else if (type === types.capabilities && end - start === 4) capabilities = u16(bytes, start + 2);
    else if (
      type === types.organization &&
      end - start > 4 &&
      Math.floor(u32(bytes, start) / 256) === medOui
    ) {
      const name = inventory.get(u8(bytes, start + 3));
      if (name !== undefined) fields.set(name, text(bytes, start + 4, end));
    }
    at = end;
  }
  return message({ fields, capabilities });
}
