/**
 * One direction of a DICOM association as a stream of events: PS3.8 section 9.3 for the PDUs, PS3.7 annex F for
 * the fragments of a message. The broker's gate drives two of them and decides; the sensor drives them on what it
 * happens to see.
 *
 * What surprises:
 * - Nothing is buffered but association PDUs and command sets, both bounded: data fragments come out as views of
 *   the bytes pushed, in the chunks they arrived in, so a 16 MB PDU costs nothing.
 * - A command is an event only when its whole command set has arrived, however it was fragmented.
 * - After a `weird` the stream can't be followed any more: `lost` is set and later pushes give nothing.
 */
import { limits, pduHeaderBytes, pduTypes, pdvControl, pdvHeaderBytes } from './constants.ts';
import { decodeCommand } from './dimse.ts';
import type { Command } from './dimse.ts';
import { decodeAssociate } from './message.ts';
import type { Association } from './message.ts';

export type DicomEvent =
  /** `pdu` is the whole PDU, a copy. */
  | { kind: 'associate'; request: boolean; association: Association; pdu: Uint8Array; offset: number }
  | { kind: 'reject'; result: number; source: number; reason: number; offset: number }
  /** `bytes` is the whole command set, a copy. */
  | { kind: 'command'; context: number; command: Command; bytes: Uint8Array; offset: number }
  /** A piece of a data set; `last` on the piece that ends it (which may be empty). */
  | { kind: 'data'; context: number; bytes: Uint8Array; last: boolean; offset: number }
  | { kind: 'release'; request: boolean; offset: number }
  | { kind: 'abort'; source: number; reason: number; offset: number }
  | { kind: 'weird'; name: string; offset: number; detail?: string };

const none = new Uint8Array(0);

/** Bytes gathered up to a known count. */
class Gather {
  #bytes = none;
  #filled = 0;

  start(size: number): void {
    this.#bytes = new Uint8Array(size);
    this.#filled = 0;
  }

  /** Takes what it needs from `from` on; says how much that was. */
  take(bytes: Uint8Array, from: number): number {
    const n = Math.min(this.#bytes.length - this.#filled, bytes.length - from);
    this.#bytes.set(bytes.subarray(from, from + n), this.#filled);
    this.#filled += n;
    return n;
  }

  get whole(): boolean {
    return this.#filled === this.#bytes.length;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }
}

type State = 'pdu-header' | 'pdu-body' | 'pdv-header' | 'pdv-body' | 'lost';

export class DicomAnalyzer {
  #state: State = 'pdu-header';
  /** Bytes of the stream consumed so far. */
  #offset = 0;
  #pduStart = 0;
  /** Bytes left of the P-DATA-TF and of the PDV inside it. */
  #pduLeft = 0;
  #pdvLeft = 0;
  #context = 0;
  #control = 0;
  readonly #held = new Gather();
  /** Fragments of the command set now arriving. */
  #command: { context: number; held: Uint8Array; size: number; offset: number } | undefined;

  constructor() {
    this.#held.start(pduHeaderBytes);
  }

  /** True once the stream can't be followed. */
  get lost(): boolean {
    return this.#state === 'lost';
  }

  /** True between PDUs, with no command half arrived. */
  get between(): boolean {
    return this.#state === 'pdu-header' && this.#offset === this.#pduStart && this.#command === undefined;
  }

  get offset(): number {
    return this.#offset;
  }

  push(bytes: Uint8Array): DicomEvent[] {
    const events: DicomEvent[] = [];
    let at = 0;
    while (at < bytes.length && this.#state !== 'lost') at += this.#step(bytes, at, events);
    return events;
  }

  /** `count` bytes were never seen (a passive observer's loss). Only a hole inside a data fragment can be bridged. */
  gap(count: number): DicomEvent[] {
    if (this.#state !== 'pdv-body' || this.#command !== undefined || count > this.#pdvLeft) {
      this.#state = 'lost';
      return [];
    }
    const events: DicomEvent[] = [];
    this.#offset += count;
    this.#data(none, count, events);
    return events;
  }

  /** Consumes at least one byte from `at` on. */
  #step(bytes: Uint8Array, at: number, events: DicomEvent[]): number {
    if (this.#state === 'pdv-body') {
      const n = Math.min(this.#pdvLeft, bytes.length - at);
      this.#offset += n;
      const piece = bytes.subarray(at, at + n);
      if ((this.#control & pdvControl.command) === 0) this.#data(piece, n, events);
      else this.#commandPiece(piece, events);
      return n;
    }
    const n = this.#held.take(bytes, at);
    this.#offset += n;
    if (this.#held.whole) {
      if (this.#state === 'pdu-header') this.#pduHeader(events);
      else if (this.#state === 'pdv-header') this.#pdvHeader(events);
      else this.#wholePdu(this.#held.bytes, events);
    }
    return n;
  }

  #pduHeader(events: DicomEvent[]): void {
    const header = this.#held.bytes;
    const length = new DataView(header.buffer).getUint32(2);
    const type = header[0];
    switch (type) {
      case pduTypes.data:
        if (length > limits.pduBytes) return this.#lose(events, 'dicom_pdu_too_long', 2, `${length} bytes`);
        if (length < pdvHeaderBytes) return this.#lose(events, 'dicom_bad_pdu_length', 2, `${length} bytes`);
        this.#pduLeft = length;
        return this.#expectPdv();
      case pduTypes.associateRequest:
      case pduTypes.associateAccept:
        if (length > limits.associateBytes)
          return this.#lose(events, 'dicom_pdu_too_long', 2, `${length} bytes`);
        break;
      case pduTypes.associateReject:
      case pduTypes.releaseRequest:
      case pduTypes.releaseResponse:
      case pduTypes.abort:
        if (length !== 4) return this.#lose(events, 'dicom_bad_pdu_length', 2, `${length} bytes`);
        break;
      default:
        return this.#lose(events, 'dicom_unknown_pdu', 0, `type ${type ?? 0}`);
    }
    this.#state = 'pdu-body';
    this.#held.start(pduHeaderBytes + length);
    this.#held.take(header, 0);
    // An association PDU without a body is whole already, and too short.
    if (this.#held.whole) this.#wholePdu(this.#held.bytes, events);
  }

  #wholePdu(pdu: Uint8Array, events: DicomEvent[]): void {
    const offset = this.#pduStart;
    const type = pdu[0];
    if (type === pduTypes.associateRequest || type === pduTypes.associateAccept) {
      const decoded = decodeAssociate(pdu);
      if (decoded.kind === 'malformed') return this.#lose(events, decoded.name, decoded.offset);
      const request = type === pduTypes.associateRequest;
      events.push({ kind: 'associate', request, association: decoded.message, pdu, offset });
    } else if (type === pduTypes.associateReject) {
      const [result = 0, source = 0, reason = 0] = pdu.subarray(7);
      events.push({ kind: 'reject', result, source, reason, offset });
    } else if (type === pduTypes.abort) {
      events.push({ kind: 'abort', source: pdu[8] ?? 0, reason: pdu[9] ?? 0, offset });
    } else {
      events.push({ kind: 'release', request: type === pduTypes.releaseRequest, offset });
    }
    this.#expectPdu();
  }

  #pdvHeader(events: DicomEvent[]): void {
    const header = this.#held.bytes;
    const length = new DataView(header.buffer).getUint32(0);
    const start = this.#offset - pdvHeaderBytes - this.#pduStart;
    if (length < 2 || length + 4 > this.#pduLeft)
      return this.#lose(events, 'dicom_bad_pdv_length', start, `${length} bytes`);
    this.#pduLeft -= pdvHeaderBytes;
    this.#pdvLeft = length - 2;
    this.#context = header[4] ?? 0;
    this.#control = header[5] ?? 0;
    const isCommand = (this.#control & pdvControl.command) !== 0;
    if (this.#command !== undefined && (!isCommand || this.#command.context !== this.#context))
      return this.#lose(events, 'dicom_interleaved_message', start);
    if (isCommand)
      this.#command ??= {
        context: this.#context,
        held: new Uint8Array(256),
        size: 0,
        offset: this.#pduStart + start,
      };
    this.#state = 'pdv-body';
    if (this.#pdvLeft > 0) return;
    if (isCommand) this.#commandPiece(none, events);
    else this.#data(none, 0, events);
  }

  #data(piece: Uint8Array, count: number, events: DicomEvent[]): void {
    const offset = this.#offset - count;
    this.#pdvLeft -= count;
    this.#pduLeft -= count;
    const last = this.#pdvLeft === 0 && (this.#control & pdvControl.last) !== 0;
    if (piece.length > 0 || last)
      events.push({ kind: 'data', context: this.#context, bytes: piece, last, offset });
    if (this.#pdvLeft === 0) this.#endPdv(events);
  }

  #commandPiece(piece: Uint8Array, events: DicomEvent[]): void {
    const command = this.#command;
    if (command === undefined) return;
    const size = command.size + piece.length;
    if (size > limits.commandBytes)
      return this.#lose(events, 'dicom_command_too_long', command.offset - this.#pduStart);
    if (size > command.held.length) {
      const held = new Uint8Array(Math.max(size, 2 * command.held.length));
      held.set(command.held.subarray(0, command.size));
      command.held = held;
    }
    command.held.set(piece, command.size);
    command.size = size;
    this.#pdvLeft -= piece.length;
    this.#pduLeft -= piece.length;
    if (this.#pdvLeft > 0) return;
    if ((this.#control & pdvControl.last) !== 0) {
      this.#command = undefined;
      const bytes = command.held.subarray(0, command.size);
      const decoded = decodeCommand(bytes);
      if (decoded.kind === 'malformed') {
        const start = command.offset - this.#pduStart;
        return this.#lose(events, decoded.name, start, `at ${decoded.offset} of the command set`);
      }
      const { context, offset } = command;
      events.push({ kind: 'command', context, command: decoded.message, bytes, offset });
    }
    this.#endPdv(events);
  }

  #endPdv(events: DicomEvent[]): void {
    if (this.#pduLeft === 0) this.#expectPdu();
    else if (this.#pduLeft >= pdvHeaderBytes) this.#expectPdv();
    else this.#lose(events, 'dicom_bad_pdv_length', this.#offset - this.#pduStart);
  }

  #expectPdv(): void {
    this.#state = 'pdv-header';
    this.#held.start(pdvHeaderBytes);
  }

  #expectPdu(): void {
    this.#state = 'pdu-header';
    this.#held.start(pduHeaderBytes);
    this.#pduStart = this.#offset;
  }

  /** `within`: offset inside the PDU. */
  #lose(events: DicomEvent[], name: string, within: number, detail?: string): void {
    this.#state = 'lost';
    const offset = this.#pduStart + within;
    events.push({ kind: 'weird', name, offset, ...(detail === undefined ? {} : { detail }) });
  }
}
