/**
 * Cedar's values as the engine holds them, and their reading from Cedar's JSON.
 * https://docs.cedarpolicy.com/policies/syntax-datatypes.html
 *
 * A long is 64-bit with a sign. It is a `number` while that is exact and a `bigint` beyond it, never the other way
 * round, so that `===` compares longs. Sets have no order and no duplicates; a set is looked up by value.
 */
import type { CedarValueJson, EntityUid } from '@cedar-policy/cedar-wasm/nodejs';
import { Ip, readIp } from './ip.ts';

/** One policy can't be evaluated; or a question can't be read. */
export class EvaluationError extends Error {
  override readonly name = 'EvaluationError';
}

export class Uid {
  readonly type: string;
  readonly id: string;
  /** Unique; a type's name has no NUL. */
  readonly key: string;
  #text: string | undefined;

  constructor(type: string, id: string) {
    this.type = type;
    this.id = id;
    this.key = `${type}\0${id}`;
  }

  /** What `keyOf` says of it, worked out once. */
  get text(): string {
    this.#text ??= `e${JSON.stringify([this.type, this.id])}`;
    return this.#text;
  }
}

export type Long = number | bigint;
export type Primitive = boolean | Long | string;
export type CedarRecord = ReadonlyMap<string, Value>;
export type Value = Primitive | Uid | Ip | CedarSet | CedarRecord;

const MAX_LONG = 2n ** 63n - 1n;
const MIN_LONG = -(2n ** 63n);

/** A long from exact arithmetic, or undefined where 64 bits don't hold it. */
export function long(exact: bigint): Long | undefined {
  if (exact > MAX_LONG || exact < MIN_LONG) return undefined;
  const small = Number(exact);
  return Number.isSafeInteger(small) ? small : exact;
}

const isPrimitive = (value: Value): value is Primitive => typeof value !== 'object';

export class CedarSet {
  readonly #primitives = new Set<Primitive>();
  /** The rest by `keyOf`. */
  readonly #others = new Map<string, Value>();

  constructor(values: Iterable<Value>) {
    for (const value of values) {
      if (isPrimitive(value)) this.#primitives.add(value);
      else this.#others.set(keyOf(value), value);
    }
  }

  get size(): number {
    return this.#primitives.size + this.#others.size;
  }

  has(value: Value): boolean {
    if (isPrimitive(value)) return this.#primitives.has(value);
    return this.#others.size > 0 && this.#others.has(keyOf(value));
  }

  *[Symbol.iterator](): Iterator<Value> {
    yield* this.#primitives;
    yield* this.#others.values();
  }
}

/** The same text for equal values, other text for others. */
export function keyOf(value: Value): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value);
    default:
      break;
  }
  if (value instanceof Uid) return value.text;
  if (value instanceof Ip) return `i${value.key}`;
  if (value instanceof CedarSet) return `[${[...value].map(keyOf).sort().join()}]`;
  const fields = [...value].map(([name, field]) => `${JSON.stringify(name)}:${keyOf(field)}`);
  return `{${fields.sort().join()}}`;
}

export function equal(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (isPrimitive(a) || isPrimitive(b)) return false;
  if (a instanceof Uid) return b instanceof Uid && a.key === b.key;
  if (a instanceof Ip) return b instanceof Ip && a.equals(b);
  if (b instanceof Uid || b instanceof Ip) return false;
  if (a instanceof CedarSet !== b instanceof CedarSet || a.size !== b.size) return false;
  return keyOf(a) === keyOf(b);
}

/** As Cedar's messages call it. */
export function typeName(value: Value): string {
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'boolean':
      return 'bool';
    case 'number':
    case 'bigint':
      return 'long';
    default:
      break;
  }
  if (value instanceof Uid) return `(entity of type \`${value.type}\`)`;
  if (value instanceof Ip) return 'ipaddr';
  return value instanceof CedarSet ? 'set' : 'record';
}

export function uidFromJson(json: EntityUid): Uid {
  const { type, id } = '__entity' in json ? json.__entity : json;
  return new Uid(type, id);
}

/** Throws an EvaluationError for what isn't a value of Cedar, or not one that the engine has. */
export function valueFromJson(json: CedarValueJson): Value {
  if (typeof json === 'string' || typeof json === 'boolean') return json;
  if (typeof json === 'number') {
    // Beyond 2^53 the number that was written is lost by now.
    if (!Number.isSafeInteger(json)) throw new EvaluationError(`the number ${json} can't be read exactly`);
    return json === 0 ? 0 : json;
  }
  if (json === null || typeof json !== 'object') throw new EvaluationError('null is no value');
  if (Array.isArray(json)) return new CedarSet(json.map(valueFromJson));
  if ('__entity' in json) return uidFromJson(json as EntityUid);
  if ('__extn' in json) {
    const { fn, arg } = json['__extn'] as { fn: unknown; arg: unknown };
    const ip = fn === 'ip' && typeof arg === 'string' ? readIp(arg) : undefined;
    if (!ip) throw new EvaluationError(`${String(fn)}(${JSON.stringify(arg)}) is no value`);
    return ip;
  }
  const record = new Map<string, Value>();
  for (const name of Object.keys(json)) record.set(name, valueFromJson(json[name] as CedarValueJson));
  return record;
}
