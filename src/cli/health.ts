/**
 * `anteroom health`: whether this version runs well here, for boot counting (anteroom-healthy.service) and for people.
 *
 * Well means: control answers, the other four processes are there, and nothing that a version can be blamed for is
 * critical. What the site itself decides, such as a policy that has run out or an emergency, doesn't take a version
 * back. A gateway that hasn't been set up yet has nothing to be unwell with. With `--trial` a version on trial writes its
 * reasons down where the version before finds them.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { Fault, isFault } from '../wire/errors.ts';
import type { HealthItem } from '../wire/health.ts';
import { fetchOverview, plain } from './console.ts';

/** Items that say how the site is, not how the software is. */
const siteItems: ReadonlySet<string> = new Set([
  'control.coordinator',
  'control.policy',
  'control.emergency',
  'control.break-glass',
  'control.reviews',
  'control.exceptions',
  'control.simulation',
]);
const processes = ['tunnel', 'broker', 'audit', 'sensor'];
const TRIAL = '/usr/lib/anteroom/trial';
/** How often `--wait` asks. */
const ASK_MS = 1_000;

/** Why this version isn't well; empty when it is. */
export function complaints(items: readonly HealthItem[]): string[] {
  const missing = processes
    .filter((name) => items.find(({ item }) => item === `${name}.process`)?.level !== 'ok')
    .map((name) => `${name}.process: it is not there.`);
  const critical = items
    .filter(({ item, level }) => level === 'critical' && !siteItems.has(item))
    .filter(({ item }) => !processes.some((name) => item === `${name}.process`))
    .map(({ item, text }) => `${item}: ${text}`);
  return [...missing, ...critical];
}

async function ask(): Promise<string[]> {
  try {
    return complaints((await fetchOverview()).health);
  } catch (error) {
    if (isFault(error)) return [error.message];
    throw error;
  }
}

function wholeSeconds(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 3600)
    throw new InvalidArgumentError('0 to 3600 seconds');
  return value;
}

export function register(program: Command): void {
  program
    .command('health')
    .description('whether this version runs well here; exit 69 and the reasons when not')
    .option('--wait <seconds>', 'until it does, at most so long', wholeSeconds, 0)
    .option('--trial', 'write the reasons down for the version before')
    .action(async ({ wait, trial }: { wait: number; trial?: boolean }) => {
      if (!existsSync(process.env['ANTEROOM_CONFIG'] ?? '/etc/anteroom/config.json')) {
        process.stdout.write('not set up yet: nothing runs, nothing is wrong\n');
        return;
      }
      const until = performance.now() + wait * 1000;
      let found = await ask();
      while (found.length > 0 && performance.now() < until) {
        await pause(ASK_MS);
        found = await ask();
      }
      if (found.length > 0) {
        const reasons = found.map(plain).join(' ');
        if (trial === true) spawnSync(TRIAL, ['note', '/var', 'unwell', reasons], { stdio: 'inherit' });
        throw new Fault('GATEWAY_UNWELL', reasons);
      }
      process.stdout.write('well\n');
    });
}
