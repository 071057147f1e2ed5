/**
 * Whether a product of an advisory is a model of a device, by their names: `same`, `perhaps` or `no`.
 *
 * Words that every product has (monitor, system, software) and the maker's own name count for nothing. A model number, a
 * word of letters and digits, is a name by itself, also out of a list or a span: "MX800/700/600", "MX400-MX850". A family
 * and its member ("Spectrum" and "Spectrum IQ") are `perhaps`, and so is everything that the product's name limits with
 * words like "only", "with" or "not including": whether the limit holds of this device nobody here can tell.
 */
import { plainName, vendorAliases } from './vendor-alias.ts';

export type Likeness = 'same' | 'perhaps' | 'no';

const generic = new Set(
  (
    'a and as at by for from in into of on or the to ' +
    'all device devices equipment family line machine model models module monitor monitors patient platform product products ' +
    'pump pumps series software station system systems unit units version versions ' +
    'bed cardiograph cardiographs ccu central clinical electrocardiograph icu infusion medical monitoring resting scanner ' +
    'server syringe ultrasound ventilator vital signs viewer wireless worn workstation inc'
  ).split(' '),
);

const limits =
  /\b(?:not including|excluding|except|only|with|without|used with|installed|option|running|under|shipped|enabled|integration)\b/;

function words(text: string): string[] {
  return plainName(text)
    .replaceAll(/[\u00ae\u2122]/g, ' ')
    .split(/[^\p{L}\p{N}+]+/u)
    .filter((word) => word !== '');
}

/** Names of makers, which a product's name begins with as often as not. */
const makers = new Set([
  ...vendorAliases.flatMap(({ vendor }) => words(vendor)).filter((word) => word.length > 1),
  'bd',
  'ge',
  'carefusion',
  'welch',
  'allyn',
  'hillrom',
  'osimis',
]);

const isNumber = (word: string): boolean => /^(?=.*\d)(?=.*\p{L})[\p{L}\p{N}]{3,}$/u.test(word);

/** Words that tell one product from another; all words where none of them does. */
export function tellingWords(text: string): string[] {
  const all = words(text);
  const told = all.filter((word) => !generic.has(word) && !makers.has(word));
  if (told.length > 0) return [...new Set(told)];
  return [...new Set(all.filter((word) => !generic.has(word)))];
}

/** Model numbers that a product's name spells out, lists ("MX800/700") or spans ("MP2-MP90"). */
function lists(product: string): (word: string) => boolean {
  const plain = plainName(product);
  const listed = new Set<string>();
  for (const [, stem = '', first = '', more = ''] of plain.matchAll(/\b(\p{L}+)(\d+)((?:\/\d+)+)\b/gu)) {
    for (const number of [first, ...more.split('/').slice(1)]) listed.add(`${stem}${number}`);
  }
  const spans: (readonly [string, number, number])[] = [];
  for (const [, stem = '', from = '', other = '', to = ''] of plain.matchAll(
    /\b(\p{L}+)(\d{1,6})\s?[-\u2013]\s?(\p{L}*)(\d{1,6})\b/gu,
  )) {
    if ((other === '' || other === stem) && Number(from) < Number(to))
      spans.push([stem, Number(from), Number(to)]);
  }
  return (word) => {
    if (listed.has(word)) return true;
    const [, stem = '', number = ''] = /^(\p{L}+)(\d{1,6})$/u.exec(word) ?? [];
    return spans.some(([s, from, to]) => s === stem && Number(number) >= from && Number(number) <= to);
  };
}

export function likeness(product: string, model: string): Likeness {
  const [limit] = limits.exec(plainName(product)) ?? [];
  if (limit === undefined) return likenessOf(product, model);
  // "LOGIQ, not including LOGIQ 100 Pro" is LOGIQ first of all.
  const base = plainName(product).split(limit)[0] ?? '';
  const parts = tellingWords(base).length > 0 ? [product, base] : [product];
  return parts.some((part) => likenessOf(part, model) !== 'no') ? 'perhaps' : 'no';
}

function likenessOf(product: string, model: string): Likeness {
  const p = tellingWords(product);
  const m = tellingWords(model);
  if (m.length === 0) return 'no';
  // A name that says nothing may be anything of that maker.
  if (p.length === 0) return 'perhaps';
  const inProduct = new Set(p);
  const inModel = new Set(m);
  if (p.length === m.length && p.every((word) => inModel.has(word))) return 'same';
  if (p.join('') === m.join('')) return 'same';
  const listed = lists(product);
  const numbers = m.filter(isNumber);
  const named = numbers.filter((word) => inProduct.has(word) || listed(word));
  if (named.length > 0) {
    // What else the model says must not be against it: "LOGIQ 7" isn't "Vivid 7".
    const rest = m.filter((word) => !named.includes(word) && !inProduct.has(word));
    return rest.length === 0 ? 'same' : 'perhaps';
  }
  // A model number that the product hasn't is another model, where the product has numbers of its own.
  if (numbers.length > 0 && p.some((word) => isNumber(word))) return 'no';
  if (m.every((word) => inProduct.has(word)) || p.every((word) => inModel.has(word))) return 'perhaps';
  return 'no';
}
