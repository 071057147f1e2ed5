/**
 * What people open and close at this gateway, put together: broken glass, emergency mode, requests for access, reviews,
 * exceptions, and the grace without a coordinator. Its verbs for operators, its items of the health list, its tick.
 */
import type { Grant } from '../wire/grant.ts';
import type { Actor, LifeStatus } from '../wire/life.ts';
import type { lifeVerbs } from '../wire/messages.ts';
import { hours } from '../wire/units.ts';
import { AccessRequests } from './access-requests.ts';
import { BreakGlass } from './break-glass.ts';
import type { BreakGlassOptions } from './break-glass.ts';
import { EmergencyMode } from './emergency.ts';
import type { EmergencyOptions } from './emergency.ts';
import { Exceptions } from './exceptions.ts';
import { Exits } from './exits.ts';
import type { ExitsOptions } from './exits.ts';
import { Grace, graceFinding } from './grace.ts';
import { Orders } from './orders.ts';
import type { OrdersOptions } from './orders.ts';
import type { OwnHealth } from './own-health.ts';
import type { Caller, ControlHandlers } from './ports.ts';
import { Reviews } from './reviews.ts';
import type { Surroundings } from './surroundings.ts';

export interface LifeOptions extends Surroundings {
  readonly coordinated: boolean;
  readonly before: ExitsOptions['before'];
  readonly places: BreakGlassOptions['places'];
  readonly mayBreak: BreakGlassOptions['may'];
  readonly checkCredential: EmergencyOptions['check'];
  readonly checkOrder: OrdersOptions['check'];
}

/** A local account on the command line. */
const operatorOf = ({ uid }: Caller): Actor => ({ by: `uid ${uid}`, via: 'command line' });

export class Life {
  readonly glass: BreakGlass;
  readonly emergency: EmergencyMode;
  readonly requests: AccessRequests;
  readonly reviews: Reviews;
  readonly exceptions: Exceptions;
  readonly grace: Grace;
  readonly exits: Exits;
  readonly #options: LifeOptions;
  readonly #orders: Orders;

  constructor(options: LifeOptions) {
    this.#options = options;
    const { site, time, latest, store, coordinated } = options;
    this.reviews = new Reviews(options);
    this.requests = new AccessRequests(options);
    this.exceptions = new Exceptions(options);
    this.glass = new BreakGlass({
      ...options,
      reviews: this.reviews,
      may: options.mayBreak,
    });
    this.emergency = new EmergencyMode({ ...options, reviews: this.reviews, check: options.checkCredential });
    this.grace = new Grace({ time, store, coordinated, length: () => hours(site().offline.graceHours) });
    this.#orders = new Orders({
      ...options,
      emergency: this.emergency,
      grace: this.grace,
      check: options.checkOrder,
    });
    this.exits = new Exits({
      site,
      latest,
      glass: this.glass,
      emergency: this.emergency,
      requests: this.requests,
      grace: this.grace,
      before: options.before,
    });
  }

  /** A session was opened or its grant is another: reviews name those that were opened under what they are about. */
  sessionStarted({ session, subject, target, facts, obligations }: Grant): void {
    if (facts?.breakGlass === true) {
      const broken = this.glass.covering(subject.user, subject.peer, target.resource);
      if (broken) this.reviews.session(broken.glass.id, session);
    }
    const { active } = this.emergency;
    if (facts?.emergency === true && active) this.reviews.session(active.emergency.id, session);
    // Broken glass and an emergency have a review of their own.
    const texts = obligations.filter(({ kind }) => kind === 'review').map(({ text }) => text);
    if (texts.length === 0 || facts?.breakGlass === true || facts?.emergency === true) return;
    this.reviews.ofSession(
      session,
      { user: subject.user, summary: `${subject.user} on ${target.resource}. ${texts.join(' ')}` },
      this.#options.site().reviewHours,
    );
  }

  tick(): void {
    const { journal, reconsider, time, latest } = this.#options;
    time.tick();
    latest.tick();
    this.glass.tick();
    this.emergency.tick();
    this.requests.tick();
    this.exceptions.tick();
    this.reviews.flush();
    const status = this.grace.changed();
    if (!status) return;
    journal.write('offline.changed', { offline: this.#offline() });
    reconsider(() => true);
  }

  /** Write down what waits. */
  flush(): void {
    this.#options.time.flush();
    this.#options.latest.flush();
    this.reviews.flush();
  }

  addHealth(health: OwnHealth): void {
    health.add('control.coordinator', () => graceFinding(this.grace.status));
    health.add('control.clock', () => this.#options.latest.finding());
    health.add('control.emergency', () => this.emergency.finding());
    health.add('control.break-glass', () => this.glass.finding());
    health.add('control.reviews', () => this.reviews.finding());
    health.add('control.exceptions', () => this.exceptions.finding());
  }

  status(): LifeStatus {
    const { active } = this.emergency;
    return {
      now: this.#options.clock.now(),
      offline: this.#offline(),
      ...(active ? { emergency: active.emergency } : {}),
      glasses: this.glass.list(),
      requests: this.requests.list(),
      reviews: this.reviews.list(),
      exceptions: this.exceptions.list(),
      attestations: this.exceptions.attestations(),
    };
  }

  handlers(): Pick<ControlHandlers, keyof typeof lifeVerbs> {
    return {
      'life.status': () => this.status(),
      'breakGlass.end': ({ glass, reason }, caller) => {
        this.glass.end(glass, operatorOf(caller), reason);
        return {};
      },
      'emergency.start': async ({ reason, hours: asked, ...typed }) => {
        const actor = await this.emergency.identify(typed, 'start');
        return { emergency: this.emergency.start(actor, reason, asked) };
      },
      'emergency.end': async ({ reason, ...typed }) => {
        const actor = await this.emergency.identify(typed, 'end');
        return { emergency: this.emergency.end(actor, reason) };
      },
      'order.apply': ({ order }) => ({ done: this.#orders.apply(Buffer.from(order, 'base64')) }),
      'request.decide': ({ request, approve, note }, caller) => ({
        request: this.requests.decide(request, { actor: operatorOf(caller) }, approve, note),
      }),
      'request.end': ({ request, reason }, caller) => ({
        request: this.requests.end(request, operatorOf(caller), reason),
      }),
      'review.close': ({ review, finding, note }, caller) => ({
        review: this.reviews.close(review, operatorOf(caller), this.#officerOf(caller), { finding, note }),
      }),
      'review.attest': (said, caller) => ({
        attestation: this.exceptions.attest({ ...said, actor: operatorOf(caller) }),
      }),
    };
  }

  /** The officer whose local account this is. */
  #officerOf({ uid }: Caller): string | undefined {
    return this.#options.site().emergency.officers.find((officer) => officer.uid === uid)?.user;
  }

  #offline(): LifeStatus['offline'] {
    const { state, used, left } = this.grace.status;
    return { state, usedMs: used, ...(left === undefined ? {} : { leftMs: left }) };
  }
}
