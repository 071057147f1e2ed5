/** Decisions of the whole model: quarantine, step-up, what a warning says, clocks from the start, the next change. */
import t from 'tap';
import { decide } from '../../src/policy/decide.ts';
import { evaluateBreakGlass } from '../../src/policy/evaluate.ts';
import { loadPolicySet } from '../../src/policy/policy-set.ts';
import type { PolicySet } from '../../src/policy/policy-set.ts';
import { ageMarks, nextAge } from '../../src/policy/time-marks.ts';
import type { AccessRequest } from '../../src/policy/request.ts';
import { actions } from '../../src/wire/action.ts';
import { isFault } from '../../src/wire/errors.ts';
import { decision as decisionShape } from '../../src/wire/grant.ts';
import type { Grant, Refusal } from '../../src/wire/grant.ts';
import { after, epochMillis, hours, millis, minutes } from '../../src/wire/units.ts';
import { question, session } from './question.ts';

const now = epochMillis(1_800_000_000_000);
const limits = { idle: 900_000, session: 12 * 3_600_000, where: 'https://sign-in.example' };
const all = '@id("all") @reason("All.") permit (principal, action, resource);\n';

const load = (...texts: string[]): PolicySet => loadPolicySet(texts.join('\n'), 'test');
function granted(set: PolicySet, request: AccessRequest, more: object = {}): Grant {
  const { decision } = decide(set, request, session, now, { ...limits, ...more });
  decisionShape.parse(decision);
  if (decision.decision === 'deny') throw new Error(decision.refusal.reasons.join(' '));
  return decision.grant;
}
function refused(set: PolicySet, request: AccessRequest): Refusal {
  const { decision } = decide(set, request, session, now, limits);
  decisionShape.parse(decision);
  if (decision.decision === 'permit') throw new Error('permitted');
  return decision.refusal;
}
const signedIn = (age: number, phishingResistant = false): Pick<AccessRequest, 'authentication'> => ({
  authentication: { method: 'password', phishingResistant, age, at: now - age * 60_000 },
});

void t.test('quarantine leaves what is for remediation, and nothing else', (t) => {
  const set = load(
    all,
    '@id("q") @reason("Quarantine. {findings}") permit (principal, action == Action::"quarantine", resource) when { context.posture.level == Level::"critical" };',
  );
  const ill = question({ posture: 'critical' });
  const resource = { sensitivity: 0, admin: false, remediation: true };
  t.match(refused(set, ill), { code: 'DEVICE_QUARANTINED', reasons: ['Quarantine.'] });
  t.match(granted(set, { ...ill, resource }), {
    rung: 'quarantine',
    actions,
    obligations: [{ kind: 'quarantine', text: 'Quarantine.' }],
  });
  t.equal(granted(set, question({})).rung, 'allow');
  const failing = load(
    all,
    '@id("q") @reason("Q.") permit (principal, action == Action::"quarantine", resource) when { context.posture.score * 9007199254740991 * 9007199254740991 > 0 };',
  );
  t.equal(refused(failing, question({})).code, 'DEVICE_QUARANTINED', 'a failure requires it');
  t.end();
});

void t.test('a warning says what to put right, and by when', (t) => {
  const set = load(
    all,
    '@id("w") @reason("Attend to it. {findings}") permit (principal, action == Action::"warn", resource) when { context.posture.findings.contains("edr") };',
  );
  const base = question({ posture: 'minor' });
  const findings = [
    {
      signal: 'edr' as const,
      level: 'minor' as const,
      text: 'Switch it on.',
      due: now + 1,
      becomes: 'major' as const,
      by: 'Tue 5 Jan, 14:00',
    },
    { signal: 'usbControl' as const, level: 'minor' as const, text: 'Close it.' },
  ];
  const grant = granted(set, {
    ...base,
    subject: { ...base.subject, posture: { level: 'minor', score: 60, findings } },
  });
  t.same(grant.obligations, [
    { kind: 'warn', text: 'Attend to it. Switch it on. Until Tue 5 Jan, 14:00. Close it.' },
  ]);
  t.equal(grant.rung, 'warn');
  t.same(granted(set, base).obligations, [], 'no such finding');
  t.end();
});

void t.test('step-up: what would do, for machines', (t) => {
  const set = load(
    all,
    '@id("fresh") @stepup("any 1h") @reason("Sign in again.") forbid (principal, action in [Action::"modify", Action::"administer"], resource) unless { context.authentication.age <= 60 };',
    '@id("strong") @stepup("phishing-resistant") @reason("With your passkey.") forbid (principal, action == Action::"administer", resource) unless { context.authentication.phishingResistant };',
  );
  const old = granted(set, { ...question({}), ...signedIn(61) });
  t.same(old.actions, ['view', 'download', 'print']);
  t.same(old.denials, [
    {
      actions: ['modify', 'administer'],
      rules: ['fresh'],
      reason: 'Sign in again.',
      stepUp: { method: 'any', maxAge: 3_600_000, where: limits.where },
    },
    {
      actions: ['administer'],
      rules: ['strong'],
      reason: 'With your passkey.',
      stepUp: { method: 'phishing-resistant', where: limits.where },
    },
  ]);
  t.same(
    old.obligations.map(({ kind, text }) => [kind, text]),
    [
      ['step-up', 'Sign in again.'],
      ['step-up', 'With your passkey.'],
    ],
  );
  t.same(granted(set, { ...question({}), ...signedIn(60, true) }).denials, []);
  t.same(
    granted(set, { ...question({}), ...signedIn(60) }).denials.map(({ rules }) => rules),
    [['strong']],
  );
  t.notOk(granted(set, question({})).actions.includes('modify'), 'nobody signed in');

  const nothing = load(
    '@id("m") @reason("M.") permit (principal, action == Action::"modify", resource);',
    '@id("fresh") @stepup("any 1h") @reason("Sign in again.") forbid (principal, action, resource) unless { context.authentication.age <= 60 };',
    '@id("strong") @stepup("phishing-resistant 4h") @reason("Strong.") forbid (principal, action, resource) unless { context.authentication.phishingResistant };',
  );
  t.match(
    refused(nothing, { ...question({}), ...signedIn(61) }),
    {
      code: 'STEP_UP_REQUIRED',
      stepUp: [{ method: 'phishing-resistant', maxAge: 3_600_000, where: limits.where }],
    },
    'both demands in one',
  );
  const hopeless = load(
    '@id("fresh") @stepup("any 1h") @reason("S.") forbid (principal, action, resource) unless { context.authentication.age <= 60 };',
  );
  t.match(
    refused(hopeless, { ...question({}), ...signedIn(61) }),
    { code: 'POLICY_DENIED', stepUp: undefined },
    'no sign-in would help',
  );
  const blocked = load(
    all,
    '@id("fresh") @stepup("any 1h") @reason("S.") forbid (principal, action, resource) unless { context.authentication.age <= 60 };',
    '@id("never") @reason("Never.") forbid (principal, action, resource) when { resource.ephi };',
  );
  t.equal(refused(blocked, { ...question({}), ...signedIn(61) }).code, 'POLICY_DENIED', 'nor here');
  t.end();
});

void t.test('forbid unless lists every condition that fails, at once and sorted', (t) => {
  const set = load(
    all,
    ...['c', 'a', 'b'].map(
      (name) =>
        `@id("${name}") @reason("Needs ${name}.") forbid (principal, action == Action::"modify", resource) unless { context.windows.contains("${name}") };`,
    ),
  );
  const reasons = (...windows: string[]): string[] =>
    granted(set, { ...question({}), windows }).denials.map(({ reason }) => reason);
  t.same(reasons(), ['Needs a.', 'Needs b.', 'Needs c.']);
  t.same(reasons('b'), ['Needs a.', 'Needs c.']);
  t.same(reasons('a', 'b', 'c'), []);
  t.end();
});

void t.test('rungs: a soft forbid that took something away steps down, a hard one is no rung', (t) => {
  const soft =
    '@id("s") @tier("soft") @reason("S.") forbid (principal, action == Action::"modify", resource) unless { context.breakGlass };';
  const hard =
    '@id("h") @tier("hard") @reason("H.") forbid (principal, action == Action::"modify", resource) when { resource.ephi };';
  const view = '@id("v") @reason("V.") permit (principal, action == Action::"view", resource);';
  t.equal(granted(load(all, soft), question({})).rung, 'step-down');
  t.equal(granted(load(all, soft), question({ breakGlass: true })).rung, 'allow');
  t.equal(granted(load(all, hard), question({})).rung, 'allow');
  t.equal(granted(load(all, soft, hard), question({})).rung, 'allow', 'it would be refused anyway');
  t.equal(granted(load(view, soft), question({})).rung, 'allow', 'nobody had permitted it');
  t.end();
});

void t.test('the absolute end counts from the start, and is only ever brought nearer', (t) => {
  const set = load(
    '@id("v") @session("2h") @reason("V.") permit (principal, action == Action::"view", resource);',
  );
  const first = granted(set, question({}));
  t.equal(first.start, now);
  t.equal(first.limits.end, after(now, hours(2)));
  const start = epochMillis(now - 90 * 60_000);
  t.equal(granted(set, question({}), { start }).limits.end, after(now, minutes(30)));
  t.equal(
    granted(set, question({}), { start, end: after(now, minutes(10)) }).limits.end,
    after(now, minutes(10)),
  );
  const shorter = load(
    '@id("v") @session("1h") @reason("V.") permit (principal, action == Action::"view", resource);',
  );
  t.ok(granted(shorter, question({}), { start }).limits.end < now, 'a clock that is shorter now may be over');
  t.end();
});

void t.test('the next change: the age of a sign-in, and facts that end by themselves', (t) => {
  const set = load(
    all,
    '@id("a") @reason("A.") forbid (principal, action == Action::"modify", resource) unless { context.authentication.age <= 60 };',
    '@id("b") @reason("B.") forbid (principal, action == Action::"print", resource) unless { 240 > context.authentication.age };',
  );
  const at = (age: number, changesAt?: number): number =>
    granted(set, { ...question({}), ...signedIn(age), ...(changesAt === undefined ? {} : { changesAt }) })
      .expiresAt - now;
  t.equal(at(10), 51 * 60_000, 'over 60 at 61');
  t.equal(at(60), 60_000);
  t.equal(at(61), 179 * 60_000, 'no longer below 240 at 240');
  t.equal(at(240), 12 * 3_600_000, 'then nothing but the end');
  t.equal(at(10, now + 5_000), 5_000, 'a ticket ends');
  t.equal(at(10, now - 5_000), 51 * 60_000, 'one that has ended changes nothing more');
  const { changesAt } = refused(
    load(
      '@id("n") @reason("N.") permit (principal, action, resource) when { context.authentication.age > 60 };',
    ),
    { ...question({}), ...signedIn(10) },
  );
  t.equal(changesAt, after(now, minutes(51)), 'a refusal says when to come again');
  t.same(ageMarks([]), { kind: 'never' });
  t.same(
    load(
      all,
      '@id("x") @reason("X.") forbid (principal, action, resource) when { context.authentication.age + 1 > 5 };',
    ).ages,
    { kind: 'every-minute' },
  );
  t.same(
    load(
      all,
      '@id("x") @reason("X.") forbid (principal, action, resource) when { context.authentication.phishingResistant };',
    ).ages,
    { kind: 'never' },
  );
  t.equal(nextAge({ kind: 'every-minute' }, epochMillis(now - 30_000), now), after(now, millis(30_000)));
  t.end();
});

void t.test('break-glass: asked for alone, refused where it fails', (t) => {
  const glass =
    '@id("g") @reason("You may.") permit (principal in Role::"nurse", action == Action::"breakGlass", resource) when { context.scenario == "danger" };';
  const set = load(
    all,
    glass,
    '@id("no") @reason("Not here.") forbid (principal, action == Action::"breakGlass", resource) when { resource.admin };',
  );
  const ask = (request: AccessRequest): object => evaluateBreakGlass(set, request);
  const resource = { sensitivity: 0, admin: false, remediation: false };
  const nurse = { ...question({ roles: ['nurse'] }), resource, scenario: 'danger' };
  t.same(ask(nurse), { allowed: true, rules: ['g'], reasons: ['You may.'] });
  t.match(ask({ ...nurse, scenario: 'boredom' }), { allowed: false, rules: [] });
  t.match(ask({ ...nurse, resource: { ...resource, admin: true } }), {
    allowed: false,
    reasons: ['Not here.'],
  });
  t.match(
    ask({ ...question({ roles: ['nurse'] }), scenario: 'danger' }),
    { allowed: false },
    'nothing known of the resource',
  );
  t.match(ask({ ...nurse, risk: 0.5 }), { allowed: false, rules: [] }, 'a question that can not be read');
  t.notOk(granted(set, nurse).actions.includes('breakGlass' as never));
  const failing = load(
    '@id("g") @reason("G.") permit (principal, action == Action::"breakGlass", resource) when { context.posture.score * 9007199254740991 * 9007199254740991 > 0 };',
  );
  t.match(evaluateBreakGlass(failing, nurse), { allowed: false, rules: ['g'] });
  t.end();
});

void t.test('what isn’t known is read as the worst', (t) => {
  const set = load(
    '@id("v") @reason("V.") permit (principal, action == Action::"view", resource);',
    ...[
      'context.authentication.method == Method::"none" && context.authentication.age > 1000000',
      'context.contact == Contact::"expired"',
      'context.path == Path::"remote"',
      'context.location.country == "unknown"',
      'context.shift == ""',
      'context.peer.owner == Owner::"unknown" && context.peer.shared',
      'resource.sensitivity == 9 && resource.admin && !resource.remediation',
      'context.posture.signals.edr == Signal::"unknown"',
      '!(context has ticket) && !(context has risk) && !(context has outer)',
      'context.windows.isEmpty() && context.exceptions.isEmpty()',
    ].map(
      (condition, i) =>
        `@id("f${i}") @reason("F${i}.") forbid (principal, action == Action::"view", resource) when { ${condition} };`,
    ),
  );
  t.equal(refused(set, question({})).rules.length, 10);
  set.close();
  t.end();
});

void t.test('what is refused of annotations', (t) => {
  const wrong: [string, RegExp][] = [
    ['@stepup("any 1h") permit (principal, action, resource);', /only a forbid of actions has a @stepup/],
    [
      '@stepup("any") forbid (principal, action, resource) unless { context.authentication.age < 5 };',
      /no demand/,
    ],
    [
      '@stepup("strong 1h") forbid (principal, action, resource) unless { context.authentication.age < 5 };',
      /no demand/,
    ],
    [
      '@stepup("any 1h") forbid (principal, action, resource) unless { resource.ephi };',
      /never reads context\.authentication/,
    ],
    [
      'forbid (principal, action in [Action::"breakGlass", Action::"view"], resource);',
      /actions, obligations or break-glass together/,
    ],
    [
      '@tier("hard") forbid (principal, action == Action::"breakGlass", resource);',
      /only a forbid of actions has a @tier/,
    ],
  ];
  for (const [text, wanted] of wrong) {
    try {
      load(`@id("a") @reason("A.") ${text}`).close();
      t.fail(`${text} was accepted`);
    } catch (error) {
      if (!isFault(error, 'POLICY_INVALID')) throw error;
      t.match(error.detail, wanted, text);
    }
  }
  try {
    load('@id("a") @reason("See {posture}.") permit (principal, action, resource);').close();
    t.fail('accepted');
  } catch (error) {
    if (!isFault(error, 'POLICY_INVALID')) throw error;
    t.match(error.detail, /may have \{findings\} and no other braces/);
  }
  t.end();
});
