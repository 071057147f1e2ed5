/** What the commands about break-glass, emergency, requests, reviews and exceptions share: one question, times as text. */
import type { LifeStatus } from '../wire/life.ts';
import { span, withControl } from './console.ts';

/** Hashing a credential takes its time. */
export const LIFE_TIMEOUT_MS = 10_000;

export const fetchLife = (): Promise<LifeStatus> =>
  withControl((control) => control.call('life.status', {}, { timeoutMs: LIFE_TIMEOUT_MS }));

export const moment = (at: number): string => new Date(at).toISOString().slice(0, 16).replace('T', ' ');

/** `in 3 h`, `2 d ago`. */
export const relative = (at: number, now: number): string =>
  at > now ? `in ${span(at - now)}` : `${span(now - at)} ago`;
