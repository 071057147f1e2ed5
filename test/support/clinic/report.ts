/** What a run shows and writes down: tables for a terminal, `summary.json` for a machine. Only what really happened. */
import type { AuditRecord } from '../../../src/wire/audit-event.ts';
import { formatEndpoint } from '../../../src/wire/address.ts';
import type { Overview } from '../../../src/wire/messages.ts';

/** Columns as wide as their widest cell; the last one is left as it is. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heads.map((head, i) => Math.max(head.length, ...rows.map((row) => (row[i] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i === heads.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join('  ');
  return [line(heads), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)]
    .map((text) => `  ${text.trimEnd()}`)
    .join('\n');
}

const clock = (at: number): string => new Date(at).toISOString().slice(11, 19);

export function sessionTable(sessions: Overview['sessions']): string {
  return table(
    ['session', 'user', 'resource', 'actions', 'units', 'to device', 'to user', 'ended'],
    sessions.map(({ grant, progress, ended }) => [
      grant.session.slice(0, 10),
      grant.subject.user,
      grant.target.resource,
      grant.actions.join(' '),
      Object.entries(progress.units)
        .map(([unit, n]) => `${n} ${unit}`)
        .join(', '),
      String(progress.bytesToDevice),
      String(progress.bytesToUser),
      ended ? ended.reason : 'open',
    ]),
  );
}

/** One decision of policy or of the broker, from the audit log. */
export interface Decision {
  readonly seq: number;
  readonly decision: 'permit' | 'deny';
  readonly session: string;
  readonly user: string;
  readonly userDevice: string;
  readonly posture: string;
  readonly kex: string;
  readonly resource: string;
  readonly actions: readonly string[];
  readonly rules: readonly string[];
  readonly reasons: readonly string[];
  /** The protocol unit that was refused inside a permitted session. */
  readonly unit?: string;
}

export function decisionsOf(records: readonly AuditRecord[]): Decision[] {
  return records.flatMap(({ seq, event }): Decision[] => {
    if (event.kind === 'session.start') {
      const { grant } = event.body;
      return [
        {
          seq,
          decision: 'permit',
          session: grant.session,
          user: grant.subject.user,
          userDevice: grant.subject.userDevice,
          posture: grant.subject.posture.level,
          kex: grant.subject.kex,
          resource: grant.target.resource,
          actions: grant.actions,
          rules: grant.rules,
          reasons: grant.denials.map((denial) => `${denial.actions.join(' ')}: ${denial.reason}`),
        },
      ];
    }
    if (event.kind === 'session.refused' || event.kind === 'session.unit.refused') {
      const inside = event.kind === 'session.unit.refused' ? event.body : undefined;
      const { subject, target, session } =
        inside ?? (event.kind === 'session.refused' ? event.body.refusal : {});
      return [
        {
          seq,
          decision: 'deny',
          session: session ?? '',
          user: subject?.user ?? 'nobody',
          userDevice: subject?.userDevice ?? '',
          posture: subject?.posture.level ?? '',
          kex: subject?.kex ?? '',
          resource: target?.resource ?? '',
          actions: [],
          rules: event.kind === 'session.refused' ? event.body.refusal.rules : (inside?.rules ?? []),
          reasons: event.kind === 'session.refused' ? event.body.refusal.reasons : [inside?.reason ?? ''],
          ...(inside === undefined ? {} : { unit: inside.unit }),
        },
      ];
    }
    return [];
  });
}

export function decisionTable(decisions: readonly Decision[]): string {
  return table(
    ['record', 'decision', 'user', 'posture', 'kex', 'resource', 'rules', 'permitted, or refused and why'],
    decisions.map((d) => [
      String(d.seq),
      d.decision,
      d.user,
      d.posture,
      d.kex,
      d.resource,
      d.rules.join(' ') || '(default deny)',
      d.decision === 'permit' ? d.actions.join(' ') : [d.unit, ...d.reasons].filter(Boolean).join(': '),
    ]),
  );
}

export function deviceTable(devices: Overview['devices']): string {
  return table(
    ['device', 'class', 'address', 'MAC', 'vendor', 'services', 'what it says of itself'],
    devices.map(({ device, observation }) => [
      device?.name ?? '(unknown)',
      device?.class ?? '',
      observation?.addresses.join(' ') ?? '',
      observation?.mac ?? '(not seen)',
      observation?.vendor ?? '',
      observation?.services
        .map((s) => `${s.transport}/${s.port}${s.protocol === undefined ? '' : ` ${s.protocol}`}`)
        .join(', ') ?? '',
      observation?.evidence
        .filter((e) => e.protocol === 'dicom' || e.protocol === 'hl7')
        .map((e) => `${e.field}=${e.value}`)
        .join(' ') ?? '',
    ]),
  );
}

export function peerTable(peers: Overview['peers']): string {
  return table(
    ['peer', 'endpoint', 'kex', 'session since', 'received', 'sent'],
    peers.map((peer) => [
      peer.peer,
      peer.endpoint ? formatEndpoint(peer.endpoint) : '',
      peer.session?.kex ?? 'none',
      peer.session ? clock(peer.session.at) : '',
      String(peer.receivedBytes),
      String(peer.sentBytes),
    ]),
  );
}
