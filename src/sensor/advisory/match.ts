/**
 * What an advisory is to a device: maker by alias, product by name, version by range; then the worst that is certain.
 *
 * What surprises: `affected` needs all three to be understood. A product that is only like the model, a version that
 * nobody can place, a maker that only the network card tells, a product that is affected together with another only:
 * each of them makes it `possible`. A part of a device (bill of materials, or a program it names) is `possible` at most:
 * whether the device uses what is vulnerable in it, the maker has to say. A document that says two things of one version
 * is `possible` as well.
 */
import type {
  Advisory,
  AdvisoryMatch,
  AdvisoryProduct,
  AdvisoryStatus,
  AdvisorySubject,
  AdvisoryVulnerability,
  Component,
  Exploited,
} from '../../wire/advisory.ts';
import type { Severity } from '../../wire/finding.ts';
import { cpeProduct, purlName } from './identifier.ts';
import { line } from './json-document.ts';
import { likeness, tellingWords } from './product-name.ts';
import type { Likeness } from './product-name.ts';
import { makersOf } from './vendor-alias.ts';
import { parseRange, positionIn } from './version-range.ts';
import type { Position } from './version-range.ts';
import { versionIn } from './version.ts';
import type { AnyVersion } from './version.ts';

const MAX_REMEDIES = 8;
/** Shorter names of components are everybody's. */
const MIN_COMPONENT_NAME = 3;

/** Catalogue rows by CVE id. */
export type ExploitedIndex = ReadonlyMap<string, Exploited>;

/** CVSS v3.1 section 5; without a score it is nobody's small matter. */
export function severityOf(score: number | undefined, exploited: boolean): Severity {
  let level: Severity = 'medium';
  if (score !== undefined)
    level =
      score >= 9 ? 'critical' : score >= 7 ? 'high' : score >= 4 ? 'medium' : score > 0 ? 'low' : 'info';
  if (!exploited) return level;
  // One step up, and never less than high.
  return level === 'high' || level === 'critical' ? 'critical' : 'high';
}

const shown = ({ vendor, name, versions }: AdvisoryProduct): string =>
  line([vendor, name, versions ?? ''].filter((part) => part !== '').join(' '), 700);

/** Where the document has no branch for the maker, whoever the product's name begins with. */
function makersOfProduct({ vendor, name }: Pick<AdvisoryProduct, 'vendor' | 'name'>): string[] {
  if (vendor !== '') return makersOf(vendor);
  const words = name.split(' ').slice(0, 3);
  return [...new Set(words.flatMap((_, at) => makersOf(words.slice(0, at + 1).join(' '))))];
}

// ── the index: by which words an advisory is found again ─────────────────────────────────────────────

const MAX_TERMS = 4096;

/** `v:` makers, `n:` words of product names, `i:` identifiers. */
export function advisoryTerms({ products }: Advisory): string[] {
  const terms = new Set<string>();
  for (const { vendor, name, cpe, purl } of products) {
    for (const maker of makersOfProduct({ vendor, name })) terms.add(`v:${maker}`);
    const words = tellingWords(name);
    for (const word of words) terms.add(`n:${word}`);
    if (words.length > 1) terms.add(`n:${words.join('')}`);
    for (const id of idsOf({ cpe, purl })) terms.add(`i:${id}`);
  }
  return [...terms].slice(0, MAX_TERMS).map((term) => term.slice(0, 200));
}

/** Terms under which advisories of a device are found. */
export function subjectTerms(subject: AdvisorySubject): string[] {
  const { makers, parts } = prepare(subject);
  const terms = new Set(makers.map((maker) => `v:${maker}`));
  for (const { words, ids } of parts) {
    const [word] = words;
    if (word !== undefined) terms.add(`n:${word}`).add(`n:${words.join('')}`);
    for (const id of ids) terms.add(`i:${id}`);
  }
  return [...terms].map((term) => term.slice(0, 200));
}

/** A component as it is looked for. */
interface Part {
  readonly component: Component;
  /** Of its name. */
  readonly words: readonly string[];
  readonly ids: readonly string[];
  readonly makers: readonly string[];
}

/** A device made ready for many advisories: thousands of components are found by word, not walked. */
interface Prepared {
  readonly version: AnyVersion | undefined;
  readonly makers: readonly string[];
  readonly parts: readonly Part[];
  /** By first word of the name, all of them as one, and identifier. */
  readonly index: ReadonlyMap<string, readonly Part[]>;
}

const prepared = new WeakMap<AdvisorySubject, Prepared>();

function idsOf({
  cpe,
  purl,
}: {
  readonly cpe?: string | undefined;
  readonly purl?: string | undefined;
}): string[] {
  return [cpeProduct(cpe ?? ''), purlName(purl ?? '')].filter((id) => id !== undefined);
}

function prepare(subject: AdvisorySubject): Prepared {
  const known = prepared.get(subject);
  if (known) return known;
  const index = new Map<string, Part[]>();
  const parts = partsOf(subject).map((component): Part => {
    const { name, supplier, cpe } = component;
    const part = {
      component,
      words: name.length < MIN_COMPONENT_NAME ? [] : tellingWords(name),
      ids: idsOf(component),
      makers: makersOf(supplier ?? (cpe === undefined ? '' : (cpeProduct(cpe)?.split(':')[0] ?? ''))),
    };
    const [word] = part.words;
    const keys = word === undefined ? [] : [`n:${word}`, `n:${part.words.join('')}`];
    for (const key of new Set([...keys, ...part.ids.map((id) => `i:${id}`)])) {
      const list = index.get(key);
      if (list) list.push(part);
      else index.set(key, [part]);
    }
    return part;
  });
  const made = {
    version: subject.software === undefined ? undefined : versionIn(subject.software)?.version,
    makers: makersOf(subject.vendor ?? ''),
    parts,
    index,
  };
  prepared.set(subject, made);
  return made;
}

/** Components that a product of this name and these identifiers may be. */
function candidates({ index }: Prepared, name: string, ids: readonly string[]): ReadonlySet<Part> {
  const words = tellingWords(name);
  const keys = [...words, words.join('')].map((word) => `n:${word}`);
  return new Set([...keys, ...ids.map((id) => `i:${id}`)].flatMap((key) => index.get(key) ?? []));
}

/** Components, and the program that the device's software text names: "Orthanc 1.12.1". */
function partsOf({ components, software, names }: AdvisorySubject): readonly Component[] {
  const named = software === undefined ? undefined : versionIn(software);
  if (!named || named.name.length < MIN_COMPONENT_NAME) return components;
  if (names.some((name) => likeness(name, named.name) === 'same')) return components;
  const version = software?.trim().split(/\s+/).at(-1) ?? '';
  return [{ name: named.name, version: version.slice(0, 100) }, ...components];
}

// ── one product ──────────────────────────────────────────────────────────────────────────────────────

interface Placed {
  readonly place: number;
  readonly product: AdvisoryProduct;
  readonly likeness: Likeness;
  readonly position: Position;
  /** Why it isn't certain; '' when it is. */
  readonly doubt: string;
  readonly component?: Component;
}

const sharesMaker = (a: readonly string[], b: readonly string[]): boolean =>
  a.some((each) => b.includes(each));

function doubtOf(
  product: AdvisoryProduct,
  like: Likeness,
  position: Position,
  software: string | undefined,
): string {
  if (like === 'perhaps') return `${product.name} may be another product`;
  if (product.combined === true) return 'it is affected only together with another product';
  if (position !== 'unknown') return '';
  if (software === undefined) return 'its version is not known';
  return product.versions === undefined
    ? 'the advisory names no version'
    : `${software} cannot be compared with ${product.versions}`;
}

function placeDevice(product: AdvisoryProduct, place: number, subject: AdvisorySubject): Placed | undefined {
  const { makers, version } = prepare(subject);
  if (!sharesMaker(makers, makersOfProduct(product))) return undefined;
  let like: Likeness = 'no';
  for (const name of subject.names) {
    const found = likeness(product.name, name);
    if (found === 'same' || like === 'no') like = found;
  }
  if (like === 'no') return undefined;
  const position =
    product.versions === undefined ? 'unknown' : positionIn(parseRange(product.versions), version);
  let weak = subject.vendorSure ? '' : 'only its network card tells the maker';
  if (product.vendor === '') weak = 'the advisory names no maker apart from the product';
  const doubt = doubtOf(product, like, position, subject.software);
  return { place, product, likeness: like, position, doubt: doubt === '' ? weak : doubt };
}

function placeComponent(
  product: AdvisoryProduct,
  place: number,
  { component, ids, makers }: Part,
): Placed | undefined {
  const sameId = idsOf(product).some((id) => ids.includes(id));
  if (!sameId) {
    if (likeness(product.name, component.name) !== 'same') return undefined;
    const theirs = makersOf(product.vendor);
    if (makers.length > 0 && theirs.length > 0 && !sharesMaker(makers, theirs)) return undefined;
  }
  const version = component.version === undefined ? undefined : versionIn(component.version)?.version;
  const position =
    product.versions === undefined ? 'unknown' : positionIn(parseRange(product.versions), version);
  if (position === 'outside') return undefined;
  return { place, product, likeness: 'same', position, doubt: 'a part of the device', component };
}

// ── one vulnerability ────────────────────────────────────────────────────────────────────────────────

interface Verdict {
  readonly status: AdvisoryStatus;
  readonly by: Placed;
  readonly why: string;
}

function verdict(vulnerability: AdvisoryVulnerability, placed: readonly Placed[]): Verdict | undefined {
  const among = (places: readonly number[]): readonly Placed[] =>
    placed.filter(({ place }) => places.includes(place));
  const certain = (list: readonly Placed[]): Placed | undefined =>
    list.find(({ position, doubt }) => position === 'inside' && doubt === '');
  const affected = among(vulnerability.affected);
  const own = (list: readonly Placed[]): readonly Placed[] => list.filter(({ component }) => !component);

  const yes = certain(affected);
  const fixed = certain(own(among(vulnerability.fixed)));
  const spared = certain(own(among(vulnerability.notAffected)));
  const studied = certain(own(among(vulnerability.investigated)));
  const against = fixed ?? spared;
  if (yes && against)
    return { status: 'possible', by: yes, why: 'the advisory says both affected and not of this version' };
  if (yes)
    return { status: 'affected', by: yes, why: `${shown(yes.product)}: maker, product and version match` };
  if (fixed) return { status: 'fixed', by: fixed, why: 'this version has the fix' };
  if (spared) return { status: 'not affected', by: spared, why: 'the advisory says so' };
  if (studied) return { status: 'under investigation', by: studied, why: 'the maker still looks into it' };

  const doubtful = [...affected, ...own(among(vulnerability.investigated))].find(
    ({ position }) => position !== 'outside',
  );
  if (doubtful) return { status: 'possible', by: doubtful, why: doubtful.doubt };
  const outside = own(affected).find(({ likeness: like, doubt }) => like === 'same' && doubt === '');
  if (outside)
    return {
      status: 'not affected',
      by: outside,
      why: `its version is outside ${outside.product.versions ?? ''}`,
    };
  return undefined;
}

/** Makers' fixes first; those of the product before those of all. */
function remediesOf({ remedies }: Advisory, vulnerability: number, product: number): string[] {
  const rank = ['vendor_fix', 'workaround', 'mitigation'];
  const order = (category: string): number => {
    const at = rank.indexOf(category);
    return at < 0 ? rank.length : at;
  };
  return remedies
    .filter(
      (each) =>
        each.vulnerabilities.includes(vulnerability) &&
        (each.products.length === 0 || each.products.includes(product)),
    )
    .sort((a, b) => order(a.category) - order(b.category))
    .slice(0, MAX_REMEDIES)
    .map(({ text, url }) => (url === undefined ? text : `${text} ${url}`));
}

function scoreOf({ scores }: AdvisoryVulnerability, product: number): number | undefined {
  const own = scores.filter(({ products }) => products.includes(product));
  const list = (own.length > 0 ? own : scores).map(({ score }) => score);
  return list.length > 0 ? Math.max(...list) : undefined;
}

/** Everything that `advisory` says of a device: one row a vulnerability that concerns it. */
export function matchAdvisory(
  advisory: Advisory,
  subject: AdvisorySubject,
  exploited: ExploitedIndex,
): AdvisoryMatch[] {
  const ready = prepare(subject);
  const placed: Placed[] = [];
  for (const [place, product] of advisory.products.entries()) {
    const whole = placeDevice(product, place, subject);
    if (whole) placed.push(whole);
    else
      for (const part of candidates(ready, product.name, idsOf(product))) {
        const found = placeComponent(product, place, part);
        if (found) placed.push(found);
      }
  }
  if (placed.length === 0) return [];
  return advisory.vulnerabilities.flatMap((vulnerability, at): AdvisoryMatch[] => {
    const found = verdict(vulnerability, placed);
    if (!found) return [];
    const { status, by, why } = found;
    const known = vulnerability.cve === undefined ? undefined : exploited.get(vulnerability.cve);
    const score = scoreOf(vulnerability, by.place);
    const remedies = remediesOf(advisory, at, by.place);
    return [
      {
        advisory: advisory.id,
        title: advisory.title,
        ...(vulnerability.cve === undefined ? {} : { cve: vulnerability.cve }),
        status,
        severity: severityOf(score, known !== undefined),
        ...(score === undefined ? {} : { score }),
        exploited: known !== undefined,
        ...(known ? { due: known.due } : {}),
        product: shown(by.product),
        ...(by.component ? { component: componentText(by.component) } : {}),
        why: line(why, 300),
        remedies: known && remedies.length < MAX_REMEDIES ? [...remedies, line(known.action, 700)] : remedies,
      },
    ];
  });
}

const componentText = ({ name, version }: Component): string =>
  version === undefined ? name : `${name} ${version}`;

// ── the catalogue, of components ─────────────────────────────────────────────────────────────────────

/** Rows of the catalogue whose product is a part of the device. Versions are in none of them: always `possible`. */
export function matchExploited(
  rows: readonly Exploited[],
  subject: AdvisorySubject,
  limit: number,
): AdvisoryMatch[] {
  const matches: AdvisoryMatch[] = [];
  const ready = prepare(subject);
  if (ready.parts.length === 0) return matches;
  for (const row of rows) {
    const found = [...candidates(ready, row.product, [])].find(
      ({ component, makers }) =>
        likeness(row.product, component.name) === 'same' &&
        (makers.length === 0 || sharesMaker(makers, makersOf(row.vendor))),
    );
    if (!found) continue;
    matches.push({
      advisory: 'KEV',
      title: row.name,
      cve: row.cve,
      status: 'possible',
      severity: 'high',
      exploited: true,
      due: row.due,
      product: line(`${row.vendor} ${row.product}`, 700),
      component: componentText(found.component),
      why: 'a part of the device; the catalogue names no versions',
      remedies: [line(row.action, 700)],
    });
    if (matches.length === limit) break;
  }
  return matches;
}
