/**
 * Control's own items of the health list, worked out anew each tick: the policy set, failing evaluations, the store,
 * the journal. A part of the room that has something to say adds a check of its own.
 */
import { between, seconds } from '../wire/units.ts';
import type { Clock, MonotonicMillis } from '../wire/units.ts';
import type { HealthList, Level, OwnItem } from './health.ts';
import type { Journal } from './journal.ts';
import type { PolicySource } from './policy-source.ts';
import type { StateStore } from './state-store.ts';

/** How long failed evaluations stay on the health list. */
const FAILURES_LINGER = seconds(300);

export interface Finding {
  readonly level: Level;
  readonly text: string;
}

export interface OwnHealthOptions {
  readonly clock: Clock;
  readonly health: HealthList;
  readonly policy: PolicySource;
  readonly store: StateStore;
  readonly journal: Journal;
}

export class OwnHealth {
  readonly #options: OwnHealthOptions;
  readonly #checks: { readonly item: OwnItem; readonly check: () => Finding }[] = [];
  #failure: { readonly at: MonotonicMillis; readonly text: string } | undefined;

  constructor(options: OwnHealthOptions) {
    this.#options = options;
    this.add('control.policy', () => this.#policy());
    this.add('control.decisions', () => this.#decisions());
    this.add('control.store', () => this.#store());
    this.add('control.journal', () => this.#journal());
  }

  add(item: OwnItem, check: () => Finding): void {
    this.#checks.push({ item, check });
  }

  /** A policy could not be evaluated. */
  evaluationFailed(failures: readonly string[]): void {
    this.#failure = { at: this.#options.clock.monotonic(), text: failures[0] ?? '' };
    this.update();
  }

  update(): void {
    for (const { item, check } of this.#checks) {
      const { level, text } = check();
      this.#options.health.set(item, level, text);
    }
  }

  #policy(): Finding {
    const { policy, clock } = this.#options;
    return policy.finding(clock.now());
  }

  #decisions(): Finding {
    const failure = this.#failure;
    if (!failure || between(failure.at, this.#options.clock.monotonic()) > FAILURES_LINGER)
      return { level: 'ok', text: 'Every policy can be evaluated.' };
    return {
      level: 'critical',
      text: `A policy could not be evaluated, so what it decides on is refused. ${failure.text}`,
    };
  }

  #store(): Finding {
    const { fault } = this.#options.store;
    if (!fault) return { level: 'ok', text: 'The store can be written.' };
    return {
      level: 'warning',
      text: `Sessions and decisions go on; the inventory is kept in memory only. ${fault.message}`,
    };
  }

  #journal(): Finding {
    const { waiting, dropped } = this.#options.journal;
    const lost = dropped > 0 ? ` ${dropped} were given up.` : '';
    return {
      level: dropped > 0 ? 'warning' : 'ok',
      text: `${waiting} events of control wait for the audit log.${lost}`,
    };
  }
}
