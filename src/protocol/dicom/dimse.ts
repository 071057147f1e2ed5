/**
 * Command sets of DIMSE messages, PS3.7 sections 6.3 and 9.3, 10.3, annex E: group 0000 elements in implicit VR
 * little endian, ascending.
 *
 *   element   0000(2) element(2) length(4) value      (little endian, even length)
 *
 * What surprises: a request names its class in Affected SOP Class UID (C services, N-CREATE, N-EVENT-REPORT) or in
 * Requested SOP Class UID (N-GET, N-SET, N-ACTION, N-DELETE), its response always in Affected.
 */
import {
  commandElements,
  commandFields,
  errorCommentChars,
  limits,
  noDataSet,
  responseBit,
  statuses,
} from './constants.ts';
import type { CommandName } from './constants.ts';
import { fieldText } from './message.ts';
import type { Decoded } from './message.ts';

export interface Command {
  /** As on the wire. */
  readonly field: number;
  readonly name: CommandName;
  readonly response: boolean;
  /** Of a request; 0 for a response and for C-CANCEL. */
  readonly messageId: number;
  /** Of a response and of C-CANCEL; 0 for a request. */
  readonly respondedTo: number;
  /** Affected or requested; some responses leave it out. */
  readonly sopClassUid?: string;
  readonly sopInstanceUid?: string;
  readonly hasDataSet: boolean;
  /** Of a response. */
  readonly status?: number;
  readonly moveDestination?: string;
  readonly eventTypeId?: number;
  readonly actionTypeId?: number;
}

const names = new Map<number, CommandName>(
  Object.entries(commandFields).map(([name, field]) => [field, name as CommandName]),
);

/** A response that isn't the last one of its operation. */
export const isPending = (status: number | undefined): boolean =>
  status === statuses.pending || status === statuses.pendingWithWarning;

/** A whole command set. */
export function decodeCommand(bytes: Uint8Array): Decoded<Command> {
  const bad = (name: string, offset: number): { kind: 'malformed'; name: string; offset: number } => ({
    kind: 'malformed',
    name,
    offset,
  });
  if (bytes.length > limits.commandBytes) return bad('dicom_command_too_long', limits.commandBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = new Map<number, { start: number; end: number }>();
  let previous = -1;
  let at = 0;
  while (at < bytes.length) {
    if (bytes.length - at < 8) return bad('dicom_truncated_element', at);
    const group = view.getUint16(at, true);
    const element = view.getUint16(at + 2, true);
    const start = at + 8;
    const end = start + view.getUint32(at + 4, true);
    if (group !== 0) return bad('dicom_not_a_command_element', at);
    if (end > bytes.length) return bad('dicom_bad_element_length', at + 4);
    // Ascending and unique: two readers must not find two different values for one element.
    if (element <= previous) return bad('dicom_command_order', at);
    previous = element;
    values.set(element, { start, end });
    at = end;
  }

  const number = (element: number): number | undefined => {
    const value = values.get(element);
    return value !== undefined && value.end - value.start === 2
      ? view.getUint16(value.start, true)
      : undefined;
  };
  const text = (element: number, most: number): string | undefined => {
    const value = values.get(element);
    if (value === undefined || value.end - value.start > most) return undefined;
    return fieldText(bytes.subarray(value.start, value.end));
  };

  const field = number(commandElements.commandField);
  const name = field === undefined ? undefined : names.get(field & ~responseBit);
  const dataSetType = number(commandElements.commandDataSetType);
  if (field === undefined || name === undefined || field === (commandFields['C-CANCEL'] | responseBit))
    return bad('dicom_unknown_command', 0);
  if (dataSetType === undefined) return bad('dicom_no_data_set_type', 0);

  const response = (field & responseBit) !== 0;
  const answers = response || name === 'C-CANCEL';
  const messageId = number(commandElements.messageId);
  const respondedTo = number(commandElements.messageIdBeingRespondedTo);
  if ((answers ? respondedTo : messageId) === undefined) return bad('dicom_no_message_id', 0);
  const status = number(commandElements.status);
  if (response && status === undefined) return bad('dicom_no_status', 0);

  const uidMost = limits.uidChars + 1;
  const affected = text(commandElements.affectedSopClassUid, uidMost);
  const requested = text(commandElements.requestedSopClassUid, uidMost);
  if (affected !== undefined && requested !== undefined && affected !== requested)
    return bad('dicom_two_sop_classes', 0);
  const sopClassUid = affected ?? requested;
  const sopInstanceUid =
    text(commandElements.affectedSopInstanceUid, uidMost) ??
    text(commandElements.requestedSopInstanceUid, uidMost);
  const moveDestination = text(commandElements.moveDestination, 16);
  const eventTypeId = number(commandElements.eventTypeId);
  const actionTypeId = number(commandElements.actionTypeId);
  return {
    kind: 'message',
    message: {
      field,
      name,
      response,
      messageId: answers ? 0 : (messageId ?? 0),
      respondedTo: answers ? (respondedTo ?? 0) : 0,
      ...(sopClassUid === undefined ? {} : { sopClassUid }),
      ...(sopInstanceUid === undefined ? {} : { sopInstanceUid }),
      hasDataSet: dataSetType !== noDataSet,
      ...(response && status !== undefined ? { status } : {}),
      ...(moveDestination === undefined ? {} : { moveDestination }),
      ...(eventTypeId === undefined ? {} : { eventTypeId }),
      ...(actionTypeId === undefined ? {} : { actionTypeId }),
    },
  };
}

type Value = { readonly us: number } | { readonly text: string; readonly pad: string };

/** A command set with its group length, from elements in ascending order. */
function encode(elements: readonly (readonly [number, Value])[]): Uint8Array {
  const parts: Buffer[] = [];
  for (const [element, value] of elements) {
    const content =
      'us' in value
        ? Buffer.of(value.us & 0xff, value.us >> 8)
        : Buffer.from(value.text.length % 2 === 0 ? value.text : value.text + value.pad, 'latin1');
    const header = Buffer.alloc(8);
    header.writeUInt16LE(element, 2);
    header.writeUInt32LE(content.length, 4);
    parts.push(header, content);
  }
  const body = Buffer.concat(parts);
  const group = Buffer.alloc(12);
  group.writeUInt32LE(4, 4);
  group.writeUInt32LE(body.length, 8);
  return Buffer.concat([group, body]);
}

const us = (value: number): Value => ({ us: value });
const uid = (text: string): Value => ({ text, pad: '\0' });
const lo = (text: string): Value => ({ text, pad: ' ' });

/** A request's own numbers and names, echoed. */
export function responseTo(request: Command, status: number, comment = ''): Uint8Array {
  const elements: [number, Value][] = [];
  if (request.sopClassUid !== undefined)
    elements.push([commandElements.affectedSopClassUid, uid(request.sopClassUid)]);
  elements.push(
    [commandElements.commandField, us(request.field | responseBit)],
    [commandElements.messageIdBeingRespondedTo, us(request.messageId)],
    [commandElements.commandDataSetType, us(noDataSet)],
    [commandElements.status, us(status)],
  );
  const words = errorComment(comment);
  if (words !== '') elements.push([commandElements.errorComment, lo(words)]);
  if (request.sopInstanceUid !== undefined)
    elements.push([commandElements.affectedSopInstanceUid, uid(request.sopInstanceUid)]);
  if (request.eventTypeId !== undefined)
    elements.push([commandElements.eventTypeId, us(request.eventTypeId)]);
  if (request.actionTypeId !== undefined)
    elements.push([commandElements.actionTypeId, us(request.actionTypeId)]);
  return encode(elements);
}

/** C-CANCEL-RQ of an operation, PS3.7 section 9.3.2.3. */
export const cancelOf = (messageId: number): Uint8Array =>
  encode([
    [commandElements.commandField, us(commandFields['C-CANCEL'])],
    [commandElements.messageIdBeingRespondedTo, us(messageId)],
    [commandElements.commandDataSetType, us(noDataSet)],
  ]);

/** Text as an LO holds it: printable ASCII without the backslash that separates values, at most 64 characters. */
function errorComment(text: string): string {
  let words = '';
  for (const char of text) words += char >= ' ' && char <= '~' && char !== '\\' ? char : '?';
  return words.slice(0, errorCommentChars).trim();
}
