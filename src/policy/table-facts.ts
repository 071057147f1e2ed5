/**
 * From the words of a table (`table-file.ts`) to a request: each fact has a name, a way to be read and a place. Without
 * a word a request is in good order: a managed laptop with good posture over a hybrid tunnel, on a Wednesday at ten.
 *
 * A fact is added here by one line; its name is the request's own word for it.
 */
import { kexModes, protocols } from '../wire/action.ts';
import { posture as postureShape, subject as subjectShape, target as targetShape } from '../wire/grant.ts';
import { epochMillis } from '../wire/units.ts';
import type { EpochMillis } from '../wire/units.ts';
import type { AccessRequest } from './request.ts';
import type { Cell, Facts, Problem } from './table-file.ts';

/** A fact's place in the request: `subject.posture.level`. */
type Path = readonly string[];
type Tree = { [name: string]: unknown };

interface Fact {
  readonly path: Path;
  /** What a cell has to be, for messages. */
  readonly form: string;
  /** Undefined for what can't be read. */
  readonly read: (text: string) => unknown;
}

const text = (value: string): string | undefined => (value === '-' ? '' : value);
const list = (value: string): string[] =>
  value === '-'
    ? []
    : value
        .split(',')
        .map((each) => each.trim())
        .filter((each) => each !== '');
const yes = new Map([
  ['yes', true],
  ['no', false],
]);
const truth = (value: string): boolean | undefined => yes.get(value);
const whole = (value: string): number | undefined => (/^-?\d{1,15}$/.test(value) ? Number(value) : undefined);
const oneOf =
  (words: readonly string[]) =>
  (value: string): string | undefined =>
    words.includes(value) ? value : undefined;
/** An id from a name for people: "Nina of the ICU" is nina-of-the-icu. */
const id = (value: string): string =>
  value
    .toLowerCase()
    .replaceAll(/[^a-z0-9._@-]+/g, '-')
    .slice(0, 64);

const fact = (path: string, form: string, read: Fact['read']): Fact => ({
  path: path.split('.'),
  form,
  read,
});
const word = (path: string, words: readonly string[]): Fact => fact(path, words.join(', '), oneOf(words));
const words = (path: string): Fact => fact(path, 'words with commas between them, or "-"', list);
const flag = (path: string): Fact => fact(path, 'yes or no', truth);
const number = (path: string): Fact => fact(path, 'a whole number', whole);

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

const facts: Readonly<Record<string, Fact>> = {
  user: fact('subject.user', 'a name', id),
  roles: words('subject.roles'),
  units: words('units'),
  peer: fact('subject.peer', 'a name', id),
  'user device': fact('subject.userDevice', 'words', text),
  posture: word('subject.posture.level', postureShape.shape.level.options),
  score: number('subject.posture.score'),
  kex: word('subject.kex', kexModes),
  source: fact('subject.source.address', 'an address', text),
  resource: fact('target.resource', 'a name', id),
  device: fact('target.device', 'a name', id),
  protocol: word('target.protocol', protocols),
  class: fact('device.class', 'a word', text),
  unit: fact('device.unit', 'a word', text),
  ephi: flag('ephi'),
  emergency: flag('emergency'),
  'break-glass': flag('breakGlass'),
  when: fact('when', '"Wed 22:30" or "2026-03-29 02:30"', readInstant),
};

export const isFact = (name: string): boolean => Object.hasOwn(facts, name);
export const factNames: readonly string[] = Object.keys(facts);

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
  when: MONDAY + 2 * DAY_MS + 10 * 3_600_000,
});

function put(tree: Tree, [first = '', ...rest]: Path, value: unknown): void {
  if (rest.length === 0) tree[first] = value;
  else put((tree[first] ??= {}) as Tree, rest, value);
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

/** The request of a case; or what is wrong with its facts. */
export function requestOf(given: Facts): Asked | readonly Problem[] {
  const tree = usual();
  const problems: Problem[] = [];
  const wrong = (name: string, { text, line }: Cell, form: string): void => {
    problems.push({ line, name: 'bad-fact', text: `${name}: "${text}" is not ${form}` });
  };
  for (const [name, cell] of given) {
    const known = facts[name];
    const value = known?.read(cell.text);
    if (!known || value === undefined) wrong(name, cell, known?.form ?? 'a fact');
    else put(tree, known.path, value);
  }
  const subject = subjectShape.safeParse(tree['subject']);
  const target = targetShape.safeParse(tree['target']);
  for (const [part, parsed] of Object.entries({ subject, target }))
    for (const issue of parsed.error?.issues ?? []) {
      const path = [part, ...issue.path].join('.');
      const [name = path] =
        Object.entries(facts).find(([, each]) => path.startsWith(each.path.join('.'))) ?? [];
      problems.push({
        line: given.get(name)?.line ?? 1,
        name: 'bad-fact',
        text: `${name}: ${issue.message}`,
      });
    }
  if (problems.length > 0 || !subject.success || !target.success) return problems;
  const { when, ...rest } = tree;
  const now = epochMillis(when as number);
  return {
    request: {
      ...(rest as unknown as AccessRequest),
      subject: subject.data,
      target: target.data,
      time: localTime(now),
    },
    now,
  };
}
