/**
 * Which versions an advisory means: `vers:` (package-url's VERS, constraints in pairs), `<= 12.1.3`, `>= 4.01 | <= 4.34`,
 * `9.13 | 9.19`, `1.2.3 and prior`, `before 2.0`, `all versions`, `14.1.x`.
 *
 * What surprises: what isn't understood to the last character is `unparsed`, and whoever asks about it is told `unknown`.
 * "* (end-of-life 2011)" isn't "all": the words in brackets may take most of it back. A version longer than the inclusive
 * bound or the single version that it begins with (12.1.3.5 of `<= 12.1.3`) is `unknown` too: some makers mean the whole
 * line by it, some the one build.
 */
import { MAX_RANGE_PARTS } from './constants.ts';
import { compareVersions, extendsVersion, parseVersion } from './version.ts';
import type { AnyVersion } from './version.ts';

type Operator = '<' | '<=' | '>' | '>=' | '=' | '!=';
interface Bound {
  readonly operator: Operator;
  readonly version: AnyVersion;
}
/** All of its bounds hold. */
type Interval = readonly Bound[];

export type VersionRange =
  | { readonly kind: 'all' }
  | { readonly kind: 'set'; readonly intervals: readonly Interval[]; readonly except: readonly AnyVersion[] }
  | { readonly kind: 'unparsed' };

export type Position = 'inside' | 'outside' | 'unknown';

const unparsed: VersionRange = { kind: 'unparsed' };
const everything = /^(?:\*|all|any|all versions|any version|all versions? affected|all models|n\/?a|-)$/;

/** Prose for one bound, what surrounds the version. */
const prose: readonly (readonly [RegExp, Operator])[] = [
  [
    /^(?:versions? )?(?:prior to|before|earlier than|older than|less than|lower than|below)(?: versions?)? (.+)$/,
    '<',
  ],
  [
    /^(?:versions? )?(?:through|up to and including|up through|up to \(including\))(?: versions?)? (.+)$/,
    '<=',
  ],
  [
    /^(.+?),? (?:and|or) (?:all )?(?:prior|earlier|below|older|lower|previous|before)(?: versions?| releases?)?$/,
    '<=',
  ],
  [/^(.+?) \((?:and|or) (?:prior|earlier|below|older|lower|previous)\)$/, '<='],
  [
    /^(.+?),? (?:and|or) (?:all )?(?:later|newer|above|higher|up|after|greater)(?: versions?| releases?)?$/,
    '>=',
  ],
  [/^(?:versions? )?(?:from|since|starting with|starting from)(?: versions?)? (.+)$/, '>='],
  [/^(?:versions? )?(?:after|later than|newer than|greater than|above)(?: versions?)? (.+)$/, '>'],
];
const between: readonly RegExp[] = [
  /^(?:versions? )?(?:between )(.+?) (?:and) (.+)$/,
  /^(?:versions? )?(?:from )?(.+?) (?:through|thru|to|up to)(?: versions?)? (.+)$/,
  /^(?:versions? )?(\d[\w.]*) [-\u2013] (\d[\w.]*)$/,
];

function bounds(text: string): Bound[] | undefined {
  const trimmed = text.trim();
  const marked = /^(<=|>=|<|>|==?|!=)\s*([^<>=!]+)$/.exec(trimmed);
  const of = (operator: Operator, version: string | undefined): Bound[] | undefined => {
    const parsed = parseVersion(version ?? '');
    return parsed && [{ operator, version: parsed }];
  };
  if (marked) return of((marked[1] === '==' ? '=' : marked[1]) as Operator, marked[2]);
  for (const [pattern, operator] of prose) {
    const found = pattern.exec(trimmed);
    if (found) return of(operator, found[1]);
  }
  for (const pattern of between) {
    const found = pattern.exec(trimmed);
    const [from, to] = [of('>=', found?.[1]), of('<=', found?.[2])];
    if (from && to) return [...from, ...to];
  }
  return of('=', trimmed);
}

const isLower = ({ operator }: Bound): boolean => operator === '>' || operator === '>=';
const isUpper = ({ operator }: Bound): boolean => operator === '<' || operator === '<=';

/** A lower bound and the upper one behind it belong together, as VERS has it and as makers write. */
function intervals(list: readonly Bound[]): Interval[] {
  const made: Interval[] = [];
  for (let i = 0; i < list.length; i++) {
    const [bound, next] = [list[i], list[i + 1]];
    if (!bound || bound.operator === '!=') continue;
    if (isLower(bound) && next && isUpper(next)) {
      made.push([bound, next]);
      i++;
    } else made.push([bound]);
  }
  return made;
}

/** Constraints apart: at `|`, at `,`, at "and" between marks, and where a mark follows a marked version. */
function split(text: string): string[] {
  return text
    .replaceAll(/\s+(?:and|or|&&?)\s+(?=[<>=!])/g, ' | ')
    .split(/\s*(?:\|\|?|,|;)\s*/)
    .flatMap((part) => (/^[<>=!]/.test(part) ? part.split(/(?<=[^<>=!\s])\s*(?=[<>=!])/) : [part]))
    .filter((part) => part !== '');
}

export function parseRange(raw: string): VersionRange {
  const text = raw
    .trim()
    .toLowerCase()
    .replaceAll('\u2264', '<=')
    .replaceAll('\u2265', '>=')
    .replaceAll(/\s+/g, ' ');
  const vers = /^vers:[a-z0-9.+-]+\/(.*)$/.exec(text);
  const body = (vers ? (vers[1] ?? '') : text).trim();
  if (body === '*' || (!vers && everything.test(body))) return { kind: 'all' };
  if (body === '') return unparsed;
  const parts = split(body);
  if (parts.length === 0 || parts.length > MAX_RANGE_PARTS) return unparsed;
  const list: Bound[] = [];
  for (const part of parts) {
    const read = bounds(part);
    if (!read) return unparsed;
    list.push(...read);
  }
  const except = list.filter(({ operator }) => operator === '!=').map(({ version }) => version);
  const made = intervals(list);
  // Only exclusions: everything else.
  return { kind: 'set', intervals: made.length > 0 ? made : [[]], except };
}

function holds({ operator, version: bound }: Bound, version: AnyVersion): Position {
  const order = compareVersions(version, bound);
  if (order === undefined) return 'unknown';
  const open = bound.kind === 'version' && bound.open;
  const within = extendsVersion(version, bound);
  const yes = (held: boolean): Position => (held ? 'inside' : 'outside');
  switch (operator) {
    case '<':
      return yes(order < 0 && !(open && within));
    case '<=':
      if (open && within) return 'inside';
      return order > 0 && within ? 'unknown' : yes(order <= 0);
    case '>':
      return yes(order > 0 && !(open && within));
    case '>=':
      return yes(order >= 0 || (open && within));
    case '=':
    case '!=':
      if (order === 0 || (open && within)) return 'inside';
      return single(version, bound, within);
  }
}

/** Of a version that isn't the one named: another, more of the same, or of another kind (a model number, perhaps). */
function single(version: AnyVersion, bound: AnyVersion, within: boolean): Position {
  if (within || version.kind === 'date' || bound.kind === 'date') return 'unknown';
  const [a, b] = [version.parts, bound.parts];
  if (bound.open) return 'outside';
  return a.length >= 2 && b.length >= 2 && a[0]?.is === b[0]?.is ? 'outside' : 'unknown';
}

/** Where `version` stands. Without one it is inside of what means all of them, and unknown otherwise. */
export function positionIn(range: VersionRange, version: AnyVersion | undefined): Position {
  if (range.kind === 'all') return 'inside';
  if (range.kind === 'unparsed' || !version) return 'unknown';
  for (const each of range.except) if (compareVersions(version, each) === 0) return 'outside';
  let best: Position = 'outside';
  for (const interval of range.intervals) {
    const held = interval.map((bound) => holds(bound, version));
    if (held.every((each) => each === 'inside')) return 'inside';
    if (!held.includes('outside')) best = 'unknown';
  }
  return best;
}
