/**
 * What a Philips IntelliVue monitor says of itself: connect indications, the MDS create event and the answers to
 * polls of the MDS.
 *
 *   indication  nomenclature 4 · ROapdus 4 · ROIVapdu 6 · event report 14 · attributes
 *   data        session E1 00 · context 2 · ROapdus 4 · ROIVapdu 6 · event report 14 · object 6 · attributes
 *   poll answer session E1 00 · context 2 · ROapdus 4 · [linked 2] · ROIVapdu 6 · object 6 · action 2 · length 2
 *               poll 2 · [sequence 2] · time 12 · class 4 · group 2 · count 2 · length 2
 *               [context 2 · count 2 · length 2 · [object 2 · attributes]*]*
 *   attributes  count 2 · length 2 · [identifier 2 · length 2 · value]*
 *   model       [length 2 · text]{2}: maker, model          bed label   length 2 · UTF-16BE
 *
 * Text is NUL padded. Only the attributes of the table are looked at; a patient's name has none there.
 */
import { malformed, message, text, u8, u16, u32 } from '../parsed.ts';
import type { Parsed } from '../parsed.ts';
import {
  associationVersion,
  attributeLimit,
  attributes,
  commands,
  dataSession,
  nomenclature,
  pollLimits,
  polls,
  production,
  remoteOperations,
  sessions,
  systemClass,
} from './constants.ts';

export interface IntelliVueMessage {
  readonly unit: 'indication' | 'data' | 'association';
  /** The sender is the monitor: it indicates, accepts, reports events and answers actions. */
  readonly monitor: boolean;
  readonly manufacturer?: string;
  readonly model?: string;
  readonly bed?: string;
  readonly serial?: string;
  readonly software?: string;
  /** The system's identifier, hexadecimal: the MAC address of its main board. */
  readonly systemId?: string;
}

type Fields = { -readonly [K in keyof Omit<IntelliVueMessage, 'unit' | 'monitor'>]?: IntelliVueMessage[K] };

export function recognizeIntelliVue(bytes: Uint8Array): IntelliVueMessage['unit'] | undefined {
  if (bytes.length >= 32 && u32(bytes, 0) === nomenclature && u16(bytes, 4) === remoteOperations.invoke)
    return u16(bytes, 6) === bytes.length - 8 || u16(bytes, 6) > 20 ? 'indication' : undefined;
  if (bytes.length >= 8 && u16(bytes, 0) === dataSession && u16(bytes, 2) <= 2) {
    const type = u16(bytes, 4);
    const known =
      type === remoteOperations.invoke ||
      type === remoteOperations.result ||
      type === remoteOperations.linked;
    return known && u16(bytes, 6) <= bytes.length - 8 ? 'data' : undefined;
  }
  const first = u8(bytes, 0);
  if ((first !== sessions.connect && first !== sessions.accept) || bytes.length < 16) return undefined;
  return associationVersion.every((b, i) => bytes[2 + i] === b) ? 'association' : undefined;
}

/** Which side a message comes from, by the operation and whether it asks or answers. */
function fromMonitor(bytes: Uint8Array, unit: IntelliVueMessage['unit']): boolean {
  if (unit === 'indication') return true;
  if (unit === 'association') return u8(bytes, 0) === sessions.accept;
  switch (u16(bytes, 4)) {
    case remoteOperations.invoke:
      return u16(bytes, 10) <= commands.confirmedEventReport;
    case remoteOperations.result:
      return u16(bytes, 10) === commands.confirmedAction;
    default:
      return u16(bytes, 12) === commands.confirmedAction;
  }
}

/** The label's length counts what follows it. */
function label(bytes: Uint8Array, at: number, end: number): { value: string; next: number } {
  const next = Math.min(end, at + 2 + u16(bytes, at));
  return { value: text(bytes, at + 2, next), next };
}

function wide(bytes: Uint8Array, at: number, end: number): string {
  const stop = Math.min(end, at + 2 + u16(bytes, at));
  let out = '';
  for (let i = at + 2; i + 1 < stop; i += 2) {
    const unit = u16(bytes, i);
    if (unit === 0) break;
    out += String.fromCharCode(unit);
  }
  return out;
}

function readProduction(bytes: Uint8Array, start: number, end: number, fields: Fields): void {
  let at = start + 4;
  for (let n = Math.min(u16(bytes, start), attributeLimit); n > 0 && at + 6 <= end; n--) {
    const kind = u16(bytes, at);
    const { value, next } = label(bytes, at + 4, end);
    if (kind === production.serial) fields.serial ??= value;
    else if (kind === production.software) fields.software ??= value;
    at = next;
  }
}

/** Attributes of a list at `list` that ends at `end`. Where one passes the end: its offset. */
function readAttributes(bytes: Uint8Array, list: number, end: number, fields: Fields): number | undefined {
  let at = list + 4;
  for (let n = Math.min(u16(bytes, list), attributeLimit); n > 0 && at + 4 <= end; n--) {
    const start = at + 4;
    const stop = start + u16(bytes, at + 2);
    if (stop > end) return at;
    const id = u16(bytes, at);
    if (id === attributes.model) {
      const maker = label(bytes, start, stop);
      fields.manufacturer = maker.value;
      fields.model = label(bytes, maker.next, stop).value;
    } else if (id === attributes.bedLabel) fields.bed = wide(bytes, start, stop);
    else if (id === attributes.production) readProduction(bytes, start, stop, fields);
    else if (id === attributes.systemId) {
      const value = bytes.subarray(start + 2, Math.min(stop, start + 2 + u16(bytes, start)));
      if (value.length === 6) fields.systemId = Buffer.from(value).toString('hex');
    }
    at = stop;
  }
  return undefined;
}

/** The attributes in an answer to a poll of the system itself; answers about others are passed over. */
function readPoll(bytes: Uint8Array, fields: Fields): void {
  const linked = u16(bytes, 4) === remoteOperations.linked ? 2 : 0;
  const action = 20 + linked;
  const kind = u16(bytes, action);
  if (kind !== polls.single && kind !== polls.extended) return;
  // Poll number, sequence number of the extended form, relative and absolute time.
  const polled = action + 4 + 2 + (kind === polls.extended ? 2 : 0) + 12;
  if (u16(bytes, polled + 2) !== systemClass) return;
  let at = polled + 6;
  let contexts = Math.min(u16(bytes, at), pollLimits.contexts);
  for (at += 4; contexts > 0 && at + 6 <= bytes.length; contexts--) {
    let objects = Math.min(u16(bytes, at + 2), pollLimits.objects);
    for (at += 6; objects > 0 && at + 6 <= bytes.length; objects--) {
      const end = at + 6 + u16(bytes, at + 4);
      if (end > bytes.length || readAttributes(bytes, at + 2, end, fields) !== undefined) return;
      at = end;
    }
  }
}

export function decodeIntelliVue(bytes: Uint8Array): Parsed<IntelliVueMessage> {
  const unit = recognizeIntelliVue(bytes);
  if (unit === undefined) return malformed('intellivue_unknown', 0);
  const fields: Fields = {};
  const monitor = fromMonitor(bytes, unit);
  if (unit === 'association') return message({ unit, monitor });
  if (unit === 'data' && u16(bytes, 4) !== remoteOperations.invoke) {
    readPoll(bytes, fields);
    return message({ unit, monitor, ...fields });
  }
  // An indication's attributes, and those of an MDS create event, whose object precedes them.
  const list = unit === 'indication' ? 28 : 34;
  if (list + 4 > bytes.length) return message({ unit, monitor });
  const end = list + 4 + u16(bytes, list + 2);
  if (end > bytes.length)
    return unit === 'data' ? message({ unit, monitor }) : malformed('intellivue_truncated', list);
  const wrong = readAttributes(bytes, list, end, fields);
  if (wrong !== undefined) return malformed('intellivue_bad_attribute', wrong);
  return message({ unit, monitor, ...fields });
}
