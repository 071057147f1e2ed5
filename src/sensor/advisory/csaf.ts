/**
 * A CSAF document, 2.0 (OASIS csaf-v2.0-os) or 2.1 (csaf-v2.1): product tree (section 3.2.2 of 2.0), vulnerabilities
 * (3.2.3), remediations, scores.
 *
 * What surprises: makers and CISA put versions into `product_version` and `product_version_range` (3.1.2.2) as prose, so
 * nothing of them is judged here; a product's name is all `product_name` and `product_family` branches above it. A
 * product of a relationship (3.2.2.4) is one thing on another: it is named after the other and marked `combined`. Ids that
 * a vulnerability names and the tree doesn't have are left out: nothing is known of them.
 *
 * What 2.1 says otherwise: `product_paths` in place of relationships (from a part to what it is on, over any number of
 * steps, so the last step names the product), `metrics` in place of scores (CVSS 4 among them), several CWEs and PURLs.
 */
import { MAX_PRODUCTS, advisory, cve } from '../../wire/advisory.ts';
import type { Advisory, AdvisoryProduct } from '../../wire/advisory.ts';
import { MAX_BRANCH_DEPTH } from './constants.ts';
import { items, line, malformed, member, optional, said } from './json-document.ts';
import type { Json, Malformed } from './json-document.ts';

const MAX_SCORES = 64;
const MAX_REMEDIES = 2048;
const MAX_VULNERABILITIES = 1024;

export const isCsaf = (value: Json): boolean => member(value, 'document', 'csaf_version') !== undefined;

type Product = { -readonly [K in keyof AdvisoryProduct]: AdvisoryProduct[K] };

interface Above {
  readonly vendor: string;
  readonly names: readonly string[];
  readonly versions?: string;
}

class ProductTree {
  readonly products: Product[] = [];
  readonly #places = new Map<string, number>();
  readonly #groups = new Map<string, readonly string[]>();
  /** Products that didn't fit. */
  beyond = 0;
  tooDeep = false;

  constructor(tree: Json | undefined) {
    for (const branch of items(member(tree, 'branches'))) this.#branch(branch, { vendor: '', names: [] }, 0);
    for (const full of items(member(tree, 'full_product_names')))
      this.#add(full, { vendor: '', names: [said(member(full, 'name'), 300)] });
    for (const relation of items(member(tree, 'relationships')))
      this.#combined(relation, member(relation, 'relates_to_product_reference'));
    for (const path of items(member(tree, 'product_paths')))
      this.#combined(path, member(items(member(path, 'subpaths')).at(-1), 'next_product_reference'));
    for (const group of items(member(tree, 'product_groups'))) {
      const ids = items(member(group, 'product_ids')).flatMap((id) => (typeof id === 'string' ? [id] : []));
      this.#groups.set(said(member(group, 'group_id'), 200), ids);
    }
  }

  places(ids: Json | undefined): number[] {
    const found = items(ids).flatMap((id) => this.#place(id) ?? []);
    return [...new Set(found)];
  }

  groupPlaces(groups: Json | undefined): number[] {
    return items(groups).flatMap((id) => this.places([...(this.#groups.get(said(id, 200)) ?? [])]));
  }

  /** One product on, in or with another. */
  #combined(relation: Json, other: Json | undefined): void {
    const on = this.#place(other);
    const base = on === undefined ? undefined : this.products[on];
    const full = member(relation, 'full_product_name');
    const name = base?.name ?? said(member(full, 'name'), 300);
    const place = this.#add(full, { vendor: base?.vendor ?? '', names: [name] });
    const made = place === undefined ? undefined : this.products[place];
    if (!made) return;
    made.combined = true;
    if (base?.versions !== undefined) made.versions = base.versions;
  }

  #place(id: Json | undefined): number | undefined {
    return typeof id === 'string' ? this.#places.get(id) : undefined;
  }

  #branch(branch: Json, above: Above, depth: number): void {
    if (depth > MAX_BRANCH_DEPTH) {
      this.tooDeep = true;
      return;
    }
    const name = said(member(branch, 'name'), 300);
    const category = said(member(branch, 'category'), 40);
    let here = above;
    if (category === 'vendor') here = { ...above, vendor: name };
    else if (category === 'product_version' || category === 'product_version_range')
      here = { ...above, versions: name };
    else if (category === 'product_name' || category === 'product_family' || category === 'host_name')
      here = { ...above, names: [...above.names, name] };
    const product = member(branch, 'product');
    if (product !== undefined) this.#add(product, here);
    for (const below of items(member(branch, 'branches'))) this.#branch(below, here, depth + 1);
  }

  #add(full: Json | undefined, { vendor, names, versions }: Above): number | undefined {
    const id = member(full, 'product_id');
    if (typeof id !== 'string') return undefined;
    if (this.products.length === MAX_PRODUCTS) {
      this.beyond++;
      return undefined;
    }
    const identified = member(full, 'product_identification_helper');
    const own = names.at(-1) ?? said(member(full, 'name'), 300);
    // A family above adds what the product's own name lacks.
    const family = names.length > 1 && !own.includes(names[0] ?? '') ? `${names[0]} ` : '';
    const place = this.products.length;
    this.products.push({
      vendor: line(vendor, 200),
      name: line(`${family}${own}`, 300),
      ...optional('versions', versions ?? ''),
      ...optional('cpe', said(member(identified, 'cpe'), 300)),
      ...optional('purl', said(member(identified, 'purl') ?? items(member(identified, 'purls'))[0], 300)),
    });
    this.#places.set(id, place);
    return place;
  }
}

function title(vulnerability: Json): string {
  const own = said(member(vulnerability, 'title'), 300);
  if (own !== '') return own;
  const [weakness] = items(member(vulnerability, 'cwes'));
  return said(member(vulnerability, 'cwe', 'name') ?? member(weakness, 'name'), 300);
}

const standards = ['cvss_v3', 'cvss_v4', 'cvss_v2'] as const;

function scores(vulnerability: Json, tree: ProductTree): { score: number; products: number[] }[] {
  return [...items(member(vulnerability, 'scores')), ...items(member(vulnerability, 'metrics'))]
    .flatMap((each) => {
      const content = member(each, 'content') ?? each;
      const score = standards
        .map((standard) => member(content, standard, 'baseScore'))
        .find((found) => found !== undefined);
      if (typeof score !== 'number' || !(score >= 0 && score <= 10)) return [];
      return [{ score, products: tree.places(member(each, 'products')) }];
    })
    .slice(0, MAX_SCORES);
}

type Remedy = Advisory['remedies'][number];

/** The same words for several vulnerabilities are one remedy. */
class Remedies {
  readonly #byText = new Map<string, Remedy>();

  add(remediation: Json, vulnerability: number, tree: ProductTree): void {
    const category = said(member(remediation, 'category'), 40);
    const text = said(member(remediation, 'details'), 1000);
    const products = tree.places(member(remediation, 'product_ids'));
    const all = [...new Set([...products, ...tree.groupPlaces(member(remediation, 'group_ids'))])];
    const key = JSON.stringify([category, text, all]);
    const known = this.#byText.get(key);
    if (known) {
      if (!known.vulnerabilities.includes(vulnerability)) known.vulnerabilities.push(vulnerability);
    } else if (text !== '' && this.#byText.size < MAX_REMEDIES) {
      const url = optional('url', said(member(remediation, 'url'), 300));
      this.#byText.set(key, { category, text, ...url, vulnerabilities: [vulnerability], products: all });
    }
  }

  list(): Remedy[] {
    return [...this.#byText.values()];
  }
}

/** `value`: a document that `isCsaf`. */
export function readCsaf(value: Json): { readonly kind: 'message'; readonly advisory: Advisory } | Malformed {
  const version = member(value, 'document', 'csaf_version');
  if (version !== '2.0' && version !== '2.1')
    return malformed('document.csaf_version', `${said(version, 20)}: only CSAF 2.0 and 2.1 are read`);
  const tracking = member(value, 'document', 'tracking');
  const id = said(member(tracking, 'id'), 100);
  if (id === '') return malformed('document.tracking.id', 'is missing');
  const tree = new ProductTree(member(value, 'product_tree'));
  if (tree.tooDeep) return malformed('product_tree', `branches deeper than ${MAX_BRANCH_DEPTH}`);
  if (tree.beyond > 0) return malformed('product_tree', `more than ${MAX_PRODUCTS} products`);
  const listed = items(member(value, 'vulnerabilities'));
  if (listed.length > MAX_VULNERABILITIES)
    return malformed('vulnerabilities', `more than ${MAX_VULNERABILITIES}`);

  const remedies = new Remedies();
  const vulnerabilities = listed.map((each, place) => {
    for (const remediation of items(member(each, 'remediations'))) remedies.add(remediation, place, tree);
    const status = (...names: readonly string[]): number[] => [
      ...new Set(names.flatMap((name) => tree.places(member(each, 'product_status', name)))),
    ];
    const named = cve.safeParse(member(each, 'cve'));
    return {
      ...(named.success ? { cve: named.data } : {}),
      title: title(each),
      affected: status('known_affected', 'first_affected', 'last_affected'),
      fixed: status('fixed', 'first_fixed'),
      notAffected: status('known_not_affected'),
      investigated: status('under_investigation'),
      scores: scores(each, tree),
    };
  });
  const read = advisory.safeParse({
    id,
    title: said(member(value, 'document', 'title'), 300),
    publisher: said(member(value, 'document', 'publisher', 'name'), 200),
    released: said(member(tracking, 'current_release_date'), 40),
    version: said(member(tracking, 'version'), 40),
    products: tree.products,
    vulnerabilities,
    remedies: remedies.list(),
  });
  if (read.success) return { kind: 'message', advisory: read.data };
  const [issue] = read.error.issues;
  return malformed(issue?.path.map(String).join('.') ?? '(top level)', issue?.message ?? 'of another shape');
}
