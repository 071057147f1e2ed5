/**
 * The cells of an XLSX workbook as text (ECMA-376 part 1, SpreadsheetML: workbook 18.2, worksheet 18.3, shared strings 18.4),
 * sheet by sheet, row by row. No formulas, no formats: a cell is the text that was saved with it.
 */
import { MAX_COLUMNS, MAX_ROWS, MAX_SHARED_STRINGS, MAX_SHEETS } from './constants.ts';
import { line, malformed, textOf } from './json-document.ts';
import type { Malformed } from './json-document.ts';
import { walkXml } from './xml.ts';
import type { XmlReader } from './xml.ts';
import { ZipArchive } from './zip.ts';

const MAX_CELL = 2_000;

/** Cells by column, from 0; '' where there is nothing. */
export type Row = readonly string[];
export interface Sheet {
  readonly name: string;
  readonly rows: readonly Row[];
}

class Texts {
  readonly list: string[] = [];
  #open = '';

  readonly reader: XmlReader = {
    text: (path, text) => {
      // Phonetic readings (rPh) aren't the text.
      if (path.at(-1) === 't' && !path.includes('rPh') && this.#open.length < 2 * MAX_CELL)
        this.#open += text;
    },
    close: (path) => {
      if (path.at(-1) !== 'si') return;
      if (this.list.length < MAX_SHARED_STRINGS) this.list.push(line(this.#open, MAX_CELL));
      this.#open = '';
    },
  };
}

/** `B12` is column 1. */
function columnOf(reference: string): number | undefined {
  const [letters = ''] = /^[A-Z]{1,3}/.exec(reference) ?? [];
  if (letters === '') return undefined;
  let column = 0;
  for (const letter of letters) column = 26 * column + letter.charCodeAt(0) - 64;
  return column - 1;
}

class Cells {
  readonly rows: string[][] = [];
  readonly #shared: readonly string[];
  #row: string[] = [];
  #column = -1;
  #type = '';
  #value = '';

  constructor(shared: readonly string[]) {
    this.#shared = shared;
  }

  readonly reader: XmlReader = {
    open: (path, attributes) => {
      const name = path.at(-1);
      if (name === 'row') {
        this.#row = [];
        this.#column = -1;
      } else if (name === 'c') {
        this.#column = columnOf(attributes.get('r') ?? '') ?? this.#column + 1;
        this.#type = attributes.get('t') ?? '';
        this.#value = '';
      }
    },
    text: (path, text) => {
      const name = path.at(-1);
      if ((name === 'v' || (name === 't' && path.includes('is'))) && this.#value.length < 2 * MAX_CELL)
        this.#value += text;
    },
    close: (path) => {
      const name = path.at(-1);
      if (name === 'c' && this.#column < MAX_COLUMNS) {
        const text =
          this.#type === 's' ? (this.#shared[Number(this.#value)] ?? '') : line(this.#value, MAX_CELL);
        while (this.#row.length < this.#column) this.#row.push('');
        this.#row[this.#column] = text;
      } else if (name === 'row' && this.rows.length < MAX_ROWS) this.rows.push(this.#row);
    },
  };
}

function walkEntry(archive: ZipArchive, name: string, reader: XmlReader): Malformed | undefined {
  const entry = archive.read(name);
  if (entry.kind === 'malformed') return entry;
  const text = textOf(entry.bytes);
  if (text === undefined) return malformed(name, 'is not UTF-8');
  const wrong = walkXml(text, reader);
  return wrong && malformed(`${name}: ${wrong.place}`, wrong.detail);
}

export function readWorkbook(
  bytes: Uint8Array,
): { readonly kind: 'message'; readonly sheets: readonly Sheet[] } | Malformed {
  const opened = ZipArchive.open(bytes);
  if (opened.kind === 'malformed') return opened;
  const { archive } = opened;
  const targets = new Map<string, string>();
  const listed: { readonly name: string; readonly id: string }[] = [];
  const wrong =
    walkEntry(archive, 'xl/_rels/workbook.xml.rels', {
      open: (path, attributes) => {
        if (path.at(-1) === 'Relationship')
          targets.set(attributes.get('Id') ?? '', attributes.get('Target') ?? '');
      },
    }) ??
    walkEntry(archive, 'xl/workbook.xml', {
      open: (path, attributes) => {
        if (path.at(-1) === 'sheet')
          listed.push({ name: line(attributes.get('name') ?? '', 100), id: attributes.get('id') ?? '' });
      },
    });
  if (wrong) return wrong;
  const texts = new Texts();
  const strings = archive.has('xl/sharedStrings.xml')
    ? walkEntry(archive, 'xl/sharedStrings.xml', texts.reader)
    : undefined;
  if (strings) return strings;
  if (listed.length > MAX_SHEETS) return malformed('xl/workbook.xml', `more than ${MAX_SHEETS} sheets`);
  const sheets: Sheet[] = [];
  for (const { name, id } of listed) {
    const target = targets.get(id) ?? '';
    const entry = target.startsWith('/') ? target.slice(1) : `xl/${target}`;
    // Chart sheets have no cells.
    if (!entry.includes('worksheets/')) continue;
    const cells = new Cells(texts.list);
    const found = walkEntry(archive, entry, cells.reader);
    if (found) return found;
    sheets.push({ name, rows: cells.rows });
  }
  return { kind: 'message', sheets };
}
