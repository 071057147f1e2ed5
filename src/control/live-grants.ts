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
import type { Clock } from '../wire/units.ts';

/** A difference of the two clocks that isn't drift: the wall clock was set. */
export const CLOCK_SET_MS = 1_000;

export interface LiveGrantsOptions {
  readonly registry: Registry;
  readonly authorizer: Authorizer;
  readonly broker: BrokerPort;
  readonly clock: Clock;
  readonly journal: Journal;
  /** A session is open, or its grant is another. */
  readonly onStarted: (grant: Grant) => void;
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
    const decision = await authorizer.authorize(question, open && this.#settled(open));
    if (open && decision.decision === 'permit') this.#regranted(open, decision.grant);
    return decision;
  }

  /** The broker announces a session. Fault SESSION_LIMIT. */
  started(grant: Grant, progress: SessionProgress, { connection }: Caller): void {
    const { registry, broker } = this.#options;
    if (!registry.started(grant, progress, connection, this.#skew()))
      throw new Fault('SESSION_LIMIT', 'the session table is full');
    this.#options.onStarted(grant);
    const revoked = registry.revoked(grant.session);
    if (revoked !== undefined) broker.revoke(grant.session, revoked);
    // What changed since it was decided reached no live session.
    else this.#again(grant, true);
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

  /** `quiet`: tell the broker only of a change. */
  #again(grant: Grant, quiet = false): void {
    const { registry, authorizer, broker } = this.#options;
    if (registry.revoked(grant.session) !== undefined) return;
    const decision = authorizer.again(this.#settled(grant));
    if (decision.decision === 'deny') {
      const reason = decision.refusal.reasons.join(' ');
      registry.revoke(grant.session, reason);
      broker.revoke(grant.session, reason);
      return;
    }
    this.#regranted(grant, decision.grant);
    if (!quiet || !same(grant, decision.grant)) broker.regrant(decision.grant);
  }

  #regranted(before: Grant, grant: Grant): void {
    this.#options.registry.regranted(grant, this.#skew());
    this.#options.onStarted(grant);
    if (said(grant) === said(before)) return;
    this.#options.journal.write('session.regranted', { grant, before: before.actions });
  }

  #skew(): number {
    const { clock } = this.#options;
    return clock.now() - clock.monotonic();
  }

  /** The grant with its start and end by the wall clock of now: setting that neither ends nor prolongs a session. */
  #settled(grant: Grant): Grant {
    const before = this.#options.registry.skew(grant.session);
    const moved = before === undefined ? 0 : Math.round(this.#skew() - before);
    if (Math.abs(moved) < CLOCK_SET_MS) return grant;
    const { start, limits } = grant;
    return {
      ...grant,
      ...(start === undefined ? {} : { start: start + moved }),
      limits: { ...limits, end: limits.end + moved },
    };
  }
}

/** What a session may do and what it is obliged to: a change of it goes on record. */
const said = ({ actions, rung, obligations }: Grant): string =>
  JSON.stringify([actions, rung, obligations.map(({ kind }) => kind)]);

/** Nothing that the broker goes by is another. */
function same(a: Grant, b: Grant): boolean {
  const parts = ({ actions, obligations, denials, limits, expiresAt, revision }: Grant): string =>
    JSON.stringify([actions, obligations, denials, limits, expiresAt, revision]);
  return parts(a) === parts(b);
}
