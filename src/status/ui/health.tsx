/** The health list, worst first, each level said in a word. A level that changes is announced. */
import type { VNode } from 'preact';
import type { HealthItem } from '../../wire/health.ts';
import { agoText, pluralText } from './words.ts';

const order = { critical: 0, warning: 1, ok: 2 } as const;

/** The whole gateway in one sentence. */
export function summaryText(health: readonly HealthItem[]): string {
  const critical = health.filter(({ level }) => level === 'critical').length;
  const warnings = health.filter(({ level }) => level === 'warning').length;
  if (critical + warnings === 0) return 'Everything works.';
  const parts = [
    ...(critical > 0 ? [`${critical} critical`] : []),
    ...(warnings > 0 ? [pluralText(warnings, 'warning')] : []),
  ];
  return `${parts.join(', ')}.`;
}

export const worst = (health: readonly HealthItem[]): HealthItem['level'] =>
  (['critical', 'warning'] as const).find((level) => health.some((item) => item.level === level)) ?? 'ok';

export function Health({
  health,
  now,
}: {
  readonly health: readonly HealthItem[];
  readonly now: number;
}): VNode {
  const sorted = health.toSorted((a, b) => order[a.level] - order[b.level] || a.item.localeCompare(b.item));
  return (
    <section aria-labelledby="health">
      <header>
        <h2 id="health">Health</h2>
        <p aria-live="polite">{summaryText(health)}</p>
      </header>
      {sorted.length === 0 && <p class="empty">Nothing has reported yet.</p>}
      <ul class="health">
        {sorted.map(({ item, level, text, since }) => (
          <li key={item}>
            <span class={`level ${level}`}>{level}</span>
            <span>
              {text} <small>{`${item}, ${agoText(now, since)}`}</small>
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
