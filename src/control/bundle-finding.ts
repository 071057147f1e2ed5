/** What the health list says of the bundle in force: refused ones, signers, the seal, and the date that draws near. */
import type { PreparedBundle } from '../policy/bundle-content.ts';
import type { Fault } from '../wire/errors.ts';
import type { EpochMillis } from '../wire/units.ts';
import type { PolicyFinding } from './policy-source.ts';

/** So long before its end a bundle is to be renewed. */
const RENEW_MS = 7 * 86_400_000;

export interface BundleFacts {
  readonly now: EpochMillis;
  readonly inForce: PreparedBundle | undefined;
  /** Why what was offered last isn't in force. */
  readonly refused: Fault | undefined;
  /** What is wrong with what was found at the start, and with the seal. */
  readonly found: string | undefined;
  readonly seal: string | undefined;
}

export function bundleFinding({ now, inForce, refused, found, seal }: BundleFacts): PolicyFinding {
  if (!inForce) {
    const why = refused?.message ?? found ?? 'None was installed yet: anteroom policy install FILE.';
    return { level: 'critical', text: `No policy bundle decides, so every session is refused. ${why}` };
  }
  const { content, set } = inForce;
  const says = `Bundle ${set.revision}, ${set.policies.size} policies.`;
  if (refused) return { level: 'critical', text: `The bundle in force stays: ${says} ${refused.message}` };
  if (found !== undefined) return { level: 'critical', text: `${says} ${found}` };
  const until = new Date(content.notAfter).toISOString();
  if (now >= content.notAfter)
    return {
      level: 'critical',
      text: `${says} Its time was over at ${until}; it decides on. Install a newer one.`,
    };
  if (now < content.notBefore)
    return { level: 'warning', text: `${says} By the clock its time has not begun; look at the clock.` };
  if (seal !== undefined)
    return { level: 'warning', text: `${says} The seal of the highest revision: ${seal}` };
  if (content.notAfter - now < RENEW_MS)
    return { level: 'warning', text: `${says} To be renewed before ${until}.` };
  return { level: 'ok', text: `${says} Good until ${until}.` };
}
