/**
 * The broker's part of the health list: `broker.listeners`, `broker.control`, `broker.audit`, `broker.places`, and
 * `broker.emergency-journal`.
 * Each text says what holds, what still works and what to do.
 */
import type { HealthItem } from '../wire/health.ts';
import type { EpochMillis } from '../wire/units.ts';
import type { RecorderState } from './recorder.ts';

export interface HealthFacts {
  /** Listeners that don't work, described. */
  readonly listeners: readonly string[];
  readonly resources: number;
  readonly controlConnected: boolean;
  readonly recorder: RecorderState;
  readonly sessions: number;
  readonly sessionLimit: number;
}

type Said = Omit<HealthItem, 'since'>;

/** Share of the places taken from which on it is worth a warning. */
const FULL_SHARE = 0.9;

function say(facts: HealthFacts): Said[] {
  const { listeners, recorder } = facts;
  const listen: Said =
    listeners.length === 0
      ? { item: 'broker.listeners', level: 'ok', text: `All ${facts.resources} resources are listened on.` }
      : {
          item: 'broker.listeners',
          level: 'critical',
          text: `Not reachable: ${listeners.join(', ')}. The others work. Tried again by itself; check the tunnel and the address.`,
        };
  const control: Said = facts.controlConnected
    ? { item: 'broker.control', level: 'ok', text: 'Control answers.' }
    : {
        item: 'broker.control',
        level: 'critical',
        text: 'Control is not connected: open sessions go on, new ones are refused until it is back.',
      };
  const full = facts.sessions >= facts.sessionLimit * FULL_SHARE;
  const places: Said = {
    item: 'broker.places',
    level: full ? 'warning' : 'ok',
    text: `${facts.sessions} of ${facts.sessionLimit} places for sessions are taken.`,
  };
  return [listen, control, sayAudit(recorder), ...sayEmergency(recorder), places];
}

function sayAudit(recorder: RecorderState): Said {
  const item = 'broker.audit';
  const lost = recorder.uncounted > 0 ? ` ${recorder.uncounted} refusals were not recorded one by one.` : '';
  if (recorder.failing === undefined)
    return { item, level: lost === '' ? 'ok' : 'warning', text: `The audit log takes records.${lost}` };
  const why = recorder.failing === 'AUDIT_STORAGE_FULL' ? 'is full' : 'cannot be written';
  const text = `The audit log ${why}: new sessions are refused, open ones go on; ${recorder.waiting} records wait.${lost}`;
  return { item, level: 'critical', text };
}

function sayEmergency({ emergency }: RecorderState): Said[] {
  if (!emergency) return [];
  const item = 'broker.emergency-journal';
  const { held, volatile } = emergency;
  if (held === 0) return [{ item, level: 'ok', text: 'The emergency journal is empty.' }];
  const lose =
    volatile === 0
      ? ''
      : ` ${volatile} of them are in memory only and would be lost with the power: do not switch off.`;
  const text = `Sessions by break-glass go on without the audit log: ${held} records are in the emergency journal and wait for it.${lose} Make the audit log work again.`;
  return [{ item, level: 'critical', text }];
}

/** Keeps since when each item has had its level. */
export class BrokerHealth {
  readonly #since = new Map<string, { level: HealthItem['level']; text: string; since: number }>();

  /** The list as `facts` have it, and whether any level or text differs from the last one. */
  list(facts: HealthFacts, now: EpochMillis): { readonly items: HealthItem[]; readonly changed: boolean } {
    let changed = false;
    const items = say(facts).map((said) => {
      const last = this.#since.get(said.item);
      const since = last?.level === said.level ? last.since : now;
      if (last?.level !== said.level || last.text !== said.text) changed = true;
      this.#since.set(said.item, { level: said.level, text: said.text, since });
      return { ...said, since };
    });
    return { items, changed };
  }
}
