/**
 * What a gateway remembers of its enrolments, and where everything of them is kept:
 *
 *   <state>/provision/memory        the used bundles, the time it has seen, whether it is leaving; survives a reset
 *   <state>/provision/device.key    its first key, made at first boot: sticks can be encrypted to it
 *   <state>/provision/farewell-<id> what an identity signed last
 *   <state>/site/                   everything one enrolment brought or made; there whole or not at all
 *
 * A power cut between two steps is mended by `recover`, which runs before anything else: an enrolment that was renamed
 * into place counts as used, an unfinished one is removed, a leaving that began is carried through.
 */
import { hash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { generateKeyPair } from '../crypto/x25519.ts';
import type { KeyPair } from '../crypto/x25519.ts';
import { SealedFile } from '../store/sealed-file.ts';
import { Fault } from '../wire/errors.ts';
import { publicKeyText, siteId } from '../wire/ids.ts';
import { bundleId, enrolmentHead, enrolmentPlan } from '../wire/provision.ts';
import type { ProvisionPhase } from '../wire/provision-status.ts';
import { count } from '../wire/scalar.ts';
import { destroyTree, readBounded, replaceFile, syncFolder } from './durable-file.ts';

const memorySchema = z.strictObject({
  format: z.literal(1),
  /** Bundles that were taken, and orders that were carried out. */
  used: z.array(bundleId),
  lastSite: siteId.optional(),
  /** Of the enrolment that was left last; its receipt is in `farewell-<id>`. */
  lastEnrolment: bundleId.optional(),
  /** No earlier than this is it now. */
  floor: count,
  phase: z.enum(['new', 'leaving', 'reset', 'decommissioned']),
  /** While it is leaving: what its identity signed last, and whether anything is to stay. */
  leaving: z
    .strictObject({ bundle: bundleId, what: z.enum(['reset', 'decommission']), farewell: z.string() })
    .optional(),
});
export type Memory = z.infer<typeof memorySchema>;

/** What `site/enrolled.json` says: written with everything else of an enrolment. */
export const enrolledSchema = z.strictObject({
  format: z.literal(1),
  bundle: bundleId,
  /** Of the head as it was on the stick. */
  headDigest: z.string(),
  at: count,
  head: enrolmentHead,
  plan: enrolmentPlan,
});
export type Enrolled = z.infer<typeof enrolledSchema>;

export interface Places {
  readonly state: string;
  readonly provision: string;
  readonly site: string;
  readonly memory: string;
  readonly deviceKey: string;
}

export const placesOf = (state: string): Places => ({
  state,
  provision: join(state, 'provision'),
  site: join(state, 'site'),
  memory: join(state, 'provision', 'memory'),
  deviceKey: join(state, 'provision', 'device.key'),
});

const fresh: Memory = { format: 1, used: [], floor: 0, phase: 'new' };

/** Fault PROVISION_STATE when it is damaged: a gateway that forgot what was used takes nothing. */
export function readMemory({ memory }: Places): Memory {
  const read = new SealedFile(memory).read();
  if (read.kind === 'missing') return fresh;
  if (read.kind === 'damaged') throw new Fault('PROVISION_STATE', `${memory}: ${read.detail}`);
  try {
    return memorySchema.parse(JSON.parse(read.text));
  } catch (cause) {
    throw new Fault('PROVISION_STATE', `${memory}: not what was written`, { cause });
  }
}

export function writeMemory({ memory }: Places, value: Memory): void {
  new SealedFile(memory).write(JSON.stringify(value));
}

/** Undefined where there is no enrolment. Fault PROVISION_STATE for one that is damaged. */
export function readEnrolled({ site }: Places): Enrolled | undefined {
  if (!existsSync(site)) return undefined;
  try {
    return enrolledSchema.parse(JSON.parse(readFileSync(join(site, 'enrolled.json'), 'utf8')));
  } catch (cause) {
    throw new Fault('PROVISION_STATE', `${site}: not a whole enrolment`, { cause });
  }
}

export function phaseOf(places: Places, memory: Memory): ProvisionPhase {
  if (memory.phase === 'leaving' || memory.phase === 'decommissioned') return memory.phase;
  return readEnrolled(places) ? 'enrolled' : memory.phase;
}

/** Folders that an unfinished enrolment leaves. */
export const UNFINISHED = /^site\.new-[0-9a-f]{32}$/;

/** Mend what a power cut left. `leave` carries a leaving through. */
export function recover(places: Places, leave: (memory: Memory) => void): void {
  if (!existsSync(places.state)) return;
  for (const name of readdirSync(places.state).filter((each) => UNFINISHED.test(each)))
    destroyTree(join(places.state, name));
  const memory = readMemory(places);
  if (memory.phase === 'leaving') {
    leave(memory);
    return;
  }
  const enrolled = readEnrolled(places);
  if (enrolled && !memory.used.includes(enrolled.bundle)) writeMemory(places, remembering(memory, enrolled));
}

export const remembering = (memory: Memory, { bundle, head: { site }, at }: Enrolled): Memory => ({
  ...memory,
  used: [...memory.used, bundle],
  lastSite: site.id,
  floor: Math.max(memory.floor, at),
});

/** A device by the digest of its key. */
export const deviceIdOf = (publicKey: Uint8Array): string =>
  hash('sha256', publicKey, 'buffer').subarray(0, 8).toString('hex');

/** `anteroom-device:<id>:<public key>`: what the office needs to make a stick for this gateway alone. */
export const deviceCodeOf = ({ public: key }: KeyPair): string =>
  `anteroom-device:${deviceIdOf(key.bytes)}:${key.text}`;

/** The device's first key, made when it isn't there. Fault PROVISION_STATE. */
export function openDeviceKey(places: Places, random: (bytes: number) => Buffer = randomBytes): KeyPair {
  const read = readBounded(places.deviceKey, 64);
  if (read.kind === 'unreadable') throw new Fault('PROVISION_STATE', `${places.deviceKey}: ${read.detail}`);
  if (read.kind === 'bytes') {
    const text = read.bytes.toString('latin1').trim();
    // The form of 32 bytes in base64 is the same for a secret key.
    if (!publicKeyText.safeParse(text).success)
      throw new Fault('PROVISION_STATE', `${places.deviceKey}: not a key`);
    return generateKeyPair(Buffer.from(text, 'base64'));
  }
  const seed = random(32);
  try {
    mkdirSync(places.provision, { recursive: true, mode: 0o700 });
    replaceFile(places.deviceKey, `${seed.toString('base64')}\n`, 0o600);
    syncFolder(places.state);
  } catch (cause) {
    throw new Fault('PROVISION_STATE', places.deviceKey, { cause });
  }
  return generateKeyPair(seed);
}
