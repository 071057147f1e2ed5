/** DICOM bytes written straight from PS3.7 and PS3.8, without the code under test. */

export const CT = '1.2.840.10008.5.1.4.1.1.2';
export const VERIFICATION = '1.2.840.10008.1.1';
export const STUDY_FIND = '1.2.840.10008.5.1.4.1.2.2.1';
export const STUDY_GET = '1.2.840.10008.5.1.4.1.2.2.3';
export const STUDY_MOVE = '1.2.840.10008.5.1.4.1.2.2.2';
export const IMPLICIT = '1.2.840.10008.1.2';

const be16 = (n: number): Buffer => Buffer.of(n >> 8, n & 0xff);
const be32 = (n: number): Buffer => Buffer.concat([be16(Math.floor(n / 65536)), be16(n % 65536)]);
const le16 = (n: number): Buffer => Buffer.of(n & 0xff, n >> 8);
const le32 = (n: number): Buffer => Buffer.concat([le16(n % 65536), le16(Math.floor(n / 65536))]);

export const pdu = (type: number, ...body: Buffer[]): Buffer => {
  const all = Buffer.concat(body);
  return Buffer.concat([Buffer.of(type, 0), be32(all.length), all]);
};
export const item = (type: number, ...body: Buffer[]): Buffer => {
  const all = Buffer.concat(body);
  return Buffer.concat([Buffer.of(type, 0), be16(all.length), all]);
};
const ascii = (text: string): Buffer => Buffer.from(text, 'latin1');
const ae = (text: string): Buffer => ascii(text.padEnd(16));

export interface AssociateWish {
  called?: string;
  calling?: string;
  /** Context id to abstract syntax (request) or to result (accept). */
  contexts: Record<number, string | number>;
  maximumLength?: number;
  asynchronous?: boolean;
  /** More user information items. */
  more?: Buffer[];
}

function associate(type: number, wish: AssociateWish): Buffer {
  const contexts = Object.entries(wish.contexts).map(([id, what]) =>
    item(
      type === 1 ? 0x20 : 0x21,
      Buffer.of(Number(id), 0, typeof what === 'number' ? what : 0, 0),
      ...(typeof what === 'string' ? [item(0x30, ascii(what))] : []),
      item(0x40, ascii(IMPLICIT)),
    ),
  );
  return pdu(
    type,
    Buffer.of(0, 1, 0, 0),
    ae(wish.called ?? 'PACS'),
    ae(wish.calling ?? 'RITA'),
    Buffer.alloc(32),
    item(0x10, ascii('1.2.840.10008.3.1.1.1')),
    ...contexts,
    item(
      0x50,
      item(0x51, be32(wish.maximumLength ?? 16384)),
      item(0x52, ascii('1.2.3.4')),
      ...(wish.asynchronous === true ? [item(0x53, be16(0), be16(5))] : []),
      item(0x55, ascii('SAMPLE_1')),
      ...(wish.more ?? []),
    ),
  );
}
export const associateRequest = (wish: AssociateWish): Buffer => associate(1, wish);
export const associateAccept = (wish: AssociateWish): Buffer => associate(2, wish);

export type Element = [element: number, value: number | string];

/** A command set; numbers are US, text is padded to even length. */
export function commandSet(elements: Element[]): Buffer {
  const body = Buffer.concat(
    elements
      .toSorted((a, b) => a[0] - b[0])
      .map(([element, value]) => {
        const content =
          typeof value === 'number' ? le16(value) : ascii(value.length % 2 === 0 ? value : `${value}\0`);
        return Buffer.concat([le16(0), le16(element), le32(content.length), content]);
      }),
  );
  return Buffer.concat([le16(0), le16(0), le32(4), le32(body.length), body]);
}

export const FIELD = {
  'C-STORE': 0x0001,
  'C-GET': 0x0010,
  'C-FIND': 0x0020,
  'C-MOVE': 0x0021,
  'C-ECHO': 0x0030,
  'N-EVENT-REPORT': 0x0100,
  'N-GET': 0x0110,
  'N-SET': 0x0120,
  'N-ACTION': 0x0130,
  'N-CREATE': 0x0140,
  'N-DELETE': 0x0150,
  'C-CANCEL': 0x0fff,
} as const;

export interface RequestWish {
  id?: number;
  data?: boolean;
  instance?: string;
  more?: Element[];
}

export const request = (name: keyof typeof FIELD, sopClass: string, wish: RequestWish = {}): Buffer => {
  const requested = ['N-GET', 'N-SET', 'N-ACTION', 'N-DELETE'].includes(name);
  return commandSet([
    [requested ? 0x0003 : 0x0002, sopClass],
    [0x0100, FIELD[name]],
    [0x0110, wish.id ?? 1],
    [0x0800, wish.data === true ? 0x0001 : 0x0101],
    ...(wish.instance === undefined ? [] : [[requested ? 0x1001 : 0x1000, wish.instance] as Element]),
    ...(wish.more ?? []),
  ]);
};

export const response = (
  name: keyof typeof FIELD,
  sopClass: string,
  id: number,
  status: number,
  data = false,
): Buffer =>
  commandSet([
    [0x0002, sopClass],
    [0x0100, FIELD[name] | 0x8000],
    [0x0120, id],
    [0x0800, data ? 0x0001 : 0x0101],
    [0x0900, status],
  ]);

export const cancel = (id: number): Buffer =>
  commandSet([
    [0x0100, FIELD['C-CANCEL']],
    [0x0120, id],
    [0x0800, 0x0101],
  ]);

export const pdv = (context: number, control: number, fragment: Uint8Array): Buffer =>
  Buffer.concat([be32(fragment.length + 2), Buffer.of(context, control), fragment]);

/** One PDU with one PDV that holds a whole command set. */
export const commandPdu = (context: number, set: Buffer): Buffer => pdu(4, pdv(context, 3, set));

/** A data set in fragments of `size`, one PDU each. */
export function dataPdus(context: number, bytes: Uint8Array, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length || at === 0; at += size) {
    const end = Math.min(at + size, bytes.length);
    parts.push(pdu(4, pdv(context, end === bytes.length ? 2 : 0, bytes.subarray(at, end))));
    if (end === bytes.length) break;
  }
  return Buffer.concat(parts);
}

export const releaseRequest = pdu(5, Buffer.alloc(4));
export const releaseResponse = pdu(6, Buffer.alloc(4));
export const abortPdu = (source: number, reason: number): Buffer => pdu(7, Buffer.of(0, 0, source, reason));
