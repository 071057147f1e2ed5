/**
 * All products of makers of medical equipment, by the names under which they appear: what `naming.ts` walks. How a row reads:
 * `product-row.ts`.
 */
import { bedsideProducts } from './bedside-products.ts';
import { imagingProducts } from './imaging-products.ts';
import { laboratoryProducts } from './laboratory-products.ts';
import type { ProductRow } from './product-row.ts';

export const products: readonly ProductRow[] = [
  ...bedsideProducts,
  ...imagingProducts,
  ...laboratoryProducts,
];

/** All of them are medical. */
export const productClasses: ReadonlySet<string> = new Set(products.map(({ kind }) => kind));
