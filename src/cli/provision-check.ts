/**
 * Whether a gateway takes a stick. Checked in this order, and the first that fails is what is said: shape, signer,
 * signature, service life, model, binding, time, software, earlier use, hardware key, code, content, policy. Nothing
 * of the head is parsed before its signature verifies, nothing of the body is decrypted before its digest does.
 */
import { hash } from 'node:crypto';
import { openEnvelope } from '../crypto/envelope.ts';
import { openAsDevice, openWithCode } from '../crypto/sealed-box.ts';
import type { Signer } from '../crypto/signer.ts';
import type { KeyPair } from '../crypto/x25519.ts';
import { readSigners, verifyBundle } from '../policy/bundle-verify.ts';
import { canonicalJson } from '../wire/canonical-json.ts';
import { isFault } from '../wire/errors.ts';
import { HEAD_MAGIC, compareVersions, enrolmentBody, enrolmentHead } from '../wire/provision.ts';
import type { EnrolmentBody, EnrolmentHead } from '../wire/provision.ts';
import type { ProvisionCode } from '../wire/provision-code.ts';
import type { ProvisionPhase } from '../wire/provision-status.ts';
import { deviceIdOf } from './provision-memory.ts';

/** What the gateway knows when it looks at a stick. */
export interface Surroundings {
  /** Signers of the read-only image. */
  readonly signers: readonly Signer[];
  /** Its first key, where it has made one. */
  readonly device?: KeyPair;
  readonly phase: ProvisionPhase;
  readonly used: readonly string[];
  readonly lastSite?: string;
  /** The bundle and head it is enrolled by. */
  readonly enrolledBy?: { readonly bundle: string; readonly headDigest: string };
  readonly version: string;
  readonly model: string;
  readonly tpm: boolean;
  readonly now: number;
  /** False where nothing but the image's own date says what time it is. */
  readonly clockTrusted: boolean;
  /** What somebody typed. */
  readonly code?: string;
}

export interface AcceptedStick {
  readonly kind: 'accepted';
  readonly head: EnrolmentHead;
  readonly headDigest: string;
  readonly body: EnrolmentBody;
  readonly policy: Uint8Array;
  /** No earlier than this is it now. */
  readonly floor: number;
}

export type Verdict =
  | AcceptedStick
  /** The stick this gateway was enrolled by, once more. */
  | { readonly kind: 'same' }
  | { readonly kind: 'refused'; readonly code: ProvisionCode; readonly detail?: string };

export const bodyContext = (id: string): string => `anteroom-enrolment 1 ${id}`;

const refused = (code: ProvisionCode, detail?: string): Verdict => ({
  kind: 'refused',
  code,
  ...(detail === undefined ? {} : { detail }),
});
const iso = (at: number): string => new Date(at).toISOString().slice(0, 16).replace('T', ' ');

/** One typed code in its one spelling: Crockford's base 32, I and L as 1, O as 0. */
export const spellCode = (typed: string): string =>
  typed
    .toUpperCase()
    .replaceAll(/[^0-9A-Z]/g, '')
    .replaceAll(/[IL]/g, '1')
    .replaceAll('O', '0');

/** Of the decrypted body: the JSON and the policy bundle. */
export function splitBody(plain: Uint8Array): { json: string; policy: Uint8Array } | undefined {
  if (plain.length < 4) return undefined;
  const bytes = Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
  const length = bytes.readUInt32BE(0);
  if (length > bytes.length - 4) return undefined;
  return { json: bytes.toString('utf8', 4, 4 + length), policy: plain.subarray(4 + length) };
}

async function decrypt(
  head: EnrolmentHead,
  body: Uint8Array,
  { device, code }: Surroundings,
): Promise<Uint8Array | Verdict> {
  const context = bodyContext(head.id);
  if (head.recipient.kind === 'device')
    return (device && openAsDevice(device, context, body)) ?? refused('E06', 'encrypted to another gateway');
  const typed = spellCode(code ?? '');
  if (typed === '') return refused('E13', 'no code was typed');
  const salt = Buffer.from(head.recipient.salt, 'hex');
  return (await openWithCode(typed, salt, context, body)) ?? refused('E13', 'the code is wrong');
}

/** The head's own checks, once its signature is right. */
function judge(head: EnrolmentHead, box: Surroundings): Verdict | undefined {
  if (box.phase === 'decommissioned') return refused('E14');
  if (head.model !== undefined && head.model !== box.model)
    return refused('E06', `for the model ${head.model}`);
  const { recipient } = head;
  if (
    recipient.kind === 'device' &&
    (!box.device || recipient.device !== deviceIdOf(box.device.public.bytes))
  )
    return refused('E06', 'for another device code');
  const from = head.reprovision?.from;
  const lastSite = box.lastSite;
  if (from !== undefined && from !== lastSite) return refused('E06', 'for a gateway of another site');
  if (head.notAfter <= box.now)
    return refused('E05', `expired at ${iso(head.notAfter)}; here it is ${iso(box.now)}`);
  // Without a clock of its own the box lives in the past: the signer's time is the better one.
  if (box.clockTrusted && head.notBefore > box.now)
    return refused('E05', `valid from ${iso(head.notBefore)}; here it is ${iso(box.now)}`);
  if (compareVersions(box.version, head.minVersion) < 0)
    return refused('E08', `needs ${head.minVersion}; here is ${box.version}`);
  if (box.used.includes(head.id)) return refused('E07');
  if (box.phase !== 'new' && box.phase !== 'reset') return refused('E12', 'in service');
  if (box.phase === 'reset' && from === undefined) return refused('E12', 'it was reset');
  if (!box.tpm && !head.softKey) return refused('E11');
  return undefined;
}

function contentOf(head: EnrolmentHead, plain: Uint8Array): Pick<AcceptedStick, 'body' | 'policy'> | string {
  const parts = splitBody(plain);
  if (!parts) return 'the body is cut short';
  let value: unknown;
  try {
    value = JSON.parse(parts.json);
    if (canonicalJson(value) !== parts.json) return 'the body is not canonical';
  } catch {
    return 'the body is not JSON';
  }
  const read = enrolmentBody.safeParse(value);
  if (!read.success) {
    const path = read.error.issues[0]?.path ?? [];
    return `the body: ${path.map(String).join('.') || 'top level'} is not valid`;
  }
  const body = read.data;
  if (body.id !== head.id) return 'the body is of another stick';
  try {
    const pinned = readSigners(body.policySigners.map((text) => ({ text, from: 'policySigners' })));
    const { content } = verifyBundle(parts.policy, { pinned });
    if (!content.audience.includes(head.site.id)) return 'the policy bundle is for other sites';
  } catch (error) {
    return `the policy bundle: ${isFault(error) ? error.code : 'not valid'}`;
  }
  return { body, policy: parts.policy };
}

/** Never throws for what is on the stick. */
export async function checkEnrolment(
  files: { readonly head: Uint8Array; readonly body: Uint8Array },
  box: Surroundings,
): Promise<Verdict> {
  const opened = openEnvelope(HEAD_MAGIC, files.head, box.signers);
  if (opened.kind === 'malformed') return refused('E02', opened.detail);
  if (opened.kind === 'stranger') return refused('E04', `signer ${opened.id}`);
  if (opened.kind === 'forged') return refused('E03', `signer ${opened.id}`);
  const parsed = enrolmentHead.safeParse(opened.value);
  if (!parsed.success) return refused('E08', 'it is in a form that this software does not know');
  const head = parsed.data;
  const headDigest = hash('sha256', files.head, 'hex');
  if (files.body.length !== head.body.bytes) return refused('E02', 'cut short or too long');
  if (hash('sha256', files.body, 'hex') !== head.body.sha256)
    return refused('E03', 'the sealed part was changed');
  if (box.phase === 'enrolled' && box.enrolledBy?.bundle === head.id)
    return box.enrolledBy.headDigest === headDigest ? { kind: 'same' } : refused('E07');
  const objection = judge(head, box);
  if (objection) return objection;
  const plain = await decrypt(head, files.body, box);
  if (!(plain instanceof Uint8Array)) return plain;
  const content = contentOf(head, plain);
  if (typeof content === 'string') return refused('E15', content);
  return { kind: 'accepted', head, headDigest, ...content, floor: Math.max(box.now, head.notBefore) };
}
