/**
 * A policy bundle: everything that decides at a site, in one signed piece. docs/adr says why in this form.
 *
 *   anteroom-bundle 1\n
 *   signature <signer id> <base64 Ed25519, 64 bytes> <base64 ML-DSA-65, 3309 bytes>\n      once a signer, 1 to 8
 *   content <length of what follows in bytes, decimal>\n
 *   <content: JSON in the canonical form of RFC 8785, UTF-8>                                 to the last byte
 *
 * Both signatures cover the text `anteroom-bundle 1\n` followed by the content. Nothing of the content is parsed
 * before they verify. The content's bytes are canonical, so that the same content is the same bytes: its SHA-256 is
 * the bundle's name.
 */
import * as z from 'zod';
import { actions } from './action.ts';
import { devicesSchema, resourcesSchema, usersSchema } from './config.ts';
import { obligation } from './grant.ts';
import { siteId } from './ids.ts';
import { siteData } from './site-data.ts';
import { signerText } from './signer.ts';
import { anyText, count, filledText, integer, text } from './scalar.ts';

export const BUNDLE_FORMAT = 1;
/** The first line, which is signed too. */
export const BUNDLE_MAGIC = 'anteroom-bundle 1\n';
/** Longest bundle that is read; in base64 it fits one local message. */
export const MAX_BUNDLE_BYTES = 5 * 1024 * 1024;
export const MAX_SIGNATURES = 8;
export const MAX_VECTORS = 1024;

const instant = count;
/** Cedar's own JSON of entities and values; the engine reads it with its own checks. */
const uid = z.strictObject({ type: filledText(128), id: text(256) });

/** What is asked: an action, an obligation or breaking the glass; all of them are actions to Cedar. */
const asked = z.enum([...actions, ...obligation.shape.kind.options, 'breakGlass']);
export type Asked = z.infer<typeof asked>;

/** One question, as Cedar reads it, with what cedar-wasm answered when the bundle was made. */
export const policyVector = z.strictObject({
  principal: uid,
  resource: uid,
  context: z.record(anyText, z.unknown()),
  entities: z
    .array(z.strictObject({ uid, attrs: z.record(anyText, z.unknown()), parents: z.array(uid).max(256) }))
    .max(256),
  /** For everything that was asked: whether it is allowed, and `@id`s of the policies that made it so, sorted. */
  answers: z.partialRecord(asked, z.strictObject({ allow: z.boolean(), rules: z.array(anyText) })),
});
export type PolicyVector = z.infer<typeof policyVector>;

/** What replaces the configured lists of the same names. Peers and their keys stay the configuration's. */
export const bundleDirectory = z.strictObject({
  users: usersSchema,
  devices: devicesSchema,
  resources: resourcesSchema,
});
export type BundleDirectory = z.infer<typeof bundleDirectory>;

export const bundleContent = z.strictObject({
  format: z.literal(BUNDLE_FORMAT),
  /** Goes up with every bundle of a site; a gateway takes none below the highest it has seen. */
  revision: integer.min(1).max(Number.MAX_SAFE_INTEGER),
  /** Sites it is for. */
  audience: z.array(siteId).min(1).max(4096),
  /** When it may be activated, epoch ms: from the first until before the second. */
  notBefore: instant,
  notAfter: instant,
  /** It drops more than a fifth of the policies, users, devices or resources in force, and is meant to. */
  destructive: z.literal(true).optional(),
  /** From its activation on, who may sign. Signed then by one that could before and by every one named here. */
  keys: z.array(signerText).min(1).max(MAX_SIGNATURES).optional(),
  /** Cedar text. */
  policies: z.string().min(1),
  /** What policy reads besides; in place of the configuration's `siteData`. */
  site: siteData.prefault({}),
  directory: bundleDirectory.optional(),
  vectors: z.array(policyVector).min(1).max(MAX_VECTORS),
});
export type BundleContent = z.output<typeof bundleContent>;
/** As it is written: with what has a default left out or not. */
export type BundleSource = z.input<typeof bundleContent>;
