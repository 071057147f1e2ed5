/**
 * The facts that policy decides on, besides who asks for what: as they are reported (`Fact`), and as they stand at the
 * moment of a decision (`RequestFacts`, which a Grant carries so that the decision can be made again later).
 *
 * What surprises: a fact that nobody reported isn't a good one. Each optional part of `RequestFacts` has a reading for
 * its absence, and that is the worst one a policy can ask for: nobody authenticated, no country, no shift, no ticket.
 * Instants are epoch ms and never null: a report without its time is no report.
 */
import * as z from 'zod';
import { action } from './action.ts';
import { ipAddress } from './address.ts';
import { deviceId, peerId, userId } from './ids.ts';
import { anyText, filledText, integer, text } from './scalar.ts';

/** An instant that is one: 2001 at the earliest, so that neither null nor 0 nor seconds pass for it. */
export const instant = integer.min(1_000_000_000_000).max(99_999_999_999_999);
/** A word that policies compare with: a unit, a zone, a class. */
export const word = filledText(64);
/** The part of it that people read. */
export const sentence = filledText(300);

// --- posture -------------------------------------------------------------------------------------------

/** What an agent reports of a user's device. `patchAge` fails by its days; the rest is told by the agent. */
export const signalNames = [
  'edr',
  'diskEncryption',
  'screenLock',
  'patchAge',
  'secureBoot',
  'osSupport',
  'usbControl',
  'tamper',
] as const;
export const signalName = z.enum(signalNames);
export type SignalName = z.infer<typeof signalName>;

/** `tamper` passes where nothing was tampered with. */
export const signalState = z.enum(['pass', 'fail', 'unknown']);
export type SignalState = z.infer<typeof signalState>;

export const signalStates = z.strictObject({
  edr: signalState,
  diskEncryption: signalState,
  screenLock: signalState,
  patchAge: signalState,
  secureBoot: signalState,
  osSupport: signalState,
  usbControl: signalState,
  tamper: signalState,
});
export type SignalStates = z.infer<typeof signalStates>;

/** Where on the ladder a finding puts the device: warn, step down, quarantine. */
export const findingLevel = z.enum(['minor', 'major', 'critical']);
export type FindingLevel = z.infer<typeof findingLevel>;

/** One signal that isn't as it should be. */
export const finding = z.strictObject({
  signal: signalName,
  /** What it counts as now. */
  level: findingLevel,
  /** What to fix, for the user. */
  text: sentence,
  /** By when; from then on it counts as `becomes`. Without it there is nothing worse to come. */
  due: instant.optional(),
  becomes: findingLevel.optional(),
  /** `due` in the site's own time, for people: "Tue 24 Nov, 14:00". */
  by: text(40).optional(),
});
export type Finding = z.infer<typeof finding>;

// --- authentication, location, path ----------------------------------------------------------------------

export const authenticationMethods = [
  'none',
  'password',
  'otp',
  'push',
  'badge',
  'certificate',
  'smartcard',
  'passkey',
  'other',
] as const;
export const authenticationMethod = z.enum(authenticationMethods);
export type AuthenticationMethod = z.infer<typeof authenticationMethod>;

/** Methods that can't be relayed by a false page (FIDO, PIV, client certificates). */
export const phishingResistant = (method: AuthenticationMethod): boolean =>
  method === 'passkey' || method === 'smartcard' || method === 'certificate';

/** ISO 3166-1 alpha-2, or "unknown". */
export const country = z.string().regex(/^([A-Z]{2}|unknown)$/, 'must be two capital letters');

export const owners = ['clinic', 'vendor', 'personal', 'unknown'] as const;
/** Whose the user's device is. */
export const owner = z.enum(owners);

/** `local`: from inside the site; `remote`: by the uplink. */
export const paths = ['local', 'remote'] as const;
export const path = z.enum(paths);

/** How long ago the coordinator was heard of: `standalone` has none; past the grace period it is `expired`. */
export const contacts = ['standalone', 'online', 'grace', 'expired'] as const;
export const contact = z.enum(contacts);
export type Contact = z.infer<typeof contact>;

// --- tickets, windows, exceptions ---------------------------------------------------------------------------

/** A ticket or approved request that covers this user and this resource now. */
export const ticketFact = z.strictObject({
  number: word,
  kind: z.enum(['change', 'incident', 'request']),
  actions: z.array(action).min(1),
  /** Different people who approved it. */
  approvals: integer.min(0).max(16),
});
export type TicketFact = z.infer<typeof ticketFact>;

// --- the request ---------------------------------------------------------------------------------------------

/** The gateway's local time: minute of the day, and weekday from 1 (Monday) to 7. */
export const localTime = z.strictObject({
  minute: integer.min(0).max(1439),
  weekday: integer.min(1).max(7),
});
export type LocalTime = z.infer<typeof localTime>;

export const requestFacts = z.strictObject({
  /** Units in which the user works. */
  units: z.array(anyText),
  /** The medical device. */
  device: z.strictObject({ class: anyText, unit: anyText, zone: z.string().optional() }),
  ephi: z.boolean(),
  time: localTime,
  /** The site is in emergency mode. */
  emergency: z.boolean().optional(),
  /** The session was opened by break-glass, and for which scenario. Asked for, where the question is `breakGlass`. */
  breakGlass: z.boolean().optional(),
  scenario: word.optional(),

  /** Who asks, besides roles and units. */
  principal: z
    .strictObject({
      kind: z.enum(['person', 'service']),
      groups: z.array(word),
      /** Devices of the patients in the user's care. */
      assigned: z.array(deviceId),
      clearance: integer.min(0).max(9),
    })
    .optional(),
  /** The user's own device. `shared`: a workstation that many use. */
  userDevice: z.strictObject({ owner, shared: z.boolean() }).optional(),
  /** The published application. `remediation`: what a quarantined device may still reach. */
  resource: z
    .strictObject({
      sensitivity: integer.min(0).max(9),
      admin: z.boolean(),
      remediation: z.boolean(),
    })
    .optional(),
  /** What stands behind `subject.posture`. */
  signals: signalStates.optional(),
  patchDays: integer.min(0).optional(),
  /** The address that the tunnel's packets come from. */
  outer: ipAddress.optional(),
  location: z
    .strictObject({
      site: anyText,
      /** Named networks of the site's data that `outer` lies in. */
      networks: z.array(word),
      country,
    })
    .optional(),
  path: path.optional(),
  /** The shift that the user is on. */
  shift: word.optional(),
  authentication: z
    .strictObject({
      method: authenticationMethod,
      phishingResistant: z.boolean(),
      /** Whole minutes ago, and the instant itself. */
      age: integer.min(0),
      at: instant.optional(),
    })
    .optional(),
  /** 0 (none) to 100. */
  risk: integer.min(0).max(100).optional(),
  /** What the sensor's open findings against the device come to; without it, there are none. */
  deviceRisk: integer.min(1).max(100).optional(),
  ticket: ticketFact.optional(),
  /** Names of the maintenance windows open now for this user and resource. */
  windows: z.array(word).optional(),
  /** Names of the exceptions in force for this user and resource. */
  exceptions: z.array(word).optional(),
  contact: contact.optional(),
  /** The earliest instant at which one of these facts changes by itself. */
  changesAt: instant.optional(),
});
export type RequestFacts = z.infer<typeof requestFacts>;

// --- reports ---------------------------------------------------------------------------------------------------

/** What is told to control: each kind is about one peer or one user, and replaces what was told before. */
export const fact = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('posture'),
    peer: peerId,
    /** When it was measured. */
    at: instant,
    signals: signalStates.omit({ patchAge: true }).partial(),
    /** Days since the last update of the system. */
    patchDays: integer.min(0).max(10_000).optional(),
  }),
  z.strictObject({
    kind: z.literal('authentication'),
    peer: peerId,
    at: instant,
    method: authenticationMethod,
    /** Without a word, by the method. */
    phishingResistant: z.boolean().optional(),
  }),
  z.strictObject({
    kind: z.literal('location'),
    peer: peerId,
    at: instant,
    country,
    until: instant.optional(),
  }),
  z.strictObject({
    kind: z.literal('risk'),
    user: userId,
    at: instant,
    score: integer.min(0).max(100),
    until: instant.optional(),
  }),
  /** On a shift of the roster until it ends; `name` '-' stands for none, whatever the calendar says. */
  z.strictObject({ kind: z.literal('shift'), user: userId, at: instant, name: word, until: instant }),
  z.strictObject({
    kind: z.literal('assignment'),
    user: userId,
    at: instant,
    devices: z.array(deviceId).max(256),
    until: instant.optional(),
  }),
]);
export type Fact = z.infer<typeof fact>;
export type FactKind = Fact['kind'];
export type FactOf<K extends FactKind> = Extract<Fact, { kind: K }>;
