/**
 * Questions to make a bundle's vectors of: for every policy one that is near it, so that as many as possible have
 * something to say. Near means: a user of the roles and groups that it names, a resource of the words that it compares
 * with, and circumstances that go through what a shift may bring.
 *
 * Nothing is drawn by chance: the same policies give the same questions, and the same bundle.
 */
import { kexModes, protocols } from '../wire/action.ts';
import { posture, subject, target } from '../wire/grant.ts';
import { examine } from './examine.ts';
import { cedarRequest } from './request.ts';
import type { AccessRequest, CedarRequest } from './request.ts';

/** Questions in a bundle: 12 answers each, and about 2 kB. */
export const QUESTIONS = 64;

/** Words that a policy names: entities by type, and strings that it compares with. */
interface Words {
  readonly entities: ReadonlyMap<string, readonly string[]>;
  readonly strings: readonly string[];
}

function wordsOf(json: unknown): Words {
  const entities = new Map<string, string[]>();
  const strings: string[] = [];
  const waiting: unknown[] = [json];
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    if (typeof value !== 'object' || value === null) continue;
    const { type, id, Value: literal } = value as Readonly<Record<string, unknown>>;
    if (typeof type === 'string' && typeof id === 'string')
      entities.set(type, [...(entities.get(type) ?? []), id]);
    if (typeof literal === 'string') strings.push(literal);
    waiting.push(...Object.values(value).filter((each) => each !== undefined));
  }
  return { entities, strings };
}

const pick = <T>(list: readonly T[], i: number, otherwise: T): T => list[i % (list.length || 1)] ?? otherwise;

function near({ entities, strings }: Words, i: number): AccessRequest {
  const named = (type: string): readonly string[] => [...new Set(entities.get(type) ?? [])].sort();
  const levels = posture.shape.level.options;
  const protocol = pick(named('Protocol'), i, pick(protocols, i, 'tcp'));
  const id = (list: readonly string[], fallback: string): string =>
    list.find((each) => /^[a-z0-9][a-z0-9._@-]{0,63}$/.test(each)) ?? fallback;
  return {
    subject: subject.parse({
      user: id([...named('User'), ...named('Service')], `user-${i}`),
      roles: named('Role'),
      peer: id(named('Peer'), `peer-${i}`),
      userDevice: `device-${i}`,
      posture: { level: pick(levels, i, 'good'), score: (i * 37) % 101 },
      kex: pick(kexModes, i, 'hybrid'),
      source: { address: `100.96.${i % 128}.7`, port: 40_000 },
    }),
    target: target.parse({
      resource: id(named('Resource'), `resource-${i}`),
      device: id(named('Device'), `device-${i}`),
      protocol: protocols.find((each) => each === protocol) ?? 'tcp',
      virtual: { address: '100.96.128.1', port: 104 },
      dial: { address: '10.20.0.10', port: 4242 },
    }),
    units: [...new Set(strings)].sort(),
    device: {
      class: pick(strings, i, 'pacs'),
      unit: pick(strings, i + 1, 'icu'),
      zone: pick(strings, i + 2, ''),
    },
    ephi: i % 2 === 0,
    time: { minute: (i * 181) % 1440, weekday: (i % 7) + 1 },
    emergency: i % 5 === 4,
    breakGlass: i % 7 === 6,
    principal: {
      kind: entities.has('Service') && !entities.has('User') ? 'service' : 'person',
      groups: [...named('Group')],
      assigned: [],
      clearance: i % 10,
    },
    resource: { sensitivity: (i * 3) % 10, admin: i % 3 === 0, remediation: i % 4 === 3 },
    path: i % 2 === 0 ? 'remote' : 'local',
    risk: (i * 53) % 101,
    contact: 'standalone',
  };
}

/** At most `count` questions, spread over the policies of a text that has no mistakes. */
export function questionsAbout(policies: string, count: number = QUESTIONS): CedarRequest[] {
  const words = [...examine(policies).parts.values()].map(({ json }) => wordsOf(json));
  const step = Math.max(1, words.length / count);
  const chosen = Array.from({ length: Math.min(count, Math.max(words.length, 8)) }, (_, i) =>
    pick(words, Math.floor(i * step), { entities: new Map(), strings: [] }),
  );
  return chosen.map((each, i) => cedarRequest(near(each, i)));
}
