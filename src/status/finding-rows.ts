/**
 * Findings as the page shows them: each with its sentence, what to do, and its technique by name, from the tables of
 * `wire/`, so that the page itself needs none of them. What is over isn't shown. At most `SHOWN`, the worst first.
 */
import { attackSource, techniques } from '../wire/attack-ics.ts';
import type { Technique } from '../wire/attack-ics.ts';
import { findingKinds } from '../wire/finding.ts';
import type { KeptFinding } from '../wire/finding.ts';

export const SHOWN = 500;

export interface FindingRow extends KeptFinding {
  readonly text: string;
  readonly advice: string;
  readonly techniqueName: string;
}

export interface FindingsAnswer {
  readonly now: number;
  /** Which matrix the technique ids are of. */
  readonly source: string;
  /** How many there are, also of those past `SHOWN`. */
  readonly total: number;
  readonly findings: readonly FindingRow[];
}

/** Of findings in the order of `FindingLedger.list`. */
export function findingRows(list: readonly KeptFinding[], now: number): FindingsAnswer {
  const names: Readonly<Record<string, Technique | undefined>> = techniques;
  return {
    now,
    source: attackSource,
    total: list.length,
    findings: list.slice(0, SHOWN).map((finding) => {
      const { text, advice } = findingKinds[finding.kind];
      return { ...finding, text, advice, techniqueName: names[finding.technique]?.name ?? '' };
    }),
  };
}
