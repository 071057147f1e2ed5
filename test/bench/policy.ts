/**
 * Bench of policy: graded decisions (five actions each, into a Grant) on a site of 200 policies and 2,000 entities,
 * against raw `isAuthorized` calls of cedar-wasm on the same questions, interleaved in one process.
 *
 *   node test/bench/policy.ts [--rounds 5]  →  build/bench/policy.json
 *
 * Two peers: `isAuthorized` with the entities of the question only, as ours hands them over, and with all 2,000
 * entities, as a caller without slicing would. Both parse policies and schema in each call; ours keeps them parsed.
 * Answers of ours and of the peer are compared, all of them.
 */
import { isAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import type { Entities } from '@cedar-policy/cedar-wasm/nodejs';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { decide } from '../../src/policy/decide.ts';
import { loadPolicySet } from '../../src/policy/policy-set.ts';
import { cedarRequest } from '../../src/policy/request.ts';
import type { AccessRequest } from '../../src/policy/request.ts';
import { schemaText } from '../../src/policy/schema.ts';
import { actions } from '../../src/wire/action.ts';
import type { Action } from '../../src/wire/action.ts';
import { epochMillis } from '../../src/wire/units.ts';
import { question, session } from '../policy/question.ts';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } });
const rounds = Number(values.rounds);
const POLICIES = 200;
/** Users, peers, devices and resources: 2,000 entities. */
const EACH = 500;
const OURS = 200;
const SLICED = 20;
const WHOLE = 3;

const classes = ['pacs', 'modality', 'infusion-pump', 'monitor', 'analyser'];
const units = Array.from({ length: 20 }, (_, i) => `unit-${i}`);
const roles = Array.from({ length: 40 }, (_, i) => `role-${i}`);
const pick = <T>(list: readonly T[], i: number): T => list[i % list.length] as T;

/** Four permits for each forbid; conditions of the kinds that sites write. */
const policyText = Array.from({ length: POLICIES }, (_, i) => {
  const role = pick(roles, i);
  const kind = pick(classes, i >> 2);
  const head = `@id("policy-${i}") @reason("Policy ${i}.")`;
  if (i % 5 === 4)
    return `${head} forbid (principal in Role::"${role}", action in [Action::"modify", Action::"administer"], resource) when { resource.class == "${kind}" && (context.posture.level == Level::"major" || context.posture.score < ${i % 60}) };`;
  const scope = pick(
    ['action', 'action == Action::"view"', 'action in [Action::"view", Action::"modify"]'],
    i,
  );
  return `${head} permit (principal in Role::"${role}", ${scope}, resource) when { ["${kind}", "${pick(classes, i + 1)}"].contains(resource.class) && (principal.units.contains(resource.unit) || context.kex == Kex::"hybrid") };`;
}).join('\n');

const requests: AccessRequest[] = Array.from({ length: EACH }, (_, i) => {
  const base = question({
    roles: [pick(roles, i), pick(roles, i * 7 + 3)],
    units: [pick(units, i), pick(units, i * 3 + 1)],
    class: pick(classes, i),
    unit: pick(units, i * 3),
    posture: pick(['good', 'minor', 'major', 'unknown'], i >> 3),
    score: (i * 13) % 101,
    kex: pick(['classical', 'classical+psk', 'hybrid'], i),
  });
  return {
    ...base,
    subject: { ...base.subject, user: `user-${i}` as never, peer: `peer-${i}` as never },
    target: { ...base.target, resource: `resource-${i}` as never, device: `device-${i}` as never },
  };
});
const sliced = requests.map(cedarRequest);
const site: Entities = [
  ...sliced.flatMap((r) => r.entities),
  ...requests.map((r) => ({ uid: { type: 'Device', id: r.target.device }, attrs: {}, parents: [] })),
];

const set = loadPolicySet(policyText, 'bench');
const now = epochMillis(Date.now());
const limits = { idle: 900_000, end: epochMillis(now + 43_200_000) };

const ours = (i: number): readonly Action[] => {
  const { decision } = decide(set, requests[i] as AccessRequest, session, now, limits);
  return decision.decision === 'permit' ? decision.grant.actions : [];
};
const raw = (i: number, entities?: Entities): readonly Action[] => {
  const request = sliced[i] as (typeof sliced)[number];
  return actions.filter((action) => {
    const answer = isAuthorized({
      ...request,
      ...(entities ? { entities } : {}),
      action: { type: 'Action', id: action },
      policies: { staticPolicies: policyText },
      schema: schemaText,
      validateRequest: true,
    });
    if (answer.type === 'failure') throw new Error(answer.errors[0]?.message);
    return answer.response.decision === 'allow';
  });
};

const workloads = {
  ours: { count: OURS, run: ours },
  sliced: { count: SLICED, run: (i: number) => raw(i) },
  whole: { count: WHOLE, run: (i: number) => raw(i, site) },
} as const;
type Name = keyof typeof workloads;

const latencies: Record<Name, number[]> = { ours: [], sliced: [], whole: [] };
const rates: Record<Name, number[]> = { ours: [], sliced: [], whole: [] };
let compared = 0;
for (let round = -1; round < rounds; round++) {
  for (const [name, { count, run }] of Object.entries(workloads)) {
    const begin = performance.now();
    for (let k = 0; k < count; k++) {
      const i = (k * 37 + (round + 1) * 11) % EACH;
      const start = performance.now();
      const answer = run(i);
      const took = performance.now() - start;
      // The first round warms caches and the compiler, and is where answers are compared.
      if (round >= 0) latencies[name as Name].push(took);
      else if (name !== 'ours') {
        if (answer.join() !== ours(i).join()) throw new Error(`answers differ for question ${i}`);
        compared++;
      }
    }
    if (round >= 0) rates[name as Name].push((count / (performance.now() - begin)) * 1000);
  }
}

const quantile = (list: readonly number[], q: number): number =>
  list.toSorted((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * q))] ?? 0;
const whatOf = {
  rate: (name: Name) => quantile(rates[name], 0.5),
  p50: (name: Name) => quantile(latencies[name], 0.5),
  p99: (name: Name) => quantile(latencies[name], 0.99),
};
const slicedName = 'raw cedar-wasm isAuthorized, 5 calls, sliced entities';
const wholeName = 'raw cedar-wasm isAuthorized, 5 calls, all 2,000 entities';
const figures = (
  [
    ['decisions', '1/s', 'rate', 'sliced', slicedName],
    ['grant, p50', 'ms', 'p50', 'sliced', slicedName],
    ['grant, p99', 'ms', 'p99', 'sliced', slicedName],
    ['decisions, against the whole site', '1/s', 'rate', 'whole', wholeName],
    ['grant, p50, against the whole site', 'ms', 'p50', 'whole', wholeName],
  ] as const
).map(([figure, unit, what, peerName, peer_name]) => {
  const [mine, theirs] = [whatOf[what]('ours'), whatOf[what](peerName)];
  const round = (n: number): number => Number(n.toPrecision(4));
  return {
    figure,
    unit,
    ours: round(mine),
    peer: round(theirs),
    peer_name,
    ratio: round(mine / theirs),
    goal: null,
  };
});

const folder = fileURLToPath(new URL('../../build/bench/', import.meta.url));
mkdirSync(folder, { recursive: true });
writeFileSync(`${folder}policy.json`, `${JSON.stringify(figures, undefined, 2)}\n`);

const say = (text: string): void => void process.stdout.write(`${text}\n`);
say(
  `policy: ${POLICIES} policies, ${site.length} entities, five actions a decision, ${compared} answers compared`,
);
say(
  `${'figure'.padEnd(36)} ${'unit'.padEnd(4)} ${'ours'.padStart(9)} ${'raw'.padStart(9)} ${'ratio'.padStart(8)}`,
);
for (const { figure, unit, ours: mine, peer, ratio } of figures)
  say(
    `${figure.padEnd(36)} ${unit.padEnd(4)} ${String(mine).padStart(9)} ${String(peer).padStart(9)} ${ratio.toFixed(3).padStart(8)}`,
  );
