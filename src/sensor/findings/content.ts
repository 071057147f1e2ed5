/**
 * One packet's content as the rules on it get it, and the bits that they keep of a flow. Rules look at single packets,
 * not at a reassembled stream: what they look for is the beginning of a message, and messages begin where packets do.
 *
 * Whatever a rule matches, its evidence is words of its own: no byte of the packet is ever in it.
 */
import type { FindingKind, Severity } from '../../wire/finding.ts';
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

export interface Look {
  readonly flow: Flow<Reading>;
  readonly from: Side;
  readonly bytes: Uint8Array;
  /** What the flow speaks by its content. */
  readonly protocol: string | undefined;
  /** Against an end of the flow. */
  raise(side: Side, kind: FindingKind, key: string, evidence: string, severity?: Severity): void;
  has(bit: number): boolean;
  set(bit: number): void;
  clear(bit: number): void;
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
