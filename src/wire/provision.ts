/**
 * What travels on a provisioning stick, both ways. All of it lies in the folder `anteroom/` of a FAT file system.
 *
 *   enrolment            the head: who it is for, how long, and the digest of the body; signed
 *   enrolment.sealed     the body, encrypted (`crypto/sealed-box.ts`)
 *   receipt-<id>         written back by the gateway: its public keys; signed by its new identity
 *   credential-<id>      the office's answer to a receipt, on a later visit; signed
 *   order-<id>           reset or decommission, from the office; signed
 *   farewell-<id>        written back by the gateway that carried one out, with its enrolment's id; signed
 *
 * Every signed file is one envelope (`crypto/envelope.ts`) with the first line named below. The body, decrypted, is
 *
 *   length of the JSON, 4 bytes, big-endian ‖ canonical JSON (`enrolmentBody`) ‖ the initial policy bundle, to the end
 *
 * No private key is ever on a stick. The body holds a token: whoever can return its MAC has opened the body.
 */
import * as z from 'zod';
import { ipAddress, ipPrefix, port } from './address.ts';
import { devicesSchema, resourcesSchema, usersSchema } from './config.ts';
import { publicKeyText, siteId } from './ids.ts';
import { signerText } from './signer.ts';
import { count, filledText, integer, text } from './scalar.ts';

export const STICK_FOLDER = 'anteroom';
/** Volume label of a stick that the office made whole. */
export const STICK_LABEL = 'GWENROL';
export const HEAD_FILE = 'enrolment';
export const BODY_FILE = 'enrolment.sealed';
export const HEAD_MAGIC = 'anteroom-enrolment 1\n';
export const RECEIPT_MAGIC = 'anteroom-receipt 1\n';
export const CREDENTIAL_MAGIC = 'anteroom-credential 1\n';
export const FAREWELL_MAGIC = 'anteroom-farewell 1\n';
export const RESET_MAGIC = 'anteroom-reset 1\n';

/** Longest head, receipt, order: what is read of a stranger's file before anything is verified. */
export const MAX_HEAD_BYTES = 64 * 1024;
/** Longest body: a policy bundle and what goes with it. */
export const MAX_BODY_BYTES = 6 * 1024 * 1024;
/** More names than this in a folder of the stick, and it isn't one of ours. */
export const MAX_STICK_NAMES = 256;

const instant = count;
const hex = (bytes: number): z.ZodString =>
  z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`), `must be ${bytes} bytes in hexadecimal`);
/** Printable text in one line. */
const line = (max: number): z.ZodString =>
  filledText(max).regex(/^[^\p{C}\p{Zl}\p{Zp}]+$/u, 'must be printable, in one line');
/** A host name (RFC 1123) or an address. */
const host = z.union([
  ipAddress,
  text(253).regex(/^(?!-)[A-Za-z0-9-]{1,63}(?:\.(?!-)[A-Za-z0-9-]{1,63})*$/, 'must be a host name'),
]);

export const bundleId = hex(16);
/** `x.y.z`, compared number by number. */
export const versionText = z.string().regex(/^\d{1,5}\.\d{1,5}\.\d{1,5}$/, 'must be a version such as 1.2.3');

/** A gateway before it has keys of its own: the public half of its first key. */
export const deviceCode = z
  .string()
  .regex(/^anteroom-device:[0-9a-f]{16}:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/, 'must be a device code');

const site = z.strictObject({ id: siteId, name: line(100) });

/** To whom the body is encrypted: a device that is known, or whoever has the one-time code. */
export const recipient = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('device'), device: hex(8) }),
  z.strictObject({ kind: z.literal('code'), salt: hex(16) }),
]);

export const enrolmentHead = z
  .strictObject({
    format: z.literal(1),
    id: bundleId,
    site,
    /** From the first until before the second. */
    notBefore: instant,
    notAfter: instant,
    /** Hardware it is for; any without a word. */
    model: line(64).optional(),
    /** The oldest software that may take it. */
    minVersion: versionText,
    recipient,
    /** A box without a TPM may take it, and keeps its keys in a file. */
    softKey: z.boolean(),
    /** For a box that was in service before and was reset: where. */
    reprovision: z.strictObject({ from: siteId }).optional(),
    body: z.strictObject({ bytes: integer.min(1).max(MAX_BODY_BYTES), sha256: hex(32) }),
  })
  .refine(({ notBefore, notAfter }) => notBefore < notAfter, {
    path: ['notAfter'],
    message: 'must be later than notBefore',
  });
export type EnrolmentHead = z.infer<typeof enrolmentHead>;

/** How an interface gets its address. */
export const addressing = z.discriminatedUnion('method', [
  z.strictObject({ method: z.literal('dhcp') }),
  z.strictObject({
    method: z.literal('static'),
    addresses: z.array(ipPrefix).min(1).max(8),
    gateway: ipAddress.optional(),
    dns: z.array(ipAddress).max(4).default([]),
  }),
]);
export type Addressing = z.infer<typeof addressing>;

const mac = z.string().regex(/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/, 'must be a MAC address in lower case');
const port802 = z.strictObject({
  /** Which port of the box it is; without a word the image's own order decides. */
  mac: mac.optional(),
  addressing,
});
export type PortPlan = z.infer<typeof port802>;

export const coordinatorPlan = z.strictObject({
  name: line(100),
  url: text(512).regex(/^https:\/\/[A-Za-z0-9.:[\]-]+(?:\/[A-Za-z0-9._~/-]*)?$/, 'must be an https address'),
  /** Whose answers are the coordinator's. */
  keys: z.array(signerText).min(1).max(8),
});

export const enrolmentBody = z.strictObject({
  format: z.literal(1),
  /** That of the head, once more: a body belongs to one head. */
  id: bundleId,
  token: hex(32),
  coordinator: coordinatorPlan.optional(),
  interfaces: z.strictObject({ uplink: port802, management: port802, enclave: port802 }),
  /** Time servers. */
  ntp: z.array(host).max(8),
  /** Time servers that prove who they are (NTS, RFC 8915); as long as one answers, the others aren't believed. */
  nts: z.array(host).max(8).default([]),
  proxy: text(512)
    .regex(/^http:\/\/[A-Za-z0-9.:[\]-]+$/, 'must be http://host:port')
    .optional(),
  tunnel: z.strictObject({
    port: port.default(51820),
    addresses: z.array(ipPrefix).min(1).max(8),
    /** Where peers reach it from outside. */
    endpoint: z.strictObject({ host, port }).optional(),
  }),
  /** Who may sign policy here, from the first bundle on. */
  policySigners: z.array(signerText).min(1).max(8),
  directory: z
    .strictObject({ users: usersSchema, devices: devicesSchema, resources: resourcesSchema })
    .optional(),
  contact: line(200),
  /** Devices that the self-test asks, by ICMP, whether they answer. None but these is ever asked. */
  reachability: z.array(z.ipv4()).min(1).max(8).optional(),
});
export type EnrolmentBody = z.output<typeof enrolmentBody>;
/** What the gateway keeps of it: all but the token. */
export const enrolmentPlan = enrolmentBody.omit({ token: true });
export type EnrolmentPlan = z.output<typeof enrolmentPlan>;
export type EnrolmentSource = z.input<typeof enrolmentBody>;

/** A gateway's public half. */
export const gatewayKeys = z.strictObject({
  /** Signs receipts and what it tells a coordinator. */
  identity: signerText,
  tunnel: publicKeyText,
  /** Of its audit log, as a signed note's verifier key. */
  audit: line(300),
});
export type GatewayKeys = z.infer<typeof gatewayKeys>;

export const receiptContent = z.strictObject({
  format: z.literal(1),
  bundle: bundleId,
  site: siteId,
  device: deviceCode,
  keys: gatewayKeys,
  version: text(64),
  /** Whether a TPM keeps the disk's key. */
  tpm: z.boolean(),
  at: instant,
  /** HMAC-SHA-256 under the token, of the canonical JSON of everything else here. */
  mac: hex(32),
});
export type ReceiptContent = z.infer<typeof receiptContent>;

/** A peer to start with, as in the configuration. Its keys are its own. */
export const firstPeer = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9._@-]{0,63}$/),
  publicKey: publicKeyText,
  allowedIps: z.array(ipPrefix).min(1).max(8),
  user: filledText(64),
  userDevice: line(100),
});

export const credentialContent = z.strictObject({
  format: z.literal(1),
  bundle: bundleId,
  site: siteId,
  keys: gatewayKeys,
  issued: instant,
  users: usersSchema.optional(),
  peers: z.array(firstPeer).max(256).default([]),
});
export type CredentialContent = z.output<typeof credentialContent>;
export type CredentialSource = z.input<typeof credentialContent>;

/** An order to forget. For one gateway, by its identity's id. */
export const resetOrder = z
  .strictObject({
    format: z.literal(1),
    id: bundleId,
    site: siteId,
    gateway: hex(8),
    order: z.enum(['reset', 'decommission']),
    reason: line(300),
    notBefore: instant,
    notAfter: instant,
  })
  .refine(({ notBefore, notAfter }) => notBefore < notAfter, {
    path: ['notAfter'],
    message: 'must be later',
  });
export type ResetOrder = z.infer<typeof resetOrder>;

/** The last thing an identity signs. */
export const farewellContent = z.strictObject({
  format: z.literal(1),
  site: siteId,
  gateway: signerText,
  bundle: bundleId,
  what: z.enum(['reset', 'decommission']),
  /** `order` and which, or somebody at the box. */
  by: z.union([z.literal('presence'), bundleId]),
  reason: line(300),
  at: instant,
});
export type FarewellContent = z.infer<typeof farewellContent>;

/** Negative, zero or positive as version `a` is below, equal to or above `b`. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => (text.split(/[-+]/)[0] ?? '').split('.').map(Number));
  for (let i = 0; i < 3; i++) {
    const difference = (left?.[i] ?? 0) - (right?.[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
