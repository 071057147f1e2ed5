/** What control needs of the machine where signers are pinned: their key files, the bundles' store, the seal, the file. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { BundlePorts } from '../control/bundle-policy.ts';
import { BundleStore, bundleSchema } from '../control/bundle-store.ts';
import type { Logger } from '../platform/log.ts';
import { readSigners } from '../policy/bundle-verify.ts';
import { SealedFile } from '../store/sealed-file.ts';
import { openStore } from '../store/store.ts';
import { MAX_BUNDLE_BYTES } from '../wire/bundle.ts';
import type { Config } from '../wire/config.ts';
import { Fault, isFault } from '../wire/errors.ts';

function openBundleStore(file: string, log: Logger): BundleStore {
  try {
    return new BundleStore(openStore({ file, schema: bundleSchema }));
  } catch (error) {
    if (!isFault(error)) throw error;
    log.error({ err: error }, 'the store of policy bundles cannot be opened; none can be activated');
    return new BundleStore(undefined, error);
  }
}

/** At most one byte more than a bundle may have: what is longer is refused, and not read. */
export function readBundle(file: string): Uint8Array {
  const fd = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(MAX_BUNDLE_BYTES + 1);
    let length = 0;
    for (;;) {
      const got = readSync(fd, bytes, length, bytes.length - length, null);
      length += got;
      if (got === 0 || length === bytes.length) return bytes.subarray(0, length);
    }
  } finally {
    closeSync(fd);
  }
}

/** Fault CONFIG_INVALID for a key file that can't be read or holds no key. */
export function openBundles(config: Config, log: Logger): BundlePorts {
  const { keys, bundle, seal } = config.policy;
  const folder = join(config.stateDir, 'control');
  const pinned = keys.map((from) => {
    try {
      const text = readFileSync(from, 'utf8');
      readSigners([{ text, from }]);
      return { from, text };
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Fault('CONFIG_INVALID', `policy.keys: ${from}: ${why}`, { cause });
    }
  });
  return {
    pinned,
    store: openBundleStore(join(folder, 'policy.db'), log),
    seal: new SealedFile(seal ?? join(folder, 'seal', 'policy.seal')),
    ...(bundle === undefined ? {} : { read: () => readBundle(bundle) }),
  };
}
