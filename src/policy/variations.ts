/**
 * A request with one fact changed: what `explain.ts` puts to the engine to see which facts an answer hangs on. The
 * values tried are those of the schema where it counts them up, and otherwise those that the policies themselves name,
 * with the numbers on either side of each of their limits.
 */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { actions, kexModes } from '../wire/action.ts';
import { contacts, owners, paths, phishingResistant, signalNames } from '../wire/facts.ts';
import type { AuthenticationMethod } from '../wire/facts.ts';
import { posture } from '../wire/grant.ts';
import { placeOf } from './region.ts';
import { NEVER } from './request.ts';
import type { AccessRequest } from './request.ts';

export interface Variation {
  /** What is changed, for people: "the posture of the device". */
  readonly fact: string;
  /** What it is changed to: "good". */
  readonly value: string;
  readonly apply: (request: AccessRequest) => AccessRequest;
}

type Node = Readonly<Record<string, unknown>>;
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null;

/** Literals that policies hold against each place, and the groups that principals are looked for in. */
export class Mentions {
  readonly #values = new Map<string, Set<string | number>>();

  constructor(policies: Iterable<PolicyJson>) {
    for (const { principal, conditions } of policies) {
      const groups = principal.op === 'is' ? principal.in : principal;
      if (groups && 'entity' in groups) this.#entity('principal', groups.entity);
      this.#walk(conditions);
    }
  }

  words(place: string): readonly string[] {
    return [...(this.#values.get(place) ?? [])].filter((value) => typeof value === 'string').sort();
  }

  /** The numbers and their neighbours, within `low` and `high`. */
  numbers(place: string, low: number, high: number): readonly number[] {
    const near = [...(this.#values.get(place) ?? [])]
      .filter((value) => typeof value === 'number')
      .flatMap((n) => [n - 1, n, n + 1]);
    return [...new Set(near)].filter((n) => n >= low && n <= high).sort((a, b) => a - b);
  }

  #note(place: string, value: string | number): void {
    const values = this.#values.get(place) ?? new Set();
    this.#values.set(place, values.add(value));
  }

  /** An entity is noted by the place and its type: `principal Role`. */
  #entity(place: string, entity: unknown): void {
    if (isNode(entity)) this.#note(`${place} ${String(entity['type'])}`, String(entity['id']));
  }

  #literal(place: string, expression: unknown): void {
    if (!isNode(expression)) return;
    const set = expression['Set'];
    if (Array.isArray(set)) for (const each of set as unknown[]) this.#literal(place, each);
    const value = expression['Value'];
    if (typeof value === 'string' || typeof value === 'number') this.#note(place, value);
    else if (isNode(value) && '__entity' in value) this.#entity(place, value['__entity']);
  }

  #walk(value: unknown): void {
    if (Array.isArray(value)) for (const each of value as unknown[]) this.#walk(each);
    else if (isNode(value)) {
      const { left, right } = value as { left?: unknown; right?: unknown };
      const [one, two] = [placeOf(left), placeOf(right)];
      if (one !== undefined) this.#literal(one, right);
      if (two !== undefined) this.#literal(two, left);
      for (const each of Object.values(value)) this.#walk(each);
    }
  }
}

const withSubject = (request: AccessRequest, subject: Partial<AccessRequest['subject']>): AccessRequest => ({
  ...request,
  subject: { ...request.subject, ...subject },
});

const person: NonNullable<AccessRequest['principal']> = {
  kind: 'person',
  groups: [],
  assigned: [],
  clearance: 0,
};
const anywhere: NonNullable<AccessRequest['location']> = { site: '', networks: [], country: 'unknown' };
const unknownDevice: NonNullable<AccessRequest['userDevice']> = { owner: 'unknown', shared: true };

class Gatherer {
  readonly list: Variation[] = [];

  add(fact: string, value: string, apply: Variation['apply']): void {
    this.list.push({ fact, value, apply });
  }

  /** Each member of a list that may be in it or not. */
  members(
    fact: (word: string) => string,
    words: readonly string[],
    have: readonly string[],
    apply: (list: string[]) => Variation['apply'],
  ): void {
    for (const word of words) {
      const held = have.includes(word);
      const list = held ? have.filter((each) => each !== word) : [...have, word];
      this.add(fact(word), held ? 'no' : 'yes', apply(list));
    }
  }
}

/** Every single change worth trying; none of them is the request as it is. The hour is `explain.ts`'s own. */
export function variations(request: AccessRequest, mentions: Mentions): readonly Variation[] {
  const found = new Gatherer();
  const add = found.add.bind(found);
  const { subject, device, target } = request;
  const principal = request.principal ?? person;
  const location = request.location ?? anywhere;
  const userDevice = request.userDevice ?? unknownDevice;

  found.members(
    (role) => `the role ${role}`,
    mentions.words('principal Role'),
    subject.roles,
    (roles) => (r) => withSubject(r, { roles }),
  );
  found.members(
    (group) => `the group ${group}`,
    mentions.words('principal Group'),
    principal.groups,
    (groups) => (r) => ({
      ...r,
      principal: { ...(r.principal ?? person), groups },
    }),
  );
  found.members(
    (unit) => `work in the unit ${unit}`,
    [device.unit],
    request.units,
    (units) => (r) => ({ ...r, units }),
  );
  found.members(
    () => "a patient of the user's on the device",
    [target.device],
    principal.assigned,
    (assigned) => (r) => ({
      ...r,
      principal: { ...(r.principal ?? person), assigned: assigned as typeof principal.assigned },
    }),
  );
  for (const clearance of new Set([
    request.resource?.sensitivity ?? 9,
    ...mentions.numbers('principal.clearance', 0, 9),
  ]))
    if (clearance !== principal.clearance)
      add("the user's clearance", String(clearance), (r) => ({
        ...r,
        principal: { ...(r.principal ?? person), clearance },
      }));

  for (const level of posture.shape.level.options)
    if (level !== subject.posture.level)
      add('the posture of the device', level, (r) =>
        withSubject(r, { posture: { ...r.subject.posture, level } }),
      );
  for (const score of mentions.numbers('context.posture.score', 0, 100))
    if (score !== subject.posture.score)
      add('the posture score', String(score), (r) =>
        withSubject(r, { posture: { ...r.subject.posture, score } }),
      );
  const { signals } = request;
  if (signals)
    for (const name of signalNames)
      for (const state of ['pass', 'fail'] as const)
        if (signals[name] !== state)
          add(`the signal ${name}`, state, (r) => ({ ...r, signals: { ...signals, [name]: state } }));
  for (const kex of kexModes)
    if (kex !== subject.kex) add('the key agreement of the tunnel', kex, (r) => withSubject(r, { kex }));
  for (const owner of owners)
    if (owner !== userDevice.owner)
      add('the owner of the device', owner, (r) => ({ ...r, userDevice: { ...userDevice, owner } }));
  add('a shared device', userDevice.shared ? 'no' : 'yes', (r) => ({
    ...r,
    userDevice: { ...userDevice, shared: !userDevice.shared },
  }));

  for (const path of paths)
    if (path !== (request.path ?? 'remote')) add('the path', path, (r) => ({ ...r, path }));
  found.members(
    (name) => `the network ${name}`,
    mentions.words('context.location.networks'),
    location.networks,
    (networks) => (r) => ({
      ...r,
      location: { ...(r.location ?? anywhere), networks },
    }),
  );
  for (const country of [...mentions.words('context.location.country'), 'unknown'])
    if (country !== location.country)
      add('the country', country, (r) => ({ ...r, location: { ...(r.location ?? anywhere), country } }));
  for (const contact of contacts)
    if (contact !== (request.contact ?? 'expired'))
      add('contact with the coordinator', contact, (r) => ({ ...r, contact }));

  for (const weekday of mentions.numbers('context.time.weekday', 1, 7))
    if (weekday !== request.time.weekday)
      add('the day', days[weekday - 1] ?? '', (r) => ({ ...r, time: { ...r.time, weekday } }));
  for (const shift of new Set([...mentions.words('context.shift'), '']))
    if (shift !== (request.shift ?? ''))
      add('the shift', shift === '' ? 'none' : shift, (r) => ({ ...r, shift }));

  for (const method of ['none', 'password', 'passkey'] as const)
    add('authentication just now', method, (r) => ({
      ...r,
      authentication: authenticated(method, method === 'none' ? NEVER : 0),
    }));
  const { authentication } = request;
  if (authentication)
    for (const age of mentions.numbers('context.authentication.age', 0, NEVER))
      if (age !== authentication.age)
        add('minutes since authentication', String(age), (r) => ({
          ...r,
          authentication: { ...authentication, age },
        }));

  for (const risk of mentions.numbers('context.risk', 0, 100))
    if (risk !== request.risk) add('the risk score', String(risk), (r) => ({ ...r, risk }));
  for (const risk of mentions.numbers('context.deviceRisk', 0, 100))
    if (risk !== request.deviceRisk)
      add('the findings against the device', String(risk), (r) => ({ ...r, deviceRisk: risk }));
  const kinds = mentions.words('context.ticket.kind TicketKind') as ('change' | 'incident' | 'request')[];
  for (const kind of new Set([...kinds, request.ticket?.kind ?? 'change'] as const))
    for (const approvals of new Set([1, 2, ...mentions.numbers('context.ticket.approvals', 0, 16)])) {
      const ticket = { number: 'some-ticket', kind, actions: [...actions], approvals };
      add('a ticket for it', `${kind}, ${approvals} approved`, (r) => ({ ...r, ticket }));
    }
  if (request.ticket)
    add(
      'a ticket for it',
      'none',
      (r) =>
        Object.fromEntries(
          Object.entries(r).filter(([name]) => name !== 'ticket'),
        ) as unknown as AccessRequest,
    );
  const windows = request.windows ?? [];
  const named = mentions.words('context.windows');
  found.members(
    (name) => (named.includes(name) ? `the maintenance window ${name} open` : 'a maintenance window open'),
    named.length > 0 ? named : ['some-window'],
    windows,
    (list) => (r) => ({ ...r, windows: list }),
  );
  if (windows.length > 0) add('a maintenance window open', 'no', (r) => ({ ...r, windows: [] }));
  found.members(
    (name) => `the exception ${name}`,
    mentions.words('context.exceptions'),
    request.exceptions ?? [],
    (exceptions) => (r) => ({
      ...r,
      exceptions,
    }),
  );
  add('emergency mode of the site', request.emergency ? 'no' : 'yes', (r) => ({
    ...r,
    emergency: !r.emergency,
  }));
  const scenarios = mentions.words('context.scenario').filter((name) => name !== '');
  if (request.breakGlass) add('break-glass', 'no', (r) => ({ ...r, breakGlass: false, scenario: '' }));
  else if (scenarios.length === 0) add('break-glass', 'yes', (r) => ({ ...r, breakGlass: true }));
  else
    for (const scenario of scenarios)
      add('break-glass', `for ${scenario}`, (r) => ({ ...r, breakGlass: true, scenario }));
  return found.list;
}

const days = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];

const authenticated = (
  method: AuthenticationMethod,
  age: number,
): NonNullable<AccessRequest['authentication']> => ({
  method,
  phishingResistant: phishingResistant(method),
  age,
});
