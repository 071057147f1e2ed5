/**
 * One direction of an MLLP connection as a stream of events, for the broker's gate and for the sensor, which may
 * have missed the beginning: every VT is a place to start.
 *
 * What surprises: a message whose header can't be read is an event of its own, with its bytes, because what to do
 * with it depends on who sent it. Only MSH, MSA and, for the sensor, the device fields of OBX and PRT are read.
 */
import { limits } from './constants.ts';
import { fieldOf, parseHeader, segmentsOf } from './message.ts';
import type { Header } from './message.ts';
import { MllpReader } from './mllp.ts';

/** What a message says of the equipment behind it, raw. */
export interface EquipmentIdentity {
  /** Equipment instance, participation device, UDI device identifier. */
  readonly field: 'OBX-18' | 'PRT-10' | 'PRT-16';
  readonly value: string;
}

export type Hl7Event =
  | {
      kind: 'message';
      header: Header;
      bytes: Uint8Array;
      offset: number;
      /** MSA-1 and MSA-2, when it answers a message. */
      answers?: { code: string; controlId: string };
      equipment: readonly EquipmentIdentity[];
    }
  /** A framed message whose header can't be read. */
  | { kind: 'malformed'; name: string; bytes: Uint8Array; offset: number }
  /** Longer than allowed; the header, when its beginning could be read. */
  | { kind: 'oversize'; header?: Header; offset: number }
  | { kind: 'weird'; name: string; offset: number; detail?: string };

export interface Hl7Options {
  readonly maxBytes?: number;
  /** Look for equipment identities. */
  readonly equipment?: boolean;
}

export class Hl7Analyzer {
  readonly #reader: MllpReader;
  readonly #equipment: boolean;

  constructor(options: Hl7Options = {}) {
    this.#reader = new MllpReader(options.maxBytes ?? limits.messageBytes);
    this.#equipment = options.equipment ?? false;
  }

  get outsideBytes(): number {
    return this.#reader.outsideBytes;
  }

  get partial(): boolean {
    return this.#reader.partial;
  }

  get offset(): number {
    return this.#reader.offset;
  }

  push(bytes: Uint8Array): Hl7Event[] {
    return this.#reader.push(bytes).map((event): Hl7Event => {
      if (event.kind === 'weird') return event;
      const { offset } = event;
      const parsed = parseHeader(event.bytes);
      if (event.kind === 'oversize')
        return { kind: 'oversize', offset, ...(parsed.kind === 'message' ? { header: parsed.message } : {}) };
      if (parsed.kind === 'malformed')
        return { kind: 'malformed', name: parsed.name, bytes: event.bytes, offset };
      return {
        kind: 'message',
        header: parsed.message,
        bytes: event.bytes,
        offset,
        ...this.#read(event.bytes, parsed.message),
      };
    });
  }

  gap(count: number): void {
    this.#reader.gap(count);
  }

  #read(
    bytes: Uint8Array,
    header: Header,
  ): { answers?: { code: string; controlId: string }; equipment: EquipmentIdentity[] } {
    const { field: separator, repetition } = header.delimiters;
    const equipment: EquipmentIdentity[] = [];
    let answers: { code: string; controlId: string } | undefined;
    const add = (field: EquipmentIdentity['field'], raw: string): void => {
      for (const value of raw.split(repetition)) {
        const kept = value.slice(0, limits.equipmentChars);
        if (kept === '' || equipment.length >= limits.equipment) continue;
        if (!equipment.some((known) => known.field === field && known.value === kept))
          equipment.push({ field, value: kept });
      }
    };
    for (const segment of segmentsOf(bytes)) {
      if (segment.name === 'MSA' && answers === undefined) {
        answers = {
          code: fieldOf(bytes, segment, separator, 1).trim(),
          controlId: fieldOf(bytes, segment, separator, 2),
        };
        if (!this.#equipment) break;
      } else if (this.#equipment && segment.name === 'OBX') {
        add('OBX-18', fieldOf(bytes, segment, separator, 18));
      } else if (this.#equipment && segment.name === 'PRT') {
        add('PRT-10', fieldOf(bytes, segment, separator, 10));
        add('PRT-16', fieldOf(bytes, segment, separator, 16));
      }
    }
    return { ...(answers === undefined ? {} : { answers }), equipment };
  }
}
