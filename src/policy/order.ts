/**
 * Signed orders: making and believing them. The layout is in `wire/order.ts`. Nothing of the content is parsed before
 * both signatures verify against a pinned signer.
 */
import { ML_DSA_SIGNATURE_BYTES } from '../crypto/ml-dsa.ts';
import { ED25519_SIGNATURE_BYTES } from '../crypto/signer.ts';
import type { Signer, SigningKey } from '../crypto/signer.ts';
import { canonicalJson } from '../wire/canonical-json.ts';
import { MAX_ORDER_BYTES, ORDER_MAGIC, orderContent } from '../wire/order.ts';
import type { OrderContent } from '../wire/order.ts';
import type { EpochMillis } from '../wire/units.ts';

const SIGNATURE_LINE = /^signature ([0-9a-f]{16}) ([A-Za-z0-9+/]+={0,2}) ([A-Za-z0-9+/]+={0,2})$/;

/** Who may sign orders: those that may sign bundles. */
export type OrderSigners = readonly Signer[];

export type OrderCheck =
  | { readonly kind: 'order'; readonly order: OrderContent; readonly signer: string }
  | { readonly kind: 'refused'; readonly why: string };

const signedText = (content: string): Buffer => Buffer.from(`${ORDER_MAGIC}${content}`, 'utf8');

export function signOrder(content: OrderContent, key: SigningKey): Buffer {
  const text = canonicalJson(orderContent.parse(content));
  const { ed25519, mlDsa65 } = key.sign(signedText(text));
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  return Buffer.from(
    `${ORDER_MAGIC}signature ${key.signer.id} ${base64(ed25519)} ${base64(mlDsa65)}\n${text}`,
    'utf8',
  );
}

function decode(text: string, length: number): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === length && bytes.toString('base64') === text ? Uint8Array.from(bytes) : undefined;
}

/** Never throws. `site` and `now` are those of the gateway that was given it. */
export function checkOrder(
  bytes: Uint8Array,
  signers: OrderSigners,
  site: string,
  now: EpochMillis,
): OrderCheck {
  const refused = (why: string): OrderCheck => ({ kind: 'refused', why });
  if (bytes.length > MAX_ORDER_BYTES) return refused('It is too large.');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return refused('It is not UTF-8.');
  }
  if (!text.startsWith(ORDER_MAGIC)) return refused('It is not an order.');
  const end = text.indexOf('\n', ORDER_MAGIC.length);
  const [, id, first = '', second = ''] = SIGNATURE_LINE.exec(text.slice(ORDER_MAGIC.length, end)) ?? [];
  const ed25519 = decode(first, ED25519_SIGNATURE_BYTES);
  const mlDsa65 = decode(second, ML_DSA_SIGNATURE_BYTES);
  if (end < 0 || id === undefined || !ed25519 || !mlDsa65) return refused('It has no whole signature.');
  const signer = signers.find((each) => each.id === id);
  if (!signer) return refused(`Its signer ${id} is not one of those pinned here.`);
  const content = text.slice(end + 1);
  if (!signer.verify(signedText(content), { ed25519, mlDsa65 })) return refused('Its signatures are wrong.');
  let value: unknown;
  try {
    value = JSON.parse(content);
    if (canonicalJson(value) !== content) return refused('It is not in canonical form.');
  } catch {
    return refused('It is not JSON.');
  }
  const parsed = orderContent.safeParse(value);
  if (!parsed.success) return refused('It is of another shape.');
  const order = parsed.data;
  if (!(order.audience as string[]).includes(site)) return refused(`It is not for ${site}.`);
  if (now < order.notBefore) return refused('It does not hold yet.');
  if (now >= order.notAfter) return refused('It holds no longer.');
  return { kind: 'order', order, signer: id };
}
