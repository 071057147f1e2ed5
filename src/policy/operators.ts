/**
 * Cedar's expressions as closures. https://docs.cedarpolicy.com/policies/json-format.html (JsonExpr) for their shape,
 * https://docs.cedarpolicy.com/policies/syntax-operators.html for their meaning.
 *
 * An expression is compiled once, when its policy is loaded: what is constant is worked out then, and a shape or
 * operator that isn't in the tables below throws an UnknownShape, which refuses the whole set. At run time the only
 * exception is an EvaluationError.
 *
 * Left out because the schema has no words for them: tags, decimal, datetime, duration, templates' slots.
 */
import type { EntityStore, Question } from './entities.ts';
import { Ip, readIp } from './ip.ts';
import { CedarSet, EvaluationError, Uid, equal, long, typeName, valueFromJson } from './values.ts';
import type { CedarRecord, Long, Value } from './values.ts';

/** What an expression may read. */
export interface Scope extends Question {
  readonly action: Uid;
}

export type Expression = (scope: Scope) => Value;

export class UnknownShape extends Error {
  override readonly name = 'UnknownShape';
}

type Node = Readonly<Record<string, unknown>>;
const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function expected(type: string, value: Value): EvaluationError {
  return new EvaluationError(`type error: expected ${type}, got ${typeName(value)}`);
}
export function bool(value: Value): boolean {
  if (typeof value === 'boolean') return value;
  throw expected('bool', value);
}
function asLong(value: Value): Long {
  if (typeof value === 'number' || typeof value === 'bigint') return value;
  throw expected('long', value);
}
function text(value: Value): string {
  if (typeof value === 'string') return value;
  throw expected('string', value);
}
function uid(value: Value): Uid {
  if (value instanceof Uid) return value;
  throw expected('(entity of any type)', value);
}
function set(value: Value): CedarSet {
  if (value instanceof CedarSet) return value;
  throw expected('set', value);
}
function ip(value: Value): Ip {
  if (value instanceof Ip) return value;
  throw expected('ipaddr', value);
}
const isRecord = (value: Value): value is CedarRecord => value instanceof Map;

// --- constants ---------------------------------------------------------------------------------------

const constants = new WeakMap<Expression, { readonly value: Value }>();

function constant(value: Value): Expression {
  const expression = (): Value => value;
  constants.set(expression, { value });
  return expression;
}

/** `expression` worked out now when all of `parts` are constant. One that fails goes on failing at run time. */
function folded(parts: readonly Expression[], expression: Expression): Expression {
  if (!parts.every((part) => constants.has(part))) return expression;
  try {
    return constant(expression(undefined as never));
  } catch (error) {
    if (error instanceof EvaluationError) return expression;
    throw error;
  }
}

// --- operators of one and of two values ----------------------------------------------------------------

function exact(value: bigint, words: string): Long {
  const result = long(value);
  if (result === undefined)
    throw new EvaluationError(`integer overflow while attempting to ${words} the values`);
  return result;
}

function arithmetic(
  words: string,
  small: (a: number, b: number) => number,
  large: (a: bigint, b: bigint) => bigint,
): (a: Value, b: Value) => Value {
  return (left, right) => {
    const [a, b] = [asLong(left), asLong(right)];
    if (typeof a === 'number' && typeof b === 'number') {
      const result = small(a, b);
      if (Number.isSafeInteger(result)) return result === 0 ? 0 : result;
    }
    return exact(large(BigInt(a), BigInt(b)), words);
  };
}

function isIn(entities: EntityStore, member: Value, group: Value): boolean {
  const entity = uid(member);
  if (group instanceof Uid) return entities.isIn(entity, group);
  if (!(group instanceof CedarSet)) throw expected('(entity of any type) or set', group);
  let found = false;
  // All of them have to be entities, also after one that fits.
  for (const each of group) if (entities.isIn(entity, uid(each))) found = true;
  return found;
}

const unary: Readonly<Record<string, (value: Value) => Value>> = {
  '!': (value) => !bool(value),
  neg: (value) => exact(-BigInt(asLong(value)), 'negate'),
  isEmpty: (value) => set(value).size === 0,
};

const binary: Readonly<Record<string, (a: Value, b: Value) => Value>> = {
  '==': equal,
  '!=': (a, b) => !equal(a, b),
  '<': (a, b) => asLong(a) < asLong(b),
  '<=': (a, b) => asLong(a) <= asLong(b),
  '>': (a, b) => asLong(a) > asLong(b),
  '>=': (a, b) => asLong(a) >= asLong(b),
  '+': arithmetic(
    'add',
    (a, b) => a + b,
    (a, b) => a + b,
  ),
  '-': arithmetic(
    'subtract',
    (a, b) => a - b,
    (a, b) => a - b,
  ),
  '*': arithmetic(
    'multiply',
    (a, b) => a * b,
    (a, b) => a * b,
  ),
  contains: (a, b) => set(a).has(b),
  containsAll: (a, b) => {
    const [outer, inner] = [set(a), set(b)];
    for (const each of inner) if (!outer.has(each)) return false;
    return true;
  },
  containsAny: (a, b) => {
    const [left, right] = [set(a), set(b)];
    for (const each of right) if (left.has(each)) return true;
    return false;
  },
};

/** Extension functions, a method's receiver first. */
const functions: Readonly<Record<string, { arity: number; apply: (args: readonly Value[]) => Value }>> = {
  ip: {
    arity: 1,
    apply: ([value]) => {
      const written = text(value as Value);
      const address = readIp(written);
      if (!address) throw new EvaluationError(`error while evaluating ipaddr: invalid address ${written}`);
      return address;
    },
  },
  isIpv4: { arity: 1, apply: ([value]) => ip(value as Value).width === 32 },
  isIpv6: { arity: 1, apply: ([value]) => ip(value as Value).width === 128 },
  isLoopback: { arity: 1, apply: ([value]) => ip(value as Value).loopback },
  isMulticast: { arity: 1, apply: ([value]) => ip(value as Value).multicast },
  isInRange: { arity: 2, apply: ([value, range]) => ip(value as Value).isInRange(ip(range as Value)) },
};

// --- attributes ----------------------------------------------------------------------------------------

function attribute(entities: EntityStore, value: Value, name: string): Value {
  let record: CedarRecord | undefined;
  if (value instanceof Uid) {
    record = entities.attributes(value);
    if (!record) throw new EvaluationError(`entity \`${value.type}::"${value.id}"\` does not exist`);
  } else if (isRecord(value)) record = value;
  else throw expected('record or (entity of any type)', value);
  const found = record.get(name);
  if (found === undefined)
    throw new EvaluationError(`${typeName(value)} does not have the attribute \`${name}\``);
  return found;
}

function has(entities: EntityStore, value: Value, name: string): boolean {
  if (value instanceof Uid) return entities.attributes(value)?.has(name) ?? false;
  if (isRecord(value)) return value.has(name);
  throw expected('record or (entity of any type)', value);
}

function hasPath(entities: EntityStore, value: Value, names: readonly string[]): boolean {
  let at = value;
  for (const [i, name] of names.entries()) {
    if (!has(entities, at, name)) return false;
    if (i < names.length - 1) at = attribute(entities, at, name);
  }
  return true;
}

// --- like ------------------------------------------------------------------------------------------------

/** `literals` lie between the wildcards: n + 1 for n of them. Each is found where it first can be. */
function matcher(literals: readonly string[]): (value: string) => boolean {
  const [first = ''] = literals;
  if (literals.length === 1) return (value) => value === first;
  const last = literals.at(-1) ?? '';
  const middle = literals.slice(1, -1);
  return (value) => {
    if (value.length < first.length + last.length || !value.startsWith(first) || !value.endsWith(last))
      return false;
    let at = first.length;
    const end = value.length - last.length;
    for (const literal of middle) {
      const found = value.indexOf(literal, at);
      if (found < 0 || found + literal.length > end) return false;
      at = found + literal.length;
    }
    return true;
  };
}

function pattern(elements: unknown): (value: string) => boolean {
  if (!Array.isArray(elements)) throw new UnknownShape('like without a pattern');
  const parts: string[][] = [[]];
  for (const element of elements as unknown[]) {
    if (element === 'Wildcard') parts.push([]);
    else if (isNode(element) && typeof element['Literal'] === 'string')
      parts.at(-1)?.push(element['Literal']);
    else throw new UnknownShape('a pattern of unknown parts');
  }
  return matcher(parts.map((part) => part.join('')));
}

// --- the tree ----------------------------------------------------------------------------------------------

const variables: Readonly<Record<string, Expression>> = {
  principal: (scope) => scope.principal,
  action: (scope) => scope.action,
  resource: (scope) => scope.resource,
  context: (scope) => scope.context,
};

/** The operands named `names` and nothing else. */
function operands(operator: string, body: unknown, names: readonly string[]): Node {
  if (!isNode(body) || Object.keys(body).some((name) => !names.includes(name)))
    throw new UnknownShape(`\`${operator}\` with unknown operands`);
  return body;
}

function word(operator: string, value: unknown): string {
  if (typeof value === 'string') return value;
  throw new UnknownShape(`\`${operator}\` without a name`);
}

type Compiler = (operator: string, body: unknown) => Expression;

const special: Readonly<Record<string, Compiler>> = {
  Value: (_, body) => {
    try {
      return constant(valueFromJson(body as never));
    } catch (error) {
      if (error instanceof EvaluationError) throw new UnknownShape(error.message);
      throw error;
    }
  },
  Var: (operator, body) => {
    const variable = variables[word(operator, body)];
    if (!variable) throw new UnknownShape(`unknown variable ${String(body)}`);
    return variable;
  },
  '&&': (operator, body) => {
    const { left, right } = both(operator, body);
    return (scope) => bool(left(scope)) && bool(right(scope));
  },
  '||': (operator, body) => {
    const { left, right } = both(operator, body);
    return (scope) => bool(left(scope)) || bool(right(scope));
  },
  'if-then-else': (operator, body) => {
    const node = operands(operator, body, ['if', 'then', 'else']);
    const [test, yes, no] = [node['if'], node['then'], node['else']].map(compileExpression);
    if (!test || !yes || !no) throw new UnknownShape('`if` without a branch');
    return (scope) => (bool(test(scope)) ? yes(scope) : no(scope));
  },
  in: (operator, body) => {
    const { left, right } = both(operator, body);
    return (scope) => {
      const member = left(scope);
      return isIn(scope.entities, member, right(scope));
    };
  },
  is: (operator, body) => {
    const node = operands(operator, body, ['left', 'entity_type', 'in']);
    const left = compileExpression(node['left']);
    const type = word(operator, node['entity_type']);
    if (node['in'] === undefined) return (scope) => uid(left(scope)).type === type;
    const group = compileExpression(node['in']);
    return (scope) => {
      const entity = uid(left(scope));
      return entity.type === type && isIn(scope.entities, entity, group(scope));
    };
  },
  '.': (operator, body) => {
    const node = operands(operator, body, ['left', 'attr']);
    const left = compileExpression(node['left']);
    const name = word(operator, node['attr']);
    return (scope) => attribute(scope.entities, left(scope), name);
  },
  has: (operator, body) => {
    const node = operands(operator, body, ['left', 'attr']);
    const left = compileExpression(node['left']);
    const { attr } = node as { attr: unknown };
    const names = (Array.isArray(attr) ? (attr as unknown[]) : [attr]).map((name) => word(operator, name));
    return (scope) => hasPath(scope.entities, left(scope), names);
  },
  like: (operator, body) => {
    const node = operands(operator, body, ['left', 'pattern']);
    const left = compileExpression(node['left']);
    const matches = pattern(node['pattern']);
    return (scope) => matches(text(left(scope)));
  },
  Set: (_, body) => {
    if (!Array.isArray(body)) throw new UnknownShape('a set of unknown shape');
    const parts = (body as unknown[]).map(compileExpression);
    return folded(parts, (scope) => new CedarSet(parts.map((part) => part(scope))));
  },
  Record: (_, body) => {
    if (!isNode(body)) throw new UnknownShape('a record of unknown shape');
    const fields = Object.entries(body).map(([name, field]) => [name, compileExpression(field)] as const);
    return folded(
      fields.map(([, field]) => field),
      (scope) => new Map(fields.map(([name, field]) => [name, field(scope)])),
    );
  },
};

function both(operator: string, body: unknown): { left: Expression; right: Expression } {
  const node = operands(operator, body, ['left', 'right']);
  return { left: compileExpression(node['left']), right: compileExpression(node['right']) };
}

/** Throws an UnknownShape that names what it is. */
export function compileExpression(json: unknown): Expression {
  const entries = isNode(json) ? Object.entries(json) : [];
  const [entry] = entries;
  if (!entry || entries.length !== 1) throw new UnknownShape('an expression of unknown shape');
  const [operator, body] = entry;
  const own = <T>(table: Readonly<Record<string, T>>): T | undefined =>
    Object.hasOwn(table, operator) ? table[operator] : undefined;

  const compiler = own(special);
  if (compiler) return compiler(operator, body);
  const one = own(unary);
  if (one) {
    const arg = compileExpression(operands(operator, body, ['arg'])['arg']);
    return folded([arg], (scope) => one(arg(scope)));
  }
  const two = own(binary);
  if (two) {
    const { left, right } = both(operator, body);
    return folded([left, right], (scope) => two(left(scope), right(scope)));
  }
  const call = own(functions);
  if (call && Array.isArray(body) && body.length === call.arity) {
    const args = (body as unknown[]).map(compileExpression);
    return folded(args, (scope) => call.apply(args.map((arg) => arg(scope))));
  }
  throw new UnknownShape(`unknown operator \`${operator}\``);
}
