/** How commands speak with a running process and with a person: one call over a local socket, aligned tables, words for spans. */
import { connect } from '../ipc/client.ts';
import { loadConfig, socketPath } from '../platform/config.ts';
import { silentLog } from '../platform/log.ts';
import { controlPushes, controlVerbs } from '../wire/messages.ts';
import type { Overview } from '../wire/messages.ts';
import type { Fact } from '../wire/facts.ts';
import type { SessionId } from '../wire/ids.ts';

const TIMEOUT_MS = 3_000;

export async function withControl<T>(
  use: (control: ReturnType<typeof connect<typeof controlVerbs, typeof controlPushes>>) => Promise<T>,
): Promise<T> {
  const control = connect({
    path: socketPath(loadConfig(), 'control'),
    verbs: controlVerbs,
    pushes: controlPushes,
    log: silentLog,
  });
  try {
    return await use(control);
  } finally {
    control.close();
  }
}

/** Everything control knows. Faults IPC_UNREACHABLE, IPC_REFUSED and of the configuration. */
export const fetchOverview = (): Promise<Overview> =>
  withControl((control) => control.call('operator.overview', {}, { timeoutMs: TIMEOUT_MS }));

export async function revokeSession(session: SessionId, reason: string): Promise<void> {
  await withControl((control) =>
    control.call('operator.revoke', { session, reason }, { timeoutMs: TIMEOUT_MS }),
  );
}

export async function reportFacts(facts: readonly Fact[]): Promise<void> {
  await withControl((control) =>
    control.call('operator.facts', { facts: [...facts] }, { timeoutMs: TIMEOUT_MS }),
  );
}

export const printJson = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
};

/** Text from the network or the configuration, safe for a terminal. */
export const plain = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?');

/** Columns under their headings, two spaces apart; the last one isn't padded. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [headings, ...rows.map((row) => row.map(plain))];
  const widths = headings.map((_, i) => Math.max(...all.map((row) => (row[i] ?? '').length)));
  return all
    .map((row) =>
      row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join('  '),
    )
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}

/** `42 s`, `3 min`, `5 h`, `2 d`. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

export function bytes(n: number): string {
  if (n < 10_000) return `${n} B`;
  if (n < 10_000_000) return `${Math.round(n / 1000)} kB`;
  return `${Math.round(n / 1_000_000)} MB`;
}

/** `1 case`, `2 cases`. */
export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;

const COLUMNS = 80;

/** Prose that fits the terminal: every line begins with `indent` spaces, or the first with `lead` in their place. */
export function paragraph(text: string, indent: number, lead = ''): string {
  const margin = ' '.repeat(indent);
  const lines: string[] = [];
  let line = lead === '' ? margin : lead.padEnd(indent);
  for (const word of plain(text)
    .split(' ')
    .filter((each) => each !== '')) {
    const filled = line.length > indent;
    if (filled && line.length + 1 + word.length > COLUMNS) {
      lines.push(line);
      line = `${margin}${word}`;
    } else line += filled ? ` ${word}` : word;
  }
  return [...lines, line].map((each) => `${each.trimEnd()}\n`).join('');
}
