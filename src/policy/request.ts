/**
 * One question to policy: who asks, for what, under which circumstances; and the same as Cedar reads it. The
 * shape of entities and context is `schema.ts`. https://docs.cedarpolicy.com/auth/entities-syntax.html
 *
 * Only the entities of this question are handed over (a slice): the cost of a decision doesn't grow with the site.
 *
 * Facts that nobody knows are filled in here (`filled`), each with the worst a policy can ask for. `readQuestion` makes
 * the engine's values without the detour over JSON; that the two agree is tested with cedar-wasm.
 */
import type { CedarValueJson, Context, Entities, EntityUid } from '@cedar-policy/cedar-wasm/nodejs';
import { actions, kexModes, protocols } from '../wire/action.ts';
import { authenticationMethods, contacts, owners, paths, signalNames, signalState } from '../wire/facts.ts';
import type { RequestFacts, SignalStates } from '../wire/facts.ts';
import { posture } from '../wire/grant.ts';
import type { Subject, Target } from '../wire/grant.ts';
import { EntityStore } from './entities.ts';
import type { Question } from './entities.ts';
import { readIp } from './ip.ts';
import type { Ip } from './ip.ts';
import { CedarSet, EvaluationError, Uid } from './values.ts';
import type { CedarRecord, Value } from './values.ts';

export type { LocalTime } from '../wire/facts.ts';

/** Who asks for what, and the facts that were known. */
export interface AccessRequest extends RequestFacts {
  readonly subject: Subject;
  readonly target: Target;
}

/** Minutes since an authentication that never was. */
export const NEVER = 1_000_000_000;

/** The parts of Cedar's authorization call that are the same for every action. */
export interface CedarRequest {
  readonly principal: EntityUid;
  readonly resource: EntityUid;
  readonly context: Context;
  readonly entities: Entities;
}

const unknownSignals = Object.fromEntries(signalNames.map((name) => [name, 'unknown'])) as SignalStates;

type Known = 'patchDays' | 'outer' | 'ticket' | 'risk' | 'deviceRisk';
type Whole = Omit<RequestFacts, Known | 'changesAt' | 'device'>;
/** The facts with nothing left out but what the schema calls optional. */
type Filled = { readonly [K in keyof Whole]-?: NonNullable<Whole[K]> } & Pick<RequestFacts, Known> & {
    readonly device: { readonly class: string; readonly unit: string; readonly zone: string };
  };

function filled(facts: RequestFacts): Filled {
  const { device } = facts;
  return {
    ...facts,
    device: { class: device.class, unit: device.unit, zone: device.zone ?? 'unassigned' },
    emergency: facts.emergency ?? false,
    breakGlass: facts.breakGlass ?? false,
    scenario: facts.scenario ?? '',
    principal: facts.principal ?? { kind: 'person', groups: [], assigned: [], clearance: 0 },
    userDevice: facts.userDevice ?? { owner: 'unknown', shared: true },
    resource: facts.resource ?? { sensitivity: 9, admin: true, remediation: false },
    signals: facts.signals ?? unknownSignals,
    location: facts.location ?? { site: '', networks: [], country: 'unknown' },
    path: facts.path ?? 'remote',
    shift: facts.shift ?? '',
    authentication: facts.authentication ?? { method: 'none', phishingResistant: false, age: NEVER },
    windows: facts.windows ?? [],
    exceptions: facts.exceptions ?? [],
    contact: facts.contact ?? 'expired',
  };
}

const principalType = (facts: Filled): string => (facts.principal.kind === 'service' ? 'Service' : 'User');
const findingsOf = ({ posture: { findings = [] } }: Subject): string[] => findings.map((each) => each.signal);

// --- as Cedar's JSON -------------------------------------------------------------------------------------

const entity = (type: string, id: string): CedarValueJson => ({ __entity: { type, id } });

export function cedarRequest(request: AccessRequest): CedarRequest {
  const { subject, target } = request;
  const facts = filled(request);
  const { ticket } = facts;
  const principal = { type: principalType(facts), id: subject.user };
  const resource = { type: 'Resource', id: target.resource };
  const context: Record<string, CedarValueJson> = {
    peer: entity('Peer', subject.peer),
    posture: {
      level: entity('Level', subject.posture.level),
      score: subject.posture.score,
      signals: Object.fromEntries(signalNames.map((name) => [name, entity('Signal', facts.signals[name])])),
      findings: findingsOf(subject),
      ...(facts.patchDays === undefined ? {} : { patchDays: facts.patchDays }),
    },
    kex: entity('Kex', subject.kex),
    source: { __extn: { fn: 'ip', arg: subject.source.address } },
    ...(facts.outer === undefined ? {} : { outer: { __extn: { fn: 'ip', arg: facts.outer } } }),
    path: entity('Path', facts.path),
    location: { ...facts.location, networks: [...facts.location.networks] },
    time: { minute: facts.time.minute, weekday: facts.time.weekday },
    shift: facts.shift,
    authentication: {
      method: entity('Method', facts.authentication.method),
      phishingResistant: facts.authentication.phishingResistant,
      age: facts.authentication.age,
    },
    ...(facts.risk === undefined ? {} : { risk: facts.risk }),
    ...(facts.deviceRisk === undefined ? {} : { deviceRisk: facts.deviceRisk }),
    ...(ticket ? { ticket: entity('Ticket', ticket.number) } : {}),
    windows: [...facts.windows],
    exceptions: [...facts.exceptions],
    contact: entity('Contact', facts.contact),
    emergency: facts.emergency,
    breakGlass: facts.breakGlass,
    scenario: facts.scenario,
  };
  return {
    principal,
    resource,
    context,
    entities: [
      {
        uid: principal,
        attrs: {
          units: [...facts.units],
          assigned: facts.principal.assigned.map((id) => entity('Device', id)),
          clearance: facts.principal.clearance,
        },
        parents: [
          ...subject.roles.map((id) => ({ type: 'Role', id })),
          ...facts.principal.groups.map((id) => ({ type: 'Group', id })),
        ],
      },
      {
        uid: { type: 'Peer', id: subject.peer },
        attrs: {
          device: subject.userDevice,
          owner: entity('Owner', facts.userDevice.owner),
          shared: facts.userDevice.shared,
        },
        parents: [],
      },
      {
        uid: resource,
        attrs: {
          class: facts.device.class,
          unit: facts.device.unit,
          zone: facts.device.zone,
          ephi: facts.ephi,
          admin: facts.resource.admin,
          sensitivity: facts.resource.sensitivity,
          remediation: facts.resource.remediation,
          protocol: entity('Protocol', target.protocol),
        },
        parents: [{ type: 'Device', id: target.device }],
      },
      ...(ticket
        ? [
            {
              uid: { type: 'Ticket', id: ticket.number },
              attrs: {
                kind: entity('TicketKind', ticket.kind),
                actions: ticket.actions.map((id) => entity('Action', id)),
                approvals: ticket.approvals,
              },
              parents: [],
            },
          ]
        : []),
    ],
  };
}

// --- as the engine's values --------------------------------------------------------------------------------

/** The entities of an enumerated type, made once. */
const enumeration = (type: string, ids: readonly string[]): ReadonlyMap<string, Uid> =>
  new Map(ids.map((id) => [id, new Uid(type, id)]));

const levels = enumeration('Level', posture.shape.level.options);
const kexes = enumeration('Kex', kexModes);
const protocolsOf = enumeration('Protocol', protocols);
const ownersOf = enumeration('Owner', owners);
const methods = enumeration('Method', authenticationMethods);
const pathsOf = enumeration('Path', paths);
const contactsOf = enumeration('Contact', contacts);
const ticketKinds = enumeration('TicketKind', ['change', 'incident', 'request']);
const signalsOf = enumeration('Signal', signalState.options);
const actionsOf = enumeration('Action', actions);
const emptySet = new CedarSet([]);

function one(known: ReadonlyMap<string, Uid>, id: string): Uid {
  const uid = known.get(id);
  if (uid) return uid;
  const [{ type } = { type: 'entity' }] = known.values();
  throw new EvaluationError(`${type} ${JSON.stringify(id)} isn't in the schema`);
}

function whole(value: number): number {
  if (!Number.isSafeInteger(value)) throw new EvaluationError(`the number ${value} can't be read exactly`);
  return value === 0 ? 0 : value;
}

function ip(literal: string): Ip {
  const address = readIp(text(literal));
  if (!address) throw new EvaluationError(`ip(${JSON.stringify(literal)}) is no value`);
  return address;
}

/** A request from elsewhere may be mistyped: that is a failure of the question, as Cedar's own check has it. */
function text(value: string): string {
  if (typeof value !== 'string') throw new EvaluationError(`${JSON.stringify(value)} is no string`);
  return value;
}

function flag(value: boolean): boolean {
  if (typeof value !== 'boolean') throw new EvaluationError(`${JSON.stringify(value)} is no bool`);
  return value;
}

const texts = (values: readonly string[]): CedarSet => setOf(values.map(text));

const setOf = (values: readonly Value[]): CedarSet => (values.length === 0 ? emptySet : new CedarSet(values));

const record = (fields: Readonly<Record<string, Value | undefined>>): CedarRecord => {
  const map = new Map<string, Value>();
  for (const name in fields) {
    const value = fields[name];
    if (value !== undefined) map.set(name, value);
  }
  return map;
};

/**
 * For the engine, checked against what the schema says beyond the types of `AccessRequest`: enumerated entities, whole
 * numbers, addresses. Throws an EvaluationError.
 */
export function readQuestion(request: AccessRequest): Question {
  const { subject, target } = request;
  const facts = filled(request);
  const { ticket, signals, location, authentication } = facts;
  const principal = new Uid(principalType(facts), text(subject.user));
  const resource = new Uid('Resource', text(target.resource));
  const peer = new Uid('Peer', text(subject.peer));
  const entities = new EntityStore();
  entities.add(
    principal,
    record({
      units: texts(facts.units),
      assigned: setOf(facts.principal.assigned.map((id) => new Uid('Device', text(id)))),
      clearance: whole(facts.principal.clearance),
    }),
    [
      ...subject.roles.map((id) => new Uid('Role', text(id))),
      ...facts.principal.groups.map((id) => new Uid('Group', text(id))),
    ],
  );
  entities.add(
    peer,
    record({
      device: text(subject.userDevice),
      owner: one(ownersOf, facts.userDevice.owner),
      shared: flag(facts.userDevice.shared),
    }),
    [],
  );
  entities.add(
    resource,
    record({
      class: text(facts.device.class),
      unit: text(facts.device.unit),
      zone: text(facts.device.zone),
      ephi: flag(facts.ephi),
      admin: flag(facts.resource.admin),
      sensitivity: whole(facts.resource.sensitivity),
      remediation: flag(facts.resource.remediation),
      protocol: one(protocolsOf, target.protocol),
    }),
    [new Uid('Device', text(target.device))],
  );
  const ticketUid = ticket && new Uid('Ticket', text(ticket.number));
  if (ticket && ticketUid)
    entities.add(
      ticketUid,
      record({
        kind: one(ticketKinds, ticket.kind),
        actions: setOf(ticket.actions.map((id) => one(actionsOf, id))),
        approvals: whole(ticket.approvals),
      }),
      [],
    );
  const context = record({
    peer,
    posture: record({
      level: one(levels, subject.posture.level),
      score: whole(subject.posture.score),
      signals: record({
        edr: one(signalsOf, signals.edr),
        diskEncryption: one(signalsOf, signals.diskEncryption),
        screenLock: one(signalsOf, signals.screenLock),
        patchAge: one(signalsOf, signals.patchAge),
        secureBoot: one(signalsOf, signals.secureBoot),
        osSupport: one(signalsOf, signals.osSupport),
        usbControl: one(signalsOf, signals.usbControl),
        tamper: one(signalsOf, signals.tamper),
      }),
      findings: texts(findingsOf(subject)),
      patchDays: facts.patchDays === undefined ? undefined : whole(facts.patchDays),
    }),
    kex: one(kexes, subject.kex),
    source: ip(subject.source.address),
    outer: facts.outer === undefined ? undefined : ip(facts.outer),
    path: one(pathsOf, facts.path),
    location: record({
      site: text(location.site),
      networks: texts(location.networks),
      country: text(location.country),
    }),
    time: record({ minute: whole(facts.time.minute), weekday: whole(facts.time.weekday) }),
    shift: text(facts.shift),
    authentication: record({
      method: one(methods, authentication.method),
      phishingResistant: flag(authentication.phishingResistant),
      age: whole(authentication.age),
    }),
    risk: facts.risk === undefined ? undefined : whole(facts.risk),
    deviceRisk: facts.deviceRisk === undefined ? undefined : whole(facts.deviceRisk),
    ticket: ticketUid,
    windows: texts(facts.windows),
    exceptions: texts(facts.exceptions),
    contact: one(contactsOf, facts.contact),
    emergency: flag(facts.emergency),
    breakGlass: flag(facts.breakGlass),
    scenario: text(facts.scenario),
  });
  return { principal, resource, context, entities };
}
