/**
 * Products of medical equipment where a host names itself: which fields are names, what they are worth, and the walk
 * over the table of products (`knowledge/products.ts`).
 *
 * Names that people choose (host names, application titles), and banners, which name any software, count for a product
 * only when the name is coined or something else names the same maker. What a device says in a field of its own it fills in
 * itself.
 */
import type { Evidence } from '../wire/observation.ts';
import { products } from './knowledge/products.ts';
import type { Level } from './knowledge/rule.ts';
import { kinOf, medicalVendor } from './knowledge/vendors.ts';

interface Naming {
  readonly level: Level;
  /** People choose it. */
  readonly chosen: boolean;
}

const own = (level: Level): Naming => ({ level, chosen: false });
const chosen = (level: Level): Naming => ({ level, chosen: true });

const naming: ReadonlyMap<string, Naming> = new Map([
  ['dhcp hostName', chosen('dhcp')],
  ['dhcp vendorClass', own('dhcp')],
  ['dhcpv6 hostName', chosen('dhcp')],
  ['dhcpv6 vendorClass', own('dhcp')],
  ['mdns name', chosen('dhcp')],
  ['mdns service', chosen('self')],
  ['mdns txt.model', own('self')],
  ['mdns txt.md', own('self')],
  ['mdns txt.ty', own('self')],
  ['mdns txt.product', own('self')],
  ['mdns txt.manufacturer', own('self')],
  ['upnp modelName', own('self')],
  ['upnp modelDescription', own('self')],
  ['ssdp server', chosen('banner')],
  ['wsd computer', chosen('dhcp')],
  ['wsd model', own('self')],
  ['nbns name', chosen('dhcp')],
  ['nbns server', chosen('dhcp')],
  ['browser name', chosen('dhcp')],
  ['browser comment', chosen('dhcp')],
  ['ntlm computer', chosen('banner')],
  ['lldp systemName', chosen('dhcp')],
  ['profinet stationName', chosen('dhcp')],
  ['profinet stationType', own('self')],
  ['enip product', own('self')],
  ['s7 station', chosen('dhcp')],
  ['lldp systemDescription', own('self')],
  ['lldp model', own('self')],
  ['snmp sysDescr', own('self')],
  ['snmp sysName', chosen('dhcp')],
  ['http server', chosen('banner')],
  ['http realm', chosen('banner')],
  ['telnet banner', chosen('banner')],
  ['ftp banner', chosen('banner')],
  ['tls certificate.subject', own('traffic')],
  ['tls certificate.name', chosen('traffic')],
  ['hl7 MSH-3', chosen('identifier')],
  ['hl7 MSH-4', chosen('identifier')],
  ['hl7 OBX-18', own('self')],
  ['hl7 PRT-10', own('self')],
  ['hl7 PRT-16', own('self')],
  ['hl7 model', own('self')],
  ['hl7 modelNumber', own('self')],
  ['hl7 systemId', own('self')],
  ['dicom callingAeTitle', chosen('association')],
  ['dicom implementationVersionName', own('association')],
  ['dicom equipment.model', own('self')],
  ['dicom equipment.manufacturer', own('association')],
  ['sdc model', own('self')],
  ['astm sender', own('self')],
  ['poct1a model', own('self')],
  ['poct1a deviceName', own('self')],
]);

/** Fields in which the name of a maker alone is worth something. */
const makers: ReadonlyMap<string, Level> = new Map([
  ['dhcp vendorClass', 'dhcp'],
  ['lldp systemDescription', 'self'],
  ['snmp sysDescr', 'self'],
  ['hl7 MSH-3', 'identifier'],
  ['hl7 MSH-4', 'identifier'],
  ['hl7 OBX-18', 'identifier'],
  ['hl7 PRT-10', 'identifier'],
  ['hl7 PRT-16', 'identifier'],
  ['astm sender', 'identifier'],
  ['http server', 'banner'],
  ['telnet banner', 'banner'],
  ['ftp banner', 'banner'],
]);

interface Product {
  readonly vendor: string;
  readonly kind: string;
  readonly coined: boolean;
  readonly pattern: RegExp;
  /** The line's name as its maker writes it, with the separator that follows it. */
  readonly line: string;
}

/** Any separator, or none, where a name has one: `CARESCAPE B650`, `carescape-b650`, `CARESCAPEB650`. */
const loose = (text: string): string =>
  text.replaceAll(/[+.]/g, '\\$&').replaceAll(/[ _/-]|\\\./g, '[ _./-]?');

/** `Name{what follows}` to a pattern; a name doesn't begin or end inside a word. */
function compile(vendor: string, kind: string, name: string): Product {
  const coined = name.startsWith('!');
  const open = name.indexOf('{');
  const line = name.slice(coined ? 1 : 0, open < 0 ? name.length : open);
  const rest = open < 0 ? '' : name.slice(open + 1, name.lastIndexOf('}'));
  const needed = !coined || name.endsWith('+');
  const tail = rest === '' ? '()' : `(?:[ _.-]?(${rest}))${needed ? '' : '?'}`;
  return {
    vendor,
    kind,
    coined,
    line,
    pattern: new RegExp(`(?<![a-z0-9])${loose(line)}${tail}(?![a-z])`, 'i'),
  };
}

const compiled: readonly Product[] = products.flatMap(({ vendor, kind, names }) =>
  names.map((name) => compile(vendor, kind, name)),
);

/** By the letters that a name begins with, or the one before a separator: few names are tried on any text. */
const byStart = new Map<string, Product[]>();
for (const product of compiled) {
  const start = /^[a-z0-9]{1,2}/i.exec(product.line)?.[0].toLowerCase() ?? '';
  const key = product.line.length > 1 ? start : start.slice(0, 1);
  byStart.set(key, [...(byStart.get(key) ?? []), product]);
}

/** A product's name in a text. */
interface Mention {
  readonly product: Product;
  readonly length: number;
  /** What follows the line's name. */
  readonly follows: string;
}

/** What texts met lately mention: devices of a kind say the same. */
const TEXTS = 1024;
const mentioned = new Map<string, readonly Mention[]>();
const nothing: readonly never[] = [];

function mentions(text: string): readonly Mention[] {
  const known = mentioned.get(text);
  if (known !== undefined) return known;
  if (mentioned.size >= TEXTS) mentioned.clear();
  const found: Mention[] = [];
  for (const product of candidates(text)) {
    const match = product.pattern.exec(text);
    if (match === null) continue;
    const follows = (match[1] ?? '').replaceAll(/_/g, ' ').trim();
    found.push({ product, length: match[0].length, follows });
  }
  const kept = found.length === 0 ? nothing : found;
  mentioned.set(text, kept);
  return kept;
}

function* candidates(text: string): Generator<Product> {
  const tried = new Set<string>();
  for (const [word] of text.toLowerCase().matchAll(/(?<![a-z0-9])[a-z0-9]{1,2}/g)) {
    for (const key of [word, word.slice(0, 1)]) {
      if (tried.has(key)) continue;
      tried.add(key);
      yield* byStart.get(key) ?? [];
    }
  }
}

export interface Named {
  readonly vendor: string;
  readonly kind?: string;
  readonly model?: string;
  readonly level: Level;
  readonly because: Evidence;
}

/** The product that a text names: of several the one whose name is longest. */
function productIn(
  text: string,
  freely: boolean,
  allowed: (product: Product) => boolean,
): [Product, string] | undefined {
  let best: [Product, string] | undefined;
  let length = 0;
  for (const mention of mentions(text)) {
    const { product, follows } = mention;
    if (mention.length <= length || !allowed(product)) continue;
    length = mention.length;
    // Host names are often written in small letters, models are not.
    const small = freely && /\d/.test(follows) && follows === follows.toLowerCase();
    const cased = small ? follows.toUpperCase() : follows;
    best = [product, cased === '' ? product.line.replace(/[ _-]+$/, '') : `${product.line}${cased}`];
  }
  return best;
}

/** Lines as short as this are common codes: they need their maker in any field. */
const SHORT = 4;

const laboratory: ReadonlySet<string> = new Set(['astm', 'poct1a']);
const laboratoryKinds: ReadonlySet<string> = new Set([
  'laboratory analyzer',
  'point-of-care analyzer',
  'laboratory information system',
]);

/** What a host's names say. `vendors`: makers that something else names. */
export function namesOf(evidence: readonly Evidence[], vendors: ReadonlySet<string>): Named[] {
  const found: Named[] = [];
  const near = new Set([...vendors].flatMap(kinOf));
  for (const e of evidence) {
    const field = `${e.protocol} ${e.field}`;
    const how = naming.get(field);
    if (how === undefined) continue;
    const maker = medicalVendor(e.value);
    const known = (product: Product): boolean =>
      product.coined || product.vendor === maker || near.has(product.vendor);
    // Analysers name themselves by short codes in protocols that nothing else speaks.
    const fits = (product: Product): boolean =>
      laboratory.has(e.protocol)
        ? laboratoryKinds.has(product.kind)
        : (!how.chosen && product.line.length >= SHORT) || known(product);
    const named = productIn(e.value, how.chosen, fits);
    if (named !== undefined) {
      const [{ vendor, kind }, model] = named;
      found.push({ vendor, kind, model, level: how.level, because: e });
      continue;
    }
    const level = makers.get(field);
    if (level !== undefined && maker !== undefined) found.push({ vendor: maker, level, because: e });
  }
  return found;
}
