/**
 * The facts of a set-up as this box has them: its memory, its enrolment, what `apply` and `selftest` said last. The
 * last two lie in the runtime folder, which a restart empties:
 *
 *   <run>/stick.json     what was said of the last stick
 *   <run>/selftest.json  the last self-test
 *   <run>/reachability.json  what the devices answered that the stick names, for a self-test that may not ask itself
 *   <run>/attempts       when sticks were looked at, for the limit of five a minute
 *   <run>/limited        when the limit was last written down
 *   <run>/code           what was typed on the technician's page, until it is used
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { Signer } from '../crypto/signer.ts';
import { RECEIPT_MAGIC, receiptContent } from '../wire/provision.ts';
import { selfTestItem, stickState } from '../wire/provision-status.ts';
import type { ProvisionFacts, SelfTestItem, StickState } from '../wire/provision-status.ts';
import { readBounded, replaceFile } from './durable-file.ts';
import { readJson } from '../platform/announced.ts';
import { reachabilitySchema } from './provision-reachability.ts';
import type { Reachability } from './provision-reachability.ts';
import { deviceCodeOf, openDeviceKey, phaseOf, readEnrolled, readMemory } from './provision-memory.ts';
import type { Places } from './provision-memory.ts';

const MAX_BYTES = 64 * 1024;
export const ATTEMPTS_PER_MINUTE = 5;
const MINUTE_MS = 60_000;

/** For everybody to read. */
export function writeJson(run: string, name: string, value: unknown): void {
  mkdirSync(run, { recursive: true, mode: 0o755 });
  replaceFile(join(run, name), `${JSON.stringify(value)}\n`, 0o644);
}

export const writeStickState = (run: string, state: StickState): void => writeJson(run, 'stick.json', state);
export const writeSelfTest = (run: string, items: readonly SelfTestItem[]): void =>
  writeJson(run, 'selftest.json', items);
export const writeReachability = (run: string, found: Reachability): void =>
  writeJson(run, 'reachability.json', found);
export const readReachability = (run: string): Reachability | undefined =>
  readJson(join(run, 'reachability.json'), reachabilitySchema);

/** Whether one more stick may be looked at now; counts it when so. */
export function mayAttempt(run: string, now: number): boolean {
  const before = readJson(join(run, 'attempts'), z.array(z.number()).max(ATTEMPTS_PER_MINUTE)) ?? [];
  const recent = before.filter((at) => at <= now && at > now - MINUTE_MS);
  if (recent.length >= ATTEMPTS_PER_MINUTE) return false;
  writeJson(run, 'attempts', [...recent, now]);
  return true;
}

/** Whether it is to be recorded that there were too many attempts: once a minute. */
export function mayTellLimit(run: string, now: number): boolean {
  const last = readJson(join(run, 'limited'), z.number());
  if (last !== undefined && last <= now && last > now - MINUTE_MS) return false;
  writeJson(run, 'limited', now);
  return true;
}

export function writeTypedCode(run: string, code: string): void {
  mkdirSync(run, { recursive: true, mode: 0o755 });
  replaceFile(join(run, 'code'), `${code}\n`, 0o600);
}

/** What was typed, which is gone then. */
export function takeTypedCode(run: string): string | undefined {
  const file = join(run, 'code');
  const read = readBounded(file, 256);
  rmSync(file, { force: true });
  return read.kind === 'bytes' ? read.bytes.toString('utf8').trim() : undefined;
}

/** The gateway's identity, of its own receipt: public. */
function identityOf({ site }: Places): string | undefined {
  const read = readBounded(join(site, 'receipt'), MAX_BYTES);
  if (read.kind !== 'bytes') return undefined;
  const text = read.bytes.toString('utf8');
  try {
    const content: unknown = JSON.parse(text.slice(text.indexOf('\n', RECEIPT_MAGIC.length) + 1));
    return Signer.fromText(receiptContent.parse(content).keys.identity)?.text;
  } catch {
    return undefined;
  }
}

export function gatherFacts(
  places: Places,
  run: string,
  {
    version,
    now,
    devicesSeen,
  }: { readonly version: string; readonly now: number; readonly devicesSeen?: number },
): ProvisionFacts {
  const memory = readMemory(places);
  const phase = phaseOf(places, memory);
  const enrolled = phase === 'enrolled' ? readEnrolled(places) : undefined;
  const identity = enrolled && identityOf(places);
  return {
    phase,
    device: phase === 'decommissioned' ? '' : deviceCodeOf(openDeviceKey(places)),
    version,
    ...(enrolled ? { site: enrolled.head.site, contact: enrolled.plan.contact } : {}),
    ...(identity === undefined ? {} : { identity }),
    stick: readJson(join(run, 'stick.json'), stickState) ?? { state: 'none' },
    accepted: existsSync(join(places.site, 'credential')),
    selfTest: readJson(join(run, 'selftest.json'), z.array(selfTestItem)) ?? [],
    ...(devicesSeen === undefined ? {} : { devicesSeen }),
    now: Math.max(now, memory.floor),
  };
}
