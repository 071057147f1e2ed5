/**
 * A maker's disclosure statement for the security of a device: the MDS2 form of ANSI/NEMA HN 1-2019 as a workbook. Each
 * row of the form is a question with an id (`DOC-1`, `MPII-2.6`, `AUTH-1`), the question, the answer and a note.
 *
 * The published sheet has, from the left: question id, question, the answer (under no heading), "See note", and what the
 * question is in IEC TR 80001-2-2, NIST SP 800-53 and ISO 27002; a line with a title before each of its parts, and notes by
 * number below or on a sheet of their own. What surprises: makers move columns and add sheets, so the id's column is found
 * by the ids themselves and the others by their headings, where there are headings; an answer may be in the next column, of
 * a merged cell; one form may be about several models. The form of 2013 numbers its questions without such ids and isn't
 * read.
 */
import type { DeviceDocument, Mds2Answer } from '../../wire/advisory.ts';
import { line, malformed } from './json-document.ts';
import type { Malformed } from './json-document.ts';
import { readWorkbook } from './workbook.ts';
import type { Row, Sheet } from './workbook.ts';

const ID = /^[A-Z]{3,5}-\d{1,3}(?:\.\d{1,3}){0,3}$/;
const MAX_ANSWERS = 1024;
const MAX_NOTES = 256;
/** Fewer rows with an id aren't the form. */
const MIN_ANSWERS = 5;

interface Columns {
  readonly id: number;
  readonly question: number;
  readonly answer: number;
  readonly note: number;
}

/** The column that has the most ids. */
function idColumn(rows: readonly Row[]): number {
  const counts: number[] = [];
  for (const row of rows)
    for (const [column, cell] of row.entries()) if (ID.test(cell)) counts[column] = (counts[column] ?? 0) + 1;
  let best = -1;
  for (const [column, count] of counts.entries())
    if (count !== undefined && count > (best < 0 ? 0 : (counts[best] ?? 0))) best = column;
  return best;
}

function columnsOf({ rows }: Sheet): Columns | undefined {
  const id = idColumn(rows);
  if (id < 0) return undefined;
  let [question, answer, note] = [id + 1, id + 2, id + 3];
  for (const row of rows.slice(0, 60)) {
    const heading = row.map((cell) => cell.toLowerCase());
    const answers = heading.findIndex((cell, at) => at > id && /^(?:answer|response|yes, ?no)/.test(cell));
    const notes = heading.findIndex((cell, at) => at > id && /^(?:see )?notes?\b|^comments?$/.test(cell));
    const questions = heading.findIndex((cell, at) => at > id && /^question(?! ?id)/.test(cell));
    if (questions > 0) question = questions;
    if (answers > 0) answer = answers;
    if (notes > 0) note = notes;
    if (answers > 0 || notes > 0) break;
  }
  return { id, question, answer, note };
}

function answersOf(sheet: Sheet, notes: ReadonlyMap<string, string>): Mds2Answer[] {
  const columns = columnsOf(sheet);
  if (!columns) return [];
  return sheet.rows
    .filter((row) => ID.test(row[columns.id] ?? ''))
    .map((row) => {
      const note = row[columns.note] ?? '';
      return {
        id: row[columns.id] ?? '',
        question: line(row[columns.question] ?? '', 500),
        answer: line(row[columns.answer] ?? '', 300),
        note: line(withNotes(note, notes), 600),
      };
    });
}

const REFERENCE = /^(?:(?:see )?notes? *#?)?(\d{1,3})(?:[.:)-]\s*(.*))?$/i;

/**
 * Notes by number: `Note 3: …`, `3. …`, or the number in one cell and the words in the next. They stand below the questions
 * or on a sheet that is called so; numbered lines elsewhere are instructions.
 */
function notesOf(sheets: readonly Sheet[]): ReadonlyMap<string, string> {
  const notes = new Map<string, string>();
  for (const { name, rows } of sheets) {
    const last = rows.findLastIndex((row) => row.some((cell) => ID.test(cell)));
    if (last < 0 && !/\bnotes?\b/i.test(name)) continue;
    for (const row of rows.slice(last + 1)) {
      const cells = row.filter((cell) => cell !== '');
      if (cells.length > 3) continue;
      const [, number, text = ''] = REFERENCE.exec(cells[0] ?? '') ?? [];
      const words = text === '' ? (cells[1] ?? '') : text;
      if (number !== undefined && /\p{L}{2}/u.test(words) && notes.size < MAX_NOTES && !notes.has(number))
        notes.set(number, words);
    }
  }
  return notes;
}

/** A note that is only numbers stands for what those say. */
function withNotes(cell: string, notes: ReadonlyMap<string, string>): string {
  const numbers = cell.split(/\s*[,;&]\s*|\s+and\s+/).map((part) => REFERENCE.exec(part.trim()));
  if (cell === '' || !numbers.every((found) => found !== null && found[2] === undefined)) return cell;
  const texts = numbers.map((found) => notes.get(found?.[1] ?? '')).filter((text) => text !== undefined);
  return texts.length === 0 ? cell : texts.join(' ');
}

/** What a question of the head of the form (DOC-…) asks for, by its words: ids moved between drafts. */
function head(answers: readonly Mds2Answer[], question: RegExp): string {
  const row = answers.find((each) => each.id.startsWith('DOC-') && question.test(each.question));
  return row?.answer ?? '';
}

/** `name`: of the file, for people. */
export function readMds2(
  bytes: Uint8Array,
  name: string,
): { readonly kind: 'message'; readonly document: DeviceDocument } | Malformed {
  const book = readWorkbook(bytes);
  if (book.kind === 'malformed') return book;
  const byId = new Map<string, Mds2Answer>();
  const notes = notesOf(book.sheets);
  for (const sheet of book.sheets)
    for (const answer of answersOf(sheet, notes)) {
      const before = byId.get(answer.id);
      // A second sheet often explains the questions: what was answered counts.
      if (!before || (before.answer === '' && answer.answer !== '')) byId.set(answer.id, answer);
    }
  const answers = [...byId.values()].slice(0, MAX_ANSWERS);
  if (answers.length < MIN_ANSWERS)
    return malformed('(workbook)', 'no question ids of an MDS2 form of 2019 (DOC-1, MPII-1, …)');
  const manufacturer = line(head(answers, /manufacturer name/i), 200);
  const model = line(head(answers, /device model/i), 200);
  const released = line(head(answers, /release date/i), 40);
  return {
    kind: 'message',
    document: {
      kind: 'mds2',
      name: line(name, 200),
      ...(manufacturer === '' ? {} : { manufacturer }),
      ...(model === '' ? {} : { model }),
      ...(released === '' ? {} : { released }),
      answers,
    },
  };
}
