/** `anteroom policy …`: policy as code, from the first draft to the review. Each command is in a file of its own. */
import type { Command } from 'commander';
import { register as bundle } from './policy-bundle.ts';
import { register as check } from './policy-check.ts';
import { register as diff } from './policy-diff.ts';
import { register as explain } from './policy-explain.ts';
import { register as review } from './policy-review.ts';
import { register as signer } from './policy-signer.ts';
import { register as simulate } from './policy-simulate.ts';
import { register as suggest } from './policy-suggest.ts';
import { register as test } from './policy-test.ts';

export function register(program: Command): void {
  const policy = program
    .command('policy')
    .description('Policies: check, test and explain them, compare revisions, and review who may what.');
  for (const command of [check, test, explain, diff, simulate, suggest, review, signer, bundle])
    command(policy);
}
