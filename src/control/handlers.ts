/**
 * The verbs of the control socket that broker, sensor and operators call in every gateway. A part of the room with
 * verbs of its own brings its handlers along (`…Handlers` beside its noun); control puts them all together.
 */
import type { Overview } from '../wire/messages.ts';
import type { Clock } from '../wire/units.ts';
import type { HealthList } from './health.ts';
import type { InventoryDesk } from './inventory-desk.ts';
import type { LiveGrants } from './live-grants.ts';
import type { Neighbours } from './neighbours.ts';
import type { Caller, ControlHandlers } from './ports.ts';
import type { Registry } from './registry.ts';

export type CoreVerb =
  | 'session.authorize'
  | 'session.started'
  | 'session.progress'
  | 'session.ended'
  | 'broker.health'
  | 'sensor.observed'
  | 'operator.overview'
  | 'operator.revoke';

export interface CoreHandlersOptions {
  readonly clock: Clock;
  readonly neighbours: Neighbours;
  readonly registry: Registry;
  readonly grants: LiveGrants;
  readonly health: HealthList;
  readonly inventory: Pick<InventoryDesk, 'observed'>;
  readonly overview: () => Overview;
}

/** How an operator is named in the audit log. */
export const operatorName = (caller: Caller): string => `uid ${caller.uid}`;

export function coreHandlers(options: CoreHandlersOptions): Pick<ControlHandlers, CoreVerb> {
  const { clock, neighbours, registry, grants, health, inventory, overview } = options;
  return {
    'session.authorize': (question, caller) => {
      neighbours.heard('broker', caller);
      return grants.authorize(question);
    },
    'session.started': ({ grant, progress }, caller) => {
      neighbours.heard('broker', caller);
      grants.started(grant, progress, caller);
      return {};
    },
    'session.progress': ({ sessions }, caller) => {
      neighbours.heard('broker', caller);
      for (const progress of sessions) registry.progress(progress);
      return {};
    },
    'session.ended': ({ progress, reason }, caller) => {
      neighbours.heard('broker', caller);
      registry.ended(progress, reason, clock.now());
      return {};
    },
    'broker.health': (report, caller) => {
      neighbours.heard('broker', caller);
      health.report('broker', report.health);
      return {};
    },
    'sensor.observed': (report, caller) => {
      neighbours.heard('sensor', caller);
      health.report('sensor', report.health);
      inventory.observed(report);
      return {};
    },
    'operator.overview': overview,
    'operator.revoke': ({ session, reason }, caller) => {
      grants.revoke(session, reason, operatorName(caller));
      return {};
    },
  };
}
