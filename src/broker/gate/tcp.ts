/**
 * The gate of raw TCP: allow or deny, nothing in between. The bytes aren't understood, so they may carry
 * anything the device can do; the session needs `modify`, the action a step-down takes away first, and a
 * session that loses it ends at its next byte. Policy can't promise read-only access over this protocol.
 *
 * What surprises: a refusal has no words here; the connection closes.
 */
import type { Grant } from '../../wire/grant.ts';
import type { Effect, Gate, GateContext, Side } from './gate.ts';
import { RefusalGate } from './refusal.ts';

/** What opaque bytes need. */
const needed = 'modify';

class TcpGate implements Gate {
  #grant: Grant;
  #over = false;
  #named = false;
  #halfClosed: Side | undefined;

  constructor(grant: Grant) {
    this.#grant = grant;
  }

  receive(from: Side, bytes: Uint8Array): Effect[] {
    if (this.#over) return [];
    if (!this.#grant.actions.includes(needed)) {
      this.#over = true;
      const reason = 'raw TCP needs modify, which this session does not have';
      return [
        { kind: 'refused', unit: 'TCP', action: needed, reason, from },
        { kind: 'end', reason },
      ];
    }
    if (bytes.length === 0) return [];
    const effects: Effect[] = [];
    if (from === 'user' && !this.#named) {
      this.#named = true;
      effects.push({ kind: 'unit', unit: 'TCP', action: needed, from });
    }
    effects.push({ kind: 'send', to: from === 'user' ? 'device' : 'user', bytes });
    return effects;
  }

  closed(from: Side): Effect[] {
    // A half-close says "I am done, now answer": the other direction goes on.
    if (this.#halfClosed !== undefined && this.#halfClosed !== from)
      return this.#end(`closed by the ${from}`);
    this.#halfClosed = from;
    return [];
  }

  regrant(grant: Grant): void {
    this.#grant = grant;
  }

  revoke(reason: string): Effect[] {
    return this.#end(reason);
  }

  #end(reason: string): Effect[] {
    if (this.#over) return [];
    this.#over = true;
    return [{ kind: 'end', reason }];
  }
}

class TcpRefusal extends RefusalGate {
  readonly #reason: string;

  constructor(reason: string) {
    super();
    this.#reason = reason;
  }

  receive(from: Side, _bytes: Uint8Array): Effect[] {
    if (this.over) return [];
    this.over = true;
    return [
      { kind: 'refused', unit: 'TCP', reason: this.#reason, from },
      { kind: 'end', reason: this.#reason },
    ];
  }
}

export const openTcpGate = (context: GateContext): Gate => new TcpGate(context.grant);

export const openTcpRefusal = (reason: string): Gate => new TcpRefusal(reason);
