/**
 * Emergency mode relaxes posture checks and nothing else: what a set has to be, and the shipped library over the whole
 * table of who, what and which circumstances.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { evaluate } from '../../src/policy/evaluate.ts';
import { loadPolicySet } from '../../src/policy/policy-set.ts';
import type { AccessRequest } from '../../src/policy/request.ts';
import { actions } from '../../src/wire/action.ts';
import { isFault } from '../../src/wire/errors.ts';
import { subject, target } from '../../src/wire/grant.ts';

const folder = new URL('../../provisioning/policies/', import.meta.url).pathname;
const sets = {
  library: readdirSync(folder)
    .filter((name) => name.endsWith('.cedar'))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n'),
  default: readFileSync(
    new URL('../../rootfs-overlay/etc/anteroom/policy/clinic.cedar', import.meta.url),
    'utf8',
  ),
};

/** Every combination of one value a name. */
function* combinations(
  table: Readonly<Record<string, readonly unknown[]>>,
): Generator<Record<string, unknown>> {
  const [name, ...rest] = Object.keys(table);
  if (name === undefined) {
    yield {};
    return;
  }
  const { [name]: values = [], ...others } = table;
  for (const more of combinations(rest.length === 0 ? {} : others))
    for (const value of values) yield { ...more, [name]: value };
}

const table = {
  role: ['clinician', 'nurse', 'radiologist', 'biomedical-engineer', 'vendor', 'billing'],
  level: ['good', 'minor', 'major', 'unknown', 'critical'],
  device: [
    ['ehr', 'icu', false, 3],
    ['infusion-pump', 'icu', false, 0],
    ['infusion-pump', 'er', true, 0],
    ['pacs', 'radiology', false, 0],
  ],
  path: ['local', 'remote'],
  shift: ['day', ''],
  age: [5, 600],
  risk: [0, 80],
  contact: ['standalone', 'expired'],
  breakGlass: [false, true],
};

function request(row: Record<string, unknown>): AccessRequest {
  const [cls, unit, admin, sensitivity] = row['device'] as [string, string, boolean, number];
  return {
    subject: subject.parse({
      user: 'u',
      roles: [row['role']],
      peer: 'p',
      userDevice: 'laptop',
      posture: { level: row['level'], score: 50 },
      kex: 'hybrid',
      source: { address: '100.96.0.7', port: 1 },
    }),
    target: target.parse({
      resource: 'r',
      device: 'd',
      protocol: 'tcp',
      virtual: { address: '100.96.128.1', port: 1 },
      dial: { address: '10.0.0.1', port: 1 },
    }),
    units: ['icu'],
    device: { class: cls, unit },
    ephi: true,
    time: { minute: 600, weekday: 2 },
    breakGlass: row['breakGlass'] as boolean,
    scenario: row['breakGlass'] === true ? 'patient-in-danger' : '',
    principal: { kind: 'person', groups: [], assigned: [], clearance: 2 },
    userDevice: { owner: 'clinic', shared: false },
    resource: { sensitivity, admin, remediation: false },
    location: { site: 'clinic', networks: [], country: 'DE' },
    path: row['path'] as 'local',
    shift: row['shift'] as string,
    authentication: { method: 'passkey', phishingResistant: true, age: row['age'] as number },
    risk: row['risk'] as number,
    contact: row['contact'] as 'standalone',
  };
}

for (const [name, text] of Object.entries(sets)) {
  void t.test(`the ${name} set: in an emergency nothing changes but what a check of posture refused`, (t) => {
    const set = loadPolicySet(text, name);
    t.teardown(() => set.close());
    const posture = [...set.policies.values()].filter(({ id }) => /posture/.test(id)).map(({ id }) => id);
    let compared = 0;
    let relaxed = 0;
    for (const row of combinations(table)) {
      const before = evaluate(set, { ...request(row), emergency: false });
      const after = evaluate(set, { ...request(row), emergency: true });
      compared++;
      for (const action of actions) {
        const was = before.permitted.includes(action);
        const is = after.permitted.includes(action);
        if (was === is) continue;
        relaxed++;
        const rules = before.denials
          .filter((each) => each.actions.includes(action))
          .flatMap((each) => each.rules);
        const onlyPosture = rules.length > 0 && rules.every((id) => posture.includes(id));
        if (was || !onlyPosture || row['level'] === 'good')
          t.fail(`${JSON.stringify(row)}: ${action} was ${was}, is ${is}; refused by ${rules.join(', ')}`);
      }
      const lost = before.obligations.filter(
        (each) => !after.obligations.some((other) => other.kind === each.kind),
      );
      if (lost.some((each) => each.kind !== 'step-up'))
        t.fail(`${JSON.stringify(row)}: no longer obliged to ${lost.map((each) => each.kind).join()}`);
    }
    t.equal(compared, 6 * 5 * 4 * 2 * 2 * 2 * 2 * 2 * 2);
    t.ok(relaxed > 50, `${relaxed} of ${compared * actions.length} answers are relaxed`);
    t.end();
  });
}

void t.test('a set that would relax more is refused', (t) => {
  const tried = (cedar: string): string => {
    const text = `@id("p") @reason("P.") permit (principal, action == Action::"view", resource);\n@id("x") @reason("X.") ${cedar}`;
    try {
      loadPolicySet(text, 'x').close();
      return 'loaded';
    } catch (error) {
      return isFault(error, 'POLICY_INVALID') ? error.detail : String(error);
    }
  };
  const major = 'context.posture.level == Level::"major"';
  const soft = '@tier("soft") forbid (principal, action, resource)';
  const exit = 'unless { context.emergency };';
  t.equal(tried(`${soft} when { ${major} } ${exit}`), 'loaded');
  t.equal(
    tried(`${soft} when { resource.ephi && ${major} } ${exit}`),
    'loaded',
    'a narrower check of posture',
  );
  t.equal(
    tried(`permit (principal, action == Action::"record", resource) when { context.emergency };`),
    'loaded',
    'obligations may',
  );
  const permits = /emergency mode permits nothing/;
  t.match(
    tried(`permit (principal, action == Action::"modify", resource) when { context.emergency };`),
    permits,
  );
  t.match(
    tried(`permit (principal, action == Action::"breakGlass", resource) when { context.emergency };`),
    permits,
  );
  const wide = /has to need a finding on context.posture/;
  t.match(tried(`${soft} ${exit}`), wide);
  t.match(tried(`${soft} when { resource.ephi } ${exit}`), wide);
  t.match(tried(`${soft} when { ${major} || context.risk >= 70 } ${exit}`), wide);
  t.match(tried(`${soft} when { context.risk >= 70 } when { resource.ephi } ${exit}`), wide);
  t.end();
});
