/**
 * A candidate policy set beside the one that decides: what control tells of the comparison. Nothing of it is enforced.
 */
import * as z from 'zod';
import { action } from './action.ts';
import { obligation } from './grant.ts';
import { anyText, count, filledText, integer, text } from './scalar.ts';

const kinds = z.array(obligation.shape.kind);

/** Decisions on which the candidate differs in one way, for one user on one resource. */
export const simulatedDifference = z.strictObject({
  user: anyText,
  roles: z.array(anyText),
  resource: anyText,
  /** What the candidate permits besides, and what it doesn't permit; obligations likewise. */
  gains: z.array(action),
  loses: z.array(action),
  asks: kinds,
  asksNoMore: kinds,
  reasons: z.array(anyText),
  count: integer.positive(),
  /** Epoch ms. */
  first: integer,
  last: integer,
});
export type SimulatedDifference = z.infer<typeof simulatedDifference>;

export const simulation = z.strictObject({
  /** For people: "spring-2027". */
  name: filledText(100),
  /** Of the candidate. */
  revision: anyText,
  by: anyText,
  started: integer,
  /** Decisions compared, and of these those on which the two differ. */
  decisions: count,
  differing: count,
  /** Not compared: more came at once than were kept waiting. */
  missed: count,
  /** Decisions in which a policy of the candidate could not be evaluated. */
  failed: count,
  /** At most MAX_DIFFERENCES of them, the first that were seen; `beyond` counts decisions that differ in yet other ways. */
  differences: z.array(simulatedDifference),
  beyond: count,
});
export type Simulation = z.infer<typeof simulation>;

export const MAX_DIFFERENCES = 512;

/** Absent when no candidate is compared. */
export const simulationAnswer = z.strictObject({ simulation: simulation.optional() });

export const simulationRequests = {
  /** Replaces the candidate that is compared, if there is one. */
  'simulation.start': z.strictObject({
    name: filledText(100),
    /** Cedar text. */
    text: text(4 * 1024 * 1024),
  }),
  'simulation.stop': z.strictObject({}),
  'simulation.report': z.strictObject({}),
} as const;
