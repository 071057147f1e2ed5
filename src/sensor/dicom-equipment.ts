/**
 * The equipment module of the first data set that a DICOM requestor sends, out of its P-DATA-TF PDUs
 * (PS3.8 section 9.3.5): framing is followed byte by byte, commands are skipped, of the data set six elements are
 * kept (`protocol/dicom/equipment.ts`). A data set of a query names what is looked for, not who looks: it isn't read.
 *
 *   PDU  04 · 0 · length 4 · [PDV length 4 · context 1 · control 1 · fragment]*
 */
import { pduTypes, pdvControl } from '../protocol/dicom/constants.ts';
import { EquipmentReader } from '../protocol/dicom/equipment.ts';

const IMPLICIT = '1.2.840.10008.1.2';
const BIG_ENDIAN = '1.2.840.10008.1.2.2';
const DEFLATED = '1.2.840.10008.1.2.1.99';

export class StoredEquipment {
  readonly #syntaxOf: (context: number) => string | undefined;
  readonly #isOwn: (context: number) => boolean;
  readonly #say: (field: string, value: string, at: number) => void;
  readonly #header = new Uint8Array(6);
  #headerLength = 0;
  /** Left of the PDU and of the presentation data value. */
  #pdu = 0;
  #pdv = 0;
  #inData = false;
  #reader: EquipmentReader | undefined;
  #at = 0;
  #done = false;

  constructor(
    syntaxOf: (context: number) => string | undefined,
    isOwn: (context: number) => boolean,
    say: (field: string, value: string, at: number) => void,
  ) {
    this.#syntaxOf = syntaxOf;
    this.#isOwn = isOwn;
    this.#say = say;
  }

  /** True when there is nothing more to learn. */
  push(chunk: Uint8Array, at: number): boolean {
    this.#at = at;
    let here = 0;
    while (here < chunk.length && !this.#done) {
      if (this.#pdv > 0) {
        const part = chunk.subarray(here, here + this.#pdv);
        if (this.#inData) this.#data(part);
        this.#pdv -= part.length;
        this.#pdu -= part.length;
        here += part.length;
        continue;
      }
      this.#header[this.#headerLength++] = chunk[here++] as number;
      if (this.#headerLength === 6) this.#headerRead();
    }
    return this.#done;
  }

  #data(part: Uint8Array): void {
    this.#reader?.push(part);
    this.#done ||= this.#reader?.done ?? true;
  }

  #headerRead(): void {
    this.#headerLength = 0;
    const view = new DataView(this.#header.buffer);
    if (this.#pdu === 0) {
      this.#done = this.#header[0] !== pduTypes.data;
      this.#pdu = view.getUint32(2);
      return;
    }
    const length = view.getUint32(0);
    if (length < 2 || length + 4 > this.#pdu) {
      this.#done = true;
      return;
    }
    this.#pdv = length - 2;
    this.#pdu -= 6;
    this.#inData = ((this.#header[5] as number) & pdvControl.command) === 0;
    if (!this.#inData || this.#reader !== undefined) return;
    const context = this.#header[4] as number;
    const syntax = this.#syntaxOf(context);
    // What a query names is what it looks for.
    if (syntax === undefined || syntax === DEFLATED || !this.#isOwn(context)) {
      this.#done = true;
      return;
    }
    this.#reader = new EquipmentReader(syntax !== IMPLICIT, syntax !== BIG_ENDIAN, (field, value) =>
      this.#say(`equipment.${field}`, value, this.#at),
    );
  }
}
