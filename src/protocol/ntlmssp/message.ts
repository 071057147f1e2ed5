/**
 * What NTLM says of the machines that speak it ([MS-NLMP] section 2.2.1), little-endian throughout.
 *
 *   "NTLMSSP" 0 · type 4 · fields
 *   field     length 2 · room 2 · offset 4                     from the start of the message
 *   version   major 1 · minor 1 · build 2 · reserved 3 · revision 1
 *   pairs     [identifier 2 · length 2 · value]* · 0 · 0       names of the machine that challenges
 */
import { malformed, message, text, u8, u16le, u32le, wideText } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { flags, offsets, pairLimit, pairs, signature, types } from './constants.ts';

export interface NtlmMessage {
  readonly type: number;
  /** `10.0.17763`: of the operating system, or what the implementation pretends. */
  readonly version?: string;
  /** NetBIOS name of the sender's machine, and its other names. */
  readonly computer?: string;
  readonly domain?: string;
  readonly dnsComputer?: string;
}

/** Offset of an NTLM message in a security token; -1 when there is none. */
export function findNtlm(bytes: Uint8Array, start = 0): number {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(signature, start);
}

function versionAt(bytes: Uint8Array, at: number): string | undefined {
  if (at + 8 > bytes.length || u8(bytes, at) === 0) return undefined;
  return `${u8(bytes, at)}.${u8(bytes, at + 1)}.${u16le(bytes, at + 2)}`;
}

/** `bytes` begins with the signature. */
export function decodeNtlm(bytes: Uint8Array): Parsed<NtlmMessage> {
  if (bytes.length < offsets.type + 4 || !signature.every((b, i) => bytes[i] === b))
    return malformed('ntlm_no_signature', 0);
  const type = u32le(bytes, offsets.type);
  const found: { -readonly [K in keyof NtlmMessage]: NtlmMessage[K] } = { type };
  const take = (key: 'version' | 'computer' | 'domain' | 'dnsComputer', value: string | undefined): void => {
    if (value !== undefined && value !== '') found[key] ??= value;
  };
  const withVersion = (where: { readonly flags: number; readonly version: number }): void => {
    if ((u32le(bytes, where.flags) & flags.version) !== 0) take('version', versionAt(bytes, where.version));
  };
  if (type === types.negotiate) withVersion(offsets.negotiate);
  else if (type === types.challenge) {
    withVersion(offsets.challenge);
    const start = u32le(bytes, offsets.challenge.targetInfo + 4);
    const end = Math.min(bytes.length, start + u16le(bytes, offsets.challenge.targetInfo));
    for (let at = start, n = 0; at + 4 <= end && n < pairLimit; n++) {
      const kind = u16le(bytes, at);
      const stop = at + 4 + u16le(bytes, at + 2);
      if (kind === pairs.end || stop > end) break;
      if (kind === pairs.computer) take('computer', wideText(bytes, at + 4, stop));
      else if (kind === pairs.domain) take('domain', wideText(bytes, at + 4, stop));
      else if (kind === pairs.dnsComputer) take('dnsComputer', wideText(bytes, at + 4, stop));
      at = stop;
    }
  } else if (type === types.authenticate) {
    withVersion(offsets.authenticate);
    const field = offsets.authenticate.workstation;
    const start = u32le(bytes, field + 4);
    const end = start + u16le(bytes, field);
    const wide = (u32le(bytes, offsets.authenticate.flags) & flags.unicode) !== 0;
    if (end <= bytes.length) take('computer', wide ? wideText(bytes, start, end) : text(bytes, start, end));
  } else return malformed('ntlm_type', offsets.type);
  return message(found);
}
