/**
 * Policies in Cedar's own layout. https://docs.cedarpolicy.com/policies/syntax-grammar.html
 *
 * What surprises: Cedar's formatter drops the empty line between what a file says of itself and its first policy, so that
 * the one becomes the other's comment. The two are kept apart here.
 */
import { Fault } from '../wire/errors.ts';
import { formatPolicies as format } from './cedar.ts';

const LINE_WIDTH = 110;

/** Comments before the first empty line, and the empty lines after them. */
const opening = /^((?:[ \t]*\/\/[^\n]*\n)+)[ \t]*\n\s*(?=\S)/;

/** Fault POLICY_INVALID for what doesn't parse. The same text again for what is formatted. */
export function formatPolicies(text: string, file: string): string {
  const [head = '', comments] = opening.exec(text) ?? [];
  const answer = format({ policyText: text.slice(head.length), lineWidth: LINE_WIDTH, indentWidth: 2 });
  if (answer.type === 'failure')
    throw new Fault('POLICY_INVALID', `${file}: ${answer.errors.map(({ message }) => message).join('; ')}`);
  const policies = answer.formatted_policy;
  const kept = comments === undefined ? '' : `${comments}\n`;
  return `${kept}${policies}${policies.endsWith('\n') ? '' : '\n'}`;
}
