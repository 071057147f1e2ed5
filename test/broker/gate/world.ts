/** What gate tests need around a gate: a grant made to measure, sources that never change, and ways to read effects. */
import { actions as allActions } from '../../../src/wire/action.ts';
import type { Action, Protocol } from '../../../src/wire/action.ts';
import { grant as grantSchema } from '../../../src/wire/grant.ts';
import type { Grant } from '../../../src/wire/grant.ts';
import { epochMillis } from '../../../src/wire/units.ts';
import { openGate } from '../../../src/broker/gate/gate.ts';
import type { Effect, Gate, GateSources, Side } from '../../../src/broker/gate/gate.ts';

export const NOW = epochMillis(1_800_000_000_000);

export function grantOf(protocol: Protocol, actions: readonly Action[], reasons: string[] = []): Grant {
  const left = allActions.filter((each) => !actions.includes(each));
  return grantSchema.parse({
    session: `s-${'0123456789abcdef'.repeat(2)}`,
    subject: {
      user: 'rita@clinic',
      roles: ['radiologist'],
      peer: 'rita-laptop',
      userDevice: 'laptop',
      posture: { level: 'good', score: 90 },
      kex: 'classical',
      source: { address: '100.96.0.7', port: 40_000 },
    },
    target: {
      resource: 'pacs',
      device: 'archive',
      protocol,
      virtual: { address: '100.96.128.1', port: 104 },
      dial: { address: '192.0.2.10', port: 104 },
    },
    actions,
    obligations: [],
    limits: { idle: 60_000, end: NOW + 3_600_000 },
    expiresAt: NOW + 3_600_000,
    rules: ['rule-1'],
    denials: left.length === 0 ? [] : reasons.map((reason) => ({ actions: left, rules: ['rule-2'], reason })),
    revision: 'r1',
  });
}

/** Random bytes that count up: control ids are new and known. */
export function countingSources(): GateSources {
  let count = 0;
  return { now: () => NOW, random: (bytes) => new Uint8Array(bytes).fill(++count) };
}

export const gateOf = (protocol: Protocol, actions: readonly Action[], reasons?: string[]): Gate =>
  openGate({ grant: grantOf(protocol, actions, reasons), ...countingSources() });

/** Everything sent to one side, in one piece. */
export const sentTo = (side: Side, effects: readonly Effect[]): Buffer =>
  Buffer.concat(
    effects.flatMap((effect) => (effect.kind === 'send' && effect.to === side ? [effect.bytes] : [])),
  );

/** `unit C-STORE modify user`, `refused …`, `weird …`, `end`, in order, without the sends. */
export const told = (effects: readonly Effect[]): string[] =>
  effects.flatMap((effect) => {
    switch (effect.kind) {
      case 'send':
        return [];
      case 'unit':
        return [`unit ${effect.unit} ${effect.action} ${effect.from}`];
      case 'refused':
        return [`refused ${effect.unit} ${effect.action ?? '-'} ${effect.from}`];
      case 'weird':
        return [`weird ${effect.name} ${effect.from}`];
      case 'end':
        return [`end ${effect.reason}`];
    }
  });

/** Feeds a gate in pieces cut at `cuts`, all effects in order. Sends are copied, as a socket's owner would. */
export function feed(gate: Gate, from: Side, bytes: Uint8Array, cuts: readonly number[] = []): Effect[] {
  const effects: Effect[] = [];
  const edges = [...new Set([...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length])].sort(
    (a, b) => a - b,
  );
  let at = 0;
  for (const edge of edges) {
    // The piece is overwritten afterwards: a gate that kept it would be found out.
    const piece = Uint8Array.from(bytes.subarray(at, edge));
    for (const effect of gate.receive(from, piece))
      effects.push(effect.kind === 'send' ? { ...effect, bytes: Uint8Array.from(effect.bytes) } : effect);
    piece.fill(0xee);
    at = edge;
  }
  return effects;
}
