/**
 * Whether a bundle that verified may replace what is in force here: its audience, its revision, its time, its
 * addresses, and how much it takes away.
 */
import type { VerifiedBundle } from '../policy/bundle-verify.ts';
import { inPrefix } from '../wire/address.ts';
import type { BundleDirectory } from '../wire/bundle.ts';
import { Fault } from '../wire/errors.ts';
import type { EpochMillis } from '../wire/units.ts';
import type { Mark } from './seal.ts';

/** Dropping more than one in so many needs the signed mark. */
const DROPPED = 5;

export interface Situation {
  readonly site: string;
  /** Where resources may be published. */
  readonly overlay: string;
  /** The highest ever seen. */
  readonly highest: Mark | undefined;
  readonly now: EpochMillis;
}

/** Faults BUNDLE_AUDIENCE, BUNDLE_OLDER, BUNDLE_REVISION_REUSED, BUNDLE_NOT_YET_VALID, BUNDLE_EXPIRED, BUNDLE_INVALID. */
export function admit({ content, digest }: VerifiedBundle, situation: Situation): void {
  const { site, overlay, highest, now } = situation;
  const { revision, audience, notBefore, notAfter, directory } = content;
  if (!audience.some((each) => each === site))
    throw new Fault('BUNDLE_AUDIENCE', `${audience.slice(0, 5).join(', ')}; this is ${site}`);
  if (highest && revision < highest.revision)
    throw new Fault('BUNDLE_OLDER', `revision ${revision}; ${highest.revision} was seen`);
  if (highest && revision === highest.revision && digest !== highest.digest)
    throw new Fault('BUNDLE_REVISION_REUSED', `revision ${revision}`);
  if (now < notBefore)
    throw new Fault('BUNDLE_NOT_YET_VALID', `from ${new Date(notBefore).toISOString()} on`);
  if (now >= notAfter) throw new Fault('BUNDLE_EXPIRED', `since ${new Date(notAfter).toISOString()}`);
  for (const { id, virtual } of directory?.resources ?? [])
    if (!inPrefix(virtual.address, overlay))
      throw new Fault(
        'BUNDLE_INVALID',
        `directory: ${id} is published at ${virtual.address}, outside ${overlay}`,
      );
}

type Lists = Readonly<Record<'policies' | keyof BundleDirectory, readonly string[]>>;

/** Ids of what is, or would be, in force. */
export function listsOf(policies: Iterable<string>, directory: BundleDirectory): Lists {
  const ids = (rows: readonly { readonly id: string }[]): string[] => rows.map(({ id }) => id);
  return {
    policies: [...policies],
    users: ids(directory.users),
    devices: ids(directory.devices),
    resources: ids(directory.resources),
  };
}

/**
 * More than a fifth of a list gone, counted by id, so that as many new ones don't make up for them. An answer that was
 * cut short or came out empty looks like that. Fault BUNDLE_DESTRUCTIVE.
 */
export function sparing(before: Lists, after: Lists): void {
  for (const name of Object.keys(before) as (keyof Lists)[]) {
    const kept = new Set(after[name]);
    const gone = before[name].filter((id) => !kept.has(id));
    if (gone.length * DROPPED > before[name].length)
      throw new Fault(
        'BUNDLE_DESTRUCTIVE',
        `${gone.length} of ${before[name].length} ${name}, ${gone.slice(0, 3).join(', ')} among them`,
      );
  }
}
