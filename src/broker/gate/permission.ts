/** May a grant do what a unit needs, and the words for when it may not. */
import type { Action } from '../../wire/action.ts';
import { denialsOf } from '../../wire/grant.ts';
import type { Grant } from '../../wire/grant.ts';

/** Undefined when everything in `needed` is granted, otherwise the first that isn't, and why. */
export function missing(
  grant: Grant,
  needed: readonly Action[],
): { action: Action; reason: string } | undefined {
  const action = needed.find((each) => !grant.actions.includes(each));
  if (action === undefined) return undefined;
  const why = denialsOf(grant, action).map((each) => each.reason);
  return { action, reason: [`${action} is not permitted`, ...why].join(': ') };
}

/** The reason when no grant could permit a unit. */
export const notOffered = 'not a service that can be permitted here';
