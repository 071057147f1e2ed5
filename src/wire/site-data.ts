/**
 * What policy reads of a site besides the Cedar text: how posture is classified, calendars, scenarios, approved
 * networks, tickets, exceptions. It comes in the bundle, or with a standalone gateway in the configuration, and
 * defaults are the shipped ones for clinics.
 *
 * What surprises: a failing signal counts one rung lower while its grace lasts (a major failure warns, a minor one and
 * a critical one don't get better), counted from when it was first seen. Recurrences are those of RFC 5545 section
 * 3.3.10, as far as a calendar of shifts and maintenance windows needs them, in wall-clock time of an IANA zone.
 */
import * as z from 'zod';
import { action } from './action.ts';
import { ipPrefix } from './address.ts';
import { findingLevel, sentence, signalName, instant, word, country } from './facts.ts';
import type { SignalName } from './facts.ts';
import { peerId, resourceId, userId } from './ids.ts';
import { filledText, integer, text } from './scalar.ts';

const zone = z.string().refine((text) => {
  try {
    return Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}, 'must be an IANA time zone such as Europe/Berlin');

// --- posture -------------------------------------------------------------------------------------------

const signalRule = z.strictObject({
  /** What its failure counts as; `ignore` for a signal this site doesn't look at. */
  fail: z.union([findingLevel, z.literal('ignore')]),
  /** What it counts as when the agent can't say. */
  unknown: z.union([findingLevel, z.literal('ignore')]).default('minor'),
  /** Hours from its first failure until it counts in full. */
  graceHours: integer.min(0).max(8760).default(0),
  /** What it takes off the score of 100. */
  weight: integer.min(0).max(100).default(10),
  /** What is wrong and what to do about it, for the user. */
  fix: sentence,
});
export type SignalRule = z.infer<typeof signalRule>;

type Rules = Record<SignalName, z.input<typeof signalRule>>;
/** The shipped classification for clinics. */
export const clinicalSignals = {
  edr: {
    fail: 'major',
    graceHours: 24,
    weight: 30,
    fix: 'Malware protection is off: switch it on, or ask the help desk to.',
  },
  diskEncryption: {
    fail: 'major',
    graceHours: 72,
    weight: 25,
    fix: 'The disk is not encrypted: switch disk encryption on.',
  },
  screenLock: {
    fail: 'minor',
    weight: 10,
    fix: 'The screen does not lock by itself: switch the screen lock on.',
  },
  patchAge: { fail: 'minor', weight: 15, fix: 'Updates are overdue: install them and restart.' },
  secureBoot: {
    fail: 'minor',
    unknown: 'ignore',
    weight: 10,
    fix: 'Secure boot is off: ask the help desk to switch it on.',
  },
  osSupport: {
    fail: 'major',
    graceHours: 720,
    weight: 25,
    fix: 'The operating system gets no more updates: ask the help desk to replace it.',
  },
  usbControl: {
    fail: 'minor',
    unknown: 'ignore',
    weight: 5,
    fix: 'USB storage is open: ask the help desk to close it.',
  },
  tamper: {
    fail: 'critical',
    unknown: 'minor',
    weight: 100,
    fix: 'The device was tampered with: leave it as it is and call security.',
  },
} as const satisfies Rules;

const postureRules = z.strictObject({
  /** A report counts for so long; then posture is unknown. */
  reportHours: integer.min(1).max(8760).default(24),
  /** `patchAge` fails after so many days, and is a major failure after so many. */
  patchDays: integer.min(1).default(30),
  patchMajorDays: integer.min(1).default(90),
  signals: z
    .strictObject({
      edr: signalRule.prefault(clinicalSignals.edr),
      diskEncryption: signalRule.prefault(clinicalSignals.diskEncryption),
      screenLock: signalRule.prefault(clinicalSignals.screenLock),
      patchAge: signalRule.prefault(clinicalSignals.patchAge),
      secureBoot: signalRule.prefault(clinicalSignals.secureBoot),
      osSupport: signalRule.prefault(clinicalSignals.osSupport),
      usbControl: signalRule.prefault(clinicalSignals.usbControl),
      tamper: signalRule.prefault(clinicalSignals.tamper),
    })
    .prefault({}),
});
export type PostureRules = z.infer<typeof postureRules>;

// --- calendars -------------------------------------------------------------------------------------------

const date = z.iso.date();
/** When something is on. `start` is wall-clock time of its zone, and the first occurrence. */
export const recurrence = z.strictObject({
  /** DTSTART: "2026-03-01T22:00". */
  start: z
    .string()
    .regex(/^\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d$/, 'must be a local time such as 2026-03-01T22:00'),
  /** TZID; the site's own where there is none. */
  zone: zone.optional(),
  /** DURATION in minutes, of time that passes: a clock change in between neither shortens nor prolongs it. */
  minutes: integer.min(1).max(44_640),
  /** FREQ; without it, once. */
  every: z.enum(['day', 'week', 'month']).optional(),
  /** INTERVAL. */
  interval: integer.min(1).max(60).default(1),
  /** BYDAY, 1 (Monday) to 7: with `week` those days, with `month` the `week`th of them. */
  weekdays: z.array(integer.min(1).max(7)).max(7).default([]),
  /** The ordinal of BYDAY in a month: 1 to 4, or -1 for the last. */
  week: z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4), z.literal(-1)]).optional(),
  /** UNTIL: the last day on which an occurrence may start. */
  until: date.optional(),
  /** EXDATE: days on which none starts. */
  except: z.array(date).max(366).default([]),
});
export type Recurrence = z.infer<typeof recurrence>;

/** Whom a shift, a window or an exception is about: any of what is named, everyone where nothing is. */
const whom = {
  users: z.array(userId).max(1024).default([]),
  roles: z.array(word).max(64).default([]),
  groups: z.array(word).max(64).default([]),
  peers: z.array(peerId).max(1024).default([]),
};
/** Which resources: any of what is named, every one where nothing is. */
const which = {
  resources: z.array(resourceId).max(1024).default([]),
  classes: z.array(word).max(64).default([]),
  units: z.array(word).max(64).default([]),
};

const shift = z.strictObject({ name: word, ...whom, on: z.array(recurrence).min(1).max(64) });
export type Shift = z.infer<typeof shift>;

const maintenanceWindow = z.strictObject({
  name: word,
  ...whom,
  ...which,
  on: z.array(recurrence).min(1).max(64),
});
export type MaintenanceWindow = z.infer<typeof maintenanceWindow>;

// --- who and where -------------------------------------------------------------------------------------

const group = z.strictObject({ name: word, members: z.array(userId).max(16384) });

/** A range of addresses with a name. `local`: packets from there count as from inside the site. */
const network = z.strictObject({
  name: word,
  prefixes: z.array(ipPrefix).min(1).max(256),
  local: z.boolean().default(false),
  /** The site it belongs to, and its country where that is certain. */
  site: word.optional(),
  country: country.optional(),
});
export type Network = z.infer<typeof network>;

// --- exits and life cycle ----------------------------------------------------------------------------------

const scenario = z.strictObject({
  name: word,
  /** In the user's words: "A patient is in danger". */
  title: sentence,
  /** How long a session opened so may last, and how soon it has to be reviewed. */
  minutes: integer.min(1).max(1440).default(60),
  reviewHours: integer.min(1).max(720).default(72),
  ...which,
});
export type Scenario = z.infer<typeof scenario>;

const officer = z.strictObject({
  user: userId,
  /** The verifier of the offline credential: never the credential itself. */
  credential: filledText(4096),
  /** Local operator account that this officer uses, if it matters. */
  uid: integer.min(0).optional(),
});

const emergency = z.strictObject({
  officers: z.array(officer).max(64).default([]),
  /** How long it may last at most, and how soon it has to be reviewed. */
  maxHours: integer.min(1).max(168).default(24),
  reviewHours: integer.min(1).max(720).default(72),
});

/** Who may ask for access by themselves, and who has to agree. */
const requestRule = z.strictObject({
  name: word,
  ...whom,
  ...which,
  actions: z.array(action).min(1),
  /** Roles of which one may approve; nobody approves a request of their own. */
  approvers: z.array(word).min(1).max(64),
  /** How many different people have to. */
  approvals: integer.min(1).max(4).default(1),
  /** How long approved access lasts at most. */
  maxHours: integer.min(1).max(720).default(8),
  /** A ticket's number has to be given, of this form. */
  ticket: text(200).optional(),
});
export type RequestRule = z.infer<typeof requestRule>;

/** A ticket that was approved elsewhere. */
const ticket = z.strictObject({
  number: word,
  kind: z.enum(['change', 'incident', 'request']).default('change'),
  ...whom,
  ...which,
  actions: z.array(action).min(1),
  approvals: integer.min(0).max(16).default(0),
  from: instant,
  end: instant,
});
export type Ticket = z.infer<typeof ticket>;

const exception = z.strictObject({
  name: word,
  /** Who answers for it, why it is, and when it ends. */
  owner: userId,
  reason: sentence,
  from: instant.optional(),
  end: instant,
  /** By when its owner has to say again that it is needed. */
  certifyBy: instant.optional(),
  ...whom,
  ...which,
  /** Signals that don't count. What else it does, policy says by its name. */
  waives: z.array(signalName).default([]),
});
export type Exception = z.infer<typeof exception>;

const stepUp = z.strictObject({
  /** Where users authenticate again: an address for people, in refusals. */
  where: text(300).default(''),
});

export const siteData = z
  .strictObject({
    /** IANA time zone of the site; without it, the machine's. */
    zone: zone.optional(),
    posture: postureRules.prefault({}),
    stepUp: stepUp.prefault({}),
    /** How long an authentication counts at all. */
    authenticationHours: integer.min(1).max(8760).default(12),
    /** How soon a session that policy wants reviewed has to be. */
    reviewHours: integer.min(1).max(720).default(72),
    groups: z.array(group).max(1024).default([]),
    networks: z.array(network).max(1024).default([]),
    shifts: z.array(shift).max(1024).default([]),
    windows: z.array(maintenanceWindow).max(4096).default([]),
    scenarios: z.array(scenario).max(64).default([]),
    emergency: emergency.prefault({}),
    offline: z.strictObject({ graceHours: integer.min(0).max(8760).default(24) }).prefault({}),
    requests: z.array(requestRule).max(1024).default([]),
    tickets: z.array(ticket).max(16384).default([]),
    exceptions: z.array(exception).max(4096).default([]),
  })
  .superRefine((data, context) => {
    for (const list of [
      'groups',
      'networks',
      'shifts',
      'windows',
      'scenarios',
      'requests',
      'exceptions',
    ] as const) {
      const seen = new Set<string>();
      data[list].forEach(({ name }, i) => {
        if (seen.has(name))
          context.addIssue({ code: 'custom', path: [list, i, 'name'], message: `is used twice: ${name}` });
        seen.add(name);
      });
    }
    const { patchDays, patchMajorDays } = data.posture;
    if (patchMajorDays <= patchDays)
      context.addIssue({
        code: 'custom',
        path: ['posture', 'patchMajorDays'],
        message: 'must be above patchDays',
      });
  });
export type SiteData = z.infer<typeof siteData>;
