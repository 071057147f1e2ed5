/**
 * From what a device's agent reports to a place on the ladder: good, minor (warn), major (step down), critical
 * (quarantine). Which signal counts for what is the site's data (`wire/site-data.ts`); nothing of it is fixed here.
 *
 * What surprises: grace makes a major failure a minor one until its day has come, so a user is warned before work is
 * stepped down. It counts from when the signal was first seen not to pass, through all later reports; a signal that the
 * agent can't read is no pass. A minor failure doesn't get better by grace, nor does a critical one.
 */
import { signalNames } from '../wire/facts.ts';
import type { FactOf, Finding, FindingLevel, SignalName, SignalState, SignalStates } from '../wire/facts.ts';
import type { Posture } from '../wire/grant.ts';
import type { PostureRules } from '../wire/site-data.ts';
import { epochMillis } from '../wire/units.ts';
import type { EpochMillis } from '../wire/units.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** The gravest first. */
const levels: readonly FindingLevel[] = ['critical', 'major', 'minor'];
const graver = (a: FindingLevel, b: FindingLevel): FindingLevel =>
  levels.indexOf(a) < levels.indexOf(b) ? a : b;

/** Signals in the words of their users. */
const words: Readonly<Record<SignalName, string>> = {
  edr: 'malware protection',
  diskEncryption: 'disk encryption',
  screenLock: 'the screen lock',
  patchAge: 'the age of the last update',
  secureBoot: 'secure boot',
  osSupport: 'support of the operating system',
  usbControl: 'the USB lock',
  tamper: 'the seal against tampering',
};

export type PostureReport = FactOf<'posture'>;
/** Since when each signal that doesn't pass has not passed. */
export type Since = { readonly [name in SignalName]?: EpochMillis };

export interface Classified {
  readonly posture: Posture;
  readonly signals: SignalStates;
  readonly patchDays?: number;
  /** The earliest instant at which it changes by itself, by the clock of `now`. */
  readonly changesAt?: EpochMillis;
}

/** Every signal's state; `patchAge` from its days. */
export function statesOf(report: PostureReport, rules: PostureRules): SignalStates {
  const told: { readonly [name in SignalName]?: SignalState | undefined } = report.signals;
  const { patchDays } = report;
  const patchAge = patchDays === undefined ? 'unknown' : patchDays >= rules.patchDays ? 'fail' : 'pass';
  const states = signalNames.map((name): [SignalName, SignalState] => [
    name,
    name === 'patchAge' ? patchAge : (told[name] ?? 'unknown'),
  ]);
  return Object.fromEntries(states) as SignalStates;
}

/** `since` after `report`, given what it was before. */
export function sinceAfter(
  before: Since,
  report: PostureReport,
  rules: PostureRules,
  now: EpochMillis,
): Since {
  const states = statesOf(report, rules);
  const failing = signalNames.filter((name) => states[name] !== 'pass');
  return Object.fromEntries(failing.map((name) => [name, before[name] ?? now]));
}

/** One signal that doesn't pass; undefined where the site doesn't look at it. */
function findingOf(
  name: SignalName,
  state: SignalState,
  { patchDays, at }: PostureReport,
  since: EpochMillis,
  rules: PostureRules,
  now: EpochMillis,
): Finding | undefined {
  const rule = rules.signals[name];
  const full = state === 'fail' ? rule.fail : rule.unknown;
  if (full === 'ignore') return undefined;
  const text =
    state === 'fail'
      ? rule.fix
      : `Nothing is known of ${words[name]}: start the device's agent, or ask for it.`;
  if (name === 'patchAge' && state === 'fail' && patchDays !== undefined) {
    const days = rules.patchMajorDays - patchDays - Math.floor((now - at) / DAY_MS);
    if (days <= 0) return { signal: name, level: graver(full, 'major'), text };
    const due = at + (rules.patchMajorDays - patchDays) * DAY_MS;
    return full === 'minor'
      ? { signal: name, level: 'minor', text, due, becomes: 'major' }
      : { signal: name, level: full, text };
  }
  const due = since + rule.graceHours * HOUR_MS;
  return full === 'major' && now < due
    ? { signal: name, level: 'minor', text, due, becomes: 'major' }
    : { signal: name, level: full, text };
}

export interface ClassifyOptions {
  readonly report: PostureReport;
  readonly since: Since;
  readonly rules: PostureRules;
  /** Signals that an exception waives. */
  readonly waived?: ReadonlySet<SignalName>;
  readonly now: EpochMillis;
}

export function classify({ report, since, rules, waived, now }: ClassifyOptions): Classified {
  const signals = statesOf(report, rules);
  const { patchDays } = report;
  const known = { signals, ...(patchDays === undefined ? {} : { patchDays }) };
  const expires = report.at + rules.reportHours * HOUR_MS;
  if (now >= expires) return { posture: { level: 'unknown', score: 0 }, ...known };

  const findings: Finding[] = [];
  let score = 100;
  let changesAt = expires;
  for (const name of signalNames) {
    const state = signals[name];
    if (state === 'pass' || waived?.has(name)) continue;
    const found = findingOf(name, state, report, since[name] ?? now, rules, now);
    if (!found) continue;
    findings.push(found);
    score -= state === 'fail' ? rules.signals[name].weight : Math.floor(rules.signals[name].weight / 2);
    if (found.due !== undefined && found.due > now) changesAt = Math.min(changesAt, found.due);
  }
  findings.sort((a, b) => levels.indexOf(a.level) - levels.indexOf(b.level));
  const [worst] = findings;
  return {
    posture: {
      level: worst?.level ?? 'good',
      score: Math.max(0, score),
      ...(findings.length > 0 ? { findings } : {}),
    },
    ...known,
    changesAt: epochMillis(changesAt),
  };
}
