/**
 * A software bill of materials (SBOM): CycloneDX (ECMA-424) as JSON or XML, SPDX 2.2 and 2.3 (ISO/IEC 5962) as JSON or
 * tag-value text, SPDX 3 as JSON-LD (`spdx3.ts`). What is kept of a component is its name, version, supplier and machine names; relations, hashes and
 * licences are left.
 *
 * What surprises: CycloneDX nests components in components, and all of them count; in SPDX the package that the document
 * describes is the device itself and is its subject, not a part.
 */
import { MAX_COMPONENTS, component } from '../../wire/advisory.ts';
import type { Component, DeviceDocument } from '../../wire/advisory.ts';
import { items, line, malformed, member, optional, said } from './json-document.ts';
import type { Json, Malformed } from './json-document.ts';
import { walkXml } from './xml.ts';

export type BillReading = { readonly kind: 'message'; readonly document: DeviceDocument } | Malformed;

export interface Raw {
  name: string;
  version: string;
  supplier: string;
  purl: string;
  cpe: string;
}

export const raw = (): Raw => ({ name: '', version: '', supplier: '', purl: '', cpe: '' });

/** Undefined for a component without a name. */
function made({ name, version, supplier, purl, cpe }: Raw): Component | undefined {
  const read = component.safeParse({
    name: line(name, 200),
    ...optional('version', line(version, 100)),
    ...optional('supplier', line(supplier, 200)),
    ...optional('purl', line(purl, 300)),
    ...optional('cpe', line(cpe, 300)),
  });
  return read.success ? read.data : undefined;
}

function bill(
  name: string,
  format: string,
  subject: Component | undefined,
  parts: readonly Component[],
): BillReading {
  if (parts.length > MAX_COMPONENTS) return malformed('components', `more than ${MAX_COMPONENTS}`);
  return {
    kind: 'message',
    document: {
      kind: 'sbom',
      name: line(name, 200),
      format: line(format, 40),
      ...(subject ? { subject } : {}),
      components: [...parts],
    },
  };
}

// ── CycloneDX ────────────────────────────────────────────────────────────────────────────────────────

export const isCycloneDx = (value: Json): boolean => member(value, 'bomFormat') === 'CycloneDX';

function cycloneComponent(value: Json | undefined): Component | undefined {
  const group = said(member(value, 'group'), 100);
  return made({
    name: said(member(value, 'name'), 200),
    version: said(member(value, 'version'), 100),
    supplier:
      said(member(value, 'supplier', 'name'), 200) ||
      said(member(value, 'manufacturer', 'name'), 200) ||
      said(member(value, 'publisher'), 200) ||
      // Java's groups ("org.apache.logging") are no makers, others are.
      (/[./]/.test(group) ? '' : group),
    purl: said(member(value, 'purl'), 300),
    cpe: said(member(value, 'cpe'), 300),
  });
}

export function readCycloneDx(value: Json, name: string): BillReading {
  const parts: Component[] = [];
  const take = (list: Json | undefined): void => {
    for (const each of items(list)) {
      if (parts.length > MAX_COMPONENTS) return;
      const found = cycloneComponent(each);
      if (found) parts.push(found);
      take(member(each, 'components'));
    }
  };
  take(member(value, 'components'));
  take(member(value, 'metadata', 'component', 'components'));
  const subject = cycloneComponent(member(value, 'metadata', 'component'));
  return bill(name, `CycloneDX ${said(member(value, 'specVersion'), 20)}`, subject, parts);
}

export function readCycloneDxXml(text: string, name: string): BillReading {
  const parts: Component[] = [];
  const open: Raw[] = [];
  let subject: Component | undefined;
  let format = '';
  const wrong = walkXml(text, {
    open: (path, attributes) => {
      const element = path.at(-1);
      if (path.length === 1)
        format =
          element === 'bom'
            ? (/cyclonedx.org\/schema\/bom\/([\d.]+)/.exec(attributes.get('xmlns') ?? '')?.[1] ?? '?')
            : '';
      if (element === 'component') open.push(raw());
    },
    text: (path, piece) => {
      const [at, field, above] = [open.at(-1), path.at(-1) ?? '', path.at(-2)];
      if (!at) return;
      if (above === 'component') {
        if (field === 'name' || field === 'version' || field === 'purl' || field === 'cpe')
          at[field] += piece;
        else if (field === 'publisher' && at.supplier === '') at.supplier = piece;
      } else if (field === 'name' && above === 'supplier' && path.at(-3) === 'component') at.supplier = piece;
    },
    close: (path) => {
      if (path.at(-1) !== 'component') return;
      const found = made(open.pop() ?? raw());
      if (!found) return;
      if (path.at(-2) === 'metadata') subject = found;
      else if (parts.length <= MAX_COMPONENTS) parts.push(found);
    },
  });
  if (wrong) return wrong;
  if (format === '') return malformed('(root)', 'is no bom of CycloneDX');
  return bill(name, `CycloneDX ${format}`, subject, parts);
}

// ── SPDX ─────────────────────────────────────────────────────────────────────────────────────────────

export const isSpdx = (value: Json): boolean => typeof member(value, 'spdxVersion') === 'string';

/** `Organization: Maker (mail)`; NOASSERTION is nothing. */
const actor = (text: string): string =>
  text === 'NOASSERTION'
    ? ''
    : text.replace(/^(?:Organization|Person|Tool):\s*/, '').replace(/\s*\([^)]*\)$/, '');

export interface SpdxPackage extends Raw {
  id: string;
}

export function fromSpdx(
  format: string,
  packages: readonly SpdxPackage[],
  described: ReadonlySet<string>,
  name: string,
): BillReading {
  let subject: Component | undefined;
  const parts: Component[] = [];
  for (const each of packages) {
    const found = made(each);
    if (!found) continue;
    // A document that describes several packages is of them, not of one thing.
    if (described.size === 1 && described.has(each.id)) subject = found;
    else parts.push(found);
  }
  return bill(name, format, subject, parts);
}

function reference(into: Raw, type: string, locator: string): void {
  if (type === 'purl' && into.purl === '') into.purl = locator;
  else if (/^cpe2[23]Type$/.test(type) && into.cpe === '') into.cpe = locator;
}

export function readSpdx(value: Json, name: string): BillReading {
  const format = said(member(value, 'spdxVersion'), 40);
  if (!/^SPDX-2\.\d$/.test(format))
    return malformed('spdxVersion', `${format}: of SPDX only 2.2, 2.3 and JSON-LD of 3 are read`);
  const listed = items(member(value, 'packages'));
  if (listed.length > MAX_COMPONENTS) return malformed('packages', `more than ${MAX_COMPONENTS}`);
  const packages = listed.map((each): SpdxPackage => {
    const into = {
      id: said(member(each, 'SPDXID'), 200),
      name: said(member(each, 'name'), 200),
      version: said(member(each, 'versionInfo'), 100),
      supplier: actor(said(member(each, 'supplier'), 200)),
      purl: '',
      cpe: '',
    };
    for (const ref of items(member(each, 'externalRefs')))
      reference(into, said(member(ref, 'referenceType'), 40), said(member(ref, 'referenceLocator'), 300));
    return into;
  });
  const described = new Set(items(member(value, 'documentDescribes')).map((id) => said(id, 200)));
  for (const relation of items(member(value, 'relationships')))
    if (
      member(relation, 'relationshipType') === 'DESCRIBES' &&
      member(relation, 'spdxElementId') === 'SPDXRef-DOCUMENT'
    )
      described.add(said(member(relation, 'relatedSpdxElement'), 200));
  return fromSpdx(format, packages, described, name);
}

/** Tag-value text: `PackageName: openssl`, one tag a line. */
export function readSpdxTags(text: string, name: string): BillReading {
  const packages: SpdxPackage[] = [];
  const described = new Set<string>();
  let format = '';
  let at: SpdxPackage | undefined;
  for (const [, tag = '', value = ''] of text.matchAll(/^([A-Za-z]+):[ \t]*(.{0,1000})/gm)) {
    if (tag === 'SPDXVersion') format = line(value, 40);
    else if (tag === 'PackageName') {
      at = { ...raw(), id: '', name: value };
      packages.push(at);
      if (packages.length > MAX_COMPONENTS) return malformed('PackageName', `more than ${MAX_COMPONENTS}`);
    } else if (tag === 'FileName' || tag === 'SnippetSPDXID') at = undefined;
    else if (tag === 'Relationship') {
      const [, id] = /^SPDXRef-DOCUMENT DESCRIBES (\S+)/.exec(value) ?? [];
      if (id !== undefined) described.add(id);
    } else if (at && tag === 'SPDXID') at.id = value.trim();
    else if (at && tag === 'PackageVersion') at.version = value;
    else if (at && tag === 'PackageSupplier') at.supplier = actor(value.trim());
    else if (at && tag === 'ExternalRef') {
      const [, type = '', locator = ''] = value.trim().split(/\s+/);
      reference(at, type, locator);
    }
  }
  if (!/^SPDX-2\.\d$/.test(format))
    return malformed('SPDXVersion', `${format}: of SPDX only 2.2, 2.3 and JSON-LD of 3 are read`);
  return fromSpdx(format, packages, described, name);
}
