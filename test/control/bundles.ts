/** A gateway's bundles for tests: a store in a folder of its own, a seal in memory that can fail, pinned signers. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BundlePolicy } from '../../src/control/bundle-policy.ts';
import type { BundlePorts } from '../../src/control/bundle-policy.ts';
import { BundleStore, bundleSchema } from '../../src/control/bundle-store.ts';
import type { SealPort } from '../../src/control/seal.ts';
import type { SigningKey } from '../../src/crypto/signer.ts';
import { openStore } from '../../src/store/store.ts';
import { Fault } from '../../src/wire/errors.ts';
import type { Clock } from '../../src/wire/units.ts';
import { signingKey } from '../policy/sample-bundle.ts';
import { clinicConfig, fakeClock } from './fakes.ts';

export interface MemorySeal extends SealPort {
  text: string | undefined;
  /** Writes left until they fail. */
  writable: number;
}

export function memorySeal(text?: string): MemorySeal {
  return {
    text,
    writable: Infinity,
    read() {
      return this.text === undefined ? { kind: 'missing' } : { kind: 'text', text: this.text };
    },
    write(next) {
      if (this.writable-- <= 0) throw new Fault('SEAL_UNAVAILABLE', 'in this test');
      this.text = next;
    },
  };
}

export interface Place {
  readonly folder: string;
  readonly seal: MemorySeal;
  clock: Clock;
  /** The gateway as it starts on what is in the folder and the seal. */
  ports(options?: { readonly keys?: readonly SigningKey[]; readonly read?: () => Uint8Array }): BundlePorts;
  start(options?: { readonly keys?: readonly SigningKey[]; readonly read?: () => Uint8Array }): BundlePolicy;
  remove(): void;
}

export function place(): Place {
  const folder = mkdtempSync(join(tmpdir(), 'anteroom-bundles-'));
  let open: BundleStore | undefined;
  const close = (): void => open?.close();
  const at: Place = {
    folder,
    seal: memorySeal(),
    clock: fakeClock(),
    ports: ({ keys = [signingKey(1)], read } = {}) => {
      close();
      open = new BundleStore(openStore({ file: join(folder, 'policy.db'), schema: bundleSchema }));
      const pinned = keys.map(({ signer }) => ({ text: `${signer.text}\n`, from: 'a test' }));
      return { pinned, store: open, seal: at.seal, ...(read ? { read } : {}) };
    },
    start: (options) => {
      const policy = new BundlePolicy({
        ...at.ports(options),
        clock: at.clock,
        site: 'clinic',
        overlay: '100.96.128.0/17',
        configured: clinicConfig(),
      });
      policy.start(at.clock.now());
      return policy;
    },
    remove: () => {
      close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return at;
}
