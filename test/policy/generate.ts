/**
 * Policies, entities and questions by chance, from a seed: for the comparison of the engine with cedar-wasm. Cedar
 * text, as authors write it; no schema, so that mistyped expressions and attributes come too.
 *
 * Two in three choices of an operand have the type that the operator wants: fewer and nearly every policy would
 * fail, more and the failures would be rare.
 */
import type { CedarValueJson, Context, Entities } from '@cedar-policy/cedar-wasm/nodejs';
import { mulberry32 } from '../support/mulberry32.ts';

export const actionIds = ['view', 'modify', 'print'] as const;

export class Chance {
  readonly next: () => number;
  constructor(seed: number) {
    this.next = mulberry32(seed);
  }
  below(n: number): number {
    return Math.floor(this.next() * n);
  }
  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
  one(inSoMany: number): boolean {
    return this.below(inSoMany) === 0;
  }
}

type Kind = 'bool' | 'long' | 'string' | 'entity' | 'set' | 'record' | 'ip';
const kinds: readonly Kind[] = ['bool', 'long', 'string', 'entity', 'set', 'record', 'ip'];

const texts = ['', 'a', 'ab', 'abc', 'a*b', 'icu', 'é😀', 'aab', 'x y'];
const numbers = [0, 1, 2, 3, 60, 1439, 2147483648, 9007199254740991];
const addresses = [
  '10.0.0.1',
  '10.0.0.0/8',
  '10.0.0.1/24',
  '127.0.0.1',
  '127.0.0.0/7',
  '127.0.0.1/8',
  '::1/64',
  '::1/128',
  '239.0.0.1/4',
  'ff02::1/8',
  '224.0.0.1',
  '224.0.0.0/3',
  '0.0.0.0/0',
  '::1',
  '::',
  'ff02::1',
  'ff00::/7',
  '2001:db8::/32',
  '2001:DB8:0:0:1::7',
  '1:2:3:4:5:6:7::',
];
const badAddresses = [
  '10.0.0',
  '010.0.0.1',
  '10.0.0.1/33',
  '10.0.0.1/08',
  '::ffff:10.0.0.1',
  '1::2::3',
  ':::',
  '1:2:3:4:5:6:7:8::',
  '12345::',
  'fe80::1%eth0',
  '10.0.0.256',
  '1.2.3.4/',
  '::/129',
  ' 1.2.3.4',
  '',
];
const patterns = ['*', 'a*', '*b', 'a*b', '*a*b*', '', 'a\\*b', '*😀', 'a*a*b', 'abc', 'é*', '**c'];
const names = ['flag', 'count', 'name', 'boss', 'units', 'more', 'from', 'absent'] as const;
const kindOf: Readonly<Record<(typeof names)[number], Kind>> = {
  flag: 'bool',
  count: 'long',
  name: 'string',
  boss: 'entity',
  units: 'set',
  more: 'record',
  from: 'ip',
  absent: 'bool',
};
/** The last of each isn't among the entities; the graph of parents is `entities` below. */
const users = ['ada', 'bob', 'eve', 'nobody'];
const roles = ['nurse', 'doctor', 'staff', 'ghosts'];
const resources = ['pump', 'pacs', 'lost'];

/** Words of two letters, so that patterns fit now and then. */
const letters = (c: Chance, alphabet: readonly string[]): string =>
  Array.from({ length: c.below(7) }, () => c.of(alphabet)).join('');

const quoted = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;

function uidText(c: Chance): string {
  const [type, ids] = c.of([
    ['User', users],
    ['Role', roles],
    ['Resource', resources],
    ['Action', actionIds],
  ] as const);
  return `${type}::"${c.of(ids)}"`;
}

/** An attribute of the context, the principal, the resource, or of what one of these refers to. */
function read(c: Chance, kind: Kind): string {
  const fitting = names.filter((name) => kindOf[name] === kind);
  const base = c.of(['context', 'context', 'principal', 'resource', 'principal.boss', 'context.more']);
  return `${base}.${c.of(c.one(20) ? names : fitting)}`;
}

function literal(c: Chance, kind: Kind, depth: number): string {
  const some = (): string[] =>
    Array.from({ length: c.below(4) }, () => expression(c, c.of(kinds), depth - 1));
  switch (kind) {
    case 'bool':
      return c.of(['true', 'false']);
    case 'long':
      return String(c.one(4) ? -c.of(numbers) : c.of(numbers));
    case 'string':
      return quoted(c.one(2) ? letters(c, ['a', 'b']) : c.of(texts));
    case 'entity':
      return c.one(2) ? c.of(['principal', 'resource', 'action']) : uidText(c);
    case 'set': {
      if (c.one(3)) return `[${some().join(', ')}]`;
      const inner = c.of(['string', 'long', 'entity'] as const);
      return `[${Array.from({ length: c.below(4) }, () => literal(c, inner, 0)).join(', ')}]`;
    }
    case 'record':
      return c.one(2)
        ? 'context'
        : `{${some()
            .map((value, i) => `${names[i] ?? 'x'}: ${value}`)
            .join(', ')}}`;
    case 'ip':
      return `ip(${quoted(c.of(c.one(6) ? badAddresses : addresses))})`;
  }
}

/** Cedar text of an expression that is most likely of `wanted`'s type. */
export function expression(c: Chance, wanted: Kind, depth: number): string {
  const kind = c.one(25) ? c.of(kinds) : wanted;
  const sub = (k: Kind): string => `(${expression(c, k, depth - 1)})`;
  if (depth <= 0 || c.one(5)) return c.one(2) ? literal(c, kind, 0) : read(c, kind);
  if (c.one(10)) return `if ${sub('bool')} then ${sub(kind)} else ${sub(kind)}`;
  switch (kind) {
    case 'bool': {
      const same = c.of(kinds);
      const choices: readonly (() => string)[] = [
        () => `${sub('bool')} && ${sub('bool')}`,
        () => `${sub('bool')} || ${sub('bool')}`,
        () => `!${sub('bool')}`,
        () => `${sub(same)} ${c.of(['==', '!='])} ${sub(c.one(5) ? c.of(kinds) : same)}`,
        () => `${sub('long')} ${c.of(['<', '<=', '>', '>='])} ${sub('long')}`,
        () => `${sub('entity')} in ${sub(c.one(2) ? 'entity' : 'set')}`,
        () => `principal in [${uidText(c)}, ${uidText(c)}]`,
        () =>
          `principal in [principal, ${uidText(c)}, ${c.of(['ip("::1")', '{}', '[]', 'context.from', 'resource'])}]`,
        () => `${sub('entity')} is ${c.of(['User', 'Role', 'Resource'])}`,
        () => `${sub('entity')} is ${c.of(['User', 'Role'])} in ${uidText(c)}`,
        () => `${sub(c.one(2) ? 'record' : 'entity')} has ${c.of(names)}`,
        () =>
          `${c.of(['context', 'principal', 'resource'])} has ${c.of(names)}.${c.of(names)}.${c.of(names)}`,
        () => `${sub('string')} like "${c.of(patterns)}"`,
        () => `${literal(c, 'string', 0)} like "${letters(c, ['a', 'b', '*', '*'])}"`,
        () => `${sub('set')}.contains(${sub(c.of(kinds))})`,
        () => `${sub('set')}.${c.of(['containsAll', 'containsAny'])}(${sub('set')})`,
        () => `${sub('set')}.isEmpty()`,
        () => `${sub('ip')}.${c.of(['isIpv4', 'isIpv6', 'isLoopback', 'isMulticast'])}()`,
        () => `${sub('ip')}.isInRange(${sub('ip')})`,
      ];
      return c.of(choices)();
    }
    case 'long':
      return c.one(4) ? `-${sub('long')}` : `${sub('long')} ${c.of(['+', '-', '*'])} ${sub('long')}`;
    case 'set':
    case 'record':
      return literal(c, kind, depth);
    default:
      return c.one(3) ? literal(c, kind, depth) : read(c, kind);
  }
}

function party(c: Chance, name: 'principal' | 'resource'): string {
  const groups = name === 'principal' ? roles : resources;
  const group = `${name === 'principal' ? 'Role' : 'Resource'}::"${c.of(groups)}"`;
  const type = name === 'principal' ? 'User' : 'Resource';
  switch (c.below(7)) {
    case 0:
      return `${name} == ${type}::"${c.of(name === 'principal' ? users : resources)}"`;
    case 1:
      return `${name} in ${c.one(4) ? uidText(c) : group}`;
    case 2:
      return `${name} is ${type}`;
    case 3:
      return `${name} is ${c.one(5) ? 'Role' : type} in ${group}`;
    default:
      return name;
  }
}

export function policy(c: Chance, effect: 'permit' | 'forbid'): string {
  const action = c.of([
    'action',
    'action',
    `action == Action::"${c.of(actionIds)}"`,
    `action in Action::"${c.of(actionIds)}"`,
    `action in [Action::"${c.of(actionIds)}", Action::"${c.of(actionIds)}"]`,
    'action in []',
  ]);
  const clauses = Array.from(
    { length: c.of([0, 1, 1, 1, 2]) },
    () => `${c.of(['when', 'unless'])} { ${expression(c, 'bool', c.of([1, 2, 3, 4]))} }`,
  );
  return `${effect} (${party(c, 'principal')}, ${action}, ${party(c, 'resource')}) ${clauses.join(' ')};`;
}

const entityJson = (type: string, id: string): CedarValueJson => ({ __entity: { type, id } });

function value(c: Chance, kind: Kind, depth: number): CedarValueJson {
  switch (kind) {
    case 'bool':
      return c.one(2);
    case 'long':
      return c.one(4) ? -c.of(numbers) : c.of(numbers);
    case 'string':
      return c.of(texts);
    case 'entity':
      return c.one(3) ? entityJson('Role', c.of(roles)) : entityJson('User', c.of(users));
    case 'set':
      return Array.from({ length: c.below(4) }, () => value(c, c.of(['string', 'long', 'entity']), 0));
    case 'record':
      return depth > 0 ? attributes(c, depth - 1) : {};
    case 'ip':
      return { __extn: { fn: 'ip', arg: c.of(addresses) } };
  }
}

function attributes(c: Chance, depth: number): Record<string, CedarValueJson> {
  const found: Record<string, CedarValueJson> = {};
  for (const name of names)
    if (name !== 'absent' && !c.one(8)) found[name] = value(c, c.one(12) ? c.of(kinds) : kindOf[name], depth);
  return found;
}

export interface GeneratedQuestion {
  readonly principal: { type: string; id: string };
  readonly resource: { type: string; id: string };
  readonly context: Context;
  readonly entities: Entities;
}

export function question(c: Chance): GeneratedQuestion {
  const uid = (type: string, id: string): { type: string; id: string } => ({ type, id });
  const principal = uid('User', c.of(users));
  const resource = uid('Resource', c.of(resources));
  const entities: Entities = [
    { uid: uid('User', 'ada'), attrs: attributes(c, 1), parents: [uid('Role', c.of(roles))] },
    { uid: uid('Role', 'nurse'), attrs: {}, parents: c.one(2) ? [uid('Role', 'staff')] : [] },
    { uid: uid('Resource', 'pump'), attrs: attributes(c, 0), parents: [uid('Resource', 'pacs')] },
  ];
  if (c.one(2)) entities.push({ uid: uid('Role', 'staff'), attrs: {}, parents: [uid('Role', 'ghosts')] });
  if (principal.id === 'bob' || c.one(4))
    entities.push({
      uid: uid('User', 'bob'),
      attrs: attributes(c, 1),
      parents: [uid('User', 'ada'), uid('Role', c.of(roles))],
    });
  return { principal, resource, context: attributes(c, 1), entities };
}
