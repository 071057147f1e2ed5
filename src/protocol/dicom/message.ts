/**
 * PDUs of the DICOM upper layer, PS3.8 section 9.3: decode what is held whole (associate, reject, abort, release),
 * build what the gateway itself says, and frame fragments as P-DATA-TF.
 *
 *   PDU       type(1) 00(1) length(4) …
 *   RQ, AC    version(2) 00 00 called AE(16) calling AE(16) 00×32 items…
 *   item      type(1) 00(1) length(2) …
 *   context   id(1) 00 result(1) 00 sub-items…          (result only in AC)
 *   P-DATA    { length(4) context(1) control(1) fragment }…
 *   RJ, ABORT 00 result source reason  /  00 00 source reason
 *
 * All numbers big endian here; little endian only inside a command set (dimse.ts).
 *
 * What surprises: the AE titles and context results of an A-ASSOCIATE-AC are echoes that "shall not be tested"
 * (PS3.8 table 9-17), so only those of the request say who talks. A fragment must have an even length (PS3.7
 * annex F.1): dcmtk refuses an odd one.
 */
import {
  abortSources,
  aeTitleBytes,
  associateFixedBytes,
  itemTypes,
  limits,
  pduHeaderBytes,
  pduTypes,
  pdvControl,
  pdvHeaderBytes,
} from './constants.ts';
import { word } from '../word.ts';

export interface PresentationContext {
  readonly id: number;
  /** Only in a request. */
  readonly abstractSyntax?: string;
  /** Proposed, or the one accepted. */
  readonly transferSyntaxes: readonly string[];
  /** Only in an accept; 0 is accepted. */
  readonly result?: number;
}

/** What one side says of itself in A-ASSOCIATE-RQ or -AC. */
export interface Association {
  readonly calledAeTitle: string;
  readonly callingAeTitle: string;
  readonly applicationContext?: string;
  readonly contexts: readonly PresentationContext[];
  /** Largest P-DATA-TF variable field this side takes; 0 is no limit. */
  readonly maximumLength: number;
  readonly implementationClassUid?: string;
  readonly implementationVersionName?: string;
  readonly asynchronousOperations?: { readonly invoked: number; readonly performed: number };
}

export type Decoded<T> =
  | { kind: 'message'; message: T }
  | { kind: 'malformed'; name: string; offset: number };

const malformed = (name: string, offset: number): { kind: 'malformed'; name: string; offset: number } => ({
  kind: 'malformed',
  name,
  offset,
});

const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
const u32 = (bytes: Uint8Array, at: number): number => u16(bytes, at) * 0x10000 + u16(bytes, at + 2);

const view = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

/** Printable ASCII of a field, without the padding that UIDs (NUL) and AE titles (space) carry. */
export function fieldText(bytes: Uint8Array, start = 0, end = bytes.length): string {
  let stop = end;
  while (stop > start && ((bytes[stop - 1] as number) === 0 || bytes[stop - 1] === 0x20)) stop--;
  for (let at = start; at < stop; at++) {
    const byte = bytes[at] as number;
    if (byte <= 0x20 || byte >= 0x7f) return oddText(bytes.subarray(start, stop));
  }
  // A view of each text takes longer than the text.
  return (
    word(bytes, start, stop) ?? (Buffer.isBuffer(bytes) ? bytes : view(bytes)).toString('latin1', start, stop)
  );
}

function oddText(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes)
    text += byte === 0 ? ' ' : byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '?';
  return text.trim();
}

interface Item {
  readonly type: number;
  /** Of the item's header. */
  readonly start: number;
  readonly body: number;
  readonly end: number;
}

/** Items from `start` to `end`; undefined when their lengths don't fit exactly. */
function itemsOf(bytes: Uint8Array, start: number, end: number): Item[] | undefined {
  const items: Item[] = [];
  let at = start;
  while (at < end) {
    if (end - at < 4) return undefined;
    const body = at + 4;
    const after = body + u16(bytes, at + 2);
    if (after > end) return undefined;
    items.push({ type: bytes[at] ?? 0, start: at, body, end: after });
    at = after;
  }
  return items;
}

/** A-ASSOCIATE-RQ or -AC from a whole PDU, header included. */
export function decodeAssociate(whole: Uint8Array): Decoded<Association> {
  const pdu = view(whole);
  const type = pdu[0];
  if (type !== pduTypes.associateRequest && type !== pduTypes.associateAccept)
    return malformed('dicom_unexpected_pdu', 0);
  if (pdu.length < pduHeaderBytes + associateFixedBytes || u32(pdu, 2) !== pdu.length - pduHeaderBytes)
    return malformed('dicom_bad_associate_length', 2);
  if ((u16(pdu, 6) & 1) === 0) return malformed('dicom_bad_protocol_version', 6);
  const items = itemsOf(pdu, pduHeaderBytes + associateFixedBytes, pdu.length);
  if (items === undefined) return malformed('dicom_bad_item_length', pduHeaderBytes + associateFixedBytes);

  const text = (item: Item): string => fieldText(pdu, item.body, item.end);
  const contexts: PresentationContext[] = [];
  const ids = new Set<number>();
  let applicationContext: string | undefined;
  let user: UserInformation | undefined;
  for (const item of items) {
    if (item.type === itemTypes.applicationContext) applicationContext = text(item);
    else if (item.type === itemTypes.userInformation) {
      const parsed = decodeUserInformation(pdu, item);
      if (parsed === undefined || user !== undefined)
        return malformed('dicom_bad_user_information', item.start);
      user = parsed;
    } else if (
      item.type === itemTypes.presentationContextRequest ||
      item.type === itemTypes.presentationContextAccept
    ) {
      if (contexts.length >= limits.contexts) return malformed('dicom_too_many_contexts', item.start);
      const context = decodeContext(pdu, item);
      // Two readers must not take one context id for two different classes.
      if (context === undefined || ids.has(context.id))
        return malformed('dicom_bad_presentation_context', item.start);
      ids.add(context.id);
      contexts.push(context);
    }
  }
  const called = pduHeaderBytes + 4;
  return {
    kind: 'message',
    message: {
      calledAeTitle: fieldText(pdu, called, called + aeTitleBytes),
      callingAeTitle: fieldText(pdu, called + aeTitleBytes, called + 2 * aeTitleBytes),
      ...(applicationContext === undefined ? {} : { applicationContext }),
      contexts,
      ...(user ?? { maximumLength: 0 }),
    },
  };
}

function decodeContext(pdu: Buffer, item: Item): PresentationContext | undefined {
  if (item.end - item.body < 4) return undefined;
  const accept = item.type === itemTypes.presentationContextAccept;
  const subItems = itemsOf(pdu, item.body + 4, item.end);
  if (subItems === undefined) return undefined;
  let abstractSyntax: string | undefined;
  const transferSyntaxes: string[] = [];
  for (const sub of subItems) {
    if (sub.end - sub.body > limits.uidChars) return undefined;
    const uid = fieldText(pdu, sub.body, sub.end);
    if (sub.type === itemTypes.abstractSyntax) {
      if (abstractSyntax !== undefined) return undefined;
      abstractSyntax = uid;
    }
    if (sub.type === itemTypes.transferSyntax && transferSyntaxes.length < limits.transferSyntaxes)
      transferSyntaxes.push(uid);
  }
  const id = pdu[item.body] ?? 0;
  if (id % 2 === 0 || (!accept && abstractSyntax === undefined)) return undefined;
  return {
    id,
    ...(abstractSyntax === undefined ? {} : { abstractSyntax }),
    transferSyntaxes,
    ...(accept ? { result: pdu[item.body + 2] ?? 0 } : {}),
  };
}

type UserInformation = Pick<
  Association,
  'maximumLength' | 'implementationClassUid' | 'implementationVersionName' | 'asynchronousOperations'
>;

function decodeUserInformation(pdu: Buffer, item: Item): UserInformation | undefined {
  const subItems = itemsOf(pdu, item.body, item.end);
  if (subItems === undefined) return undefined;
  const found: { -readonly [K in keyof UserInformation]: UserInformation[K] } = { maximumLength: 0 };
  for (const sub of subItems) {
    const length = sub.end - sub.body;
    switch (sub.type) {
      case itemTypes.maximumLength:
        if (length !== 4) return undefined;
        found.maximumLength = u32(pdu, sub.body);
        break;
      case itemTypes.implementationClassUid:
        if (length > limits.uidChars) return undefined;
        found.implementationClassUid = fieldText(pdu, sub.body, sub.end);
        break;
      case itemTypes.implementationVersionName:
        if (length > 16) return undefined;
        found.implementationVersionName = fieldText(pdu, sub.body, sub.end);
        break;
      case itemTypes.asynchronousOperationsWindow:
        if (length !== 4) return undefined;
        found.asynchronousOperations = { invoked: u16(pdu, sub.body), performed: u16(pdu, sub.body + 2) };
        break;
      default:
        break;
    }
  }
  return found;
}

/**
 * A decodable A-ASSOCIATE PDU without its Asynchronous Operations Window item, so that one operation at a time is
 * agreed (PS3.7 annex D.3.3.3.1). Everything else stays byte for byte.
 */
export function withoutAsynchronousOperations(pdu: Uint8Array): Uint8Array {
  const start = pduHeaderBytes + associateFixedBytes;
  const user = itemsOf(pdu, start, pdu.length)?.findLast((item) => item.type === itemTypes.userInformation);
  if (user === undefined) return pdu;
  const subItems = itemsOf(pdu, user.body, user.end) ?? [];
  const kept = subItems.filter((sub) => sub.type !== itemTypes.asynchronousOperationsWindow);
  if (kept.length === subItems.length) return pdu;
  const body = Buffer.concat(kept.map((sub) => pdu.subarray(sub.start, sub.end)));
  const out = Buffer.concat([pdu.subarray(0, user.body), body, pdu.subarray(user.end)]);
  out.writeUInt16BE(body.length, user.start + 2);
  out.writeUInt32BE(out.length - pduHeaderBytes, 2);
  return out;
}

/** A-ASSOCIATE-RJ, PS3.8 section 9.3.4. */
export const associateReject = (result: number, source: number, reason: number): Uint8Array =>
  Uint8Array.of(pduTypes.associateReject, 0, 0, 0, 0, 4, 0, result, source, reason);

/** A-ABORT by the service provider, PS3.8 section 9.3.8. */
export const abort = (reason: number, source: number = abortSources.provider): Uint8Array =>
  Uint8Array.of(pduTypes.abort, 0, 0, 0, 0, 4, 0, 0, source, reason);

/** Header of a P-DATA-TF PDU with one PDV; `length` bytes of the fragment must follow. */
export function dataHeader(context: number, control: number, length: number): Uint8Array {
  const header = new Uint8Array(pduHeaderBytes + pdvHeaderBytes);
  const view = new DataView(header.buffer);
  header[0] = pduTypes.data;
  view.setUint32(2, length + pdvHeaderBytes);
  view.setUint32(6, length + 2);
  header[10] = context;
  header[11] = control;
  return header;
}

/** Largest fragment for a peer that named `maximumLength` (0 is no limit): even, and at most what we allow. */
export function fragmentLimit(maximumLength: number): number {
  const pdu =
    maximumLength === 0
      ? limits.pduBytes
      : Math.min(Math.max(maximumLength, limits.smallestPdu), limits.pduBytes);
  return (pdu - pdvHeaderBytes) & ~1;
}

/**
 * P-DATA-TF PDUs that carry `bytes` on one context, none longer than `limit`; the last one is marked last when
 * `last` is set. Alternates headers and views of `bytes`.
 */
export function frameFragments(
  context: number,
  kind: 'command' | 'data',
  bytes: Uint8Array,
  last: boolean,
  limit: number,
): Uint8Array[] {
  const flag = kind === 'command' ? pdvControl.command : 0;
  const frames: Uint8Array[] = [];
  let at = 0;
  do {
    const end = Math.min(at + limit, bytes.length);
    const final = last && end === bytes.length;
    frames.push(dataHeader(context, flag | (final ? pdvControl.last : 0), end - at));
    if (end > at) frames.push(bytes.subarray(at, end));
    at = end;
  } while (at < bytes.length);
  return frames;
}
