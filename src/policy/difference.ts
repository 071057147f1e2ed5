/** Two revisions of a set, policy by policy: what is new, gone, decides otherwise, or is only worded otherwise. */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { formatPolicies, policyToText } from './cedar.ts';
import { examine } from './examine.ts';
import type { PolicySet } from './policy-set.ts';

export interface PolicyDifference {
  readonly id: string;
  readonly kind: 'new' | 'gone' | 'changed' | 'reworded';
  readonly effect: 'permit' | 'forbid';
  readonly reason: string;
  /** Lines with "- ", "+ " or two spaces before them, for what is changed or reworded. */
  readonly lines: readonly string[];
}

/** Annotations that decide something; the rest is words. */
const DECIDING = ['tier', 'session', 'idle', 'stepup'];

function deciding({ effect, principal, action, resource, conditions, annotations }: PolicyJson): string {
  const notes = DECIDING.map((name) => annotations?.[name] ?? null);
  return JSON.stringify([effect, principal, action, resource, conditions, notes]);
}

function linesOf(policy: PolicyJson): string[] {
  const answer = policyToText(policy);
  if (answer.type === 'failure') throw new Error(answer.errors.map(({ message }) => message).join('; '));
  // Laid out in narrow lines, so that what stands in the same words stands in the same lines.
  const formatted = formatPolicies({ policyText: answer.text, lineWidth: 70, indentWidth: 2 });
  const text = formatted.type === 'failure' ? answer.text : formatted.formatted_policy;
  return text.split('\n').filter((line) => line.trim() !== '');
}

/** By the longest common subsequence. */
export function lineDifference(before: readonly string[], after: readonly string[]): string[] {
  const length: number[][] = Array.from({ length: before.length + 1 }, () =>
    Array.from({ length: after.length + 1 }, () => 0),
  );
  const at = (i: number, j: number): number => length[i]?.[j] ?? 0;
  for (let i = before.length - 1; i >= 0; i--)
    for (let j = after.length - 1; j >= 0; j--) {
      const row = length[i];
      if (row) row[j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  const lines: string[] = [];
  for (let i = 0, j = 0; i < before.length || j < after.length;) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push(`  ${before[i++]}`);
      j++;
    } else if (j === after.length || (i < before.length && at(i + 1, j) >= at(i, j + 1)))
      lines.push(`- ${before[i++]}`);
    else lines.push(`+ ${after[j++]}`);
  }
  return lines;
}

/** Sorted by id. */
export function differences(before: PolicySet, after: PolicySet): PolicyDifference[] {
  const [was, is] = [examine(before.text).parts, examine(after.text).parts];
  const found: PolicyDifference[] = [];
  for (const id of [...new Set([...was.keys(), ...is.keys()])].sort()) {
    const [old, now] = [was.get(id)?.json, is.get(id)?.json];
    const say = (kind: PolicyDifference['kind'], policy: PolicyJson, lines: string[]): void => {
      found.push({ id, kind, effect: policy.effect, reason: policy.annotations?.['reason'] ?? '', lines });
    };
    if (old && now) {
      if (JSON.stringify(old) === JSON.stringify(now)) continue;
      const kind = deciding(old) === deciding(now) ? 'reworded' : 'changed';
      say(kind, now, lineDifference(linesOf(old), linesOf(now)));
    } else if (now) say('new', now, []);
    else if (old) say('gone', old, []);
  }
  return found;
}
