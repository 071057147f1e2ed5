/**
 * The refusal that the broker itself writes when control didn't: no place, no decision, no record. It carries what is
 * known: before a decision that is the source address, told among the reasons, since there is no subject yet.
 */
import { formatEndpoint } from '../wire/address.ts';
import type { ErrorCode } from '../wire/errors.ts';
import type { Grant, Refusal } from '../wire/grant.ts';
import type { SessionSetting } from './session-effects.ts';

export function refusalOf(
  { id, source, target }: SessionSetting,
  grant: Grant | undefined,
  code: ErrorCode,
  reason: string,
): Refusal {
  if (!grant) {
    const reasons = [reason, `source ${formatEndpoint(source)}`];
    return { session: id, target, code, rules: [], reasons, revision: '' };
  }
  const { rules, revision, subject } = grant;
  return { session: id, subject, target: grant.target, code, rules, reasons: [reason], revision };
}
