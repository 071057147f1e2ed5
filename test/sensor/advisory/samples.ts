/** CISA's medical advisories and its catalogue, from beside the repository, read by what is tested here. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readAdvisoryFile } from '../../../src/sensor/advisory/document.ts';
import type {
  Advisory,
  AdvisoryMatch,
  AdvisorySubject,
  ExploitedCatalogue,
} from '../../../src/wire/advisory.ts';
import { matchAdvisory } from '../../../src/sensor/advisory/match.ts';

export const folder = fileURLToPath(new URL('../../../../shared/advisories/', import.meta.url));
export const csafFolder = join(folder, 'csaf');

/** Files of the folder, or an error that says what is missing. */
export function csafFiles(): string[] {
  if (!existsSync(csafFolder)) throw new Error(`the sample advisories are missing: ${csafFolder}`);
  return readdirSync(csafFolder).map((name) => join(csafFolder, name));
}

export function catalogueBytes(): Buffer {
  const packed = join(folder, 'known_exploited_vulnerabilities.json.xz');
  if (!existsSync(packed)) throw new Error(`the sample catalogue is missing: ${packed}`);
  return execFileSync('xz', ['-dc', packed], { maxBuffer: 64 * 1024 * 1024 });
}

export function sampleAdvisories(): Advisory[] {
  return csafFiles().map((file) => {
    const read = readAdvisoryFile(readFileSync(file));
    if (read.kind === 'malformed' || !('advisory' in read))
      throw new Error(`${file}: ${JSON.stringify(read).slice(0, 300)}`);
    return read.advisory;
  });
}

export function sampleCatalogue(): ExploitedCatalogue {
  const read = readAdvisoryFile(catalogueBytes());
  if (read.kind === 'malformed' || !('catalogue' in read))
    throw new Error(JSON.stringify(read).slice(0, 300));
  return read.catalogue;
}

export const device = (
  vendor: string | undefined,
  model: string | undefined,
  software?: string,
  more: Partial<AdvisorySubject> = {},
): AdvisorySubject => ({
  vendor,
  vendorSure: vendor !== undefined,
  names: model === undefined ? [] : [model],
  software,
  components: [],
  ...more,
});

const samples = { all: undefined as Advisory[] | undefined };

/** What the samples say of a device, with the catalogue. */
export function matchesOf(subject: AdvisorySubject, catalogue = sampleCatalogue()): AdvisoryMatch[] {
  const exploited = new Map(catalogue.rows.map((row) => [row.cve, row]));
  samples.all ??= sampleAdvisories();
  return samples.all.flatMap((each) => matchAdvisory(each, subject, exploited));
}
