/**
 * What a device says of itself over DPWS (OASIS DPWS 1.1 sections 4.1 and 4.2): ThisModel and ThisDevice, in the
 * answer to a metadata request, and whether a SOAP message is of the medical device profiles.
 *
 *   Envelope … <ThisModel> Manufacturer · ModelName · ModelNumber … <ThisDevice> FriendlyName · FirmwareVersion · SerialNumber
 *
 * As in discovery, elements are found in the text: a prefix may be anything, content counts.
 */
import { descriptionLimit, medicalNamespace } from './constants.ts';

const elements = {
  Manufacturer: 'manufacturer',
  ModelName: 'model',
  ModelNumber: 'modelNumber',
  FirmwareVersion: 'software',
  SerialNumber: 'serial',
  // A Windows machine among its relationships: `NAME/Workgroup:GROUP`.
  Computer: 'computer',
} as const;

/** A session of ISO/IEEE 11073-10207 and -20701, by the namespaces that it must name. */
export const isMedicalSoap = (text: string): boolean =>
  medicalNamespace.test(text.slice(0, descriptionLimit));

export function decodeDescription(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const body = text.slice(0, descriptionLimit);
  if (!/ThisModel|ThisDevice/.test(body)) return found;
  for (const [element, field] of Object.entries(elements)) {
    const value = new RegExp(`<(?:[\\w-]+:)?${element}(?:\\s[^>]{0,256})?>([^<]{1,128})<`)
      .exec(body)?.[1]
      ?.trim();
    if (value !== undefined && value !== '') found.set(field, value);
  }
  return found;
}
