/**
 * Who made a network card: the first 24, 28 or 36 bits of its address, as the IEEE registry assigns them
 * (IEEE 802 clause 8; MA-L, MA-M, MA-S). The longest assignment that matches wins. A locally administered
 * address has no vendor: nobody assigned it.
 *
 * The registry (npm `oui-data`) is 5 MB of JSON, so it is loaded when a table is first asked for.
 */
import { isLocalMac } from './frame.ts';

/** The maker's name, or undefined when the address tells none. */
export type VendorOf = (mac: number) => string | undefined;

/** Hexadecimal digits of the assignments, longest first. */
const PREFIX_DIGITS = [9, 7, 6] as const;
const NAME_LIMIT = 64;

/** A lookup over registry entries: prefix in upper-case hexadecimal → name and address, one a line. */
export function vendorLookup(registry: Readonly<Record<string, string>>): VendorOf {
  return (mac) => {
    if (mac < 0 || isLocalMac(mac)) return undefined;
    const digits = mac.toString(16).toUpperCase().padStart(12, '0');
    for (const length of PREFIX_DIGITS) {
      const prefix = digits.slice(0, length);
      if (!Object.hasOwn(registry, prefix)) continue;
      const name = registry[prefix]?.split('\n', 1)[0]?.trim().slice(0, NAME_LIMIT) ?? '';
      // The registry's word for an assignee who asked not to be named.
      return name === '' || name === 'Private' ? undefined : name;
    }
    return undefined;
  };
}

/** Load the IEEE registry. */
export async function loadVendors(): Promise<VendorOf> {
  const registry = await import('oui-data', { with: { type: 'json' } });
  return vendorLookup(registry.default);
}
