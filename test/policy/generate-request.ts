/**
 * Requests and policies by chance over every word of the schema: each attribute that a policy may read, each fact that
 * a request may hold or lack. Attributes come from the schema itself, so that a new one is in the comparison at once.
 */
import { schemaToJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { AccessRequest } from '../../src/policy/request.ts';
import { schemaText } from '../../src/policy/schema.ts';
import { actions, kexModes, protocols } from '../../src/wire/action.ts';
import { authenticationMethods, contacts, owners, paths, signalNames } from '../../src/wire/facts.ts';
import { posture, subject, target } from '../../src/wire/grant.ts';
import type { Chance } from './generate.ts';

/** An attribute that a policy may read, and its type as the schema writes it. */
interface Place {
  readonly text: string;
  readonly type: unknown;
}

type Json = { readonly [name: string]: unknown };
const parsed = schemaToJson(schemaText);
if (parsed.type === 'failure') throw new Error(parsed.errors[0]?.message);
const schema = (parsed.json as unknown as Record<string, Json>)[''] as Json;
const entityTypes = schema['entityTypes'] as Record<
  string,
  { enum?: string[]; shape?: { attributes: Json } }
>;
const commonTypes = schema['commonTypes'] as Record<string, Json>;

function gather(text: string, type: unknown, into: Place[]): void {
  const { type: kind, name, attributes } = type as { type: string; name?: string; attributes?: Json };
  const inner = attributes ?? (name === undefined ? undefined : entityTypes[name]?.shape?.attributes);
  if (kind === 'EntityOrCommon' || kind === 'Set') into.push({ text, type });
  for (const [attribute, of] of Object.entries(inner ?? {})) gather(`${text}.${attribute}`, of, into);
}

export const places: readonly Place[] = ((): Place[] => {
  const found: Place[] = [];
  gather('context', commonTypes['Context'], found);
  gather('principal', { name: 'User' }, found);
  gather('resource', { name: 'Resource' }, found);
  return found;
})();

const units = ['icu', 'er', 'radiology'];
const words = [...units, 'pacs', 'monitor', 'night', 'DE', 'sunday', '', 'edr'];
const numbers = [0, 1, 2, 5, 9, 60, 70, 100, 480, 600, 1439, 1_000_000_000];
const ids: Readonly<Record<string, readonly string[]>> = {
  Device: ['d1', 'd2', 'd3'],
  Peer: ['laptop', 'kiosk'],
  Ticket: ['CHG-1', 'CHG-2'],
  Action: actions,
};
const ranges = ['10.0.0.0/8', '192.0.2.0/24', '100.96.0.0/16', '2001:db8::/32', '::1'];

function literal(c: Chance, name: string): string {
  switch (name) {
    case 'Bool':
      return c.of(['true', 'false']);
    case 'Long':
      return String(c.of(numbers));
    case 'String':
      return `"${c.of(words)}"`;
    case 'ipaddr':
      return `ip("${c.of(ranges)}")`;
    default:
      return `${name}::"${c.of(entityTypes[name]?.enum ?? ids[name] ?? ['x'])}"`;
  }
}

function test(c: Chance): string {
  const place = c.of(places);
  // Now and then an operator of another place's type: a policy that is mistyped.
  const { type } = c.one(25) ? c.of(places) : place;
  const {
    type: kind,
    name = '',
    element,
  } = type as { type: string; name?: string; element?: { name: string } };
  const { text } = place;
  if (kind === 'Set') {
    const of = element?.name ?? '';
    return c.of([
      () => `${text}.contains(${literal(c, of)})`,
      () => `${text}.isEmpty()`,
      () => `${text}.containsAny([${literal(c, of)}, ${literal(c, of)}])`,
      () => `${text}.containsAll([${literal(c, of)}])`,
      () => `resource in ${text}`,
    ])();
  }
  const choices = [
    () => `${text} ${c.of(['==', '!='])} ${literal(c, name)}`,
    () => `[${literal(c, name)}, ${literal(c, name)}].contains(${text})`,
  ];
  if (name === 'Bool') choices.push(() => text);
  if (name === 'Long') choices.push(() => `${text} ${c.of(['<', '<=', '>', '>='])} ${c.of(numbers)}`);
  if (name === 'String') choices.push(() => `${text} like "${c.of(['*', 'i*', '*u', ''])}"`);
  if (name === 'ipaddr') choices.push(() => `${text}.isInRange(${literal(c, name)})`);
  return c.of(choices)();
}

function condition(c: Chance, depth: number): string {
  if (depth === 0 || c.one(3)) return test(c);
  const sub = (): string => `(${condition(c, depth - 1)})`;
  return c.of([
    () => `${sub()} && ${sub()}`,
    () => `${sub()} || ${sub()}`,
    () => `!${sub()}`,
    () => `if ${sub()} then ${sub()} else ${sub()}`,
    () => `context has ${c.of(['risk', 'deviceRisk', 'ticket', 'outer', 'posture.patchDays'])} && ${sub()}`,
    () => c.of(['principal in Role::"nurse"', 'principal in Group::"on-call"', 'principal is Service']),
  ])();
}

export function factPolicy(c: Chance, effect: 'permit' | 'forbid'): string {
  const principal = c.of([
    'principal',
    'principal',
    'principal in Role::"nurse"',
    'principal is Service in Group::"on-call"',
  ]);
  const action = c.of(['action', `action == Action::"${c.of(actions)}"`]);
  return `${effect} (${principal}, ${action}, resource) ${c.of(['when', 'unless'])} { ${condition(c, c.of([0, 1, 2]))} };`;
}

const some = <T>(c: Chance, list: readonly T[]): T[] => list.filter(() => c.one(2));

export function accessRequest(c: Chance): AccessRequest {
  const maybe = <K extends keyof AccessRequest>(key: K, value: AccessRequest[K]): Partial<AccessRequest> =>
    c.one(4) ? {} : { [key]: value };
  const signals = Object.fromEntries(signalNames.map((name) => [name, c.of(['pass', 'fail', 'unknown'])]));
  const finding = { signal: c.of(signalNames), level: 'minor', text: 'Fix it.' };
  return {
    subject: subject.parse({
      user: c.of(['ada', 'bob']),
      roles: some(c, ['nurse', 'medic', 'vendor']),
      peer: c.of(ids['Peer'] ?? []),
      userDevice: c.of(['laptop', 'kiosk']),
      posture: {
        level: c.of(posture.shape.level.options),
        score: c.below(101),
        ...(c.one(2) ? { findings: [finding] } : {}),
      },
      kex: c.of(kexModes),
      source: { address: c.of(['100.96.0.7', '10.1.2.3', '2001:db8::7']), port: 40000 },
    }),
    target: target.parse({
      resource: c.of(['archive', 'pump-console']),
      device: c.of(ids['Device'] ?? []),
      protocol: c.of(protocols),
      virtual: { address: '100.96.128.1', port: 104 },
      dial: { address: '10.20.0.10', port: 4242 },
    }),
    units: some(c, units),
    device: { class: c.of(words), unit: c.of(units), ...(c.one(2) ? { zone: c.of(words) } : {}) },
    ephi: c.one(2),
    time: { minute: c.of([0, 60, 599, 600, 1439]), weekday: 1 + c.below(7) },
    ...maybe('emergency', c.one(3)),
    ...maybe('breakGlass', c.one(3)),
    ...maybe('scenario', c.of(words.filter((word) => word !== ''))),
    ...maybe('principal', {
      kind: c.of(['person', 'service']),
      groups: some(c, ['on-call', 'vendor-acme']),
      assigned: some(c, ids['Device'] ?? []) as never,
      clearance: c.below(10),
    }),
    ...maybe('userDevice', { owner: c.of(owners), shared: c.one(2) }),
    ...maybe('resource', { sensitivity: c.below(10), admin: c.one(2), remediation: c.one(3) }),
    ...maybe('signals', signals as never),
    ...maybe('patchDays', c.of(numbers)),
    ...maybe('outer', c.of(['192.0.2.9', '10.9.9.9', '2001:db8::1'])),
    ...maybe('location', {
      site: c.of(words),
      networks: some(c, ['sunday', 'vendor-offices']),
      country: c.of(['DE', 'unknown']),
    }),
    ...maybe('path', c.of(paths)),
    ...maybe('shift', c.of(['night', 'day'])),
    ...maybe('authentication', {
      method: c.of(authenticationMethods),
      phishingResistant: c.one(2),
      age: c.of(numbers),
    }),
    ...maybe('risk', c.below(101)),
    ...maybe('deviceRisk', 1 + c.below(100)),
    ...maybe('ticket', {
      number: c.of(ids['Ticket'] ?? []),
      kind: c.of(['change', 'incident', 'request']),
      actions: some(c, actions),
      approvals: c.below(4),
    }),
    ...maybe('windows', some(c, ['sunday', 'night'])),
    ...maybe('exceptions', some(c, ['edr', 'night'])),
    ...maybe('contact', c.of(contacts)),
  };
}

/** The same request with one scalar of another type, out of its enumeration, or no whole number; and which. */
export function mistyped(
  c: Chance,
  request: AccessRequest,
): { readonly request: AccessRequest; readonly what: string } {
  const copy = structuredClone(request) as unknown as Record<string, unknown>;
  const scalars: {
    readonly holder: Record<string, unknown>;
    readonly name: string;
    readonly path: string;
  }[] = [];
  const walk = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [name, inner] of Object.entries(value)) {
      const here = `${path}.${name}`;
      if (typeof inner === 'object') walk(inner, here);
      else scalars.push({ holder: value as Record<string, unknown>, name, path: here });
    }
  };
  walk(copy, '');
  const { holder, name, path } = c.of(scalars);
  const before = holder[name];
  holder[name] =
    typeof before === 'number'
      ? c.of([1.5, 'many', true])
      : c.of([7, 'none of them', typeof before === 'string']);
  return { request: copy as unknown as AccessRequest, what: `${path}: ${JSON.stringify(holder[name])}` };
}
