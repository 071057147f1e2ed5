/**
 * What decides at this gateway, for commands that ask about it: the plain file of the configuration, or, where signers are
 * pinned, what control has in force of a bundle, with the site's data and the directory that came in it.
 */
import { loadConfig } from '../platform/config.ts';
import { loadPolicySet } from '../policy/policy-set.ts';
import type { PolicySet } from '../policy/policy-set.ts';
import type { Config } from '../wire/config.ts';
import { Fault } from '../wire/errors.ts';
import { withControl } from './console.ts';
import { readSource, setOf } from './policy-files.ts';

const TIMEOUT_MS = 10_000;

export interface InForce {
  readonly set: PolicySet;
  /** With the lists and the site's data in force. */
  readonly config: Config;
}

/** `path`: policies to ask instead. Faults of the configuration, of the policies, and IPC_UNREACHABLE. */
export async function inForce(path?: string): Promise<InForce> {
  const config = loadConfig();
  const file = path ?? config.policy.file;
  if (config.policy.keys.length === 0) {
    if (file === undefined)
      throw new Fault('POLICY_UNREADABLE', 'The configuration names no policy file: name one.');
    return { set: setOf(readSource(file)), config };
  }
  const { policies, site, directory } = await withControl((control) =>
    control.call('operator.policy.content', {}, { timeoutMs: TIMEOUT_MS }),
  );
  if (path === undefined && policies === undefined) throw new Fault('POLICY_UNAVAILABLE');
  const set = path === undefined ? loadPolicySet(policies ?? '', 'in force') : setOf(readSource(path));
  return { set, config: { ...config, ...directory, siteData: site } };
}
