/**
 * BACnet/IP: I-Am, and the answers to ReadProperty that name a device.
 *
 *   BVLC      81 · function 1 · length 2          (forwarded: six more bytes of the origin)
 *   NPDU      01 · control 1 · [destination: network 2, length 1, address, hops] [source: network 2, length 1, address]
 *   I-Am      10 · 00 · C4 device 4 · 22 maximum · 91 segmentation · 21|22 vendor
 *   answer    30 · invoke 1 · 0C · 0C object 4 · 19 property 1 · 3E · 75 length 1 · encoding 1 · text · 3F
 *
 * What came through a BACnet router (source network given) is not of the sending host.
 */
import { malformed, message, text, u8, u16, u32 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { bvlc, npduControl, npduVersion, objectDevice, pdu, property, service } from './constants.ts';

export interface BacnetUnit {
  /** From another network, by way of the sender. */
  readonly routed: boolean;
  readonly device?: number;
  readonly vendor?: number;
  readonly field?: { readonly name: string; readonly value: string };
}

const FORWARDED = 4;

export function decodeBacnet(bytes: Uint8Array): Parsed<BacnetUnit> {
  if (bytes.length < 6 || u8(bytes, 0) !== bvlc || u16(bytes, 2) !== bytes.length)
    return malformed('bacnet_bvlc', 0);
  const kind = u8(bytes, 1);
  if (kind > 0x0b) return malformed('bacnet_function', 1);
  if (kind !== FORWARDED && kind < 9) return message({ routed: false });
  let at = kind === FORWARDED ? 10 : 4;
  if (u8(bytes, at) !== npduVersion) return malformed('bacnet_npdu', at);
  const control = u8(bytes, at + 1);
  at += 2;
  if ((control & npduControl.network) !== 0) return message({ routed: false });
  let routed = kind === FORWARDED;
  if ((control & npduControl.destination) !== 0) at += 3 + u8(bytes, at + 2);
  if ((control & npduControl.source) !== 0) {
    routed = true;
    at += 3 + u8(bytes, at + 2);
  }
  if ((control & npduControl.destination) !== 0) at += 1;
  if (at + 2 > bytes.length) return malformed('bacnet_truncated', at);
  const type = u8(bytes, at) & 0xf0;
  if (type === pdu.unconfirmed && u8(bytes, at + 1) === service.iAm && u8(bytes, at + 2) === 0xc4) {
    const object = u32(bytes, at + 3);
    let here = at + 7;
    here += 1 + (u8(bytes, here) & 7);
    here += 1 + (u8(bytes, here) & 7);
    const length = u8(bytes, here) & 7;
    if (here + length >= bytes.length || length > 2) return malformed('bacnet_i_am', here);
    const vendor = length === 1 ? u8(bytes, here + 1) : u16(bytes, here + 1);
    return message({ routed, device: object % 0x40_0000, vendor });
  }
  const answer =
    type === pdu.complexAck && (u8(bytes, at) & 8) === 0 && u8(bytes, at + 2) === service.readProperty;
  if (!answer || u8(bytes, at + 3) !== 0x0c || u32(bytes, at + 4) >>> 22 !== objectDevice)
    return message({ routed });
  if (u8(bytes, at + 8) !== 0x19 || u8(bytes, at + 10) !== 0x3e) return message({ routed });
  const name = property.get(u8(bytes, at + 9));
  const tag = u8(bytes, at + 11);
  if (name === undefined || tag >> 4 !== 7 || (tag & 8) !== 0) return message({ routed });
  const extended = (tag & 7) === 5;
  const length = extended ? u8(bytes, at + 12) : tag & 7;
  const start = at + (extended ? 13 : 12);
  if (length === 0 || start + length > bytes.length) return malformed('bacnet_text', at + 11);
  // The first byte is the character set.
  return message({ routed, field: { name, value: text(bytes, start + 1, start + length) } });
}
