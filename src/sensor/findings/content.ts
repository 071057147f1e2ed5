/**
 * One unit of content as the rules on it get it, a datagram or a message of a stream (`unit.ts`), and the bits that they
 * keep of a flow.
 *
 * Whatever a rule matches, its evidence is words of its own: no byte of the packet is ever in it.
 */
import type { FindingKind } from '../../wire/finding.ts';
import type { Flow, Side } from '../flow.ts';
import type { Reading } from '../identify.ts';

/** What rules remember of a flow. */
export const mark = {
  /** The server greeted as FTP and POP3 do. */
  greeted: 1,
  /** A nameless user logs in, which tells nothing. */
  anonymous: 2,
  /** A password was asked for. */
  asked: 4,
  /** Bound to a print service. */
  print: 8,
  /** Said already: once a flow is enough. */
  said: 16,
} as const;

/** What is raised against an end of a flow. */
export interface Charge {
  readonly kind: FindingKind;
  readonly key: string;
  readonly evidence: string;
}

/** One object that every packet is looked at through: the path is taken once a packet. */
export class Look {
  flow!: Flow<Reading>;
  from: Side = 0;
  bytes: Uint8Array = new Uint8Array(0);
  /** What the flow speaks by its content. */
  protocol: string | undefined;
  readonly #raise: (side: Side, charge: Charge) => void;

  constructor(raise: (side: Side, charge: Charge) => void) {
    this.#raise = raise;
  }

  /** Against an end of the flow. */
  raise(side: Side, kind: FindingKind, key: string, evidence: string): void {
    this.#raise(side, { kind, key, evidence });
  }

  has(bit: number): boolean {
    return (this.flow.mark & bit) !== 0;
  }

  set(bit: number): void {
    this.flow.mark |= bit;
  }

  clear(bit: number): void {
    this.flow.mark &= ~bit;
  }
}

/** A rule on content; it must be cheap for what it isn't about. */
export type ContentRule = (look: Look) => void;

/** `text` stands at `at`, whatever the case of its letters; `text` is upper case. */
export function saysAt(bytes: Uint8Array, at: number, text: string): boolean {
  if (at + text.length > bytes.length) return false;
  for (let i = 0; i < text.length; i++) {
    const byte = bytes[at + i] as number;
    const upper = byte >= 0x61 && byte <= 0x7a ? byte - 32 : byte;
    if (upper !== text.charCodeAt(i)) return false;
  }
  return true;
}
