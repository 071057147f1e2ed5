/**
 * `anteroom facts report`: hand reports of users and their devices to control, as an agent, an identity provider or a
 * roster would: posture, authentication, location, risk, shift, assignment. Their form is `wire/facts.ts`.
 */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import * as z from 'zod';
import { Fault } from '../wire/errors.ts';
import { fact } from '../wire/facts.ts';
import type { Fact } from '../wire/facts.ts';
import { plural, reportFacts } from './console.ts';

/** Facts in one call of control. */
const AT_ONCE = 64;

/** Fault FACT_INVALID, which names the fact and what is wrong with it. */
export function readFacts(text: string): Fact[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new Fault('FACT_INVALID', 'not JSON', { cause });
  }
  const parsed = z
    .array(fact)
    .min(1)
    .safeParse(Array.isArray(json) ? json : [json]);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Fault('FACT_INVALID', `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
}

export function register(program: Command): void {
  const facts = program.command('facts').description('what is known of users and their devices');
  facts
    .command('report')
    .description('take reports of posture, sign-in, location, risk, shift or assignment')
    .argument('<file>', 'JSON: one fact or a list of them; "-" reads standard input')
    .action(async (file: string) => {
      let text: string;
      try {
        text = readFileSync(file === '-' ? 0 : file, 'utf8');
      } catch (cause) {
        throw new Fault('FACT_INVALID', cause instanceof Error ? cause.message : String(cause), { cause });
      }
      const reported = readFacts(text);
      for (let i = 0; i < reported.length; i += AT_ONCE) await reportFacts(reported.slice(i, i + AT_ONCE));
      process.stdout.write(`${plural(reported.length, 'fact')} taken.\n`);
    });
}
