/**
 * May a grant do what a unit needs, and the words for when it may not.
 *
 * Where another authentication would do, the words begin with what a machine reads of it (`stepUpText`): protocols cut
 * their texts short, DICOM's error comment at 64 characters.
 */
import type { Action } from '../../wire/action.ts';
import { denialsOf, stepUpText } from '../../wire/grant.ts';
import type { Denial, Grant, StepUp } from '../../wire/grant.ts';

/** Undefined when everything in `needed` is granted, otherwise the first that isn't, and why. */
export function missing(
  grant: Grant,
  needed: readonly Action[],
): { action: Action; reason: string } | undefined {
  const action = needed.find((each) => !grant.actions.includes(each));
  if (action === undefined) return undefined;
  const denials = denialsOf(grant, action);
  const why = denials.map((each) => each.reason);
  const words = [`${action} is not permitted`, ...why].join(': ');
  const stepUp = together(denials);
  return { action, reason: stepUp ? `${stepUpText(stepUp)}; ${words}` : words };
}

/** One authentication that lifts all of them, or undefined where none does. */
function together(denials: readonly Denial[]): StepUp | undefined {
  let method: StepUp['method'] = 'any';
  let maxAge = Infinity;
  for (const { stepUp } of denials) {
    if (!stepUp) return undefined;
    if (stepUp.method !== 'any') method = stepUp.method;
    maxAge = Math.min(maxAge, stepUp.maxAge ?? Infinity);
  }
  const [first] = denials;
  return first && { method, ...(maxAge === Infinity ? {} : { maxAge }), where: first.stepUp?.where ?? '' };
}

/** The reason when no grant could permit a unit. */
export const notOffered = 'not a service that can be permitted here';
