/**
 * B. Braun SpaceCom BCC.
 *
 *   SOH · length 5 digits · STX · bed/pillar/slot > time,address,key,value [RS time,address,key,value]* · ETX · check · EOT
 *
 * Drug names stand among the values, so a value is read only when its key is one of equipment.
 */
import { malformed, message, u8 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import { frameLimit, keys, lengthDigits, marks } from './constants.ts';

export interface BccFrame {
  /** Who the frame is of: a place in the rack, or the SpaceCom itself. */
  readonly place: string;
  readonly serials: readonly string[];
  /** A record of values, which only the pump system sends; otherwise a command. */
  readonly values: boolean;
}

export function recognizeBcc(bytes: Uint8Array): 'yes' | 'no' | 'more' {
  if (u8(bytes, 0) !== marks.start) return 'no';
  for (let i = 1; i <= lengthDigits; i++) {
    if (i >= bytes.length) return 'more';
    const byte = u8(bytes, i);
    if (byte < 0x30 || byte > 0x39) return 'no';
  }
  if (bytes.length < lengthDigits + 2) return 'more';
  return u8(bytes, lengthDigits + 1) === marks.text ? 'yes' : 'no';
}

/** The first frame of `bytes`, as far as it is there. */
export function decodeBcc(bytes: Uint8Array): Parsed<BccFrame> {
  if (recognizeBcc(bytes) !== 'yes') return malformed('bcc_no_frame', 0);
  const etx = bytes.indexOf(marks.end, lengthDigits + 2);
  const end = Math.min(etx < 0 ? bytes.length : etx, frameLimit);
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, end).toString('latin1', lengthDigits + 2);
  const arrow = body.indexOf('>');
  if (arrow < 0) return malformed('bcc_no_place', lengthDigits + 2);
  const serials: string[] = [];
  let values = false;
  for (const record of body.slice(arrow + 1).split('\u001e')) {
    const [time, address, key, value] = record.split(',', 4);
    if (time === undefined || address === undefined || !/^\d+$/.test(time) || !/^\d+$/.test(address))
      continue;
    values = true;
    if (key === keys.serial && value !== undefined && /^[\w-]{1,32}$/.test(value)) serials.push(value);
  }
  return message({ place: body.slice(0, arrow).slice(0, 64), serials, values });
}
