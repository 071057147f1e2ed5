/**
 * A signed order: what a security officer wants of gateways by way of the coordinator, and the coordinator's sign of
 * life. Signed as policy bundles are, by the same pinned signers.
 *
 *   anteroom-order 1\n
 *   signature <signer id> <base64 Ed25519, 64 bytes> <base64 ML-DSA-65, 3309 bytes>\n
 *   <content: JSON in the canonical form of RFC 8785, UTF-8>                           to the last byte
 *
 * Both signatures cover the text `anteroom-order 1\n` followed by the content. An order counts once: its id is
 * remembered.
 */
import * as z from 'zod';
import { instant, sentence } from './facts.ts';
import { siteId } from './ids.ts';
import { filledText, integer } from './scalar.ts';

export const ORDER_MAGIC = 'anteroom-order 1\n';
export const MAX_ORDER_BYTES = 16_384;

export const orderContent = z
  .strictObject({
    format: z.literal(1),
    /** 128 random bits, hexadecimal. */
    id: z.string().regex(/^[0-9a-f]{32}$/),
    audience: z.array(siteId).min(1).max(64),
    /** When it may be applied: from the first until before the second. */
    notBefore: instant,
    notAfter: instant,
    order: z.enum(['emergency.start', 'emergency.end', 'contact']),
    /** The security officer. */
    officer: filledText(64),
    reason: sentence,
    /** Of an emergency that is to start; at most what the site's data allows. */
    hours: integer.min(1).max(168).optional(),
  })
  .refine(({ notBefore, notAfter }) => notBefore < notAfter, {
    path: ['notAfter'],
    message: 'must be later',
  });
export type OrderContent = z.infer<typeof orderContent>;
