/**
 * Who may call: the uid of the process at the other end (SO_PEERCRED, unix(7)) gives its role, and each verb
 * lists the roles that may use it. A uid with no role is disconnected without an answer to its frames.
 */
import type { Config } from '../wire/config.ts';
import type { ProcessName } from '../wire/ids.ts';

export type Role = ProcessName | 'operator';

/** Roles that may use each verb; every verb of a server is listed. */
export type Access<V> = { readonly [verb in keyof V]: readonly Role[] };

/** Roles of a uid. Several when processes share one, as on a developer's machine; root is an operator. */
export function rolesOf(uid: number, uids: Config['uids']): ReadonlySet<Role> {
  const roles = new Set<Role>();
  for (const name of ['tunnel', 'sensor', 'broker', 'control', 'audit'] as const)
    if (uids[name] === uid) roles.add(name);
  if (uid === 0 || uids.operators.includes(uid)) roles.add('operator');
  return roles;
}
