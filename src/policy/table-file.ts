/**
 * Decision tables as files that a clinician can read: Markdown with tables in it, `NAME.cases.md`. A forge shows them
 * as tables; this reads them strictly, and every mistake is named with its line.
 *
 *   Policies: bedside.cedar, guards.cedar      which files it is about, beside it; without it all of the folder
 *
 *   Given:                                     facts of every case below, until the next Given
 *   - posture = good
 *   Who:                                       people by name, for a column `who`;
 *   - nina: roles = nurse; units = icu         in the same way What: for `what`, Circumstances: for `circumstances`
 *
 *   | case                   | who  | class         | unit | may          | rules        | advice |
 *   |------------------------|------|---------------|------|--------------|--------------|--------|
 *   | a nurse of the unit    | nina | infusion-pump | icu  | view, modify | bedside.nurse| -      |
 *
 * Columns of `expectations` say what is expected, `case` names the row, every other column is a fact of the request
 * (`table-facts.ts`). An empty cell says nothing: the fact is as given, the expectation isn't checked. `-` is the empty
 * list. A row's own column counts more than who, what and circumstances, and those more than Given.
 *
 * Everything else is prose for the reader. So that a slip isn't taken for prose, a `|` is for tables alone, and a line
 * that begins with `- ` is for the blocks alone (lists in prose begin with `*`).
 */
import { action } from '../wire/action.ts';
import type { Action } from '../wire/action.ts';
import { isErrorCode } from '../wire/errors.ts';
import { rungs } from '../wire/grant.ts';
import { clockOf, obligationKinds } from './lint.ts';
import type { ObligationKind } from './lint.ts';

/** A slip in a file. `name` is stable, `text` is for the author. */
export interface Problem {
  readonly line: number;
  readonly name: ProblemName;
  readonly text: string;
}
export type ProblemName =
  | 'stray-pipe'
  | 'stray-item'
  | 'bad-item'
  | 'bad-policies'
  | 'no-delimiter'
  | 'bad-row'
  | 'unknown-column'
  | 'column-twice'
  | 'column-missing'
  | 'name-missing'
  | 'name-twice'
  | 'name-unknown'
  | 'bad-expectation'
  | 'bad-fact'
  | 'no-cases';

type Rung = (typeof rungs)[number];

/** One fact as it is written, and where. */
export interface Cell {
  readonly text: string;
  readonly line: number;
}
export type Facts = ReadonlyMap<string, Cell>;

/** What isn't here isn't checked. */
export interface Expected {
  readonly may: readonly Action[];
  /** Ids of the policies that permit, all of them. */
  readonly rules?: readonly string[];
  /** Ids of the policies that take actions away, all of them. */
  readonly refusedBy?: readonly string[];
  /** Each stands in a reason for what isn't permitted, `administer: …`. */
  readonly because?: readonly string[];
  /** Kinds of the obligations, all of them. */
  readonly advice?: readonly ObligationKind[];
  /** Each stands in the text of an obligation. */
  readonly says?: readonly string[];
  /** The two clocks, ms. */
  readonly session?: number;
  readonly idle?: number;
  /** Whether the user may break the glass here; the scenario is a fact. */
  readonly glass?: boolean;
  /** Of a refusal: its code. */
  readonly code?: string;
  /** How far up the ladder. */
  readonly rung?: Rung;
  /** When the answer may change, as `when` is written. */
  readonly until?: Cell;
}

export interface TableCase {
  readonly name: string;
  readonly line: number;
  readonly facts: Facts;
  readonly expected: Expected;
}

export interface TableFile {
  /** Names of policy files beside it; undefined for all. */
  readonly policies: readonly string[] | undefined;
  readonly cases: readonly TableCase[];
}

export type Reading =
  | { readonly kind: 'table'; readonly table: TableFile }
  | { readonly kind: 'malformed'; readonly problems: readonly Problem[] };

/** Longest file, in characters, and most cases of one. */
const MAX_CHARACTERS = 1024 * 1024;
const MAX_CASES = 10_000;

const listOf = (text: string, separator = ','): string[] =>
  text === '-' || text === 'nothing'
    ? []
    : text
        .split(separator)
        .map((each) => each.trim())
        .filter((each) => each !== '');

type Readings = { [K in keyof Required<Expected>]: (cell: Cell) => Expected[K] | undefined };

function each<T extends string>(text: string, known: readonly T[]): T[] | undefined {
  const words = listOf(text);
  return words.every((word): word is T & string => (known as readonly string[]).includes(word))
    ? words
    : undefined;
}

const readings: Readings = {
  may: ({ text }) => {
    const words = each(text, action.options);
    return words && action.options.filter((word) => words.includes(word));
  },
  rules: ({ text }) => listOf(text).sort(),
  refusedBy: ({ text }) => listOf(text).sort(),
  because: ({ text }) => listOf(text, ';'),
  advice: ({ text }) => {
    const words = each(text, obligationKinds);
    return words && obligationKinds.filter((word) => words.includes(word));
  },
  says: ({ text }) => listOf(text, ';'),
  glass: ({ text }) => (text === 'yes' ? true : text === 'no' ? false : undefined),
  code: ({ text }) => (isErrorCode(text) ? text : undefined),
  rung: ({ text }) => rungs.find((rung) => rung === text),
  session: ({ text }) => clockOf(text),
  idle: ({ text }) => clockOf(text),
  until: (cell) => cell,
};

/** Headings of the columns that say what is expected, and what a cell of each has to be. */
export const expectations: Readonly<Record<string, { field: keyof Expected; form: string }>> = {
  may: { field: 'may', form: `actions (${action.options.join(', ')}) or "nothing"` },
  rules: { field: 'rules', form: 'ids of policies, or "-"' },
  'refused by': { field: 'refusedBy', form: 'ids of policies, or "-"' },
  because: { field: 'because', form: 'parts of reasons, with ; between them' },
  advice: { field: 'advice', form: `obligations (${obligationKinds.join(', ')}) or "-"` },
  says: { field: 'says', form: 'parts of texts, with ; between them' },
  'may break the glass': { field: 'glass', form: 'yes or no' },
  'refused with': { field: 'code', form: 'a code of the error table' },
  rung: { field: 'rung', form: rungs.join(', ') },
  session: { field: 'session', form: 'a time such as "12h"' },
  idle: { field: 'idle', form: 'a time such as "15m"' },
  until: { field: 'until', form: 'a time such as "Wed 17:00", or "end"' },
};

/** Blocks that name groups of facts, and the column that uses them. */
const groups = { 'Who:': 'who', 'What:': 'what', 'Circumstances:': 'circumstances' } as const;
type Group = (typeof groups)[keyof typeof groups];
const isGroup = (column: string): column is Group =>
  column === 'who' || column === 'what' || column === 'circumstances';

const DELIMITER = /^\|(?:\s*:?-+:?\s*\|)+$/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}$/;

/** Cells of a row without its outer pipes; `\|` is a pipe, and `code` loses its marks. */
function cellsOf(line: string): string[] {
  const cells = line.slice(1, -1).split(/(?<!\\)\|/);
  return cells.map((cell) => cell.trim().replaceAll('\\|', '|').replaceAll('`', ''));
}

class Reader {
  readonly problems: Problem[] = [];
  readonly cases: TableCase[] = [];
  policies: string[] | undefined;
  readonly #isFact: (name: string) => boolean;
  #given = new Map<string, Cell>();
  readonly #named: Record<Group, Map<string, Facts>> = {
    who: new Map(),
    what: new Map(),
    circumstances: new Map(),
  };
  readonly #names = new Set<string>();
  /** The block that items belong to. */
  #block: Group | 'given' | undefined;
  /** Headings of the table that rows belong to; before its delimiter line `ready` is false. */
  #table: { readonly columns: readonly string[]; readonly usable: boolean; ready: boolean } | undefined;

  constructor(isFact: (name: string) => boolean) {
    this.#isFact = isFact;
  }

  problem(line: number, name: ProblemName, text: string): void {
    this.problems.push({ line, name, text });
  }

  read(text: string): void {
    text.split(/\r?\n/).forEach((raw, i) => this.#line(raw.trim(), i + 1));
    this.#endTable(text.split('\n').length);
  }

  #line(text: string, line: number): void {
    if (text.startsWith('|') && text.endsWith('|') && text.length > 1) {
      this.#block = undefined;
      this.#row(text, line);
      return;
    }
    this.#endTable(line);
    if (text === '') return;
    if (text.startsWith('- ')) {
      this.#item(text.slice(2), line);
      return;
    }
    this.#block = undefined;
    if (text.includes('|')) this.problem(line, 'stray-pipe', 'a row begins and ends with "|"');
    else if (text === 'Given:') {
      this.#block = 'given';
      this.#given = new Map();
    } else if (Object.hasOwn(groups, text)) this.#block = groups[text as keyof typeof groups];
    else if (text.startsWith('Policies:')) this.#policies(text.slice('Policies:'.length), line);
  }

  #policies(text: string, line: number): void {
    const names = listOf(text.replaceAll('`', ''));
    if (this.policies || names.length === 0 || names.some((name) => !/^[\w.-]+\.cedar$/.test(name)))
      this.problem(line, 'bad-policies', 'names .cedar files beside this one, once');
    else this.policies = names;
  }

  #item(text: string, line: number): void {
    if (!this.#block) {
      this.problem(
        line,
        'stray-item',
        'belongs to no Given, Who, What or Circumstances; prose lists begin with "*"',
      );
      return;
    }
    if (this.#block === 'given') {
      this.#facts(text, line, this.#given);
      return;
    }
    const [, name, rest] = /^([^:=]+):(.*)$/.exec(text) ?? [];
    if (name === undefined || rest === undefined || !NAME.test(name)) {
      this.problem(line, 'bad-item', 'is written "- name: fact = value; fact = value"');
      return;
    }
    const known = this.#named[this.#block];
    if (known.has(name)) this.problem(line, 'name-twice', `${name} is defined above`);
    const facts = new Map<string, Cell>();
    this.#facts(rest, line, facts);
    known.set(name, facts);
  }

  #facts(text: string, line: number, into: Map<string, Cell>): void {
    for (const part of text.replaceAll('`', '').split(';')) {
      const [, name, value] = /^\s*([^=]+?)\s*=\s*(.*?)\s*$/.exec(part) ?? [];
      if (name === undefined || value === undefined || value === '') {
        this.problem(line, 'bad-item', `"${part.trim()}" is no "fact = value"`);
        continue;
      }
      if (!this.#isFact(name)) this.problem(line, 'unknown-column', `there is no fact "${name}"`);
      else if (into.has(name)) this.problem(line, 'column-twice', `"${name}" is given twice`);
      else into.set(name, { text: value, line });
    }
  }

  #endTable(line: number): void {
    if (this.#table && !this.#table.ready)
      this.problem(line - 1, 'no-delimiter', 'a line |---|---| has to follow the headings');
    this.#table = undefined;
  }

  #row(text: string, line: number): void {
    if (!this.#table) this.#head(cellsOf(text), line);
    else if (!this.#table.ready) {
      if (!DELIMITER.test(text) || cellsOf(text).length !== this.#table.columns.length)
        this.problem(line, 'no-delimiter', 'a line |---|---| of as many columns has to follow the headings');
      this.#table.ready = true;
    } else if (this.#table.usable) this.#case(cellsOf(text), this.#table.columns, line);
  }

  #head(columns: readonly string[], line: number): void {
    let usable = true;
    const wrong = (name: ProblemName, text: string): void => {
      this.problem(line, name, text);
      usable = false;
    };
    columns.forEach((column, i) => {
      if (columns.indexOf(column) !== i) wrong('column-twice', `"${column}" is a column twice`);
      else if (column === 'case' || Object.hasOwn(expectations, column) || isGroup(column)) return;
      else if (!this.#isFact(column))
        wrong('unknown-column', `"${column}" is neither a fact nor an expectation`);
    });
    for (const needed of ['case', 'may'])
      if (!columns.includes(needed)) wrong('column-missing', `there is no column "${needed}"`);
    this.#table = { columns, usable, ready: false };
  }

  #case(cells: readonly string[], columns: readonly string[], line: number): void {
    if (cells.length !== columns.length) {
      this.problem(line, 'bad-row', `has ${cells.length} cells where the headings are ${columns.length}`);
      return;
    }
    const facts = new Map(this.#given);
    const own = new Map<string, Cell>();
    const expected: Record<string, unknown> = {};
    let name = '';
    columns.forEach((column, i) => {
      const text = cells[i] ?? '';
      const expectation = expectations[column];
      if (column === 'case') name = text;
      else if (text === '') return;
      else if (isGroup(column)) this.#use(column, text, line, facts);
      else if (expectation) {
        const value = readings[expectation.field]({ text, line });
        if (value === undefined)
          this.problem(line, 'bad-expectation', `${column}: "${text}" is not ${expectation.form}`);
        expected[expectation.field] = value;
      } else own.set(column, { text, line });
    });
    for (const [fact, cell] of own) facts.set(fact, cell);
    if (name === '') this.problem(line, 'name-missing', 'the case has no name');
    else if (this.#names.has(name)) this.problem(line, 'name-twice', `another case is named "${name}"`);
    this.#names.add(name);
    if (expected['may'] === undefined) {
      if (!(cells[columns.indexOf('may')] ?? '')) this.problem(line, 'bad-expectation', 'may: is empty');
      return;
    }
    if (this.cases.length === MAX_CASES) this.problem(line, 'bad-row', `more than ${MAX_CASES} cases`);
    if (this.cases.length < MAX_CASES)
      this.cases.push({ name, line, facts, expected: expected as unknown as Expected });
  }

  #use(column: Group, name: string, line: number, facts: Map<string, Cell>): void {
    const group = this.#named[column].get(name);
    if (!group) this.problem(line, 'name-unknown', `${column}: "${name}" isn't defined above`);
    for (const [fact, cell] of group ?? []) facts.set(fact, cell);
    // The name of a person or of an application is its id, where nothing else says so.
    const id = column === 'who' ? 'user' : column === 'what' ? 'resource' : undefined;
    if (id !== undefined && !group?.has(id)) facts.set(id, { text: name, line });
  }
}

/** `isFact`: whether a request has a fact of that name. All problems are named, in the order of the lines. */
export function readTable(text: string, isFact: (name: string) => boolean): Reading {
  const reader = new Reader(isFact);
  if (text.length > MAX_CHARACTERS)
    reader.problem(1, 'bad-row', `the file is longer than ${MAX_CHARACTERS} characters`);
  else {
    reader.read(text);
    if (reader.cases.length === 0 && reader.problems.length === 0)
      reader.problem(1, 'no-cases', 'there is no case in the file');
  }
  const { problems, policies, cases } = reader;
  if (problems.length > 0) return { kind: 'malformed', problems };
  return { kind: 'table', table: { policies, cases } };
}
