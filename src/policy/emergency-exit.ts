/**
 * Emergency mode relaxes posture checks and nothing else. That is a property of every policy set, checked when one is
 * loaded: only a forbid that can't hold without a finding on posture may give way to `context.emergency`, and no permit of
 * an action reads it. Obligations may: what is asked for in return is theirs to say.
 *
 * "Can't hold without": of the parts that its `when` joins by `&&`, one reads `context.posture` and nothing else. An `||`
 * with something besides posture is not enough.
 */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';

type Node = Readonly<Record<string, unknown>>;
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null;

/** What is read: attributes of the context by their first name, and any other variable by its own. */
function reads(value: unknown, found: Set<string>): Set<string> {
  if (!isNode(value)) return found;
  for (const op of ['.', 'has'] as const) {
    const access = value[op];
    if (!isNode(access) || !isNode(access['left']) || access['left']['Var'] !== 'context') continue;
    found.add(`context.${String(access['attr'])}`);
    return found;
  }
  if (typeof value['Var'] === 'string') found.add(value['Var']);
  for (const part of Object.values(value)) reads(part, found);
  return found;
}

/** The parts joined by `&&`. */
function conjuncts(value: unknown): unknown[] {
  const both = isNode(value) ? value['&&'] : undefined;
  return isNode(both) ? [...conjuncts(both['left']), ...conjuncts(both['right'])] : [value];
}

function isPostureAlone(value: unknown): boolean {
  const found = reads(value, new Set());
  return found.size === 1 && found.has('context.posture');
}

/** What is wrong with a policy about actions or about breaking the glass, or undefined. */
export function emergencyFinding(policy: PolicyJson): string | undefined {
  if (!reads(policy.conditions, new Set()).has('context.emergency')) return undefined;
  if (policy.effect === 'permit')
    return 'reads context.emergency: emergency mode permits nothing, only forbids on posture give way to it';
  const when = policy.conditions.filter(({ kind }) => kind === 'when').flatMap(({ body }) => conjuncts(body));
  return when.some(isPostureAlone)
    ? undefined
    : 'gives way to emergency mode, so its when has to need a finding on context.posture';
}
