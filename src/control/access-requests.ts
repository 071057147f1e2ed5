/**
 * Requests for access for a while (just in time), and who agreed to them. The site's data says who may ask for what, who
 * has to agree and how many of them; an approved request is a ticket to policy (`context.ticket`), nothing more.
 *
 * Two persons means two: nobody approves a request of their own, nobody twice, and all local accounts together are one
 * person, since who is root on the gateway can be any of them. An approval counts by the rule of the moment: a rule that is gone approves nothing, and what it had
 * approved is no ticket any longer, also when a rule of the same name comes back with less.
 */
import { concerns, covers } from '../policy/coverage.ts';
import type { Action } from '../wire/action.ts';
import { Fault } from '../wire/errors.ts';
import type { TicketFact } from '../wire/facts.ts';
import { accessRequest } from '../wire/life.ts';
import type { Actor, LifeRequest } from '../wire/life.ts';
import type { RequestRule } from '../wire/site-data.ts';
import { hours } from '../wire/units.ts';
import type { Millis } from '../wire/units.ts';
import type { Applicant, Place } from './applicant.ts';
import { Shelf } from './shelf.ts';
import { newId } from './surroundings.ts';
import type { Surroundings } from './surroundings.ts';

/** How long a request waits for its approvals. */
const WAITS = hours(24);
const MIN_REASON = 8;
/** Waiting at once, of one user and in all. */
const MAX_OF_USER = 16;
const MAX_IN_ALL = 1024;

export interface Asked {
  readonly actions: readonly Action[];
  readonly reason: string;
  readonly hours: number;
  readonly ticket?: string | undefined;
}

/** Who decides on a request. `roles` are those of a user; a local account has none and stands for itself. */
export interface Approver {
  readonly actor: Actor;
  readonly roles?: readonly string[];
}

const isOpen = ({ state }: LifeRequest): boolean => state === 'waiting' || state === 'approved';

/** Nobody can tell local accounts of one machine apart. */
const samePerson = (a: Actor, b: Actor): boolean =>
  a.by === b.by || (a.via === 'command line' && b.via === 'command line');

/** Does a ticket number have the form that the rule wants? A form that is no expression fits nothing. */
function fits(form: string, ticket: string): boolean {
  try {
    return new RegExp(`^(?:${form})$`, 'u').test(ticket);
  } catch {
    return false;
  }
}

export class AccessRequests {
  readonly #around: Surroundings;
  readonly #shelf: Shelf<LifeRequest>;

  constructor(around: Surroundings) {
    this.#around = around;
    this.#shelf = new Shelf({
      kind: 'request',
      schema: accessRequest,
      store: around.store,
      id: (item) => item.id,
      at: (item) => item.at,
      isOpen,
    });
  }

  /** The rules by which `who` may ask for something on `what`. */
  rules(who: Applicant, what: Place): RequestRule[] {
    return this.#around.site().requests.filter((rule) => concerns(rule, who) && covers(rule, what));
  }

  /** Fault REQUEST_REFUSED. */
  ask(who: Applicant, what: Place, asked: Asked): LifeRequest {
    const { clock, time } = this.#around;
    const rule = this.rules(who, what).find((each) =>
      asked.actions.every((action) => each.actions.includes(action)),
    );
    if (!rule) throw new Fault('REQUEST_REFUSED', 'No rule of the site lets you ask for this.');
    if (asked.reason.trim().length < MIN_REASON)
      throw new Fault('REQUEST_REFUSED', 'Say why in a few words.');
    if (asked.hours > rule.maxHours)
      throw new Fault('REQUEST_REFUSED', `At most ${rule.maxHours} hours can be asked for.`);
    if (rule.ticket !== undefined && !fits(rule.ticket, asked.ticket ?? ''))
      throw new Fault('REQUEST_REFUSED', `A ticket number of the form ${rule.ticket} is needed.`);
    const waiting = this.#shelf.open().filter(({ state }) => state === 'waiting');
    const mine = waiting.filter(({ user }) => user === who.user);
    const actions = [...new Set(asked.actions)].sort();
    const same = mine.find(
      (each) =>
        each.peer === who.peer && each.resource === what.resource && each.actions.join() === actions.join(),
    );
    if (same) return same;
    if (mine.length >= MAX_OF_USER || waiting.length >= MAX_IN_ALL)
      throw new Fault('REQUEST_REFUSED', 'Too many requests wait already.');
    return this.#keep({
      id: newId('request', this.#around),
      rule: rule.name,
      user: who.user,
      peer: who.peer,
      resource: what.resource,
      actions,
      reason: asked.reason.trim(),
      ...(asked.ticket === undefined ? {} : { ticket: asked.ticket }),
      hours: asked.hours,
      state: 'waiting',
      at: clock.now(),
      needs: rule.approvals,
      approvals: [],
      ends: time.now + WAITS,
    });
  }

  /** Faults REQUEST_UNKNOWN and APPROVAL_REFUSED. */
  decide(id: string, { actor, roles }: Approver, approve: boolean, note: string): LifeRequest {
    const { clock, time, site } = this.#around;
    const item = this.#shelf.get(id);
    if (!item || item.state !== 'waiting' || time.left(item.ends) === 0)
      throw new Fault('REQUEST_UNKNOWN', id);
    const rule = site().requests.find(({ name }) => name === item.rule);
    const at = clock.now();
    if (!approve) {
      const withdrawn = actor.by === item.user;
      if (!withdrawn && roles && !rule?.approvers.some((role) => roles.includes(role)))
        throw new Fault('APPROVAL_REFUSED', 'You do not decide on this.');
      return this.#keep({
        ...item,
        state: withdrawn ? 'withdrawn' : 'denied',
        ended: { at, why: note, actor },
      });
    }
    if (!rule || !item.actions.every((action) => rule.actions.includes(action)))
      throw new Fault('APPROVAL_REFUSED', 'The rule it was asked by is gone.');
    if (actor.by === item.user)
      throw new Fault('APPROVAL_REFUSED', 'Nobody approves a request of their own.');
    if (roles && !rule.approvers.some((role) => roles.includes(role)))
      throw new Fault('APPROVAL_REFUSED', 'You do not decide on this.');
    if (item.approvals.some((each) => samePerson(each.actor, actor)))
      throw new Fault('APPROVAL_REFUSED', 'It needs somebody else.');
    const approvals = [...item.approvals, { actor, at, note }];
    // What the rule wants now, and no less than when it was asked.
    if (approvals.length < Math.max(item.needs, rule.approvals)) return this.#keep({ ...item, approvals });
    const lasts = hours(Math.min(item.hours, rule.maxHours));
    const approved = this.#keep({
      ...item,
      approvals,
      state: 'approved',
      until: at + lasts,
      ends: time.now + lasts,
    });
    this.#reconsider(approved);
    return approved;
  }

  /** End an approved one, or take back a waiting one. Fault REQUEST_UNKNOWN. */
  end(id: string, actor: Actor, why: string): LifeRequest {
    const item = this.#shelf.get(id);
    if (!item || !isOpen(item)) throw new Fault('REQUEST_UNKNOWN', id);
    const over = this.#keep({
      ...item,
      state: item.state === 'approved' ? 'ended' : 'denied',
      ended: { at: this.#around.clock.now(), why, actor },
    });
    this.#reconsider(over);
    return over;
  }

  /** Approved requests as tickets for this user, device and resource. */
  tickets(
    user: string,
    peer: string,
    resource: string,
  ): { readonly ticket: TicketFact; readonly left: Millis }[] {
    const { time, site } = this.#around;
    return this.#shelf.open().flatMap((item) => {
      if (item.state !== 'approved' || item.user !== user || item.peer !== peer || item.resource !== resource)
        return [];
      const left = time.left(item.ends);
      const rule = site().requests.find(({ name }) => name === item.rule);
      if (left === 0 || !rule || item.approvals.length < rule.approvals) return [];
      const actions = item.actions.filter((action) => rule.actions.includes(action));
      if (actions.length === 0) return [];
      const { approvals } = item;
      const number = item.ticket ?? item.id;
      return [{ left, ticket: { number, kind: 'request' as const, actions, approvals: approvals.length } }];
    });
  }

  /** Those that `approver` may decide on now. */
  forApprover({ actor, roles = [] }: Approver): LifeRequest[] {
    const rules = this.#around.site().requests;
    return this.#shelf.open().filter((item) => {
      if (item.state !== 'waiting' || item.user === actor.by) return false;
      if (item.approvals.some((each) => samePerson(each.actor, actor))) return false;
      return rules.find(({ name }) => name === item.rule)?.approvers.some((role) => roles.includes(role));
    });
  }

  /** End what is over. */
  tick(): void {
    const { clock, time } = this.#around;
    for (const item of this.#shelf.open()) {
      if (time.left(item.ends) > 0) continue;
      const state = item.state === 'approved' ? 'ended' : 'expired';
      const why = state === 'ended' ? 'its time is over' : 'nobody decided on it in time';
      this.#reconsider(this.#keep({ ...item, state, ended: { at: clock.now(), why } }));
    }
    this.#shelf.flush();
  }

  /** Those that are open first. */
  list(): LifeRequest[] {
    return [
      ...this.#shelf.open(),
      ...this.#shelf
        .all()
        .filter((item) => !isOpen(item))
        .toReversed(),
    ];
  }

  #keep(item: LifeRequest): LifeRequest {
    this.#shelf.put(item);
    this.#around.journal.write('request.changed', { request: item });
    return item;
  }

  #reconsider({ user, resource }: LifeRequest): void {
    this.#around.reconsider(({ subject, target }) => subject.user === user && target.resource === resource);
  }
}
