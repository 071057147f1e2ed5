/**
 * What the ends of a DICOM association say of themselves: the first PDU of each direction, A-ASSOCIATE-RQ and
 * -AC or -RJ (PS3.8 section 9.3; user information PS3.7 annex D.3.3). After it the equipment module of the first
 * data set that the requestor stores is read as it streams by (`dicom-equipment.ts`): six elements, none of a
 * patient. No user identity is ever said.
 *
 * The calling title is the requestor's own. The called title is the acceptor's once it accepts: until then it
 * is only what somebody called. The titles that an A-ASSOCIATE-AC carries are not to be tested (PS3.8 table
 * 9-17), so the request's count.
 */
import {
  applicationContextName,
  associateFixedBytes,
  pduHeaderBytes,
  pduTypes,
} from '../protocol/dicom/constants.ts';
import type { Association } from '../protocol/dicom/message.ts';
import { limits } from './constants.ts';
import { StoredEquipment } from './dicom-equipment.ts';
import { readOpening } from './dicom-opening.ts';
import type { Opening } from './dicom-opening.ts';
import type { Side } from './flow.ts';
import { Gather } from './gather.ts';
import type { Conversation, Recognition, Speaker } from './identify.ts';

/** Up to the end of the two AE titles. */
const TITLES_END = pduHeaderBytes + 4 + 32;

const lengthOf = (pdu: Uint8Array): number => new DataView(pdu.buffer, pdu.byteOffset).getUint32(2);

/** Data sets of these services are the sender's own words; a query's are what it looks for. */
const ownData: ReadonlySet<string> = new Set(['storage', 'procedure-step']);

/** An A-ASSOCIATE-RQ or -AC: type, plausible length, version 1, and in a request two printable titles. */
export function recognizeDicom(head: Uint8Array): Recognition {
  const type = head[0];
  if (type !== pduTypes.associateRequest && type !== pduTypes.associateAccept) return 'no';
  if (head.length > 1 && head[1] !== 0) return 'no';
  if (head.length < TITLES_END) return 'more';
  const length = lengthOf(head);
  if (length < associateFixedBytes || length + pduHeaderBytes > limits.INSPECTED) return 'no';
  if (((head[7] as number) & 1) === 0) return 'no';
  if (type === pduTypes.associateAccept) return 'yes';
  for (let i = TITLES_END - 32; i < TITLES_END; i++) {
    const byte = head[i] as number;
    if (byte !== 0 && (byte < 0x20 || byte > 0x7e)) return 'no';
  }
  return 'yes';
}

export class DicomConversation implements Conversation {
  readonly #speaker: Speaker;
  readonly #gathers: readonly [Gather, Gather];
  #request: Opening | undefined;
  #accept: Opening | undefined;
  /** Where the requestor's data sets are read, once its request is. */
  #stored: StoredEquipment | undefined;

  constructor(speaker: Speaker) {
    this.#speaker = speaker;
    this.#gathers = [
      new Gather(limits.INSPECTED, (n) => speaker.hold(n)),
      new Gather(limits.INSPECTED, (n) => speaker.hold(n)),
    ];
  }

  push(from: Side, chunk: Uint8Array, at: number): boolean {
    if (from === 0 && this.#stored !== undefined) return this.#stored.push(chunk, at);
    const gather = this.#gathers[from];
    if (gather.length === 0) {
      const whole = wholePdu(chunk);
      if (whole !== undefined) return this.#opened(from, whole, chunk.subarray(whole.length), at);
    }
    if (!gather.add(chunk)) return this.#done(from);
    const whole = wholePdu(gather.bytes);
    if (whole === undefined) return gather.length > 0 && !isOpening(gather.bytes) ? this.#done(from) : false;
    const enough = this.#opened(from, whole, gather.bytes.subarray(whole.length), at);
    this.#done(from);
    return enough;
  }

  /** The opening PDU is read; `rest` follows it. */
  #opened(from: Side, pdu: Uint8Array, rest: Uint8Array, at: number): boolean {
    this.#read(from, pdu, at);
    if (from === 1 || this.#request === undefined) return true;
    this.#stored = new StoredEquipment(
      (context) => this.#accept?.syntaxes.get(context) ?? this.#request?.syntaxes.get(context),
      (context) => ownData.has(this.#request?.services.get(context) ?? ''),
      (field, value, when) => this.#speaker.say(0, field, value, when),
    );
    return this.#stored.push(rest, at);
  }

  ended(from: Side): void {
    this.#gathers[from].release();
  }

  #done(from: Side): true {
    this.#gathers[from].release();
    return true;
  }

  #read(from: Side, pdu: Uint8Array, at: number): true {
    if (pdu[0] === pduTypes.associateReject) {
      this.#speaker.serves(from);
      return true;
    }
    const decoded = readOpening(pdu);
    if (decoded.kind === 'malformed') {
      this.#speaker.weird(decoded.name);
      return true;
    }
    const { association } = decoded.message;
    if (association.applicationContext !== applicationContextName) {
      this.#speaker.weird('dicom_application_context');
      return true;
    }
    if (pdu[0] === pduTypes.associateRequest) {
      this.#request = decoded.message;
      this.#speaker.say(from, 'callingAeTitle', association.callingAeTitle, at);
    } else {
      this.#accept = decoded.message;
      this.#speaker.serves(from);
      this.#speaker.say(from, 'calledAeTitle', this.#request?.association.calledAeTitle, at);
    }
    this.#speaker.say(from, 'implementationClassUid', association.implementationClassUid, at);
    this.#speaker.say(from, 'implementationVersionName', association.implementationVersionName, at);
    this.#speaker.say(from, 'maximumLength', String(association.maximumLength), at);
    this.#offers(from, pdu[0] === pduTypes.associateRequest ? 'proposes' : 'accepts', association, at);
    return true;
  }

  /** The services that an end takes part in; of an acceptor those whose contexts it accepted. */
  #offers(from: Side, field: string, association: Association, at: number): void {
    const services = new Set<string>();
    for (const { id, result } of association.contexts) {
      const service = this.#request?.services.get(id);
      if (service !== undefined && (result ?? 0) === 0) services.add(service);
    }
    for (const service of [...services].toSorted()) this.#speaker.say(from, field, service, at);
  }
}

/** The first PDU of a direction may be one that opens or refuses an association. */
function isOpening(bytes: Uint8Array): boolean {
  const type = bytes[0] as number;
  if (type < pduTypes.associateRequest || type > pduTypes.associateReject) return false;
  return bytes.length < pduHeaderBytes || lengthOf(bytes) + pduHeaderBytes <= limits.INSPECTED;
}

function wholePdu(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < pduHeaderBytes || !isOpening(bytes)) return undefined;
  const end = pduHeaderBytes + lengthOf(bytes);
  return bytes.length < end ? undefined : bytes.subarray(0, end);
}
