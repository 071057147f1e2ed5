/**
 * Break-glass: a clinician opens for a while what policy keeps closed, for a scenario that the site names, with a
 * reason, on record, and with a review to follow.
 *
 * Policy says who may: the action `breakGlass` on a resource, asked with the scenario in the context. What the broken
 * glass then permits is policy's too (`context.breakGlass`, the exit of soft forbids). It holds for one user on one
 * device and for the resources that policy said yes to; it ends by the machine's own time.
 *
 * Needs nothing from outside: not the coordinator, not the audit log, not the store. What can't be written now is kept
 * and written later, and the health list says so.
 */
import { covers } from '../policy/coverage.ts';
import { Fault } from '../wire/errors.ts';
import type { ResourceId } from '../wire/ids.ts';
import { glass } from '../wire/life.ts';
import type { Actor, Glass } from '../wire/life.ts';
import { minutes } from '../wire/units.ts';
import type { Millis } from '../wire/units.ts';
import type { Place } from './applicant.ts';
import type { Finding } from './own-health.ts';
import type { Visitor } from './preview.ts';
import type { Reviews } from './reviews.ts';
import { Shelf } from './shelf.ts';
import { newId } from './surroundings.ts';
import type { Surroundings } from './surroundings.ts';

/** A reason is a few words at least. */
const MIN_REASON = 8;
/** Broken at the same time by one user, and in all. */
const MAX_OF_USER = 8;
const MAX_IN_ALL = 1024;

/** Policy's answer: may they break the glass here, and if not, why. */
export type MayBreak =
  | { readonly kind: 'yes' }
  | { readonly kind: 'no'; readonly reasons: readonly string[] };

export interface BreakGlassOptions extends Surroundings {
  readonly reviews: Reviews;
  readonly places: () => Iterable<Place>;
  readonly may: (visitor: Visitor, place: Place, scenario: string) => MayBreak;
}

export class BreakGlass {
  readonly #options: BreakGlassOptions;
  readonly #shelf: Shelf<Glass>;

  constructor(options: BreakGlassOptions) {
    this.#options = options;
    this.#shelf = new Shelf({
      kind: 'glass',
      schema: glass,
      store: options.store,
      id: (item) => item.id,
      at: (item) => item.from,
      isOpen: (item) => !item.ended,
    });
  }

  /** Break it. Fault GLASS_REFUSED, which goes on record too. */
  open(
    visitor: Visitor,
    asked: { readonly scenario: string; readonly resource?: string | undefined; readonly reason: string },
  ): Glass {
    const { clock, time, journal, reviews, reconsider } = this.#options;
    const user = visitor.user.id;
    const peer = visitor.peer.id;
    const scenario = this.#options.site().scenarios.find(({ name }) => name === asked.scenario);
    const refuse = (why: string): Fault => {
      const { resource, reason } = asked;
      journal.write('breakGlass.refused', {
        user,
        peer,
        scenario: asked.scenario,
        ...(resource === undefined ? {} : { resource }),
        reason,
        why,
      });
      return new Fault('GLASS_REFUSED', why);
    };
    if (!scenario) throw refuse('There is no such scenario.');
    if (asked.reason.trim().length < MIN_REASON) throw refuse('Say why in a few words.');
    const resources: ResourceId[] = [];
    const reasons = new Set<string>();
    for (const place of this.#options.places()) {
      if (asked.resource !== undefined && place.resource !== asked.resource) continue;
      if (!covers(scenario, place)) continue;
      const answer = this.#options.may(visitor, place, scenario.name);
      if (answer.kind === 'yes') resources.push(place.resource);
      else for (const reason of answer.reasons) reasons.add(reason);
    }
    if (resources.length === 0)
      throw refuse([...reasons].sort().join(' ') || 'The scenario is not about this.');
    const standing = this.#shelf.open().filter((item) => time.left(item.ends) > 0);
    const mine = standing.filter((item) => item.user === user);
    const same = mine.find(
      (item) =>
        item.peer === peer &&
        item.scenario === scenario.name &&
        resources.every((id) => item.resources.includes(id)),
    );
    if (same) return same;
    if (mine.length >= MAX_OF_USER || standing.length >= MAX_IN_ALL)
      throw refuse('Too much glass is broken.');

    const from = clock.now();
    const lasts = minutes(scenario.minutes);
    const made: Glass = {
      id: newId('glass', this.#options),
      scenario: scenario.name,
      user,
      peer,
      resources,
      reason: asked.reason.trim(),
      from,
      until: from + lasts,
      ends: time.now + lasts,
    };
    this.#shelf.put(made);
    journal.write('breakGlass.opened', { glass: made });
    reviews.open(
      {
        of: 'break-glass',
        about: made.id,
        user,
        summary: `${user} broke the glass (${scenario.title}): ${made.reason}`,
      },
      scenario.reviewHours,
    );
    reconsider(({ subject }) => subject.user === user && subject.peer === peer);
    return made;
  }

  /** End one before its time. Fault GLASS_UNKNOWN. */
  end(id: string, actor: Actor, why: string): void {
    const item = this.#shelf.get(id);
    if (!item || item.ended) throw new Fault('GLASS_UNKNOWN', id);
    this.#end(item, why, actor);
  }

  /** What is broken now for this user, device and resource, and for how long still. */
  covering(
    user: string,
    peer: string,
    resource: string,
  ): { readonly glass: Glass; readonly left: Millis } | undefined {
    let best: { readonly glass: Glass; readonly left: Millis } | undefined;
    for (const item of this.#shelf.open()) {
      if (item.user !== user || item.peer !== peer || !(item.resources as string[]).includes(resource))
        continue;
      const left = this.#options.time.left(item.ends);
      if (left > (best?.left ?? 0)) best = { glass: item, left };
    }
    return best;
  }

  /** End what is over. */
  tick(): void {
    for (const item of this.#shelf.open())
      if (this.#options.time.left(item.ends) === 0) this.#end(item, 'its time is over');
    this.#shelf.flush();
  }

  /** Those in force first. */
  list(): Glass[] {
    return [
      ...this.#shelf.open(),
      ...this.#shelf
        .all()
        .filter((item) => item.ended)
        .toReversed(),
    ];
  }

  finding(): Finding {
    const open = this.#shelf.open();
    if (open.length === 0) return { level: 'ok', text: 'No glass is broken.' };
    const who = [...new Set(open.map((item) => `${item.user} (${item.scenario})`))].slice(0, 5).join(', ');
    return { level: 'warning', text: `${open.length} times the glass is broken now: ${who}.` };
  }

  #end(item: Glass, why: string, actor?: Actor): void {
    const { clock, journal, reconsider } = this.#options;
    const over: Glass = { ...item, ended: { at: clock.now(), why, ...(actor ? { actor } : {}) } };
    this.#shelf.put(over);
    journal.write('breakGlass.ended', { glass: over });
    reconsider(({ subject }) => subject.user === item.user && subject.peer === item.peer);
  }
}
