/** `anteroom policy simulate`: a candidate set beside the one that decides; what would differ is counted, nothing enforced. */
import { basename } from 'node:path';
import type { Command } from 'commander';
import { joinFiles } from '../policy/check.ts';
import type { Simulation } from '../wire/simulation.ts';
import { paragraph, plural, printJson, span, withControl } from './console.ts';
import { changedText } from './policy-diff.ts';
import { readSource, setOf } from './policy-files.ts';

export function simulationText(simulation: Simulation | undefined, now: number): string {
  if (!simulation) return 'No candidate is compared.\n';
  const { name, revision, started, by, decisions, differing, missed, failed, differences, beyond } =
    simulation;
  let text = paragraph(
    `Candidate ${name} (${revision}), compared for ${span(now - started)} by ${by}: ` +
      `${differing} of ${plural(decisions, 'decision')} would differ. Nothing of it is enforced.`,
    0,
  );
  for (const each of differences.toSorted((a, b) => b.loses.length - a.loses.length || b.count - a.count))
    text += changedText(each);
  if (beyond > 0) text += paragraph(`${plural(beyond, 'decision')} differ in yet other ways.`, 0);
  if (missed > 0) text += paragraph(`${plural(missed, 'decision')} came too fast to be compared.`, 0);
  if (failed > 0)
    text += paragraph(
      `In ${plural(failed, 'decision')} a policy of the candidate could not be evaluated.`,
      0,
    );
  return text;
}

function show(simulation: Simulation | undefined, json: boolean | undefined): void {
  if (json === true) printJson(simulation ?? null);
  else process.stdout.write(simulationText(simulation, Date.now()));
}

export function register(policy: Command): void {
  const simulate = policy
    .command('simulate')
    .description('compare a candidate with what decides, decision by decision; nothing is enforced');
  simulate
    .command('start')
    .description('begin, in place of the candidate that is compared now')
    .argument('<path>', 'a folder of .cedar files, or one file')
    .option('--name <name>', 'how it is called in reports (default: the name of the folder or file)')
    .option('--json', 'as JSON')
    .action(async (path: string, { name, json }: { name?: string; json?: boolean }) => {
      const source = readSource(path);
      // Mistakes are told here, with the place in their own file.
      setOf(source);
      const { text } = joinFiles(source.files);
      const body = { name: (name ?? basename(path)).slice(0, 100), text };
      show((await withControl((control) => control.call('simulation.start', body))).simulation, json);
    });
  for (const [verb, description] of [
    ['stop', 'end it, with a last report'],
    ['report', 'what would differ up to now'],
  ] as const)
    simulate
      .command(verb)
      .description(description)
      .option('--json', 'as JSON')
      .action(async ({ json }: { json?: boolean }) => {
        show((await withControl((control) => control.call(`simulation.${verb}`, {}))).simulation, json);
      });
}
