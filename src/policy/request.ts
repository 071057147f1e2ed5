/**
 * One question to policy: who asks, for what, under which circumstances; and the same as Cedar reads it. The
 * shape of entities and context is `schema.ts`. https://docs.cedarpolicy.com/auth/entities-syntax.html
 *
 * Only the entities of this question are handed over (a slice): the cost of a decision doesn't grow with the site.
 */
import type { CedarValueJson, Context, Entities, EntityUid } from '@cedar-policy/cedar-wasm/nodejs';
import { kexModes, protocols } from '../wire/action.ts';
import { posture } from '../wire/grant.ts';
import type { Subject, Target } from '../wire/grant.ts';
import { questionFromJson } from './entities.ts';
import type { Question } from './entities.ts';
import { EvaluationError } from './values.ts';

/** The gateway's local time: minute of the day, and weekday from 1 (Monday) to 7. */
export interface LocalTime {
  readonly minute: number;
  readonly weekday: number;
}

export interface AccessRequest {
  readonly subject: Subject;
  /** Units in which the user works. */
  readonly units: readonly string[];
  readonly target: Target;
  readonly device: { readonly class: string; readonly unit: string };
  readonly ephi: boolean;
  readonly time: LocalTime;
  /** The site is in emergency mode. */
  readonly emergency?: boolean;
  /** The session was opened by break-glass. */
  readonly breakGlass?: boolean;
}

/** The parts of Cedar's authorization call that are the same for every action. */
export interface CedarRequest {
  readonly principal: EntityUid;
  readonly resource: EntityUid;
  readonly context: Context;
  readonly entities: Entities;
}

const entity = (type: string, id: string): CedarValueJson => ({ __entity: { type, id } });

export function cedarRequest(request: AccessRequest): CedarRequest {
  const { subject, target, device, time } = request;
  const principal = { type: 'User', id: subject.user };
  const resource = { type: 'Resource', id: target.resource };
  return {
    principal,
    resource,
    context: {
      peer: entity('Peer', subject.peer),
      posture: { level: entity('Level', subject.posture.level), score: subject.posture.score },
      kex: entity('Kex', subject.kex),
      source: { __extn: { fn: 'ip', arg: subject.source.address } },
      time: { minute: time.minute, weekday: time.weekday },
      emergency: request.emergency ?? false,
      breakGlass: request.breakGlass ?? false,
    },
    entities: [
      {
        uid: principal,
        attrs: { units: [...request.units] },
        parents: subject.roles.map((id) => ({ type: 'Role', id })),
      },
      { uid: { type: 'Peer', id: subject.peer }, attrs: { device: subject.userDevice }, parents: [] },
      {
        uid: resource,
        attrs: {
          class: device.class,
          unit: device.unit,
          ephi: request.ephi,
          protocol: entity('Protocol', target.protocol),
        },
        parents: [{ type: 'Device', id: target.device }],
      },
    ],
  };
}

const enumerated: Readonly<Record<string, ReadonlySet<string>>> = {
  posture: new Set(posture.shape.level.options),
  kex: new Set(kexModes),
  protocol: new Set(protocols),
};

/**
 * For the engine, checked against what the schema says beyond the types of `AccessRequest`: the enumerated entities
 * here; whole numbers and addresses while they are read. Throws an EvaluationError.
 */
export function readQuestion(request: AccessRequest): Question {
  const { subject, target } = request;
  const words = { posture: subject.posture.level, kex: subject.kex, protocol: target.protocol };
  for (const [name, word] of Object.entries(words))
    if (!enumerated[name]?.has(word))
      throw new EvaluationError(`${name} ${JSON.stringify(word)} isn't in the schema`);
  return questionFromJson(cedarRequest(request));
}
