/**
 * A gateway that takes one bundle after another and says so, for a test that kills it: argument 1 is its folder, 2 the
 * revision to begin with, 3 the step of the n-th activation at which it kills itself ('none' for a killer outside).
 */
import { join } from 'node:path';
import { BundlePolicy } from '../../src/control/bundle-policy.ts';
import { BundleStore, bundleSchema } from '../../src/control/bundle-store.ts';
import type { SealPort } from '../../src/control/seal.ts';
import { SealedFile } from '../../src/store/sealed-file.ts';
import { openStore } from '../../src/store/store.ts';
import type { BundleSource } from '../../src/wire/bundle.ts';
import { epochMillis, monotonicMillis } from '../../src/wire/units.ts';
import type { Clock } from '../../src/wire/units.ts';
import { T0, imagingText, sample, signed, signingKey } from '../policy/sample-bundle.ts';

export const clock: Clock = { now: () => epochMillis(T0), monotonic: () => monotonicMillis(0) };

/** Revision n in each part of it, so that a mixture would show. */
export function numbered(n: number): Partial<BundleSource> {
  return {
    revision: n,
    policies: imagingText.replace('Imaging.', `Imaging ${n}.`),
    vectors: sample().vectors,
    directory: {
      users: [{ id: 'ada', name: `Ada ${n}`, roles: ['radiologist'] }],
      devices: [{ id: 'pacs', name: `PACS ${n}`, class: 'pacs', address: '10.20.0.10' }],
      resources: [],
    },
    destructive: true,
  };
}

export const steps = ['before-intent', 'after-intent', 'after-commit', 'after-settle', 'none'] as const;
export type Step = (typeof steps)[number];

/** The gateway on what lies in `folder`; `at` is told of each step that an activation reaches. */
export function openGateway(
  folder: string,
  at: (step: Step) => void = () => undefined,
): { readonly policy: BundlePolicy; readonly close: () => void } {
  const file = new SealedFile(join(folder, 'seal', 'policy.seal'));
  const store = new BundleStore(openStore({ file: join(folder, 'policy.db'), schema: bundleSchema }));
  const seal: SealPort = {
    read: () => file.read(),
    write: (text) => {
      const settles = !text.includes('"pending"');
      at(settles ? 'after-commit' : 'before-intent');
      file.write(text);
      at(settles ? 'after-settle' : 'after-intent');
    },
  };
  const { signer } = signingKey(1);
  const policy = new BundlePolicy({
    pinned: [{ text: signer.text, from: 'a test' }],
    store,
    seal,
    clock,
    site: 'clinic',
    overlay: '100.96.128.0/17',
    configured: { users: [], devices: [], resources: [] },
  });
  policy.start(clock.now());
  return { policy, close: () => store.close() };
}

const BUNDLES = 60;

function run(folder: string, first: number, step: Step): void {
  let armed = false;
  const { policy } = openGateway(folder, (reached) => {
    if (armed && reached === step) process.kill(process.pid, 'SIGKILL');
  });
  // Made beforehand, so that nearly all the time is spent on activating them.
  const bundles = Array.from({ length: BUNDLES }, (_, i) => signed(numbered(first + i)));
  for (const [i, bundle] of bundles.entries()) {
    const n = first + i;
    armed = i === 1;
    const outcome = policy.install(bundle, clock.now(), 'a test');
    if (outcome.kind !== 'activated') throw new Error(`revision ${n}: ${outcome.kind}`);
    process.stdout.write(`${n}\n`);
  }
}

const [, program, folder, first = '1', step = 'none'] = process.argv;
if (program === import.meta.filename && folder !== undefined) run(folder, Number(first), step as Step);
