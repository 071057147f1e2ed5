/**
 * Security advisories as they are kept and matched, and documents about one device: what is left of a CSAF 2.0 document
 * (OASIS, csaf-v2.0-os), of CISA's catalogue of known exploited vulnerabilities (KEV), of a maker's MDS2 form (ANSI/NEMA
 * HN 1-2019) and of a bill of materials (CycloneDX, SPDX).
 *
 * What surprises: products are named by their place in `products`, so that a document's own ids (any text, any length)
 * end where it is read. `versions` is the text of the document: it is understood anew at every match, by what
 * understands it best by then.
 */
import * as z from 'zod';
import { severity } from './finding.ts';
import { filledText, integer, text } from './scalar.ts';

export const MAX_ADVISORIES = 10_000;
export const MAX_PRODUCTS = 4_096;
export const MAX_COMPONENTS = 10_000;
/** Most rows of one answer. */
export const MAX_MATCHES = 2_000;
/** An advisory or a document, as JSON, in bytes; two of them fit one local message. */
export const MAX_DOCUMENT_BYTES = 3 * 1024 * 1024;

export const cve = z.string().regex(/^CVE-\d{4}-\d{4,19}$/, 'must be a CVE id');
/** ISO 8601, or the date alone. */
const date = text(40);
const place = integer.min(0).max(MAX_PRODUCTS);

export const advisoryProduct = z.strictObject({
  /** '' where the document names none. */
  vendor: text(200),
  name: text(300),
  /** `12.1.3`, `<= 9.5`, `vers:all/*`; none where the document has no branch for it. */
  versions: text(300).optional(),
  /** It is affected only together with something else. */
  combined: z.boolean().optional(),
  cpe: text(300).optional(),
  purl: text(300).optional(),
});
export type AdvisoryProduct = z.infer<typeof advisoryProduct>;

export const advisoryVulnerability = z.strictObject({
  cve: cve.optional(),
  title: text(300),
  affected: z.array(place),
  fixed: z.array(place),
  notAffected: z.array(place),
  investigated: z.array(place),
  /** CVSS base scores, and of which products. */
  scores: z.array(z.strictObject({ score: z.number().min(0).max(10), products: z.array(place) })).max(64),
});
export type AdvisoryVulnerability = z.infer<typeof advisoryVulnerability>;

export const advisoryRemedy = z.strictObject({
  category: text(40),
  text: text(1000),
  url: text(300).optional(),
  /** Places in `vulnerabilities` and in `products`; no products: all of them. */
  vulnerabilities: z.array(place),
  products: z.array(place),
});

export const advisory = z.strictObject({
  id: filledText(100),
  title: text(300),
  publisher: text(200),
  /** When this version of it was released. */
  released: date,
  /** Revision of the document. */
  version: text(40),
  products: z.array(advisoryProduct).max(MAX_PRODUCTS),
  vulnerabilities: z.array(advisoryVulnerability).max(1024),
  remedies: z.array(advisoryRemedy).max(2048),
});
export type Advisory = z.infer<typeof advisory>;

/** One row of the catalogue of known exploited vulnerabilities. */
export const exploited = z.strictObject({
  cve,
  vendor: text(200),
  product: text(300),
  name: text(300),
  added: date,
  due: date,
  ransomware: z.boolean(),
  action: text(600),
});
export type Exploited = z.infer<typeof exploited>;

export const exploitedCatalogue = z.strictObject({
  version: text(40),
  released: date,
  rows: z.array(exploited).max(20_000),
});
export type ExploitedCatalogue = z.infer<typeof exploitedCatalogue>;

// ── documents about a device ────────────────────────────────────────────────────────────────────────

export const component = z.strictObject({
  name: filledText(200),
  version: text(100).optional(),
  supplier: text(200).optional(),
  purl: text(300).optional(),
  cpe: text(300).optional(),
});
export type Component = z.infer<typeof component>;

export const mds2Answer = z.strictObject({
  /** `MPII-1`, `AUTH-1.2`. */
  id: text(20),
  question: text(500),
  answer: text(300),
  note: text(600),
});
export type Mds2Answer = z.infer<typeof mds2Answer>;

export const deviceDocument = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('mds2'),
    name: text(200),
    manufacturer: text(200).optional(),
    model: text(200).optional(),
    released: date.optional(),
    answers: z.array(mds2Answer).max(1024),
  }),
  z.strictObject({
    kind: z.literal('sbom'),
    name: text(200),
    /** `CycloneDX 1.5`, `SPDX-2.3`. */
    format: text(40),
    /** What the bill is of. */
    subject: component.optional(),
    components: z.array(component).max(MAX_COMPONENTS),
  }),
]);
export type DeviceDocument = z.infer<typeof deviceDocument>;
export const documentKinds = ['mds2', 'sbom'] as const;
export type DocumentKind = (typeof documentKinds)[number];

export const keptDocument = z.strictObject({
  document: deviceDocument,
  at: integer,
  by: text(100),
});
export type KeptDocument = z.infer<typeof keptDocument>;

// ── what comes of them ──────────────────────────────────────────────────────────────────────────────

/** The worst first. */
export const advisoryStatuses = [
  'affected',
  'under investigation',
  'possible',
  'fixed',
  'not affected',
] as const;
export const advisoryStatus = z.enum(advisoryStatuses);
export type AdvisoryStatus = z.infer<typeof advisoryStatus>;

/** One vulnerability of one advisory, and what it is to one device. */
export const advisoryMatch = z.strictObject({
  advisory: text(100),
  title: text(300),
  cve: cve.optional(),
  status: advisoryStatus,
  severity,
  /** CVSS base score, from the document. */
  score: z.number().optional(),
  exploited: z.boolean(),
  /** Date until which CISA asks for the remedy. */
  due: date.optional(),
  /** The product of the document, with its versions. */
  product: text(700),
  /** Part of the device, where it isn't the device itself. */
  component: text(320).optional(),
  why: text(300),
  remedies: z.array(text(1400)).max(8),
});
export type AdvisoryMatch = z.infer<typeof advisoryMatch>;

export const deviceAdvisory = advisoryMatch.extend({ device: text(200) });
export type DeviceAdvisory = z.infer<typeof deviceAdvisory>;

/** A device as it is held against advisories. */
export interface AdvisorySubject {
  readonly vendor: string | undefined;
  /** False where only its network card tells the maker. */
  readonly vendorSure: boolean;
  /** Names of the product: model, and what documents call it. */
  readonly names: readonly string[];
  /** What it says of its software. */
  readonly software: string | undefined;
  readonly components: readonly Component[];
}
