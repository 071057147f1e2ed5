/**
 * A verified bundle made ready to decide: its policies compiled, its directory checked, its vectors come out. Nothing
 * is in force by that; what is in force and whether this may replace it is control's to say.
 */
import { directoryFindings } from '../wire/config.ts';
import { Fault } from '../wire/errors.ts';
import { checkVectors } from './bundle-vectors.ts';
import type { VerifiedBundle } from './bundle-verify.ts';
import { loadPolicySet } from './policy-set.ts';
import type { PolicySet } from './policy-set.ts';

export interface PreparedBundle extends VerifiedBundle {
  readonly set: PolicySet;
}

/** What grants and audit records name it: its revision, and enough of its digest to tell two apart. */
export const revisionName = (revision: number, digest: string): string =>
  `${revision}-${digest.slice(0, 12)}`;

/**
 * Faults BUNDLE_INVALID, POLICY_INVALID, BUNDLE_VECTORS. `late`: looked at between vectors, true when they have
 * taken long enough.
 */
export function prepareBundle(bundle: VerifiedBundle, late?: () => boolean): PreparedBundle {
  const { content, digest } = bundle;
  if (content.notAfter <= content.notBefore)
    throw new Fault('BUNDLE_INVALID', 'notAfter: it ends before it begins');
  if (content.directory) {
    const [finding] = directoryFindings(content.directory);
    if (finding) throw new Fault('BUNDLE_INVALID', `directory.${finding.at.join('.')} ${finding.message}`);
  }
  const name = revisionName(content.revision, digest);
  const set = loadPolicySet(content.policies, `bundle ${content.revision}`, name);
  try {
    checkVectors(set, content.vectors, late);
  } catch (error) {
    set.close();
    throw error;
  }
  return { ...bundle, set };
}
