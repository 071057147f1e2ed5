/**
 * What the gateway does with a stick: read, judge, and if it is taken, make its own keys and put the enrolment into
 * place in one rename. A refusal changes nothing. The receipt goes back to the stick last; where that fails, the same
 * stick plugged in again gets it.
 *
 *   site.new-<id>/ written and synced → renamed to site/ → bundle remembered as used → audit key placed → receipt written
 *
 * After a power cut between any two of these `recover` and the same stick lead to the same end.
 */
import { createHmac, hash, randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { formatVerifierKey, generateSigningKey, openSigner } from '../audit/note.ts';
import { openEnvelope, signEnvelope } from '../crypto/envelope.ts';
import { SIGNER_SEED_BYTES, SigningKey, secretText } from '../crypto/signer.ts';
import type { Signer } from '../crypto/signer.ts';
import { generateKeyPair } from '../crypto/x25519.ts';
import { configSchema } from '../wire/config.ts';
import { canonicalJson } from '../wire/canonical-json.ts';
import { isFault } from '../wire/errors.ts';
import {
  CREDENTIAL_MAGIC,
  MAX_HEAD_BYTES,
  RECEIPT_MAGIC,
  credentialContent,
  receiptContent,
} from '../wire/provision.ts';
import type { GatewayKeys, ReceiptContent } from '../wire/provision.ts';
import { isRefusal } from '../wire/provision-code.ts';
import type { ProvisionCode } from '../wire/provision-code.ts';
import { destroyFile, destroyTree, readBounded, replaceFile, syncFolder, writeNew } from './durable-file.ts';
import { checkEnrolment } from './provision-check.ts';
import type { AcceptedStick } from './provision-check.ts';
import {
  deviceCodeOf,
  openDeviceKey,
  phaseOf,
  placesOf,
  readEnrolled,
  readMemory,
  recover,
  remembering,
  writeMemory,
} from './provision-memory.ts';
import type { Enrolled, Places } from './provision-memory.ts';
import { applyOrders } from './provision-orders.ts';
import { carryThrough } from './provision-reset.ts';
import { siteConfig, siteFiles } from './provision-site.ts';
import { NOT_ON_STICK, readStick, writeBack } from './provision-stick.ts';
import type { StickContent } from './provision-stick.ts';

export interface ApplyOptions {
  /** `/var/lib/anteroom`. */
  readonly state: string;
  readonly signers: readonly Signer[];
  readonly version: string;
  readonly model: string;
  readonly tpm: boolean;
  /** The clock's own time. */
  readonly now: number;
  readonly clockTrusted: boolean;
  readonly code?: string;
  readonly random?: (bytes: number) => Buffer;
  /** Ends the gateway's processes, before an order destroys what they have open. Throws where it can't. */
  readonly stopProcesses?: () => void;
  /** Told before each step that changes something; tests cut the power here. */
  readonly step?: (name: string) => void;
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
  { version, tpm, now }: ApplyOptions,
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
  options: ApplyOptions,
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

function commit(places: Places, accepted: AcceptedStick, options: ApplyOptions): void {
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
      commit(places, verdict, options);
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
