/**
 * What requests a policy covers, as far as can be told without a request: its scope and conditions as alternatives,
 * each a set of limits on single facts. From that follows that a policy can never hold (no alternative can), or that
 * another covers it whole (each of its alternatives lies in one of the other's).
 *
 * Sound and incomplete: what it claims holds for every request; an expression it doesn't take apart is a fact of its
 * own that is true or false. Expressions are Cedar's JSON, https://docs.cedarpolicy.com/policies/json-format.html
 */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { schemaToJson } from './cedar.ts';
import { schemaText } from './schema.ts';

/** Values of one fact: any of `among`, none of `not`, and a number within the bounds. Values as JSON text. */
interface Limit {
  readonly among: ReadonlySet<string> | undefined;
  readonly not: ReadonlySet<string>;
  readonly min: number;
  readonly max: number;
}
/** One alternative: by fact. */
export type Region = ReadonlyMap<string, Limit>;

/** More alternatives than this, and the policy isn't analysed. */
const MAX_REGIONS = 256;

const nothing: ReadonlySet<string> = new Set();
const free: Limit = { among: undefined, not: nothing, min: -Infinity, max: Infinity };
const truths = ['true', 'false'];

type Node = Readonly<Record<string, unknown>>;
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null;

/** Bounds of numbers, by the place where they stand in the context. */
const bounds: Readonly<Record<string, readonly [number, number]>> = {
  'context.time.minute': [0, 1439],
  'context.time.weekday': [1, 7],
  'context.posture.score': [0, 100],
  'context.risk': [0, 100],
  'context.deviceRisk': [0, 100],
};

/** Ids of the schema's enumerated entity types. */
function enumerations(): ReadonlyMap<string, readonly string[]> {
  const schema = schemaToJson(schemaText);
  if (schema.type === 'failure') throw new Error(schema.errors[0]?.message ?? 'the schema is not valid');
  const types = schema.json['']?.entityTypes ?? {};
  const found = new Map<string, readonly string[]>();
  for (const [type, body] of Object.entries(types))
    if ('enum' in body)
      found.set(
        type,
        body.enum.map((id) => JSON.stringify({ type, id })),
      );
  return found;
}
let enumerated: ReadonlyMap<string, readonly string[]> | undefined;
/** Every value of the type of an enumerated entity, or undefined. */
function domainOf(value: string): readonly string[] | undefined {
  if (truths.includes(value)) return truths;
  if (!value.startsWith('{')) return undefined;
  enumerated ??= enumerations();
  return enumerated.get((JSON.parse(value) as { type: string }).type);
}

/** `context.posture.level`, `principal`; undefined for what isn't a fact's place. */
export function placeOf(expression: unknown): string | undefined {
  if (!isNode(expression)) return undefined;
  if (typeof expression['Var'] === 'string') return expression['Var'];
  const access = expression['.'];
  if (!isNode(access)) return undefined;
  const left = placeOf(access['left']);
  return left === undefined ? undefined : `${left}.${String(access['attr'])}`;
}

/** A literal as JSON text, or undefined. */
function literalOf(expression: unknown): string | undefined {
  if (!isNode(expression) || !('Value' in expression)) return undefined;
  const value = expression['Value'];
  if (!isNode(value)) return JSON.stringify(value);
  const entity = value['__entity'];
  if (!isNode(entity)) return undefined;
  return JSON.stringify({ type: entity['type'], id: entity['id'] });
}

function literalsOf(expression: unknown): string[] | undefined {
  const set = isNode(expression) ? expression['Set'] : undefined;
  if (!Array.isArray(set)) return undefined;
  const values = (set as unknown[]).map(literalOf);
  return values.every((value) => value !== undefined) ? values : undefined;
}

/** Both limits, or undefined where no value passes. */
function both(place: string, a: Limit, b: Limit): Limit | undefined {
  const not = new Set([...a.not, ...b.not]);
  const [low, high] = bounds[place] ?? [-Infinity, Infinity];
  const min = Math.max(a.min, b.min, low);
  const max = Math.min(a.max, b.max, high);
  let among = a.among;
  if (b.among) among = among ? new Set([...among].filter((value) => b.among?.has(value))) : b.among;
  const [excluded] = not;
  // Of a few values all but some are some others.
  if (!among && excluded !== undefined) {
    const domain = domainOf(excluded);
    if (domain) among = new Set(domain);
  }
  if (among) {
    among = new Set(
      [...among].filter((value) => {
        const number = Number(value);
        return !not.has(value) && (Number.isNaN(number) || (number >= min && number <= max));
      }),
    );
    if (among.size === 0) return undefined;
  }
  if (min > max) return undefined;
  return { among, not, min, max };
}

function meet(a: Region, b: Region): Region | undefined {
  const all = new Map(a);
  for (const [place, limit] of b) {
    const met = both(place, all.get(place) ?? free, limit);
    if (!met) return undefined;
    all.set(place, met);
  }
  return all;
}

class TooMany extends Error {
  override readonly name = 'TooMany';
}

const always: readonly Region[] = [new Map()];
const never: readonly Region[] = [];

function meetAll(left: readonly Region[], right: readonly Region[]): readonly Region[] {
  const met: Region[] = [];
  for (const a of left)
    for (const b of right) {
      const region = meet(a, b);
      if (region) met.push(region);
    }
  if (met.length > MAX_REGIONS) throw new TooMany();
  return met;
}

function join(left: readonly Region[], right: readonly Region[]): readonly Region[] {
  if (left.length + right.length > MAX_REGIONS) throw new TooMany();
  return [...left, ...right];
}

const one = (place: string, limit: Partial<Limit>): readonly Region[] => {
  const met = both(place, free, { ...free, ...limit });
  return met ? [new Map([[place, met]])] : never;
};
const member = (place: string, values: readonly string[], holds: boolean): readonly Region[] =>
  one(place, holds ? { among: new Set(values) } : { not: new Set(values) });

const mirrored: Readonly<Record<string, string>> = {
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
  '==': '==',
  '!=': '!=',
};
const opposite: Readonly<Record<string, string>> = {
  '<': '>=',
  '<=': '>',
  '>': '<=',
  '>=': '<',
  '==': '!=',
  '!=': '==',
};

function compare(operator: string, sides: Node, holds: boolean): readonly Region[] | undefined {
  let [place, value, word] = [placeOf(sides['left']), literalOf(sides['right']), operator];
  if (value === undefined) {
    [place, value] = [placeOf(sides['right']), literalOf(sides['left'])];
    word = mirrored[operator] ?? operator;
  }
  if (place === undefined || value === undefined) return undefined;
  if (!holds) word = opposite[word] ?? word;
  const number = Number(value);
  switch (word) {
    case '==':
      return member(place, [value], true);
    case '!=':
      return member(place, [value], false);
    case '<':
      return one(place, { max: number - 1 });
    case '<=':
      return one(place, { max: number });
    case '>':
      return one(place, { min: number + 1 });
    default:
      return one(place, { min: number });
  }
}

/** The alternatives in which `expression` holds, or doesn't; `action` is known. */
function regionsOf(expression: unknown, holds: boolean, action: string): readonly Region[] {
  const inner = (part: unknown, is = holds): readonly Region[] => regionsOf(part, is, action);
  const literal = literalOf(expression);
  if (literal === 'true' || literal === 'false') return (literal === 'true') === holds ? always : never;
  const [[operator, body] = ['', undefined]] = isNode(expression) ? Object.entries(expression) : [];
  const parts = isNode(body) ? body : {};
  const { left, right } = parts as { left?: unknown; right?: unknown };
  switch (operator) {
    case '&&':
      return holds
        ? meetAll(inner(left), inner(right))
        : join(inner(left), meetAll(inner(left, true), inner(right)));
    case '||':
      return holds ? join(inner(left), inner(right)) : meetAll(inner(left), inner(right));
    case '!':
      return inner(parts['arg'], !holds);
    case 'if-then-else':
      return join(
        meetAll(inner(parts['if'], true), inner(parts['then'])),
        meetAll(inner(parts['if'], false), inner(parts['else'])),
      );
    case '==':
    case '!=':
    case 'in':
      if (placeOf(left) === 'action') {
        const value = literalOf(right);
        const values = value === undefined ? literalsOf(right) : [value];
        if (!values) break;
        const is = values.includes(JSON.stringify({ type: 'Action', id: action }));
        return (operator === '!=' ? !is : is) === holds ? always : never;
      }
      if (operator !== 'in') {
        const compared = compare(operator, parts, holds);
        if (compared) return compared;
      }
      break;
    case '<':
    case '<=':
    case '>':
    case '>=': {
      const compared = compare(operator, parts, holds);
      if (compared) return compared;
      break;
    }
    case 'contains': {
      const values = literalsOf(left);
      const place = placeOf(right);
      if (values && place !== undefined) return member(place, values, holds);
      break;
    }
    case 'is':
      if (parts['in'] === undefined)
        return member(`${placeOf(left) ?? JSON.stringify(left)} is`, [String(parts['entity_type'])], holds);
      break;
    default:
      break;
  }
  // A fact of its own: true or false.
  const place = placeOf(expression) ?? JSON.stringify(expression);
  return member(place, [String(holds)], true);
}

function scopeRegion(scope: PolicyJson['principal'], party: string): readonly Region[] {
  const entity = 'entity' in scope ? (scope.entity as { type: string; id: string }) : undefined;
  const group = (of: unknown): string =>
    JSON.stringify({ in: { left: { Var: party }, right: { Value: { __entity: of } } } });
  const type = (name: string): readonly Region[] => member(`${party} is`, [name], true);
  switch (scope.op) {
    case '==':
      return member(party, [JSON.stringify({ type: entity?.type, id: entity?.id })], true);
    case 'in':
      return member(group(entity), ['true'], true);
    case 'is': {
      const within = scope.in as { entity?: unknown } | undefined;
      const is = type(scope.entity_type);
      return within ? meetAll(is, member(group(within.entity), ['true'], true)) : is;
    }
    default:
      return always;
  }
}

/** The alternatives of `policy` for one action; undefined where there are too many to tell. */
export function coverOf(policy: PolicyJson, action: string): readonly Region[] | undefined {
  try {
    let regions = meetAll(
      scopeRegion(policy.principal, 'principal'),
      scopeRegion(policy.resource, 'resource'),
    );
    for (const { kind, body } of policy.conditions)
      regions = meetAll(regions, regionsOf(body, kind === 'when', action));
    return regions;
  } catch (error) {
    if (error instanceof TooMany) return undefined;
    throw error;
  }
}

function within(a: Limit, b: Limit): boolean {
  const numbers = (test: (n: number) => boolean): boolean =>
    a.among ? [...a.among].every((value) => test(Number(value))) : false;
  if (b.among && (!a.among || ![...a.among].every((value) => b.among?.has(value)))) return false;
  for (const value of b.not) {
    const number = Number(value);
    const outside = !Number.isNaN(number) && (number < a.min || number > a.max);
    if (!outside && !a.not.has(value) && (!a.among || a.among.has(value))) return false;
  }
  if (b.min > a.min && !numbers((n) => n >= b.min)) return false;
  return b.max >= a.max || numbers((n) => n <= b.max);
}

/** Every request of `inner` is one of `outer`. */
export const covers = (outer: readonly Region[], inner: readonly Region[]): boolean =>
  inner.every((region) =>
    outer.some((other) => [...other].every(([place, limit]) => within(region.get(place) ?? free, limit))),
  );

/** Whether the regions limit a fact whose place begins with `prefix`, in each alternative. */
export const limits = (regions: readonly Region[], prefix: RegExp): boolean =>
  regions.every((region) => [...region.keys()].some((place) => prefix.test(place)));
