/**
 * The IEEE registry of makers of network cards, as npm's `oui-data` has it: a file that is read when it is needed, and
 * not imported, since an imported one would stay in memory whole.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** Its JSON. */
export const vendorRegistry = (): Uint8Array =>
  readFileSync(createRequire(import.meta.url).resolve('oui-data'));
