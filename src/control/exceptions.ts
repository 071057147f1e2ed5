/**
 * Exceptions as they stand, for the lists: in force, near their end, to be certified again. That an expired one stops by
 * itself is `circumstances.ts`; here is who has to be told, and the attestations by which an owner says that one is
 * still needed.
 *
 * What surprises: an attestation prolongs nothing. It puts off the next time somebody is asked; the end stays the end.
 */
import { attestation } from '../wire/life.ts';
import type { Attestation, ExceptionRow } from '../wire/life.ts';
import type { Exception } from '../wire/site-data.ts';
import type { Finding } from './own-health.ts';
import { hours } from '../wire/units.ts';
import { Shelf } from './shelf.ts';
import type { Surroundings } from './surroundings.ts';

/** Near its end, and near the day of certifying. */
const NEAR = hours(14 * 24);
/** How long a certification holds. */
const CERTIFIED_FOR = hours(90 * 24);

export class Exceptions {
  readonly #around: Surroundings;
  readonly #attestations: Shelf<Attestation>;
  #told = new Map<string, ExceptionRow['state']>();

  constructor(around: Surroundings) {
    this.#around = around;
    this.#attestations = new Shelf({
      kind: 'attestation',
      schema: attestation,
      store: around.store,
      id: (item) => `${item.at} ${item.object}`,
      at: (item) => item.at,
      isOpen: () => false,
    });
    this.#told = new Map(this.list().map((row) => [row.name, row.state]));
  }

  attest(said: Omit<Attestation, 'at'>): Attestation {
    const made: Attestation = { ...said, at: this.#around.clock.now() };
    this.#attestations.put(made);
    this.#around.journal.write('access.attested', { attestation: made });
    return made;
  }

  /** The latest first. */
  attestations(): Attestation[] {
    return this.#attestations.all().toReversed();
  }

  /** What ends next first. */
  list(): ExceptionRow[] {
    return this.#around
      .site()
      .exceptions.map((each) => this.#row(each))
      .sort((a, b) => a.end - b.end || (a.name < b.name ? -1 : 1));
  }

  /** Tell the audit log of what came into force, came near its end or stopped; live grants know by their own timers. */
  tick(): void {
    const rows = this.list();
    for (const row of rows)
      if (this.#told.get(row.name) !== row.state)
        this.#around.journal.write('exception.changed', { exception: row });
    this.#told = new Map(rows.map((row) => [row.name, row.state]));
    this.#attestations.flush();
  }

  finding(): Finding {
    const rows = this.list();
    const named = (state: ExceptionRow['state']): string =>
      rows
        .filter((row) => row.state === state)
        .map((row) => `${row.name} (${row.owner})`)
        .slice(0, 5)
        .join(', ');
    const parts: string[] = [];
    if (named('lapsed') !== '') parts.push(`Not certified in time: ${named('lapsed')}.`);
    if (named('to certify') !== '') parts.push(`To be certified: ${named('to certify')}.`);
    if (named('near its end') !== '') parts.push(`Near their end: ${named('near its end')}.`);
    if (parts.length > 0) return { level: 'warning', text: parts.join(' ') };
    const inForce = rows.filter((row) => row.state === 'in force').length;
    return { level: 'ok', text: `${inForce} exceptions are in force.` };
  }

  #row({ name, owner, reason, from, end, certifyBy }: Exception): ExceptionRow {
    const { now } = this.#around.latest;
    const kept = this.#attestations
      .all()
      .findLast((each) => each.object === `exception:${name}` && each.outcome === 'keep' && each.at <= now);
    const due =
      certifyBy === undefined ? undefined : Math.max(certifyBy, kept ? kept.at + CERTIFIED_FOR : certifyBy);
    const state = ((): ExceptionRow['state'] => {
      if (now >= end) return 'over';
      if (from !== undefined && now < from) return 'coming';
      if (due !== undefined && now >= due) return 'lapsed';
      if (end - now < NEAR) return 'near its end';
      if (due !== undefined && due - now < NEAR) return 'to certify';
      return 'in force';
    })();
    return {
      name,
      owner,
      reason,
      ...(from === undefined ? {} : { from }),
      end,
      ...(due === undefined || due >= end ? {} : { certifyBy: due }),
      state,
    };
  }
}
