/**
 * Whom and what an entry of the site's data is about: a shift, a window, an exception, a ticket, a rule for requests.
 * Of the people it names any one will do, and everyone where it names nobody; in the same way with resources.
 */
import type { Exception } from '../wire/site-data.ts';

export interface Who {
  readonly user: string;
  readonly roles: readonly string[];
  readonly groups: readonly string[];
  readonly peer: string;
}

export interface What {
  readonly resource: string;
  readonly class: string;
  readonly unit: string;
}

export type Whom = Pick<Exception, 'users' | 'roles' | 'groups' | 'peers'>;
export type Which = Pick<Exception, 'resources' | 'classes' | 'units'>;

const has = (list: readonly string[], value: string): boolean => list.includes(value);

export function concerns(entry: Whom, { user, roles, groups, peer }: Who): boolean {
  const { users, roles: ofRoles, groups: ofGroups, peers } = entry;
  if (users.length + ofRoles.length + ofGroups.length + peers.length === 0) return true;
  return (
    has(users, user) ||
    has(peers, peer) ||
    roles.some((role) => has(ofRoles, role)) ||
    groups.some((group) => has(ofGroups, group))
  );
}

export function covers(entry: Which, what: What): boolean {
  const { resources, classes, units } = entry;
  if (resources.length + classes.length + units.length === 0) return true;
  return has(resources, what.resource) || has(classes, what.class) || has(units, what.unit);
}
