/** `anteroom findings`: what is held against devices, and what people say of it. */
import type { Command } from 'commander';
import { attackSource, techniqueText } from '../wire/attack-ics.ts';
import { Fault } from '../wire/errors.ts';
import { findingId, findingKinds, isLearnable } from '../wire/finding.ts';
import type { KeptFinding } from '../wire/finding.ts';
import { paragraph, plain, printJson, span, table, withControl } from './console.ts';

const headings = ['FINDING', 'SEVERITY', 'WHAT', 'ATT&CK', 'DEVICE', 'STATE', 'COUNT', 'LAST'];

export function findingsTable(findings: readonly KeptFinding[], now: number): string {
  return table(
    headings,
    findings.map((f) => [
      f.id,
      f.severity,
      f.kind,
      f.technique,
      f.device,
      f.state === 'suppressed' ? `until ${new Date(f.until ?? 0).toISOString().slice(0, 16)}` : f.state,
      String(f.count),
      `${span(now - f.last)} ago`,
    ]),
  );
}

export function findingText(f: KeptFinding, now: number): string {
  const { text, advice } = findingKinds[f.kind];
  let out = `${f.id}  ${f.severity}  ${f.kind}  ${plain(f.device)}${f.mac === undefined ? '' : ` (${f.mac})`}\n`;
  out += paragraph(`${text} ${attackSource}: ${techniqueText(f.technique)}.`, 2);
  out += paragraph(
    `First ${new Date(f.first).toISOString()}, last ${span(now - f.last)} ago, ${f.count} in all.`,
    2,
  );
  for (const each of f.evidence) out += paragraph(each, 4, '  -');
  out += paragraph(`What to do: ${advice}`, 2);
  if (f.state === 'open' && isLearnable(f))
    out += paragraph(
      `If it is meant: \`anteroom findings ack ${f.id} --learn\` makes it part of the baseline.`,
      2,
    );
  if (f.learned === true)
    out += paragraph(`It is part of the baseline; \`anteroom findings unlearn ${f.id}\` takes that back.`, 2);
  if (f.unlearned === true) out += paragraph('It was part of the baseline and is no longer.', 2);
  if (f.by !== undefined) out += paragraph(`${f.state} by ${f.by}: ${f.note ?? ''}`, 2);
  return out;
}

/** What an acknowledgement came to; and where it could do more, how. */
export function acknowledgedText(f: KeptFinding): string {
  if (f.learned === true) return `${f.id} is acknowledged, and what it is about is part of the baseline.\n`;
  const done = `${f.id} is acknowledged.\n`;
  if (!isLearnable(f)) return done;
  return `${done}${paragraph(
    `The baseline is as it was; a frozen one stays so. If this is meant, \`anteroom findings ack ${f.id} --learn\` takes it in.`,
    0,
  )}`;
}

const fetchFindings = (closed: boolean): Promise<{ findings: KeptFinding[]; now: number }> =>
  withControl((control) => control.call('operator.findings.list', { closed }));

/** The finding whose id begins so, where only one does. Fault FINDING_UNKNOWN. */
async function resolve(id: string): Promise<string> {
  if (findingId.safeParse(id).success) return id;
  const { findings } = await fetchFindings(false);
  const found = findings.filter((f) => id !== '' && (f.id.startsWith(id) || f.id.startsWith(`f-${id}`)));
  if (found.length === 0) throw new Fault('FINDING_UNKNOWN', id);
  if (found.length > 1) throw new Fault('FINDING_UNKNOWN', `${found.length} findings begin with ${id}`);
  return (found[0] as KeptFinding).id;
}

const units: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** `12h`, `30d`, `2w`, or an instant as ISO 8601 has it. */
export function endOf(text: string, now: number): number {
  const [, count, unit] = /^(\d{1,4})([hdw])$/.exec(text) ?? [];
  const end =
    count !== undefined && unit !== undefined ? now + Number(count) * (units[unit] ?? 0) : Date.parse(text);
  if (!Number.isFinite(end) || end <= now)
    throw new Fault(
      'FINDING_UNKNOWN',
      `--until ${text}: give a time to come, such as 12h, 30d or 2027-01-31`,
    );
  return end;
}

export function register(program: Command): void {
  const findings = program.command('findings').description('what is held against devices');
  findings
    .command('list', { isDefault: true })
    .description('open findings, the worst first; then those that were settled')
    .option('--closed', 'those that are over, too')
    .option('--device <device>', 'of one device')
    .option('--json', 'as JSON')
    .action(async (options: { closed?: boolean; device?: string; json?: boolean }) => {
      const { findings: all, now } = await fetchFindings(options.closed === true);
      const { device } = options;
      const rows = device === undefined ? all : all.filter((f) => f.device === device || f.mac === device);
      if (options.json === true) printJson(rows);
      else process.stdout.write(rows.length === 0 ? 'No findings.\n' : findingsTable(rows, now));
    });
  findings
    .command('show')
    .description('everything about one finding, and what to do')
    .argument('<finding>', 'its id, or the beginning of it')
    .action(async (id: string) => {
      const whole = await resolve(id);
      const { findings: all, now } = await fetchFindings(true);
      const found = all.find((f) => f.id === whole);
      if (found === undefined) throw new Fault('FINDING_UNKNOWN', id);
      process.stdout.write(findingText(found, now));
    });
  findings
    .command('ack')
    .description('say that a finding was seen: it counts no more, unless it gets worse')
    .argument('<finding>', 'its id, or the beginning of it')
    .option('--note <text>', 'why, for the record', '')
    .option('--learn', 'and make it part of the baseline: a peer, a service, a destination that is meant')
    .action(async (id: string, { note, learn = false }: { note: string; learn?: boolean }) => {
      const finding = await resolve(id);
      const kept = await withControl((control) =>
        control.call('operator.findings.ack', { finding, note, learn }),
      );
      process.stdout.write(acknowledgedText(kept));
    });
  findings
    .command('unlearn')
    .description(
      'take back `ack --learn`: it is part of the baseline no longer, and the finding is open again',
    )
    .argument('<finding>', 'its id, or the beginning of it')
    .option('--note <text>', 'why, for the record', '')
    .action(async (id: string, { note }: { note: string }) => {
      const finding = await resolve(id);
      const kept = await withControl((control) =>
        control.call('operator.findings.unlearn', { finding, note }),
      );
      process.stdout.write(
        `${kept.id} is open again, and what it is about no longer part of the baseline.\n`,
      );
    });
  findings
    .command('suppress')
    .description('neither show nor count a finding until a time')
    .argument('<finding>', 'its id, or the beginning of it')
    .requiredOption('--until <time>', 'for how long (12h, 30d, 2w), or until when')
    .option('--note <text>', 'why, for the record', '')
    .action(async (id: string, { until, note }: { until: string; note: string }) => {
      const end = endOf(until, Date.now());
      const finding = await resolve(id);
      const kept = await withControl((control) =>
        control.call('operator.findings.suppress', { finding, until: end, note }),
      );
      process.stdout.write(`${kept.id} is suppressed until ${new Date(end).toISOString()}.\n`);
    });
}
