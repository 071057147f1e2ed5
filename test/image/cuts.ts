/**
 * Power cuts: `node test/image/cuts.ts N [SEED]`. QEMU is killed at random moments of first starts and of operation, and
 * each time the machine must come up by itself afterwards, be well, and have an audit log that verifies and holds every
 * record that was acknowledged before the cut. How many were done, and how they went, is added to
 * build/image/cuts.json line by line, so that runs add up.
 *
 * A cut is of the machine, not of the disk: what the guest had flushed or not is kept by the host either way. So this
 * shows that no moment is a bad one to stop at; it doesn't show what a disk does that lies about flushing.
 */
import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { mulberry32 } from '../support/mulberry32.ts';
import { record } from './figures.ts';
import { makeSite, siteCredentials } from './site.ts';
import { createMachine, repository, start, testShell, testShellWords } from './vm.ts';
import type { Running } from './vm.ts';

const BOOT = 2400;
const ASK = 600;
/** CPU seconds in which a first start has done all its writing, keys and restart included. */
const FIRST = 90;
const OPERATION = 25;
const home = join(repository, 'build/image/vm/cuts');
const results = join(repository, 'build/image/cuts.json');

const say = (text: string): void => {
  process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
};

/** Let it run for so many CPU seconds more, then pull the plug. */
async function cutAfter(machine: Running, seconds: number): Promise<void> {
  const end = machine.cpuSeconds() + seconds;
  while (machine.cpuSeconds() < end) await pause(20);
  await machine.cut();
}

/** It came up by itself, is well, and lost nothing. */
async function wellAfter(machine: Running, records: number): Promise<number> {
  await machine.said(/@@SHELL/, BOOT);
  const report = await machine.run(
    'anteroom health --wait 600 && systemctl --failed --no-legend --plain && anteroom audit verify',
    900,
  );
  assert.match(report, /^well/m);
  assert.doesNotMatch(report, / failed /, 'no unit failed');
  assert.match(report, /^verified/m);
  const now = Number(/^records\s+(\d+)/m.exec(report)?.[1] ?? Number.NaN);
  assert.ok(now >= records, `${records} records were acknowledged, ${now} are there`);
  return now;
}

const count = Number(process.argv[2] ?? 10);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);
/** The moments of a run can be had again from its seed. */
const next = mulberry32(seed);
say(`${count} cuts, seed ${seed}`);
const note = (when: string, moment: number, records: number): void => {
  appendFileSync(
    results,
    `${JSON.stringify({ at: new Date().toISOString(), seed, when, moment, records })}\n`,
  );
};

for (let done = 0; done < count;) {
  createMachine({
    home,
    image: join(repository, 'build/image/amd64/out-1/anteroom_1.raw'),
    credentials: { ...siteCredentials(makeSite()), ...testShell },
    words: testShellWords,
  });
  const moment = next() * FIRST;
  let machine = await start(home);
  await cutAfter(machine, moment);
  machine = await start(home);
  let records = await wellAfter(machine, 0);
  done += 1;
  note('first start', moment, records);
  say(`${done}: cut ${moment.toFixed(1)} CPU s into the first start; well, ${records} records`);
  // Twice on the same disk in operation, the second time often while it is still starting.
  for (const span of [OPERATION, 3 * OPERATION]) {
    if (done >= count) break;
    const later = next() * span;
    const stirred = machine.run('systemctl restart anteroom-sensor; anteroom audit head', ASK);
    stirred.catch(() => undefined);
    await cutAfter(machine, later);
    machine = await start(home);
    records = await wellAfter(machine, records);
    done += 1;
    note('operation', later, records);
    say(`${done}: cut ${later.toFixed(1)} CPU s into operation; well, ${records} records`);
  }
  await machine.cut();
}
const all = existsSync(results) ? readFileSync(results, 'utf8').trim().split('\n').length : 0;
record('power cuts survived, of as many', '', all, '50 of 50');
say(`${all} cuts in all, every one survived`);
