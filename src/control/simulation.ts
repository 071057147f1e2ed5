/**
 * A candidate set beside the one that decides. Every decision is put to it too, later and apart, so that no decision
 * waits for it and nothing of its answer reaches anyone: differences are counted by user, resource and kind, and each
 * kind is logged once.
 *
 * Bounded: decisions wait in a queue of MAX_WAITING (what is beyond is counted as missed) and are taken by the tick,
 * at most PER_TICK of them; MAX_DIFFERENCES kinds are kept. It survives a restart: text and counts are in the store.
 */
import { evaluate } from '../policy/evaluate.ts';
import type { Evaluation } from '../policy/evaluate.ts';
import { loadPolicySet } from '../policy/policy-set.ts';
import type { PolicySet } from '../policy/policy-set.ts';
import { compareAnswers, isSame } from '../policy/replay.ts';
import type { AccessRequest } from '../policy/request.ts';
import { isFault } from '../wire/errors.ts';
import { MAX_DIFFERENCES, simulation as shape } from '../wire/simulation.ts';
import type { SimulatedDifference, Simulation as Report } from '../wire/simulation.ts';
import type { Clock, EpochMillis } from '../wire/units.ts';
import { operatorName } from './handlers.ts';
import type { Journal } from './journal.ts';
import type { ControlHandlers, Log } from './ports.ts';
import type { StateStore } from './state-store.ts';

export const MAX_WAITING = 4096;
const PER_TICK = 1024;
const MARK = 'simulation';
const TEXT_MARK = 'simulation.text';
/** Counts are written at most so often. */
const SAVE_EVERY_MS = 10_000;

export type SimulationVerb = 'simulation.start' | 'simulation.stop' | 'simulation.report';

interface Waiting {
  readonly request: AccessRequest;
  readonly answer: Evaluation;
  readonly at: EpochMillis;
}

interface Running {
  readonly set: PolicySet;
  readonly head: Pick<Report, 'name' | 'revision' | 'by' | 'started'>;
  readonly counts: { decisions: number; differing: number; missed: number; failed: number; beyond: number };
  /** By user, resource and what differs. */
  readonly differences: Map<string, SimulatedDifference>;
}

export interface SimulationOptions {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly store: StateStore;
  readonly log: Log;
}

const keyOf = ({ user, resource, gains, loses, asks, asksNoMore }: SimulatedDifference): string =>
  JSON.stringify([user, resource, gains, loses, asks, asksNoMore]);

export class Simulation {
  readonly #options: SimulationOptions;
  #running: Running | undefined;
  #waiting: Waiting[] = [];
  #savedAt: number;
  #unsaved = false;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#savedAt = options.clock.monotonic();
    this.#restore();
  }

  /** A decision was made. Costs nothing while no candidate is compared, and next to nothing while one is. */
  decided(request: AccessRequest, answer: Evaluation): void {
    if (!this.#running) return;
    if (this.#waiting.length < MAX_WAITING)
      this.#waiting.push({ request, answer, at: this.#options.clock.now() });
    else this.#running.counts.missed++;
  }

  /** Fault POLICY_INVALID; what was compared before goes on then. */
  start(name: string, text: string, operator: string): Report {
    const set = loadPolicySet(text, name);
    if (this.#running) this.stop(operator);
    const { clock, store } = this.#options;
    this.#running = {
      set,
      head: { name, revision: set.revision, by: operator, started: clock.now() },
      counts: { decisions: 0, differing: 0, missed: 0, failed: 0, beyond: 0 },
      differences: new Map(),
    };
    const report = this.#report(this.#running);
    this.#tell(report, 'started');
    store.saveMarks({ [TEXT_MARK]: text, [MARK]: JSON.stringify(report) });
    return report;
  }

  /** The last report, or undefined when nothing was compared. */
  stop(operator: string): Report | undefined {
    const running = this.#running;
    if (!running) return undefined;
    this.#take(this.#waiting.length);
    const report = this.#report(running);
    const { store } = this.#options;
    this.#tell({ ...report, by: operator }, 'stopped');
    store.saveMarks({ [TEXT_MARK]: '', [MARK]: '' });
    this.#running = undefined;
    this.#waiting = [];
    running.set.close();
    return report;
  }

  report(): Report | undefined {
    return this.#running && this.#report(this.#running);
  }

  tick(): void {
    this.#take(PER_TICK);
    const now = this.#options.clock.monotonic();
    if (this.#unsaved && now - this.#savedAt >= SAVE_EVERY_MS) this.#save(now);
  }

  /** Compare what waits, and write everything down. */
  flush(): void {
    this.#take(this.#waiting.length);
    if (this.#unsaved) this.#save(this.#options.clock.monotonic());
  }

  handlers(): Pick<ControlHandlers, SimulationVerb> {
    const answer = (simulation: Report | undefined): { simulation?: Report } =>
      simulation ? { simulation } : {};
    return {
      'simulation.start': ({ name, text }, caller) => answer(this.start(name, text, operatorName(caller))),
      'simulation.stop': (_, caller) => answer(this.stop(operatorName(caller))),
      'simulation.report': () => answer(this.report()),
    };
  }

  /** For the health list. */
  finding(): { readonly level: 'ok'; readonly text: string } {
    const running = this.#running;
    if (!running) return { level: 'ok', text: 'No candidate set is compared.' };
    const { name, revision } = running.head;
    const { decisions, differing } = running.counts;
    return {
      level: 'ok',
      text: `The candidate ${name} (${revision}) is compared and decides nothing: ${differing} of ${decisions} decisions would differ.`,
    };
  }

  #tell({ differences, ...report }: Report, what: 'started' | 'stopped'): void {
    this.#options.journal.write('simulation.changed', { ...report, what, kinds: differences.length });
  }

  #take(count: number): void {
    const running = this.#running;
    if (!running || this.#waiting.length === 0) return;
    for (const each of this.#waiting.splice(0, count)) this.#compare(running, each);
    this.#unsaved = true;
  }

  #compare({ set, counts, differences, head }: Running, { request, answer, at }: Waiting): void {
    const candidate = evaluate(set, request);
    counts.decisions++;
    if (candidate.failures.length > 0) counts.failed++;
    const { reasons, ...change } = compareAnswers(answer, candidate);
    if (isSame(change)) return;
    counts.differing++;
    const { user, roles } = request.subject;
    const found: SimulatedDifference = {
      user,
      roles,
      resource: request.target.resource,
      gains: [...change.gains],
      loses: [...change.loses],
      asks: [...change.asks],
      asksNoMore: [...change.asksNoMore],
      reasons: [...new Set(reasons)],
      count: 1,
      first: at,
      last: at,
    };
    const key = keyOf(found);
    const known = differences.get(key);
    if (known) differences.set(key, { ...known, count: known.count + 1, last: at });
    else if (differences.size < MAX_DIFFERENCES) {
      differences.set(key, found);
      this.#options.log.info({ candidate: head.revision, difference: found }, 'a candidate set differs');
    } else counts.beyond++;
  }

  #report({ head, counts, differences }: Running): Report {
    return { ...head, ...counts, differences: [...differences.values()] };
  }

  #save(now: number): void {
    const report = this.report();
    if (!report) return;
    this.#savedAt = now;
    if (this.#options.store.saveMarks({ [MARK]: JSON.stringify(report) })) this.#unsaved = false;
  }

  /** Go on with what was compared before the restart. */
  #restore(): void {
    const { store, log } = this.#options;
    const text = store.mark(TEXT_MARK) ?? '';
    if (text === '') return;
    try {
      const { name, revision, by, started, differences, ...counts } = shape.parse(
        JSON.parse(store.mark(MARK) ?? ''),
      );
      const set = loadPolicySet(text, name);
      // Another version of the schema makes another revision of the same text.
      this.#running = {
        set,
        head: { name, revision: revision === set.revision ? revision : set.revision, by, started },
        counts: { ...counts },
        differences: new Map(differences.map((each) => [keyOf(each), each])),
      };
    } catch (err) {
      if (!isFault(err) && !(err instanceof Error)) throw err;
      log.warn({ err }, 'a candidate set is no longer compared: it cannot be read again');
    }
  }
}
