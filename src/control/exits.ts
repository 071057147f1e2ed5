/**
 * The exits of policy as facts of one request: emergency mode, broken glass, tickets and approved requests, the contact
 * with the coordinator; and the earliest instant at which one of them ends by itself.
 *
 * Of several tickets the one counts that most people approved, then the one for more actions, then the longest.
 */
import { concerns, covers } from '../policy/coverage.ts';
import type { Contact, TicketFact } from '../wire/facts.ts';
import type { SessionId } from '../wire/ids.ts';
import { epochMillis } from '../wire/units.ts';
import type { AccessRequests } from './access-requests.ts';
import type { BreakGlass } from './break-glass.ts';
import type { ExitFacts, Occasion } from './circumstances.ts';
import type { EmergencyMode } from './emergency.ts';
import type { Grace } from './grace.ts';
import type { LatestTime } from './latest-time.ts';
import type { Surroundings } from './surroundings.ts';

export interface ExitsOptions extends Pick<Surroundings, 'site'> {
  readonly glass: Pick<BreakGlass, 'covering'>;
  readonly emergency: Pick<EmergencyMode, 'active'>;
  readonly requests: Pick<AccessRequests, 'tickets'>;
  readonly grace: Pick<Grace, 'status'>;
  readonly latest: Pick<LatestTime, 'now'>;
  /** What held of the contact when an open session was decided last. */
  readonly before: (session: SessionId) => Contact | undefined;
}

interface Ticket {
  readonly ticket: TicketFact;
  readonly left: number;
}

function better(a: Ticket, b: Ticket): number {
  return (
    b.ticket.approvals - a.ticket.approvals ||
    b.ticket.actions.length - a.ticket.actions.length ||
    b.left - a.left
  );
}

export class Exits {
  readonly #options: ExitsOptions;

  constructor(options: ExitsOptions) {
    this.#options = options;
  }

  facts({ session, who, what, now }: Occasion): ExitFacts {
    const { glass, emergency, grace } = this.#options;
    const broken = glass.covering(who.user, who.peer, what.resource);
    const alarm = emergency.active;
    const { state, left } = grace.status;
    const { ticket, changes } = this.#ticket({ who, what });
    const lefts = [broken?.left, alarm?.left, left, ...changes].filter((each) => each !== undefined);
    return {
      emergency: alarm !== undefined,
      breakGlass: broken !== undefined,
      ...(broken ? { scenario: broken.glass.scenario } : {}),
      ...(ticket ? { ticket: ticket.ticket } : {}),
      contact: this.#contact(state, session),
      ...(lefts.length === 0 ? {} : { changesAt: epochMillis(now + Math.ceil(Math.min(...lefts))) }),
    };
  }

  /** The end of the grace is for new sessions: one that was open before goes on. */
  #contact(state: Contact, session: SessionId | undefined): Contact {
    if (state !== 'expired' || session === undefined) return state;
    const before = this.#options.before(session);
    return before === undefined || before === 'expired' ? state : 'grace';
  }

  /** The ticket that counts, and how long until any of them comes or goes. */
  #ticket({ who, what }: Pick<Occasion, 'who' | 'what'>): {
    readonly ticket?: Ticket;
    readonly changes: readonly number[];
  } {
    const { requests, site, latest } = this.#options;
    const { now } = latest;
    const found: Ticket[] = [...requests.tickets(who.user, who.peer, what.resource)];
    const changes: number[] = found.map(({ left }) => left);
    for (const each of site().tickets) {
      if (now >= each.end || !concerns(each, who) || !covers(each, what)) continue;
      const { number, kind, actions, approvals, from, end } = each;
      changes.push((now < from ? from : end) - now);
      if (now >= from) found.push({ ticket: { number, kind, actions, approvals }, left: end - now });
    }
    const [ticket] = found.sort(better);
    return { ...(ticket ? { ticket } : {}), changes };
  }
}
