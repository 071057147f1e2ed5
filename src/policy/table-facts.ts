/**
 * From the words of a table (`table-file.ts`) to a request. Every fact of a request has a name, its place:
 * `authentication.method`, `principal.clearance`; how a cell is read follows from the fact's type in `wire/facts.ts`. The
 * common ones have short names too.
 *
 * Without a word a request is in good order: a person with a passkey ten minutes ago, on the clinic's own laptop with
 * good posture, over a hybrid tunnel, on a Wednesday at ten. `-` takes away what isn't always there: a shift, a ticket.
 */
import * as z from 'zod';
import { actions } from '../wire/action.ts';
import { requestFacts, signalNames } from '../wire/facts.ts';
import { subject as subjectShape, target as targetShape } from '../wire/grant.ts';
import { epochMillis } from '../wire/units.ts';
import type { EpochMillis } from '../wire/units.ts';
import type { AccessRequest } from './request.ts';
import type { Cell, Facts, Problem } from './table-file.ts';

type Tree = { [name: string]: unknown };

interface Fact {
  /** `['subject', 'posture', 'level']`. */
  readonly path: readonly string[];
  /** What a cell has to be, for messages. */
  readonly form: string;
  /** Undefined for what can't be read. */
  readonly read: (text: string) => unknown;
}

/** What `-` reads as where a fact may be missing. */
const absent = Symbol('absent');
/** The same for the group that a fact is a part of: `ticket = -` isn't a ticket without a number. */
const wholeAbsent = Symbol('whole absent');

const listOf = (text: string): string[] =>
  text === '-'
    ? []
    : text
        .split(',')
        .map((each) => each.trim())
        .filter((each) => each !== '');

const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const DAY_MS = 86_400_000;
/** Monday of the week that a weekday without a date stands for: 2026-01-05. */
const MONDAY = Date.UTC(2026, 0, 5);

/** `Wed 22:30` of an ordinary week, or `2026-03-29 02:30`; the site's local time as if it were UTC. */
export function readInstant(value: string): EpochMillis | undefined {
  const [, day = '', hour = '', minute = ''] = /^(\S+) (\d{1,2}):(\d{2})$/.exec(value) ?? [];
  const ofDay = Number(hour) * 60 + Number(minute);
  if (day === '' || Number(hour) > 23 || Number(minute) > 59) return undefined;
  const weekday = weekdays.indexOf(day.toLowerCase());
  if (weekday >= 0) return epochMillis(MONDAY + weekday * DAY_MS + ofDay * 60_000);
  const date = /^\d{4}-\d\d-\d\d$/.test(day) ? Date.parse(`${day}T00:00:00Z`) : NaN;
  // A day that a month doesn't have would be one of the next.
  if (Number.isNaN(date) || new Date(date).toISOString().slice(0, 10) !== day) return undefined;
  return epochMillis(date + ofDay * 60_000);
}

/** An id from a name for people: "Nina of the ICU" is nina-of-the-icu. */
const idOf = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9._@-]+/g, '-')
    .slice(0, 64);

/** How a cell of this type is read, or undefined for a type that has parts. */
function reading(type: unknown): Omit<Fact, 'path'> | undefined {
  if (type instanceof z.ZodOptional) {
    const inner = reading(type.unwrap());
    return (
      inner && {
        form: `${inner.form}, or "-"`,
        read: (text) => (text === '-' ? absent : inner.read(text)),
      }
    );
  }
  if (type instanceof z.ZodEnum) {
    const words = type.options as readonly string[];
    return { form: words.join(', '), read: (text) => (words.includes(text) ? text : undefined) };
  }
  if (type instanceof z.ZodBoolean)
    return {
      form: 'yes or no',
      read: (text) =>
        new Map([
          ['yes', true],
          ['no', false],
        ]).get(text),
    };
  if (type instanceof z.ZodNumber)
    return { form: 'a whole number', read: (text) => (/^\d{1,15}$/.test(text) ? Number(text) : undefined) };
  if (type instanceof z.ZodArray) return { form: 'words with commas between them, or "-"', read: listOf };
  if (type instanceof z.ZodObject) return undefined;
  return { form: 'a word', read: (text) => (text === '-' ? undefined : text) };
}

const facts = new Map<string, Fact>();

/** `optional`: `-` in place of its parts takes the whole away. */
function gather(type: unknown, path: readonly string[]): void {
  const inner = type instanceof z.ZodOptional ? type.unwrap() : type;
  if (inner instanceof z.ZodObject) {
    for (const [name, part] of Object.entries(inner.shape)) gather(part, [...path, name]);
    if (type instanceof z.ZodOptional)
      facts.set(path.join('.'), {
        path,
        form: '"-"; its parts have names of their own',
        read: (text) => (text === '-' ? absent : undefined),
      });
    return;
  }
  const how = reading(type);
  if (how) facts.set(path.join('.'), { path, ...how });
}
gather(subjectShape, ['subject']);
gather(targetShape, ['target']);
gather(requestFacts, []);
// The clock gives these; a table says `when`.
for (const name of ['time.minute', 'time.weekday', 'changesAt']) facts.delete(name);
facts.set('when', { path: ['when'], form: '"Wed 22:30" or "2026-03-29 02:30"', read: readInstant });

const id = (path: string): Fact => ({ path: path.split('.'), form: 'a name', read: idOf });
const short: Readonly<Record<string, string>> = {
  roles: 'subject.roles',
  'user device': 'subject.userDevice',
  posture: 'subject.posture.level',
  score: 'subject.posture.score',
  kex: 'subject.kex',
  source: 'subject.source.address',
  protocol: 'target.protocol',
  class: 'device.class',
  unit: 'device.unit',
  zone: 'device.zone',
  'break-glass': 'breakGlass',
  kind: 'principal.kind',
  groups: 'principal.groups',
  assigned: 'principal.assigned',
  clearance: 'principal.clearance',
  owner: 'userDevice.owner',
  shared: 'userDevice.shared',
  sensitivity: 'resource.sensitivity',
  admin: 'resource.admin',
  remediation: 'resource.remediation',
  'patch days': 'patchDays',
  site: 'location.site',
  networks: 'location.networks',
  country: 'location.country',
  authentication: 'authentication.method',
  'phishing-resistant': 'authentication.phishingResistant',
  'authentication age': 'authentication.age',
  ticket: 'ticket.number',
  approvals: 'ticket.approvals',
};
for (const [name, path] of Object.entries(short)) {
  const fact = facts.get(path);
  const whole = facts.get(name);
  if (!fact) continue;
  const read: Fact['read'] = (text) => (text === '-' && whole ? wholeAbsent : fact.read(text));
  facts.set(name, { ...fact, read });
}
for (const name of signalNames) {
  const fact = facts.get(`signals.${name}`);
  if (fact) facts.set(name, fact);
}
// What is to be fixed, by its signal; the texts are the site's own.
facts.set('findings', {
  path: ['subject', 'posture', 'findings'],
  form: 'signals with commas between them, or "-"',
  read: (text) => listOf(text).map((signal) => ({ signal, level: 'minor', text: signal })),
});
facts.delete('subject.posture.findings');
facts.set('user', id('subject.user'));
facts.set('peer', id('subject.peer'));
// The word is a group of facts as well; here it is the id of what is asked for, and the parts keep their names.
facts.set('resource', id('target.resource'));
const ofDevice = id('target.device');
facts.set('device', ofDevice);

export const isFact = (name: string): boolean => facts.has(name);

/** Values as the cells of a table: what isn't there is left out. */
export function factsOf(
  values: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>,
): Map<string, Cell> {
  const cells = new Map<string, Cell>();
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue;
    const word = typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);
    cells.set(name, { text: typeof value === 'object' ? value.join(', ') || '-' : word, line: 0 });
  }
  return cells;
}

/** What stands in for the parts of a group of which a table names some. */
const wholes: Readonly<Record<string, () => Tree>> = {
  ticket: () => ({ number: 'CHG-1', kind: 'change', actions: [...actions], approvals: 1 }),
};

const usual = (): Tree => ({
  subject: {
    user: 'someone',
    roles: [],
    peer: 'laptop',
    userDevice: 'laptop',
    posture: { level: 'good', score: 90 },
    kex: 'hybrid',
    source: { address: '100.96.0.7', port: 40000 },
  },
  units: [],
  target: {
    resource: 'application',
    device: 'device',
    protocol: 'tcp',
    virtual: { address: '100.96.128.1', port: 443 },
    dial: { address: '10.20.0.10', port: 443 },
  },
  device: { class: 'unknown', unit: 'unassigned' },
  ephi: true,
  emergency: false,
  breakGlass: false,
  principal: { kind: 'person', groups: [], assigned: [], clearance: 0 },
  userDevice: { owner: 'clinic', shared: false },
  resource: { sensitivity: 0, admin: false, remediation: false },
  signals: Object.fromEntries(signalNames.map((name) => [name, 'pass'])),
  patchDays: 5,
  location: { site: 'site', networks: [], country: 'unknown' },
  path: 'remote',
  authentication: { method: 'passkey', phishingResistant: true, age: 10 },
  risk: 0,
  windows: [],
  exceptions: [],
  contact: 'online',
  when: MONDAY + 2 * DAY_MS + 10 * 3_600_000,
});

function put(tree: Tree, [first = '', ...rest]: readonly string[], value: unknown): void {
  if (value === wholeAbsent) delete tree[first];
  else if (rest.length > 0) put((tree[first] ??= wholes[first]?.() ?? {}) as Tree, rest, value);
  else if (value === absent) delete tree[first];
  else tree[first] = value;
}

export interface Asked {
  readonly request: AccessRequest;
  /** The instant, with the site's local time taken for UTC. */
  readonly now: EpochMillis;
}

/** What `localTime` of the gateway says of an instant of the table. */
export function localTime(at: EpochMillis): AccessRequest['time'] {
  const date = new Date(at);
  return { minute: date.getUTCHours() * 60 + date.getUTCMinutes(), weekday: date.getUTCDay() || 7 };
}

/** The name by which `given` set what stands at `path`. */
const nameAt = (given: Facts, path: string): string | undefined =>
  [...given.keys()].find((name) => path.startsWith(facts.get(name)?.path.join('.') ?? '-'));

/** The request of a case; or what is wrong with its facts. */
export function requestOf(given: Facts): Asked | readonly Problem[] {
  const tree = usual();
  const problems: Problem[] = [];
  const wrong = (name: string, { text, line }: Cell, form: string): void => {
    problems.push({ line, name: 'bad-fact', text: `${name}: "${text}" is not ${form}` });
  };
  for (const [name, cell] of given) {
    const fact = facts.get(name);
    const value = fact?.read(cell.text);
    if (!fact || value === undefined) wrong(name, cell, fact?.form ?? 'a fact');
    else put(tree, fact.path, value);
  }
  const { when, subject: who, target: what, ...rest } = tree;
  const now = epochMillis(when as number);
  const authentication = rest['authentication'] as Tree | undefined;
  if (authentication) authentication['at'] = now - Number(authentication['age']) * 60_000;
  const subject = subjectShape.safeParse(who);
  const target = targetShape.safeParse(what);
  const others = requestFacts.safeParse({ ...rest, time: localTime(now) });
  for (const [at, parsed] of [
    ['subject', subject],
    ['target', target],
    ['', others],
  ] as const)
    for (const issue of parsed.error?.issues ?? []) {
      const path = [at, ...issue.path].filter((part) => part !== '').join('.');
      const name = nameAt(given, path) ?? path;
      problems.push({
        line: given.get(name)?.line ?? 1,
        name: 'bad-fact',
        text: `${name}: ${issue.message}`,
      });
    }
  if (problems.length > 0 || !subject.success || !target.success || !others.success) return problems;
  return { request: { ...others.data, subject: subject.data, target: target.data }, now };
}
