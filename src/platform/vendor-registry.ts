/**
 * The IEEE registry of makers of network cards: as npm's `oui-data` has it, and in the image as it was packed from that
 * (`sensor/vendor.ts`). Files that are read when they are needed, and not imported, since an imported one would stay
 * in memory whole.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** Packed, where it was; else its JSON. */
export function vendorRegistry(): Uint8Array {
  const packed = fileURLToPath(new URL('../../build/vendors', import.meta.url));
  return readFileSync(existsSync(packed) ? packed : createRequire(import.meta.url).resolve('oui-data'));
}
