/**
 * Bench of policy: whole Grants (five actions and six obligations) on a site of 200 policies and 2,000 entities,
 * against cedar-wasm on the same questions, interleaved in one process.
 *
 *   node test/bench/policy.ts [--rounds 5]  →  build/bench/policy.json
 *
 * The peer of `vs cedar-wasm` is its fastest call, `statefulIsAuthorized`: policies and schema parsed beforehand, and
 * only the question's own entities handed over. With all 2,000 entities, as a caller without slices would, it is
 * in `vs cedar-wasm, whole site`. Answers of ours and of the peers are compared, all of them.
 *
 * `re-decide 500` is the decisions alone; identity, registry and pushes come on top in `control`. `activate` is a signed
 * bundle of the set, the site's users, devices and resources and 64 vectors: both signatures verified, read, validated,
 * linted, compiled, its vectors tried, sealed, committed (three syncs of the disk) and the directory replaced.
 */
import {
  policySetTextToParts,
  policyToJson,
  preparsePolicySet,
  preparseSchema,
  statefulIsAuthorized,
} from '@cedar-policy/cedar-wasm/nodejs';
import type { Entities } from '@cedar-policy/cedar-wasm/nodejs';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BundlePolicy } from '../../src/control/bundle-policy.ts';
import { BundleStore, bundleSchema } from '../../src/control/bundle-store.ts';
import { Directory } from '../../src/control/directory.ts';
import { SIGNER_SEED_BYTES, SigningKey } from '../../src/crypto/signer.ts';
import { questionsAbout } from '../../src/policy/bundle-questions.ts';
import { makeVectors } from '../../src/policy/bundle-vectors.ts';
import { signBundle } from '../../src/policy/bundle.ts';
import { decide } from '../../src/policy/decide.ts';
import { obligationKinds, subjectOf } from '../../src/policy/lint.ts';
import { loadPolicySet } from '../../src/policy/policy-set.ts';
import { cedarRequest } from '../../src/policy/request.ts';
import type { AccessRequest } from '../../src/policy/request.ts';
import { schemaText } from '../../src/policy/schema.ts';
import { actions } from '../../src/wire/action.ts';
import { requestFacts, signalNames } from '../../src/wire/facts.ts';
import { SealedFile } from '../../src/store/sealed-file.ts';
import { openStore } from '../../src/store/store.ts';
import { epochMillis, monotonicMillis } from '../../src/wire/units.ts';
import { question, session } from '../policy/question.ts';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } });
const rounds = Number(values.rounds);
const POLICIES = 200;
/** Users, peers, devices and resources: 2,000 entities. */
const EACH = 500;
const OURS = 10_000;
const SLICED = 20;
const WHOLE = 2;
const LIVE = 500;
const COMPARED = 150;

const classes = ['pacs', 'modality', 'infusion-pump', 'monitor', 'analyser'];
const units = Array.from({ length: 20 }, (_, i) => `unit-${i}`);
const roles = Array.from({ length: 40 }, (_, i) => `role-${i}`);
const pick = <T>(list: readonly T[], i: number): T => list[i % list.length] as T;

/** Quarantine isn't among them: it would take from every grant what the bench measures. */
const advised = obligationKinds.filter((kind) => kind !== 'quarantine');

/** Four permits for each forbid, one in seven about an obligation; conditions of the kinds that sites write. */
const policyText = Array.from({ length: POLICIES }, (_, i) => {
  const role = pick(roles, i);
  const kind = pick(classes, i >> 2);
  const head = `@id("policy-${i}") @reason("Policy ${i}.")`;
  if (i % 7 === 6)
    return `${head} permit (principal${i % 2 ? '' : ` in Role::"${role}"`}, action == Action::"${pick(advised, i)}", resource) when { context.posture.level == Level::"minor" || (resource.class == "${kind}" && resource.ephi) };`;
  if (i % 5 === 4)
    return `${head} forbid (principal in Role::"${role}", action in [Action::"modify", Action::"administer"], resource) when { resource.class == "${kind}" && (context.posture.level == Level::"major" || context.posture.score < ${i % 60}) };`;
  const scope = pick(
    ['action', 'action == Action::"view"', 'action in [Action::"view", Action::"modify"]'],
    i,
  );
  return `${head} permit (principal in Role::"${role}", ${scope}, resource) when { ["${kind}", "${pick(classes, i + 1)}"].contains(resource.class) && (principal.units.contains(resource.unit) || context.kex == Kex::"hybrid") };`;
}).join('\n');

/** Every fact that a gateway may know of a request, so that reading them is in the figures. */
const known = requestFacts.partial().parse({
  principal: {
    kind: 'person',
    groups: ['on-call', 'imaging'],
    assigned: ['device-1', 'device-2'],
    clearance: 3,
  },
  userDevice: { owner: 'clinic', shared: false },
  resource: { sensitivity: 1, admin: false, remediation: false },
  signals: Object.fromEntries(signalNames.map((name) => [name, 'pass'])),
  patchDays: 3,
  outer: '192.0.2.1',
  location: { site: 'clinic', networks: ['ward'], country: 'DE' },
  path: 'local',
  shift: 'day',
  authentication: { method: 'passkey', phishingResistant: true, age: 10 },
  risk: 5,
  ticket: { number: 'CHG-1', kind: 'change', actions: ['view', 'modify'], approvals: 2 },
  windows: ['sunday'],
  exceptions: ['old-printer'],
  contact: 'online',
}) as Partial<AccessRequest>;

const requests: AccessRequest[] = Array.from({ length: EACH }, (_, i) => {
  const base = question({
    roles: [0, 3, 5, 8, 11].map((step) => pick(roles, i * (step + 1) + step)),
    units: [pick(units, i), pick(units, i * 3 + 1)],
    class: pick(classes, i),
    unit: pick(units, i * 3),
    posture: pick(['good', 'minor', 'major', 'unknown'], i >> 3),
    score: (i * 13) % 101,
    kex: pick(['classical', 'classical+psk', 'hybrid'], i),
  });
  return {
    ...base,
    ...known,
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
const limits = { idle: 900_000, session: 43_200_000 };

const split = policySetTextToParts(policyText);
if (split.type === 'failure') throw new Error(split.errors[0]?.message);
const about: Record<string, Record<string, string>> = { actions: {}, obligations: {} };
for (const part of split.policies) {
  const parsed = policyToJson(part);
  if (parsed.type === 'failure') throw new Error(parsed.errors[0]?.message);
  const staticPolicies = about[subjectOf(parsed.json)];
  if (staticPolicies) staticPolicies[parsed.json.annotations?.['id'] ?? ''] = part;
}
preparseSchema('bench', schemaText);
for (const [name, staticPolicies] of Object.entries(about)) preparsePolicySet(name, { staticPolicies });
const asked = [
  ...actions.map((id) => ['actions', id] as const),
  ...obligationKinds.map((id) => ['obligations', id] as const),
];

/** Actions permitted; with them, where there are any, the kinds of obligations. */
const ours = (i: number): string => {
  const { decision } = decide(set, requests[i] as AccessRequest, session, now, limits);
  if (decision.decision === 'deny') return '';
  const { grant } = decision;
  return [...grant.actions, ...new Set(grant.obligations.map((each) => each.kind))].join();
};
const cedar = (i: number, entities?: Entities): string => {
  const allowed = asked.filter(([preparsedPolicySetId, id]) => {
    const answer = statefulIsAuthorized({
      ...(sliced[i] as (typeof sliced)[number]),
      ...(entities ? { entities } : {}),
      action: { type: 'Action', id },
      preparsedPolicySetId,
      preparsedSchemaName: 'bench',
      validateRequest: true,
    });
    if (answer.type === 'failure') throw new Error(answer.errors[0]?.message);
    return answer.response.decision === 'allow';
  });
  return allowed[0]?.[0] === 'actions' ? allowed.map(([, id]) => id).join() : '';
};

const workloads = {
  ours: { count: OURS, run: ours },
  sliced: { count: SLICED, run: (i: number) => cedar(i) },
  whole: { count: WHOLE, run: (i: number) => cedar(i, site) },
} as const;
type Name = keyof typeof workloads;

/** One posture event: every live session's device has another level and score now. */
function redecide(round: number): number {
  const live = requests.slice(0, LIVE).map((r, i) => {
    const level = pick(['minor', 'major', 'good'] as const, i + round);
    return { ...r, subject: { ...r.subject, posture: { level, score: (i * 7) % 101 } } };
  });
  const start = performance.now();
  for (const request of live) decide(set, request, session, now, limits);
  return performance.now() - start;
}

// A gateway's own way of activating: a store and a seal on the disk, and bundles signed beforehand.
const folderOfBundles = mkdtempSync(join(tmpdir(), 'anteroom-bench-'));
const signingKey = new SigningKey(randomBytes(SIGNER_SEED_BYTES));
const vectors = makeVectors(policyText, questionsAbout(policyText));
const users = requests.map(({ subject, units }) => ({
  id: subject.user,
  name: subject.user,
  roles: subject.roles,
  units: [...units],
}));
const devices = requests.map(({ target, device }, i) => ({
  id: target.device,
  name: target.device,
  class: device.class,
  unit: device.unit,
  address: `10.20.${i >> 8}.${i & 255}`,
}));
const resources = requests.map(({ target }, i) => ({
  id: target.resource,
  device: target.device,
  protocol: target.protocol,
  virtual: { address: `100.96.${128 + (i >> 8)}.${i & 255}`, port: 104 },
  port: 4242,
}));
const bundles = Array.from({ length: rounds + 1 }, (_, i) =>
  signBundle(
    {
      format: 1,
      revision: i + 1,
      audience: ['bench'],
      notBefore: 0,
      notAfter: 2 ** 45,
      policies: `${policyText}\n// ${i}\n`,
      directory: { users, devices, resources },
      vectors,
    },
    [signingKey],
  ),
);
const clock = { now: () => now, monotonic: () => monotonicMillis(performance.now()) };
const gateway = new BundlePolicy({
  pinned: [{ text: signingKey.signer.text, from: 'the bench' }],
  store: new BundleStore(openStore({ file: join(folderOfBundles, 'policy.db'), schema: bundleSchema })),
  seal: new SealedFile(join(folderOfBundles, 'seal')),
  clock,
  site: 'bench',
  overlay: '100.96.128.0/17',
  configured: { users: [], devices: [], resources: [] },
});
gateway.start(now);
const directory = new Directory({ peers: [], users: [], devices: [], resources: [] });

function activate(round: number): number {
  const bytes = bundles[round + 1] ?? new Uint8Array(0);
  const start = performance.now();
  const outcome = gateway.install(bytes, now, 'the bench');
  directory.replace(gateway.directory);
  const took = performance.now() - start;
  if (outcome.kind !== 'activated') throw new Error(JSON.stringify(outcome));
  return took;
}

const quantile = (list: readonly number[], q: number): number =>
  list.toSorted((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * q))] ?? 0;

/** A figure a round; the median of the rounds is what is said. */
const p50: Record<Name, number[]> = { ours: [], sliced: [], whole: [] };
const p99: Record<Name, number[]> = { ours: [], sliced: [], whole: [] };
const rates: Record<Name, number[]> = { ours: [], sliced: [], whole: [] };
const redecided: number[] = [];
const activated: number[] = [];
let compared = 0;
/** Questions that end in a Grant: a refusal is cheaper, so none is measured. */
const granted = requests.map((_, i) => i).filter((i) => ours(i) !== '');
const obliged = granted.filter((i) => obligationKinds.some((kind) => ours(i).includes(kind))).length;
if (granted.length < 100 || obliged < 50) throw new Error('too few grants to measure');
for (let round = -1; round < rounds; round++) {
  for (const [name, { count, run }] of Object.entries(workloads)) {
    const latencies: number[] = [];
    const begin = performance.now();
    const turns = round < 0 && name === 'sliced' ? COMPARED : count;
    for (let k = 0; k < turns; k++) {
      const i = pick(granted, k * 37 + (round + 1) * 11);
      const start = performance.now();
      const answer = run(i);
      latencies.push((performance.now() - start) * 1000);
      // The first round warms caches and the compiler, and is where answers are compared.
      if (round < 0 && name !== 'ours') {
        if (answer !== ours(i)) throw new Error(`answers differ for question ${i}: ${answer}; ${ours(i)}`);
        compared++;
      }
    }
    if (round < 0) continue;
    rates[name as Name].push((count / (performance.now() - begin)) * 1000);
    p50[name as Name].push(quantile(latencies, 0.5));
    p99[name as Name].push(quantile(latencies, 0.99));
  }
  const [again, activation] = [redecide(round), activate(round)];
  if (round < 0) continue;
  redecided.push(again);
  activated.push(activation);
}

const median = (list: readonly number[]): number => quantile(list, 0.5);
const significant = (n: number): number => Number(n.toPrecision(4));
const slice = "cedar-wasm statefulIsAuthorized, 11 calls, the question's entities";
const whole = 'cedar-wasm statefulIsAuthorized, 11 calls, all 2,000 entities';
const times = (name: Name): number => median(p50[name]) / median(p50.ours);
const rows: readonly [string, string, number, number | null, string, string][] = [
  ['grant p50', 'µs', median(p50.ours), median(p50.sliced), slice, '<= 50'],
  ['grant p99', 'µs', median(p99.ours), median(p99.sliced), slice, '<= 200'],
  ['grants per second', '1/s', median(rates.ours), median(rates.sliced), slice, '>= 15000'],
  ['vs cedar-wasm', '×', times('sliced'), 1, slice, '>= 200'],
  ['vs cedar-wasm, whole site', '×', times('whole'), 1, whole, ''],
  [
    're-decide 500',
    'ms',
    median(redecided),
    (median(p50.sliced) * LIVE) / 1000,
    `${slice}, × ${LIVE}`,
    '<= 50',
  ],
  ['activate', 'ms', median(activated), null, '', '<= 500'],
];
const figures = rows.map(([figure, unit, mine, peer, peer_name, goal]) => ({
  figure,
  unit,
  ours: significant(mine),
  peer: peer === null ? null : significant(peer),
  peer_name,
  ratio: peer === null ? null : significant(mine / peer),
  goal,
}));

rmSync(folderOfBundles, { recursive: true, force: true });
const folder = fileURLToPath(new URL('../../build/bench/', import.meta.url));
mkdirSync(folder, { recursive: true });
writeFileSync(`${folder}policy.json`, `${JSON.stringify(figures, undefined, 2)}\n`);

const say = (text: string): void => void process.stdout.write(`${text}\n`);
say(
  `policy: ${POLICIES} policies, ${site.length} entities, medians of ${rounds} rounds of ${OURS} grants; ${compared} answers compared; of ${granted.length} questions that are granted, ${obliged} with obligations`,
);
say(
  `${'figure'.padEnd(26)} ${'unit'.padEnd(4)} ${'ours'.padStart(9)} ${'peer'.padStart(9)} ${'ratio'.padStart(9)}  goal`,
);
for (const { figure, unit, ours: mine, peer, ratio, goal } of figures)
  say(
    `${figure.padEnd(26)} ${unit.padEnd(4)} ${String(mine).padStart(9)} ${String(peer ?? '-').padStart(9)} ${String(ratio ?? '-').padStart(9)}  ${goal}`,
  );
