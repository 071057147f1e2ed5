/**
 * Live grants: the one place where sessions are decided, decided again, stepped down and revoked, whatever the
 * protocol and whatever the reason: a policy set, a tunnel session, a fact, a window, an emergency.
 *
 * Whoever learns of a change calls `reconsider` and waits for nothing: the broker is told within the same turn.
 */
import { Fault } from '../wire/errors.ts';
import type { Decision, Grant } from '../wire/grant.ts';
import type { SessionId } from '../wire/ids.ts';
import type { SessionProgress } from '../wire/messages.ts';
import type { Authorizer, Question } from './authorize.ts';
import type { Journal } from './journal.ts';
import type { BrokerPort, Caller } from './ports.ts';
import type { Registry } from './registry.ts';

export interface LiveGrantsOptions {
  readonly registry: Registry;
  readonly authorizer: Authorizer;
  readonly broker: BrokerPort;
  readonly journal: Journal;
  /** Revision of the set in force. */
  readonly revision: () => string | undefined;
}

export class LiveGrants {
  readonly #options: LiveGrantsOptions;

  constructor(options: LiveGrantsOptions) {
    this.#options = options;
  }

  /** The broker asks: for a new session, or again for one that is open. */
  async authorize(question: Question): Promise<Decision> {
    const { registry, authorizer } = this.#options;
    const open = registry.grant(question.session);
    const decision = await authorizer.authorize(question, open);
    if (open && decision.decision === 'permit') this.#regranted(open, decision.grant);
    return decision;
  }

  /** The broker announces a session. Fault SESSION_LIMIT. */
  started(grant: Grant, progress: SessionProgress, { connection }: Caller): void {
    const { registry, broker, revision } = this.#options;
    if (!registry.started(grant, progress, connection))
      throw new Fault('SESSION_LIMIT', 'the session table is full');
    const revoked = registry.revoked(grant.session);
    if (revoked !== undefined) broker.revoke(grant.session, revoked);
    else if (grant.revision !== revision()) this.#again(grant);
  }

  /** Decide every live session again that `concerns`, or all of them. */
  reconsider(concerns: (grant: Grant) => boolean = () => true): void {
    for (const grant of this.#options.registry.grants()) if (concerns(grant)) this.#again(grant);
  }

  /** End a live session now. Fault SESSION_UNKNOWN. */
  revoke(session: SessionId, reason: string, operator: string): void {
    const { registry, broker, journal } = this.#options;
    const known = registry.revoke(session, reason);
    journal.write('operator.action', {
      operator,
      verb: 'session.revoke',
      object: session,
      outcome: known ? 'done' : 'refused',
    });
    if (!known) throw new Fault('SESSION_UNKNOWN', session);
    broker.revoke(session, reason);
  }

  #again(grant: Grant): void {
    const { registry, authorizer, broker } = this.#options;
    if (registry.revoked(grant.session) !== undefined) return;
    const decision = authorizer.again(grant);
    if (decision.decision === 'deny') {
      const reason = decision.refusal.reasons.join(' ');
      registry.revoke(grant.session, reason);
      broker.revoke(grant.session, reason);
      return;
    }
    this.#regranted(grant, decision.grant);
    broker.regrant(decision.grant);
  }

  #regranted(before: Grant, grant: Grant): void {
    this.#options.registry.regranted(grant);
    if (grant.actions.join() === before.actions.join()) return;
    this.#options.journal.write('session.regranted', { grant, before: before.actions });
  }
}
