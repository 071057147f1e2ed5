/**
 * Modbus/TCP units, and the answer to Read Device Identification.
 *
 *   transaction 2 · 0 0 · length 2 · unit 1 · function 1 · data
 *   answer 2B · 0E · code 1 · conformity 1 · more 1 · next 1 · count 1 · [object 1 · length 1 · text]*
 *
 * The header has no mark of its own, so a unit is taken for one only when its function allows its length.
 */
import { malformed, message, text, u8, u16 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import {
  countedAnswers,
  exceptionBit,
  header,
  identification,
  limits,
  objects,
  ownUnits,
  requestLengths,
} from './constants.ts';

export interface ModbusUnit {
  /** Bytes of the unit. */
  readonly length: number;
  readonly kind: 'request' | 'answer' | 'either';
  /** Object by name, of the device itself. */
  readonly identification?: ReadonlyMap<string, string>;
}

/** Which side sends a unit of this function and length; undefined: neither does. */
function kindOf(bytes: Uint8Array, at: number, length: number): ModbusUnit['kind'] | undefined {
  const code = u8(bytes, at + header.bytes);
  if ((code & exceptionBit) !== 0) return length === 3 ? 'answer' : undefined;
  const data = at + header.bytes + 1;
  const request = requestLengths[code] === length;
  if (code === identification.function) {
    if (u8(bytes, data) !== identification.interface) return undefined;
    return request ? 'request' : length >= 8 ? 'answer' : undefined;
  }
  if (code === 15 || code === 16) {
    if (length === 6) return 'answer';
    return length === 7 + u8(bytes, data + 4) ? 'request' : undefined;
  }
  const answer = countedAnswers.has(code) && length === 3 + u8(bytes, data);
  if (code === 5 || code === 6 || code === 8) return request ? 'either' : undefined;
  if (request && answer) return 'either';
  return request ? 'request' : answer ? 'answer' : undefined;
}

/** Its shortest unit has eight bytes; twelve are enough to tell any. The transaction may be any number. */
const TELLING = 12;

/** The unit at `at` by its first bytes; undefined when it is none. */
function unitAt(bytes: Uint8Array, at: number): { total: number; kind: ModbusUnit['kind'] } | undefined {
  const length = u16(bytes, at + header.lengthAt);
  if (u16(bytes, at + 2) !== 0 || length < 2 || length > header.lengthLimit) return undefined;
  const kind = kindOf(bytes, at, length);
  return kind === undefined ? undefined : { total: header.lengthAt + 2 + length, kind };
}

export function recognizeModbus(bytes: Uint8Array): 'yes' | 'no' | 'more' {
  if (bytes.length >= 4 && u16(bytes, 2) !== 0) return 'no';
  if (bytes.length <= header.bytes) return 'more';
  const length = u16(bytes, header.lengthAt);
  if (length < 2 || length > header.lengthLimit) return 'no';
  if (bytes.length < Math.min(TELLING, header.lengthAt + 2 + length)) return 'more';
  const first = unitAt(bytes, 0);
  if (first === undefined) return 'no';
  // Another unit follows, if anything does.
  return bytes.length < first.total + TELLING || unitAt(bytes, first.total) !== undefined ? 'yes' : 'no';
}

function readObjects(bytes: Uint8Array, start: number, end: number): Map<string, string> {
  const found = new Map<string, string>();
  let at = start + 1;
  for (let n = Math.min(u8(bytes, start), limits.objects); n > 0 && at + 2 <= end; n--) {
    const stop = at + 2 + u8(bytes, at + 1);
    if (stop > end) break;
    const name = objects.get(u8(bytes, at));
    if (name !== undefined) found.set(name, text(bytes, at + 2, stop));
    at = stop;
  }
  return found;
}

/** The unit at `at`. */
export function decodeModbus(bytes: Uint8Array, at: number): Parsed<ModbusUnit> {
  const told = at + header.bytes < bytes.length ? u16(bytes, at + header.lengthAt) : header.lengthLimit;
  if (at + header.lengthAt + 2 + told > bytes.length && told <= header.lengthLimit)
    return malformed('modbus_truncated', bytes.length);
  const unit = unitAt(bytes, at);
  if (unit === undefined) return malformed('modbus_no_unit', at);
  const end = at + unit.total;
  const identified =
    unit.kind === 'answer' &&
    u8(bytes, at + header.bytes) === identification.function &&
    ownUnits.has(u8(bytes, at + header.unitAt));
  return message({
    length: unit.total,
    kind: unit.kind,
    ...(identified ? { identification: readObjects(bytes, at + header.bytes + 6, end) } : {}),
  });
}
