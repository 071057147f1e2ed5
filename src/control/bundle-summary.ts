/** What `operator.policy.status` and the audit log say of a bundle. */
import type { PreparedBundle } from '../policy/bundle-content.ts';
import { unframe } from '../policy/bundle.ts';
import { readContent } from '../policy/bundle-verify.ts';
import type { VerifiedBundle } from '../policy/bundle-verify.ts';
import type { PolicySet } from '../policy/policy-set.ts';
import type { AuditBody } from '../wire/audit-event.ts';
import type { BundleSummary } from '../wire/messages.ts';
import type { BundleRow } from './bundle-store.ts';

/** Of one that was activated before: its signatures were verified then. */
export function summaryOf(row: BundleRow | undefined): BundleSummary | undefined {
  const framed = row && unframe(row.bytes);
  if (!row || framed?.kind !== 'bundle') return undefined;
  const signers = framed.signatures.map(({ signer }) => signer).sort();
  return summary({ content: readContent(framed.content), digest: row.digest, signers }, row.activated);
}

export function summary(
  { content, digest, signers }: VerifiedBundle,
  activated: number,
  set?: PolicySet,
): BundleSummary {
  const { revision, notBefore, notAfter } = content;
  return {
    revision,
    digest,
    activated,
    notBefore,
    notAfter,
    ...(set ? { policies: set.policies.size } : {}),
    signers: [...signers],
  };
}

/** What the audit log is told. */
export function eventOf({
  content,
  digest,
  signers,
  keys,
  set,
}: PreparedBundle): AuditBody<'policy.activated'> {
  const { revision, notAfter, destructive, directory } = content;
  return {
    revision: set.revision,
    digest,
    policies: set.policies.size,
    bundle: {
      revision,
      signers: [...signers],
      notAfter,
      destructive: destructive ?? false,
      ...(keys ? { keys: [...keys.keys()].sort() } : {}),
      ...(directory ? { resources: directory.resources.length } : {}),
    },
  };
}
