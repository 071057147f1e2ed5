/** Posture: every signal of the shipped classification, grace and its end, the score, what is unknown, what is waived. */
import fc from 'fast-check';
import t from 'tap';
import { classify, sinceAfter } from '../../src/policy/posture.ts';
import type { PostureReport, Since } from '../../src/policy/posture.ts';
import { fact, signalNames } from '../../src/wire/facts.ts';
import type { SignalName } from '../../src/wire/facts.ts';
import { posture as postureShape } from '../../src/wire/grant.ts';
import { clinicalSignals, siteData } from '../../src/wire/site-data.ts';
import { after, epochMillis, hours } from '../../src/wire/units.ts';
import type { EpochMillis } from '../../src/wire/units.ts';

const now = epochMillis(1_800_000_000_000);
const rules = siteData.parse({}).posture;
const good = {
  edr: 'pass',
  diskEncryption: 'pass',
  screenLock: 'pass',
  secureBoot: 'pass',
  osSupport: 'pass',
  usbControl: 'pass',
  tamper: 'pass',
};
const report = (signals: object = {}, patchDays: number | undefined = 3, at: number = now): PostureReport =>
  fact.parse({
    kind: 'posture',
    peer: 'laptop',
    at,
    signals: { ...good, ...signals },
    ...(patchDays === undefined ? {} : { patchDays }),
  }) as PostureReport;

const seen = (told: PostureReport, at: EpochMillis = now, since: Since = sinceAfter({}, told, rules, now)) =>
  classify({ report: told, since, rules, now: at });

void t.test('everything in order', (t) => {
  const { posture, signals, changesAt } = seen(report());
  t.same(posture, { level: 'good', score: 100 });
  t.ok(signalNames.every((name) => signals[name] === 'pass'));
  t.equal(changesAt, after(now, hours(24)), 'until the report is too old');
  t.end();
});

void t.test('each signal by itself: at first, and when its grace is over', (t) => {
  const table: [SignalName, string, string][] = [
    ['edr', 'minor', 'major'],
    ['diskEncryption', 'minor', 'major'],
    ['screenLock', 'minor', 'minor'],
    ['secureBoot', 'minor', 'minor'],
    ['osSupport', 'minor', 'major'],
    ['usbControl', 'minor', 'minor'],
    ['tamper', 'critical', 'critical'],
  ];
  for (const [name, first, then] of table) {
    const rule = rules.signals[name];
    const failing = report({ [name]: 'fail' });
    const since = sinceAfter({}, failing, rules, now);
    t.same(since, { [name]: now }, `${name}: since when`);
    const { posture, changesAt } = seen(failing);
    t.equal(posture.level, first, `${name}: at first`);
    t.equal(posture.score, 100 - rule.weight);
    const due = after(now, hours(rule.graceHours));
    const late = report({ [name]: 'fail' }, 3, due);
    t.equal(seen(late, due, since).posture.level, then, `${name}: after its grace`);
    const [finding] = posture.findings ?? [];
    t.equal(finding?.text, rule.fix, `${name}: what to do`);
    if (first === then) t.notOk(finding?.due, `${name}: nothing worse comes`);
    else {
      t.match(finding, { due, becomes: then, level: 'minor' }, `${name}: by when`);
      if (due < after(now, hours(24))) t.equal(changesAt, due);
      const justBefore = epochMillis(due - 1);
      t.equal(seen(report({ [name]: 'fail' }, 3, justBefore), justBefore, since).posture.level, 'minor');
    }
  }
  t.same(Object.keys(clinicalSignals).sort(), [...signalNames].sort(), 'no signal without a rule');
  t.end();
});

void t.test('updates: overdue, overdue for long, and the day on which one becomes the other', (t) => {
  const level = (days: number | undefined): string => seen(report({}, days)).posture.level;
  t.same([0, 29, 30, 89, 90, 400].map(level), ['good', 'good', 'minor', 'minor', 'major', 'major']);
  t.equal(
    seen(fact.parse({ kind: 'posture', peer: 'laptop', at: now, signals: good }) as PostureReport).posture
      .level,
    'minor',
    'unknown',
  );
  const [finding] = seen(report({}, 80)).posture.findings ?? [];
  t.match(finding, { signal: 'patchAge', due: after(now, hours(240)), becomes: 'major' });
  const long = siteData.parse({ posture: { reportHours: 1000 } }).posture;
  const told = report({}, 89);
  const at = (h: number): string =>
    classify({ report: told, since: {}, rules: long, now: after(now, hours(h)) }).posture.level;
  t.same([0, 23, 24, 25].map(at), ['minor', 'minor', 'major', 'major'], 'days pass without a new report too');
  t.end();
});

void t.test('a report that is too old counts for nothing', (t) => {
  const bad = report({ tamper: 'fail' });
  t.equal(seen(bad, epochMillis(now + 24 * 3_600_000 - 1)).posture.level, 'critical');
  t.same(seen(report(), after(now, hours(24))).posture, { level: 'unknown', score: 0 });
  t.same(seen(bad, after(now, hours(24 * 365 * 7))).posture, { level: 'unknown', score: 0 });
  t.end();
});

void t.test(
  'grace counts from the first failure, through later reports, and begins anew only after a pass',
  (t) => {
    const failing = report({ edr: 'fail' });
    const first = sinceAfter({}, failing, rules, now);
    const later = after(now, hours(20));
    const second = sinceAfter(first, report({ edr: 'fail' }, 3, later), rules, later);
    t.same(second, first, 'the same failure');
    t.same(
      sinceAfter(first, report({ edr: 'unknown' }, 3, later), rules, later),
      first,
      'not known is no pass',
    );
    const passed = sinceAfter(second, report({}, 3, later), rules, later);
    t.same(passed, {});
    t.same(sinceAfter(passed, report({ edr: 'fail' }, 3, later), rules, later), { edr: later });
    t.end();
  },
);

void t.test('several findings: the gravest decides and comes first, the score goes no lower than 0', (t) => {
  const { posture } = seen(report({ usbControl: 'fail', tamper: 'fail', edr: 'fail' }, 95));
  t.equal(posture.level, 'critical');
  t.equal(posture.score, 0);
  t.same(
    posture.findings?.map((each) => each.level),
    ['critical', 'major', 'minor', 'minor'],
  );
  postureShape.parse(posture);
  t.end();
});

void t.test('what an agent can not say', (t) => {
  const silent = fact.parse({ kind: 'posture', peer: 'laptop', at: now, signals: {} }) as PostureReport;
  const { posture, signals } = seen(silent);
  t.ok(signalNames.every((name) => signals[name] === 'unknown'));
  t.equal(posture.level, 'minor', 'it warns');
  t.notOk(posture.findings?.some(({ signal }) => signal === 'secureBoot' || signal === 'usbControl'));
  t.match(posture.findings?.[0]?.text, /^Nothing is known of .*: start the device's agent/);
  t.end();
});

void t.test('a site says otherwise, and an exception waives', (t) => {
  const own = siteData.parse({
    posture: {
      signals: {
        screenLock: { fail: 'major', fix: 'Lock it.' },
        edr: { fail: 'ignore', unknown: 'ignore', fix: 'Never mind.' },
        usbControl: { fail: 'critical', fix: 'Close it.' },
      },
    },
  }).posture;
  const level = (signals: object, waived: SignalName[] = []): string =>
    classify({ report: report(signals), since: {}, rules: own, waived: new Set(waived), now }).posture.level;
  t.equal(level({ screenLock: 'fail' }), 'major', 'without grace at once');
  t.equal(level({ edr: 'fail' }), 'good');
  t.equal(level({ usbControl: 'fail' }), 'critical');
  t.equal(level({ usbControl: 'fail', screenLock: 'fail' }, ['usbControl']), 'major');
  t.equal(level({ usbControl: 'fail', screenLock: 'fail' }, ['usbControl', 'screenLock']), 'good');
  t.end();
});

void t.test('fixing something never makes it worse, and time without a report never makes it better', (t) => {
  const state = fc.constantFrom('pass', 'fail', 'unknown');
  const names = signalNames.filter((name) => name !== 'patchAge');
  const states = fc
    .tuple(...names.map(() => state))
    .map((list) => Object.fromEntries(names.map((n, i) => [n, list[i]])));
  const rank = ['good', 'minor', 'major', 'critical', 'unknown'];
  fc.assert(
    fc.property(
      states,
      fc.constantFrom(...names),
      fc.integer({ min: 0, max: 200 }),
      fc.integer({ min: 0, max: 23 }),
      (signals, fixed, days, later) => {
        const told = report(signals, days);
        const before = seen(told).posture;
        const mended = seen(report({ ...signals, [fixed]: 'pass' }, days)).posture;
        const aged = seen(told, after(now, hours(later))).posture;
        return (
          rank.indexOf(mended.level) <= rank.indexOf(before.level) &&
          mended.score >= before.score &&
          rank.indexOf(aged.level) >= rank.indexOf(before.level)
        );
      },
    ),
  );
  t.end();
});

void t.test('a report without its time is none', (t) => {
  for (const at of [null, undefined, 0, -1, NaN, 1_800_000_000, '2027-01-15T08:00:00Z'])
    t.notOk(fact.safeParse({ kind: 'posture', peer: 'laptop', at, signals: good }).success, String(at));
  t.notOk(
    fact.safeParse({ kind: 'posture', peer: 'laptop', at: now, signals: { ...good, edr: null } }).success,
  );
  t.notOk(
    fact.safeParse({ kind: 'posture', peer: 'laptop', at: now, signals: { ...good, firewall: 'pass' } })
      .success,
  );
  t.end();
});
