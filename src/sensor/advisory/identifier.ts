/**
 * Names of software by machine: CPE 2.2 and 2.3 (NISTIR 7695, formatted string and URI) and package URLs (ECMA-427). Only
 * what names the product is compared here: maker and product of a CPE, type, namespace and name of a purl.
 */

/** `vendor:product`, lower case; undefined for what is no CPE or leaves one of them open. */
export function cpeProduct(cpe: string): string | undefined {
  const bound = cpe.toLowerCase();
  const fields = bound.startsWith('cpe:2.3:')
    ? bound.slice(8).split(/(?<!\\):/)
    : bound.startsWith('cpe:/')
      ? bound.slice(5).split(':')
      : [];
  const [, vendor = '', product = ''] = fields.map((field) => field.replaceAll('\\', ''));
  if (vendor === '' || product === '' || /[*?]|^-$/.test(vendor) || /[*?]|^-$/.test(product))
    return undefined;
  return `${vendor}:${product}`;
}

/** `type/namespace/name`, lower case, without version, qualifiers and subpath. */
export function purlName(purl: string): string | undefined {
  const [, name] = /^pkg:\/*([^@?#]+)/i.exec(purl) ?? [];
  return name !== undefined && name.includes('/') ? name.toLowerCase().replace(/\/$/, '') : undefined;
}
