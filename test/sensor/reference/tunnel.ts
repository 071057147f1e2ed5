/**
 * Where the frame inside a tunnel begins: IP in IP (RFC 2003, RFC 4213), GRE (RFC 2784, RFC 2890) with bridged
 * frames and ERSPAN, VXLAN (RFC 7348), GENEVE (RFC 8926), GTP-U (3GPP TS 29.281), TZSP. Mirror ports far away
 * arrive in such wrappings, and who is inside is not who sent them.
 *
 *   GRE     flags and version 2 · protocol 2 · [checksum 4] · [key 4] · [sequence 4]
 *   ERSPAN  II: 8 bytes, when GRE has a sequence number; III: 12, and 8 more when the last bit says so
 *   VXLAN   flags 1 · 3 · network 3 · 1                       GENEVE  version and options 1 · 1 · protocol 2 · network 3 · 1
 *   GTP-U   flags 1 · type 1 · length 2 · tunnel 4 · [4] · [extension headers]
 *   TZSP    1 · type 1 · encapsulated 2 · [tag 1 · length 1 · value]* · end tag 1
 */
import { etherType, ipProtocol, linkType, tunnelPort } from './constants.ts';

/** What is inside: a link type, and where it stands. */
export interface Inner {
  readonly link: number;
  readonly start: number;
  readonly end: number;
}

const u8 = (bytes: Uint8Array, at: number): number => bytes[at] ?? 0;
const u16 = (bytes: Uint8Array, at: number): number => (u8(bytes, at) << 8) | u8(bytes, at + 1);

const inside = (link: number, start: number, end: number): Inner | undefined =>
  start < end ? { link, start, end } : undefined;

const GRE = { checksum: 0x8000, routing: 0x4000, key: 0x2000, sequence: 0x1000, version: 7 } as const;

function gre(bytes: Uint8Array, at: number, end: number): Inner | undefined {
  const flags = u16(bytes, at);
  // Version 1 is PPTP's, which compresses and encrypts.
  if ((flags & GRE.version) !== 0 || (flags & GRE.routing) !== 0) return undefined;
  let start = at + 4;
  if ((flags & GRE.checksum) !== 0) start += 4;
  if ((flags & GRE.key) !== 0) start += 4;
  const sequenced = (flags & GRE.sequence) !== 0;
  if (sequenced) start += 4;
  switch (u16(bytes, at + 2)) {
    case etherType.IPV4:
    case etherType.IPV6:
      return inside(linkType.RAW, start, end);
    case etherType.BRIDGED:
      return inside(linkType.ETHERNET, start, end);
    case etherType.ERSPAN:
      return inside(linkType.ETHERNET, start + (sequenced ? 8 : 0), end);
    case etherType.ERSPAN_III:
      return inside(linkType.ETHERNET, start + 12 + ((u8(bytes, start + 11) & 1) !== 0 ? 8 : 0), end);
    default:
      return undefined;
  }
}

/** A packet whose protocol is a tunnel; `at`: after the IP header. */
export function tunnelled(bytes: Uint8Array, protocol: number, at: number, end: number): Inner | undefined {
  if (protocol === ipProtocol.IPV4 || protocol === ipProtocol.IPV6) return inside(linkType.RAW, at, end);
  return protocol === ipProtocol.GRE ? gre(bytes, at, end) : undefined;
}

const GTP = { version: 0xf0, expected: 0x30, optional: 7, extension: 4, user: 0xff, extensions: 4 } as const;

function gtp(bytes: Uint8Array, at: number, end: number): Inner | undefined {
  const flags = u8(bytes, at);
  if ((flags & GTP.version) !== GTP.expected || u8(bytes, at + 1) !== GTP.user) return undefined;
  let start = at + 8;
  if ((flags & GTP.optional) !== 0) {
    start += 4;
    let next = (flags & GTP.extension) === 0 ? 0 : u8(bytes, start - 1);
    for (let n = 0; next !== 0 && n < GTP.extensions; n++) {
      const length = u8(bytes, start) * 4;
      if (length === 0 || start + length > end) return undefined;
      start += length;
      next = u8(bytes, start - 1);
    }
  }
  const version = u8(bytes, start) >> 4;
  return version === 4 || version === 6 ? inside(linkType.RAW, start, end) : undefined;
}

const TZSP = { ethernet: 1, padding: 0, last: 1, tags: 16 } as const;

function tzsp(bytes: Uint8Array, at: number, end: number): Inner | undefined {
  if (u8(bytes, at) !== 1 || u8(bytes, at + 1) > 1 || u16(bytes, at + 2) !== TZSP.ethernet) return undefined;
  let start = at + 4;
  for (let n = 0; n < TZSP.tags && start < end; n++) {
    const tag = u8(bytes, start);
    if (tag === TZSP.last) return inside(linkType.ETHERNET, start + 1, end);
    start += tag === TZSP.padding ? 1 : 2 + u8(bytes, start + 1);
  }
  return undefined;
}

/** A datagram to a tunnel's port that is built like one. */
export function tunnelledDatagram(
  bytes: Uint8Array,
  port: number,
  start: number,
  end: number,
): Inner | undefined {
  if (end - start < 8) return undefined;
  switch (port) {
    case tunnelPort.VXLAN:
      // The one flag that must be set, and reserved bits that must not.
      return u8(bytes, start) === 0x08 && u8(bytes, start + 7) === 0
        ? inside(linkType.ETHERNET, start + 8, end)
        : undefined;
    case tunnelPort.GENEVE: {
      const first = u8(bytes, start);
      if (first >> 6 !== 0 || u16(bytes, start + 2) !== etherType.BRIDGED) return undefined;
      return inside(linkType.ETHERNET, start + 8 + (first & 0x3f) * 4, end);
    }
    case tunnelPort.GTP:
      return gtp(bytes, start, end);
    case tunnelPort.TZSP:
      return tzsp(bytes, start, end);
    default:
      return undefined;
  }
}
