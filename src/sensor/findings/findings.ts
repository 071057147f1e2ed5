/**
 * The findings of the sensor, one row for what is one (kind, card, key), with a count, the latest evidence and when it
 * was first and last seen. What each kind means is the table of `wire/finding.ts`.
 *
 * Bounded: `ROWS` rows, `A_KIND` of one kind and card, `OF_A_KIND` of one kind in all; what goes past that is gathered in
 * one row of the rest, so that a flood of one kind never crowds out another. A row that only counts on is told again once
 * in `AGAIN_MS`.
 */
import { findingKinds, severities } from '../../wire/finding.ts';
import type { FindingKind, FindingReport, Severity } from '../../wire/finding.ts';
import { macText, NO_MAC, printAddress } from '../frame.ts';
import type { Host } from '../host.ts';
import { sanitize } from '../text.ts';

export const ROWS = 1024;
export const A_KIND = 16;
export const OF_A_KIND = 256;
const EVIDENCE = 4;
const EVIDENCE_LENGTH = 200;
const KEY_LENGTH = 128;
const AGAIN_MS = 60_000;
const OTHERS = 'others';

interface Row {
  readonly kind: FindingKind;
  readonly mac: number;
  readonly key: string;
  severity: Severity;
  evidence: string[];
  readonly first: number;
  last: number;
  count: number;
  changed: boolean;
  told: number;
}

export interface Raised {
  readonly kind: FindingKind;
  /** Whom it is about: a host, a card, or the whole link. */
  readonly about: Host | number | undefined;
  readonly key: string;
  readonly evidence: string;
  readonly at: number;
  /** Where it isn't the table's. */
  readonly severity?: Severity;
}

export class Findings {
  readonly #rows = new Map<string, Row>();
  /** Rows of a kind, and of a kind and a card. */
  readonly #counts = new Map<string, number>();
  /** Findings that had to go because there were too many. */
  evicted = 0;

  get size(): number {
    return this.#rows.size;
  }

  raise({ kind, about, key, evidence, at, severity }: Raised): void {
    let mac = typeof about === 'number' ? about : (about?.mac ?? NO_MAC);
    // Without a card the address is who it is.
    const [address] = mac === NO_MAC && typeof about === 'object' ? about.addresses.packed() : [];
    let short = (address === undefined ? key : `${printAddress(address)} ${key}`).slice(0, KEY_LENGTH);
    let group = `${kind} ${mac}`;
    let row = this.#rows.get(`${group} ${short}`);
    if (row === undefined && this.#count(kind) >= OF_A_KIND) {
      mac = NO_MAC;
      group = `${kind} ${mac}`;
      short = OTHERS;
      row = this.#rows.get(`${group} ${short}`);
    } else if (row === undefined && this.#count(group) >= A_KIND) {
      short = OTHERS;
      row = this.#rows.get(`${group} ${short}`);
    }
    const text = sanitize(evidence).slice(0, EVIDENCE_LENGTH).toWellFormed();
    if (row === undefined) {
      this.#makeRoom();
      row = {
        kind,
        mac,
        key: sanitize(short).toWellFormed(),
        severity: severity ?? findingKinds[kind].severity,
        evidence: [text],
        first: at,
        last: at,
        count: 1,
        changed: true,
        told: -Infinity,
      };
      this.#rows.set(`${group} ${short}`, row);
      for (const counted of [kind, group]) this.#counts.set(counted, this.#count(counted) + 1);
      return;
    }
    row.count++;
    row.last = Math.max(row.last, at);
    if (severity !== undefined && severities.indexOf(severity) > severities.indexOf(row.severity)) {
      row.severity = severity;
      row.changed = true;
    }
    if (row.evidence.includes(text)) return;
    row.evidence = [...row.evidence, text].slice(-EVIDENCE);
    row.changed = true;
  }

  all(): FindingReport[] {
    return [...this.#rows.values()].map(report);
  }

  /** What is new or changed, at most `limit`; `taken` says that it was told. */
  due(at: number, limit: number): { readonly reports: FindingReport[]; readonly taken: () => void } {
    const rows: Row[] = [];
    for (const row of this.#rows.values()) {
      const due =
        (row.changed && at - row.told >= 1_000) || (row.last > row.told && at - row.told >= AGAIN_MS);
      if (due) rows.push(row);
      if (rows.length === limit) break;
    }
    const reports = rows.map(report);
    return {
      reports,
      taken: () => {
        for (const row of rows) {
          row.changed = false;
          row.told = at;
        }
      },
    };
  }

  /** Everything is to be told again. */
  reconnected(): void {
    for (const row of this.#rows.values()) {
      row.changed = true;
      row.told = -Infinity;
    }
  }

  #count(group: string): number {
    return this.#counts.get(group) ?? 0;
  }

  /** The one unseen for longest among the least severe gives way. */
  #makeRoom(): void {
    if (this.#rows.size < ROWS) return;
    let worst: [string, Row] | undefined;
    const rank = ({ severity, last }: Row): number => severities.indexOf(severity) * 1e15 + last;
    for (const entry of this.#rows) if (worst === undefined || rank(entry[1]) < rank(worst[1])) worst = entry;
    if (worst === undefined) return;
    this.#rows.delete(worst[0]);
    for (const counted of [worst[1].kind, `${worst[1].kind} ${worst[1].mac}`]) {
      const left = this.#count(counted) - 1;
      if (left <= 0) this.#counts.delete(counted);
      else this.#counts.set(counted, left);
    }
    this.evicted++;
  }
}

function report({ kind, mac, key, severity, evidence, first, last, count }: Row): FindingReport {
  return {
    kind,
    ...(mac === NO_MAC ? {} : { mac: macText(mac) }),
    key,
    severity,
    evidence: [...evidence],
    first: Math.round(first),
    last: Math.round(last),
    count,
  };
}
