/**
 * The engine: a policy set in Cedar's own JSON, compiled to closures and indexed by action, and under each action by
 * the principal's scope. https://docs.cedarpolicy.com/policies/json-format.html
 *
 * Its answer is Cedar's: a forbid outweighs every permit, what nothing permits is denied, and a policy that can't be
 * evaluated is skipped and listed. (That such a policy refuses the action is `evaluate.ts`'s rule.) cedar-wasm
 * validates the set before it comes here, and is what the tests compare the engine with.
 *
 * Actions have no groups: `action in X` is `action == X`. A set that the engine doesn't understand to the last
 * operator isn't compiled.
 */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Question } from './entities.ts';
import { bool, compileExpression, UnknownShape } from './operators.ts';
import type { Scope } from './operators.ts';
import { EvaluationError, Uid, uidFromJson } from './values.ts';

export interface EngineAnswer {
  readonly allow: boolean;
  /** Ids of the policies that decided, sorted. */
  readonly determining: readonly string[];
  /** A forbid took away what a permit gave. */
  readonly overridden: boolean;
  /** Policies that could not be evaluated, sorted by id. */
  readonly errors: readonly { readonly policy: string; readonly detail: string }[];
}

type Condition = (scope: Scope) => boolean;

interface Compiled {
  readonly id: string;
  readonly forbids: boolean;
  /** Scope and conditions, but for the action and what the index has tested. */
  readonly holds: Condition;
}

/** Policies of one action. A key is an entity that the principal has to be, or be in. */
interface Shelf {
  readonly anyone: Compiled[];
  readonly is: Map<string, Compiled[]>;
  readonly in: Map<string, Compiled[]>;
}

export class UnknownPolicy extends Error {
  override readonly name = 'UnknownPolicy';
  readonly policy: string;
  constructor(policy: string, message: string, options: ErrorOptions) {
    super(message, options);
    this.policy = policy;
  }
}

type PartyScope = PolicyJson['principal'];

function entityOf(scope: object): Uid {
  if ('entity' in scope) return uidFromJson(scope.entity as never);
  throw new UnknownShape('a scope with a slot');
}

/** The test of a scope, or undefined where everything passes. */
function partyTest(scope: PartyScope, party: 'principal' | 'resource'): Condition | undefined {
  switch (scope.op) {
    case 'All':
      return undefined;
    case '==': {
      const { key } = entityOf(scope);
      return (question) => question[party].key === key;
    }
    case 'in': {
      const group = entityOf(scope);
      return (question) => question.entities.isIn(question[party], group);
    }
    case 'is': {
      const { entity_type: type } = scope;
      if (!scope.in) return (question) => question[party].type === type;
      const group = entityOf(scope.in);
      return (question) => question[party].type === type && question.entities.isIn(question[party], group);
    }
    default:
      throw new UnknownShape(`unknown scope \`${String((scope as { op: unknown }).op)}\``);
  }
}

/** Ids of the actions a policy is about, or undefined for all of them. */
export function actionsOf(policy: PolicyJson): readonly Uid[] | undefined {
  const { action } = policy;
  switch (action.op) {
    case 'All':
      return undefined;
    case '==':
      return [entityOf(action)];
    case 'in':
      return 'entities' in action ? action.entities.map(uidFromJson) : [entityOf(action)];
    default:
      throw new UnknownShape(`unknown action scope \`${String((action as { op: unknown }).op)}\``);
  }
}

function compilePolicy(id: string, json: PolicyJson): Compiled {
  const tests: Condition[] = [];
  const { principal } = json;
  // `==` and `in` are what the index has looked up already.
  if (principal.op === 'is') {
    const { entity_type: type } = principal;
    tests.push((scope) => scope.principal.type === type);
  } else if (principal.op !== '==' && principal.op !== 'in') {
    const test = partyTest(principal, 'principal');
    if (test) tests.push(test);
  }
  const resource = partyTest(json.resource, 'resource');
  if (resource) tests.push(resource);
  for (const { kind, body } of json.conditions) {
    const expression = compileExpression(body);
    if (kind === 'when') tests.push((scope) => bool(expression(scope)));
    else if (kind === 'unless') tests.push((scope) => !bool(expression(scope)));
    else throw new UnknownShape(`unknown clause \`${String(kind)}\``);
  }
  if (json.effect !== 'permit' && json.effect !== 'forbid')
    throw new UnknownShape(`unknown effect \`${String(json.effect)}\``);
  const [a, b] = tests;
  let holds: Condition = (scope) => {
    for (const test of tests) if (!test(scope)) return false;
    return true;
  };
  if (tests.length === 0) holds = () => true;
  else if (a && tests.length === 1) holds = a;
  else if (a && b && tests.length === 2) holds = (scope) => a(scope) && b(scope);
  return { id, forbids: json.effect === 'forbid', holds };
}

function shelve(shelf: Shelf, principal: PartyScope, compiled: Compiled): void {
  let place = shelf.anyone;
  const within = principal.op === 'is' ? principal.in : principal.op === 'in' ? principal : undefined;
  if (principal.op === '==' || within) {
    const { key } = entityOf(within ?? principal);
    const index = within ? shelf.in : shelf.is;
    place = index.get(key) ?? [];
    index.set(key, place);
  }
  place.push(compiled);
}

export class Engine {
  readonly #actions: ReadonlyMap<string, { readonly uid: Uid; readonly shelf: Shelf }>;

  /** Use `compile`. */
  constructor(actions: ReadonlyMap<string, { readonly uid: Uid; readonly shelf: Shelf }>) {
    this.#actions = actions;
  }

  /** `action`: the id of an action the set was compiled for; any other is denied. */
  ask(question: Question, action: string): EngineAnswer {
    const entry = this.#actions.get(action);
    const permits: string[] = [];
    const forbids: string[] = [];
    const errors: { policy: string; detail: string }[] = [];
    if (entry) {
      const { uid, shelf } = entry;
      const { principal, resource, context, entities } = question;
      const scope: Scope = { principal, resource, context, entities, action: uid };
      const run = (list: readonly Compiled[] | undefined): void => {
        if (!list) return;
        for (const policy of list) {
          try {
            if (policy.holds(scope)) (policy.forbids ? forbids : permits).push(policy.id);
          } catch (error) {
            if (!(error instanceof EvaluationError)) throw error;
            errors.push({ policy: policy.id, detail: error.message });
          }
        }
      };
      run(shelf.anyone);
      run(shelf.is.get(principal.key));
      if (shelf.in.size > 0) {
        const groups = entities.ancestors(principal);
        if (!groups.has(principal.key)) run(shelf.in.get(principal.key));
        for (const group of groups) run(shelf.in.get(group));
      }
    }
    const allow = forbids.length === 0 && permits.length > 0;
    errors.sort((a, b) => (a.policy < b.policy ? -1 : 1));
    const overridden = forbids.length > 0 && permits.length > 0;
    return { allow, determining: (allow ? permits : forbids).sort(), overridden, errors };
  }
}

/** Compile for the actions of type `Action` with these ids. Throws an UnknownPolicy. */
export function compile(policies: ReadonlyMap<string, PolicyJson>, actions: readonly string[]): Engine {
  const shelves = new Map<string, { readonly uid: Uid; readonly shelf: Shelf }>();
  for (const id of actions)
    shelves.set(id, { uid: new Uid('Action', id), shelf: { anyone: [], is: new Map(), in: new Map() } });
  for (const [id, json] of policies) {
    try {
      const compiled = compilePolicy(id, json);
      const about = actionsOf(json)?.map((uid) => uid.key);
      for (const { uid, shelf } of shelves.values())
        if (!about || about.includes(uid.key)) shelve(shelf, json.principal, compiled);
    } catch (error) {
      if (!(error instanceof UnknownShape)) throw error;
      throw new UnknownPolicy(id, error.message, { cause: error });
    }
  }
  return new Engine(shelves);
}
