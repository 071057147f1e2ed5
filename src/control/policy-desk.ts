/**
 * A change of policy, from wherever it comes to all whom it concerns, in one turn: the set decides, the directory and
 * the broker's listeners follow, every live session is decided again, and it is written down.
 */
import type { AuditBody } from '../wire/audit-event.ts';
import { Fault } from '../wire/errors.ts';
import type { SiteData } from '../wire/site-data.ts';
import type { EpochMillis } from '../wire/units.ts';
import type { Directory } from './directory.ts';
import { operatorName } from './handlers.ts';
import type { Inventory } from './inventory.ts';
import type { Journal } from './journal.ts';
import type { LiveGrants } from './live-grants.ts';
import type { OwnHealth } from './own-health.ts';
import type { PolicySource, Reload } from './policy-source.ts';
import type { ControlHandlers, Ports } from './ports.ts';

export type PolicyVerb =
  | 'broker.directory'
  | 'operator.policy.install'
  | 'operator.policy.status'
  | 'operator.policy.content';

export interface PolicyDeskOptions {
  readonly ports: Pick<Ports, 'clock' | 'log' | 'broker'>;
  readonly source: PolicySource;
  /** The site's data in force. */
  readonly site: () => SiteData;
  readonly directory: Directory;
  readonly inventory: Inventory;
  readonly grants: LiveGrants;
  readonly journal: Journal;
  readonly health: OwnHealth;
  /** A new set is in force; not at the start. */
  readonly onActivated: () => void;
  /** The configured file, for the log. */
  readonly file: string;
}

export class PolicyDesk {
  readonly #options: PolicyDeskOptions;

  constructor(options: PolicyDeskOptions) {
    this.#options = options;
  }

  /** Put in force what was last, or what there is. Faults of a plain file that leaves nothing to decide with. */
  start(now: EpochMillis): void {
    const event = this.#options.source.start(now);
    if (event) this.#inForce(event);
    else this.#options.ports.log.warn({}, 'no policy decides yet: every session is refused');
  }

  /** Read the configured file again. */
  reload(operator: string): void {
    const { source, ports, file } = this.#options;
    this.#done(source.reload(ports.clock.now()), operator, 'policy.reload', file);
  }

  handlers(): Pick<ControlHandlers, PolicyVerb> {
    const { source, ports, directory, site } = this.#options;
    return {
      'broker.directory': () => ({
        devices: [...directory.devices.values()],
        resources: [...directory.resources.values()],
      }),
      'operator.policy.install': ({ bundle }, caller) => {
        const operator = operatorName(caller);
        const outcome = source.install(Buffer.from(bundle, 'base64'), ports.clock.now(), operator);
        this.#done(outcome, operator, 'policy.install', source.status().revision ?? '');
        if (outcome.kind === 'refused') throw new Fault(outcome.fault.code, outcome.fault.detail);
        return source.status();
      },
      'operator.policy.status': () => source.status(),
      'operator.policy.content': () => ({
        ...(source.set ? { policies: source.set.text } : {}),
        site: site(),
        directory: {
          users: [...directory.users.values()],
          devices: [...directory.devices.values()],
          resources: [...directory.resources.values()],
        },
      }),
    };
  }

  #done(outcome: Reload, operator: string, verb: string, object: string): void {
    const { journal, ports, grants, health } = this.#options;
    const refused = outcome.kind === 'refused';
    journal.write('operator.action', { operator, verb, object, outcome: refused ? 'refused' : 'done' });
    if (refused) {
      if (outcome.event) journal.write('policy.refused', outcome.event);
      ports.log.error({ err: outcome.fault }, 'a policy was not taken; what is in force stays');
    }
    if (outcome.kind === 'activated') {
      this.#inForce(outcome.event);
      this.#options.onActivated();
      ports.broker.directoryChanged();
      grants.reconsider();
    }
    health.update();
  }

  #inForce(event: AuditBody<'policy.activated'>): void {
    const { source, directory, inventory, ports, journal } = this.#options;
    directory.replace(source.directory);
    inventory.directoryChanged();
    journal.write('policy.activated', event);
    ports.log.info({ revision: event.revision, policies: event.policies }, 'policy activated');
  }
}
