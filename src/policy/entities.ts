/**
 * The entities of one question: their attributes, and who is in whom.
 * https://docs.cedarpolicy.com/policies/syntax-entity.html
 *
 * Surprise: an entity may be a member of one that isn't in the store. It is `in` that parent all the same, and no
 * farther.
 */
import type { Entities, EntityUid } from '@cedar-policy/cedar-wasm/nodejs';
import { uidFromJson, valueFromJson } from './values.ts';
import type { CedarRecord, Uid, Value } from './values.ts';

interface Entity {
  readonly attributes: CedarRecord;
  readonly parents: readonly string[];
}

const nobody: ReadonlySet<string> = new Set();

export class EntityStore {
  readonly #entities = new Map<string, Entity>();
  readonly #ancestors = new Map<string, ReadonlySet<string>>();

  add(uid: Uid, attributes: CedarRecord, parents: readonly Uid[]): void {
    this.#entities.set(uid.key, { attributes, parents: parents.map((parent) => parent.key) });
  }

  /** Undefined for an entity that isn't here. */
  attributes(uid: Uid): CedarRecord | undefined {
    return this.#entities.get(uid.key)?.attributes;
  }

  /** Keys of every entity that `uid` is in, itself not counted unless it is in itself. */
  ancestors(uid: Uid): ReadonlySet<string> {
    const known = this.#ancestors.get(uid.key);
    if (known) return known;
    const entity = this.#entities.get(uid.key);
    if (!entity || entity.parents.length === 0) return nobody;
    const found = new Set(entity.parents);
    // A set hands out what is added while it is walked.
    for (const key of found) for (const parent of this.#entities.get(key)?.parents ?? []) found.add(parent);
    this.#ancestors.set(uid.key, found);
    return found;
  }

  isIn(uid: Uid, group: Uid): boolean {
    return uid.key === group.key || this.ancestors(uid).has(group.key);
  }
}

/** Who does what to what under which circumstances, but for the action. */
export interface Question {
  readonly principal: Uid;
  readonly resource: Uid;
  readonly context: CedarRecord;
  readonly entities: EntityStore;
}

/** From Cedar's JSON. Throws an EvaluationError for what isn't in Cedar's value model. */
export function questionFromJson(json: {
  readonly principal: EntityUid;
  readonly resource: EntityUid;
  readonly context: Parameters<typeof valueFromJson>[0];
  readonly entities: Entities;
}): Question {
  const entities = new EntityStore();
  for (const { uid, attrs, parents } of json.entities)
    entities.add(uidFromJson(uid), valueFromJson(attrs) as CedarRecord, parents.map(uidFromJson));
  return {
    principal: uidFromJson(json.principal),
    resource: uidFromJson(json.resource),
    context: valueFromJson(json.context) as ReadonlyMap<string, Value>,
    entities,
  };
}
