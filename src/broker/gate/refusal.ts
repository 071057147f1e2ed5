/**
 * What the gates of refused sessions have in common: they speak once, to the user only, and are over. What they say
 * and when is each protocol's own (`receive`).
 */
import type { Grant } from '../../wire/grant.ts';
import type { Effect, Gate, Side } from './gate.ts';

export abstract class RefusalGate implements Gate {
  protected over = false;

  abstract receive(from: Side, bytes: Uint8Array): Effect[];

  closed(from: Side): Effect[] {
    return this.revoke(`closed by the ${from}`);
  }

  regrant(_grant: Grant): void {
    // Nothing was granted, so nothing can be granted again: a refused session opens anew.
  }

  revoke(reason: string): Effect[] {
    if (this.over) return [];
    this.over = true;
    return [{ kind: 'end', reason }];
  }
}
