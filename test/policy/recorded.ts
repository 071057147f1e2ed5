/** Audit records of sessions, as the broker writes them: decided by the engine, used, ended. */
import { decide } from '../../src/policy/decide.ts';
import type { PolicySet } from '../../src/policy/policy-set.ts';
import type { AccessRequest } from '../../src/policy/request.ts';
import { factsOf, requestOf } from '../../src/policy/table-facts.ts';
import type { Action } from '../../src/wire/action.ts';
import { auditEvent } from '../../src/wire/audit-event.ts';
import type { AuditEvent } from '../../src/wire/audit-event.ts';
import { sessionId } from '../../src/wire/ids.ts';
import { epochMillis } from '../../src/wire/units.ts';

export type FactValues = Parameters<typeof factsOf>[0];

/** A request with facts by the names of decision tables. */
export function requestFrom(facts: FactValues): AccessRequest {
  const read = requestOf(factsOf(facts));
  if ('length' in read) throw new Error(read.map(({ text }) => text).join('; '));
  return read.request;
}

export interface Recorded {
  readonly seq: number;
  readonly time: number;
  readonly event: AuditEvent;
}

/** Keeps records in order; `session` is one whole session that used these actions, or a refusal. */
export class Records {
  readonly all: Recorded[] = [];
  readonly #set: PolicySet;
  readonly #start: number;
  #sessions = 0;

  constructor(set: PolicySet, start = 1_800_000_000_000) {
    this.#set = set;
    this.#start = start;
  }

  get events(): AuditEvent[] {
    return this.all.map(({ event }) => event);
  }

  put(event: unknown): void {
    const seq = this.all.length;
    const time = this.#start + seq * 1000;
    this.all.push({
      seq,
      time,
      event: auditEvent.parse({ at: time, origin: 'broker', ...(event as object) }),
    });
  }

  session(facts: FactValues, used: readonly Action[] = [], bare = false): string {
    const request = requestFrom(facts);
    const session = sessionId.parse(`s-${(++this.#sessions).toString(16).padStart(32, '0')}`);
    const limits = { idle: 900_000, session: 43_200_000 };
    const { decision } = decide(this.#set, request, session, epochMillis(this.#start), limits);
    const { subject, target } = request;
    if (decision.decision === 'deny') {
      const { facts: known, ...refusal } = decision.refusal;
      this.put({ kind: 'session.refused', body: { refusal: bare ? refusal : { ...refusal, facts: known } } });
      return session;
    }
    const { facts: known, ...grant } = decision.grant;
    this.put({ kind: 'session.start', body: { grant: bare ? grant : { ...grant, facts: known } } });
    for (const action of used) {
      const rules = grant.rules;
      this.put({
        kind: 'session.unit',
        body: { session, unit: `U-${action}`, action, rules, subject, target },
      });
    }
    const counted = { durationMs: 1, bytesToDevice: 1, bytesToUser: 1, units: {} };
    this.put({ kind: 'session.end', body: { session, subject, target, reason: 'closed', ...counted } });
    return session;
  }
}
