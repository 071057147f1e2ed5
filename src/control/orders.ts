/**
 * Signed orders as they arrive: believed or not, each once. An emergency that starts or ends by one needs no officer on
 * the spot; any valid one is news of the coordinator, and restarts the grace.
 *
 * Ids of orders that were applied are kept until long after they could be applied again, over restarts too.
 */
import type { OrderCheck } from '../policy/order.ts';
import { Fault } from '../wire/errors.ts';
import type { EpochMillis } from '../wire/units.ts';
import type { EmergencyMode } from './emergency.ts';
import type { Grace } from './grace.ts';
import type { Surroundings } from './surroundings.ts';

const APPLIED = 'applied-orders';
const APPLIED_KEPT = 4096;

export interface OrdersOptions extends Pick<Surroundings, 'clock' | 'store' | 'journal'> {
  readonly emergency: EmergencyMode;
  readonly grace: Grace;
  /** Signatures, audience and time, by the pinned signers. */
  readonly check: (bytes: Uint8Array, now: EpochMillis) => OrderCheck;
}

export class Orders {
  readonly #options: OrdersOptions;
  readonly #applied: Set<string>;

  constructor(options: OrdersOptions) {
    this.#options = options;
    this.#applied = new Set((options.store.mark(APPLIED) ?? '').split(' ').filter((id) => id !== ''));
  }

  /** What was done, in words. Faults ORDER_REFUSED, EMERGENCY_ACTIVE, EMERGENCY_NONE. */
  apply(bytes: Uint8Array): string {
    const { check, clock, emergency, grace, journal, store } = this.#options;
    const checked = check(bytes, clock.now());
    if (checked.kind === 'refused') {
      journal.write('operator.action', {
        operator: 'signed order',
        verb: 'order.apply',
        object: checked.why,
        outcome: 'refused',
      });
      throw new Fault('ORDER_REFUSED', checked.why);
    }
    const { order, signer } = checked;
    if (this.#applied.has(order.id)) throw new Fault('ORDER_REFUSED', 'It was applied before.');
    // Remembered first: an order that fails half way isn't tried again.
    this.#applied.add(order.id);
    store.saveMarks({ [APPLIED]: [...this.#applied].slice(-APPLIED_KEPT).join(' ') });
    grace.contact();
    journal.write('operator.action', {
      operator: order.officer,
      verb: 'order.apply',
      object: `${order.order}, order ${order.id}, signer ${signer}`,
      outcome: 'done',
    });
    const actor = { by: order.officer, via: 'signed order' } as const;
    switch (order.order) {
      case 'emergency.start':
        return `Emergency mode until ${new Date(emergency.start(actor, order.reason, order.hours).until).toISOString()}.`;
      case 'emergency.end':
        emergency.end(actor, order.reason);
        return 'Emergency mode is over.';
      case 'contact':
        return 'The coordinator was heard of.';
    }
  }
}
