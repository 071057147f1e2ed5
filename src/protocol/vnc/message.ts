/**
 * What a VNC server says first: its version, then the ways in that it offers.
 *
 *   "RFB xxx.yyy" LF · 3.7 and later: count 1 · [type 1]*      3.3: type 4
 *
 * The desktop's name, which comes later, often holds a user's and is not read.
 */
import { malformed, message, text, u8, u32 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { securityTypes, versionLength, versionPattern } from './constants.ts';

export interface VncGreeting {
  readonly version: string;
  /** What a server offers after its version, when that is there. */
  readonly security?: string;
}

export function recognizeVnc(bytes: Uint8Array): 'yes' | 'no' | 'more' {
  const head = text(bytes, 0, Math.min(bytes.length, versionLength));
  if (bytes.length < versionLength) return 'RFB '.startsWith(head.slice(0, 4)) ? 'more' : 'no';
  return versionPattern.test(head) ? 'yes' : 'no';
}

export function decodeVnc(bytes: Uint8Array): Parsed<VncGreeting> {
  const match = versionPattern.exec(text(bytes, 0, Math.min(bytes.length, versionLength)));
  if (match === null) return malformed('vnc_no_version', 0);
  const minor = Number(match[2]);
  const version = `${Number(match[1])}.${minor}`;
  const name = (type: number): string => securityTypes[type] ?? String(type);
  if (minor < 7) {
    if (bytes.length < versionLength + 4) return message({ version });
    return message({ version, security: name(u32(bytes, versionLength)) });
  }
  const count = u8(bytes, versionLength);
  const start = versionLength + 1;
  if (count === 0 || start + count > bytes.length) return message({ version });
  const types = [...bytes.subarray(start, start + Math.min(count, 8))].map(name);
  return message({ version, security: [...new Set(types)].join(', ') });
}
