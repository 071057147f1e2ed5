/**
 * What a file is, told from its content and never from its name: CSAF, the KEV catalogue, MDS2, CycloneDX or SPDX. A file
 * that is none of them is malformed, with the place that says so.
 */
import { MAX_DOCUMENT_BYTES } from '../../wire/advisory.ts';
import type { Advisory, DeviceDocument, ExploitedCatalogue } from '../../wire/advisory.ts';
import {
  isCycloneDx,
  isSpdx,
  readCycloneDx,
  readCycloneDxXml,
  readSpdx,
  readSpdxTags,
} from './bill-of-materials.ts';
import { isCsaf, readCsaf } from './csaf.ts';
import { malformed, readJson, textOf } from './json-document.ts';
import type { Malformed } from './json-document.ts';
import { isCatalogue, readCatalogue } from './kev.ts';
import { readMds2 } from './mds2.ts';
import { isSpdx3, readSpdx3 } from './spdx3.ts';
import { isZip } from './zip.ts';

export type AdvisoryReading =
  | { readonly kind: 'message'; readonly advisory: Advisory }
  | { readonly kind: 'message'; readonly catalogue: ExploitedCatalogue }
  | Malformed;
export type DocumentReading = { readonly kind: 'message'; readonly document: DeviceDocument } | Malformed;

/** As JSON it has to fit one local message. */
function fits<T extends object>(reading: ({ readonly kind: 'message' } & T) | Malformed): typeof reading {
  if (reading.kind === 'malformed') return reading;
  const bytes = Buffer.byteLength(JSON.stringify(reading));
  return bytes <= MAX_DOCUMENT_BYTES
    ? reading
    : malformed('(document)', `what is kept of it is ${bytes} bytes, more than ${MAX_DOCUMENT_BYTES}`);
}

/** A file of a folder of advisories. */
export function readAdvisoryFile(bytes: Uint8Array): AdvisoryReading {
  const text = textOf(bytes);
  if (text === undefined) return malformed('(file)', 'is not UTF-8 text');
  const json = readJson(text);
  if (json.kind === 'malformed') return json;
  if (isCsaf(json.value)) return fits(readCsaf(json.value));
  if (isCatalogue(json.value)) return fits(readCatalogue(json.value));
  return malformed('(top level)', 'is neither a CSAF document nor the KEV catalogue');
}

/** A document about one device. `name`: of the file, for people. */
export function readDeviceFile(bytes: Uint8Array, name: string): DocumentReading {
  if (isZip(bytes)) return fits(readMds2(bytes, name));
  const text = textOf(bytes);
  if (text === undefined) return malformed('(file)', 'is neither a workbook nor UTF-8 text');
  if (text.trimStart().startsWith('<')) return fits(readCycloneDxXml(text, name));
  if (/^SPDXVersion:/m.test(text.slice(0, 4096))) return fits(readSpdxTags(text, name));
  const json = readJson(text);
  if (json.kind === 'malformed') return json;
  if (isCycloneDx(json.value)) return fits(readCycloneDx(json.value, name));
  if (isSpdx(json.value)) return fits(readSpdx(json.value, name));
  if (isSpdx3(json.value)) return fits(readSpdx3(json.value, name));
  return malformed('(top level)', 'is no MDS2 form and no bill of materials in CycloneDX or SPDX');
}
