/** What the parts of control that people open and close things with are handed: time, store, log, the site's data. */
import type { SiteData } from '../wire/site-data.ts';
import type { Grant } from '../wire/grant.ts';
import type { Clock } from '../wire/units.ts';
import type { Journal } from './journal.ts';
import type { LatestTime } from './latest-time.ts';
import type { MachineTime } from './machine-time.ts';
import type { StateStore } from './state-store.ts';

export interface Surroundings {
  readonly clock: Clock;
  readonly time: MachineTime;
  readonly latest: LatestTime;
  readonly store: StateStore;
  readonly journal: Pick<Journal, 'write'>;
  readonly random: (bytes: number) => Uint8Array;
  /** The site's data in force. */
  readonly site: () => SiteData;
  /** Decide live grants again that it concerns. */
  readonly reconsider: (concerns: (grant: Grant) => boolean) => void;
}

/** A new id: its kind and 64 random bits. */
export const newId = (kind: string, { random }: Pick<Surroundings, 'random'>): string =>
  `${kind}-${Buffer.from(random(8)).toString('hex')}`;
