/**
 * An order of the office on a stick: reset or decommission (`provision-reset.ts`), and its receipt back to the stick.
 * Plugging in the stick is the presence that a reset takes; the signature is what makes it an order.
 */
import type { ApplyOptions, Outcome } from './provision-apply.ts';
import { readEnrolled, readMemory } from './provision-memory.ts';
import type { Places } from './provision-memory.ts';
import { farewellFile, judgeOrder, leave, ownOf } from './provision-reset.ts';
import { NOT_ON_STICK, writeBack } from './provision-stick.ts';
import type { StickContent } from './provision-stick.ts';

export interface Ordered {
  readonly outcome: Outcome;
  /** It was carried out just now, so nothing else of the stick is looked at. */
  readonly executed: boolean;
}

const left = (outcome: Outcome): Ordered => ({ outcome, executed: false });

/** Of the orders on a stick the first that is for this gateway is carried out. One that was gives its receipt again. */
export function applyOrders(
  places: Places,
  root: string,
  orders: StickContent['answers'],
  options: ApplyOptions,
): Ordered {
  const memory = readMemory(places);
  const enrolled = readEnrolled(places);
  const done = orders.find(({ name }) => memory.used.includes(name.slice('order-'.length)));
  if (done && !enrolled) {
    const last = memory.lastEnrolment;
    if (last === undefined) return left({ code: 'E07' });
    options.step?.('receipt');
    switch (writeBack(farewellFile(places, last), root, `farewell-${last}`)) {
      case 'written':
        return left({ code: 'OK5' });
      case 'there':
        return left({ code: 'OK4' });
      case 'failed':
        return left({ code: 'OK5', detail: NOT_ON_STICK });
    }
  }
  if (!enrolled) return left({ code: 'E12', detail: 'nothing to reset' });
  const now = Math.max(options.now, memory.floor);
  const own = ownOf(places, enrolled, memory);
  const judged = orders.map(({ bytes }) => ({
    bytes,
    verdict: judgeOrder(bytes, options.signers, own, now),
  }));
  for (const { bytes, verdict } of judged) {
    if (verdict.kind !== 'order') continue;
    const { state, signers, stopProcesses, step } = options;
    const { order: what, reason } = verdict.order;
    leave({
      state,
      signers,
      now,
      what,
      by: bytes,
      reason,
      ...(stopProcesses && { stopProcesses }),
      ...(step && { step }),
    });
    step?.('receipt');
    const { bundle } = enrolled;
    const written = writeBack(farewellFile(places, bundle), root, `farewell-${bundle}`) !== 'failed';
    return { outcome: { code: 'OK5', ...(written ? {} : { detail: NOT_ON_STICK }) }, executed: true };
  }
  const refusal = judged.map(({ verdict }) => verdict).find((verdict) => verdict.kind === 'refused');
  return left(
    refusal?.kind === 'refused'
      ? { code: refusal.code, detail: `the order: ${refusal.why}` }
      : { code: 'E01' },
  );
}
