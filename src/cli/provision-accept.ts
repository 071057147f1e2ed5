/**
 * The office's side of a receipt: is it from the gateway that opened our stick, and what does it get in return.
 *
 * A receipt counts when its identity signed it, when it returns the MAC that only the opened stick's token makes, when
 * the stick is ours and nobody came back with it before. A farewell counts when the pinned identity signed it.
 */
import { timingSafeEqual } from 'node:crypto';
import { openBrought, openEnvelope, signEnvelope } from '../crypto/envelope.ts';
import { Signer } from '../crypto/signer.ts';
import type { SigningKey } from '../crypto/signer.ts';
import { Fault } from '../wire/errors.ts';
import {
  CREDENTIAL_MAGIC,
  FAREWELL_MAGIC,
  MAX_HEAD_BYTES,
  RECEIPT_MAGIC,
  credentialContent,
  farewellContent,
  receiptContent,
} from '../wire/provision.ts';
import type { CredentialContent, FarewellContent, ReceiptContent } from '../wire/provision.ts';
import { receiptMac } from './provision-enrol.ts';
import type { Registry } from './provision-registry.ts';

const refuse = (why: string): Fault => new Fault('RECEIPT_REFUSED', why);

/** The receipt, whose own signature is right. Fault RECEIPT_REFUSED. */
function readReceipt(bytes: Uint8Array): ReceiptContent {
  if (bytes.length > MAX_HEAD_BYTES) throw refuse('It is too long.');
  const opened = openBrought(
    RECEIPT_MAGIC,
    bytes,
    (value) => receiptContent.safeParse(value).data?.keys.identity,
  );
  if (opened.kind === 'malformed') throw refuse(`It cannot be read: ${opened.detail}.`);
  if (opened.kind !== 'value') throw refuse('Its signature is wrong.');
  const read = receiptContent.safeParse(opened.value);
  if (!read.success) throw refuse('It is of another shape.');
  return read.data;
}

export interface Acceptance {
  readonly receipt: ReceiptContent;
  readonly endpoint?: string;
  readonly resources: string;
}

/** The registry with the gateway pinned. Fault RECEIPT_REFUSED. */
export function acceptReceipt(
  registry: Registry,
  bytes: Uint8Array,
  now: number,
): readonly [Registry, Acceptance] {
  const receipt = readReceipt(bytes);
  const stick = registry.sticks.find(({ id }) => id === receipt.bundle);
  if (!stick) throw refuse('No stick of ours has this id.');
  if (stick.token === undefined) throw refuse('A receipt for this stick was accepted before.');
  const { mac, ...said } = receipt;
  const wanted = Buffer.from(receiptMac(stick.token, said), 'hex');
  if (!timingSafeEqual(wanted, Buffer.from(mac, 'hex')))
    throw refuse('Whoever made it has not opened the stick.');
  if (receipt.site !== stick.site) throw refuse(`The stick was for ${stick.site}.`);
  if (
    registry.gateways.some(
      ({ keys }) => keys.identity === receipt.keys.identity || keys.tunnel === receipt.keys.tunnel,
    )
  )
    throw refuse('These keys are another gateway’s.');
  const { token: _, ...spent } = stick;
  return [
    {
      ...registry,
      sticks: registry.sticks.map((each) => (each === stick ? spent : each)),
      gateways: [
        ...registry.gateways,
        {
          site: receipt.site,
          bundle: receipt.bundle,
          keys: receipt.keys,
          device: receipt.device,
          version: receipt.version,
          tpm: receipt.tpm,
          accepted: now,
        },
      ],
    },
    {
      receipt,
      resources: stick.resources,
      ...(stick.endpoint === undefined ? {} : { endpoint: stick.endpoint }),
    },
  ];
}

/** The registry with the gateway marked as gone. Fault RECEIPT_REFUSED. */
export function acceptFarewell(registry: Registry, bytes: Uint8Array): readonly [Registry, FarewellContent] {
  if (bytes.length > MAX_HEAD_BYTES) throw refuse('It is too long.');
  const pinned = registry.gateways.flatMap(({ keys }) => Signer.fromText(keys.identity) ?? []);
  const opened = openEnvelope(FAREWELL_MAGIC, bytes, pinned);
  if (opened.kind === 'malformed') throw refuse(`It cannot be read: ${opened.detail}.`);
  if (opened.kind === 'stranger') throw refuse('No gateway of ours signed it.');
  if (opened.kind === 'forged') throw refuse('Its signature is wrong.');
  const read = farewellContent.safeParse(opened.value);
  if (!read.success || read.data.gateway !== opened.signer.text) throw refuse('It is of another shape.');
  const farewell = read.data;
  const gateway = registry.gateways.find(({ keys }) => keys.identity === farewell.gateway);
  if (!gateway || gateway.bundle !== farewell.bundle) throw refuse('It is of another enrolment.');
  if (gateway.left) throw refuse('It was accepted before.');
  const left = { what: farewell.what, at: farewell.at };
  return [
    { ...registry, gateways: registry.gateways.map((each) => (each === gateway ? { ...each, left } : each)) },
    farewell,
  ];
}

/** The answer that a technician can bring. Fault PROVISION_INVALID. */
export function makeCredential(
  { receipt }: Acceptance,
  lists: Pick<CredentialContent, 'users' | 'peers'>,
  key: SigningKey,
  now: number,
): Buffer {
  const content = {
    format: 1,
    bundle: receipt.bundle,
    site: receipt.site,
    keys: receipt.keys,
    issued: now,
    ...lists,
  };
  const read = credentialContent.safeParse(content);
  if (!read.success) {
    const { path = [], message = '' } = read.error.issues[0] ?? {};
    throw new Fault('PROVISION_INVALID', `${path.map(String).join('.')}: ${message}`);
  }
  const bytes = signEnvelope(CREDENTIAL_MAGIC, read.data, key);
  if (bytes.length > MAX_HEAD_BYTES) throw new Fault('PROVISION_INVALID', 'the answer is longer than 64 KiB');
  return bytes;
}

/** Lines for a peer's WireGuard configuration, wg(8). */
export function peerLines({ receipt, endpoint, resources }: Acceptance): string {
  return [
    `# gateway of ${receipt.site}`,
    '[Peer]',
    `PublicKey = ${receipt.keys.tunnel}`,
    ...(endpoint === undefined ? [] : [`Endpoint = ${endpoint}`]),
    `AllowedIPs = ${resources}`,
    'PersistentKeepalive = 25',
    '',
  ].join('\n');
}
