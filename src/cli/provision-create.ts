/**
 * Making a stick, at the office: body sealed, head signed, both with a page for people written to a mounted folder.
 * The head is written last, so that a stick pulled out too early has no enrolment. The registry knows of the stick
 * before the stick exists.
 */
import { hash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { signEnvelope } from '../crypto/envelope.ts';
import { newCode } from '../crypto/offline-credential.ts';
import { PublicKey } from '../crypto/public-key.ts';
import { sealToCode, sealToDevice } from '../crypto/sealed-box.ts';
import type { SigningKey } from '../crypto/signer.ts';
import { readSigners, verifyBundle } from '../policy/bundle-verify.ts';
import { canonicalJson } from '../wire/canonical-json.ts';
import { Fault } from '../wire/errors.ts';
import { publicKeyText } from '../wire/ids.ts';
import {
  BODY_FILE,
  HEAD_FILE,
  HEAD_MAGIC,
  MAX_BODY_BYTES,
  MAX_HEAD_BYTES,
  STICK_FOLDER,
  deviceCode,
  enrolmentBody,
  enrolmentHead,
} from '../wire/provision.ts';
import type { EnrolmentHead, EnrolmentSource } from '../wire/provision.ts';
import { provisionCodes } from '../wire/provision-code.ts';
import { replaceFile, syncFolder } from './durable-file.ts';
import { bodyContext, spellCode } from './provision-check.ts';
import { deviceIdOf } from './provision-memory.ts';
import { siteConfig } from './provision-site.ts';

export interface StickOrder {
  readonly site: { readonly id: string; readonly name: string };
  readonly notBefore: number;
  readonly notAfter: number;
  readonly minVersion: string;
  readonly model?: string;
  readonly softKey: boolean;
  readonly reprovisionFrom?: string;
  /** `anteroom-device:…`; without it a one-time code is made. */
  readonly device?: string;
  readonly body: Omit<EnrolmentSource, 'format' | 'id' | 'token'>;
  /** The bytes of a signed policy bundle. */
  readonly policy: Uint8Array;
}

export interface MadeStick {
  readonly head: EnrolmentHead;
  readonly headBytes: Buffer;
  readonly bodyBytes: Uint8Array;
  readonly token: string;
  /** For the technician, by another way than the stick. */
  readonly code?: string;
}

const invalid = (detail: string): Fault => new Fault('PROVISION_INVALID', detail);

function checked<T>(
  what: string,
  read: {
    success: boolean;
    data?: T;
    error?: { issues: readonly { path: readonly PropertyKey[]; message: string }[] };
  },
): T {
  if (read.success && read.data !== undefined) return read.data;
  const { path = [], message = '' } = read.error?.issues[0] ?? {};
  throw invalid(`${[what, ...path.map(String)].join('.')}: ${message}`);
}

/** Faults PROVISION_INVALID and those of policy bundles. */
export async function makeStick(
  order: StickOrder,
  key: SigningKey,
  random = randomBytes,
): Promise<MadeStick> {
  const id = random(16).toString('hex');
  const token = random(32).toString('hex');
  const body = checked('stick', enrolmentBody.safeParse({ ...order.body, format: 1, id, token }));
  const pinned = readSigners(body.policySigners.map((text) => ({ text, from: 'policy signer' })));
  const { content } = verifyBundle(order.policy, { pinned });
  if (!content.audience.some((site) => site === order.site.id))
    throw new Fault('BUNDLE_AUDIENCE', `${content.audience.join(', ')}; not ${order.site.id}`);
  const json = Buffer.from(canonicalJson(body), 'utf8');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.length);
  const plain = Buffer.concat([length, json, order.policy]);

  let recipient: EnrolmentHead['recipient'];
  let sealed: Uint8Array | undefined;
  let code: string | undefined;
  if (order.device === undefined) {
    const salt = random(16);
    code = newCode(random);
    recipient = { kind: 'code', salt: salt.toString('hex') };
    sealed = await sealToCode(spellCode(code), salt, bodyContext(id), plain);
  } else {
    const text = checked('device', deviceCode.safeParse(order.device));
    const [, device = '', publicText = ''] = text.split(':');
    const publicKey = PublicKey.fromText(publicKeyText.parse(publicText));
    if (deviceIdOf(publicKey.bytes) !== device) throw invalid('device: mistyped, its two parts do not fit');
    recipient = { kind: 'device', device };
    sealed = sealToDevice(publicKey, bodyContext(id), plain, random);
  }
  if (!sealed) throw invalid('device: not a key');
  if (sealed.length > MAX_BODY_BYTES) throw invalid(`the body is longer than ${MAX_BODY_BYTES} bytes`);

  const head = checked(
    'head',
    enrolmentHead.safeParse({
      format: 1,
      id,
      site: order.site,
      notBefore: order.notBefore,
      notAfter: order.notAfter,
      minVersion: order.minVersion,
      ...(order.model === undefined ? {} : { model: order.model }),
      recipient,
      softKey: order.softKey,
      ...(order.reprovisionFrom === undefined ? {} : { reprovision: { from: order.reprovisionFrom } }),
      body: { bytes: sealed.length, sha256: hash('sha256', sealed, 'hex') },
    }),
  );
  // What the gateway would refuse is refused here, where somebody can change it.
  siteConfig(head, body, { state: '/var/lib/anteroom', site: '/var/lib/anteroom/site' });
  const headBytes = signEnvelope(HEAD_MAGIC, head, key);
  if (headBytes.length > MAX_HEAD_BYTES) throw invalid('the head is too long');
  return { head, headBytes, bodyBytes: sealed, token, ...(code === undefined ? {} : { code }) };
}

const pageFile = (name: string): string =>
  readFileSync(new URL(`../../provisioning/page/${name}`, import.meta.url), 'utf8');

const escape = (text: string): string => text.replaceAll(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const minute = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** Replace `{{name}}`; every name has to be known. */
function fill(
  template: string,
  values: Readonly<Record<string, string>>,
  write: (text: string) => string,
): string {
  return template.replaceAll(/\{\{([a-z]+)\}\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Fault('INTERNAL', `the page has no value for ${name}`);
    return name === 'codes' ? value : write(value);
  });
}

/** The pages for people: what the stick is for, what to do, what each code means. No secret is on them. */
export function stickPages(
  head: EnrolmentHead,
  said: { readonly coordinator: string; readonly contact: string },
): { readonly html: string; readonly text: string } {
  const bound =
    head.recipient.kind === 'device'
      ? `only the gateway with the device code ${head.recipient.device}`
      : 'the gateway where the one-time code is typed; the office tells it you by another way, never on paper with the stick';
  const values = {
    site: head.site.name,
    id: head.site.id,
    bundle: head.id,
    until: minute(head.notAfter),
    from: minute(head.notBefore),
    bound,
    ...said,
  };
  const refusals = Object.entries(provisionCodes);
  const rows = refusals
    .map(
      ([code, { sentence, action }]) =>
        `<tr><th>${code}</th><td>${escape(sentence)}</td><td>${escape(action)}</td></tr>`,
    )
    .join('\n');
  const lines = refusals
    .map(([code, { sentence, action }]) => `${code}  ${sentence}\n     ${action}`)
    .join('\n');
  return {
    html: fill(pageFile('stick.html'), { ...values, codes: rows }, escape),
    text: fill(pageFile('stick.txt'), { ...values, codes: lines }, (text) => text).replaceAll('\n', '\r\n'),
  };
}

/** Fault PROVISION_INVALID where the folder has an enrolment already or can't be written. */
export function writeStick(
  root: string,
  { head, headBytes, bodyBytes }: MadeStick,
  said: { readonly coordinator: string; readonly contact: string },
): void {
  const folder = join(root, STICK_FOLDER);
  if (existsSync(join(folder, HEAD_FILE))) throw invalid(`${root}: there is an enrolment on it already`);
  const { html, text } = stickPages(head, said);
  try {
    mkdirSync(folder, { recursive: true });
    rmSync(join(folder, BODY_FILE), { force: true });
    replaceFile(join(root, 'index.html'), html, 0o644);
    replaceFile(join(root, 'README.txt'), text, 0o644);
    replaceFile(join(folder, BODY_FILE), bodyBytes, 0o644);
    replaceFile(join(folder, HEAD_FILE), headBytes, 0o644);
    syncFolder(root);
  } catch (cause) {
    throw new Fault(
      'PROVISION_INVALID',
      `${root}: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        cause,
      },
    );
  }
}
