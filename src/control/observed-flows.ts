/**
 * The flows that the sensor saw, as it told them last: for the east-west report and for drafts. Nothing of it is kept
 * on disk here; the sensor keeps its baselines and tells them again when control is back. Bounded: the flow unseen for
 * longest gives way.
 */
import type { BaselineFlow } from '../wire/finding.ts';

export const MAX_FLOWS = 16_384;
export const PAGE = 2048;

const keyOf = (f: BaselineFlow): string => `${f.mac} ${f.role} ${f.peer} ${f.transport}/${f.port}`;

export class ObservedFlows {
  readonly #flows = new Map<string, BaselineFlow>();

  get size(): number {
    return this.#flows.size;
  }

  take(flows: readonly BaselineFlow[]): void {
    for (const flow of flows) {
      const key = keyOf(flow);
      // Anew at the end: the map's order is that of the latest word.
      this.#flows.delete(key);
      this.#flows.set(key, flow);
    }
    for (const key of this.#flows.keys()) {
      if (this.#flows.size <= MAX_FLOWS) return;
      this.#flows.delete(key);
    }
  }

  /** A page of them, and where the next one begins. */
  page(from: number): { readonly flows: BaselineFlow[]; readonly next?: number } {
    const flows = [...this.#flows.values()].slice(from, from + PAGE);
    return { flows, ...(from + PAGE < this.#flows.size ? { next: from + PAGE } : {}) };
  }
}
