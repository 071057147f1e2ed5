/**
 * Emergency mode of the site: posture checks are relaxed, by the policies' own exits (`context.emergency`), and nothing
 * else. A security officer starts and ends it, by an order that the coordinator signed or on the spot with the offline
 * credential. It ends by itself, by the machine's own time; a review follows, always.
 *
 * Wrong credentials: one check at a time, and after FREE_TRIES of them a wait that doubles, kept over restarts. A code
 * of the sheet counts once, however the answer gets lost.
 */
import { Fault } from '../wire/errors.ts';
import { emergency } from '../wire/life.ts';
import type { Actor, Emergency } from '../wire/life.ts';
import { hours, millis, seconds } from '../wire/units.ts';
import type { Millis } from '../wire/units.ts';
import type { Finding } from './own-health.ts';
import type { Reviews } from './reviews.ts';
import { Shelf } from './shelf.ts';
import { newId } from './surroundings.ts';
import type { Surroundings } from './surroundings.ts';

const FREE_TRIES = 3;
const FIRST_WAIT = seconds(30);
const LONGEST_WAIT = hours(1);
const TRIES = 'credential-tries';
const SPENT = 'spent-codes';
/** Spent codes remembered: more than all sheets of all officers. */
const SPENT_KEPT = 8192;

/** An officer's credential as typed. */
export interface TypedCredential {
  readonly officer: string;
  readonly passphrase: string;
  readonly code: string;
}

export interface EmergencyOptions extends Surroundings {
  readonly reviews: Reviews;
  /** Check both parts against the officer's kept hashes (undefined: no such officer). The number of the code when valid. */
  readonly check: (
    kept: string | undefined,
    typed: TypedCredential,
    spent: (code: number) => boolean,
  ) => Promise<{ readonly kind: 'valid'; readonly code: number } | { readonly kind: 'invalid' }>;
}

export class EmergencyMode {
  readonly #options: EmergencyOptions;
  readonly #shelf: Shelf<Emergency>;
  readonly #spent: Set<string>;
  #checking = false;
  #tries: { readonly count: number; readonly until: number };

  constructor(options: EmergencyOptions) {
    this.#options = options;
    const { store } = options;
    this.#shelf = new Shelf({
      kind: 'emergency',
      schema: emergency,
      store,
      id: (item) => item.id,
      at: (item) => item.from,
      isOpen: (item) => !item.ended,
    });
    this.#spent = new Set((store.mark(SPENT) ?? '').split('\n').filter((line) => line !== ''));
    const [count = 0, until = 0] = (store.mark(TRIES) ?? '').split(' ').map(Number);
    this.#tries = { count: count || 0, until: until || 0 };
  }

  /** The one in force. */
  get active(): { readonly emergency: Emergency; readonly left: Millis } | undefined {
    for (const item of this.#shelf.open()) {
      const left = this.#options.time.left(item.ends);
      if (left > 0) return { emergency: item, left };
    }
    return undefined;
  }

  /** Faults EMERGENCY_ACTIVE. Whoever calls has made sure who `actor` is. */
  start(actor: Actor, reason: string, askedHours?: number): Emergency {
    const { clock, time, journal, reviews, reconsider } = this.#options;
    const rules = this.#options.site().emergency;
    if (this.active) {
      journal.write('emergency.refused', { verb: 'start', by: actor.by, why: 'in force already' });
      throw new Fault('EMERGENCY_ACTIVE');
    }
    const lasts = hours(Math.min(askedHours ?? rules.maxHours, rules.maxHours));
    const from = clock.now();
    const made: Emergency = {
      id: newId('emergency', this.#options),
      reason,
      started: actor,
      from,
      until: from + lasts,
      ends: time.now + lasts,
    };
    this.#shelf.put(made);
    journal.write('emergency.started', { emergency: made });
    reviews.open(
      {
        of: 'emergency',
        about: made.id,
        user: actor.by,
        summary: `Emergency mode, started by ${actor.by}: ${reason}`,
      },
      rules.reviewHours,
    );
    reconsider(() => true);
    return made;
  }

  /** Fault EMERGENCY_NONE. */
  end(actor: Actor, why: string): Emergency {
    const { active } = this;
    if (!active) {
      this.#options.journal.write('emergency.refused', { verb: 'end', by: actor.by, why: 'none in force' });
      throw new Fault('EMERGENCY_NONE');
    }
    return this.#end(active.emergency, why, actor);
  }

  /** Who the credential belongs to. Faults CREDENTIAL_REFUSED and CREDENTIAL_LOCKED; both go on record. */
  async identify(typed: TypedCredential, verb: 'start' | 'end'): Promise<Actor> {
    const { time, journal, store } = this.#options;
    const refuse = (fault: Fault): Fault => {
      journal.write('emergency.refused', { verb, by: typed.officer, why: fault.message });
      return fault;
    };
    const wait = time.left(this.#tries.until);
    if (this.#checking || wait > 0)
      throw refuse(new Fault('CREDENTIAL_LOCKED', `Again in ${Math.ceil((wait || 1_000) / 1000)} s.`));
    this.#checking = true;
    try {
      const officer = this.#options.site().emergency.officers.find(({ user }) => user === typed.officer);
      const kept = officer?.credential;
      const mark = (code: number): string => `${typed.officer} ${code} ${kept?.slice(-16) ?? ''}`;
      // Counted before it is checked: a process that is killed in between has counted it.
      this.#try(this.#tries.count + 1);
      const checked = await this.#options.check(kept, typed, (code) => this.#spent.has(mark(code)));
      if (checked.kind === 'invalid' || !officer) throw refuse(new Fault('CREDENTIAL_REFUSED'));
      this.#spent.add(mark(checked.code));
      store.saveMarks({ [SPENT]: [...this.#spent].slice(-SPENT_KEPT).join('\n') });
      this.#try(0);
      return { by: officer.user, via: 'offline credential' };
    } finally {
      this.#checking = false;
    }
  }

  tick(): void {
    for (const item of this.#shelf.open())
      if (this.#options.time.left(item.ends) === 0) this.#end(item, 'its time is over');
    this.#shelf.flush();
  }

  finding(): Finding {
    const { active } = this;
    if (!active) return { level: 'ok', text: 'No emergency.' };
    const { emergency: item, left } = active;
    return {
      level: 'critical',
      text: `Emergency mode, started by ${item.started.by}: ${item.reason} Posture checks are relaxed for ${Math.ceil(left / 60_000)} min more; everything else holds. A review follows.`,
    };
  }

  #try(count: number): void {
    const { time, store } = this.#options;
    const over = count - FREE_TRIES;
    const wait = over < 0 ? 0 : Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** Math.min(over, 20));
    this.#tries = { count, until: wait === 0 ? 0 : Math.round(time.now + millis(wait)) };
    store.saveMarks({ [TRIES]: `${this.#tries.count} ${this.#tries.until}` });
  }

  #end(item: Emergency, why: string, actor?: Actor): Emergency {
    const { clock, journal, reconsider } = this.#options;
    const over: Emergency = { ...item, ended: { at: clock.now(), why, ...(actor ? { actor } : {}) } };
    this.#shelf.put(over);
    journal.write('emergency.ended', { emergency: over });
    reconsider(() => true);
    return over;
  }
}
