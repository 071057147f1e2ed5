/**
 * Units as types: a number that carries its unit can't be passed where another unit is meant.
 *
 * Instants are milliseconds since the Unix epoch (`EpochMillis`) or since an arbitrary start
 * (`MonotonicMillis`); spans are `Millis`. Nothing here reads a clock: time is an argument.
 */

declare const unit: unique symbol;
type Unit<Base, Name extends string> = Base & { readonly [unit]: Name };

/** A span of time, in milliseconds. */
export type Millis = Unit<number, 'Millis'>;
/** An instant of the wall clock, milliseconds since 1970-01-01T00:00:00Z. */
export type EpochMillis = Unit<number, 'EpochMillis'>;
/** An instant of a clock that never goes back, milliseconds since an arbitrary start. */
export type MonotonicMillis = Unit<number, 'MonotonicMillis'>;

export const millis = (n: number): Millis => n as Millis;
export const seconds = (n: number): Millis => (n * 1000) as Millis;
export const minutes = (n: number): Millis => (n * 60_000) as Millis;
export const hours = (n: number): Millis => (n * 3_600_000) as Millis;
export const epochMillis = (n: number): EpochMillis => n as EpochMillis;
export const monotonicMillis = (n: number): MonotonicMillis => n as MonotonicMillis;

/** The instant `span` after `instant`, on the same clock. */
export function after<Instant extends EpochMillis | MonotonicMillis>(
  instant: Instant,
  span: Millis,
): Instant {
  return ((instant as number) + (span as number)) as Instant;
}

/** The span from `earlier` to `later`, negative when they are the other way round. */
export function between<Instant extends EpochMillis | MonotonicMillis>(
  earlier: Instant,
  later: Instant,
): Millis {
  return ((later as number) - (earlier as number)) as Millis;
}

/** A clock, handed to every room that needs the time. */
export interface Clock {
  /** Wall clock. */
  now(): EpochMillis;
  /** A clock that never goes back. */
  monotonic(): MonotonicMillis;
}
