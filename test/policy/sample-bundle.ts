/** Bundles for tests: a small site's, with whatever a test wants otherwise, and the keys that sign them. */
import { SigningKey } from '../../src/crypto/signer.ts';
import { questionsAbout } from '../../src/policy/bundle-questions.ts';
import { makeVectors } from '../../src/policy/bundle-vectors.ts';
import { signBundle } from '../../src/policy/bundle.ts';
import type { BundleSource } from '../../src/wire/bundle.ts';

/** Key number `n`: the same one in every run. */
export const signingKey = (n: number): SigningKey => new SigningKey(Buffer.alloc(64, n));

export const T0 = 1_800_000_000_000;
export const DAY = 86_400_000;

export const imagingText = [
  '@id("imaging") @reason("Imaging.")',
  'permit (principal in Role::"radiologist", action in [Action::"view", Action::"modify"], resource);',
  '@id("major") @reason("Its posture is bad.") @tier("soft")',
  'forbid (principal, action == Action::"modify", resource)',
  'when { context.posture.level == Level::"major" } unless { context.emergency || context.breakGlass };',
  '@id("recorded") @reason("Sessions on the PACS are recorded.")',
  'permit (principal, action == Action::"record", resource) when { resource.class == "pacs" };',
].join('\n');

const kept = new Map<string, BundleSource['vectors']>();

/** What a bundle of revision 7 says, changed by `more`. Vectors are made of its policies where none are given. */
export function sample(more: Partial<BundleSource> = {}): BundleSource {
  const policies = more.policies ?? imagingText;
  let vectors = more.vectors ?? kept.get(policies);
  if (!vectors) {
    vectors = makeVectors(policies, questionsAbout(policies, 8));
    kept.set(policies, vectors);
  }
  return {
    format: 1,
    revision: 7,
    audience: ['clinic'],
    notBefore: T0 - DAY,
    notAfter: T0 + 30 * DAY,
    ...more,
    policies,
    vectors,
  };
}

export const signed = (
  more: Partial<BundleSource> = {},
  keys: readonly SigningKey[] = [signingKey(1)],
): Buffer => signBundle(sample(more), keys);
