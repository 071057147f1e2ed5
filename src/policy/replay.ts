/**
 * Recorded decisions, put again. An audit record of a session's start, of a later decision on it or of its refusal holds
 * who asked for what and the facts that were known; from that comes the same request, and from the set of then the same
 * answer. Records without facts (of versions before they were kept, and refusals before any policy was asked) can't be
 * put again, and are counted with what they lack.
 */
import type { Action } from '../wire/action.ts';
import type { AuditEvent, AuditRecord } from '../wire/audit-event.ts';
import type { Obligation } from '../wire/grant.ts';
import { evaluate } from './evaluate.ts';
import type { Evaluation } from './evaluate.ts';
import type { PolicySet } from './policy-set.ts';
import type { AccessRequest } from './request.ts';

export interface RecordedDecision {
  readonly seq: number;
  readonly time: number;
  readonly session: string;
  /** What was answered then. */
  readonly permitted: readonly Action[];
  readonly revision: string;
  /** Missing where the record can't be put again; `lacks` says what it lacks. */
  readonly request?: AccessRequest;
  readonly lacks: readonly string[];
  readonly user?: string;
  readonly resource?: string;
}

/** The decision that an event records, or undefined for an event that records none. */
export function decisionOf(
  record: Pick<AuditRecord, 'seq' | 'time' | 'event'>,
): RecordedDecision | undefined {
  const { seq, time } = record;
  const event: AuditEvent = record.event;
  switch (event.kind) {
    case 'session.start':
    case 'session.regranted': {
      const { session, subject, target, facts, actions, revision } = event.body.grant;
      return {
        seq,
        time,
        session,
        revision,
        permitted: actions,
        user: subject.user,
        resource: target.resource,
        ...(facts ? { request: { ...facts, subject, target }, lacks: [] } : { lacks: ['facts'] }),
      };
    }
    case 'session.refused': {
      const { session, subject, target, facts, revision } = event.body.refusal;
      const parts = Object.entries({ subject, target, facts });
      return {
        seq,
        time,
        session,
        revision,
        permitted: [],
        lacks: parts.filter(([, part]) => part === undefined).map(([name]) => name),
        ...(subject ? { user: subject.user } : {}),
        ...(target ? { resource: target.resource } : {}),
        ...(subject && target && facts ? { request: { ...facts, subject, target } } : {}),
      };
    }
    default:
      return undefined;
  }
}

/** Two answers to one request, as far as they differ. */
export interface Change {
  readonly gains: readonly Action[];
  readonly loses: readonly Action[];
  readonly asks: readonly Obligation['kind'][];
  readonly asksNoMore: readonly Obligation['kind'][];
}

export interface ChangedDecision extends Change {
  readonly user: string;
  readonly resource: string;
  readonly roles: readonly string[];
  /** How often, and the first and the last record of it. */
  readonly count: number;
  readonly first: number;
  readonly last: number;
  readonly time: number;
  /** Why what was lost is refused now. */
  readonly reasons: readonly string[];
}

export interface Replay {
  readonly decisions: number;
  readonly replayed: number;
  /** Answered otherwise by the old set than was recorded: other facts, another revision. */
  readonly unlike: number;
  /** By what the records lack: how many. */
  readonly lacking: ReadonlyMap<string, number>;
  /** Recorded under these revisions. */
  readonly revisions: ReadonlySet<string>;
  readonly changed: readonly ChangedDecision[];
}

const without = <T>(all: readonly T[], some: readonly T[]): T[] => all.filter((each) => !some.includes(each));

export function compareAnswers(was: Evaluation, is: Evaluation): Change & { readonly reasons: string[] } {
  const kinds = ({ obligations }: Evaluation): Obligation['kind'][] => [
    ...new Set(obligations.map(({ kind }) => kind)),
  ];
  const loses = without(was.permitted, is.permitted);
  // A refusal asks for nothing: that isn't a difference of its own.
  const both = was.permitted.length > 0 && is.permitted.length > 0;
  return {
    gains: without(is.permitted, was.permitted),
    loses,
    asks: both ? without(kinds(is), kinds(was)) : [],
    asksNoMore: both ? without(kinds(was), kinds(is)) : [],
    reasons: is.denials
      .filter((each) => each.actions.some((action) => loses.includes(action)))
      .map((each) => each.reason),
  };
}

export const isSame = ({ gains, loses, asks, asksNoMore }: Change): boolean =>
  gains.length + loses.length + asks.length + asksNoMore.length === 0;

/** Puts recorded decisions to two sets, one after the other; memory grows with what differs, not with the log. */
export class Replayer {
  readonly #before: PolicySet;
  readonly #after: PolicySet;
  readonly #changed = new Map<string, ChangedDecision>();
  readonly #lacking = new Map<string, number>();
  readonly #revisions = new Set<string>();
  #decisions = 0;
  #replayed = 0;
  #unlike = 0;

  constructor(before: PolicySet, after: PolicySet) {
    this.#before = before;
    this.#after = after;
  }

  put(record: Pick<AuditRecord, 'seq' | 'time' | 'event'>): void {
    const decision = decisionOf(record);
    if (!decision) return;
    this.#decisions++;
    this.#revisions.add(decision.revision);
    const { request, seq, time } = decision;
    if (!request) {
      const lacks = decision.lacks.join(', ');
      this.#lacking.set(lacks, (this.#lacking.get(lacks) ?? 0) + 1);
      return;
    }
    this.#replayed++;
    const then = evaluate(this.#before, request);
    if (then.permitted.join() !== decision.permitted.join()) this.#unlike++;
    const change = compareAnswers(then, evaluate(this.#after, request));
    if (isSame(change)) return;
    const { user, roles } = request.subject;
    const { resource } = request.target;
    const { gains, loses, asks, asksNoMore, reasons } = change;
    const key = JSON.stringify([user, resource, gains, loses, asks, asksNoMore]);
    const known = this.#changed.get(key);
    this.#changed.set(
      key,
      known
        ? {
            ...known,
            count: known.count + 1,
            last: seq,
            time,
            reasons: [...new Set([...known.reasons, ...reasons])],
          }
        : {
            ...change,
            reasons: [...new Set(reasons)],
            user,
            roles,
            resource,
            count: 1,
            first: seq,
            last: seq,
            time,
          },
    );
  }

  result(): Replay {
    return {
      decisions: this.#decisions,
      replayed: this.#replayed,
      unlike: this.#unlike,
      lacking: this.#lacking,
      revisions: this.#revisions,
      changed: [...this.#changed.values()].sort(
        (a, b) => b.loses.length - a.loses.length || b.count - a.count,
      ),
    };
  }
}
