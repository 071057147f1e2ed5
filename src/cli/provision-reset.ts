/**
 * Factory reset and decommission: keys destroyed, and a receipt of it, the last thing that the identity signs. A reset
 * takes somebody at the box or a signed order; a decommission takes an order, and is for good. Orders come as a file or
 * on a stick (`order-<id>`), to which the receipt then goes too (`farewell-<bundle>`).
 *
 *   signed receipt and the intention remembered, in one write → receipt to its file → keys, stores and site destroyed
 *   → remembered as done
 *
 * From the first write on there is no way back: after a power cut `carryThrough` does the rest. A reset keeps the audit
 * log, whose records verify with the key in the receipt of enrolment; a decommission destroys it too. The five processes
 * are stopped first: they have open what is destroyed.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openEnvelope, signEnvelope } from '../crypto/envelope.ts';
import { SigningKey } from '../crypto/signer.ts';
import type { Signer } from '../crypto/signer.ts';
import { Fault } from '../wire/errors.ts';
import {
  FAREWELL_MAGIC,
  MAX_HEAD_BYTES,
  RESET_MAGIC,
  farewellContent,
  resetOrder,
} from '../wire/provision.ts';
import type { ResetOrder } from '../wire/provision.ts';
import type { ProvisionCode } from '../wire/provision-code.ts';
import { destroyContent, destroyFile, destroyTree, readBounded, replaceFile } from './durable-file.ts';
import { placesOf, readEnrolled, readMemory, writeMemory } from './provision-memory.ts';
import type { Enrolled, Memory, Places } from './provision-memory.ts';

export interface ResetOptions {
  readonly state: string;
  readonly signers: readonly Signer[];
  readonly now: number;
  readonly what: 'reset' | 'decommission';
  /** Somebody at the box, or the bytes of an order. */
  readonly by: 'presence' | Uint8Array;
  readonly reason: string;
  /** Ends the gateway's processes; called once it is certain that there is a reason to. Throws where it can't. */
  readonly stopProcesses?: () => void;
  readonly step?: (name: string) => void;
}

const refuse = (why: string): Fault => new Fault('ORDER_REFUSED', why);

/** Of an order: what it says, or why it isn't carried out, in the words of the command and of the box's screen. */
export type OrderVerdict =
  | { readonly kind: 'order'; readonly order: ResetOrder }
  | { readonly kind: 'refused'; readonly code: ProvisionCode; readonly why: string };

interface Own {
  readonly site: string;
  readonly gateway: string;
  readonly used: readonly string[];
}

export function judgeOrder(
  bytes: Uint8Array,
  signers: readonly Signer[],
  own: Own,
  now: number,
): OrderVerdict {
  const no = (code: ProvisionCode, why: string): OrderVerdict => ({ kind: 'refused', code, why });
  if (bytes.length > MAX_HEAD_BYTES) return no('E02', 'It is too long.');
  const opened = openEnvelope(RESET_MAGIC, bytes, signers);
  if (opened.kind === 'malformed') return no('E02', `It cannot be read: ${opened.detail}.`);
  if (opened.kind === 'stranger') return no('E04', `Its signer ${opened.id} is not known here.`);
  if (opened.kind === 'forged') return no('E03', 'Its signature is wrong.');
  const read = resetOrder.safeParse(opened.value);
  if (!read.success) return no('E08', 'It is of another shape.');
  const order = read.data;
  if (order.site !== own.site || order.gateway !== own.gateway)
    return no('E06', 'It is for another gateway.');
  if (own.used.includes(order.id)) return no('E07', 'It was carried out before.');
  if (now < order.notBefore || now >= order.notAfter) return no('E05', 'It does not hold now.');
  return { kind: 'order', order };
}

/** The order's id and reason. Fault ORDER_REFUSED. */
function readOrder(bytes: Uint8Array, { signers, what, now }: ResetOptions, own: Own): ResetOrder {
  const verdict = judgeOrder(bytes, signers, own, now);
  if (verdict.kind === 'refused') throw refuse(verdict.why);
  if (verdict.order.order !== what) throw refuse(`It orders a ${verdict.order.order}.`);
  return verdict.order;
}

/** Where the last receipt of an enrolment is. */
export const farewellFile = (places: Places, bundle: string): string =>
  join(places.provision, `farewell-${bundle}`);

/** Do what `memory.leaving` began. May be done again from any point of it. */
export function carryThrough(places: Places, memory: Memory, step?: (name: string) => void): void {
  const { leaving } = memory;
  if (!leaving) throw new Fault('PROVISION_STATE', 'it is leaving, and does not say how');
  mkdirSync(places.provision, { recursive: true, mode: 0o700 });
  replaceFile(farewellFile(places, leaving.bundle), leaving.farewell, 0o644);
  step?.('keys');
  destroyFile(join(places.site, 'keys', 'identity.key'));
  destroyFile(join(places.site, 'keys', 'tunnel.key'));
  destroyFile(places.deviceKey);
  destroyFile(join(places.state, 'audit', 'checkpoint.key'));
  step?.('stores');
  for (const name of ['tunnel', 'sensor', 'broker', 'control']) destroyContent(join(places.state, name));
  if (leaving.what === 'decommission') destroyContent(join(places.state, 'audit'));
  step?.('site');
  destroyTree(places.site);
  step?.('done');
  const { leaving: _, ...rest } = memory;
  writeMemory(places, { ...rest, phase: leaving.what === 'reset' ? 'reset' : 'decommissioned' });
}

/** The key that signs for this gateway; the caller wipes it. Fault PROVISION_STATE. */
function openIdentity({ site }: Places): SigningKey {
  const secret = readBounded(join(site, 'keys', 'identity.key'), 4096);
  if (secret.kind !== 'bytes') throw new Fault('PROVISION_STATE', 'the identity cannot be read');
  return SigningKey.fromText(secret.bytes.toString('latin1').trim());
}

/** What an order has to name to be this gateway's. Fault PROVISION_STATE. */
export function ownOf(places: Places, enrolled: Enrolled, { used }: Memory): Own {
  const identity = openIdentity(places);
  const gateway = identity.signer.id;
  identity.wipe();
  return { site: enrolled.head.site.id, gateway, used };
}

/** The signed receipt. Faults ORDER_REFUSED and PROVISION_STATE. */
export function leave(options: ResetOptions): Buffer {
  const places = placesOf(options.state);
  const enrolled = readEnrolled(places);
  const memory = readMemory(places);
  if (!enrolled || memory.phase === 'leaving') throw refuse('This gateway is not enrolled.');
  const identity = openIdentity(places);
  const now = Math.max(options.now, memory.floor);
  const site = enrolled.head.site.id;
  const own = { site, gateway: identity.signer.id, used: memory.used };
  if (options.by === 'presence' && options.what === 'decommission')
    throw refuse('Decommissioning takes a signed order.');
  const order = options.by === 'presence' ? undefined : readOrder(options.by, { ...options, now }, own);
  const content = farewellContent.parse({
    format: 1,
    site,
    gateway: identity.signer.text,
    bundle: enrolled.bundle,
    what: options.what,
    by: order?.id ?? 'presence',
    reason: order?.reason ?? options.reason,
    at: now,
  });
  const farewell = signEnvelope(FAREWELL_MAGIC, content, identity);
  identity.wipe();
  options.stopProcesses?.();
  options.step?.('begin');
  const leaving: Memory = {
    ...memory,
    used: [...new Set([...memory.used, enrolled.bundle, ...(order ? [order.id] : [])])],
    lastSite: enrolled.head.site.id,
    lastEnrolment: enrolled.bundle,
    floor: now,
    phase: 'leaving',
    leaving: { bundle: enrolled.bundle, what: options.what, farewell: farewell.toString('utf8') },
  };
  writeMemory(places, leaving);
  options.step?.('farewell');
  carryThrough(places, leaving, options.step);
  return readFileSync(farewellFile(places, enrolled.bundle));
}
