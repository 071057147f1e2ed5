/**
 * Versions of medical devices, compared as far as that can be done: numbers and letters in turn (`12.1.3`, `B.04.01`,
 * `1.3.1 Build 13`, `2.0.0-rc1`, `012U000040`), and dates.
 *
 * There is no standard behind it, so it has a third answer. `undefined` stands for "nobody can tell": other words at the
 * same place (`VM5.0` and `3.0`), a number against a letter, words that aren't a version's. Numbers are compared as
 * numbers (1.10 is after 1.9), zeros at the end count for nothing (1.0 is 1.0.0), letters at the end come after none
 * (2.6A is after 2.6) unless they announce a release (2.0.0-rc1 is before 2.0.0).
 */
import { MAX_VERSION_CHARACTERS } from './constants.ts';

type Part =
  | { readonly is: 'number'; readonly digits: string }
  | { readonly is: 'word'; readonly word: string };

export interface Version {
  readonly kind: 'version';
  readonly parts: readonly Part[];
  /** It ends in a wildcard: `14.1.x`. */
  readonly open: boolean;
}
export interface DateVersion {
  readonly kind: 'date';
  /** `20180501`; months without a day are `201805`. */
  readonly digits: string;
}
export type AnyVersion = Version | DateVersion;

/** Before the release they announce, in this order. */
const before = ['dev', 'snapshot', 'pre', 'alpha', 'beta', 'rc', 'cr'];
/** Words that a version may have inside; others of more than three letters make it prose. */
const inside = new Set([
  ...before,
  'build',
  'patch',
  'hotfix',
  'update',
  'rev',
  'final',
  'release',
  'service',
  'pack',
]);
const prefix =
  /^(?:version|versions|ver|v|revision|revisions|rev|release|software|firmware|fw|sw|r)[\s.:]*(?=\d|[a-z][.\d]|[a-z]$)/;

const months = [
  'january',
  'february',
  'march',
  'april',
  'may',
  'june',
  'july',
  'august',
  'september',
  'october',
  'november',
  'december',
];

const two = (text: string): string => text.padStart(2, '0');

function dateOf(text: string): DateVersion | undefined {
  const american = /^(\d{1,2})\/(\d{1,2})\/(\d{4})$/.exec(text);
  if (american)
    return { kind: 'date', digits: `${american[3]}${two(american[1] ?? '')}${two(american[2] ?? '')}` };
  const iso = /^((?:19|20)\d\d)-?(0[1-9]|1[0-2])-?([0-3]\d)$/.exec(text);
  if (iso) return { kind: 'date', digits: `${iso[1]}${iso[2]}${iso[3]}` };
  const named = /^([a-z]{3,9})\.? (?:(\d{1,2})(?:st|nd|rd|th)?,? )?((?:19|20)\d\d)$/.exec(text);
  if (!named) return undefined;
  const month = months.findIndex((each) => each === named[1] || each.slice(0, 3) === named[1]);
  if (month < 0) return undefined;
  return { kind: 'date', digits: `${named[3]}${two(String(month + 1))}${named[2] ? two(named[2]) : ''}` };
}

/** Undefined for what is no version: prose, nothing, too much. */
export function parseVersion(raw: string): AnyVersion | undefined {
  if (raw.length > MAX_VERSION_CHARACTERS) return undefined;
  const text = raw.trim().toLowerCase();
  const date = dateOf(text);
  if (date) return date;
  const bare = text.replace(prefix, '');
  if (!/^[a-z0-9][a-z0-9.\-_+~ ]*\*?$/.test(bare)) return undefined;
  const pieces = bare.match(/\d+|[a-z]+|\*/g) ?? [];
  const last = pieces.at(-1);
  // `14.1.x` and `12.*`; `C.0x` is of no form known here.
  const open = last !== undefined && pieces.length > 1 && /^[x*]+$/.test(last) && /[.\- _][x*]$/.test(bare);
  if (!open && /\dx$|\*/.test(bare)) return undefined;
  let kept = open ? pieces.slice(0, -1) : pieces;
  if (open) while (kept.length > 1 && kept.at(-1) === 'x') kept = kept.slice(0, -1);
  const parts: Part[] = [];
  for (const piece of kept) {
    if (/^\d/.test(piece)) parts.push({ is: 'number', digits: piece.replace(/^0+(?=\d)/, '') });
    else if (piece.length <= 3 || inside.has(piece)) parts.push({ is: 'word', word: piece });
    else return undefined;
  }
  // Letters alone are a version only as one letter: "N", "K".
  if (parts.every((part) => part.is === 'word') && (parts.length > 1 || kept[0]?.length !== 1))
    return undefined;
  return { kind: 'version', parts, open };
}

function compareNumbers(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

function compareWords(a: string, b: string): number | undefined {
  if (a === b) return 0;
  const [first, second] = [before.indexOf(a), before.indexOf(b)];
  if (first >= 0 && second >= 0) return first - second;
  if (first >= 0) return -1;
  if (second >= 0) return 1;
  // Letters in a row, as makers number revisions; two words say nothing of one another.
  return a.length === 1 && b.length === 1 ? (a < b ? -1 : 1) : undefined;
}

/** What parts that the other version hasn't make of it. */
function tail(parts: readonly Part[]): number {
  for (const part of parts) {
    if (part.is === 'number' && part.digits === '0') continue;
    return part.is === 'word' && before.includes(part.word) ? -1 : 1;
  }
  return 0;
}

/** Negative: `a` is before `b`. Undefined: nobody can tell. Wildcards count as their beginning. */
export function compareVersions(a: AnyVersion, b: AnyVersion): number | undefined {
  if (a.kind === 'date' || b.kind === 'date') {
    if (a.kind !== 'date' || b.kind !== 'date') return undefined;
    const length = Math.min(a.digits.length, b.digits.length);
    const [x, y] = [a.digits.slice(0, length), b.digits.slice(0, length)];
    if (x === y) return a.digits.length === b.digits.length ? 0 : undefined;
    return x < y ? -1 : 1;
  }
  const shared = Math.min(a.parts.length, b.parts.length);
  for (let i = 0; i < shared; i++) {
    const [x, y] = [a.parts[i], b.parts[i]];
    if (!x || !y) break;
    let order: number | undefined;
    if (x.is === 'number' && y.is === 'number') order = compareNumbers(x.digits, y.digits);
    else if (x.is === 'word' && y.is === 'word') order = compareWords(x.word, y.word);
    else if (x.is === 'word') order = i > 0 && before.includes(x.word) ? -1 : undefined;
    else if (y.is === 'word') order = i > 0 && before.includes(y.word) ? 1 : undefined;
    if (order === undefined) return undefined;
    if (order !== 0) return order;
  }
  if (a.parts.length > shared) return tail(a.parts.slice(shared));
  return b.parts.length > shared ? -tail(b.parts.slice(shared)) : 0;
}

/** `version` is `stem` with more behind it: 12.1.3.5 of 12.1.3, N.01 of N. */
export function extendsVersion(version: AnyVersion, stem: AnyVersion): boolean {
  if (version.kind === 'date' || stem.kind === 'date') return false;
  if (version.parts.length < stem.parts.length) return false;
  const head: Version = { kind: 'version', parts: version.parts.slice(0, stem.parts.length), open: false };
  return compareVersions(head, { ...stem, open: false }) === 0;
}

/** The version in what a device says of its software: all of it, or its last word: "syngo MR VB19A", "Orthanc 1.12.1". */
export function versionIn(text: string): { readonly version: AnyVersion; readonly name: string } | undefined {
  const whole = parseVersion(text);
  if (whole) return { version: whole, name: '' };
  const [, name = '', last = ''] = /^(.*\S)\s+(\S*\d\S*)$/.exec(text.trim()) ?? [];
  const version = parseVersion(last.replaceAll(/^[([]|[)\],;]$/g, ''));
  return version && { version, name };
}
