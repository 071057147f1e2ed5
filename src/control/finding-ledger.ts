/**
 * The findings as control keeps them: what the sensor reports, what control itself finds, and what people said of each.
 *
 *   open          counts for the device's risk, is listed, was told to the audit log
 *   acknowledged  a person has seen it: it counts no more, unless it gets worse; and what it is about may be made
 *                 normal: the sensor is told (`accepted`), whenever it connects, and a frozen baseline takes it in too
 *   suppressed    the same until a time; after it, whatever goes on is open again
 *   closed        not seen for `OVER`; seen again, it is raised again
 *
 * Kept in the state store and so over a restart. Bounded: past `MAX_FINDINGS` what is closed goes first, then the least
 * severe, the oldest before others. The audit log is told at most `BURST` at once and one in `REFILL`; what is held
 * back is told later.
 */
import type { AuditBody } from '../wire/audit-event.ts';
import { Fault } from '../wire/errors.ts';
import {
  acceptedConduct,
  findingKinds,
  isLearnable,
  keptFinding,
  riskOf,
  severities,
} from '../wire/finding.ts';
import type { AcceptedConduct, FindingReport, KeptFinding } from '../wire/finding.ts';
import { between, hours, monotonicMillis, seconds } from '../wire/units.ts';
import type { Clock, MonotonicMillis } from '../wire/units.ts';
import type { Journal } from './journal.ts';
import type { StateStore } from './state-store.ts';

export const MAX_FINDINGS = 2048;
export const BURST = 64;
const REFILL = seconds(2);
/** A finding that wasn't seen for so long is over. */
const OVER = hours(30 * 24);
/** What merely counts on is written this often. */
const REWRITE = hours(1);

interface Row {
  finding: KeptFinding;
  /** Count of the reporter's present run, which begins at 1 again when it restarts. */
  run: number;
  closedAt: number;
  told: boolean;
  dirty: boolean;
  writtenAt: MonotonicMillis;
}

export interface FindingLedgerOptions {
  readonly clock: Clock;
  readonly store: Pick<StateStore, 'findings' | 'saveFindings'>;
  readonly journal: Pick<Journal, 'write'>;
  readonly random: (bytes: number) => Uint8Array;
  /** What people call the device with this card. */
  readonly nameOf: (mac: string | undefined) => string;
  /** The open findings of a device are others now. */
  readonly changed: (mac: string | undefined) => void;
}

const keyOf = ({ kind, mac, key }: Pick<FindingReport, 'kind' | 'mac' | 'key'>): string =>
  `${kind} ${mac ?? '-'} ${key}`;
const rank = ({ severity }: Pick<FindingReport, 'severity'>): number => severities.indexOf(severity);

export class FindingLedger {
  readonly #options: FindingLedgerOptions;
  readonly #rows = new Map<string, Row>();
  readonly #byId = new Map<string, Row>();
  readonly #dropped = new Set<string>();
  #tokens = BURST;
  #refilledAt: MonotonicMillis;

  constructor(options: FindingLedgerOptions) {
    this.#options = options;
    this.#refilledAt = options.clock.monotonic();
    for (const { body } of options.store.findings()) {
      const parsed = keptFinding.safeParse(JSON.parse(body));
      if (!parsed.success) continue;
      // What was closed or told before stays so; the reporter begins to count anew. The technique is the table's of today.
      const { technique } = findingKinds[parsed.data.kind];
      this.#put({ ...parsed.data, technique }, 0, true);
    }
  }

  get size(): number {
    return this.#rows.size;
  }

  take(reports: readonly FindingReport[]): void {
    for (const report of reports) this.#take(report);
    this.#prune();
    this.#save(({ writtenAt }, now) => between(writtenAt, now) >= REWRITE);
  }

  /** Something ended by itself: a device that had vanished is back. */
  over(kind: FindingReport['kind'], mac: string): void {
    for (const row of this.#rows.values()) {
      const { finding } = row;
      if (finding.kind === kind && finding.mac === mac && finding.state !== 'closed') this.#close(row);
    }
  }

  /** Open ones first, the worst before others. */
  list(closed: boolean): KeptFinding[] {
    const order = ({ state }: KeptFinding): number => (state === 'open' ? 0 : state === 'closed' ? 2 : 1);
    return [...this.#rows.values()]
      .map(({ finding }) => finding)
      .filter(({ state }) => closed || state !== 'closed')
      .sort((a, b) => order(a) - order(b) || rank(b) - rank(a) || b.last - a.last);
  }

  /** Open findings of these cards. */
  open(macs: ReadonlySet<string>): KeptFinding[] {
    return [...this.#rows.values()].flatMap(({ finding }) =>
      finding.state === 'open' && finding.mac !== undefined && macs.has(finding.mac) ? [finding] : [],
    );
  }

  risk(macs: ReadonlySet<string>): number {
    return riskOf(this.open(macs));
  }

  /** How many are open, by severity. */
  counts(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { finding } of this.#rows.values())
      if (finding.state === 'open') counts[finding.severity] = (counts[finding.severity] ?? 0) + 1;
    return counts;
  }

  /** For the health list: what is grave has to be looked at. */
  health(): { readonly level: 'ok' | 'warning'; readonly text: string } {
    const { critical = 0, high = 0, ...rest } = this.counts();
    const others = Object.values(rest).reduce((sum, n) => sum + n, 0);
    if (critical + high > 0)
      return {
        level: 'warning',
        text: `${critical} critical and ${high} high findings against devices are open. Sessions go on; look at \`anteroom findings\`.`,
      };
    const text = others === 0 ? 'Nothing is held against any device.' : `${others} lesser findings are open.`;
    return { level: 'ok', text };
  }

  /** `learn`: it is normal from now on. Fault FINDING_UNKNOWN or FINDING_NOT_LEARNABLE. */
  acknowledge(id: string, note: string, by: string, learn = false): KeptFinding {
    const row = this.#known(id);
    if (!learn) return this.#settle(row, { state: 'acknowledged', note, by });
    if (!isLearnable(row.finding)) throw new Fault('FINDING_NOT_LEARNABLE', `${row.finding.kind} ${id}`);
    return this.#settle(row, { state: 'acknowledged', note, by, learned: true });
  }

  /** It isn't normal any more, and open again, over or not. Fault FINDING_UNKNOWN or FINDING_NOT_LEARNED. */
  unlearn(id: string, note: string, by: string): KeptFinding {
    const row = this.#byId.get(id);
    if (row === undefined) throw new Fault('FINDING_UNKNOWN', id);
    if (row.finding.learned !== true) throw new Fault('FINDING_NOT_LEARNED', `${row.finding.kind} ${id}`);
    const { learned: _, ...rest } = row.finding;
    row.finding = { ...rest, unlearned: true };
    this.#reopen(row);
    row.finding = { ...row.finding, note, by };
    this.#save(() => true);
    return row.finding;
  }

  /** What people made normal, and what they took back. */
  accepted(): AcceptedConduct[] {
    return this.#conducts((finding) => finding.learned === true);
  }

  withdrawn(): AcceptedConduct[] {
    return this.#conducts((finding) => finding.unlearned === true);
  }

  #conducts(is: (finding: KeptFinding) => boolean): AcceptedConduct[] {
    return [...this.#rows.values()].flatMap(({ finding }) => {
      const { kind, mac, key } = finding;
      const parsed = is(finding) ? acceptedConduct.safeParse({ kind, mac, key }) : undefined;
      return parsed?.success === true ? [parsed.data] : [];
    });
  }

  /** Fault FINDING_UNKNOWN, or IPC_MALFORMED for an end that has passed. */
  suppress(id: string, until: number, note: string, by: string): KeptFinding {
    if (until <= this.#options.clock.now())
      throw new Fault('IPC_MALFORMED', 'the end of the suppression has passed');
    return this.#settle(this.#known(id), { state: 'suppressed', until, note, by });
  }

  tick(): void {
    const { clock } = this.#options;
    const now = clock.now();
    for (const row of this.#rows.values()) {
      const { finding } = row;
      if (finding.state === 'closed') continue;
      if (now - finding.last > OVER) this.#close(row);
      else if (finding.state === 'suppressed' && (finding.until ?? 0) <= now) this.#reopen(row);
    }
    this.#tell();
    this.#save(({ writtenAt }, at) => between(writtenAt, at) >= REWRITE);
  }

  flush(): void {
    this.#save(() => true);
  }

  #take(report: FindingReport): void {
    const key = keyOf(report);
    const row = this.#rows.get(key);
    if (row === undefined) {
      const { random, nameOf, changed } = this.#options;
      const finding: KeptFinding = {
        ...report,
        id: `f-${Buffer.from(random(8)).toString('hex')}`,
        device: nameOf(report.mac),
        technique: findingKinds[report.kind].technique,
        state: 'open',
      };
      this.#put(finding, report.count, false).dirty = true;
      changed(report.mac);
      return;
    }
    const { finding } = row;
    const worse = rank(report) > rank(finding);
    const more = Math.max(0, report.count - (report.count < row.run ? 0 : row.run));
    row.run = report.count;
    row.dirty ||= more > 0 || report.last > finding.last;
    row.finding = {
      ...finding,
      severity: worse ? report.severity : finding.severity,
      evidence: report.evidence,
      first: Math.min(finding.first, report.first),
      last: Math.max(finding.last, report.last),
      count: finding.count + more,
      device: this.#options.nameOf(finding.mac),
    };
    const back = finding.state === 'closed' && report.last > row.closedAt;
    if (back || (worse && finding.state === 'acknowledged')) this.#reopen(row);
  }

  #put(finding: KeptFinding, run: number, told: boolean): Row {
    const row: Row = {
      finding,
      run,
      closedAt: finding.state === 'closed' ? finding.last : -Infinity,
      told,
      dirty: false,
      // New: to be written with the next.
      writtenAt: monotonicMillis(this.#options.clock.monotonic() - REWRITE),
    };
    this.#rows.set(keyOf(finding), row);
    this.#byId.set(finding.id, row);
    return row;
  }

  #known(id: string): Row {
    const row = this.#byId.get(id);
    if (row === undefined || row.finding.state === 'closed') throw new Fault('FINDING_UNKNOWN', id);
    return row;
  }

  #settle(
    row: Row,
    said: Pick<KeptFinding, 'learned' | 'until'> & {
      state: 'acknowledged' | 'suppressed';
      note: string;
      by: string;
    },
  ): KeptFinding {
    const { until: _, unlearned, ...rest } = row.finding;
    const before = unlearned === undefined || said.learned === true ? {} : { unlearned };
    row.finding = { ...rest, ...before, ...said };
    this.#closed(row, said.state);
    return row.finding;
  }

  #close(row: Row): void {
    row.closedAt = this.#options.clock.now();
    row.finding = { ...row.finding, state: 'closed' };
    this.#closed(row, 'over');
  }

  #closed(row: Row, why: AuditBody<'finding.closed'>['why']): void {
    const { id, kind, device, by, note, until, mac, learned } = row.finding;
    row.dirty = true;
    row.told = true;
    this.#options.journal.write('finding.closed', {
      finding: id,
      what: kind,
      device,
      why,
      ...(why === 'acknowledged' && learned === true ? { learned } : {}),
      ...(why === 'over' || by === undefined ? {} : { by }),
      ...(why === 'over' || note === undefined ? {} : { note }),
      ...(why !== 'suppressed' || until === undefined ? {} : { until }),
    });
    this.#options.changed(mac);
    this.#save(() => true);
  }

  #reopen(row: Row): void {
    const { until: _u, note: _n, by: _b, ...rest } = row.finding;
    row.finding = { ...rest, state: 'open' };
    row.told = false;
    row.dirty = true;
    this.#options.changed(row.finding.mac);
  }

  #tell(): void {
    const { clock, journal } = this.#options;
    const now = clock.monotonic();
    const refills = Math.floor(between(this.#refilledAt, now) / REFILL);
    if (refills > 0) {
      this.#tokens = Math.min(BURST, this.#tokens + refills);
      this.#refilledAt = now;
    }
    for (const row of this.#rows.values()) {
      if (this.#tokens === 0) return;
      if (row.told || row.finding.state !== 'open') continue;
      this.#tokens--;
      row.told = true;
      row.dirty = true;
      const { id, kind, severity, technique, device, mac, evidence, first } = row.finding;
      journal.write('finding.raised', {
        finding: id,
        what: kind,
        severity,
        technique,
        device,
        ...(mac === undefined ? {} : { mac }),
        evidence,
        first,
      });
      row.writtenAt = monotonicMillis(now - REWRITE);
    }
  }

  #prune(): void {
    const excess = this.#rows.size - MAX_FINDINGS;
    if (excess <= 0) return;
    const ranked = [...this.#rows].sort(
      ([, { finding: a }], [, { finding: b }]) =>
        Number(b.state === 'closed') - Number(a.state === 'closed') || rank(a) - rank(b) || a.last - b.last,
    );
    for (const [key, { finding }] of ranked.slice(0, excess)) {
      this.#rows.delete(key);
      this.#byId.delete(finding.id);
      this.#dropped.add(finding.id);
    }
  }

  #save(due: (row: Row, now: MonotonicMillis) => boolean): void {
    const now = this.#options.clock.monotonic();
    const rows = [...this.#rows.values()].filter((row) => row.dirty && due(row, now));
    if (rows.length === 0 && this.#dropped.size === 0) return;
    const put = rows.map(({ finding }) => ({ id: finding.id, body: JSON.stringify(finding) }));
    if (!this.#options.store.saveFindings(put, [...this.#dropped])) return;
    for (const row of rows) {
      row.dirty = false;
      row.writtenAt = now;
    }
    this.#dropped.clear();
  }
}
