/** What the sensor knows of one host of the enclave, as it reports it to `control`. Equipment-level facts only. */
import * as z from 'zod';
import { ipAddress, port } from './address.ts';
import { anyText, integer, text } from './scalar.ts';

/** One thing a host said of itself or was seen to do. `value` is sanitised text, at most 128 characters. */
export const evidence = z.strictObject({
  /** Which protocol said it: `arp`, `oui`, `dicom`, `hl7`. */
  protocol: anyText,
  /** Field by its standard name: `calledAeTitle`, `implementationClassUid`, `MSH-3`. */
  field: anyText,
  value: text(128),
  first: integer,
  last: integer,
});
export type Evidence = z.infer<typeof evidence>;

/** A port on which a host answers, and what it speaks there when content told. */
export const service = z.strictObject({
  transport: z.enum(['tcp', 'udp']),
  port,
  protocol: anyText.optional(),
});
export type Service = z.infer<typeof service>;

/** What the evidence comes to for one attribute, and why. Without a value: claims of the same rank differ. */
export const identityAttribute = z.strictObject({
  attribute: z.enum(['class', 'vendor', 'model', 'os', 'software', 'serial', 'location']),
  value: text(128).optional(),
  /** Evidence it rests on: `dicom equipment.model=Avanto`. */
  because: text(256),
  /** Other values that were claimed. */
  conflicts: z.array(text(128)).max(8),
});
export type IdentityAttribute = z.infer<typeof identityAttribute>;

export const hostObservation = z.strictObject({
  /** `aa:bb:cc:dd:ee:ff`. */
  mac: z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/),
  vendor: anyText.optional(),
  addresses: z.array(ipAddress).max(64),
  services: z.array(service).max(256),
  evidence: z.array(evidence).max(256),
  /** Who the host is, attribute by attribute; what nothing tells is left out. */
  identity: z.array(identityAttribute).max(7).optional(),
  first: integer,
  last: integer,
});
export type HostObservation = z.infer<typeof hostObservation>;
