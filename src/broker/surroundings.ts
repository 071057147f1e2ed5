/**
 * What the broker's rooms are handed from outside, since they open nothing themselves: a log, timers and the
 * two ends of a session. `main/broker.ts` gives the real ones, tests give theirs.
 */

/** Where a process writes what it did; the same shape as the platform's log. */
export interface Log {
  debug(fields: Readonly<Record<string, unknown>>, text: string): void;
  info(fields: Readonly<Record<string, unknown>>, text: string): void;
  warn(fields: Readonly<Record<string, unknown>>, text: string): void;
  error(fields: Readonly<Record<string, unknown>>, text: string): void;
}

export type Cancel = () => void;

/** Run `then` once after `ms`; the answer calls it off. */
export type Schedule = (ms: number, then: () => void) => Cancel;

/** The two ends of a session. */
export type Side = 'user' | 'device';

export const otherSide = (side: Side): Side => (side === 'user' ? 'device' : 'user');
