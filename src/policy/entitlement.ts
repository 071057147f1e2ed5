/**
 * Who may what, and who did: the list for an access review. What a user may is the engine's answer with everything in
 * good order; what was done is in the audit log's protocol units. An entitlement that nobody used for long is one to
 * take away.
 *
 * What only a ticket, a window, break-glass or an emergency permits is no standing entitlement and isn't listed.
 */
import type { Action } from '../wire/action.ts';
import type { AuditRecord } from '../wire/audit-event.ts';
import { evaluate } from './evaluate.ts';
import type { PolicySet } from './policy-set.ts';
import type { AccessRequest } from './request.ts';

export interface Entitlement {
  readonly user: string;
  readonly resource: string;
  readonly actions: readonly Action[];
  /** Of these, the ones not used in the time that was looked at. */
  readonly unused: readonly Action[];
  /** The last use of any, epoch ms. */
  readonly lastUsed?: number;
  readonly rules: readonly string[];
}

/** What was done, from audit records. */
export class Usage {
  /** By user, resource and action: when last. */
  readonly #uses = new Map<string, number>();
  /** By policy: when it last permitted something that was done. */
  readonly #rules = new Map<string, number>();

  put({ time, event }: Pick<AuditRecord, 'time' | 'event'>): void {
    if (event.kind !== 'session.unit') return;
    const { subject, target, action, rules } = event.body;
    this.#uses.set(`${subject.user}\0${target.resource}\0${action}`, time);
    for (const rule of rules) this.#rules.set(rule, time);
  }

  of(user: string, resource: string, action: Action): number | undefined {
    return this.#uses.get(`${user}\0${resource}\0${action}`);
  }

  ofRule(rule: string): number | undefined {
    return this.#rules.get(rule);
  }
}

/** What each request is permitted; those that are permitted nothing are left out. */
export function entitlements(set: PolicySet, requests: Iterable<AccessRequest>, usage: Usage): Entitlement[] {
  const found: Entitlement[] = [];
  for (const request of requests) {
    const { permitted, rules } = evaluate(set, request);
    if (permitted.length === 0) continue;
    const { user } = request.subject;
    const { resource } = request.target;
    const used = permitted.map((action) => usage.of(user, resource, action));
    const times = used.filter((time) => time !== undefined);
    found.push({
      user,
      resource,
      actions: permitted,
      unused: permitted.filter((_, i) => used[i] === undefined),
      ...(times.length > 0 ? { lastUsed: Math.max(...times) } : {}),
      rules,
    });
  }
  return found;
}

/** Permits of actions that permitted nothing that was done, sorted. A session's rules stand in each of its units. */
export const unusedPolicies = (set: PolicySet, usage: Usage): string[] =>
  [...set.policies.values()]
    .filter(
      ({ id, effect, about }) => effect === 'permit' && about === 'actions' && usage.ofRule(id) === undefined,
    )
    .map(({ id }) => id)
    .sort();
