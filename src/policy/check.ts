/**
 * What an author is told of a policy set: mistakes, for which a gateway refuses it, and findings, with which it works
 * and likely not as meant. https://docs.cedarpolicy.com/bestpractices/bp-authorization-patterns.html
 *
 *   never-holds      no request satisfies it: conditions that exclude each other, numbers out of range
 *   shadowed         a permit that forbids cover, whole or for some of its actions
 *   duplicate        another of the same effect covers the same requests
 *   over-broad       a permit for everyone on everything
 *   everyone-changes a permit to modify or administer for everyone
 *   ephi-download    a download of health information that no circumstance limits, neither in the permit nor by a forbid
 *
 * What `region.ts` can't tell isn't claimed: a set without findings may still have such policies.
 */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { actions } from '../wire/action.ts';
import { isFault } from '../wire/errors.ts';
import { actionsOf } from './compile.ts';
import { examine } from './examine.ts';
import type { Part, Place } from './examine.ts';
import { subjectOf } from './lint.ts';
import type { PolicySubject } from './lint.ts';
import { loadPolicySet } from './policy-set.ts';
import type { PolicySet } from './policy-set.ts';
import { coverOf, covers, limits } from './region.ts';
import type { Region } from './region.ts';

export type FindingName =
  | 'invalid'
  | 'never-holds'
  | 'shadowed'
  | 'duplicate'
  | 'over-broad'
  | 'everyone-changes'
  | 'ephi-download';

export interface Finding extends Place {
  /** The file it stands in. */
  readonly file: string;
  readonly level: 'error' | 'warning';
  readonly name: FindingName;
  readonly policy: string;
  readonly message: string;
}

export interface Report {
  readonly findings: readonly Finding[];
  /** There where no finding is an error. */
  readonly set: PolicySet | undefined;
}

/** One file of a set that may have several. */
export interface SourceFile {
  readonly name: string;
  readonly text: string;
}

/** Files as one text, and the way back to the file and its line. */
export function joinFiles(files: readonly SourceFile[]): {
  readonly text: string;
  readonly locate: (place: Place) => Place & { readonly file: string };
} {
  const starts: { readonly file: string; readonly line: number }[] = [];
  let text = '';
  let line = 1;
  for (const each of files) {
    starts.push({ file: each.name, line });
    const whole = each.text.endsWith('\n') ? each.text : `${each.text}\n`;
    text += whole;
    line += whole.split('\n').length - 1;
  }
  const locate = (place: Place): Place & { file: string } => {
    const start = starts.findLast((each) => each.line <= place.line) ?? { file: '', line: 1 };
    return { file: start.file, line: place.line - start.line + 1, column: place.column };
  };
  return { text, locate };
}

const ROLE = /^principal(?! is$)|"Var":"principal"/;
/** Where the principal is limited beyond its type; where what limits is a paper or an exit that names it. */
const SOMEBODY =
  /^principal(?! is$)|"Var":"principal"|^context\.(?:peer|ticket|windows|exceptions|scenario|breakGlass|emergency)\b|"attr":"(?:ticket|windows|exceptions)"/;
const SOMETHING = /^resource(?! is$)|"Var":"resource"/;
const CIRCUMSTANCE = /^context\.|"Var":"context"/;

interface Known {
  readonly id: string;
  readonly json: PolicyJson;
  readonly part: Part;
  readonly about: PolicySubject;
  /** By action; an action whose cover is too wide to tell is missing. */
  readonly covers: ReadonlyMap<string, readonly Region[]>;
  readonly actions: readonly string[];
}

function known(id: string, part: Part): Known {
  const { json } = part;
  const subject = subjectOf(json);
  const about = subject === 'several' ? 'actions' : subject;
  const named = actionsOf(json)?.map((uid) => uid.id) ?? actions;
  const found = new Map<string, readonly Region[]>();
  for (const action of named) {
    const regions = coverOf(json, action);
    if (regions) found.set(action, regions);
  }
  return { id, json, part, about, covers: found, actions: named };
}

type Say = (policy: Known, name: FindingName, message: string) => void;
const lineOf = ({ part }: Known): number => part.place().line;
const list = (words: readonly string[]): string => words.join(', ');

function reach(each: Known, all: readonly Known[], say: Say): void {
  const empty = each.actions.filter((action) => each.covers.get(action)?.length === 0);
  if (empty.length === each.actions.length) {
    say(each, 'never-holds', 'no request can satisfy it: its conditions exclude each other');
    return;
  }
  if (each.json.effect === 'permit') {
    const shadowed = new Map<string, readonly string[]>();
    for (const action of each.actions) {
      const mine = each.covers.get(action);
      if (!mine || mine.length === 0) continue;
      const forbids = all.filter(
        (other) => other.json.effect === 'forbid' && other.about === each.about && other.covers.has(action),
      );
      const together = forbids.flatMap((other) => other.covers.get(action) ?? []);
      if (!covers(together, mine)) continue;
      const alone = forbids.filter((other) =>
        mine.some((region) => covers(other.covers.get(action) ?? [], [region])),
      );
      shadowed.set(
        action,
        alone.map(({ id }) => id),
      );
    }
    const by = list([...new Set([...shadowed.values()].flat())].sort());
    const left = each.actions.filter((action) => !shadowed.has(action) && !empty.includes(action));
    if (shadowed.size > 0 && left.length === 0)
      say(each, 'shadowed', `whatever it permits is forbidden by ${by}`);
    else if (shadowed.size > 0)
      say(each, 'shadowed', `its ${list([...shadowed.keys()])} is always forbidden by ${by}`);
  }
}

/** The one before it that says the same. */
function twin(each: Known, before: readonly Known[]): Known | undefined {
  return before.find(
    (other) =>
      other.json.effect === each.json.effect &&
      other.actions.toSorted().join() === each.actions.toSorted().join() &&
      each.actions.every((action) => {
        const [mine, theirs] = [each.covers.get(action), other.covers.get(action)];
        return mine && theirs && mine.length > 0 && covers(mine, theirs) && covers(theirs, mine);
      }),
  );
}

function breadth(each: Known, all: readonly Known[], say: Say): void {
  if (each.json.effect !== 'permit' || each.about !== 'actions') return;
  const open = (action: string, place: RegExp): boolean => {
    const regions = each.covers.get(action);
    return regions !== undefined && regions.length > 0 && !limits(regions, place);
  };
  const everyone = each.actions.filter((action) => open(action, SOMEBODY));
  const changes = everyone.filter((action) => action === 'modify' || action === 'administer');
  if (everyone.some((action) => open(action, SOMETHING)))
    say(each, 'over-broad', 'permits everyone on everything: name a role, and a class or a unit');
  else if (changes.length > 0)
    say(each, 'everyone-changes', `lets everyone ${list(changes)}: name the roles that may`);
  if (!each.actions.includes('download')) return;
  const withEphi = each.covers
    .get('download')
    ?.filter((region) => !region.get('resource.ephi')?.among?.has('false'));
  if (!withEphi || withEphi.length === 0 || limits(withEphi, CIRCUMSTANCE)) return;
  const guarded = all.some(({ json, covers: theirs }) => {
    const regions = json.effect === 'forbid' ? theirs.get('download') : undefined;
    return regions?.some((region) => limits([region], CIRCUMSTANCE) && !limits([region], ROLE));
  });
  if (!guarded)
    say(
      each,
      'ephi-download',
      'permits download of health information under any circumstances: ask for posture, place or authentication',
    );
}

/** Check a set of one or several files. */
export function check(files: readonly SourceFile[]): Report {
  const findings: Finding[] = [];
  const { text, locate } = joinFiles(files);
  const error = (file: string, at: Place, policy: string, message: string): void => {
    const { line, column } = at;
    findings.push({ file, line, column, level: 'error', name: 'invalid', policy, message });
  };
  // Each file alone first: a slip in one doesn't hide those of the others.
  for (const { name, text: own } of files)
    for (const each of examine(own).mistakes) error(name, each, each.policy, each.message);
  if (findings.length > 0) return { findings, set: undefined };
  const { mistakes, parts } = examine(text);
  for (const each of mistakes) {
    const at = locate(each);
    error(at.file, at, each.policy, each.message);
  }
  if (findings.length > 0) return { findings, set: undefined };
  let set: PolicySet;
  try {
    set = loadPolicySet(text, files.map(({ name }) => name).join(' '));
  } catch (fault) {
    if (!isFault(fault)) throw fault;
    error(files[0]?.name ?? '', { line: 1, column: 1 }, '', fault.detail);
    return { findings, set: undefined };
  }

  const all = [...parts].map(([id, part]) => known(id, part));
  const say: Say = ({ id, part }, name, message) => {
    findings.push({ ...locate(part.place()), level: 'warning', name, policy: id, message });
  };
  all.sort((a, b) => lineOf(a) - lineOf(b));
  all.forEach((each, i) => {
    reach(each, all, say);
    breadth(each, all, say);
    const same = twin(each, all.slice(0, i));
    if (same) say(each, 'duplicate', `says the same as ${same.id}`);
  });
  const order = files.map(({ name }) => name);
  findings.sort((a, b) => order.indexOf(a.file) - order.indexOf(b.file) || a.line - b.line);
  return { findings, set };
}
