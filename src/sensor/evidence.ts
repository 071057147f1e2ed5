/**
 * What hosts said, of all hosts: columns instead of an object a row, the rows of a host a chain in the order in which
 * they were said.
 *
 * The same words come again and again, of many hosts: who says one that was said lately shares it. A word is kept as a
 * string of its own, since a part of a longer one would keep all of that in memory.
 */
import type { Evidence } from '../wire/observation.ts';
import { doubled } from './grow.ts';

export const NO_EVIDENCE = -1;
const FIRST_ROWS = 256;
/** Words that are shared: by a hash, the last of each. */
const WORDS = 1024;
/** A part of a string that is shorter is a string of its own in V8 (`SlicedString::kMinLength`). */
const PART = 13;

export class EvidenceTable {
  readonly #protocols: string[] = [];
  readonly #fields: string[] = [];
  readonly #values: string[] = [];
  /** When it was said first and last. */
  #times = new Float64Array(FIRST_ROWS * 2);
  #nexts = new Int32Array(FIRST_ROWS);
  readonly #words: (string | undefined)[] = Array.from({ length: WORDS });
  #free = NO_EVIDENCE;
  /** Rows that are some host's. */
  size = 0;

  /** A row after `before`, the last one of its host. */
  add(protocol: string, field: string, value: string, at: number, before: number): number {
    let row = this.#free;
    if (row === NO_EVIDENCE) {
      row = this.#protocols.length;
      if (row === this.#nexts.length) this.#grow();
    } else this.#free = this.next(row);
    this.size++;
    this.#protocols[row] = protocol;
    this.#fields[row] = this.#share(field);
    this.#values[row] = this.#share(value);
    this.#times[row * 2] = this.#times[row * 2 + 1] = at;
    this.#nexts[row] = NO_EVIDENCE;
    if (before !== NO_EVIDENCE) this.#nexts[before] = row;
    return row;
  }

  /** The rows of a chain are free. */
  remove(head: number): void {
    for (let row = head; row !== NO_EVIDENCE;) {
      const next = this.next(row);
      this.#protocols[row] = this.#fields[row] = this.#values[row] = '';
      this.#nexts[row] = this.#free;
      this.#free = row;
      this.size--;
      row = next;
    }
  }

  next(row: number): number {
    return this.#nexts[row] as number;
  }

  protocol(row: number): string {
    return this.#protocols[row] as string;
  }

  says(row: number, protocol: string, field: string): boolean {
    return this.#protocols[row] === protocol && this.#fields[row] === field;
  }

  value(row: number): string {
    return this.#values[row] as string;
  }

  /** It was said again. */
  again(row: number, at: number): void {
    if (at > (this.#times[row * 2 + 1] as number)) this.#times[row * 2 + 1] = at;
  }

  rows(head: number): Evidence[] {
    const rows: Evidence[] = [];
    for (let row = head; row !== NO_EVIDENCE; row = this.next(row))
      rows.push({
        protocol: this.protocol(row),
        field: this.#fields[row] as string,
        value: this.value(row),
        first: Math.round(this.#times[row * 2] as number),
        last: Math.round(this.#times[row * 2 + 1] as number),
      });
    return rows;
  }

  #share(word: string): string {
    let hash = word.length;
    let units = 0;
    for (let i = 0; i < word.length; i++) {
      const unit = word.charCodeAt(i);
      hash = (hash * 31 + unit) | 0;
      units |= unit;
    }
    const place = (hash ^ (hash >>> 15)) & (WORDS - 1);
    const known = this.#words[place];
    if (known === word) return known;
    const encoding = units < 0x80 ? 'latin1' : 'utf8';
    const own = word.length < PART ? word : Buffer.from(word, encoding).toString(encoding);
    this.#words[place] = own;
    return own;
  }

  #grow(): void {
    this.#times = doubled(this.#times);
    this.#nexts = doubled(this.#nexts);
  }
}
