/** Policies in Cedar's own layout. https://docs.cedarpolicy.com/policies/syntax-grammar.html */
import { formatPolicies as format } from '@cedar-policy/cedar-wasm/nodejs';
import { Fault } from '../wire/errors.ts';

const LINE_WIDTH = 110;

/** Fault POLICY_INVALID for what doesn't parse. The same text again for what is formatted. */
export function formatPolicies(text: string, file: string): string {
  const answer = format({ policyText: text, lineWidth: LINE_WIDTH, indentWidth: 2 });
  if (answer.type === 'failure')
    throw new Fault('POLICY_INVALID', `${file}: ${answer.errors.map(({ message }) => message).join('; ')}`);
  return answer.formatted_policy.endsWith('\n') ? answer.formatted_policy : `${answer.formatted_policy}\n`;
}
