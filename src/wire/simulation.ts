/**
 * A candidate policy set beside the one that decides: what control tells of the comparison. Nothing of it is enforced.
 */
import * as z from 'zod';
import { action } from './action.ts';
import { obligation } from './grant.ts';

const kinds = z.array(obligation.shape.kind);

/** Decisions on which the candidate differs in one way, for one user on one resource. */
export const simulatedDifference = z.strictObject({
  user: z.string(),
  roles: z.array(z.string()),
  resource: z.string(),
  /** What the candidate permits besides, and what it doesn't permit; obligations likewise. */
  gains: z.array(action),
  loses: z.array(action),
  asks: kinds,
  asksNoMore: kinds,
  reasons: z.array(z.string()),
  count: z.number().int().positive(),
  /** Epoch ms. */
  first: z.number().int(),
  last: z.number().int(),
});
export type SimulatedDifference = z.infer<typeof simulatedDifference>;

export const simulation = z.strictObject({
  /** For people: "spring-2027". */
  name: z.string().min(1).max(100),
  /** Of the candidate. */
  revision: z.string(),
  by: z.string(),
  started: z.number().int(),
  /** Decisions compared, and of these those on which the two differ. */
  decisions: z.number().int().nonnegative(),
  differing: z.number().int().nonnegative(),
  /** Not compared: more came at once than were kept waiting. */
  missed: z.number().int().nonnegative(),
  /** Decisions in which a policy of the candidate could not be evaluated. */
  failed: z.number().int().nonnegative(),
  /** At most MAX_DIFFERENCES of them, the first that were seen; `beyond` counts decisions that differ in yet other ways. */
  differences: z.array(simulatedDifference),
  beyond: z.number().int().nonnegative(),
});
export type Simulation = z.infer<typeof simulation>;

export const MAX_DIFFERENCES = 512;

/** Absent when no candidate is compared. */
export const simulationAnswer = z.strictObject({ simulation: simulation.optional() });

export const simulationRequests = {
  /** Replaces the candidate that is compared, if there is one. */
  'simulation.start': z.strictObject({
    name: z.string().min(1).max(100),
    /** Cedar text. */
    text: z.string().max(4 * 1024 * 1024),
  }),
  'simulation.stop': z.strictObject({}),
  'simulation.report': z.strictObject({}),
} as const;
