/**
 * What the gateway does with a stick: read, judge, and if it is taken, enrol. A refusal changes nothing. The receipt goes
 * back to the stick last; where that fails, the same stick plugged in again gets it. After a power cut anywhere `mend`
 * and the same stick lead to the same end.
 */
import { hash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openEnvelope } from '../crypto/envelope.ts';
import type { Signer } from '../crypto/signer.ts';
import { canonicalJson } from '../wire/canonical-json.ts';
import { isFault } from '../wire/errors.ts';
import {
  CREDENTIAL_MAGIC,
  MAX_HEAD_BYTES,
  RECEIPT_MAGIC,
  credentialContent,
  receiptContent,
} from '../wire/provision.ts';
import type { GatewayKeys } from '../wire/provision.ts';
import { isRefusal } from '../wire/provision-code.ts';
import type { ProvisionCode } from '../wire/provision-code.ts';
import { readBounded, replaceFile } from './durable-file.ts';
import { checkEnrolment } from './provision-check.ts';
import { enrol, mend } from './provision-enrol.ts';
import type { EnrolOptions } from './provision-enrol.ts';
import { openDeviceKey, phaseOf, placesOf, readEnrolled, readMemory } from './provision-memory.ts';
import type { Places } from './provision-memory.ts';
import { applyOrders } from './provision-orders.ts';
import { siteConfig } from './provision-site.ts';
import { NOT_ON_STICK, readStick, writeBack } from './provision-stick.ts';
import type { StickContent } from './provision-stick.ts';

export interface ApplyOptions extends EnrolOptions {
  /** `/var/lib/anteroom`. */
  readonly state: string;
  readonly signers: readonly Signer[];
  readonly model: string;
  readonly clockTrusted: boolean;
  readonly code?: string;
  /** Ends the gateway's processes, before an order destroys what they have open. Throws where it can't. */
  readonly stopProcesses?: () => void;
}

export interface Outcome {
  readonly code: ProvisionCode;
  readonly detail?: string;
  /** The site that the gateway is now enrolled for. */
  readonly site?: string;
  /** SHA-256 of the head that was offered, hexadecimal. */
  readonly offered?: string;
}

const outcome = (code: ProvisionCode, detail?: string): Outcome => ({
  code,
  ...(detail === undefined ? {} : { detail }),
});

const ownKeys = (places: Places): GatewayKeys => {
  const text = readFileSync(join(places.site, 'receipt'), 'utf8');
  return receiptContent.parse(JSON.parse(text.slice(text.indexOf('\n', RECEIPT_MAGIC.length) + 1))).keys;
};

/** The office's answer to the receipt. */
function applyCredential(places: Places, bytes: Uint8Array, options: ApplyOptions): Outcome {
  const opened = openEnvelope(CREDENTIAL_MAGIC, bytes, options.signers);
  if (opened.kind === 'malformed') return outcome('E02', opened.detail);
  if (opened.kind === 'stranger') return outcome('E04', `signer ${opened.id}`);
  if (opened.kind === 'forged') return outcome('E03', `signer ${opened.id}`);
  const read = credentialContent.safeParse(opened.value);
  if (!read.success) return outcome('E08', 'it is in a form that this software does not know');
  const credential = read.data;
  const enrolled = readEnrolled(places);
  if (!enrolled) return outcome('E12', 'not enrolled');
  if (credential.site !== enrolled.head.site.id) return outcome('E06', 'for another site');
  if (
    credential.bundle !== enrolled.bundle ||
    canonicalJson(credential.keys) !== canonicalJson(ownKeys(places))
  )
    return outcome('E06', 'for another gateway');
  let config: string;
  try {
    config = siteConfig(enrolled.head, enrolled.plan, places, credential);
  } catch (error) {
    if (isFault(error)) return outcome('E15', error.detail);
    throw error;
  }
  const file = join(places.site, 'credential');
  const configFile = join(places.site, 'config.json');
  const before = readBounded(file, MAX_HEAD_BYTES);
  if (before.kind === 'bytes') {
    const again = before.bytes.equals(Buffer.from(bytes));
    if (again && readFileSync(configFile, 'utf8') === config) return outcome('OK4');
    const old = openEnvelope(CREDENTIAL_MAGIC, before.bytes, options.signers);
    const issued = old.kind === 'value' ? credentialContent.safeParse(old.value).data?.issued : undefined;
    if (!again && issued !== undefined && credential.issued <= issued)
      return outcome('E07', 'an older answer');
  }
  options.step?.('credential');
  replaceFile(file, bytes, 0o644);
  options.step?.('config');
  replaceFile(configFile, config, 0o644);
  return { ...outcome('OK3'), site: enrolled.head.site.name };
}

async function applyEnrolment(
  places: Places,
  root: string,
  files: { readonly head: Buffer; readonly body: Buffer },
  options: ApplyOptions,
): Promise<Outcome> {
  const memory = readMemory(places);
  const enrolled = readEnrolled(places);
  // Made when it is needed and not before: a refusal writes nothing.
  const device = existsSync(places.deviceKey) ? openDeviceKey(places, options.random) : undefined;
  const verdict = await checkEnrolment(files, {
    signers: options.signers,
    ...(device && { device }),
    phase: phaseOf(places, memory),
    used: memory.used,
    ...(memory.lastSite === undefined ? {} : { lastSite: memory.lastSite }),
    ...(enrolled ? { enrolledBy: enrolled } : {}),
    version: options.version,
    model: options.model,
    tpm: options.tpm,
    now: Math.max(options.now, memory.floor),
    clockTrusted: options.clockTrusted,
    ...(options.code === undefined ? {} : { code: options.code }),
  });
  if (verdict.kind === 'refused') return outcome(verdict.code, verdict.detail);
  if (verdict.kind === 'accepted') {
    try {
      enrol(places, verdict, options);
    } catch (error) {
      if (isFault(error, 'PROVISION_INVALID')) return outcome('E15', error.detail);
      throw error;
    }
    options.step?.('receipt');
  }
  const now = readEnrolled(places);
  if (!now) return outcome('E17');
  const site = { site: now.head.site.name };
  switch (writeBack(join(places.site, 'receipt'), root, `receipt-${now.bundle}`)) {
    case 'written':
      return { ...outcome('OK2'), ...site };
    case 'there':
      return { ...outcome('OK4'), ...site };
    case 'failed':
      return {
        ...outcome('OK1', NOT_ON_STICK),
        ...site,
      };
  }
}

async function applyContent(
  places: Places,
  root: string,
  content: StickContent,
  options: ApplyOptions,
): Promise<Outcome> {
  const orders = content.answers.filter(({ name }) => name.startsWith('order-'));
  if (orders.length === 0) return applyRest(places, root, content, options);
  const { outcome: ordered, executed } = applyOrders(places, root, orders, options);
  if (executed || (!content.head && orders.length === content.answers.length)) return ordered;
  const rest = await applyRest(places, root, content, options);
  return isRefusal(rest.code) && !isRefusal(ordered.code) ? ordered : rest;
}

/** What isn't an order. */
async function applyRest(
  places: Places,
  root: string,
  { head, body, answers }: StickContent,
  options: ApplyOptions,
): Promise<Outcome> {
  const credentials = answers.filter(({ name }) => name.startsWith('credential-'));
  let last: Outcome | undefined;
  if (head && body) {
    last = await applyEnrolment(places, root, { head, body }, options);
    if (last.code.startsWith('E') || credentials.length === 0) return last;
  }
  const own = readEnrolled(places)?.bundle;
  const mine = credentials.find(({ name }) => name === `credential-${own}`) ?? credentials[0];
  if (mine) return applyCredential(places, mine.bytes, options);
  return last ?? outcome('E01');
}

/** Sticks as they are mounted, one folder each. Throws only for faults of the gateway itself that aren't its disk. */
export async function applySticks(roots: readonly string[], options: ApplyOptions): Promise<Outcome> {
  const places = placesOf(options.state);
  try {
    mend(places);
    const readings = roots.map((root) => ({ root, reading: readStick(root) }));
    const sticks = readings.filter(({ reading }) => reading.kind === 'stick');
    if (sticks.length > 1) return outcome('E16');
    const [only] = sticks;
    if (only?.reading.kind === 'stick') {
      const { head } = only.reading;
      const said = await applyContent(places, only.root, only.reading, options);
      return head ? { ...said, offered: hash('sha256', head, 'hex') } : said;
    }
    const bad = readings.find(({ reading }) => reading.kind === 'unreadable');
    return bad?.reading.kind === 'unreadable' ? outcome('E02', bad.reading.detail) : outcome('E01');
  } catch (error) {
    if (isFault(error, 'PROVISION_STATE') || isFault(error, 'SEAL_UNAVAILABLE'))
      return outcome('E17', error.detail);
    if (error instanceof Error && 'code' in error && 'syscall' in error)
      return outcome('E17', String(error.code));
    throw error;
  }
}
