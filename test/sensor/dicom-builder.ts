/**
 * DICOM associations and what travels in them, made by hand for the tests: PDUs from PS3.8 section 9.3, command sets from
 * PS3.7 section 9.3 and annex E, data sets from PS3.5 section 7.1. Nothing of the code under test is used.
 */
import { ascii } from './wire-builder.ts';

const be16 = (n: number): number[] => [(n >> 8) & 255, n & 255];
const be32 = (n: number): number[] => [...be16(Math.floor(n / 65_536)), ...be16(n % 65_536)];
const le16 = (n: number): number[] => [n & 255, (n >> 8) & 255];
const le32 = (n: number): number[] => [...le16(n % 65_536), ...le16(Math.floor(n / 65_536))];

export const syntaxes = {
  implicit: '1.2.840.10008.1.2',
  explicit: '1.2.840.10008.1.2.1',
  bigEndian: '1.2.840.10008.1.2.2',
} as const;

export const classes = {
  verification: '1.2.840.10008.1.1',
  crImage: '1.2.840.10008.5.1.4.1.1.1',
  ctImage: '1.2.840.10008.5.1.4.1.1.2',
  mrImage: '1.2.840.10008.5.1.4.1.1.4',
  usImage: '1.2.840.10008.5.1.4.1.1.6.1',
  studyFind: '1.2.840.10008.5.1.4.1.2.2.1',
  studyMove: '1.2.840.10008.5.1.4.1.2.2.2',
  worklist: '1.2.840.10008.5.1.4.31',
  performedStep: '1.2.840.10008.3.1.2.3.3',
  grayscalePrint: '1.2.840.10008.5.1.1.9',
  philipsPrivate: '1.3.46.670589.11.0.0.12.2',
} as const;

const item = (type: number, body: readonly number[]): number[] => [type, 0, ...be16(body.length), ...body];
const title = (text: string): number[] => ascii(text.padEnd(16));

export interface Offer {
  readonly called: string;
  readonly calling: string;
  readonly uid?: string;
  readonly version?: string;
  readonly classes: readonly string[];
  readonly syntax?: string;
}

const toolkit = { uid: '1.2.276.0.7230010.3.0.3.6.7', version: 'OFFIS_DCMTK_367' };

function associate(type: 1 | 2, offer: Offer, contexts: readonly number[]): number[] {
  const { uid, version } = offer.uid === undefined ? toolkit : { uid: offer.uid, version: offer.version };
  const user = item(0x50, [
    ...item(0x51, be32(16_384)),
    ...item(0x52, ascii(uid)),
    ...(version === undefined ? [] : item(0x55, ascii(version))),
  ]);
  const body = [
    ...be16(1),
    ...be16(0),
    ...title(offer.called),
    ...title(offer.calling),
    ...Array.from({ length: 32 }, () => 0),
    ...item(0x10, ascii('1.2.840.10008.3.1.1.1')),
    ...contexts,
    ...user,
  ];
  return [type, 0, ...be32(body.length), ...body];
}

/** A-ASSOCIATE-RQ: one presentation context a class, numbered 1, 3, 5 … */
export const request = (offer: Offer): number[] =>
  associate(
    1,
    offer,
    offer.classes.flatMap((uid, i) =>
      item(0x20, [
        2 * i + 1,
        0,
        0,
        0,
        ...item(0x30, ascii(uid)),
        ...item(0x40, ascii(offer.syntax ?? syntaxes.explicit)),
      ]),
    ),
  );

/** A-ASSOCIATE-AC that accepts the classes of `accepted` and refuses the others. */
export const accept = (offer: Offer, accepted: readonly string[] = offer.classes, own = toolkit): number[] =>
  associate(
    2,
    { ...offer, ...own },
    offer.classes.flatMap((uid, i) =>
      item(0x21, [
        2 * i + 1,
        0,
        accepted.includes(uid) ? 0 : 3,
        0,
        ...item(0x40, ascii(offer.syntax ?? syntaxes.explicit)),
      ]),
    ),
  );

const pdata = (context: number, control: number, fragment: readonly number[]): number[] => [
  4,
  0,
  ...be32(fragment.length + 6),
  ...be32(fragment.length + 2),
  context,
  control,
  ...fragment,
];

const even = (bytes: number[], pad: number): number[] => (bytes.length % 2 === 0 ? bytes : [...bytes, pad]);

/** A command set is always implicit little endian, PS3.7 section 6.3. */
function command(field: number, sopClass: string): number[] {
  const element = (low: number, value: number[]): number[] => [
    ...le16(0),
    ...le16(low),
    ...le32(value.length),
    ...value,
  ];
  const body = [
    ...element(0x0002, even(ascii(sopClass), 0)),
    ...element(0x0100, le16(field)),
    ...element(0x0110, le16(1)),
    ...element(0x0800, le16(1)),
  ];
  return [...element(0x0000, le32(body.length)), ...body];
}

export type Element = readonly [group: number, element: number, vr: string, value: string];

/** A data set in the syntax: short-length VRs only, as those of the equipment module are. */
export function dataSet(elements: readonly Element[], syntax: string = syntaxes.explicit): number[] {
  const big = syntax === syntaxes.bigEndian;
  const u16 = big ? be16 : le16;
  return elements.flatMap(([group, low, vr, value]) => {
    const bytes = even(ascii(value), vr === 'UI' ? 0 : 0x20);
    const length = syntax === syntaxes.implicit ? le32(bytes.length) : [...ascii(vr), ...u16(bytes.length)];
    return [...u16(group), ...u16(low), ...length, ...bytes];
  });
}

export const commands = { store: 0x0001, find: 0x0020, create: 0x0140 } as const;

/** A command and its data set over the context of one class. */
export const operation = (
  kind: keyof typeof commands,
  offer: Offer,
  sopClass: string,
  data: readonly number[],
): number[] => {
  const context = 2 * offer.classes.indexOf(sopClass) + 1;
  return [...pdata(context, 3, command(commands[kind], sopClass)), ...pdata(context, 2, data)];
};

export interface Equipment {
  readonly modality?: string;
  readonly manufacturer?: string;
  readonly model?: string;
  readonly software?: string;
  readonly station?: string;
  readonly serial?: string;
}

/** An image's data set up to where its pixels would come, with a patient planted in it. */
export function image(equipment: Equipment, syntax: string = syntaxes.explicit): number[] {
  const all: (Element | undefined)[] = [
    [0x0008, 0x0016, 'UI', classes.mrImage],
    [0x0008, 0x0018, 'UI', '1.2.3.4'],
    present(0x0008, 0x0060, 'CS', equipment.modality),
    present(0x0008, 0x0070, 'LO', equipment.manufacturer),
    present(0x0008, 0x1010, 'SH', equipment.station),
    present(0x0008, 0x1090, 'LO', equipment.model),
    [0x0010, 0x0010, 'PN', 'PLANTED^PATIENT'],
    [0x0010, 0x0020, 'LO', 'PLANTED-ID'],
    present(0x0018, 0x1000, 'LO', equipment.serial),
    present(0x0018, 0x1020, 'LO', equipment.software),
    [0x0020, 0x000d, 'UI', '1.2.3'],
  ];
  return dataSet(
    all.filter((e): e is Element => e !== undefined),
    syntax,
  );
}

const present = (
  group: number,
  element: number,
  vr: string,
  value: string | undefined,
): Element | undefined => (value === undefined || value === '' ? undefined : [group, element, vr, value]);
