/**
 * Numbers and texts as messages, records and files carry them. A schema is never changed once it is made, so each is made
 * once and shared: a process has some thousand fields and pays for each schema at every start.
 */
import * as z from 'zod';

/** A whole number, of either sign. */
export const integer = z.number().int();
/** A whole number that counts something, or an instant: 0 or more. */
export const count = integer.nonnegative();
/** Text whose length something else bounds: the frame or the file that it comes in. */
export const anyText = z.string();

const texts = new Map<number, z.ZodString>();
const filledTexts = new Map<number, z.ZodString>();

function shared(made: Map<number, z.ZodString>, max: number, make: () => z.ZodString): z.ZodString {
  const known = made.get(max) ?? make();
  made.set(max, known);
  return known;
}

/** Text of at most `max` UTF-16 units. */
export const text = (max: number): z.ZodString => shared(texts, max, () => z.string().max(max));
/** Text of 1 to `max` UTF-16 units. */
export const filledText = (max: number): z.ZodString =>
  shared(filledTexts, max, () => z.string().min(1).max(max));
