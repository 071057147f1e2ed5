/** Zip archives and workbooks made by hand: good ones, and ones that lie at a place of choice. */
import { crc32, deflateRawSync } from 'node:zlib';

export interface Entry {
  readonly name: string;
  readonly data: string | Buffer;
  readonly stored?: boolean;
  /** What the directory says in place of the truth. */
  readonly size?: number;
  readonly crc?: number;
  readonly flags?: number;
  readonly method?: number;
}

export function zip(entries: readonly Entry[], count = entries.length): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const data = Buffer.from(entry.data);
    const packed = entry.stored === true ? data : deflateRawSync(data);
    const name = Buffer.from(entry.name);
    const method = entry.method ?? (entry.stored === true ? 0 : 8);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(20, 4);
    local.writeUInt16LE(method, 8);
    local.writeUInt16LE(name.length, 26);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(entry.flags ?? 0, 8);
    central.writeUInt16LE(method, 10);
    central.writeUInt32LE(entry.crc ?? crc32(data), 16);
    central.writeUInt32LE(packed.length, 20);
    central.writeUInt32LE(entry.size ?? data.length, 24);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt32LE(offset, 42);
    directory.push(central, name);
    parts.push(local, name, packed);
    offset += 30 + name.length + packed.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(count, 8);
  end.writeUInt16LE(count, 10);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
const letter = (column: number): string => String.fromCharCode(65 + column);
const xml = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';

/** Every other cell is a shared string, the rest are inline; empty cells are left out as office programs do. */
export function workbookEntries(sheets: Readonly<Record<string, readonly (readonly string[])[]>>): Entry[] {
  const shared: string[] = [];
  const names = Object.keys(sheets);
  const cell = (text: string, row: number, column: number): string => {
    if (text === '') return '';
    const at = `r="${letter(column)}${row + 1}"`;
    if ((row + column) % 2 === 0)
      return `<c ${at} t="inlineStr"><is><t xml:space="preserve">${escape(text)}</t></is></c>`;
    shared.push(text);
    return `<c ${at} t="s"><v>${shared.length - 1}</v></c>`;
  };
  const worksheets = names.map((name, i) => ({
    name: `xl/worksheets/sheet${i + 1}.xml`,
    data: `${xml}<x:worksheet xmlns:x="urn:s"><x:sheetData>${(sheets[name] ?? [])
      .map((row, r) => `<x:row r="${r + 1}">${row.map((text, c) => cell(text, r, c)).join('')}</x:row>`)
      .join('')}</x:sheetData></x:worksheet>`,
  }));
  return [
    { name: '[Content_Types].xml', data: `${xml}<Types/>`, stored: true },
    {
      name: 'xl/_rels/workbook.xml.rels',
      data: `${xml}<Relationships>${names.map((_, i) => `<Relationship Id="rId${i + 1}" Target="worksheets/sheet${i + 1}.xml"/>`).join('')}</Relationships>`,
    },
    {
      name: 'xl/workbook.xml',
      data: `${xml}<workbook xmlns:r="urn:r"><sheets>${names.map((name, i) => `<sheet name="${escape(name)}" sheetId="${i + 1}" r:id="rId${i + 1}"/>`).join('')}</sheets></workbook>`,
    },
    ...worksheets,
    {
      name: 'xl/sharedStrings.xml',
      data: `${xml}<sst>${shared.map((text) => `<si><r><t>${escape(text.slice(0, 3))}</t></r><r><t>${escape(text.slice(3))}</t></r><rPh><t>reading</t></rPh></si>`).join('')}</sst>`,
    },
  ];
}

/** A form with the head of a device and a few answers. */
export const formRows: readonly (readonly string[])[] = [
  ['', 'Manufacturer Disclosure Statement for Medical Device Security -- MDS2'],
  [],
  ['', 'Question ID', 'Question', '', 'See note'],
  ['', 'DOC-1', 'Manufacturer Name', 'Contec & Sons', ''],
  ['', 'DOC-3', 'Device Model', 'CMS8000', ''],
  ['', 'DOC-7', 'Document Release Date', '2026-02-01', ''],
  ['', 'MPII-1', 'Can this device display, transmit, store, or modify PII?', 'Yes', '1'],
  ['', 'MPII-2.6', 'Does the device store PII in a "database"?', 'No', ''],
  ['', 'AUTH-1', 'Does the device prevent access by <unauthorised> users?', 'See Notes', 'Only with a PIN'],
  ['', 'ALOF-1', 'Can it force a logoff?', '', ''],
];

export const mds2Workbook = (rows: readonly (readonly string[])[] = formRows): Buffer =>
  zip(workbookEntries({ Instructions: [['Read this first']], MDS2: rows }));
