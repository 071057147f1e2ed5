/**
 * CISA's catalogue of known exploited vulnerabilities (KEV): the JSON file of cisa.gov/known-exploited-vulnerabilities-catalog,
 * schema of the same place. A row says that a vulnerability is exploited, of which product, and until when agencies have to
 * have the remedy; it says nothing of versions.
 */
import { cve } from '../../wire/advisory.ts';
import type { Exploited, ExploitedCatalogue } from '../../wire/advisory.ts';
import { items, malformed, member, said } from './json-document.ts';
import type { Json, Malformed } from './json-document.ts';

const MAX_ROWS = 20_000;

export const isCatalogue = (value: Json): boolean =>
  member(value, 'catalogVersion') !== undefined && Array.isArray(member(value, 'vulnerabilities'));

function row(value: Json): Exploited | undefined {
  const named = cve.safeParse(member(value, 'cveID'));
  if (!named.success) return undefined;
  return {
    cve: named.data,
    vendor: said(member(value, 'vendorProject'), 200),
    product: said(member(value, 'product'), 300),
    name: said(member(value, 'vulnerabilityName'), 300),
    added: said(member(value, 'dateAdded'), 40),
    due: said(member(value, 'dueDate'), 40),
    ransomware: member(value, 'knownRansomwareCampaignUse') === 'Known',
    action: said(member(value, 'requiredAction'), 600),
  };
}

/** `value`: a document that `isCatalogue`. A row without a CVE id makes it no catalogue: half of one would hide the rest. */
export function readCatalogue(
  value: Json,
): { readonly kind: 'message'; readonly catalogue: ExploitedCatalogue } | Malformed {
  const listed = items(member(value, 'vulnerabilities'));
  if (listed.length > MAX_ROWS) return malformed('vulnerabilities', `more than ${MAX_ROWS} rows`);
  const version = said(member(value, 'catalogVersion'), 40);
  if (version === '') return malformed('catalogVersion', 'is missing');
  const rows: Exploited[] = [];
  for (const [place, each] of listed.entries()) {
    const read = row(each);
    if (!read) return malformed(`vulnerabilities.${place}.cveID`, 'is no CVE id');
    rows.push(read);
  }
  const released = said(member(value, 'dateReleased'), 40);
  return { kind: 'message', catalogue: { version, released, rows } };
}
