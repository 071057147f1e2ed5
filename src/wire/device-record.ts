/**
 * A device of the inventory as a thing that lasts: by what it is known again (its keys), and what operators said of
 * it, which wins over everything the sensor guesses.
 *
 * What surprises: the address is no key, and the card (MAC) is only the weakest: a device that comes back with another
 * card and its own serial number is the same device; another device on the same card is another device.
 */
import * as z from 'zod';
import { anyText, filledText, integer, text } from './scalar.ts';

export const deviceKeyKinds = [
  /** Maker, model and serial number as the device itself says. */
  'serial',
  /** EUI-64 in HL7 or SDC messages. */
  'eui64',
  /** DHCP client identifier (option 61, when it isn't the card) and DUID (RFC 8415 section 11). */
  'dhcp-client',
  /** Application entity title and maker. */
  'ae-title',
  /** A name that it gives itself, with its maker. */
  'name',
  'mac',
] as const;
export const deviceKey = z.strictObject({ kind: z.enum(deviceKeyKinds), value: filledText(200) });
export type DeviceKey = z.infer<typeof deviceKey>;

export const lifecycles = ['new', 'in-service', 'maintenance', 'retired'] as const;
const line = filledText(100);

/** What an operator may say of a device; a field set to '' is taken back. */
export const deviceFields = [
  'name',
  'owner',
  'location',
  'class',
  'vendor',
  'model',
  'serial',
  'software',
  'os',
] as const;
export type DeviceField = (typeof deviceFields)[number];
const said = z.strictObject({ value: line, by: text(100), at: integer });

export const deviceRecord = z.strictObject({
  /** `d-` and 16 hexadecimal digits: stays for as long as the device does. */
  id: z.string().regex(/^d-[0-9a-f]{16}$/),
  keys: z.array(deviceKey).max(32),
  /** Cards it was seen with, the latest last. */
  macs: z.array(anyText).max(8),
  lifecycle: z.enum(lifecycles),
  /** An operator says that this is what it seems to be. */
  confirmed: z.strictObject({ by: text(100), at: integer }).optional(),
  said: z.partialRecord(z.enum(deviceFields), said),
  first: integer,
  last: integer,
});
export type DeviceRecord = z.infer<typeof deviceRecord>;

/** A row of the inventory: what lasts, and the risk that open findings come to, 0 to 100. */
export const deviceStanding = z.strictObject({
  record: deviceRecord,
  risk: integer.min(0).max(100),
});
