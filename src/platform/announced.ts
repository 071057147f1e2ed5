/**
 * What anybody on the box may know of its set-up, as it lies in `/run/anteroom/provision`. `cli/provision-announce.ts` and
 * `cli/provision-facts.ts` write it; the technician's page, the screen and the status page read it without any privilege.
 *
 *   box.json       phase, device code, site, identity
 *   stick.json     what was said of the last stick
 *   selftest.json  the last self-test
 *   ../time/state  how good the clock is (`rootfs-overlay/usr/lib/anteroom/time`)
 */
import { join } from 'node:path';
import * as z from 'zod';
import { clockState, provisionFacts, selfTestItem, stickState } from '../wire/provision-status.ts';
import type { ClockState, ProvisionFacts } from '../wire/provision-status.ts';
import { count } from '../wire/scalar.ts';
import { readBounded } from './bounded-file.ts';

const MAX_BYTES = 64 * 1024;

/** Undefined for what isn't there or isn't of that shape. */
export function readJson<T>(file: string, schema: z.ZodType<T>): T | undefined {
  const read = readBounded(file, MAX_BYTES);
  if (read.kind !== 'bytes') return undefined;
  try {
    return schema.safeParse(JSON.parse(read.bytes.toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

export const announcement = provisionFacts
  .pick({
    phase: true,
    device: true,
    version: true,
    site: true,
    identity: true,
    contact: true,
    accepted: true,
  })
  .extend({
    /** No earlier than this is it now. */
    floor: count,
  });

/** `unset` where nobody has said. `run` is the set-up's folder. */
export function readClock(run: string): ClockState {
  const read = readBounded(join(run, '../time/state'), 64);
  return read.kind === 'bytes'
    ? (clockState.safeParse(read.bytes.toString('utf8').trim()).data ?? 'unset')
    : 'unset';
}

/** Undefined before anything was announced. */
export function readAnnounced(
  run: string,
  { now, devicesSeen }: { readonly now: number; readonly devicesSeen?: number },
): ProvisionFacts | undefined {
  const said = readJson(join(run, 'box.json'), announcement);
  if (!said) return undefined;
  const { floor, ...rest } = said;
  return provisionFacts.parse({
    ...rest,
    stick: readJson(join(run, 'stick.json'), stickState) ?? { state: 'none' },
    selfTest: readJson(join(run, 'selftest.json'), z.array(selfTestItem)) ?? [],
    ...(devicesSeen === undefined ? {} : { devicesSeen }),
    clock: readClock(run),
    now: Math.max(now, floor),
  });
}
