/**
 * A gateway enrols: it makes its own keys, writes everything of the enrolment into a folder, and puts that into place in
 * one rename. What a power cut leaves between two steps, `mend` carries through or takes away.
 *
 *   site.new-<id>/ written and synced → renamed to site/ → bundle remembered as used → audit key placed
 */
import { createHmac, randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { formatVerifierKey, generateSigningKey, openSigner } from '../audit/note.ts';
import { signEnvelope } from '../crypto/envelope.ts';
import { SIGNER_SEED_BYTES, SigningKey, secretText } from '../crypto/signer.ts';
import { generateKeyPair } from '../crypto/x25519.ts';
import { configSchema } from '../wire/config.ts';
import { canonicalJson } from '../wire/canonical-json.ts';
import { isFault } from '../wire/errors.ts';
import { RECEIPT_MAGIC, receiptContent } from '../wire/provision.ts';
import type { GatewayKeys, ReceiptContent } from '../wire/provision.ts';
import { destroyFile, destroyTree, syncFolder, writeNew } from './durable-file.ts';
import type { AcceptedStick } from './provision-check.ts';
import {
  deviceCodeOf,
  openDeviceKey,
  readEnrolled,
  readMemory,
  recover,
  remembering,
  writeMemory,
} from './provision-memory.ts';
import type { Enrolled, Places } from './provision-memory.ts';
import { carryThrough } from './provision-reset.ts';
import { siteConfig, siteFiles } from './provision-site.ts';

export interface EnrolOptions {
  readonly version: string;
  readonly tpm: boolean;
  /** The clock's own time. */
  readonly now: number;
  readonly random?: (bytes: number) => Buffer;
  /** Told before each step that changes something; tests cut the power here. */
  readonly step?: (name: string) => void;
}

/** The audit log signs with a key of its own, which may be there before the enrolment. */
const auditKeyPlace = ({ state }: Places): string => join(state, 'audit', 'checkpoint.key');

/** Only root gives files away; elsewhere the processes run as one user. */
const give = (file: string, uid: number): void => {
  if (process.getuid?.() === 0) chownSync(file, uid, uid);
};

const uidsOf = (config: string): { tunnel: number; audit: number } =>
  configSchema.parse(JSON.parse(config)).uids;

function receiptOf(
  accepted: AcceptedStick,
  keys: GatewayKeys,
  device: string,
  { version, tpm, now }: EnrolOptions,
): ReceiptContent {
  const { head, body } = accepted;
  const said = {
    format: 1 as const,
    bundle: head.id,
    site: head.site.id,
    device,
    keys,
    version,
    tpm,
    at: now,
  };
  return receiptContent.parse({ ...said, mac: receiptMac(body.token, said) });
}

/** HMAC-SHA-256 (RFC 2104) under the bundle's token. */
export const receiptMac = (token: string, said: Omit<ReceiptContent, 'mac'>): string =>
  createHmac('sha256', Buffer.from(token, 'hex')).update(canonicalJson(said), 'utf8').digest('hex');

/** Everything of the enrolment in `folder`, synced. */
function writeSite(
  folder: string,
  places: Places,
  accepted: AcceptedStick,
  device: string,
  options: EnrolOptions,
): void {
  const { head, body, policy } = accepted;
  const { random = randomBytes, step } = options;
  const { token: _token, ...plan } = body;
  const config = siteConfig(head, plan, places);
  const uids = uidsOf(config);
  for (const name of ['', 'keys', 'network', 'policy', 'policy/signers'])
    mkdirSync(join(folder, name), { mode: name === 'keys' ? 0o711 : 0o755 });
  const put = (name: string, content: string | Uint8Array, mode = 0o644): void =>
    writeNew(join(folder, name), content, mode);

  step?.('keys');
  const tunnelSeed = random(32);
  put('keys/tunnel.key', `${tunnelSeed.toString('base64')}\n`, 0o600);
  give(join(folder, 'keys/tunnel.key'), uids.tunnel);
  const tunnel = generateKeyPair(tunnelSeed);
  const identitySeed = random(SIGNER_SEED_BYTES);
  put('keys/identity.key', `${secretText(identitySeed)}\n`, 0o600);
  const identity = new SigningKey(identitySeed);
  const auditPlace = auditKeyPlace(places);
  const auditPem = existsSync(auditPlace) ? readFileSync(auditPlace, 'utf8') : generateSigningKey();
  if (!existsSync(auditPlace)) put('keys/audit.key', auditPem, 0o600);
  const audit = openSigner(`anteroom/${head.site.id}/audit`, auditPem).verifier;
  const keys: GatewayKeys = {
    identity: identity.signer.text,
    tunnel: tunnel.public.text,
    audit: formatVerifierKey(audit),
  };

  step?.('files');
  for (const { name, content } of siteFiles(plan)) put(name, content);
  put('policy/initial.bundle', policy);
  put('config.json', config);
  put('receipt', signEnvelope(RECEIPT_MAGIC, receiptOf(accepted, keys, device, options), identity));
  identity.wipe();
  tunnel.secret.wipe();
  const enrolled: Enrolled = {
    format: 1,
    bundle: head.id,
    headDigest: accepted.headDigest,
    at: accepted.floor,
    head,
    plan,
  };
  put('enrolled.json', `${JSON.stringify(enrolled)}\n`);
  for (const name of ['policy/signers', 'policy', 'network', 'keys', '']) syncFolder(join(folder, name));
}

/** Move the audit key to where its process looks. May be done again. */
function placeAuditKey(places: Places): void {
  const made = join(places.site, 'keys', 'audit.key');
  if (!existsSync(made)) return;
  const place = auditKeyPlace(places);
  if (!existsSync(place)) {
    const { audit } = uidsOf(readFileSync(join(places.site, 'config.json'), 'utf8'));
    const folder = dirname(place);
    if (!existsSync(folder)) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      give(folder, audit);
    }
    rmSync(`${place}.new`, { force: true });
    writeNew(`${place}.new`, readFileSync(made), 0o600);
    give(`${place}.new`, audit);
    renameSync(`${place}.new`, place);
    syncFolder(folder);
  }
  destroyFile(made);
}

/** What a power cut left, mended: before anything else is done. Fault PROVISION_STATE. */
export function mend(places: Places): void {
  recover(places, (memory) => carryThrough(places, memory));
  placeAuditKey(places);
}

/** All of it; on a fault nothing. Throws what the disk says, and Fault PROVISION_INVALID for a site that no configuration takes. */
export function enrol(places: Places, accepted: AcceptedStick, options: EnrolOptions): void {
  const { step } = options;
  const folder = join(places.state, `site.new-${accepted.head.id}`);
  step?.('begin');
  const device = deviceCodeOf(openDeviceKey(places, options.random));
  try {
    writeSite(folder, places, accepted, device, options);
  } catch (error) {
    // A full disk, content that the configuration doesn't take: nothing of it stays.
    if (isFault(error) || (error instanceof Error && 'code' in error)) destroyTree(folder);
    throw error;
  }
  step?.('rename');
  renameSync(folder, places.site);
  syncFolder(places.state);
  step?.('used');
  const enrolled = readEnrolled(places);
  if (enrolled) writeMemory(places, remembering(readMemory(places), enrolled));
  step?.('audit-key');
  placeAuditKey(places);
}
