/**
 * Siemens S7: what a controller answers when its system status lists are read, as engineering tools do at the beginning.
 *
 *   TPKT 3 · 0 · length 2 · COTP length 1 · F0 · number 1 · 32 · kind 1 · 0 0 · reference 2 · parameters 2 · data 2 · …
 *   user data: 00 01 12 · length 1 · method 1 · 84 · 01 · sequence 1 · …
 *   its data:  FF · 09 · length 2 · list 2 · index 2 · bytes of an entry 2 · entries 2 · [index 2 · text or order 20 …]*
 *
 * Big-endian. A list that comes in several answers is read as far as the first goes. Remote Desktop begins with the same
 * connection PDU and parameters of its own; MMS speaks over the same transport without the 32.
 */
import { malformed, message, text, u8, u16 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import {
  component,
  componentBytes,
  cotp,
  entryLimit,
  identification,
  kinds,
  lists,
  magic,
  readAnswer,
  tpkt,
  userData,
} from './constants.ts';

export interface S7Unit {
  /** Bytes of the unit. */
  readonly length: number;
  /** Facts by name, of an answer that has some. */
  readonly facts: ReadonlyMap<string, string>;
}

const FIRST = tpkt.header + cotp.fixed;
const nothing: ReadonlyMap<string, string> = new Map();

/** The unit at `at`: its length, or `more` when that isn't there; whether it is of the connection. */
function unitAt(bytes: Uint8Array, at: number): { length: number; connects: boolean } | 'more' | 'no' {
  if (at + 1 > bytes.length) return 'more';
  if (u8(bytes, at) !== tpkt.version || u8(bytes, at + 1) !== 0) return 'no';
  if (at + FIRST + 1 > bytes.length) return 'more';
  const length = u16(bytes, at + 2);
  if (length < FIRST || length > tpkt.limit) return 'no';
  const type = u8(bytes, at + 5);
  if (type === cotp.request || type === cotp.confirm) {
    const whole = u8(bytes, at + 4) === length - tpkt.header - 1;
    return whole && cotp.parameters.some((each) => each === u8(bytes, at + FIRST))
      ? { length, connects: true }
      : 'no';
  }
  const speaks = u8(bytes, at + 4) === 2 && type === cotp.data && u8(bytes, at + 7) === magic;
  return speaks && kinds.has(u8(bytes, at + 8)) ? { length, connects: false } : 'no';
}

export function recognizeS7(bytes: Uint8Array): 'yes' | 'no' | 'more' {
  for (let at = 0; ;) {
    const unit = unitAt(bytes, at);
    if (typeof unit === 'string') return unit;
    if (!unit.connects) return 'yes';
    at += unit.length;
  }
}

export function decodeS7(bytes: Uint8Array, at = 0): Parsed<S7Unit> {
  const unit = unitAt(bytes, at);
  if (unit === 'no') return malformed('s7_unit', at);
  if (unit === 'more' || at + unit.length > bytes.length) return malformed('s7_truncated', at);
  const { length, connects } = unit;
  if (connects || u8(bytes, at + 8) !== userData) return message({ length, facts: nothing });
  const parameters = at + 17;
  const data = parameters + u16(bytes, at + 13);
  const answers =
    u8(bytes, parameters + 5) === readAnswer.type && u8(bytes, parameters + 6) === readAnswer.subfunction;
  // A return code of success, and octets.
  if (!answers || u8(bytes, data) !== 0xff || u8(bytes, data + 1) !== 9)
    return message({ length, facts: nothing });
  return message({ length, facts: readList(bytes.subarray(data + 4, at + length)) });
}

function readList(list: Uint8Array): ReadonlyMap<string, string> {
  const facts = new Map<string, string>();
  const [kind, size] = [u16(list, 0) & 0x00ff, u16(list, 4)];
  const wanted = kind === lists.identification ? identification.bytes : componentBytes;
  if ((kind !== lists.identification && kind !== lists.component) || size !== wanted) return facts;
  let at = 8;
  for (let n = Math.min(u16(list, 6), entryLimit); n > 0 && at + size <= list.length; n--, at += size) {
    const index = u16(list, at);
    const words = text(list, at + 2, at + 2 + (kind === lists.component ? 24 : 20)).trim();
    if (kind === lists.component) {
      const name = component.get(index);
      if (name !== undefined && words !== '') facts.set(name, words);
    } else if (index === identification.order && words !== '') facts.set('order', words);
    else if (index === identification.firmware && u8(list, at + 24) === 0x56)
      facts.set('firmware', `${u8(list, at + 25)}.${u8(list, at + 26)}.${u8(list, at + 27)}`);
  }
  return facts;
}
