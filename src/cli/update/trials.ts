/**
 * Why a version on trial didn't become well: what it wrote down itself (`/usr/lib/anteroom/trial`), a line an event,
 * `VERSION WORD TEXT`. A version that wrote nothing never got as far as its data.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Note {
  readonly version: number;
  readonly word: string;
  readonly text: string;
}

const line = /^(\d{1,9}) ([a-z]+) ?([\x20-\x7e]*)$/;

export function readTrials(state: string): Note[] {
  const file = join(state, 'trials');
  if (!existsSync(file)) return [];
  return readFileSync(file, 'latin1')
    .split('\n')
    .flatMap((each) => {
      const [, version, word, text] = line.exec(each) ?? [];
      return version === undefined || word === undefined
        ? []
        : [{ version: Number(version), word, text: text ?? '' }];
    });
}

/** One sentence: what the version said last of itself, or how far it came. */
export function failureReason(version: number, notes: readonly Note[]): string {
  const own = notes.filter((note) => note.version === version);
  const said = own.findLast(({ word, text }) => word !== 'started' && text !== '');
  if (said) return said.text;
  return own.length > 0
    ? 'it stopped between opening its data and being asked whether it is well'
    : 'it never opened its data: its kernel, a word of its command line or its root does not start';
}
