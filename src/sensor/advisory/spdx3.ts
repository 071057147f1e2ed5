/**
 * SPDX 3 as JSON-LD (spdx-spec v3.0.1, "Serialization"; context `https://spdx.org/rdf/3…/spdx-context.jsonld`): one flat
 * list of elements, `@graph`, that name each other by `spdxId`.
 *
 * Read are packages of any profile, who supplies them, and their identifiers. The device is the root element of the bill
 * (`software_Sbom`), or what the document describes, where that is one package. What surprises: a supplier is an id, the
 * version is `software_packageVersion`, and a document of a single element has no `@graph`. JSON-LD of another context,
 * which may spell every name otherwise, isn't read.
 */
import { MAX_COMPONENTS } from '../../wire/advisory.ts';
import { fromSpdx, raw } from './bill-of-materials.ts';
import type { BillReading, SpdxPackage } from './bill-of-materials.ts';
import { items, malformed, member, said } from './json-document.ts';
import type { Json } from './json-document.ts';

const CONTEXT = /^https?:\/\/spdx\.org\/rdf\/(?:v)?3[./]/;
const MAX_ELEMENTS = 500_000;

export function isSpdx3(value: Json): boolean {
  const context = member(value, '@context');
  return [context, ...items(context)].some((each) => typeof each === 'string' && CONTEXT.test(each));
}

/** The id that a property holds: as text, or in an element written out in place. */
function idOf(value: Json | undefined): string {
  const own = typeof value === 'string' ? value : (member(value, 'spdxId') ?? member(value, '@id'));
  return said(own, 300);
}

const typeOf = (element: Json): string => said(member(element, 'type') ?? member(element, '@type'), 60);
/** `software_Package`, `ai_AIPackage`, `dataset_DatasetPackage`. */
const isPackage = (type: string): boolean => type.endsWith('Package');

function packageOf(element: Json, names: ReadonlyMap<string, string>): SpdxPackage {
  const into: SpdxPackage = {
    ...raw(),
    id: idOf(element),
    name: said(member(element, 'name'), 200),
    version: said(member(element, 'software_packageVersion'), 100),
    purl: said(member(element, 'software_packageUrl'), 300),
  };
  const supplied = member(element, 'suppliedBy');
  into.supplier = said(member(supplied, 'name'), 200) || (names.get(idOf(supplied)) ?? '');
  for (const identifier of items(member(element, 'externalIdentifier'))) {
    const type = said(member(identifier, 'externalIdentifierType'), 40);
    const text = said(member(identifier, 'identifier'), 300);
    if (type === 'packageUrl' && into.purl === '') into.purl = text;
    else if ((type === 'cpe23' || type === 'cpe22') && into.cpe === '') into.cpe = text;
  }
  return into;
}

/** `value`: a document that `isSpdx3`. */
export function readSpdx3(value: Json, name: string): BillReading {
  const graph = member(value, '@graph');
  const elements = graph === undefined ? [value] : items(graph);
  if (elements.length > MAX_ELEMENTS) return malformed('@graph', `more than ${MAX_ELEMENTS} elements`);
  const names = new Map<string, string>();
  const roots = new Map<string, readonly string[]>();
  const documents = new Set<string>();
  const described = new Set<string>();
  let version = '';
  for (const element of elements) {
    const type = typeOf(element);
    if (type === 'Organization' || type === 'Person' || type === 'Agent')
      names.set(idOf(element), said(member(element, 'name'), 200));
    else if (type === 'CreationInfo') version ||= said(member(element, 'specVersion'), 20);
    else if (type === 'SpdxDocument' || type === 'software_Sbom' || type === 'Bom') {
      roots.set(idOf(element), items(member(element, 'rootElement')).map(idOf));
      if (type === 'SpdxDocument') documents.add(idOf(element));
    }
    version ||= said(member(element, 'creationInfo', 'specVersion'), 20);
  }
  for (const element of elements)
    if (
      typeOf(element) === 'Relationship' &&
      member(element, 'relationshipType') === 'describes' &&
      documents.has(idOf(member(element, 'from')))
    )
      for (const to of items(member(element, 'to'))) described.add(idOf(to));
  // The root of the document is the bill, the root of the bill is the thing.
  for (const [, listed] of roots) for (const id of listed) if (!roots.has(id)) described.add(id);
  const packages = elements.filter((element) => isPackage(typeOf(element)));
  if (packages.length > MAX_COMPONENTS) return malformed('@graph', `more than ${MAX_COMPONENTS} packages`);
  if (packages.length === 0) return malformed('@graph', 'has no package');
  const listed = packages.map((element) => packageOf(element, names));
  return fromSpdx(version === '' ? 'SPDX-3' : `SPDX-${version}`, listed, described, name);
}
